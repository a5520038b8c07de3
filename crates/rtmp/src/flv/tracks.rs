//! Multitrack bodies taken apart: one message for each track, some tracks, one alone, and that in the form of before Enhanced RTMP
//! (Enhanced RTMP v2 "Multitrack Streaming via Enhanced RTMP").
//!
//! Nothing is encoded anew and no codec's data is touched: only the fields around it change.
use bytes::{BufMut, Bytes, BytesMut};

use super::audio::{self, AudioHeader};
use super::enhanced::{Fields, MultitrackType};
use super::video::{self, FrameType, PacketType, VideoCodec, VideoHeader};
use super::{FourCc, TagKind};
use crate::error::Result;

/// A track's id has 8 bits.
const MAX_TRACKS: usize = 256;
/// Most bytes of ModEx prefixes that are repeated for each track: else a message could become any number of times as long.
const MAX_PREFIX: usize = 1024;

/// One track of a body, as a body of its own (Enhanced RTMP v2 `AvMultitrackType.OneTrack`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The track id; 0 is the default track, and that of every body without multitrack.
    pub id: u8,
    /// A body with this track only: `OneTrack`, or as it was.
    pub body: Bytes,
}

/// The tracks of an audio or video body, each with its id, in their order.
///
/// `ManyTracks` and `ManyTracksManyCodecs` become one `OneTrack` body for each; ModEx prefixes go with every one of them.
/// What is no such body comes back as it is, without being copied.
///
/// # Errors
/// The header is broken or a track is longer than the body.
pub fn split(kind: TagKind, body: &Bytes) -> Result<Vec<Part>> {
    match Multitrack::open(kind, body)? {
        None => Ok(vec![Part { id: 0, body: body.clone() }]),
        Some(mut opened) if opened.layout == MultitrackType::OneTrack => {
            // One that ends before its track has none.
            Ok(opened.next()?.map(|track| Part { id: track.0, body: body.clone() }).into_iter().collect())
        }
        Some(mut opened) => {
            let mut parts = Vec::new();
            if opened.prefix.len() > MAX_PREFIX {
                return opened.fields.error("its ModEx prefixes are too long to be repeated for each track");
            }
            while let Some((id, codec, data)) = opened.next()? {
                if parts.len() >= MAX_TRACKS {
                    return opened.fields.error("it has more tracks than there are ids");
                }
                let mut out = BytesMut::with_capacity(opened.prefix.len() + 6 + data.len());
                out.put_slice(opened.prefix);
                // OneTrack is 0 in the upper half.
                out.put_u8(opened.packet_type);
                out.put_slice(&codec.0);
                out.put_u8(id);
                out.put_slice(data);
                parts.push(Part { id, body: out.freeze() });
            }
            Ok(parts)
        }
    }
}

/// One track of a body as a body without multitrack; `None` if the track is not in it.
///
/// A body without multitrack is track 0.
///
/// # Errors
/// The header is broken or a track is longer than the body.
pub fn single(kind: TagKind, body: &Bytes, id: u8) -> Result<Option<Bytes>> {
    let Some(mut opened) = Multitrack::open(kind, body)? else { return Ok((id == 0).then(|| body.clone())) };
    while let Some((found, codec, data)) = opened.next()? {
        if found == id {
            let mut out = BytesMut::with_capacity(opened.prefix.len() + 4 + data.len());
            // The last byte before the multitrack fields says what follows, in its lower half.
            let (last, before) = opened.prefix.split_last().unwrap_or((&0, &[]));
            out.put_slice(before);
            out.put_u8(last & 0xF0 | opened.packet_type);
            out.put_slice(&codec.0);
            out.put_slice(data);
            return Ok(Some(out.freeze()));
        }
    }
    Ok(None)
}

