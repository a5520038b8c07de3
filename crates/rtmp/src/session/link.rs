//! What both roles share: handshake, chunks in, chunks out, acknowledgements.
use bytes::{Bytes, BytesMut};

use super::flow::Flow;
use crate::chunk::{ChunkReader, DEFAULT_CHUNK_SIZE, MAX_SENT_CHUNK_SIZE, csid, encode_full};
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::handshake::{ClientHandshake, ServerHandshake};
use crate::limits::Limits;
use crate::message::{Control, Message, kind};

/// Bytes of one direction's handshake: one version byte and two packets of 1536 (Adobe RTMP 1.0 §5.2).
pub(super) const HANDSHAKE_BYTES: u64 = 1 + 2 * 1536;

/// The handshake of either role.
pub(super) enum Greeting {
    Client(ClientHandshake),
    Server(Box<ServerHandshake>),
}

impl Greeting {
    fn read(&mut self, input: &mut &[u8]) -> Result<bool> {
        match self {
            Greeting::Client(handshake) => handshake.read(input),
            Greeting::Server(handshake) => handshake.read(input),
        }
    }

    fn take_output(&mut self) -> Bytes {
        match self {
            Greeting::Client(handshake) => handshake.take_output(),
            Greeting::Server(handshake) => handshake.take_output(),
        }
    }
}

pub(super) struct Link {
    pub(super) flow: Flow,
    greeting: Option<Greeting>,
    reader: ChunkReader,
    out: BytesMut,
    unsent_limit: usize,
    chunk_size: u32,
}

impl Link {
    pub(super) fn new(limits: &Limits, greeting: Greeting) -> Self {
        let mut link = Link {
            flow: Flow::new(limits),
            reader: ChunkReader::new(limits.clone()).after(HANDSHAKE_BYTES),
            greeting: Some(greeting),
            out: BytesMut::new(),
            unsent_limit: limits.unsent,
            chunk_size: DEFAULT_CHUNK_SIZE,
        };
        link.collect_greeting();
        link
    }

    /// Feeds the handshake; true once it is done, the rest of `input` being chunks.
    pub(super) fn handshake(&mut self, input: &mut &[u8]) -> Result<bool> {
        let Some(greeting) = &mut self.greeting else { return Ok(true) };
        let done = greeting.read(input)?;
        self.collect_greeting();
        if done {
            self.greeting = None;
        }
        Ok(done)
    }

    /// Whether the handshake is done.
    pub(super) fn greeted(&self) -> bool {
        self.greeting.is_none()
    }

    fn collect_greeting(&mut self) {
        if let Some(greeting) = &mut self.greeting {
            self.out.extend_from_slice(&greeting.take_output());
        }
    }

    /// The next message, protocol control already obeyed.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<(Message, Option<Control>)>> {
        let Some(message) = self.reader.read(input)? else { return Ok(None) };
        let control = Control::decode(&message)?;
        if let Some(control) = &control {
            self.flow.on_control(control);
        }
        Ok(Some((message, control)))
    }

    /// The number of the oldest message that has begun to come and is not whole.
    pub(super) fn under_way(&self) -> Option<u64> {
        self.reader.under_way()
    }

    /// To be called at the end of each `receive`.
    pub(super) fn end_receive(&mut self) -> Result<()> {
        self.flow.on_received(self.reader.received());
        if self.out.len() > self.unsent_limit {
            let (what, when) = ("more requests", "without reading the answers");
            return Err(Error::from(ErrorKind::OutOfOrder { what, when }));
        }
        Ok(())
    }

    pub(super) fn control(&mut self, control: Control) {
        if let Control::WindowAckSize(size) = control {
            self.flow.note_window_sent(size);
        }
        let (kind, payload) = control.encode();
        self.send(csid::CONTROL, kind, 0, &payload);
    }

    /// Announces our chunk size, which is in force from the next message on.
    pub(super) fn set_chunk_size(&mut self, size: u32) {
        let size = size.clamp(DEFAULT_CHUNK_SIZE, MAX_SENT_CHUNK_SIZE);
        self.control(Control::SetChunkSize(size));
        self.chunk_size = size;
    }

    pub(super) fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Sends a command of the connection (stream 0) or of a stream.
    pub(super) fn command(&mut self, stream_id: u32, command: &Command) {
        let csid = if stream_id == 0 { csid::COMMAND } else { csid::STREAM_COMMAND };
        self.send(csid, kind::COMMAND, stream_id, &command.encode());
    }

    fn send(&mut self, csid: u32, kind: u8, stream_id: u32, payload: &[u8]) {
        // Cannot fail: the chunk stream and the chunk size are ours, and no command of ours is 16 MiB long.
        let sent = encode_full(&mut self.out, csid, kind, stream_id, 0, payload, self.chunk_size);
        debug_assert!(sent.is_ok());
    }

    pub(super) fn has_output(&self) -> bool {
        !self.out.is_empty() || self.flow.is_due()
    }

    pub(super) fn take_output(&mut self) -> Bytes {
        for control in self.flow.take_due() {
            self.control(control);
        }
        // Not a part of a buffer that stays: most peers are told little after the beginning.
        let out = std::mem::take(&mut self.out).freeze();
        self.flow.note_sent(out.len() as u64);
        out
    }
}
