//! Packets as RTMP bytes, made once per packet and shared by every connection: a type 1 header carries only the step
//! from the previous message of its chunk stream in hub order, so the bytes are the same whatever a connection's time
//! base is (Adobe RTMP 1.0 §5.3.1.2.2).

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use outflow_rtmp::chunk::csid;
use outflow_rtmp::chunk::{DELTA_HEADER, encode_delta, encode_delta_with_prefix, encode_full};
use outflow_rtmp::chunk::{encode_full_with_prefix, full_header};
use outflow_rtmp::message::kind;
use parking_lot::Mutex;

use crate::hub::Item;
use crate::media::{Kind, Packet};

/// How data messages are written: bare for players, metadata behind `@setDataFrame` for servers we publish to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// To a player.
    Play,
    /// To a server.
    Publish,
}

/// The chunk size announced to peers where no word says otherwise: OBS's, which every platform reads.
pub const CHUNK_SIZE: u32 = 4096;

/// The AMF0 string that tells a server to keep the metadata that follows for its players.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";
const ON_META_DATA: &[u8] = b"\x02\x00\x0aonMetaData";
/// Bodies from this length on are worth sharing between joiners: less is sooner copied than written in two pieces.
const LONG: usize = 4096;
/// What it costs to keep a message, beside its body.
pub const KEPT: usize = 256;
/// The last chunk stream that peers accept; tracks that found no chunk stream of their own share it.
const CROWDED: u32 = csid::LAST;

/// One packet in a hub, with its wire bytes: from the beginning where they fit one chunk, else once somebody needed them.
pub struct Message {
    /// The packet, on the stream's continuous time.
    pub packet: Packet,
    csid: u32,
    /// Milliseconds since the previous message of this chunk stream; `None` where a type 1 header can't say it.
    delta: Option<u32>,
    usual: [OnceLock<Option<Bytes>>; 2],
    /// Bytes for unusual chunk sizes (`chunk_size=`).
    unusual: Mutex<Vec<(u32, Form, Option<Bytes>)>>,
}

/// A message as hubs and connections hold it.
pub type Shared = Arc<Message>;

impl Item for Shared {
    fn size(&self) -> usize {
        self.packet.body.len() + KEPT
    }

    fn is_frame(&self) -> bool {
        self.packet.kind == Kind::Video && !self.packet.flags.header
    }
}

impl Message {
    /// A packet in its place: `previous` is the time of the message before it on the same chunk stream.
    pub fn new(packet: Packet, previous: Option<i64>) -> Shared {
        let mut message = Self::bare(packet, previous);
        message.share_body();
        Arc::new(message)
    }

    /// The same for a packet that was taken out of the message of another stream: what both have in common is the same memory.
    pub fn again(packet: Packet, previous: Option<i64>, of: &Self) -> Shared {
        let mut message = Self::bare(packet, previous);
        let is_same = message.packet.kind == of.packet.kind
            && (message.csid, message.delta) == (of.csid, of.delta)
            && message.packet.body.as_ptr_range() == of.packet.body.as_ptr_range();
        if is_same && let Some(bytes) = of.usual[0].get() {
            message.usual[0] = OnceLock::from(bytes.clone());
        }
        Arc::new(message)
    }

    fn bare(packet: Packet, previous: Option<i64>) -> Self {
        let csid = chunk_stream(&packet);
        let delta = previous.and_then(|previous| u32::try_from(packet.dts - previous).ok());
        let delta = delta.filter(|delta| *delta < 0xFF_FFFF && csid != CROWDED);
        Self { packet, csid, delta, usual: Default::default(), unusual: Mutex::new(Vec::new()) }
    }

    /// What fits into one chunk stands in it as it came: kept once, for those who want the body and those who want the chunk.
    fn share_body(&mut self) {
        let length = self.packet.body.len();
        if self.packet.kind == Kind::Data || length == 0 || length > CHUNK_SIZE as usize {
            return;
        }
        if let Some(bytes) = self.encode(CHUNK_SIZE, Form::Play) {
            self.packet.body = bytes.slice(DELTA_HEADER..);
            self.usual[0] = OnceLock::from(Some(bytes));
        }
    }

