//! Reads an MP4 where it is needed: boxes, and samples through a window per track.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;

use super::boxes::{self, Mp4Box, name};
use crate::source::file::demux::ReadError;

/// Bytes read at a time.
pub(super) const WINDOW: usize = 128 << 10;

/// The file, its length, and where its reader stands.
pub(super) struct File<R> {
    reader: R,
    pub(super) length: u64,
    position: Option<u64>,
}

/// The header of a box in the file.
pub(super) struct Found {
    pub(super) kind: [u8; 4],
    header: u64,
    /// Where the next box begins.
    pub(super) end: u64,
}

impl<R: Read + Seek> File<R> {
    /// A file of this many bytes.
    pub(super) fn new(reader: R, length: u64) -> Self {
        Self { reader, length, position: None }
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let result = (|| {
            if self.position != Some(at) {
                self.reader.seek(SeekFrom::Start(at))?;
            }
            self.reader.read_exact(into)
        })();
        self.position = result.is_ok().then(|| at.saturating_add(into.len() as u64));
        result.map_err(|error| ReadError::io(at, &error))
    }

    /// The header of the box at a place; `None` at the end of the file.
    pub(super) fn box_at(&mut self, at: u64) -> Result<Option<Found>, ReadError> {
        let left = self.length.saturating_sub(at);
        if left < 8 {
            return Ok(None);
        }
        let mut bytes = [0u8; 16];
        let have = left.min(16) as usize;
        if let Some(bytes) = bytes.get_mut(..have) {
            self.read(at, bytes)?;
        }
        let Some((kind, header, size)) = bytes.get(..have).and_then(boxes::header) else {
            return Err(ReadError::at(at, "a box header is cut off"));
        };
        let size = size.unwrap_or(left);
        if size < header || !kind.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == 0xa9) {
            return Err(ReadError::at(at, "there is no box here: the file is damaged, or no MP4"));
        }
        if size > left && kind != *b"mdat" {
            let text = format!("the `{}` box is cut off: it says {size} bytes, but {left} are left", name(kind));
            return Err(ReadError::at(at, text));
        }
        Ok(Some(Found { kind, header, end: at.saturating_add(size).min(self.length) }))
    }

    /// All of a box.
    pub(super) fn load(&mut self, at: u64, found: &Found, limit: u64) -> Result<Mp4Box, ReadError> {
        let size = found.end.saturating_sub(at);
        if size > limit {
            let text =
                format!("the `{}` box is {size} bytes long, more than the {limit} that are read", name(found.kind));
            return Err(ReadError::at(at, text));
        }
        let mut bytes = vec![0u8; size as usize];
        self.read(at, &mut bytes)?;
        let whole = Bytes::from(bytes);
        let body = whole.slice((found.header as usize).min(whole.len())..);
        Ok(Mp4Box { kind: found.kind, whole, body, at })
    }
}

/// The part of the file that a track is read from, so that many small samples cost one read.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    at: u64,
}

impl Window {
    /// Appends `size` bytes of the file to `out`.
    pub(super) fn read<R: Read + Seek>(
        &mut self,
        file: &mut File<R>,
        at: u64,
        size: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        if at.checked_add(size as u64).is_none_or(|end| end > file.length) {
            let text = format!(
                "the file is cut off: a frame of {size} bytes should be here, the file ends at {}",
                file.length
            );
            return Err(ReadError::at(at, text));
        }
        let within = |window: &Window| {
            let start = usize::try_from(at.checked_sub(window.at)?).ok()?;
            Some(start..start.checked_add(size)?)
        };
        if let Some(found) = within(self).and_then(|range| self.bytes.get(range)) {
            out.extend_from_slice(found);
            return Ok(());
        }
        let length = (file.length - at).min(WINDOW.max(size) as u64) as usize;
        self.bytes.clear();
        self.bytes.resize(length, 0);
        self.at = at;
        if let Err(error) = file.read(at, &mut self.bytes) {
            self.bytes.clear();
            return Err(error);
        }
        out.extend_from_slice(self.bytes.get(..size).unwrap_or_default());
        if self.bytes.capacity() > 8 * WINDOW {
            self.bytes = Vec::new();
        }
        Ok(())
    }
}
