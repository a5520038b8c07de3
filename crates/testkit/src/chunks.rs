//! Chunks as real publishers write them, by a writer of its own: what `rml_rtmp` does not send (extended timestamps that
//! are steps, steps back as steps near 2^32, type 3 at a message's start) comes from here.

use std::collections::HashMap;

use crate::wire::{Message, kind};

const EXTENDED: u32 = 0xFF_FFFF;

/// Who is imitated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// FFmpeg's `rtmppkt.c`: audio and video each on a chunk stream, steps forward as types 1 to 3, and steps back as
    /// type 0 with the absolute time.
    Ffmpeg,
    /// GStreamer's `rtmpchunkstream.c` and librtmp: all on one chunk stream, type 0 once, and then only steps, which
    /// wrap: one back by 40 ms is 2^32 - 40.
    Steps,
}

/// Writes messages of one connection.
#[derive(Debug)]
pub struct Chunker {
    form: Form,
    chunk_size: usize,
    last: HashMap<u8, Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    time: u32,
    /// The step or time that stood in the last header.
    field: u32,
    kind: u8,
    length: usize,
}

impl Chunker {
    /// For a connection on which `chunk_size` is announced already.
    pub fn new(form: Form, chunk_size: usize) -> Self {
        Self { form, chunk_size, last: HashMap::new() }
    }

    /// The bytes of a message.
    pub fn encode(&mut self, message: &Message) -> Vec<u8> {
        let csid = if self.form == Form::Ffmpeg && message.kind == kind::VIDEO { 6 } else { 4 };
        let (time, length) = (message.time, message.body.len());
        let last = self.last.get(&csid).copied();
        let last = last.filter(|last| self.form == Form::Steps || time >= last.time);
        let field = last.map_or(time, |last| time.wrapping_sub(last.time));
        let fmt = match last {
            None => 0,
            Some(last) if (last.kind, last.length) != (message.kind, length) => 1,
            Some(last) if last.field != field => 2,
            Some(_) => 3,
        };
        self.last.insert(csid, Last { time, field, kind: message.kind, length });
        let mut out = vec![fmt << 6 | csid];
        if fmt < 3 {
            out.extend_from_slice(&field.min(EXTENDED).to_be_bytes()[1..]);
        }
        if fmt < 2 {
            out.extend_from_slice(&u32::try_from(length).expect("below 16 MB").to_be_bytes()[1..]);
            out.push(message.kind);
        }
        if fmt == 0 {
            out.extend_from_slice(&message.stream.to_le_bytes());
        }
        let extension = (field >= EXTENDED).then(|| field.to_be_bytes());
        out.extend(extension.iter().flatten());
        for (n, part) in message.body.chunks(self.chunk_size).enumerate() {
            if n > 0 {
                out.push(3 << 6 | csid);
                out.extend(extension.iter().flatten());
            }
            out.extend_from_slice(part);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, time: u32, length: usize) -> Message {
        Message { kind, time, stream: 1, body: vec![7; length].into() }
    }

    #[test]
    fn ffmpegs_bytes() {
        let mut chunks = Chunker::new(Form::Ffmpeg, 4);
        let first = chunks.encode(&message(9, 20_000_000, 5));
        let time = 20_000_000u32.to_be_bytes();
        let expected = [&b"\x06\xff\xff\xff\x00\x00\x05\x09\x01\x00\x00\x00"[..], &time, &[7; 4], b"\xc6", &time, &[7]];
        assert_eq!(first, expected.concat());
        assert_eq!(chunks.encode(&message(9, 20_000_040, 1)), b"\x46\x00\x00\x28\x00\x00\x01\x09\x07");
        assert_eq!(chunks.encode(&message(9, 20_000_080, 1)), b"\xc6\x07");
        assert_eq!(chunks.encode(&message(9, 20_000_090, 1)), b"\x86\x00\x00\x0a\x07");
        assert_eq!(chunks.encode(&message(9, 40, 1))[0], 6, "back in time");
    }

    #[test]
    fn steps_that_wrap() {
        let mut chunks = Chunker::new(Form::Steps, 4);
        assert_eq!(chunks.encode(&message(9, 40, 1))[0], 4);
        let back = chunks.encode(&message(8, 0, 5));
        assert_eq!(back, b"\x44\xff\xff\xff\x00\x00\x05\x08\xff\xff\xff\xd8\x07\x07\x07\x07\xc4\xff\xff\xff\xd8\x07");
        assert_eq!(chunks.encode(&message(8, 0u32.wrapping_sub(40), 5))[0], 0xc4);
    }
}
