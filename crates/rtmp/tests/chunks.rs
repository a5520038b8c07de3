//! The chunk layer against a sender written for the tests: every header form, interleaving, any cut of the bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use bytes::{Bytes, BytesMut};
use outflow_rtmp::chunk::{ChunkReader, encode_delta, encode_delta_with_prefix, encode_full, encode_full_with_prefix};
use outflow_rtmp::message::{Control, kind};
use outflow_rtmp::{ErrorKind, Limits, Message};
use proptest::prelude::*;

/// What a sender remembers of a chunk stream.
#[derive(Clone, Default)]
struct Last {
    csid: u32,
    length: usize,
    kind: u8,
    stream_id: u32,
    timestamp: u32,
    delta: u32,
    extended: Option<u32>,
}

/// A sender that uses all that the specification allows.
struct Sender {
    out: Vec<u8>,
    chunk_size: usize,
    last: Vec<Last>,
    /// Whether type 3 chunks repeat the extended timestamp.
    repeats: bool,
    /// Use 2- and 3-byte basic headers where shorter ones would do.
    long_headers: bool,
}

impl Sender {
    fn new(repeats: bool, long_headers: bool) -> Self {
        Sender { out: Vec::new(), chunk_size: 128, last: Vec::new(), repeats, long_headers }
    }

    fn basic(&mut self, fmt: u8, csid: u32) {
        match csid {
            2..=63 => self.out.push(fmt << 6 | csid as u8),
            64..=319 if !self.long_headers => self.out.extend([fmt << 6, (csid - 64) as u8]),
            _ => {
                let [low, high] = ((csid - 64) as u16).to_le_bytes();
                self.out.extend([fmt << 6 | 1, low, high]);
            }
        }
    }

    fn set_chunk_size(&mut self, size: u32) {
        let [a, b, c, d] = size.to_be_bytes();
        self.out.extend([2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, a, b, c, d]);
        self.chunk_size = size as usize;
        self.last.retain(|last| last.csid != 2);
        let last = Last { csid: 2, length: 4, kind: 1, ..Last::default() };
        self.last.push(last);
    }

    /// The header of a message's first chunk, as short as `eager` permits.
    fn begin(&mut self, message: &Message, eager: u8) {
        let found = self.last.iter().position(|last| last.csid == message.csid);
        let known = found.is_some();
        let mut last = match found {
            Some(index) => self.last.swap_remove(index),
            None => Last { csid: message.csid, ..Last::default() },
        };
        let step = message.timestamp.wrapping_sub(last.timestamp);
        let same_stream = last.stream_id == message.stream_id;
        let same_form = same_stream && (last.length, last.kind) == (message.payload.len(), message.kind);
        let fmt = match eager {
            3 if known && same_form && step == last.delta => 3,
            2.. if known && same_form => 2,
            1.. if same_stream => 1,
            _ => 0,
        };
        self.basic(fmt, message.csid);
        let field = if fmt == 0 { message.timestamp } else { step };
        let bytes = |value: usize| (value as u32).to_be_bytes().into_iter().skip(1);
        if fmt < 3 {
            last.delta = field;
            last.extended = (field >= 0xFF_FFFF).then_some(field);
            self.out.extend(bytes(field.min(0xFF_FFFF) as usize));
        }
        if fmt < 2 {
            self.out.extend(bytes(message.payload.len()));
            self.out.push(message.kind);
        }
        if fmt == 0 {
            self.out.extend(message.stream_id.to_le_bytes());
        }
        if fmt < 3 || self.repeats {
            self.out.extend(last.extended.iter().flat_map(|field| field.to_be_bytes()));
        }
        (last.length, last.kind) = (message.payload.len(), message.kind);
        (last.stream_id, last.timestamp) = (message.stream_id, message.timestamp);
        self.last.push(last);
    }

    fn proceed(&mut self, csid: u32) {
        self.basic(3, csid);
        let extended = self.last.iter().find(|last| last.csid == csid).and_then(|last| last.extended);
        if self.repeats {
            self.out.extend(extended.iter().flat_map(|field| field.to_be_bytes()));
        }
    }

