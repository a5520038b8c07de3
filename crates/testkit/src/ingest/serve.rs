//! One connection of an ingest server, by its behaviour.

use std::io;
use std::time::{Duration, Instant};

use rml_rtmp::messages::{PeerBandwidthLimitType, RtmpMessage};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

use super::{Behaviour, Orders, Stage, State};
use crate::tls::Identity;
use crate::wait::Watched;
use crate::wire::{self, Message, Reader, Role, Value, Writer, kind, object, text};

const GARBAGE: &[u8] =
    b"\xff\xfe\xfd this is no RTMP at all \x00\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

/// Serves until either side ends it, and says how it ended.
pub(super) async fn connection(
    stream: TcpStream,
    tls: Option<Identity>,
    behaviour: Behaviour,
    index: usize,
    state: &Watched<State>,
    mut orders: watch::Receiver<Orders>,
    outgoing: broadcast::Receiver<Message>,
) -> String {
    if matches!(behaviour, Behaviour::ResetAt(_)) && stream.set_zero_linger().is_err() {
        return "could not set SO_LINGER".into();
    }
    let closings = orders.borrow().closings;
    // With nothing said, TLS included, only the raw stream is read.
    let tls = if matches!(behaviour, Behaviour::Mute(Stage::Accept)) { None } else { tls };
    let held = orders.clone();
    let serving = async {
        let (reader, writer) = super::open(stream, tls).await?;
        Connection { reader, writer, behaviour, index, state, orders: held, outgoing, published: None }.run().await
    };
    tokio::select! {
        result = serving => match result {
            Ok(end) => end.into(),
            Err(error) => format!("error: {error}"),
        },
        _ = orders.wait_for(|orders| orders.closings > closings) => "closed by the test".into(),
    }
}

struct Connection<'a> {
    reader: Reader,
    writer: Writer,
    behaviour: Behaviour,
    index: usize,
    state: &'a Watched<State>,
    orders: watch::Receiver<Orders>,
    outgoing: broadcast::Receiver<Message>,
    /// When `publish` was accepted, and the bytes read until then.
    published: Option<(Instant, u64)>,
}

