//! Chunks to messages: the receiving half of the chunk stream (Adobe RTMP 1.0 §5.3).
//!
//! Takes everything that real senders send: all basic header forms, interleaving, type 1 on a chunk stream's first
//! chunk, type 3 at a message's start, a repeated header inside a message, extended timestamps that are or are not
//! repeated in type 3 chunks.
use bytes::{Buf, Bytes, BytesMut};

use super::{DEFAULT_CHUNK_SIZE, EXTENDED};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::message::{Control, Message, kind};

/// Longest chunk header: 3 bytes basic, 11 bytes message header, 4 bytes extended timestamp.
const MAX_HEADER: usize = 18;

/// A message's memory is taken in steps of at least this, so that an announced length costs nothing by itself.
const FIRST_STEP: usize = 16 * 1024;

/// Puts messages together from bytes cut anywhere (Adobe RTMP 1.0 §5.3).
///
/// Obeys Set Chunk Size and Abort by itself and still gives those messages out. After an error the connection is
/// beyond repair: every further call gives the same error.
pub struct ChunkReader {
    limits: Limits,
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    /// Bytes pushed and not yet read by [`ChunkReader::next`].
    input: BytesMut,
    /// The start of a header whose rest has not come.
    stash: [u8; MAX_HEADER],
    stashed: usize,
    /// The chunk whose payload is being read: index into `streams`, bytes to come.
    current: Option<(usize, usize)>,
    partial_messages: usize,
    partial_bytes: usize,
    /// Messages begun so far.
    begun: u64,
    received: u64,
    /// Bytes of the connection before the first chunk, for error offsets.
    first_offset: u64,
    failed: Option<Error>,
}

/// What is remembered of one chunk stream; new messages refer to it (§5.3.1.2).
struct ChunkStream {
    csid: u32,
    length: usize,
    kind: u8,
    stream_id: u32,
    timestamp: u32,
    /// Added by a type 3 chunk that starts a message: the last delta, or the last time if the last was type 0.
    delta: u32,
    /// The 32-bit time field of the last type 0, 1 or 2 header if that was an extended one.
    extended: Option<u32>,
    /// The message begun and not finished.
    partial: Option<Partial>,
}

struct Partial {
    /// How many messages had been begun before it.
    number: u64,
    payload: Vec<u8>,
    chunks: u32,
}

/// A chunk header as it stands on the wire.
struct Header {
    bytes: usize,
    csid: u32,
    fmt: u8,
    /// Time, or delta, after following the extended timestamp.
    time: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream_id: u32,
}

impl ChunkReader {
    /// A reader for one direction of one connection, to start after the handshake.
    pub fn new(limits: Limits) -> Self {
        ChunkReader {
            limits,
            chunk_size: DEFAULT_CHUNK_SIZE as usize,
            streams: Vec::new(),
            input: BytesMut::new(),
            stash: [0; MAX_HEADER],
            stashed: 0,
            current: None,
            partial_messages: 0,
            begun: 0,
            partial_bytes: 0,
            received: 0,
            first_offset: 0,
            failed: None,
        }
    }

    /// Says how many bytes of the connection came before the first chunk, so that errors count from its start.
    #[must_use]
    pub fn after(mut self, bytes: u64) -> Self {
        self.first_offset = bytes;
        self
    }

    /// The number of the oldest message that has begun to come and is not whole, counted since the start; of the next one
    /// where only a part of its header is there.
    pub fn under_way(&self) -> Option<u64> {
        let oldest = self.streams.iter().filter_map(|stream| Some(stream.partial.as_ref()?.number)).min();
        oldest.or_else(|| (self.stashed > 0 || !self.input.is_empty()).then_some(self.begun))
    }

    /// Adds received bytes; [`ChunkReader::next`] gives the messages that are in them.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next message in what was pushed, if it is complete.
    #[allow(clippy::should_implement_trait)] // an iterator would not come back after `None`
    pub fn next(&mut self) -> Result<Option<Message>> {
        let mut input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        let result = self.read(&mut rest);
        let used = input.len() - rest.len();
        input.advance(used);
        self.input = input;
        result
    }

