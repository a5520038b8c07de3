//! Where one connection goes on for another: told by what both have sent.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

/// A frame with a number in it; every tenth is a key frame.
pub(super) fn video(number: u32, time: u32) -> Message {
    let sort = if number.is_multiple_of(10) { 0x17 } else { 0x27 };
    message(kind::VIDEO, time, [&[sort, 1, 0, 0, 0], number.to_be_bytes().as_slice()].concat())
}

pub(super) fn audio(number: u32, time: u32) -> Message {
    message(kind::AUDIO, time, [&[0xAF, 1], number.to_be_bytes().as_slice()].concat())
}

fn message(kind: u8, timestamp: u32, body: Vec<u8>) -> Message {
    Message { csid: 4, kind, stream_id: 1, timestamp, payload: body.into() }
}

/// Both of these numbers, 40 ms from one to the next.
fn stream(numbers: std::ops::Range<u32>, begin: u32) -> Vec<Message> {
    let first = numbers.start;
    let time = |number: u32| begin.wrapping_add((number - first) * 40);
    numbers.flat_map(|number| [video(number, time(number)), audio(number, time(number).wrapping_add(5))]).collect()
}

fn memory(messages: &[Message]) -> Memory {
    let mut memory = Memory::default();
    messages.iter().for_each(|message| memory.note(message, Instant::now()));
    memory
}

fn held(messages: Vec<Message>) -> Held {
    let mut held = Held::default();
    messages.into_iter().for_each(|message| held.push(message));
    held
}

fn shift(joint: Option<Joint>) -> Option<u32> {
    match joint? {
        Joint::Same(shift) => Some(shift),
        Joint::Other => panic!("another stream"),
    }
}

#[test]
fn the_same_stream_is_found_whatever_its_times_are() {
    let now = Instant::now();
    for begin in [0, 7000, u32::MAX - 200] {
        let old = memory(&stream(0..25, begin));
        // From the group of pictures that is under way, with a time of its own.
        let mut new = held(stream(20..25, 0));
        assert!(new.joint(&old, false, now).is_none(), "nothing that the old one has not");
        new.push(video(25, 200));
        let found = begin.wrapping_add(20 * 40);
        assert_eq!(shift(new.joint(&old, false, now)), Some(found));
        let fresh: Vec<Message> =
            new.release(&Joint::Same(found)).into_iter().filter(|message| !old.has(message)).collect();
        assert_eq!(fresh, [video(25, begin.wrapping_add(25 * 40))]);
    }
}

#[test]
fn one_that_is_ahead_is_waited_for() {
    let now = Instant::now();
    let mut old = memory(&stream(0..28, 1000));
    let mut new = held(stream(30..33, 0));
    assert!(new.joint(&old, false, now).is_none());
    for message in stream(28..31, 1000 + 28 * 40) {
        old.note(&message, now);
    }
    assert_eq!(shift(new.joint(&old, false, now)), Some(1000 + 30 * 40));
}

#[test]
fn one_that_is_over_is_not_waited_for() {
    let now = Instant::now();
    let old = memory(&stream(0..25, 1000));
    // Behind: what is there already is left out until it has caught up.
    assert_eq!(shift(held(stream(20..22, 0)).joint(&old, true, now)), Some(1000 + 20 * 40));
    // Ahead: what lies between is lost.
    assert!(matches!(held(stream(30..32, 0)).joint(&old, true, now), Some(Joint::Other)));
    assert!(held(Vec::new()).joint(&old, true, now).is_none(), "nothing to go on with");
}

#[test]
fn what_only_looks_alike_is_another_stream() {
    let old = memory(&stream(0..25, 1000));
    let now = Instant::now();
    let mut other = stream(20..25, 0);
    other[3].payload = vec![0xAF, 1, 9, 9].into();
    let mut new = held(other);
    assert!(new.joint(&old, false, now).is_none(), "the same key frame, and another sound");
    assert!(matches!(new.joint(&old, false, now + QUIET), Some(Joint::Other)), "the old one sends no more");
}

#[test]
fn another_stream_begins_with_its_headers_and_its_latest_key_frame() {
    let header = message(kind::VIDEO, 0, vec![0x17, 0, 0, 0, 0, 1]);
    let mut new = held(vec![header.clone(), audio(18, 5), video(19, 10)]);
    stream(20..32, 100).into_iter().for_each(|message| new.push(message));
    let out = new.release(&Joint::Other);
    let begin = 100 + 10 * 40;
    assert_eq!(out[0], Message { timestamp: begin, ..header });
    assert_eq!(out[1..], stream(30..32, begin));
}

#[test]
fn a_stream_without_pictures_goes_on_at_once() {
    let (now, sound) = (Instant::now(), |numbers: std::ops::Range<u32>| numbers.map(|n| audio(n, n * 20)).collect());
    let sounds: Vec<Message> = sound(0..10);
    assert!(matches!(held(sound(20..21)).joint(&memory(&sounds), false, now), Some(Joint::Other)));
}

#[test]
fn tracks_of_one_time_are_told_apart() {
    let old = memory(&[audio(1, 100), audio(2, 120)]);
    assert!(old.has(&audio(1, 100)) && old.has(&audio(2, 120)) && old.has(&audio(9, 60)));
    assert!(!old.has(&audio(3, 120)), "of another track");
    assert!(!old.has(&audio(3, 121)) && old.is_later(&audio(3, 121)));
    assert!(!old.has(&video(0, 0)), "there were no pictures");
}

#[test]
fn what_is_held_is_bounded() {
    let mut new = Held::default();
    for _ in 0..8 {
        assert!(!new.is_full());
        new.push(message(kind::VIDEO, 0, [vec![0x17, 1, 0, 0, 0], vec![0; 8 << 20]].concat()));
    }
    assert!(new.is_full());
}
