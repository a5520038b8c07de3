//! One RTMP connection over any stream, spoken by `rml_rtmp`: handshakes of both roles, whole messages in and out.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rml_rtmp::chunk_io::{ChunkDeserializer, ChunkSerializer};
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::messages::{MessagePayload, RtmpMessage};
use rml_rtmp::rml_amf0;
use rml_rtmp::time::RtmpTimestamp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

pub use rml_rtmp::rml_amf0::Amf0Value as Value;

/// Message type ids (RTMP 1.0 §5.4, §7.1).
pub mod kind {
    /// Set Chunk Size.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Acknowledgement.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User Control.
    pub const USER_CONTROL: u8 = 4;
    /// Audio.
    pub const AUDIO: u8 = 8;
    /// Video.
    pub const VIDEO: u8 = 9;
    /// Data in AMF0, as `onMetaData`.
    pub const DATA: u8 = 18;
    /// Command in AMF0.
    pub const COMMAND: u8 = 20;
}

/// A whole RTMP message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The message type id, one of [`kind`] or any other.
    pub kind: u8,
    /// Milliseconds, absolute, modulo 2^32.
    pub time: u32,
    /// The message stream id.
    pub stream: u32,
    /// The body without any header.
    pub body: Bytes,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message(type {} at {} ms, {} bytes)", self.kind, self.time, self.body.len())
    }
}

impl Message {
    /// A command or data body from AMF0 values.
    pub fn amf(kind: u8, stream: u32, values: &Vec<Value>) -> Self {
        let body = rml_amf0::serialize(values).expect("AMF0 values serialise");
        Self { kind, time: 0, stream, body: body.into() }
    }

    /// The AMF0 values of a command or data message; `None` where they do not parse.
    pub fn values(&self) -> Option<Vec<Value>> {
        rml_amf0::deserialize(&mut io::Cursor::new(&self.body[..])).ok()
    }

    /// The name of a command or data message.
    pub fn name(&self) -> Option<String> {
        self.values()?.into_iter().next()?.get_string()
    }
}

/// An AMF0 object from pairs.
pub fn object<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect::<HashMap<_, _>>())
}

/// An AMF0 string.
pub fn text(value: impl Into<String>) -> Value {
    Value::Utf8String(value.into())
}

/// Anything that carries bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Which side of the handshake a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It dialled.
    Client,
    /// It accepted.
    Server,
}

const LIMIT: &str = "the reader stops here";

/// Whether an error says that [`Reader::set_limit`]'s byte was reached.
pub fn is_at_limit(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.to_string() == LIMIT)
}

/// The receiving half: bytes to whole messages, chunk sizes obeyed.
pub struct Reader {
    io: ReadHalf<Box<dyn Io>>,
    chunks: ChunkDeserializer,
    pending: Vec<u8>,
    received: Arc<AtomicU64>,
    limit: Option<u64>,
    /// Reads that gave bytes so far.
    pub reads: usize,
    /// The chunk size that the peer announced last.
    pub chunk_size: u32,
}

/// The sending half.
pub struct Writer {
    io: WriteHalf<Box<dyn Io>>,
    chunks: ChunkSerializer,
}

/// Splits `io` without any handshake; [`handshake`] comes next.
pub fn split(io: Box<dyn Io>) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(io);
    let received = Arc::default();
    (
        Reader {
            io: read,
            chunks: ChunkDeserializer::new(),
            pending: Vec::new(),
            received,
            limit: None,
            reads: 0,
            chunk_size: 128,
        },
        Writer { io: write, chunks: ChunkSerializer::new() },
    )
}

/// Does the whole RTMP handshake.
pub async fn handshake(role: Role, reader: &mut Reader, writer: &mut Writer) -> io::Result<()> {
    let mut shake = Handshake::new(if role == Role::Client { PeerType::Client } else { PeerType::Server });
    if role == Role::Client {
        writer.raw(&shake.generate_outbound_p0_and_p1().map_err(io::Error::other)?).await?;
    }
    let mut buffer = [0; 4096];
    loop {
        let n = reader.read_some(&mut buffer).await?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed within the handshake"));
        }
        match shake.process_bytes(&buffer[..n]).map_err(io::Error::other)? {
            HandshakeProcessResult::InProgress { response_bytes } => writer.raw(&response_bytes).await?,
            HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                writer.raw(&response_bytes).await?;
                reader.pending = remaining_bytes;
                return Ok(());
            }
        }
    }
}