    /// The next message in `input`, which is shortened by what was read: by all of it unless a message is returned.
    ///
    /// The same as [`ChunkReader::push`] and [`ChunkReader::next`] with one copy less; use one or the other.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let before = input.len();
        let result = self.read_message(input);
        self.received += (before - input.len()) as u64;
        // What is kept of a header counts as received and is not read: where it begins does not depend on the cuts.
        let read = self.first_offset + self.received - self.stashed as u64;
        let result = result.map_err(|error| error.or_offset(read));
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// Bytes read so far, as acknowledgements count them (§5.4.3), without the handshake.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The chunk size that the sender has announced.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size as u32
    }

    fn read_message(&mut self, input: &mut &[u8]) -> Result<Option<Message>> {
        loop {
            let (index, remaining) = match self.current {
                Some(current) => current,
                None => match self.read_header(input)? {
                    Some(header) => self.begin_chunk(&header)?,
                    None => return Ok(None),
                },
            };
            let Some(stream) = self.streams.get_mut(index) else { return Ok(None) };
            let csid = stream.csid;
            // Bytes taken for a header that turned out shorter come first.
            let from_stash = self.stashed > 0;
            let source = if from_stash { self.stash.get(..self.stashed).unwrap_or_default() } else { *input };
            // One byte above the limit is enough to know, and is the same byte however the input is cut.
            let room = self.limits.partial_bytes.saturating_sub(self.partial_bytes).saturating_add(1);
            let taken = remaining.min(source.len()).min(room);
            if let Some(partial) = &mut stream.partial {
                partial.append(source.get(..taken).unwrap_or_default(), stream.length);
            }
            if from_stash {
                self.unstash(taken);
            } else {
                *input = input.get(taken..).unwrap_or_default();
            }
            self.partial_bytes += taken;
            if self.partial_bytes > self.limits.partial_bytes {
                let limit = self.limits.partial_bytes as u64;
                return Err(Error::from(ErrorKind::TooManyPartialBytes { limit }).on_csid(csid));
            }
            if taken < remaining {
                self.current = Some((index, remaining - taken));
                if from_stash {
                    continue;
                }
                return Ok(None);
            }
            self.current = None;
            if self.streams.get(index).is_some_and(ChunkStream::is_whole) {
                return self.finish(index).map(Some);
            }
        }
    }

    /// Reads a whole header from the stash and `input`; if it is not complete, all of `input` is in the stash.
    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>> {
        let known = self.stashed;
        let fill = (MAX_HEADER - known).min(input.len());
        for (to, from) in self.stash.iter_mut().skip(known).zip(input.iter()) {
            *to = *from;
        }
        let available = known + fill;
        match self.parse_header(self.stash.get(..available).unwrap_or_default())? {
            Some(header) if header.bytes >= known => {
                *input = input.get(header.bytes - known..).unwrap_or_default();
                self.stashed = 0;
                Ok(Some(header))
            }
            // What was kept might have been an extended timestamp and is not: the rest of it is payload.
            Some(header) => {
                self.unstash(header.bytes);
                Ok(Some(header))
            }
            None => {
                *input = input.get(fill..).unwrap_or_default();
                self.stashed = available;
                Ok(None)
            }
        }
    }

    /// Forgets the first `count` bytes of the stash.
    fn unstash(&mut self, count: usize) {
        self.stash.copy_within(count.min(self.stashed)..self.stashed, 0);
        self.stashed -= count.min(self.stashed);
    }

    /// `None` if `bytes` ends within the header.
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<Header>> {
        // §5.3.1.1: the id in 6 bits, 8 bits + 64, or 16 bits little-endian + 64; forms longer than needed are legal.
        let (fmt, csid, rest) = match *bytes {
            [first, second, ref rest @ ..] if first & 0x3F == 0 => (first >> 6, u32::from(second) + 64, rest),
            [first, low, high, ref rest @ ..] if first & 0x3F == 1 => {
                (first >> 6, u32::from(u16::from_le_bytes([low, high])) + 64, rest)
            }
            [first, ref rest @ ..] if first & 0x3F > 1 => (first >> 6, u32::from(first & 0x3F), rest),
            _ => return Ok(None),
        };
        let last = self.streams.iter().find(|stream| stream.csid == csid);
        let (mut length, mut kind, mut stream_id) = match last {
            Some(last) => (last.length, last.kind, last.stream_id),
            // Pings of some clients open a chunk stream with type 1: stream 0, time from 0.
            None if fmt <= 1 => (0, 0, 0),
            None => return Err(Error::from(ErrorKind::NoPreviousHeader { fmt }).on_csid(csid)),
        };
        let (time, mut rest) = match (fmt, rest) {
            (3, rest) => (None, rest),
            (_, [a, b, c, rest @ ..]) => (Some(u32::from_be_bytes([0, *a, *b, *c])), rest),
            _ => return Ok(None),
        };
        if fmt <= 1 {
            let [a, b, c, new_kind, tail @ ..] = rest else { return Ok(None) };
            (length, kind, rest) = (u32::from_be_bytes([0, *a, *b, *c]) as usize, *new_kind, tail);
        }
        if fmt == 0 {
            let [a, b, c, d, tail @ ..] = rest else { return Ok(None) };
            (stream_id, rest) = (u32::from_le_bytes([*a, *b, *c, *d]), tail);
        }
        let extension = rest.first_chunk().map(|field| u32::from_be_bytes(*field));
        let (time, extended) = match (time, last) {
            (Some(EXTENDED), _) => match extension {
                Some(field) => (field, true),
                None => return Ok(None),
            },
            (Some(time), _) => (time, false),
            // §5.3.1.3: type 3 repeats the field, but not every sender does. What stands there is the field if it is
            // equal to it, and payload otherwise.
            (None, Some(ChunkStream { extended: Some(field), .. })) => match extension {
                Some(found) => (*field, found == *field),
                None if field.to_be_bytes().starts_with(rest) => return Ok(None),
                None => (*field, false),
            },
            (None, _) => (0, false),
        };
        let tail = if extended { rest.len() - 4 } else { rest.len() };
        Ok(Some(Header { bytes: bytes.len() - tail, csid, fmt, time, extended, length, kind, stream_id }))
    }

    /// Starts or continues a message; gives the chunk stream's index and the chunk's payload length.
    fn begin_chunk(&mut self, header: &Header) -> Result<(usize, usize)> {
        let fail = |kind: ErrorKind| Err(Error::from(kind).on_csid(header.csid).in_message(header.kind));
        let index = match self.streams.iter().position(|stream| stream.csid == header.csid) {
            Some(index) => index,
            None if self.streams.len() >= self.limits.chunk_streams => {
                return fail(ErrorKind::TooManyChunkStreams { limit: self.limits.chunk_streams as u32 });
            }
            None => {
                self.streams.push(ChunkStream::new(header.csid));
                self.streams.len() - 1
            }
        };
        let limit = self.limit(header.kind);
        let Some(stream) = self.streams.get_mut(index) else {
            return fail(ErrorKind::NoPreviousHeader { fmt: header.fmt });
        };
        if header.fmt != 3 {
            stream.extended = header.extended.then_some(header.time);
        }
        if let Some(partial) = &mut stream.partial {
            // A header inside a message is taken if it is the same message.
            if header.length != stream.length {
                let (was, now) = (stream.length as u32, header.length as u32);
                return fail(ErrorKind::LengthChanged { was, now });
            }
            partial.chunks += 1;
            if partial.chunks > self.limits.chunks_per_message {
                return fail(ErrorKind::TooManyChunks { limit: self.limits.chunks_per_message });
            }
            return Ok((index, self.chunk_size.min(stream.length - partial.payload.len())));
        }
        if header.length > limit {
            return fail(ErrorKind::MessageTooLong { length: header.length as u64, limit: limit as u64 });
        }
        self.partial_messages += 1;
        if self.partial_messages > self.limits.partial_messages {
            return fail(ErrorKind::TooManyPartialMessages { limit: self.limits.partial_messages as u32 });
        }
        stream.begin_message(header, self.begun);
        self.begun += 1;
        Ok((index, self.chunk_size.min(stream.length)))
    }

    fn limit(&self, message_type: u8) -> usize {
        match message_type {
            kind::AUDIO | kind::VIDEO | kind::AGGREGATE => self.limits.media_message,
            kind::SET_CHUNK_SIZE..=kind::SET_PEER_BANDWIDTH | kind::COMMAND | kind::COMMAND_AMF3 => {
                self.limits.command_message
            }
            _ => self.limits.data_message,
        }
    }

    fn finish(&mut self, index: usize) -> Result<Message> {
        let Some(stream) = self.streams.get_mut(index) else {
            return Err(Error::from(ErrorKind::NoPreviousHeader { fmt: 3 }));
        };
        let payload = stream.partial.take().map(|partial| Bytes::from(partial.payload)).unwrap_or_default();
        self.partial_messages -= 1;
        self.partial_bytes -= payload.len();
        let ChunkStream { csid, kind, stream_id, timestamp, .. } = *stream;
        let message = Message { csid, kind, stream_id, timestamp, payload };
        match Control::decode(&message)? {
            Some(Control::SetChunkSize(size)) => self.chunk_size = size.min(self.limits.chunk_size).max(1) as usize,
            Some(Control::Abort(csid)) => self.abort(csid),
            _ => {}
        }
        Ok(message)
    }

    /// §5.4.2: drops the partial message; the header state stays. Nothing to do for an unknown chunk stream.
    fn abort(&mut self, csid: u32) {
        let partial = self.streams.iter_mut().find(|stream| stream.csid == csid).and_then(|s| s.partial.take());
        if let Some(partial) = partial {
            self.partial_messages -= 1;
            self.partial_bytes -= partial.payload.len();
        }
    }
}

