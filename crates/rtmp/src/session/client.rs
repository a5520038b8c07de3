//! The client's side of a connection: pushes or pulls one stream (Adobe RTMP 1.0 §7.2, §7.3).
mod config;
mod events;
mod requests;

use std::collections::VecDeque;

use bytes::Bytes;

pub use config::{ClientConfig, Role};
pub use events::{ClientEvent, Connected, Redirect, Refusal, Stage};

use super::capabilities::Capabilities;
use super::link::{Greeting, Link};
use crate::command::Command;
use crate::error::{Error, Result};
use crate::handshake::ClientHandshake;
use crate::message::{Aggregate, Control, Message, UserControl, kind};

/// Transaction ids of the calls whose answers matter; those in between are for calls whose answers do not.
mod transaction {
    pub(super) const CONNECT: f64 = 1.0;
    pub(super) const RELEASE_STREAM: f64 = 2.0;
    pub(super) const FC_PUBLISH: f64 = 3.0;
    pub(super) const FC_SUBSCRIBE: f64 = 3.0;
    /// Of a publisher, after the two calls before it.
    pub(super) const CREATE_TO_PUBLISH: f64 = 4.0;
    pub(super) const CREATE_TO_PLAY: f64 = 2.0;
    pub(super) const PUBLISH: f64 = 5.0;
    pub(super) const PLAY: f64 = 4.0;
    pub(super) const FC_UNPUBLISH: f64 = 6.0;
    pub(super) const DELETE_STREAM: f64 = 7.0;
}

/// One connection to a server (Adobe RTMP 1.0 §7.2, §7.3). See [`session`](crate::session) for how it is driven.
pub struct ClientSession {
    config: ClientConfig,
    link: Link,
    events: VecDeque<ClientEvent>,
    stage: Stage,
    stream_id: Option<u32>,
    /// What the server announced.
    server: Capabilities,
    finished: bool,
    failed: Option<Error>,
}

impl ClientSession {
    /// A session for a connection just made; it has output at once.
    pub fn new(config: ClientConfig) -> Self {
        let handshake = match config.digest {
            true => ClientHandshake::with_digest(&config.random),
            false => ClientHandshake::new(&config.random),
        };
        ClientSession {
            link: Link::new(&config.limits, Greeting::Client(handshake)),
            config,
            events: VecDeque::new(),
            stage: Stage::Handshake,
            stream_id: None,
            server: Capabilities::default(),
            finished: false,
            failed: None,
        }
    }

    /// Takes received bytes, cut anywhere. After an error the connection is to be closed; events that came before the
    /// error are still there.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut input = bytes;
        let result = self.process(&mut input).and_then(|()| self.link.end_receive());
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    fn process(&mut self, input: &mut &[u8]) -> Result<()> {
        if self.stage == Stage::Handshake {
            if !self.link.handshake(input)? {
                return Ok(());
            }
            self.events.push_back(ClientEvent::HandshakeDone);
            self.stage = Stage::Connect;
            self.send_connect();
        }
        while let Some((message, control)) = self.link.next(input)? {
            self.on_message(message, control)?;
        }
        Ok(())
    }

    /// What happened, oldest first.
    pub fn next_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Bytes to send; whole messages once the handshake is done.
    pub fn take_output(&mut self) -> Bytes {
        self.link.take_output()
    }

    /// The number of the oldest message that has begun to come and is not whole, counted since the start. How long one may take
    /// is for the caller to say.
    pub fn under_way(&self) -> Option<u64> {
        self.link.under_way()
    }

    /// Whether [`ClientSession::take_output`] would give any.
    pub fn has_output(&self) -> bool {
        self.link.has_output()
    }

    /// How far the session has come.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The message stream for media, once the server has made it.
    pub fn stream_id(&self) -> Option<u32> {
        self.stream_id
    }

    /// The chunk size for media sent to this server.
    pub fn chunk_size(&self) -> u32 {
        self.link.chunk_size()
    }

    /// Counts bytes that the caller sent besides [`ClientSession::take_output`].
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

    /// Whether it has a secret for servers that ask for a [secure token](crate::auth::secure_token).
    pub fn has_token(&self) -> bool {
        self.config.token.is_some()
    }

    /// What the server announced of Enhanced RTMP in its answer to connect: "can it take hvc1?".
    pub fn peer_capabilities(&self) -> &Capabilities {
        &self.server
    }

    /// The limit that the server asked for with Set Peer Bandwidth, in bytes.
    pub fn peer_bandwidth(&self) -> Option<u32> {
        self.link.flow.peer_bandwidth()
    }

    /// Takes the request to publish or play as granted: some servers never say so. Has an effect only in the stages
    /// [`Stage::Publish`] and [`Stage::Play`]; no event follows.
    pub fn assume_started(&mut self) {
        if matches!(self.stage, Stage::Publish | Stage::Play) {
            self.stage = Stage::Started;
        }
    }

    /// Asks for a sign of life; [`ClientEvent::Pong`] has the same number.
    pub fn ping(&mut self, number: u32) {
        self.link.control(Control::User(UserControl::PingRequest(number)));
    }

    /// Says goodbye, once: send the output, then close the connection.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.send_goodbye();
        }
    }

    fn on_message(&mut self, message: Message, control: Option<Control>) -> Result<()> {
        match control {
            Some(Control::Ack(sequence)) => self.events.push_back(ClientEvent::Acknowledged(sequence)),
            Some(Control::User(UserControl::PingResponse(number))) => self.events.push_back(ClientEvent::Pong(number)),
            Some(Control::User(UserControl::StreamEof(id))) if self.is_ours(id) => {
                self.events.push_back(ClientEvent::StreamEof);
            }
            Some(_) => {}
            None => match message.kind {
                kind::COMMAND | kind::COMMAND_AMF3 => {
                    let command = Command::decode(&message, &self.config.limits)?;
                    self.on_command(&command);
                }
                kind::AGGREGATE => {
                    for part in Aggregate::new(message, &self.config.limits) {
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

    /// Servers are not strict about stream ids, and there is only one stream.
    fn is_ours(&self, stream_id: u32) -> bool {
        self.stream_id.is_some_and(|ours| ours == stream_id || stream_id == 0)
    }

    fn on_media(&mut self, message: Message) {
        let plays = self.config.role == Role::Play && matches!(self.stage, Stage::Play | Stage::Started);
        if !plays {
            return;
        }
        let Some(message) = super::media::normalise(message, &self.config.limits) else { return };
        // Media without Play.Start: data may precede it, pictures and sound mean yes.
        if self.stage == Stage::Play && message.kind != kind::DATA {
            self.started();
        }
        self.events.push_back(ClientEvent::Media(message));
    }

    fn started(&mut self) {
        self.stage = Stage::Started;
        self.events.push_back(ClientEvent::Started);
    }
}
