//! The server's side of a connection: takes publishers and players (Adobe RTMP 1.0 §7.2, §7.3).
mod replies;
mod requests;

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

pub use requests::{ConnectRequest, PlayRequest, PublishKind, PublishRequest};

use super::link::{Greeting, Link};
use crate::amf0::Value;
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::handshake::ServerHandshake;
use crate::limits::Limits;
use crate::message::{Aggregate, Control, Message, UserControl, kind};
use crate::secret::Secret;

/// Bytes kept of a client that goes on before its connect is answered.
const MAX_HELD: usize = 256 * 1024;

/// How a server session behaves.
#[derive(Clone)]
pub struct ServerConfig {
    /// Limits on what the client may send.
    pub limits: Limits,
    /// Random bytes for the handshake.
    pub random: [u8; 1528],
    /// Chunk size to send with, 128 to 65536; announced with the answer to connect.
    pub chunk_size: u32,
    /// How often the client is asked to acknowledge, in bytes.
    pub window_ack_size: u32,
    /// Value of Set Peer Bandwidth, in bytes.
    pub peer_bandwidth: u32,
    /// Enhanced RTMP v2 `capsEx` told to clients that speak of theirs: 1 reconnect, 2 multitrack, 4 ModEx, 8
    /// nanosecond offsets.
    pub caps_ex: u32,
}

impl ServerConfig {
    /// The usual values with these random bytes.
    pub fn new(random: [u8; 1528]) -> Self {
        ServerConfig {
            limits: Limits::default(),
            random,
            chunk_size: 4096,
            window_ack_size: 5_000_000,
            peer_bandwidth: 5_000_000,
            caps_ex: 15,
        }
    }
}

/// What a client did. Requests wait for an answer; the rest is for information.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// The handshake is done.
    HandshakeDone,
    /// Answer with [`ServerSession::accept_connect`] or a reject method. Until then nothing else is read.
    Connect(Box<ConnectRequest>),
    /// Answer with [`ServerSession::accept_publish`] or [`ServerSession::refuse_publish`].
    Publish(PublishRequest),
    /// Answer with [`ServerSession::accept_play`] or [`ServerSession::refuse_play`].
    Play(PlayRequest),
    /// Audio, video or data (types 8, 9, 18) of a publisher. Aggregates are split, AMF3 data is in AMF0 form, video and
    /// data without content is left out. `stream_id` is that of the publish request, which may still be unanswered.
    Media(Message),
    /// A publisher has ended, or went away before it was answered.
    PublishEnd {
        /// Message stream.
        stream_id: u32,
        /// Whether it said so; false if the connection just ended.
        clean: bool,
    },
    /// A player has ended.
    PlayEnd {
        /// Message stream.
        stream_id: u32,
    },
    /// A player has paused or goes on; it has been answered.
    Pause {
        /// Message stream.
        stream_id: u32,
        /// Whether to hold media back.
        paused: bool,
    },
    /// A player wants audio or does not.
    ReceiveAudio {
        /// Message stream.
        stream_id: u32,
        /// Whether it does.
        receive: bool,
    },
    /// A player wants video or does not.
    ReceiveVideo {
        /// Message stream.
        stream_id: u32,
        /// Whether it does.
        receive: bool,
    },
    /// A player's buffer.
    BufferLength {
        /// Message stream.
        stream_id: u32,
        /// Milliseconds.
        milliseconds: u32,
    },
    /// The client has received so many bytes, modulo 2^32; compare with [`ServerSession::sent`].
    Acknowledged(u32),
    /// The answer to [`ServerSession::ping`].
    Pong(u32),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Connect {
    Missing,
    /// With the transaction id to answer.
    Asked(f64),
    Accepted,
    Rejected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Nothing,
    PublishAsked,
    Publishing,
    PlayAsked { reset: bool },
    Playing,
}

impl Use {
    fn publishes(self) -> bool {
        matches!(self, Use::PublishAsked | Use::Publishing)
    }

