//! Walks the boxes of an MP4 (ISO/IEC 14496-12 §4.2) within bytes that are already in memory; never recurses.

use bytes::Bytes;

use crate::source::file::demux::ReadError;

/// One box.
#[derive(Debug, Clone)]
pub(super) struct Mp4Box {
    /// Its four characters.
    pub(super) kind: [u8; 4],
    /// Header and body.
    pub(super) whole: Bytes,
    /// What follows the header.
    pub(super) body: Bytes,
    /// Where the header stands in the file.
    pub(super) at: u64,
}

impl Mp4Box {
    /// Where the body stands in the file.
    pub(super) fn body_at(&self) -> u64 {
        self.at + (self.whole.len() - self.body.len()) as u64
    }

    /// Its children.
    pub(super) fn children(&self) -> Result<Vec<Mp4Box>, ReadError> {
        boxes(&self.body, self.body_at())
    }

    /// Its children after `skip` bytes of fields.
    pub(super) fn children_after(&self, skip: usize) -> Result<Vec<Mp4Box>, ReadError> {
        if skip > self.body.len() {
            return Err(self.short());
        }
        boxes(&self.body.slice(skip..), self.body_at() + skip as u64)
    }

    /// The error of a box that ends before its fields do.
    pub(super) fn short(&self) -> ReadError {
        ReadError::at(self.at, format!("the `{}` box is too short for its fields", name(self.kind)))
    }

    /// Reads the box with a decoder of the MP4 library.
    pub(super) fn decode<T: shiguredo_mp4::Decode>(&self) -> Result<T, ReadError> {
        match T::decode(&self.whole) {
            Ok((value, _)) => Ok(value),
            Err(_) => Err(ReadError::at(self.at, format!("the `{}` box can't be read", name(self.kind)))),
        }
    }
}

/// The header of a box: kind, header length, and whole length (`None` = to the end of what surrounds it).
pub(super) fn header(bytes: &[u8]) -> Option<([u8; 4], u64, Option<u64>)> {
    let size = be32(bytes, 0)?;
    let kind: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
    match size {
        0 => Some((kind, 8, None)),
        1 => Some((kind, 16, Some(be64(bytes, 8)?))),
        size => Some((kind, 8, Some(u64::from(size)))),
    }
}

/// The boxes that fill `data`, which stands at `at` in the file. Fewer than 8 bytes at the end are padding
/// (QuickTime ends some lists with four zero bytes).
pub(super) fn boxes(data: &Bytes, at: u64) -> Result<Vec<Mp4Box>, ReadError> {
    let mut found = Vec::new();
    let mut position = 0usize;
    while data.len() - position >= 8 {
        let here = at + position as u64;
        let rest = data.slice(position..);
        let Some((kind, header, size)) = header(&rest) else {
            return Err(ReadError::at(here, "a box header is cut off"));
        };
        let size = match size {
            None => rest.len() as u64,
            Some(size) => size,
        };
        if size < header || size > rest.len() as u64 {
            return Err(ReadError::at(
                here,
                format!("the `{}` box says it is {size} bytes long, but {} are left", name(kind), rest.len()),
            ));
        }
        // Both fit: they are at most rest.len().
        let (header, size) = (header as usize, size as usize);
        found.push(Mp4Box { kind, whole: rest.slice(..size), body: rest.slice(header..size), at: here });
        position += size;
    }
    Ok(found)
}

/// The first box of a kind.
pub(super) fn find<'a>(boxes: &'a [Mp4Box], kind: &[u8; 4]) -> Option<&'a Mp4Box> {
    boxes.iter().find(|found| found.kind == *kind)
}

/// Four characters for a person: what can't be printed becomes `?`.
pub(super) fn name(kind: [u8; 4]) -> String {
    kind.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' }).collect()
}

/// A big-endian 16-bit number.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// A big-endian 32-bit number.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A big-endian 64-bit number.
pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