    /// Sends all messages, those of different chunk streams interleaved as `choices` says; gives them in the order in
    /// which they are complete.
    fn send(&mut self, messages: Vec<Message>, choices: &[u8]) -> Vec<Message> {
        let mut choices = choices.iter().copied().cycle();
        let mut waiting: Vec<(Message, usize, bool)> = messages.into_iter().map(|m| (m, 0, false)).collect();
        let mut complete = Vec::new();
        while !waiting.is_empty() {
            // One of the first few, but never past another message of the same chunk stream.
            let window = waiting.len().min(4);
            let mut index = choices.next().unwrap() as usize % window;
            index = waiting.iter().position(|(m, ..)| m.csid == waiting[index].0.csid).unwrap();
            let (message, sent, begun) = &mut waiting[index];
            let message = message.clone();
            if *begun {
                self.proceed(message.csid);
            } else {
                self.begin(&message, choices.next().unwrap() % 4);
                *begun = true;
            }
            let end = message.payload.len().min(*sent + self.chunk_size);
            self.out.extend(&message.payload[*sent..end]);
            *sent = end;
            if end == message.payload.len() {
                complete.push(message);
                waiting.remove(index);
            }
        }
        complete
    }
}

/// All messages, the bytes cut into pieces of the given lengths, through either way of reading.
fn receive(bytes: &[u8], cuts: &[usize], push: bool) -> outflow_rtmp::Result<Vec<Message>> {
    let mut reader = ChunkReader::new(Limits::default());
    let mut messages = Vec::new();
    let mut rest = bytes;
    for &cut in cuts.iter().cycle() {
        let (mut now, later) = rest.split_at(cut.clamp(1, rest.len().max(1)).min(rest.len()));
        rest = later;
        if push {
            reader.push(now);
        }
        while let Some(message) = if push { reader.next() } else { reader.read(&mut now) }? {
            messages.push(message);
        }
        assert!(push || now.is_empty());
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(reader.received(), bytes.len() as u64);
    Ok(messages)
}

fn message(csid: u32, kind: u8, stream_id: u32, timestamp: u32, payload: Vec<u8>) -> Message {
    Message { csid, kind, stream_id, timestamp, payload: Bytes::from(payload) }
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|index| 0x10 + (index % 13) as u8).collect()
}

