//! A publisher that is not ours: it sends given messages at given times, however odd.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::chunks::Chunker;
use crate::flv::Tag;
use crate::tls::Authority;
use crate::wait::Watched;
use crate::wire::{self, Io, Message, Reader, Role, Value, Writer, kind, object, text};

/// The parts of `rtmp://HOST:PORT/APP/NAME`, split as the URL is written: the app is one path component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `HOST:PORT`.
    pub address: String,
    /// The app.
    pub app: String,
    /// The stream name, query included.
    pub name: String,
    /// Whether it was `rtmps`.
    pub tls: bool,
}

impl Target {
    /// Takes a URL apart. The port must be there.
    pub fn parse(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a scheme");
        let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (app, name) = path.split_once('/').unwrap_or((path, ""));
        Self { address: address.into(), app: app.into(), name: name.into(), tls: scheme == "rtmps" }
    }

    /// Connects, through TLS where the URL says so.
    pub async fn dial(&self, authority: Option<&Authority>) -> io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        if !self.tls {
            return Ok(Box::new(stream));
        }
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host).to_string();
        let name = host.try_into().map_err(io::Error::other)?;
        let connector = authority.expect("rtmps needs an authority").connector();
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

/// What encoders say of themselves in `connect`.
pub fn encoder() -> (&'static str, Value) {
    ("type", text("nonprivate"))
}

/// What players say.
pub fn decoder() -> (&'static str, Value) {
    ("videoCodecs", Value::Number(252.0))
}

/// Sends `connect` and `createStream` and waits for both answers; gives the message stream id.
pub async fn open_stream(
    target: &Target,
    sort: (&'static str, Value),
    reader: &mut Reader,
    writer: &mut Writer,
) -> io::Result<u32> {
    wire::handshake(Role::Client, reader, writer).await?;
    writer.chunk_size(4096).await?;
    let connect = object([
        ("app", text(target.app.as_str())),
        sort,
        ("flashVer", text("FMLE/3.0 (compatible; testkit)")),
        ("tcUrl", text(format!("rtmp{}://{}/{}", if target.tls { "s" } else { "" }, target.address, target.app))),
    ]);
    writer.command(0, "connect", 1.0, vec![connect]).await?;
    answer(reader, 1.0).await?;
    writer.command(0, "createStream", 2.0, vec![Value::Null]).await?;
    let values = answer(reader, 2.0).await?;
    let id = values.last().cloned().and_then(Value::get_number).ok_or_else(|| io::Error::other("no stream id"))?;
    Ok(id as u32)
}

/// Waits for the answer to a call; gives its values.
pub async fn answer(reader: &mut Reader, transaction: f64) -> io::Result<Vec<Value>> {
    loop {
        let Some(message) = reader.next().await? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let Some(values) = (message.kind == kind::COMMAND).then(|| message.values()).flatten() else { continue };
        if values.get(1).cloned().and_then(Value::get_number) != Some(transaction) {
            continue;
        }
        return match values.first().cloned().and_then(Value::get_string).as_deref() {
            Some("_result") => Ok(values),
            other => Err(io::Error::other(format!("{other:?}: {values:?}"))),
        };
    }
}

/// Waits for an `onStatus` and gives its code; an error level is an error.
pub async fn status(reader: &mut Reader) -> io::Result<String> {
    loop {
        let Some(message) = reader.next().await? else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an onStatus"));
        };
        if message.kind != kind::COMMAND || message.name().as_deref() != Some("onStatus") {
            continue;
        }
        let info = message.values().and_then(|values| values.into_iter().nth(3)).and_then(Value::get_object_properties);
        let mut info = info.unwrap_or_default();
        let code = info.remove("code").and_then(Value::get_string).unwrap_or_default();
        return match info.remove("level").and_then(Value::get_string).as_deref() {
            Some("error") => Err(io::Error::other(code)),
            _ => Ok(code),
        };
    }
}

