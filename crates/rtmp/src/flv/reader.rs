//! A push parser of FLV files and pipes.
use super::{Tag, TagKind, sniff};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use bytes::{Buf, Bytes, BytesMut};

const FILE_HEADER: usize = 9;
const TAG_HEADER: usize = 11;
const BACK_POINTER: usize = 4;
/// A file header that says it is longer than this is damaged.
const MAX_FILE_HEADER: usize = 4096;
/// So many tags in a row of types that FLV does not have are no tags: the stream went astray, or never was FLV.
const UNKNOWN_IN_A_ROW: u32 = 16;
/// The same where their back pointers are wrong too: zeros without end read as such tags.
const ASTRAY_IN_A_ROW: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FileHeader,
    /// Bytes to pass over before the next tag: the rest of the header, a back pointer.
    Skip(usize),
    /// The back pointer of a tag of unknown type, which should be this.
    Pointer(u32),
    Tag,
}

/// Tags of unknown type with none of a known one between them.
#[derive(Debug, Clone, Copy, Default)]
struct Unknown {
    count: u32,
    /// Those of them with a wrong back pointer.
    astray: u32,
    /// Where the first begins.
    at: u64,
}

/// Reads tags from bytes fed in any pieces (Adobe FLV 10.1 §E.2 to §E.4).
///
/// Lenient where files are sloppy: version, flags, stream ids and the back pointers of media are not looked at, and a
/// few tags of unknown type are let through. It does not search for the next tag after damage: the first error is final.
#[derive(Debug)]
pub struct TagReader {
    buffer: BytesMut,
    state: State,
    /// Bytes of the file before the buffer.
    consumed: u64,
    limit: usize,
    unknown: Unknown,
    failed: Option<Error>,
}

impl TagReader {
    /// A reader at the start of a file. `limits.media_message` bounds a tag.
    pub fn new(limits: &Limits) -> Self {
        Self {
            buffer: BytesMut::new(),
            state: State::FileHeader,
            consumed: 0,
            limit: limits.media_message,
            unknown: Unknown::default(),
            failed: None,
        }
    }

    /// Adds the next bytes of the file. Take all tags with [`TagReader::next`] before feeding more, and at most one
    /// unfinished tag is held.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole tag; `None` if more bytes are needed.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end at the first None, this goes on")]
    pub fn next(&mut self) -> Result<Option<Tag>> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| self.fail(error))
    }

    /// Call at the end of the file: an error if it ended before a header, or inside a tag.
    pub fn finish(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let kind = match self.state {
            State::FileHeader if self.buffer.starts_with(b"FLV") => ErrorKind::BadFlvTag("the file ends in its header"),
            State::FileHeader => ErrorKind::NotFlv(sniff::what_is(&self.buffer)),
            State::Tag if !self.buffer.is_empty() => ErrorKind::BadFlvTag("the file ends inside it"),
            State::Tag | State::Skip(_) | State::Pointer(_) => return Ok(()),
        };
        let error = Error::at(kind, self.consumed);
        self.fail(&error);
        Err(error)
    }

    /// Offset in the file of the first byte that belongs to no tag returned so far.
    pub fn position(&self) -> u64 {
        self.consumed
    }

    fn fail(&mut self, error: &Error) {
        self.failed = Some(error.clone());
        self.buffer = BytesMut::new();
    }

    fn consume(&mut self, count: usize) {
        self.buffer.advance(count);
        self.consumed += count as u64;
    }

    fn advance(&mut self) -> Result<Option<Tag>> {
        loop {
            match self.state {
                State::FileHeader => {
                    let Some(length) = self.file_header()? else { return Ok(None) };
                    self.state = State::Skip(length + BACK_POINTER);
                }
                State::Skip(count) => {
                    let here = count.min(self.buffer.len());
                    self.consume(here);
                    if here < count {
                        self.state = State::Skip(count - here);
                        return Ok(None);
                    }
                    self.state = State::Tag;
                }
                State::Pointer(right) => {
                    let Some(pointer) = self.buffer.first_chunk::<BACK_POINTER>() else { return Ok(None) };
                    self.unknown.astray += u32::from(u32::from_be_bytes(*pointer) != right);
                    if self.unknown.astray >= ASTRAY_IN_A_ROW || self.unknown.count >= UNKNOWN_IN_A_ROW {
                        let what = "tags of no type that FLV has follow each other, so the stream is damaged here";
                        return Err(Error::at(ErrorKind::BadFlvTag(what), self.unknown.at));
                    }
                    self.consume(BACK_POINTER);
                    self.state = State::Tag;
                }
                State::Tag => return self.tag(),
            }
        }
    }

    /// The length of the file header, once it is in (§E.2).
    fn file_header(&self) -> Result<Option<usize>> {
        let Some(header) = self.buffer.first_chunk::<{ FILE_HEADER + BACK_POINTER }>() else { return Ok(None) };
        let [b'F', b'L', b'V', _version, _flags, a, b, c, d, ..] = *header else {
            return Err(Error::at(ErrorKind::NotFlv(sniff::what_is(&self.buffer)), 0));
        };
        // Some writers leave the offset 0.
        match u32::from_be_bytes([a, b, c, d]) as usize {
            length @ ..=MAX_FILE_HEADER => Ok(Some(length.max(FILE_HEADER))),
            _ => Err(Error::at(ErrorKind::BadFlvTag("the file header gives a first tag far away"), 5)),
        }
    }

    fn tag(&mut self) -> Result<Option<Tag>> {
        let Some(header) = self.buffer.first_chunk::<TAG_HEADER>() else { return Ok(None) };
        let [kind, s0, s1, s2, t0, t1, t2, t3, ..] = *header;
        let fail = |kind| Err(Error::at(kind, self.consumed));
        if header.starts_with(b"FLV\x01") {
            return fail(ErrorKind::BadFlvTag("another FLV file begins here, which needs a reader of its own"));
        }
        if kind & 0xC0 != 0 {
            return fail(ErrorKind::BadFlvTag("its reserved bits are set, so the file is damaged here"));
        }
        if kind & 0x20 != 0 {
            return fail(ErrorKind::EncryptedFlvTag);
        }
        let length = u32::from_be_bytes([0, s0, s1, s2]);
        if length as usize > self.limit {
            return fail(ErrorKind::FlvTagTooLong { length, limit: self.limit as u32 });
        }
        let end = TAG_HEADER + length as usize;
        let Some(body) = self.buffer.get(TAG_HEADER..end) else { return Ok(None) };
        // A copy of its own: a small tag that is kept long must not keep a whole read buffer alive.
        let payload = Bytes::copy_from_slice(body);
        let at = self.consumed;
        self.consume(end);
        let kind = TagKind::from_number(kind & 0x1F);
        // 15 is script data of Enhanced RTMP.
        if matches!(kind, TagKind::Other(number) if number != 15) {
            let first = if self.unknown.count == 0 { at } else { self.unknown.at };
            self.unknown = Unknown { count: self.unknown.count + 1, at: first, ..self.unknown };
            self.state = State::Pointer(TAG_HEADER as u32 + length);
        } else {
            self.unknown = Unknown::default();
            self.state = State::Skip(BACK_POINTER);
        }
        // The extended byte holds the upper eight bits (§E.4.1).
        let timestamp = u32::from_be_bytes([t3, t0, t1, t2]);
        Ok(Some(Tag { kind, timestamp, payload }))
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