    fn plays(self) -> bool {
        matches!(self, Use::PlayAsked { .. } | Use::Playing)
    }
}

/// A message stream.
struct Stream {
    id: u32,
    usage: Use,
    name: Secret,
    audio: bool,
    video: bool,
    /// The number of the request that it is in use for.
    request: u64,
    /// Whether the caller has taken the event of that request.
    seen: bool,
}

/// One client's connection. See [`session`](crate::session) for how it is driven.
pub struct ServerSession {
    config: ServerConfig,
    link: Link,
    events: VecDeque<ServerEvent>,
    connect: Connect,
    /// The client's Enhanced RTMP properties, if it sent any.
    client_caps: Option<u32>,
    streams: Vec<Stream>,
    last_stream: u32,
    last_request: u64,
    /// Bytes that came after an unanswered connect.
    held: BytesMut,
    failed: Option<Error>,
}

impl ServerSession {
    /// A session for a connection just accepted.
    pub fn new(config: ServerConfig) -> Self {
        ServerSession {
            link: Link::new(&config.limits, Greeting::Server(Box::new(ServerHandshake::new(&config.random)))),
            config,
            events: VecDeque::new(),
            connect: Connect::Missing,
            client_caps: None,
            streams: Vec::new(),
            last_stream: 0,
            last_request: 0,
            held: BytesMut::new(),
            failed: None,
        }
    }

    /// Takes received bytes, cut anywhere. After an error the connection is to be closed; events that came before the
    /// error are still there, and [`ServerSession::close`] tells which streams ended.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.take_in(bytes).and_then(|()| self.link.end_receive());
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn take_in(&mut self, bytes: &[u8]) -> Result<()> {
        if self.held.is_empty() {
            let mut input = bytes;
            self.process(&mut input)?;
            self.held.extend_from_slice(input);
            return Ok(());
        }
        if self.held.len() > MAX_HELD {
            let (what, when) = ("more than 256 KiB", "before its connect was answered");
            return Err(Error::from(ErrorKind::OutOfOrder { what, when }));
        }
        self.held.extend_from_slice(bytes);
        self.resume()
    }

    /// Reads what was held back.
    fn resume(&mut self) -> Result<()> {
        let mut held = std::mem::take(&mut self.held);
        let mut input = &held[..];
        let result = self.process(&mut input);
        let used = held.len() - input.len();
        held.advance(used);
        self.held = held;
        result
    }

    fn process(&mut self, input: &mut &[u8]) -> Result<()> {
        if self.connect == Connect::Missing && !self.link.greeted() {
            if !self.link.handshake(input)? {
                return Ok(());
            }
            self.events.push_back(ServerEvent::HandshakeDone);
        }
        while !matches!(self.connect, Connect::Asked(_) | Connect::Rejected) {
            match self.link.next(input)? {
                Some((message, control)) => self.on_message(message, control)?,
                None => return Ok(()),
            }
        }
        if self.connect == Connect::Rejected {
            *input = &[];
        }
        Ok(())
    }

    /// What happened, oldest first.
    pub fn next_event(&mut self) -> Option<ServerEvent> {
        let event = self.events.pop_front()?;
        if let ServerEvent::Publish(PublishRequest { number, .. }) | ServerEvent::Play(PlayRequest { number, .. }) =
            event
        {
            self.streams.iter_mut().filter(|stream| stream.request == number).for_each(|stream| stream.seen = true);
        }
        Some(event)
    }

    /// Bytes to send; whole messages once the handshake is done.
    pub fn take_output(&mut self) -> Bytes {
        self.link.take_output()
    }

    /// Whether [`ServerSession::take_output`] would give any.
    pub fn has_output(&self) -> bool {
        self.link.has_output()
    }

    /// The chunk size for media sent to this client.
    pub fn chunk_size(&self) -> u32 {
        self.link.chunk_size()
    }

