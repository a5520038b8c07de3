//! The seeds and the corpus of every target, as they are and changed a little: what the fuzzer found once is tried in every
//! run of the tests, without the fuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::sync::{Mutex, PoisonError};

use outflow_fuzz::{corpus, find, mutate};

/// Targets measure the memory of the whole program, so they take turns where they share one.
static TURN: Mutex<()> = Mutex::new(());

fn replay(name: &str, changed: u64) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let target = find(name).unwrap();
    let mut inputs = corpus::read(name);
    assert!(!inputs.is_empty(), "{name} has no corpus");
    inputs.extend((target.seeds)());
    inputs.push(Vec::new());
    let run = |input: &[u8], how: &str| {
        let result = std::panic::catch_unwind(|| (target.run)(input));
        assert!(result.is_ok(), "{name} fails with this {how} input: {input:02x?}");
    };
    inputs.iter().for_each(|input| run(input, "stored"));
    let mut state = 0x2545_F491_4F6C_DD1D;
    for number in 0..changed {
        let mut input = inputs[number as usize % inputs.len()].clone();
        mutate::mutate(&mut input, &mut state);
        run(&input, "changed");
    }
}

#[test]
fn chunks() {
    replay("chunks", 4000);
}

#[test]
fn amf0() {
    replay("amf0", 8000);
}

#[test]
fn amf3() {
    replay("amf3", 8000);
}

#[test]
fn tags() {
    replay("tags", 4000);
}

#[test]
fn bodies() {
    replay("bodies", 8000);
}

#[test]
fn aggregates() {
    replay("aggregates", 8000);
}

#[test]
fn urls() {
    replay("urls", 8000);
}

#[test]
fn server() {
    replay("server", 800);
}

#[test]
fn client() {
    replay("client", 800);
}

#[cfg(feature = "words")]
#[test]
fn words() {
    replay("words", 100);
}
