//! A small FLV reader and writer of its own, and what tests ask about a tag: key frame, header, composition time, codec.

use bytes::Bytes;

use crate::wire::{Message, kind};

/// One FLV tag, or a message of a connection seen as one.
#[derive(Clone, PartialEq, Eq)]
pub struct Tag {
    /// 8 audio, 9 video, 18 data, as RTMP's message types.
    pub kind: u8,
    /// Milliseconds, 32 bits.
    pub time: u32,
    /// The body.
    pub body: Bytes,
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            kind::AUDIO => "audio",
            kind::VIDEO => "video",
            _ => "data",
        };
        write!(f, "{what} at {} ms, {} bytes", self.time, self.body.len())?;
        if self.is_key_frame() {
            f.write_str(", key frame")?;
        }
        if self.is_sequence_header() {
            f.write_str(", sequence header")?;
        }
        write!(f, ", begins {:02x?}", &self.body[..self.body.len().min(12)])
    }
}

impl Tag {
    /// A message as a tag; the `@setDataFrame` that pushes put before metadata is taken off.
    pub fn from_message(message: &Message) -> Self {
        const WRAPPER: &[u8] = b"\x02\x00\x0d@setDataFrame";
        let body = if message.kind == kind::DATA && message.body.starts_with(WRAPPER) {
            message.body.slice(WRAPPER.len()..)
        } else {
            message.body.clone()
        };
        Self { kind: message.kind, time: message.time, body }
    }

    /// A video key frame (and no header).
    pub fn is_key_frame(&self) -> bool {
        is_key_frame(self.kind, &self.body)
    }

    /// An AVC, AAC or Enhanced sequence header.
    pub fn is_sequence_header(&self) -> bool {
        is_sequence_header(self.kind, &self.body)
    }

    /// The composition time of an AVC frame in milliseconds; 0 for anything else.
    pub fn composition_time(&self) -> i32 {
        if self.kind == kind::VIDEO && self.body.len() >= 5 && self.body[0] & 0x8f == 7 && self.body[1] == 1 {
            i32::from_be_bytes([self.body[2], self.body[3], self.body[4], 0]) >> 8
        } else {
            0
        }
    }

    /// Audio or video that is neither a sequence header nor an end of sequence nor Enhanced metadata.
    pub fn is_frame(&self) -> bool {
        if !matches!(self.kind, kind::AUDIO | kind::VIDEO) || self.body.is_empty() {
            return false;
        }
        if let Some((packet, _)) = enhanced(self.kind, &self.body) {
            // FFmpeg 9 sends a first packet of nothing for audio alone.
            return matches!(packet, CODED_FRAMES | CODED_FRAMES_X) && self.body.len() > 5;
        }
        let cut =
            self.kind == kind::VIDEO && self.body[0] & 0x80 != 0 || self.kind == kind::AUDIO && self.body[0] >> 4 == 9;
        let end = self.kind == kind::VIDEO && self.body.len() >= 2 && self.body[0] & 0x8f == 7 && self.body[1] == 2;
        !cut && !self.is_sequence_header() && !end
    }

    /// What of a stream's beginning it is, if it is none of its frames: kind, track and Enhanced packet type (0 for a legacy
    /// sequence header). A player that joins late needs the last of each.
    pub fn header_key(&self) -> Option<(u8, u8, u8)> {
        const METADATA_OR_CHANNELS: u8 = 4;
        match enhanced(self.kind, &self.body) {
            Some((packet @ (SEQUENCE_START | METADATA_OR_CHANNELS), track)) => Some((self.kind, track, packet)),
            Some(_) => None,
            None => self.is_sequence_header().then_some((self.kind, 0, SEQUENCE_START)),
        }
    }

    /// The track of an Enhanced multitrack message; 0 for anything else.
    pub fn track(&self) -> u8 {
        enhanced(self.kind, &self.body).map_or(0, |(_, track)| track)
    }
}

const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const CODED_FRAMES_X: u8 = 3;

/// The packet type of an Enhanced message, looked for behind ModEx and multitrack headers, and its (first) track
/// (Enhanced RTMP v2, "Enhanced Audio" and "Enhanced Video"). `None` for legacy bodies and for what is cut short.
fn enhanced(kind: u8, body: &[u8]) -> Option<(u8, u8)> {
    const MOD_EX: u8 = 7;
    let first = *body.first()?;
    let multitrack = match kind {
        kind::VIDEO if first & 0x80 != 0 => 6,
        kind::AUDIO if first >> 4 == 9 => 5,
        _ => return None,
    };
    let (mut packet, mut at) = (first & 15, 1);
    while packet == MOD_EX {
        let mut size = usize::from(*body.get(at)?) + 1;
        at += 1;
        if size == 256 {
            size = usize::from(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?])) + 1;
            at += 2;
        }
        packet = *body.get(at + size)? & 15;
        at += size + 1;
    }
    if packet != multitrack {
        return Some((packet, 0));
    }
    let head = *body.get(at)?;
    // A FourCC for all tracks stands here, or that of the first track stands before its id: four bytes either way.
    Some((head & 15, *body.get(at + 5)?))
}

/// [`Tag::is_key_frame`] of a body.
pub fn is_key_frame(kind: u8, body: &[u8]) -> bool {
    if kind != kind::VIDEO || body.len() < 2 {
        return false;
    }
    let key = (body[0] >> 4) & 7 == 1;
    match enhanced(kind, body) {
        Some((packet, _)) => key && matches!(packet, CODED_FRAMES | CODED_FRAMES_X),
        None if body[0] & 0x80 != 0 => false,
        None if body[0] & 15 == 7 => key && body[1] == 1,
        None => key,
    }
}

