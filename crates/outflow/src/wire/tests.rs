//! One byte string serves connections with different time bases: proven by reading what each would receive.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use outflow_rtmp::chunk::ChunkReader;
use outflow_rtmp::limits::Limits;

use super::*;
use crate::media::Flags;

fn packet(kind: Kind, track: u8, dts: i64, body: Vec<u8>) -> Packet {
    Packet { kind, track, dts, cts: 0, flags: Flags::default(), body: body.into(), arrival: Instant::now() }
}

fn read_all(chunk_size: u32, bytes: &[u8]) -> Vec<(u32, u32, u32, usize)> {
    let mut reader = ChunkReader::new(Limits::default());
    let mut announce = BytesMut::new();
    encode_full(&mut announce, 2, kind::SET_CHUNK_SIZE, 0, 0, &chunk_size.to_be_bytes(), 128).unwrap();
    reader.push(&announce);
    reader.push(bytes);
    let mut messages = Vec::new();
    while let Some(message) = reader.next().unwrap() {
        if message.kind != kind::SET_CHUNK_SIZE {
            messages.push((message.csid, message.timestamp, message.stream_id, message.payload.len()));
        }
    }
    messages
}

#[test]
fn connections_with_different_bases_share_the_bytes_after_their_first_message() {
    let times = [0, 40, 80, 20_000_000, 20_000_040];
    let mut previous = None;
    let messages: Vec<Shared> = times
        .iter()
        .map(|dts| Message::new(packet(Kind::Video, 0, *dts, vec![7; 70_000]), previous.replace(*dts)))
        .collect();
    for chunk_size in [CHUNK_SIZE, 128, 65_536] {
        for first in 0..times.len() {
            let mut bytes = BytesMut::new();
            for (n, message) in messages.iter().enumerate().skip(first) {
                let time = u32::try_from(times[n] - times[first]).unwrap();
                let own = n == first;
                let shared = message.shared(chunk_size, Form::Play).filter(|_| !own);
                bytes.extend_from_slice(
                    &shared.unwrap_or_else(|| message.full(chunk_size, Form::Play, 1, time).unwrap()),
                );
            }
            let expected: Vec<_> =
                times[first..].iter().map(|t| (6, u32::try_from(t - times[first]).unwrap(), 1, 70_000)).collect();
            assert_eq!(read_all(chunk_size, &bytes), expected);
        }
    }
    // Shared means shared: the same memory for everybody.
    let (a, b) =
        (messages[1].shared(CHUNK_SIZE, Form::Play).unwrap(), messages[1].shared(CHUNK_SIZE, Form::Publish).unwrap());
    assert_eq!(a.as_ptr(), b.as_ptr());
}

#[test]
fn a_header_of_its_own_before_shared_bytes_is_what_a_whole_message_would_be() {
    for (kind, length, chunk_size, time) in [
        (Kind::Video, 70_000, CHUNK_SIZE, 0),
        (Kind::Video, 70_000, 65_536, 0xFF_FFFE),
        (Kind::Video, 70_000, 128, 0xFF_FFFF),
        (Kind::Video, LONG, CHUNK_SIZE, 40),
        (Kind::Video, LONG - 1, CHUNK_SIZE, 40),
        (Kind::Audio, 9_000, 5_000, u32::MAX),
    ] {
        let message = Message::new(packet(kind, 0, 40, vec![7; length]), Some(0));
        let whole = message.full(chunk_size, Form::Play, 0x0102_0304, time).unwrap();
        let (first, rest) = message.own(chunk_size, Form::Play, 0x0102_0304, time).unwrap();
        assert_eq!(rest.is_some(), length >= LONG && time < 0xFF_FFFF, "{length} {time}");
        if let Some(rest) = &rest {
            let shared = message.shared(chunk_size, Form::Play).unwrap();
            assert_eq!(rest.as_ptr(), shared[DELTA_HEADER..].as_ptr(), "shared means shared");
        }
        assert_eq!([&first[..], rest.as_deref().unwrap_or_default()].concat(), whole);
    }
    let mut metadata = ON_META_DATA.to_vec();
    metadata.resize(LONG, 5);
    let metadata = Message::new(packet(Kind::Data, 0, 40, metadata), Some(0));
    let (first, rest) = metadata.own(CHUNK_SIZE, Form::Publish, 1, 7).unwrap();
    assert_eq!([&first[..], &rest.unwrap()].concat(), metadata.full(CHUNK_SIZE, Form::Publish, 1, 7).unwrap());
}

#[test]
fn metadata_is_wrapped_for_servers_only() {
    let mut body = ON_META_DATA.to_vec();
    body.push(5);
    let message = Message::new(packet(Kind::Data, 0, 40, body), Some(0));
    let bare = message.shared(CHUNK_SIZE, Form::Play).unwrap();
    let wrapped = message.shared(CHUNK_SIZE, Form::Publish).unwrap();
    assert_eq!(wrapped.len(), bare.len() + SET_DATA_FRAME.len());
    let text = Message::new(packet(Kind::Data, 0, 40, b"\x02\x00\x0aonTextData\x05".to_vec()), Some(0));
    let (bare, wrapped) = (text.shared(CHUNK_SIZE, Form::Play), text.shared(CHUNK_SIZE, Form::Publish));
    assert_eq!(bare.unwrap(), wrapped.unwrap(), "other data is not");
}

#[test]
fn a_step_that_type_1_cannot_say_goes_out_in_full() {
    let message = Message::new(packet(Kind::Audio, 0, 0xFF_FFFF, vec![1]), Some(0));
    assert!(message.shared(CHUNK_SIZE, Form::Play).is_none());
    let crowded = Message::new(packet(Kind::Audio, 200, 40, vec![1]), Some(0));
    assert!(crowded.shared(CHUNK_SIZE, Form::Play).is_none());
    assert_eq!(crowded.csid(), 31);
}

#[test]
fn what_fits_into_one_chunk_is_kept_once_for_all_hubs() {
    let most = CHUNK_SIZE as usize;
    for (kind, length, step, once) in [
        (Kind::Video, 1, 40, true),
        (Kind::Audio, most, 40, true),
        (Kind::Video, most + 1, 40, false),
        (Kind::Data, 100, 40, false),
        // Only with a header of its own.
        (Kind::Video, 100, 0xFF_FFFF, false),
    ] {
        let body: Vec<u8> = (0..length).map(|number| number as u8).collect();
        let message = Message::new(packet(kind, 0, step, body.clone()), Some(0));
        assert_eq!(message.packet.body, body);
        let shared = message.shared(CHUNK_SIZE, Form::Play);
        let is_once =
            shared.as_ref().is_some_and(|shared| shared[DELTA_HEADER..].as_ptr() == message.packet.body.as_ptr());
        assert_eq!(is_once, once, "{kind:?} {length} {step}");
        // In another hub after the same message, or after another one.
        for previous in [0, 10] {
            let again = Message::again(message.packet.clone(), Some(previous), &message);
            assert_eq!(again.packet.body.as_ptr(), message.packet.body.as_ptr());
            let (bytes, first) = (again.shared(CHUNK_SIZE, Form::Play), message.shared(CHUNK_SIZE, Form::Play));
            let same = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.as_ptr());
            assert_eq!(same(&bytes) == same(&first), previous == 0, "{kind:?} {length} {step}");
            if let (Some(bytes), Some(first)) = (bytes, first) {
                assert_eq!(bytes[DELTA_HEADER..], first[DELTA_HEADER..]);
            }
        }
    }
}
