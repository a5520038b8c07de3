//! FLV: reading tags from bytes that come in any pieces, and writing them (Adobe FLV 10.1, Annex E). The bodies of
//! audio and video tags are those of RTMP audio and video messages; the modules below read their headers.
pub mod aac;
pub mod audio;
pub mod avc;
mod bits;
pub mod color;
pub mod compose;
mod enhanced;
mod fourcc;
pub mod multichannel;
mod reader;
mod sniff;
pub mod tracks;
pub mod video;

pub use enhanced::MultitrackType;
pub use fourcc::FourCc;
pub use reader::TagReader;

use crate::error::{ErrorKind, Result};
use bytes::{BufMut, Bytes, BytesMut};

/// A tag holds at most this many bytes: its size has 24 bits.
const MAX_PAYLOAD: usize = 0xFF_FFFF;

/// What a tag carries; the numbers are also RTMP message types (Adobe FLV 10.1 §E.4.1, Adobe RTMP 1.0 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// 8: audio.
    Audio,
    /// 9: video.
    Video,
    /// 18: script data: AMF0 values, most often `onMetaData` and its object.
    Script,
    /// Any other; 15 is script data in AMF3 form (Enhanced RTMP v2).
    Other(u8),
}

impl TagKind {
    /// The kind of a type number.
    pub fn from_number(number: u8) -> Self {
        match number {
            8 => Self::Audio,
            9 => Self::Video,
            18 => Self::Script,
            other => Self::Other(other),
        }
    }

    /// The type number.
    pub fn number(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
            Self::Script => 18,
            Self::Other(number) => number,
        }
    }
}

/// One tag (Adobe FLV 10.1 §E.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// What it carries.
    pub kind: TagKind,
    /// DTS in milliseconds, with the extended byte.
    pub timestamp: u32,
    /// The body.
    pub payload: Bytes,
}

/// Appends the file header and the first back pointer (§E.2, §E.3).
pub fn write_header(out: &mut BytesMut, audio: bool, video: bool) {
    out.put_slice(b"FLV\x01");
    out.put_u8(u8::from(audio) << 2 | u8::from(video));
    out.put_u32(9);
    out.put_u32(0);
}

/// Appends a tag and its back pointer (§E.4.1). An error, with nothing written, if the payload is above 2^24 - 1 bytes.
pub fn write_tag(out: &mut BytesMut, kind: TagKind, timestamp: u32, payload: &[u8]) -> Result<()> {
    let length = payload.len() as u32;
    if payload.len() > MAX_PAYLOAD {
        return Err(ErrorKind::FlvTagTooLong { length, limit: MAX_PAYLOAD as u32 }.into());
    }
    out.reserve(11 + payload.len() + 4);
    out.put_u8(kind.number() & 0x1F);
    out.put_uint(u64::from(length), 3);
    out.put_uint(u64::from(timestamp & 0xFF_FFFF), 3);
    out.put_u8((timestamp >> 24) as u8);
    out.put_uint(0, 3);
    out.put_slice(payload);
    out.put_u32(11 + length);
    Ok(())
}