/// [`Tag::is_sequence_header`] of a body.
pub fn is_sequence_header(kind: u8, body: &[u8]) -> bool {
    if body.len() < 2 {
        return false;
    }
    if let Some((packet, _)) = enhanced(kind, body) {
        return packet == SEQUENCE_START;
    }
    match kind {
        kind::VIDEO => body[0] & 0x8f == 7 && body[1] == 0,
        kind::AUDIO => body[0] >> 4 == 10 && body[1] == 0,
        _ => false,
    }
}

/// A number that tells bodies apart, for receivers that can't keep them: eight bytes at a time, no cryptography.
pub fn digest(body: &[u8]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |digest: u64, word: [u8; 8]| (digest.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
    let (words, rest) = body.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(words.iter().fold(body.len() as u64, |digest, word| mix(digest, *word)), last)
}

/// All whole tags of an FLV file; a last tag that is cut off is left out, as in a recording that was stopped.
pub fn read(file: &[u8]) -> Result<Vec<Tag>, String> {
    if !file.starts_with(b"FLV\x01") || file.len() < 9 {
        return Err(format!("no FLV header in {} bytes", file.len()));
    }
    let header = u32::from_be_bytes([file[5], file[6], file[7], file[8]]) as usize;
    let mut at = header + 4;
    let mut tags = Vec::new();
    while let Some(head) = file.get(at..at + 11) {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let time = u32::from_be_bytes([head[7], head[4], head[5], head[6]]);
        if !matches!(head[0], 8 | 9 | 18 | 15) {
            return Err(format!("tag type {} at byte {at}", head[0]));
        }
        let Some(body) = file.get(at + 11..at + 11 + length) else { break };
        tags.push(Tag { kind: head[0], time, body: Bytes::copy_from_slice(body) });
        at += 11 + length;
        if let Some(back) = file.get(at..at + 4)
            && u32::from_be_bytes([back[0], back[1], back[2], back[3]]) as usize != 11 + length
        {
            return Err(format!("the previous tag size at byte {at} does not fit"));
        }
        at += 4;
    }
    Ok(tags)
}

/// Reads a file, with its name in the error.
pub fn read_file(path: &std::path::Path) -> Result<Vec<Tag>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    read(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// An FLV file with these tags, for decoders to judge what was received.
pub fn write(tags: &[Tag]) -> Vec<u8> {
    let mut file = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00".to_vec();
    for tag in tags {
        let length = u32::try_from(tag.body.len()).expect("a body below 16 MB");
        file.push(tag.kind);
        file.extend_from_slice(&length.to_be_bytes()[1..]);
        file.extend_from_slice(&tag.time.to_be_bytes()[1..]);
        file.push(tag.time.to_be_bytes()[0]);
        file.extend_from_slice(&[0, 0, 0]);
        file.extend_from_slice(&tag.body);
        file.extend_from_slice(&(length + 11).to_be_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let tags = vec![
            Tag { kind: 18, time: 0, body: Bytes::from_static(b"\x02\x00\x0aonMetaData") },
            Tag { kind: 9, time: 0x0123_4567, body: Bytes::from_static(b"\x17\x01\xff\xff\xfeabc") },
        ];
        assert_eq!(read(&write(&tags)).unwrap(), tags);
        assert!(tags[1].is_key_frame() && tags[1].is_frame());
        assert_eq!(tags[1].composition_time(), -2);
    }

    #[test]
    fn enhanced_bodies_are_seen_through_their_wrappers() {
        let video = |body: &'static [u8]| Tag { kind: 9, time: 0, body: Bytes::from_static(body) };
        let audio = |body: &'static [u8]| Tag { kind: 8, time: 0, body: Bytes::from_static(body) };
        let key = video(b"\x91hvc1\0\0\0frame");
        assert!(key.is_key_frame() && key.is_frame() && key.track() == 0);
        // OneTrack, track 2, behind a ModEx of three bytes.
        let second = video(b"\x97\x02abc\x06\x03avc1\x02frame");
        assert!(second.is_key_frame() && second.is_frame() && second.track() == 2);
        let header = audio(b"\x95\x00Opus\x01OpusHead");
        assert!(header.is_sequence_header() && !header.is_frame() && header.track() == 1);
        assert_eq!(header.header_key(), Some((8, 1, 0)));
        assert!(audio(b"\x95\x01Opus\x01frame").is_frame() && !audio(b"\x91fLaC").is_frame());
        assert_eq!(video(b"\x94hvc1colorInfo").header_key(), Some((9, 0, 4)));
        assert_eq!(video(b"\x92hvc1").header_key(), None);
        // Metadata, the end of a sequence, a multichannel configuration, and a header that is cut.
        for other in [video(b"\x94av01"), video(b"\x92av01"), audio(b"\x94Opus\x01"), video(b"\x96\x03av")] {
            assert!(!other.is_frame() && !other.is_sequence_header() && !other.is_key_frame(), "{other:?}");
        }
    }

    #[test]
    fn digests_tell_bodies_apart() {
        let body = [7; 1003];
        for at in [0, 500, 999, 1002] {
            let mut other = body;
            other[at] ^= 1;
            assert_ne!(digest(&body), digest(&other), "byte {at}");
        }
        assert_ne!(digest(&body[..1002]), digest(&body));
        assert_eq!(digest(&body), digest(&[7; 1003]));
    }

    #[test]
    fn a_cut_file_loses_only_its_last_tag() {
        let tags = vec![Tag { kind: 8, time: 1, body: Bytes::from_static(b"\xaf\x01abc") }; 3];
        let file = write(&tags);
        assert_eq!(read(&file[..file.len() - 8]).unwrap().len(), 2);
        assert!(read(b"RIFF....").is_err());
    }
}
