//! A player that is not ours: it collects every message that comes after `play`.

use std::io;
use std::time::Instant;

use crate::flv::Tag;
use crate::ingest::Arrival;
use crate::publisher::{Target, decoder, open_stream, status};
use crate::tls::Authority;
use crate::wait::Watched;
use crate::wire::{self, Message, Reader, Value, Writer, kind, text};

/// What a player has received.
#[derive(Default)]
pub struct Received {
    /// Audio, video and data messages with the instant each came at.
    pub arrivals: Vec<Arrival>,
    /// Audio and video messages.
    pub media_messages: usize,
    /// Video key frames.
    pub key_frames: usize,
    /// Codes of `onStatus` messages after the first.
    pub statuses: Vec<String>,
    /// The chunk size that the server announced.
    pub chunk_size: u32,
    /// Reads that gave bytes since `play` was accepted.
    pub reads: usize,
    /// How the connection ended, once it has.
    pub end: Option<String>,
}

impl Received {
    /// The messages as FLV tags.
    pub fn tags(&self) -> Vec<Tag> {
        self.arrivals.iter().map(|arrival| Tag::from_message(&arrival.message)).collect()
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received")
            .field("media_messages", &self.media_messages)
            .field("key_frames", &self.key_frames)
            .field("statuses", &self.statuses)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// A player whose `play` was accepted; it leaves when dropped.
#[derive(Debug)]
pub struct Player {
    /// What came so far.
    pub received: Watched<Received>,
    /// When `play` was accepted.
    pub accepted: Instant,
    pause: tokio::sync::watch::Sender<bool>,
    reading: tokio::task::JoinHandle<()>,
}

/// Plays a URL, up to the server's yes.
pub(crate) async fn begin(url: &str, authority: Option<&Authority>) -> io::Result<(Reader, Writer)> {
    let target = Target::parse(url);
    let (mut reader, mut writer) = wire::split(target.dial(authority).await?);
    let stream = open_stream(&target, decoder(), &mut reader, &mut writer).await?;
    let play = vec![Value::Null, text(target.name.as_str()), Value::Number(-2000.0)];
    writer.command(stream, "play", 3.0, play).await?;
    // Play.Reset may come before Play.Start.
    while status(&mut reader).await? == "NetStream.Play.Reset" {}
    Ok((reader, writer))
}

impl Player {
    /// Connects to an `rtmp://` URL and plays.
    pub async fn connect(url: &str) -> io::Result<Self> {
        Self::connect_trusting(url, None).await
    }

    /// Connects to an `rtmp://` or `rtmps://` URL and plays.
    pub async fn connect_trusting(url: &str, authority: Option<&Authority>) -> io::Result<Self> {
        let (mut reader, writer) = begin(url, authority).await?;
        let received = Watched::new(Received::default());
        let (pause, mut paused) = tokio::sync::watch::channel(false);
        let into = received.clone();
        let reading = tokio::spawn(async move {
            // Kept, or dropping the sending half would end a TLS connection.
            let _writer = writer;
            let before = reader.reads;
            let end = loop {
                let mut told = paused.clone();
                let next = tokio::select! {
                    biased;
                    ordered = async { told.wait_for(|paused| *paused).await.is_ok() } => {
                        if !ordered || paused.wait_for(|paused| !*paused).await.is_err() {
                            break "the test is over".to_string();
                        }
                        continue;
                    }
                    next = reader.next() => next,
                };
                match next {
                    Ok(Some(message)) => {
                        let (chunk_size, reads) = (reader.chunk_size, reader.reads - before);
                        into.update(|into| {
                            into.take(message);
                            into.chunk_size = chunk_size;
                            into.reads = reads;
                        });
                    }
                    Ok(None) => break "server left".to_string(),
                    Err(error) => break error.to_string(),
                }
            };
            into.update(|into| into.end = Some(end));
        });
        Ok(Self { received, accepted: Instant::now(), pause, reading })
    }

    /// Plays a URL and throws away whatever comes, until the connection ends: for a crowd that has to cost little.
    pub async fn drain(url: &str, accepted: impl FnOnce()) -> io::Result<()> {
        let (mut reader, _writer) = begin(url, None).await?;
        accepted();
        let mut room = vec![0; 64 << 10];
        while reader.read_some(&mut room).await? > 0 {}
        Ok(())
    }

    /// Waits for this many audio and video messages and gives all that came.
    pub async fn wait_for_media(&self, messages: usize) -> Vec<Tag> {
        let what = format!("{messages} media messages at a player");
        self.received.wait_for(&what, |received| (received.media_messages >= messages).then(|| received.tags())).await
    }

    /// Stops reading (`true`), or goes on (`false`).
    pub fn pause(&self, paused: bool) {
        self.pause.send_replace(paused);
    }

    /// All that came so far.
    pub fn tags(&self) -> Vec<Tag> {
        self.received.look(Received::tags)
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Received {
    fn take(&mut self, message: Message) {
        match message.kind {
            kind::AUDIO | kind::VIDEO | kind::DATA => {
                if message.kind != kind::DATA {
                    self.media_messages += 1;
                    self.key_frames += usize::from(crate::flv::is_key_frame(message.kind, &message.body));
                }
                let (length, digest) = (message.body.len(), crate::flv::digest(&message.body));
                self.arrivals.push(Arrival { at: Instant::now(), message, length, digest });
            }
            kind::COMMAND if message.name().as_deref() == Some("onStatus") => {
                let info = message.values().and_then(|values| values.into_iter().nth(3));
                let code = info.and_then(Value::get_object_properties).and_then(|mut info| info.remove("code"));
                self.statuses.push(code.and_then(Value::get_string).unwrap_or_default());
            }
            _ => {}
        }
    }
}