impl ChunkStream {
    fn new(csid: u32) -> Self {
        ChunkStream { csid, length: 0, kind: 0, stream_id: 0, timestamp: 0, delta: 0, extended: None, partial: None }
    }

    fn is_whole(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.payload.len() >= self.length)
    }

    fn begin_message(&mut self, header: &Header, number: u64) {
        match header.fmt {
            0 => (self.timestamp, self.delta) = (header.time, header.time),
            1 | 2 => {
                self.delta = header.time;
                self.timestamp = self.timestamp.wrapping_add(header.time);
            }
            _ => self.timestamp = self.timestamp.wrapping_add(self.delta),
        }
        (self.length, self.kind, self.stream_id) = (header.length, header.kind, header.stream_id);
        self.partial = Some(Partial { number, payload: Vec::new(), chunks: 1 });
    }
}

impl Partial {
    fn append(&mut self, bytes: &[u8], length: usize) {
        let needed = self.payload.len() + bytes.len();
        if needed > self.payload.capacity() {
            // Doubling keeps the copying linear; the message's length as upper bound leaves no slack in the end.
            let capacity = needed.max(self.payload.capacity() * 2).max(FIRST_STEP).min(length);
            self.payload.reserve_exact(capacity - self.payload.len());
        }
        self.payload.extend_from_slice(bytes);
    }
}
