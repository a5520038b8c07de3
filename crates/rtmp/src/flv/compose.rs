//! Writing enhanced audio and video bodies (Enhanced RTMP v2 "Enhanced Audio", "Enhanced Video"): every packet type, ModEx
//! prefixes, one track or many.
use bytes::{BufMut, Bytes, BytesMut};

use super::{FourCc, audio, video};
use crate::error::{ErrorKind, Result};

/// ModEx, in both packet types.
const MOD_EX: u8 = 7;
/// The enhanced form of a video header.
const IS_EX_HEADER: u8 = 0x80;
/// The enhanced form of an audio header: sound format 9.
const EX_HEADER: u8 = 9 << 4;
/// A track's size has 24 bits.
const MAX_TRACK: usize = 0xFF_FFFF;
/// A ModEx prefix has at most this many bytes.
const MAX_MOD_EX_DATA: usize = 65_536;

/// A prefix that changes what a packet means (Enhanced RTMP v2 `VideoPacketModExType`, `AudioPacketModExType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModEx<'a> {
    /// `TimestampOffsetNano`: nanoseconds to add to the timestamp, below a million.
    Nanoseconds(u32),
    /// A type to come, 1 to 15, with 1 to 65536 bytes.
    Other(u8, &'a [u8]),
}

/// The tracks of a body (Enhanced RTMP v2 `AvMultitrackType`); what they hold begins behind the track's fields, with the composition time if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout<'a> {
    /// No multitrack: codec and data.
    Plain(FourCc, &'a [u8]),
    /// `OneTrack`: codec, track id and data.
    OneTrack(FourCc, u8, &'a [u8]),
    /// `ManyTracks`: their codec; id and data of each.
    ManyTracks(FourCc, &'a [(u8, &'a [u8])]),
    /// `ManyTracksManyCodecs`: codec, id and data of each.
    ManyTracksManyCodecs(&'a [(FourCc, u8, &'a [u8])]),
}

/// The data of a `CodedFrames` packet: with the composition time (PTS - DTS in milliseconds, SI24) if the codec has one.
pub fn coded_frame(codec: FourCc, composition_time: i32, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(3 + data.len());
    if codec.has_composition_time() {
        out.put_int(i64::from(composition_time), 3);
    }
    out.put_slice(data);
    out.freeze()
}

/// A video body.
///
/// # Errors
/// It is a command, or would be read as one; a track is above 2^24 - 1 bytes; there is no track; a prefix cannot be written.
pub fn video(
    frame_type: video::FrameType,
    packet_type: video::PacketType,
    mod_ex: &[ModEx<'_>],
    layout: Layout<'_>,
) -> Result<Bytes> {
    let Some(number) = packet_type.number().filter(|number| !matches!(number, 6 | 7 | 16..)) else {
        return unsendable("a packet of this type has no tracks");
    };
    // "ExVideoTagHeader": with this frame type all but a plain `Metadata` packet is read as a command.
    let is_plain_metadata = packet_type == video::PacketType::Metadata && matches!(layout, Layout::Plain(..));
    if frame_type == video::FrameType::Command && !is_plain_metadata {
        return unsendable("with the frame type of commands it would be read as a command");
    }
    body(IS_EX_HEADER | frame_type.number() << 4, number, video::MULTITRACK, mod_ex, layout)
}

/// A command to the player (`VideoCommand`): 0 begins a seek at its side, 1 ends it.
pub fn video_command(command: u8) -> Bytes {
    Bytes::copy_from_slice(&[IS_EX_HEADER | video::FrameType::Command.number() << 4, command])
}

/// An audio body.
///
/// # Errors
/// A track is above 2^24 - 1 bytes; there is no track; a prefix or the packet type cannot be written.
pub fn audio(packet_type: audio::PacketType, mod_ex: &[ModEx<'_>], layout: Layout<'_>) -> Result<Bytes> {
    let number = packet_type.number();
    if matches!(number, 5 | 7 | 16..) {
        return unsendable("a packet of this type has no tracks");
    }
    body(EX_HEADER, number, audio::MULTITRACK, mod_ex, layout)
}

fn unsendable<T>(why: &'static str) -> Result<T> {
    Err(ErrorKind::Unsendable(why).into())
}

fn body(first: u8, number: u8, multitrack: u8, mod_ex: &[ModEx<'_>], layout: Layout<'_>) -> Result<Bytes> {
    let mut out = BytesMut::with_capacity(64);
    let outer = if matches!(layout, Layout::Plain(..)) { number } else { multitrack };
    // Each prefix ends with the packet type behind it.
    let mut types = mod_ex.iter().map(|_| MOD_EX).chain([outer]);
    let mut next = || types.next().unwrap_or(outer);
    out.put_u8(first | next());
    for prefix in mod_ex {
        put_mod_ex(&mut out, prefix, next())?;
    }
    match layout {
        Layout::Plain(codec, data) => {
            out.put_slice(&codec.0);
            out.put_slice(data);
        }
        Layout::OneTrack(codec, id, data) => {
            out.put_u8(number);
            out.put_slice(&codec.0);
            out.put_u8(id);
            out.put_slice(data);
        }
        Layout::ManyTracks(_, []) | Layout::ManyTracksManyCodecs([]) => return unsendable("it has no track"),
        Layout::ManyTracks(codec, tracks) => {
            out.put_u8(1 << 4 | number);
            out.put_slice(&codec.0);
            for (id, data) in tracks {
                put_track(&mut out, *id, data)?;
            }
        }
        Layout::ManyTracksManyCodecs(tracks) => {
            out.put_u8(2 << 4 | number);
            for (codec, id, data) in tracks {
                out.put_slice(&codec.0);
                put_track(&mut out, *id, data)?;
            }
        }
    }
    Ok(out.freeze())
}

fn put_track(out: &mut BytesMut, id: u8, data: &[u8]) -> Result<()> {
    if data.len() > MAX_TRACK {
        return unsendable("a track is longer than 16777215 bytes");
    }
    out.put_u8(id);
    out.put_uint(data.len() as u64, 3);
    out.put_slice(data);
    Ok(())
}

fn put_mod_ex(out: &mut BytesMut, prefix: &ModEx<'_>, next: u8) -> Result<()> {
    let nanoseconds;
    let (kind, data) = match *prefix {
        ModEx::Nanoseconds(1_000_000..) => return unsendable("its nanoseconds are a millisecond or more"),
        ModEx::Nanoseconds(number) => {
            let [_, a, b, c] = number.to_be_bytes();
            nanoseconds = [a, b, c];
            (0, &nanoseconds[..])
        }
        ModEx::Other(kind @ 1..=15, data) if (1..=MAX_MOD_EX_DATA).contains(&data.len()) => (kind, data),
        ModEx::Other(..) => return unsendable("its ModEx is of no type or size"),
    };
    match data.len() - 1 {
        short @ 0..=254 => out.put_u8(short as u8),
        long => {
            out.put_u8(255);
            out.put_u16(long as u16);
        }
    }
    out.put_slice(data);
    out.put_u8(kind << 4 | next);
    Ok(())
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