    /// Announces another chunk size, 128 to 65536, to be used from here on: once the stream is known that a player wants.
    pub fn set_chunk_size(&mut self, size: u32) {
        if size != self.link.chunk_size() {
            self.link.set_chunk_size(size);
        }
    }

    /// Counts bytes that the caller sent besides [`ServerSession::take_output`].
    pub fn note_sent(&mut self, bytes: u64) {
        self.link.flow.note_sent(bytes);
    }

    /// Bytes sent so far, the handshake included.
    pub fn sent(&self) -> u64 {
        self.link.flow.sent()
    }

    /// The limit that the client asked for with Set Peer Bandwidth, in bytes.
    pub fn peer_bandwidth(&self) -> Option<u32> {
        self.link.flow.peer_bandwidth()
    }

    /// To be called when the connection has ended: ends each stream, once.
    pub fn close(&mut self) {
        for index in 0..self.streams.len() {
            self.end_stream(index, false);
        }
        self.streams.clear();
    }

    fn on_message(&mut self, message: Message, control: Option<Control>) -> Result<()> {
        match control {
            Some(Control::Ack(sequence)) => self.events.push_back(ServerEvent::Acknowledged(sequence)),
            Some(Control::User(UserControl::PingResponse(number))) => self.events.push_back(ServerEvent::Pong(number)),
            Some(Control::User(UserControl::SetBufferLength { stream_id, milliseconds })) => {
                self.events.push_back(ServerEvent::BufferLength { stream_id, milliseconds });
            }
            Some(_) => {}
            None => match message.kind {
                kind::COMMAND | kind::COMMAND_AMF3 => {
                    let command = Command::decode(&message, &self.config.limits)?;
                    self.on_command(message.stream_id, &command)
                        .map_err(|error| error.on_csid(message.csid).in_message(message.kind))?;
                }
                kind::AGGREGATE => {
                    for part in Aggregate::new(message) {
                        self.on_media(part?);
                    }
                }
                _ if message.is_media() => self.on_media(message),
                // Shared objects and unknown types are skipped.
                _ => {}
            },
        }
        Ok(())
    }

    fn on_media(&mut self, message: Message) {
        let mut publishing = self.streams.iter().filter(|stream| stream.usage.publishes());
        // Some encoders send media on another message stream than they publish on.
        let stream_id = match (publishing.clone().find(|s| s.id == message.stream_id), publishing.next()) {
            (Some(stream), _) => stream.id,
            (None, Some(only)) if publishing.next().is_none() => only.id,
            _ => return,
        };
        if let Some(message) = super::media::normalise(message) {
            self.events.push_back(ServerEvent::Media(Message { stream_id, ..message }));
        }
    }

    fn on_command(&mut self, stream_id: u32, command: &Command) -> Result<()> {
        if command.name == "connect" {
            return self.on_connect(command);
        }
        if self.connect != Connect::Accepted {
            let (what, when) = ("a command other than connect", "before connect");
            return Err(Error::from(ErrorKind::OutOfOrder { what, when }));
        }
        let argument = command.argument(0);
        match command.name.as_str() {
            "createStream" => self.on_create_stream(command),
            "publish" if argument.as_bool() == Some(false) => self.on_close_stream(stream_id, &Value::Null, false),
            "publish" => self.on_publish(stream_id, command)?,
            "play" if argument.as_bool() == Some(false) => self.on_close_stream(stream_id, &Value::Null, false),
            "play" => self.on_play(stream_id, command)?,
            "FCPublish" => {
                self.result(command, Value::Null);
                self.fc_status("onFCPublish", "NetStream.Publish.Start");
            }
            "FCUnpublish" => {
                self.result(command, Value::Null);
                self.on_unpublish(stream_id, argument);
            }
            "FCSubscribe" => {
                self.result(command, Value::Null);
                self.fc_status("onFCSubscribe", "NetStream.Play.Start");
            }
            "closeStream" => self.on_close_stream(stream_id, argument, false),
            "deleteStream" => self.on_close_stream(stream_id, argument, true),
            "pause" | "pauseraw" => self.on_pause(stream_id, argument),
            "seek" => self.on_seek(stream_id),
            "receiveAudio" | "receiveVideo" => self.on_receive(stream_id, command),
            "getStreamLength" => self.result(command, Value::Number(0.0)),
            // Answers to calls of ours: none of them matters.
            "_result" | "_error" | "onStatus" => {}
            // An `_error` for a call that the client did not expect to fail ends some clients' session.
            _ => self.result(command, Value::Null),
        }
        Ok(())
    }