/// Of a body only the tracks that are wanted, with their ids; `None` if it has none of them.
///
/// What is left of several keeps their form, and is `OneTrack` where it is one track. A body all of whose tracks are wanted
/// comes back as it is, without being copied. A body without multitrack is track 0.
///
/// # Errors
/// The header is broken or a track is longer than the body.
pub fn reduce(kind: TagKind, body: &Bytes, wanted: impl Fn(u8) -> bool) -> Result<Option<Bytes>> {
    let Some(mut opened) = Multitrack::open(kind, body)? else { return Ok(wanted(0).then(|| body.clone())) };
    let mut kept = Vec::new();
    let mut is_whole = true;
    while let Some(track) = opened.next()? {
        if wanted(track.0) {
            if kept.len() >= MAX_TRACKS {
                return opened.fields.error("it has more tracks than there are ids");
            }
            kept.push(track);
        } else {
            is_whole = false;
        }
    }
    if is_whole || kept.is_empty() {
        return Ok((!kept.is_empty()).then(|| body.clone()));
    }
    let data: usize = kept.iter().map(|(.., data)| 8 + data.len()).sum();
    let mut out = BytesMut::with_capacity(opened.prefix.len() + 5 + data);
    out.put_slice(opened.prefix);
    if let [(id, codec, data)] = kept[..] {
        // OneTrack is 0 in the upper half.
        out.put_u8(opened.packet_type);
        out.put_slice(&codec.0);
        out.put_u8(id);
        out.put_slice(data);
        return Ok(Some(out.freeze()));
    }
    match opened.common {
        Some(codec) => {
            out.put_u8(MANY_TRACKS | opened.packet_type);
            out.put_slice(&codec.0);
        }
        None => out.put_u8(MANY_CODECS | opened.packet_type),
    }
    for (id, codec, data) in kept {
        if opened.common.is_none() {
            out.put_slice(&codec.0);
        }
        out.put_u8(id);
        // It was read from 24 bits.
        out.put_uint(data.len() as u64, 3);
        out.put_slice(data);
    }
    Ok(Some(out.freeze()))
}

/// `AvMultitrackType` in the upper half.
const MANY_TRACKS: u8 = 1 << 4;
const MANY_CODECS: u8 = 2 << 4;

/// A body without multitrack in the form of Adobe FLV 10.1, for a peer that knows no other: H.264, AAC and MP3 have one.
///
/// `None` if there is no such form: another codec, colour and channel configuration, the header of MP3, the end of a track of
/// sound. A body that has the form already comes back as it is. Nanoseconds are left out.
pub fn legacy(kind: TagKind, body: &Bytes) -> Option<Bytes> {
    match kind {
        TagKind::Video => legacy_video(body),
        TagKind::Audio => legacy_audio(body),
        _ => Some(body.clone()),
    }
}

fn legacy_video(body: &Bytes) -> Option<Bytes> {
    if body.first().is_none_or(|first| first & 0x80 == 0) {
        return Some(body.clone());
    }
    let header = VideoHeader::parse(body).ok()?;
    if header.packet_type == PacketType::Command {
        let command = body.get(header.payload_offset).copied().unwrap_or(0);
        return Some(Bytes::copy_from_slice(&[FrameType::Command.number() << 4 | AVC, command]));
    }
    if header.multitrack.is_some() || header.codec != VideoCodec::FourCc(FourCc::AVC1) {
        return None;
    }
    // §E.4.3.1: AVCPacketType; a configuration and an end are key frames.
    let (frame_type, packet_type) = match header.packet_type {
        PacketType::SequenceStart => (FrameType::Key, 0),
        PacketType::CodedFrames | PacketType::CodedFramesX => (header.frame_type, 1),
        PacketType::SequenceEnd => (FrameType::Key, 2),
        _ => return None,
    };
    let data = body.get(header.payload_offset..).unwrap_or_default();
    let mut out = BytesMut::with_capacity(5 + data.len());
    out.put_u8(frame_type.number() << 4 | AVC);
    out.put_u8(packet_type);
    out.put_int(i64::from(header.composition_time), 3);
    out.put_slice(data);
    Some(out.freeze())
}