/// What came back to a publisher.
#[derive(Debug, Default)]
pub struct Replies {
    /// Names of commands after the publish was accepted.
    pub commands: Vec<String>,
    /// Why the connection ended, once it has.
    pub end: Option<String>,
}

/// A publisher whose `publish` was accepted.
pub struct Publisher {
    writer: Writer,
    stream: u32,
    name: String,
    /// What the server says meanwhile.
    pub replies: Watched<Replies>,
    reading: tokio::task::JoinHandle<()>,
}

impl Publisher {
    /// Connects to an `rtmp://` URL and publishes.
    pub async fn connect(url: &str) -> io::Result<Self> {
        let target = Target::parse(url);
        let stream = target.dial(None).await?;
        Self::over(stream, &target).await
    }

    /// Publishes over a stream that is connected already.
    pub async fn over(stream: Box<dyn Io>, target: &Target) -> io::Result<Self> {
        let (mut reader, mut writer) = wire::split(stream);
        let stream = open_stream(target, encoder(), &mut reader, &mut writer).await?;
        let name = target.name.clone();
        writer.command(stream, "publish", 3.0, vec![Value::Null, text(name.as_str()), text("live")]).await?;
        status(&mut reader).await?;
        let replies = Watched::new(Replies::default());
        let seen = replies.clone();
        let reading = tokio::spawn(async move {
            let end = loop {
                match reader.next().await {
                    Ok(Some(message)) if message.kind == kind::COMMAND => {
                        seen.update(|seen| seen.commands.push(message.name().unwrap_or_default()));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break "server left".to_string(),
                    Err(error) => break error.to_string(),
                }
            };
            seen.update(|seen| seen.end = Some(end));
        });
        Ok(Self { writer, stream, name, replies, reading })
    }

    /// Sends one message on the published stream.
    pub async fn send(&mut self, kind: u8, time: u32, body: impl Into<bytes::Bytes>) -> io::Result<()> {
        self.writer.send(&Message { kind, time, stream: self.stream, body: body.into() }).await
    }

    /// Sends one message on the published stream as another writer of chunks would; from then on only that one may.
    pub async fn send_as(
        &mut self,
        chunks: &mut Chunker,
        kind: u8,
        time: u32,
        body: impl Into<bytes::Bytes>,
    ) -> io::Result<()> {
        let bytes = chunks.encode(&Message { kind, time, stream: self.stream, body: body.into() });
        self.writer.raw(&bytes).await
    }

    /// Sends a tag at its own time, moved by `offset` milliseconds; metadata gets its `@setDataFrame`.
    pub async fn send_tag(&mut self, tag: &Tag, offset: u32) -> io::Result<()> {
        self.send(tag.kind, tag.time.wrapping_add(offset), published(tag)).await
    }

    /// Sends tags in real time by their own clock, the first one now.
    pub async fn play(&mut self, tags: &[Tag], offset: u32) -> io::Result<()> {
        let Some(first) = tags.first() else { return Ok(()) };
        let start = Instant::now();
        for tag in tags {
            let due = Duration::from_millis(u64::from(tag.time.saturating_sub(first.time)));
            tokio::time::sleep_until(start + due).await;
            self.send_tag(tag, offset).await?;
        }
        Ok(())
    }

    /// Raw bytes, to hurt the server.
    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.raw(bytes).await
    }

    /// Ends the broadcast as an encoder does: `FCUnpublish`, `deleteStream`, FIN.
    pub async fn finish(mut self) -> io::Result<()> {
        self.writer.command(0, "FCUnpublish", 4.0, vec![Value::Null, text(self.name.as_str())]).await?;
        self.writer.command(0, "deleteStream", 5.0, vec![Value::Null, Value::Number(self.stream.into())]).await?;
        self.writer.finish().await
    }
}

/// A tag's body as it is published: metadata behind `@setDataFrame`.
pub fn published(tag: &Tag) -> bytes::Bytes {
    match tag.kind {
        kind::DATA => [b"\x02\x00\x0d@setDataFrame", &tag.body[..]].concat().into(),
        _ => tag.body.clone(),
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