    fn on_connect(&mut self, command: &Command) -> Result<()> {
        if self.connect != Connect::Missing {
            return Err(Error::from(ErrorKind::OutOfOrder { what: "connect", when: "a second time" }));
        }
        let request = ConnectRequest::read(command, &self.config.limits)?;
        self.client_caps = request.is_enhanced().then_some(request.caps_ex);
        self.connect = Connect::Asked(command.transaction_id);
        self.events.push_back(ServerEvent::Connect(Box::new(request)));
        Ok(())
    }

    /// Adds a message stream, in the place of an unused one if there are too many; false if all are in use.
    fn add_stream(&mut self, id: u32) -> bool {
        if self.streams.len() >= self.config.limits.streams {
            let Some(unused) = self.streams.iter().position(|stream| stream.usage == Use::Nothing) else {
                return false;
            };
            self.streams.remove(unused);
        }
        let (usage, name) = (Use::Nothing, Secret::default());
        self.streams.push(Stream { id, usage, name, audio: true, video: true, request: 0, seen: false });
        true
    }

    fn on_create_stream(&mut self, command: &Command) {
        // The first answer is 1: some clients assume it.
        let id = (self.last_stream.wrapping_add(1)).max(1);
        if self.streams.iter().any(|stream| stream.id == id) || self.add_stream(id) {
            self.last_stream = id;
            self.result(command, Value::Number(f64::from(id)));
        } else {
            self.error(command, "NetConnection.Call.Failed", "Too many streams");
        }
    }

    fn on_publish(&mut self, stream_id: u32, command: &Command) -> Result<()> {
        let mut request = PublishRequest::read(stream_id, command, &self.config.limits)?;
        request.number = self.begin(stream_id, Use::PublishAsked, &request.name)?;
        self.events.push_back(ServerEvent::Publish(request));
        Ok(())
    }

    fn on_play(&mut self, stream_id: u32, command: &Command) -> Result<()> {
        let mut request = PlayRequest::read(stream_id, command, &self.config.limits)?;
        request.number = self.begin(stream_id, Use::PlayAsked { reset: request.reset }, &request.name)?;
        self.events.push_back(ServerEvent::Play(request));
        Ok(())
    }

    /// Puts a stream to a new use, after ending what ran on it; gives the number of the request.
    fn begin(&mut self, stream_id: u32, usage: Use, name: &Secret) -> Result<u64> {
        match self.streams.iter().position(|stream| stream.id == stream_id) {
            Some(index) => self.end_stream(index, true),
            // One that the client never asked for.
            None if self.add_stream(stream_id) => {}
            None => {
                let limit = self.config.limits.streams as u32;
                return Err(Error::from(ErrorKind::TooManyStreams { limit }));
            }
        }
        self.last_request += 1;
        let request = self.last_request;
        let name = name.clone();
        self.streams.retain(|stream| stream.id != stream_id);
        self.streams.push(Stream { id: stream_id, usage, name, audio: true, video: true, request, seen: false });
        Ok(request)
    }