/// The codec id of H.264.
const AVC: u8 = 7;

fn legacy_audio(body: &Bytes) -> Option<Bytes> {
    if body.first().is_none_or(|first| first >> 4 != 9) {
        return Some(body.clone());
    }
    let header = AudioHeader::parse(body).ok()?;
    if header.multitrack.is_some() {
        return None;
    }
    let data = body.get(header.payload_offset..).unwrap_or_default();
    let mut out = BytesMut::with_capacity(2 + data.len());
    match (header.four_cc?, header.packet_type) {
        // §E.4.2.1: AAC is always said to be 44.1 kHz, 16 bits, stereo.
        (FourCc::MP4A, audio::PacketType::SequenceStart) => out.put_slice(&[0xAF, 0]),
        (FourCc::MP4A, audio::PacketType::CodedFrames) => out.put_slice(&[0xAF, 1]),
        (FourCc::MP3, audio::PacketType::CodedFrames) => out.put_u8(mp3_header(data)),
        _ => return None,
    }
    out.put_slice(data);
    Some(out.freeze())
}

/// §E.4.2.1: format, rate, 16 bits and channels of an MP3 frame (ISO/IEC 11172-3 §2.4.1.3). Rates that cannot be said are
/// said to be the next one, as FFmpeg does; decoders read the frame.
fn mp3_header(frame: &[u8]) -> u8 {
    const MP3: u8 = 2;
    const MP3_AT_8K: u8 = 14;
    let [_, second, third, fourth, ..] = *frame else { return MP3 << 4 | 0x0F };
    let (format, rate) = match (second >> 3 & 3, third >> 2 & 3) {
        // MPEG 2.5: 11025, 12000 and 8000 Hz. MPEG 2: 22050, 24000 and 16000 Hz. MPEG 1: 44100, 48000 and 32000 Hz.
        (0, 2) => (MP3_AT_8K, 0),
        (0, _) => (MP3, 1),
        (2, _) => (MP3, 2),
        _ => (MP3, 3),
    };
    let stereo = u8::from(fourth >> 6 != 3);
    format << 4 | rate << 2 | 1 << 1 | stereo
}

/// A multitrack body, opened behind its common fields.
struct Multitrack<'a> {
    fields: Fields<'a>,
    /// What stands before the multitrack fields; the lower half of its last byte says `Multitrack`.
    prefix: &'a [u8],
    layout: MultitrackType,
    packet_type: u8,
    common: Option<FourCc>,
}

impl<'a> Multitrack<'a> {
    /// `None` if it is no multitrack body.
    fn open(kind: TagKind, body: &'a [u8]) -> Result<Option<Self>> {
        let (name, multitrack) = match (kind, body.first()) {
            (TagKind::Video, Some(first)) if first & 0x80 != 0 => ("video", video::MULTITRACK),
            (TagKind::Audio, Some(first)) if first >> 4 == 9 => ("audio", audio::MULTITRACK),
            _ => return Ok(None),
        };
        let mut fields = Fields::new(name, body);
        let (high, low) = fields.nibbles()?;
        let (packet_type, _) = fields.mod_ex(low)?;
        // A command has nothing but its command.
        let is_command = kind == TagKind::Video && high & 0x07 == FrameType::Command.number();
        if packet_type != multitrack || is_command {
            return Ok(None);
        }
        let prefix = body.get(..fields.position()).unwrap_or_default();
        let (layout, packet_type, common) = fields.multitrack(multitrack)?;
        Ok(Some(Multitrack { fields, prefix, layout, packet_type, common }))
    }

    /// The next track: id, codec and data.
    fn next(&mut self) -> Result<Option<(u8, FourCc, &'a [u8])>> {
        let track = self.fields.track(self.layout, self.common)?;
        Ok(track.map(|track| (track.id, track.four_cc, track.body)))
    }
}

#[cfg(test)]
#[path = "tracks_tests.rs"]
mod tests;