    /// The chunk stream it goes out on.
    pub fn csid(&self) -> u32 {
        self.csid
    }

    fn kind(&self) -> u8 {
        match self.packet.kind {
            Kind::Audio => kind::AUDIO,
            Kind::Video => kind::VIDEO,
            Kind::Data => kind::DATA,
        }
    }

    fn prefix(&self, form: Form) -> &'static [u8] {
        let wrapped =
            form == Form::Publish && self.packet.kind == Kind::Data && self.packet.body.starts_with(ON_META_DATA);
        if wrapped { SET_DATA_FRAME } else { &[] }
    }

    /// The shared bytes: right for every connection that has had the previous message of this chunk stream. `None`
    /// where only [`Message::full`] will do.
    pub fn shared(&self, chunk_size: u32, form: Form) -> Option<Bytes> {
        if chunk_size == CHUNK_SIZE {
            let slot = usize::from(form == Form::Publish && self.packet.kind == Kind::Data);
            return self.usual.get(slot)?.get_or_init(|| self.encode(chunk_size, form)).clone();
        }
        let mut unusual = self.unusual.lock();
        if let Some((_, _, bytes)) = unusual.iter().find(|(size, made, _)| *size == chunk_size && *made == form) {
            return bytes.clone();
        }
        let bytes = self.encode(chunk_size, form);
        unusual.push((chunk_size, form, bytes.clone()));
        bytes
    }

    fn encode(&self, chunk_size: u32, form: Form) -> Option<Bytes> {
        let mut out = BytesMut::new();
        let (kind, prefix, body) = (self.kind(), self.prefix(form), &self.packet.body);
        let encoded = match prefix {
            [] => encode_delta(&mut out, self.csid, kind, self.delta?, body, chunk_size),
            _ => encode_delta_with_prefix(&mut out, self.csid, kind, self.delta?, prefix, body, chunk_size),
        };
        encoded.ok().map(|()| out.freeze())
    }

    /// What [`Message::full`] gives, in two pieces where a long body can be shared: a header of the connection's own, and what
    /// others have too.
    pub fn own(&self, chunk_size: u32, form: Form, stream_id: u32, timestamp: u32) -> Option<(Bytes, Option<Bytes>)> {
        let length = self.prefix(form).len() + self.packet.body.len();
        if length >= LONG
            && let Some(header) = full_header(self.csid, self.kind(), stream_id, timestamp, length)
            && let Some(shared) = self.shared(chunk_size, form)
        {
            return Some((Bytes::copy_from_slice(&header), Some(shared.slice(DELTA_HEADER..))));
        }
        Some((self.full(chunk_size, form, stream_id, timestamp)?, None))
    }

    /// Bytes of one connection's own: with absolute time and message stream id, for the first message of each chunk
    /// stream after a join or a skip, and for headers sent privately. `None` if it can't be carried at all (a body
    /// beyond 16 MB).
    pub fn full(&self, chunk_size: u32, form: Form, stream_id: u32, timestamp: u32) -> Option<Bytes> {
        let mut out = BytesMut::new();
        let (kind, prefix, body) = (self.kind(), self.prefix(form), &self.packet.body);
        let encoded = match prefix {
            [] => encode_full(&mut out, self.csid, kind, stream_id, timestamp, body, chunk_size),
            _ => encode_full_with_prefix(&mut out, self.csid, kind, stream_id, timestamp, prefix, body, chunk_size),
        };
        encoded.ok().map(|()| out.freeze())
    }
}

/// Audio, video, data and each further track have a chunk stream of their own, as long as there are any.
pub fn chunk_stream(packet: &Packet) -> u32 {
    let further = |odd: u32| {
        let id = csid::FIRST_TRACK + odd + 2 * (u32::from(packet.track) - 1);
        if id < CROWDED { id } else { CROWDED }
    };
    match (packet.kind, packet.track) {
        (Kind::Data, _) => csid::DATA,
        (Kind::Audio, 0) => csid::AUDIO,
        (Kind::Video, 0) => csid::VIDEO,
        (Kind::Audio, _) => further(0),
        (Kind::Video, _) => further(1),
    }
}

#[cfg(test)]
mod tests;
