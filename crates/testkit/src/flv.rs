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

    /// Audio or video that is neither a sequence header nor an end of sequence.
    pub fn is_frame(&self) -> bool {
        let end = self.kind == kind::VIDEO && self.body.len() >= 2 && self.body[0] & 0x8f == 7 && self.body[1] == 2;
        matches!(self.kind, kind::AUDIO | kind::VIDEO) && !self.body.is_empty() && !self.is_sequence_header() && !end
    }
}

/// [`Tag::is_key_frame`] of a body.
pub fn is_key_frame(kind: u8, body: &[u8]) -> bool {
    if kind != kind::VIDEO || body.len() < 2 {
        return false;
    }
    let key = (body[0] >> 4) & 7 == 1;
    match body[0] {
        // Enhanced: CodedFrames, CodedFramesX (Enhanced RTMP v2, "ExVideoTagHeader").
        first if first & 0x80 != 0 => key && matches!(first & 15, 1 | 3),
        first if first & 15 == 7 => key && body[1] == 1,
        _ => key,
    }
}

/// [`Tag::is_sequence_header`] of a body.
pub fn is_sequence_header(kind: u8, body: &[u8]) -> bool {
    if body.len() < 2 {
        return false;
    }
    match kind {
        kind::VIDEO if body[0] & 0x80 != 0 => body[0] & 15 == 0,
        kind::VIDEO => body[0] & 15 == 7 && body[1] == 0,
        kind::AUDIO if body[0] >> 4 == 9 => body[0] & 15 == 0,
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