prop_compose! {
    fn any_messages()(
        parts in prop::collection::vec((
            prop::sample::select(vec![2u32, 3, 4, 6, 63, 64, 319, 320, 65599]),
            prop::sample::select(vec![8u8, 9, 18, 20, 99]),
            0u32..2,
            prop::sample::select(vec![0u32, 0, 40, 40, 40, 0xFF_FFFE, 0xFF_FFFF, 0x0100_0000, 0x7FFF_FFFF, 0xFFFF_FFD8]),
            prop_oneof![Just(100usize), Just(300), 0usize..3000],
        ), 1..40),
        start in prop::sample::select(vec![0u32, 0xFF_FF00, 0xFFFF_FF00, 20_000_000]),
    ) -> Vec<Message> {
        let mut times = std::collections::HashMap::new();
        parts.into_iter().map(|(csid, kind, stream_id, step, length)| {
            let time = times.entry(csid).or_insert(start);
            *time = u32::wrapping_add(*time, step);
            message(csid, kind, stream_id, *time, payload(length))
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Interleaved, all header forms, extended timestamps repeated or not: any cut gives the same messages.
    #[test]
    fn any_sender_any_cut(
        messages in any_messages(),
        choices in prop::collection::vec(any::<u8>(), 1..50),
        cuts in prop::collection::vec(1usize..200, 1..20),
        chunk_size in prop_oneof![1u32..200, Just(4096), Just(0xFF_FFFF)],
        repeats: bool,
        long_headers: bool,
        push: bool,
    ) {
        let mut sender = Sender::new(repeats, long_headers);
        sender.set_chunk_size(chunk_size);
        let mut expected = vec![message(2, 1, 0, 0, chunk_size.to_be_bytes().to_vec())];
        expected.extend(sender.send(messages, &choices));
        prop_assert_eq!(receive(&sender.out, &cuts, push).unwrap(), expected);
    }

    /// What the crate itself writes.
    #[test]
    fn encode_then_decode_is_the_identity(
        steps in prop::collection::vec((any::<bool>(), 0u32..0xFF_FFFF, any::<u32>(), 0usize..70_000), 1..6),
        chunk_size in prop_oneof![1u32..70, 1u32..=65_536],
        cuts in prop::collection::vec(1usize..5000, 1..10),
        split in 0usize..100,
    ) {
        let mut out = BytesMut::new();
        encode_full(&mut out, 2, kind::SET_CHUNK_SIZE, 0, 0, &chunk_size.to_be_bytes(), 128).unwrap();
        let mut expected = vec![message(2, 1, 0, 0, chunk_size.to_be_bytes().to_vec())];
        let mut time = 0;
        for (index, (full, delta, absolute, length)) in steps.into_iter().enumerate() {
            let body = payload(length);
            let (prefix, rest) = body.split_at(split.min(length));
            if full || index == 0 {
                time = absolute;
                encode_full_with_prefix(&mut out, 31, 9, 1, time, prefix, rest, chunk_size).unwrap();
            } else {
                time = time.wrapping_add(delta);
                encode_delta_with_prefix(&mut out, 31, 9, delta, prefix, rest, chunk_size).unwrap();
            }
            expected.push(message(31, 9, 1, time, body));
        }
        prop_assert_eq!(receive(&out, &cuts, false).unwrap(), expected);
    }

    /// Noise is an error or messages, never a panic, and the same for every cut.
    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..600), cuts in prop::collection::vec(1usize..40, 1..10)) {
        let whole = receive(&bytes, &[usize::MAX], false).map_err(|error| error.kind);
        prop_assert_eq!(receive(&bytes, &cuts, true).map_err(|error| error.kind), whole);
    }
}

#[test]
fn known_bytes() {
    let mut out = BytesMut::new();
    encode_full(&mut out, 6, 9, 1, 0x0102_0304, &[0xAA; 5], 4).unwrap();
    let full = [6, 0xFF, 0xFF, 0xFF, 0, 0, 5, 9, 1, 0, 0, 0, 1, 2, 3, 4, 0xAA, 0xAA, 0xAA, 0xAA];
    let rest = [0xC6, 1, 2, 3, 4, 0xAA];
    assert_eq!(out, [&full[..], &rest].concat());
    out.clear();
    encode_delta(&mut out, 4, 8, 0x17, &[1, 2, 3], 2).unwrap();
    assert_eq!(out[..], [0x44, 0, 0, 0x17, 0, 0, 3, 8, 1, 2, 0xC4, 3]);
}

#[test]
fn what_cannot_be_sent() {
    let mut out = BytesMut::new();
    for csid in [0, 1, 32, 64, u32::MAX] {
        assert!(encode_full(&mut out, csid, 9, 1, 0, b"x", 128).is_err(), "{csid}");
    }
    assert!(encode_full(&mut out, 4, 9, 1, 0, b"x", 0).is_err());
    assert!(encode_full(&mut out, 4, 9, 1, 0, &vec![0; 0x0100_0000], 128).is_err());
    assert!(encode_delta(&mut out, 4, 9, 0xFF_FFFF, b"x", 128).is_err());
    assert!(encode_delta(&mut out, 4, 9, u32::MAX, b"x", 128).is_err());
    assert!(out.is_empty());
    encode_full(&mut out, 4, 9, 1, 0, &vec![0; 0xFF_FFFF], 65536).unwrap();
    encode_delta(&mut out, 4, 9, 0xFF_FFFE, b"", 128).unwrap();
}

fn header(fmt: u8, csid: u8, time: u32, length: u32, kind: u8) -> Vec<u8> {
    let mut bytes = vec![fmt << 6 | csid];
    bytes.extend(&time.to_be_bytes()[1..]);
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.push(kind);
    if fmt == 0 {
        bytes.extend([1, 0, 0, 0]);
    }
    bytes
}

fn error(bytes: &[u8]) -> ErrorKind {
    let whole = receive(bytes, &[usize::MAX], false).unwrap_err();
    assert_eq!(receive(bytes, &[1], true).unwrap_err(), whole, "cut or not, the error and its place are the same");
    whole.kind
}

#[test]
fn a_type_3_start_after_type_0_adds_the_whole_time() {
    let mut bytes = header(0, 4, 1000, 1, 8);
    bytes.extend([1, 0xC4, 2, 0xC4, 3]);
    let times: Vec<u32> = receive(&bytes, &[1], false).unwrap().iter().map(|m| m.timestamp).collect();
    assert_eq!(times, [1000, 2000, 3000]);
}

#[test]
fn a_fresh_chunk_stream_may_start_with_type_1_only() {
    let mut bytes = header(1, 2, 7, 6, 4);
    bytes.extend([0, 6, 0, 0, 0, 9]);
    let messages = receive(&bytes, &[3], false).unwrap();
    assert_eq!(messages, [message(2, 4, 0, 7, vec![0, 6, 0, 0, 0, 9])]);
    assert_eq!(error(&[0x84, 0, 0, 1, 0]), ErrorKind::NoPreviousHeader { fmt: 2 });
    assert_eq!(error(&[0xC4, 0]), ErrorKind::NoPreviousHeader { fmt: 3 });
}

#[test]
fn a_header_inside_a_message() {
    let mut bytes = header(0, 4, 5, 200, 9);
    bytes.extend(payload(128));
    for fmt in [0, 1] {
        let mut same = bytes.clone();
        same.extend(header(fmt, 4, 99, 200, 9));
        same.extend(&payload(200)[128..]);
        let messages = receive(&same, &[50], false).unwrap();
        assert_eq!(messages, [message(4, 9, 1, 5, payload(200))]);
        let mut other = bytes.clone();
        other.extend(header(fmt, 4, 5, 65_536, 9));
        assert_eq!(error(&other), ErrorKind::LengthChanged { was: 200, now: 65_536 });
    }
}

#[test]
fn abort_drops_the_partial_message_and_keeps_the_header() {
    let mut bytes = header(0, 4, 5, 200, 9);
    bytes.extend(payload(128));
    bytes.extend([2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 4]);
    // Of a chunk stream that does not exist: nothing happens.
    bytes.extend([0xC2, 0, 0, 0x10, 0]);
    bytes.push(0xC4);
    bytes.extend(&payload(128));
    bytes.push(0xC4);
    bytes.extend(&payload(200)[128..]);
    let messages = receive(&bytes, &[1000], false).unwrap();
    let kinds: Vec<_> = messages.iter().map(|m| (m.kind, m.timestamp)).collect();
    assert_eq!(kinds, [(2, 0), (2, 0), (9, 10)]);
    assert_eq!(messages[2].payload, payload(200));
}

/// One message may be in the making while others come and go: it is told by its number.
#[test]
fn the_oldest_message_under_way_is_known() {
    let mut reader = ChunkReader::new(Limits::default());
    let push = |reader: &mut ChunkReader, bytes: &[u8]| {
        reader.push(bytes);
        std::iter::from_fn(|| reader.next().unwrap()).count()
    };
    assert_eq!(reader.under_way(), None);
    let (first, second) = (header(0, 6, 0, 300, 9), [header(0, 4, 0, 3, 8), payload(3)].concat());
    assert_eq!(push(&mut reader, &first[..5]), 0);
    assert_eq!(reader.under_way(), Some(0), "a part of its header");
    assert_eq!(push(&mut reader, &[&first[5..], &payload(128)[..]].concat()), 0);
    for _ in 0..3 {
        assert_eq!(push(&mut reader, &second), 1);
        assert_eq!(reader.under_way(), Some(0), "sound in between");
    }
    assert_eq!(push(&mut reader, &[&[0xC6], &payload(300)[128..256], &[0xC6], &payload(300)[256..]].concat()), 1);
    assert_eq!(reader.under_way(), None);
    assert_eq!(push(&mut reader, &second[..9]), 0);
    assert_eq!(reader.under_way(), Some(4));
}

#[test]
fn chunk_sizes() {
    let set = |size: u32| [&[2u8, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0], &size.to_be_bytes()[..]].concat();
    for size in [0, 0x8000_0000, 0x8000_0001, u32::MAX] {
        assert_eq!(error(&set(size)), ErrorKind::BadChunkSize(size));
    }
    let mut reader = ChunkReader::new(Limits::default());
    reader.push(&set(0x7FFF_FFFF));
    let message = reader.next().unwrap().unwrap();
    assert_eq!(Control::decode(&message).unwrap(), Some(Control::SetChunkSize(0xFF_FFFF)));
    assert_eq!(reader.chunk_size(), 0xFF_FFFF);
    // Between the chunks of another message: in force for the rest of it.
    let mut bytes = header(0, 4, 0, 300, 9);
    bytes.extend(payload(128));
    bytes.extend(set(4096));
    bytes.push(0xC4);
    bytes.extend(&payload(300)[128..]);
    assert_eq!(receive(&bytes, &[77], false).unwrap()[1].payload, payload(300));
}

#[test]
fn limits_hold_before_memory_is_spent() {
    assert!(matches!(error(&header(0, 4, 0, 0xFF_FFFF, 9)), ErrorKind::MessageTooLong { length: 0xFF_FFFF, .. }));
    assert!(matches!(error(&header(0, 4, 0, 65_537, 20)), ErrorKind::MessageTooLong { .. }));
    assert!(matches!(error(&header(0, 4, 0, 2 << 20, 18)), ErrorKind::MessageTooLong { .. }));
    let many: Vec<u8> = (2..64).flat_map(|csid| [header(0, csid, 0, 200, 9), payload(128)].concat()).collect();
    assert_eq!(error(&many), ErrorKind::TooManyPartialMessages { limit: 8 });
    let empty: Vec<u8> = (0..=255).flat_map(|id| [vec![0, id], header(0, 0, 0, 0, 9)[1..].to_vec()].concat()).collect();
    assert_eq!(error(&empty), ErrorKind::TooManyChunkStreams { limit: 128 });
    // Two messages of 9 MiB each are more than all partial messages may hold.
    let mut reader = ChunkReader::new(Limits::default());
    reader.push(&[2u8, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0x80, 0, 0]);
    assert!(reader.next().unwrap().is_some());
    for csid in [4, 5] {
        reader.push(&header(0, csid, 0, 9 << 20, 9));
        reader.push(&vec![0; 8 << 20]);
    }
    assert_eq!(reader.next(), Ok(None), "exactly at the limit");
    reader.push(&[0xC4, 0]);
    let error = reader.next().unwrap_err();
    assert_eq!(error.kind, ErrorKind::TooManyPartialBytes { limit: 16 << 20 });
    assert_eq!(reader.next().unwrap_err(), error, "an error stays");
}

#[test]
fn a_chunk_size_of_one_is_bounded_work() {
    let mut bytes = [2u8, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1].to_vec();
    bytes.extend(header(0, 4, 0, 1 << 20, 9));
    bytes.push(0);
    bytes.extend([0xC4, 0].repeat(100_000));
    assert!(matches!(error(&bytes), ErrorKind::TooManyChunks { .. }));
}

#[test]
fn errors_say_where() {
    let mut bytes = header(0, 4, 5, 1, 8);
    bytes.push(0);
    bytes.extend([0xC5, 0]);
    let mut reader = ChunkReader::new(Limits::default()).after(3073);
    reader.push(&bytes);
    reader.next().unwrap();
    let error = reader.next().unwrap_err();
    assert_eq!((error.at.csid, error.at.offset), (Some(5), Some(3073 + 13)));
}

/// Found by fuzzing: an error said another place when its header, or the byte above a limit, came in pieces.
#[test]
fn errors_say_the_same_place_however_the_bytes_are_cut() {
    let begun = [header(0, 4, 5, 1, 8), vec![0]].concat();
    let unknown = [&begun[..], &[0x80, 5, 0, 0, 7]].concat();
    let too_long = [&begun[..], &header(0, 6, 0, 1 << 20, 20)].concat();
    let two_parts = [header(0, 4, 0, 100, 9), vec![1; 100], header(0, 5, 0, 100, 9), vec![1; 100]].concat();
    for bytes in [unknown, too_long, two_parts] {
        let limits = Limits { partial_bytes: 70, ..Limits::default() };
        let place = |cuts: &[&[u8]]| {
            let mut reader = ChunkReader::new(limits.clone()).after(3073);
            let read = |mut piece: &[u8]| loop {
                match reader.read(&mut piece) {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(error) => return Some(error),
                }
            };
            cuts.iter().copied().find_map(read)
        };
        let whole = place(&[&bytes]);
        assert!(whole.is_some());
        for cut in 1..bytes.len() {
            assert_eq!(place(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        assert_eq!(place(&bytes.chunks(1).collect::<Vec<_>>()), whole);
    }
}

/// A sender that does not repeat the extended timestamp, and payloads that look like its beginning.
#[test]
fn payload_that_resembles_the_extended_timestamp() {
    for tail in [&[1u8, 2, 3, 9, 9][..], &[1, 2, 3, 5], &[1, 2, 3], &[1, 2], &[1], &[1, 2, 3, 9, 9, 9, 9]] {
        let body = [&payload(128)[..], tail].concat();
        let mut bytes = header(0, 4, 0xFF_FFFF, body.len() as u32, 9);
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(&body[..128]);
        bytes.push(0xC4);
        bytes.extend(tail);
        // What follows at once: another message, whose header is all there or comes later.
        bytes.extend(header(0, 5, 7, 1, 8));
        bytes.push(0x77);
        let expected = [message(4, 9, 1, 0x0102_0304, body), message(5, 8, 1, 7, vec![0x77])];
        for cut in 1..bytes.len() {
            assert_eq!(receive(&bytes, &[cut], cut % 2 == 0).unwrap(), expected, "{tail:?} cut {cut}");
        }
    }
}

/// Steps of nearly 2^32, of 2^31 and of 0 behind an extended timestamp, and a wrap in a message of several chunks.
#[test]
fn times_without_sense_are_taken_as_they_stand() {
    let extended = |fmt, time: u32, length: usize| {
        let field = time.to_be_bytes();
        let mut bytes = header(fmt, 6, 0xFF_FFFF, length as u32, 9);
        bytes.extend(field);
        for (n, part) in payload(length).chunks(128).enumerate() {
            bytes.extend([0xC6].iter().chain(&field).filter(|_| n > 0));
            bytes.extend(part);
        }
        bytes
    };
    let long = 300;
    let bytes = [
        extended(0, 0, long),
        extended(1, u32::MAX, 1),
        // Again by a type 3, which has the field too.
        [&[0xC6][..], &u32::MAX.to_be_bytes(), &payload(1)].concat(),
        extended(1, 1 << 31, long),
        extended(1, (1 << 31) + 1, long),
        extended(1, 0, long),
        [
            header(2, 6, 0, 0, 0)[..4].to_vec(),
            payload(long)[..128].to_vec(),
            vec![0xC6],
            payload(long)[128..256].to_vec(),
        ]
        .concat(),
        [&[0xC6][..], &payload(long)[256..]].concat(),
    ]
    .concat();
    let expected = [0, u32::MAX, u32::MAX - 1, (1 << 31) - 2, u32::MAX, u32::MAX, u32::MAX];
    for cuts in [&[usize::MAX][..], &[1], &[7, 100, 3]] {
        let times: Vec<_> = receive(&bytes, cuts, false).unwrap().iter().map(|m| m.timestamp).collect();
        assert_eq!(times, expected);
    }
    // A wrap by a step of 2, in three chunks that each repeat nothing.
    let mut wraps = extended(0, u32::MAX, 1);
    wraps.extend(
        [header(1, 6, 2, 300, 9), payload(128), vec![0xC6], payload(300)[128..256].to_vec(), vec![0xC6]].concat(),
    );
    wraps.extend(&payload(300)[256..]);
    let messages = receive(&wraps, &[5], true).unwrap();
    assert_eq!(messages[1], message(6, 9, 1, 1, payload(300)));
}