impl Connection<'_> {
    async fn run(mut self) -> io::Result<&'static str> {
        if self.stage_is_over(Stage::Accept).await? {
            return Ok("client left");
        }
        wire::handshake(Role::Server, &mut self.reader, &mut self.writer).await?;
        if self.stage_is_over(Stage::Handshake).await? {
            return Ok("client left");
        }
        if let Behaviour::StopReading(bytes) | Behaviour::ResetAt(bytes) = self.behaviour {
            self.reader.set_limit(Some(bytes));
        }
        loop {
            self.hold().await?;
            let mut orders = self.orders.clone();
            let next = tokio::select! {
                biased;
                _ = orders.wait_for(|orders| orders.paused) => continue,
                next = self.reader.next() => Ok(next),
                // From the first message after `play` was accepted on.
                message = self.outgoing.recv(), if self.state.look(|state| state.sessions[self.index].played.is_some()) => {
                    Err(message)
                }
            };
            let next = match next {
                Ok(next) => next,
                Err(message) => {
                    self.writer.send(&message.map_err(io::Error::other)?).await?;
                    continue;
                }
            };
            let message = match next {
                Err(error) if wire::is_at_limit(&error) => {
                    if matches!(self.behaviour, Behaviour::ResetAt(_)) {
                        return Ok("reset by the test");
                    }
                    self.count_bytes();
                    self.orders.wait_for(|orders| orders.resumed).await.map_err(io::Error::other)?;
                    self.reader.set_limit(None);
                    continue;
                }
                other => other?,
            };
            let Some(message) = message else { return Ok("client left") };
            self.count_bytes();
            match message.kind {
                kind::COMMAND => {
                    if let Some(end) = self.command(&message).await? {
                        return Ok(end);
                    }
                }
                kind::AUDIO | kind::VIDEO | kind::DATA => {
                    self.state.update(|state| state.sessions[self.index].media(message));
                    self.drain_slowly().await;
                }
                kind::ACKNOWLEDGEMENT => {}
                _ => {
                    if let (kind::USER_CONTROL, Some([0, 6, number @ ..])) =
                        (message.kind, message.body.first_chunk::<6>())
                        && !matches!(self.behaviour, Behaviour::SilentPublish)
                    {
                        let pong = [&[0, 7][..], number].concat().into();
                        self.writer.send(&Message { kind: kind::USER_CONTROL, time: 0, stream: 0, body: pong }).await?;
                    }
                    self.state.update(|state| state.sessions[self.index].controls.push(message));
                }
            }
        }
    }

    fn count_bytes(&self) {
        let bytes = self.reader.counter().load(std::sync::atomic::Ordering::Relaxed);
        let reads = self.reader.reads;
        self.state.update(|state| {
            state.sessions[self.index].bytes = bytes;
            state.sessions[self.index].reads = reads;
        });
    }

    /// Waits while the test has paused reading.
    async fn hold(&mut self) -> io::Result<()> {
        self.orders.wait_for(|orders| !orders.paused).await.map_err(io::Error::other)?;
        Ok(())
    }

    async fn drain_slowly(&mut self) {
        if let (Behaviour::DrainSlowly(rate), Some((since, before))) = (&self.behaviour, self.published) {
            let bytes = self.reader.counter().load(std::sync::atomic::Ordering::Relaxed) - before;
            let due = since + Duration::from_secs_f64(bytes as f64 / *rate as f64);
            tokio::time::sleep_until(due.into()).await;
        }
    }

    /// Falls silent or says garbage if this is the stage for it; then reads until the client leaves.
    async fn stage_is_over(&mut self, stage: Stage) -> io::Result<bool> {
        match self.behaviour {
            Behaviour::Mute(last) if last == stage => {}
            Behaviour::Garbage(last) if last == stage => self.writer.raw(&GARBAGE.repeat(100)).await?,
            _ => return Ok(false),
        }
        self.read_to_end().await;
        Ok(true)
    }

    async fn read_to_end(&mut self) {
        let mut buffer = [0; 4096];
        while matches!(self.reader.read_some(&mut buffer).await, Ok(n) if n > 0) {
            self.count_bytes();
        }
    }

    /// Answers one command; `Some` ends the connection.
    async fn command(&mut self, message: &Message) -> io::Result<Option<&'static str>> {
        let Some(values) = message.values() else { return Err(io::Error::other("a command that is no AMF0")) };
        self.state.update(|state| state.sessions[self.index].calls.push(values.clone()));
        let mut values = values.into_iter();
        let name = values.next().and_then(Value::get_string).unwrap_or_default();
        let transaction = values.next().and_then(Value::get_number).unwrap_or_default();
        self.state.update(|state| state.sessions[self.index].commands.push(name.clone()));
        match name.as_str() {
            "connect" => {
                let object = values.next();
                self.state.update(|state| state.sessions[self.index].connect = object);
                if let Behaviour::RefuseConnect(code, description) = self.behaviour {
                    let info = object_error(code, description);
                    self.writer.command(0, "_error", transaction, vec![Value::Null, info]).await?;
                    return self.linger().await;
                }
                self.accept_connect(transaction).await?;
                if self.stage_is_over(Stage::Connect).await? {
                    return Ok(Some("client left"));
                }
            }
            "createStream" => {
                self.writer.command(0, "_result", transaction, vec![Value::Null, Value::Number(1.0)]).await?;
                if self.stage_is_over(Stage::CreateStream).await? {
                    return Ok(Some("client left"));
                }
            }
            "publish" => {
                let stream_name = values.nth(1).and_then(Value::get_string).unwrap_or_default();
                return self.publish(message.stream, stream_name).await;
            }
            "play" => {
                let stream_name = values.nth(1).and_then(Value::get_string).unwrap_or_default();
                return self.play(message.stream, stream_name).await;
            }
            "FCUnpublish" | "closeStream" | "deleteStream" => {
                self.state.update(|state| state.sessions[self.index].unpublished = true);
            }
            // Whatever else wants an answer gets an empty one.
            _ if transaction != 0.0 && !name.starts_with('_') => {
                self.writer.command(0, "_result", transaction, vec![Value::Null]).await?;
            }
            _ => {}
        }
        Ok(None)
    }

    async fn accept_connect(&mut self, transaction: f64) -> io::Result<()> {
        self.writer.control(RtmpMessage::WindowAcknowledgement { size: 2_500_000 }).await?;
        let limit_type = PeerBandwidthLimitType::Dynamic;
        self.writer.control(RtmpMessage::SetPeerBandwidth { size: 2_500_000, limit_type }).await?;
        self.writer.chunk_size(4096).await?;
        let properties = object([("fmsVer", text("FMS/3,0,1,123")), ("capabilities", Value::Number(31.0))]);
        let info = object([
            ("level", text("status")),
            ("code", text("NetConnection.Connect.Success")),
            ("description", text("Connection succeeded.")),
            ("objectEncoding", Value::Number(0.0)),
        ]);
        self.writer.command(0, "_result", transaction, vec![properties, info]).await
    }

    async fn publish(&mut self, stream: u32, stream_name: String) -> io::Result<Option<&'static str>> {
        match self.behaviour {
            Behaviour::RefusePublish(code) => {
                self.writer.on_status(stream, "error", code, "refused by the test").await?;
                return self.linger().await;
            }
            Behaviour::SilentPublish => {}
            Behaviour::CloseAfterPublish => return Ok(Some("closed after publish")),
            Behaviour::HangUpAfterYes => {
                self.writer.on_status(stream, "status", "NetStream.Publish.Start", "go ahead").await?;
                return Ok(Some("closed after its yes"));
            }
            _ => self.writer.on_status(stream, "status", "NetStream.Publish.Start", "go ahead").await?,
        }
        self.published = Some((Instant::now(), self.reader.counter().load(std::sync::atomic::Ordering::Relaxed)));
        self.state.update(|state| state.sessions[self.index].published = Some(stream_name));
        Ok(None)
    }

    async fn play(&mut self, stream: u32, stream_name: String) -> io::Result<Option<&'static str>> {
        match self.behaviour {
            Behaviour::RefusePlay(code) => {
                self.writer.on_status(stream, "error", code, "refused by the test").await?;
                return self.linger().await;
            }
            Behaviour::SilentPublish => return Ok(None),
            _ => self.writer.on_status(stream, "status", "NetStream.Play.Start", "go ahead").await?,
        }
        self.outgoing = self.outgoing.resubscribe();
        self.state.update(|state| state.sessions[self.index].played = Some(stream_name));
        Ok(None)
    }

    /// Half-closes and reads on for a while, so that the refusal is not lost to a reset.
    async fn linger(&mut self) -> io::Result<Option<&'static str>> {
        self.writer.finish().await?;
        let _ = tokio::time::timeout(Duration::from_secs(5), self.read_to_end()).await;
        Ok(Some("refused"))
    }
}

fn object_error(code: &str, description: &str) -> Value {
    object([("level", text("error")), ("code", text(code)), ("description", text(description))])
}