impl Reader {
    /// Bytes received so far, handshake included; the counter goes on after a clone.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Reads no byte past the `limit`-th: from there on every read fails with [`is_at_limit`], until it is lifted by `None`.
    pub fn set_limit(&mut self, limit: Option<u64>) {
        self.limit = limit;
    }

    /// Raw bytes, for peers that do not go on speaking RTMP.
    pub async fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.limit.map_or(u64::MAX, |limit| limit.saturating_sub(self.received.load(Ordering::Relaxed)));
        if left == 0 {
            return Err(io::Error::other(LIMIT));
        }
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.io.read(&mut buffer[..room]).await?;
        self.received.fetch_add(n as u64, Ordering::Relaxed);
        self.reads += usize::from(n > 0);
        Ok(n)
    }

    /// The next message; `None` at the end of the stream. May be dropped and called again without loss.
    pub async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            let pending = std::mem::take(&mut self.pending);
            if let Some(message) = self.decode(&pending)? {
                return Ok(Some(message));
            }
            let mut buffer = [0; 16 * 1024];
            let n = self.read_some(&mut buffer).await?;
            if n == 0 {
                return Ok(None);
            }
            self.pending.extend_from_slice(&buffer[..n]);
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> io::Result<Option<Message>> {
        let Some(payload) = self.chunks.get_next_message(bytes).map_err(io::Error::other)? else { return Ok(None) };
        if payload.type_id == kind::SET_CHUNK_SIZE
            && let Ok(RtmpMessage::SetChunkSize { size }) = payload.to_rtmp_message()
        {
            self.chunks.set_max_chunk_size(size as usize).map_err(io::Error::other)?;
            self.chunk_size = size;
        }
        Ok(Some(Message {
            kind: payload.type_id,
            time: payload.timestamp.value,
            stream: payload.message_stream_id,
            body: payload.data,
        }))
    }
}

impl Writer {
    /// Bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Announces and uses a chunk size.
    pub async fn chunk_size(&mut self, size: u32) -> io::Result<()> {
        let packet = self.chunks.set_max_chunk_size(size, RtmpTimestamp::new(0)).map_err(io::Error::other)?;
        self.raw(&packet.bytes).await
    }

    /// The bytes of a message on the wire, which the connection's state then counts as sent.
    pub fn encode(&mut self, message: &Message) -> Vec<u8> {
        let payload = MessagePayload {
            timestamp: RtmpTimestamp::new(message.time),
            type_id: message.kind,
            message_stream_id: message.stream,
            data: message.body.clone(),
        };
        self.chunks.serialize(&payload, false, false).expect("a message of legal length").bytes
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &Message) -> io::Result<()> {
        let bytes = self.encode(message);
        self.raw(&bytes).await
    }

    /// Sends a command: its name, its transaction id, then the values as they are.
    pub async fn command(&mut self, stream: u32, name: &str, transaction: f64, values: Vec<Value>) -> io::Result<()> {
        let mut all = vec![text(name), Value::Number(transaction)];
        all.extend(values);
        self.send(&Message::amf(kind::COMMAND, stream, &all)).await
    }

    /// Sends an `onStatus`.
    pub async fn on_status(&mut self, stream: u32, level: &str, code: &str, description: &str) -> io::Result<()> {
        let info = object([("level", text(level)), ("code", text(code)), ("description", text(description))]);
        self.command(stream, "onStatus", 0.0, vec![Value::Null, info]).await
    }

    /// A window acknowledgement size, a peer bandwidth and whatever else is one 32-bit number.
    pub async fn control(&mut self, message: RtmpMessage) -> io::Result<()> {
        let payload = message.into_message_payload(RtmpTimestamp::new(0), 0).map_err(io::Error::other)?;
        self.send(&Message { kind: payload.type_id, time: 0, stream: 0, body: payload.data }).await
    }

    /// Closes the sending direction.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.io.shutdown().await
    }
}
