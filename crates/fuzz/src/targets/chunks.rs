//! The chunk reader on raw bytes: the same messages for every cut, memory within its limits, and what it read written and
//! read again.
use std::collections::HashMap;

use bytes::BytesMut;
use outflow_rtmp::chunk::{ChunkReader, encode_delta, encode_full};
use outflow_rtmp::message::kind;
use outflow_rtmp::{Error, Limits, Message};

use crate::dice::cuts;
use crate::meter::within;

/// Limits that a short input reaches.
pub(super) fn tight() -> Limits {
    Limits {
        media_message: 4096,
        data_message: 2048,
        command_message: 1024,
        partial_messages: 3,
        partial_bytes: 6000,
        chunk_streams: 8,
        chunks_per_message: 64,
        ..Limits::default()
    }
}

/// What a reader may hold of an input this long: its headers, and of each unfinished message a first step of 16 KiB or a
/// buffer that was doubled, old and new while it grows.
pub(super) fn bound(limits: &Limits, input: usize) -> usize {
    let headers = 3 * 128 * limits.chunk_streams.next_power_of_two();
    // One is counted before it is refused.
    let steps = 16 * 1024 * (limits.partial_messages + 1);
    8192 + headers + steps + 4 * input.min(limits.partial_bytes)
}

pub(super) fn run(data: &[u8]) {
    let [mode, seed, bytes @ ..] = data else { return };
    let limits = if mode & 1 == 0 { Limits::default() } else { tight() };
    within(bound(&limits, bytes.len()), "chunk reader", || {
        let mut reader = ChunkReader::new(limits.clone());
        let mut input = bytes;
        let mut total = 0;
        while let Ok(Some(message)) = reader.read(&mut input) {
            assert!(message.payload.len() <= limits.media_message);
            total += message.payload.len();
        }
        assert!(total <= bytes.len(), "more payload than bytes");
        assert!(reader.received() <= bytes.len() as u64);
        assert!((1..=limits.chunk_size).contains(&reader.chunk_size()));
    });
    let whole = messages(&limits, std::iter::once(bytes));
    for longest in [1, 2 + usize::from(mode >> 1)] {
        let cut = messages(&limits, cuts(bytes, u64::from(*seed), longest));
        assert!(cut == whole, "other messages in pieces of at most {longest} bytes: {whole:?} became {cut:?}");
    }
    again(&whole.0, 1 + u32::from(*seed) * 3);
}

fn messages<'a>(limits: &Limits, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Message>, Option<Error>) {
    let mut reader = ChunkReader::new(limits.clone());
    let mut messages = Vec::new();
    for mut piece in pieces {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.read(&mut &[0; 20][..]), Err(error.clone()), "an error is final");
                    return (messages, Some(error));
                }
            }
        }
        assert!(piece.is_empty(), "bytes are left without a message");
    }
    (messages, None)
}

/// Writes the messages and reads them.
fn again(messages: &[Message], chunk_size: u32) {
    // These would be obeyed.
    let kept = |message: &&Message| !matches!(message.kind, kind::SET_CHUNK_SIZE | kind::ABORT);
    let expected: Vec<Message> = messages
        .iter()
        .filter(kept)
        .map(|message| Message { csid: 2 + message.csid % 30, ..message.clone() })
        .collect();
    let (mut wire, mut last) = (BytesMut::new(), HashMap::new());
    let set = chunk_size.to_be_bytes();
    encode_full(&mut wire, 2, kind::SET_CHUNK_SIZE, 0, 0, &set, 128).unwrap();
    for Message { csid, kind, stream_id, timestamp, payload } in &expected {
        let before = last.insert(*csid, (*stream_id, *timestamp));
        let step = before.filter(|(stream, _)| stream == stream_id).map(|(_, time)| timestamp.wrapping_sub(time));
        let as_step = step.is_some_and(|step| encode_delta(&mut wire, *csid, *kind, step, payload, chunk_size).is_ok());
        if !as_step {
            encode_full(&mut wire, *csid, *kind, *stream_id, *timestamp, payload, chunk_size).unwrap();
        }
    }
    let limits = Limits { chunks_per_message: u32::MAX, ..Limits::default() };
    let (read, error) = messages_of(&limits, &wire);
    assert_eq!(error, None);
    assert!(read.get(1..) == Some(&expected[..]), "written and read: {expected:?} became {read:?}");
}

fn messages_of(limits: &Limits, bytes: &[u8]) -> (Vec<Message>, Option<Error>) {
    messages(limits, std::iter::once(bytes))
}
