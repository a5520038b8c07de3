//! The server's side of a connection: takes publishers and players (Adobe RTMP 1.0 §7.2, §7.3).
mod calls;
mod events;
mod replies;
mod requests;

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

pub use events::{ServerConfig, ServerEvent};
pub use requests::{ConnectRequest, PlayRequest, PublishKind, PublishRequest};

use super::capabilities::Capabilities;
use super::link::{Greeting, Link};
use crate::amf0::Value;
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::handshake::ServerHandshake;
use crate::limits::Limits;
use crate::message::{Aggregate, Control, Message, UserControl, kind};
use crate::secret::Secret;

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

/// What is needed of the configuration after the handshake: not its random bytes.
struct Settings {
    limits: Limits,
    chunk_size: u32,
    window_ack_size: u32,
    peer_bandwidth: u32,
    capabilities: Capabilities,
    properties: Vec<(String, Value)>,
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

/// One client's connection (Adobe RTMP 1.0 §7.2, §7.3). See [`session`](crate::session) for how it is driven.
pub struct ServerSession {
    settings: Settings,
    link: Link,
    events: VecDeque<ServerEvent>,
    connect: Connect,
    /// What the client announced.
    client: Capabilities,
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
        let ServerConfig { limits, random, chunk_size, window_ack_size, peer_bandwidth, capabilities, properties } =
            config;
        ServerSession {
            link: Link::new(&limits, Greeting::Server(Box::new(ServerHandshake::new(&random)))),
            settings: Settings { limits, chunk_size, window_ack_size, peer_bandwidth, capabilities, properties },
            events: VecDeque::new(),
            connect: Connect::Missing,
            client: Capabilities::default(),
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
        if self.held.len() > self.settings.limits.held {
            let (what, when) = ("more than is kept", "before its connect was answered");
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

    /// Bytes sent so far, the handshake's 3073 included; acknowledgements count those or not, depending on the peer.
    pub fn sent(&self) -> u64 {
        self.link.flow.sent()
    }

    /// Bytes that the peer says it has received, by its Acknowledgement messages; `None` if it never sent one. They come once
    /// for each window, so that up to a window more may be there.
    pub fn acknowledged(&self) -> Option<u64> {
        self.link.flow.acknowledged()
    }

    /// What the client announced of Enhanced RTMP in its connect: ask it what to send to a player.
    pub fn peer_capabilities(&self) -> &Capabilities {
        &self.client
    }

    /// The number of the oldest message that has begun to come and is not whole, counted since the start. How long one may take
    /// is for the caller to say.
    pub fn under_way(&self) -> Option<u64> {
        self.link.under_way()
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
                    let command = Command::decode(&message, &self.settings.limits)?;
                    self.on_command(message.stream_id, &command)
                        .map_err(|error| error.on_csid(message.csid).in_message(message.kind))?;
                }
                kind::AGGREGATE => {
                    for part in Aggregate::new(message, &self.settings.limits) {
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
        if let Some(message) = super::media::normalise(message, &self.settings.limits) {
            self.events.push_back(ServerEvent::Media(Message { stream_id, ..message }));
        }
    }
}