    /// FCUnpublish names the stream, and comes on message stream 0.
    fn on_unpublish(&mut self, stream_id: u32, name: &Value) {
        let mut publishing =
            self.streams.iter().enumerate().filter(|(_, stream)| stream.usage.publishes()).map(|(index, _)| index);
        let named = |index: &usize| {
            let stream = self.streams.get(*index);
            stream.is_some_and(|s| s.id == stream_id || name.as_str().is_some_and(|name| s.name.matches(name)))
        };
        let found = match (publishing.clone().find(named), publishing.next()) {
            (Some(index), _) => Some(index),
            (None, Some(only)) if publishing.next().is_none() => Some(only),
            _ => None,
        };
        if let Some(index) = found {
            self.end_stream(index, true);
        }
    }

    /// The stream is named by number or by the message stream; with anything else the only one is meant: a known client
    /// sends the stream's name.
    fn on_close_stream(&mut self, stream_id: u32, argument: &Value, delete: bool) {
        let by_id = |id: f64| self.streams.iter().position(|stream| f64::from(stream.id) == id);
        let found = argument.as_f64().and_then(by_id).or_else(|| by_id(f64::from(stream_id)));
        let index = match found {
            Some(index) => index,
            None if self.streams.len() == 1 => 0,
            None => return,
        };
        self.end_stream(index, true);
        if delete {
            self.streams.remove(index);
        }
    }

    /// Ends what runs on a stream, if anything does.
    fn end_stream(&mut self, index: usize, clean: bool) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let stream_id = stream.id;
        match std::mem::replace(&mut stream.usage, Use::Nothing) {
            Use::Nothing => {}
            usage @ (Use::PublishAsked | Use::Publishing) => {
                if usage == Use::Publishing && clean {
                    self.stream_status(stream_id, "status", "NetStream.Unpublish.Success", "Stopped publishing");
                }
                self.events.push_back(ServerEvent::PublishEnd { stream_id, clean });
            }
            Use::PlayAsked { .. } | Use::Playing => self.events.push_back(ServerEvent::PlayEnd { stream_id }),
        }
    }

    /// The player on `stream_id`, or the only one.
    fn player(&mut self, stream_id: u32) -> Option<&mut Stream> {
        let players = self.streams.iter().filter(|stream| stream.usage.plays()).count();
        self.streams
            .iter_mut()
            .filter(|stream| stream.usage.plays())
            .find(|stream| stream.id == stream_id || players == 1)
    }

    fn on_pause(&mut self, stream_id: u32, argument: &Value) {
        let Some(stream_id) = self.player(stream_id).map(|stream| stream.id) else { return };
        let paused = argument.as_bool().unwrap_or(true);
        let (code, description) = match paused {
            true => ("NetStream.Pause.Notify", "Paused"),
            false => ("NetStream.Unpause.Notify", "Unpaused"),
        };
        self.stream_status(stream_id, "status", code, description);
        self.events.push_back(ServerEvent::Pause { stream_id, paused });
    }

    fn on_seek(&mut self, stream_id: u32) {
        let Some(stream_id) = self.player(stream_id).map(|stream| stream.id) else { return };
        self.stream_status(stream_id, "status", "NetStream.Seek.Notify", "Live streams do not seek");
    }

    fn on_receive(&mut self, stream_id: u32, command: &Command) {
        let Some(stream) = self.player(stream_id) else { return };
        let (stream_id, receive) = (stream.id, command.argument(0).as_bool().unwrap_or(true));
        let (wanted, event) = match command.name.as_str() {
            "receiveAudio" => (&mut stream.audio, ServerEvent::ReceiveAudio { stream_id, receive }),
            _ => (&mut stream.video, ServerEvent::ReceiveVideo { stream_id, receive }),
        };
        if std::mem::replace(wanted, receive) == receive {
            return;
        }
        // §7.2.2.4, §7.2.2.5: switching on is confirmed, switching off is not.
        if receive {
            self.stream_status(stream_id, "status", "NetStream.Seek.Notify", "Live");
            self.stream_status(stream_id, "status", "NetStream.Play.Start", "Live");
        }
        self.events.push_back(event);
    }
}
