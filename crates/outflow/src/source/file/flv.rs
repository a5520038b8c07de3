//! Reads FLV from anything that gives bytes: files, pipes, a child's output.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Instant;

use outflow_rtmp::Limits;
use outflow_rtmp::amf0;
use outflow_rtmp::flv::{Tag, TagKind, TagReader};

use super::demux::{Demuxer, ReadError};
use crate::media::{Kind, Packet, classify};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;
/// How much of a file is looked at to learn which kinds of media it has.
const LOOK_AHEAD: u64 = 2 << 20;
const LOOK_AHEAD_TAGS: usize = 500;
/// So many tags in a row without anything to send: whoever writes them goes round in circles. Far more than a source
/// that keeps a pipe awake with empty tags writes in a day.
const NOTHING_IN_A_ROW: u32 = 100_000;

/// A reader of one FLV stream. It holds one tag and one piece of the stream, and after [`FlvDemuxer::look_ahead`] the
/// tags that were looked at.
pub(crate) struct FlvDemuxer<R> {
    reader: R,
    tags: TagReader,
    piece: Vec<u8>,
    read: u64,
    ended: bool,
    ahead: VecDeque<Packet>,
    has: (Option<bool>, Option<bool>),
    last: Option<i64>,
    nothing: u32,
}

impl<R: Read + Send> FlvDemuxer<R> {
    /// A reader from the beginning of the stream; reads nothing yet.
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            // A file was not sent by a peer: as much as its 24-bit tag sizes can say.
            tags: TagReader::new(&Limits { media_message: 0xff_ffff, ..Limits::default() }),
            piece: Vec::new(),
            read: 0,
            ended: false,
            ahead: VecDeque::new(),
            has: (None, None),
            last: None,
            nothing: 0,
        }
    }

    /// Reads the first tags of a file to learn whether it has video and audio. The flags of the file header are not
    /// to be trusted: many writers set both.
    pub(crate) fn look_ahead(mut self) -> Result<Self, ReadError> {
        let mut whole = false;
        while self.read < LOOK_AHEAD && self.ahead.len() < LOOK_AHEAD_TAGS {
            match self.read_packet() {
                Ok(Some(packet)) => self.ahead.push_back(packet),
                Ok(None) => {
                    whole = true;
                    break;
                }
                // What is there is sent first.
                Err(error) if self.ahead.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        let seen = |kind| self.ahead.iter().any(|packet| packet.kind == kind);
        let enough = whole || self.ahead.len() >= LOOK_AHEAD_TAGS;
        let answer = |seen: bool| if seen { Some(true) } else { enough.then_some(false) };
        self.has = (answer(seen(Kind::Video)), answer(seen(Kind::Audio)));
        if whole && !seen(Kind::Video) && !seen(Kind::Audio) {
            return Err(ReadError::at(self.read, "the file ends without a single video or audio tag"));
        }
        Ok(self)
    }

    fn read_packet(&mut self) -> Result<Option<Packet>, ReadError> {
        loop {
            match self.tags.next() {
                Ok(Some(tag)) => {
                    if let Some(packet) = self.packet(tag) {
                        self.nothing = 0;
                        return Ok(Some(packet));
                    }
                    self.nothing += 1;
                    if self.nothing >= NOTHING_IN_A_ROW {
                        let text = format!("{NOTHING_IN_A_ROW} tags in a row have nothing in them");
                        return Err(ReadError::at(self.tags.position(), text));
                    }
                }
                Ok(None) if self.ended => return Ok(None),
                Ok(None) => self.feed()?,
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    fn feed(&mut self) -> Result<(), ReadError> {
        self.piece.resize(PIECE, 0);
        let count = loop {
            match self.reader.read(&mut self.piece) {
                Ok(count) => break count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::io(self.read, &error)),
            }
        };
        if count == 0 {
            self.ended = true;
            return self.tags.finish().map_err(|error| broken(&error));
        }
        self.read += count as u64;
        self.tags.feed(self.piece.get(..count).unwrap_or_default());
        Ok(())
    }

    /// `None` for what is no media: empty tags, and tag types that RTMP has no place for.
    fn packet(&mut self, tag: Tag) -> Option<Packet> {
        let mut body = tag.payload;
        let kind = match tag.kind {
            TagKind::Audio => Kind::Audio,
            TagKind::Video => Kind::Video,
            TagKind::Script => Kind::Data,
            // AMF3 data begins with a format byte; 0 says that AMF0 follows, with AMF3 in it behind a marker of its own
            // (Enhanced RTMP v2 "Enabling AMF3 in FLV").
            TagKind::Other(15) if body.first() == Some(&0) => {
                body = body.slice(1..);
                if let Ok(Some(plain)) = amf0::plain_payload(&body, &Limits::default()) {
                    body = plain;
                }
                Kind::Data
            }
            TagKind::Other(_) => return None,
        };
        if body.is_empty() {
            return None;
        }
        Some(classify::packet(kind, self.unwrap(tag.timestamp), body, Instant::now()))
    }

    /// The time in 64 bits: FLV's 32 wrap around after 49 days, and count below zero at the start of some files.
    fn unwrap(&mut self, timestamp: u32) -> i64 {
        let dts = match self.last {
            None => i64::from(timestamp.cast_signed()),
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32).cast_signed()),
        };
        self.last = Some(dts);
        dts
    }
}

impl<R: Read + Send> Demuxer for FlvDemuxer<R> {
    fn tracks(&self) -> (Option<bool>, Option<bool>) {
        self.has
    }

    fn next(&mut self) -> Result<Option<Packet>, ReadError> {
        match self.ahead.pop_front() {
            Some(packet) => Ok(Some(packet)),
            None => self.read_packet(),
        }
    }
}

fn broken(error: &outflow_rtmp::Error) -> ReadError {
    let text = error.kind.to_string();
    match error.at.offset {
        Some(offset) => ReadError::at(offset, text),
        None => ReadError::media(text),
    }
}
