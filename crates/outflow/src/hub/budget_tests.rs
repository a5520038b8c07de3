//! What rings that share a budget may hold.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::*;
use crate::hub::{Cursor, Hub, Item, Keep, Publisher, Start, hub};

#[derive(Clone)]
struct Sized(u64, usize);

impl Item for Sized {
    fn size(&self) -> usize {
        self.1
    }
}

fn ring(budget: &Arc<Budget>) -> (Publisher<Sized>, Arc<Hub<Sized>>) {
    hub(Keep { age: Duration::from_secs(60), bytes: 1000 }, Some(budget.clone()))
}

/// Publishes so many items of ten bytes, each tenth an entry point.
fn fill(publisher: &mut Publisher<Sized>, items: u64) {
    for _ in 0..items {
        let number = publisher.head();
        let entry = number.is_multiple_of(10).then(|| Arc::from(Vec::new()));
        publisher.publish(Sized(number, 10), Instant::now(), entry);
    }
}

#[test]
fn one_stream_alone_may_hold_everything_and_others_take_their_share_of_it() {
    let budget = Budget::new(600);
    let (mut first, one) = ring(&budget);
    fill(&mut first, 50);
    assert_eq!((one.bytes(), budget.held()), (500, 500));
    let (mut second, two) = ring(&budget);
    fill(&mut second, 40);
    // It came to its share, and is stopped there: the first has published nothing meanwhile.
    assert_eq!((one.bytes(), two.bytes()), (500, 300));
    // The first gives up its own oldest with the next that it publishes, down to the limit of all.
    fill(&mut first, 1);
    assert_eq!((one.bytes(), two.bytes(), budget.held()), (300, 300, 600));
    let (mut third, three) = ring(&budget);
    fill(&mut third, 30);
    fill(&mut first, 30);
    fill(&mut second, 30);
    assert_eq!((one.bytes(), two.bytes(), three.bytes()), (200, 200, 200));
    // A stream that is gone leaves its share to the others.
    drop((third, three));
    fill(&mut first, 100);
    fill(&mut second, 100);
    fill(&mut first, 1);
    assert_eq!((one.bytes() + two.bytes(), budget.held()), (600, 600));
}

#[test]
fn a_small_stream_keeps_all_it_has_beside_a_large_one() {
    let budget = Budget::new(500);
    let (mut small, few) = ring(&budget);
    let (mut large, many) = ring(&budget);
    fill(&mut small, 10);
    fill(&mut large, 1000);
    fill(&mut small, 10);
    fill(&mut large, 1000);
    assert_eq!((few.bytes(), many.bytes()), (200, 300));
}

#[test]
fn a_ring_that_nobody_publishes_into_sheds_when_it_is_told() {
    let budget = Budget::new(1000);
    let (mut first, one) = ring(&budget);
    fill(&mut first, 50);
    let (mut second, two) = ring(&budget);
    fill(&mut second, 50);
    budget.limit(400);
    two.shed(Instant::now());
    one.shed(Instant::now());
    assert_eq!((one.bytes(), two.bytes(), budget.held()), (200, 200, 400));
    // The last item stays, however little there may be.
    budget.limit(1);
    one.shed(Instant::now());
    assert_eq!(one.bytes(), 10);
}

/// Publishers that come and go leave rings behind: they take no share from those that are there.
#[test]
fn a_ring_whose_source_has_ended_gives_up_first_and_takes_no_share() {
    let budget = Budget::new(600);
    let (mut live, one) = ring(&budget);
    fill(&mut live, 30);
    let ghosts: Vec<_> = (0..10)
        .map(|_| {
            let (mut publisher, hub) = ring(&budget);
            fill(&mut publisher, 30);
            publisher.close_entries(Instant::now());
            (publisher, hub)
        })
        .collect();
    fill(&mut live, 30);
    assert_eq!(one.bytes(), 600, "it alone has a source");
    ghosts.iter().for_each(|(_, ghost)| ghost.shed(Instant::now()));
    // The last item of each stays.
    assert!(ghosts.iter().all(|(_, ghost)| ghost.bytes() == 10));
    assert_eq!(budget.held(), 700);
}

#[test]
fn what_nobody_will_read_any_more_is_forgotten() {
    let budget = Budget::new(10_000);
    let (mut publisher, one) = hub(Keep { age: Duration::from_secs(4), bytes: 10_000 }, Some(budget.clone()));
    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    for second in 0..10 {
        publisher.publish(Sized(second, 10), at(second), (second == 2).then(|| Arc::from(Vec::new())));
    }
    // With the group that began at 2 it spans 7 s; its readers may be 4 s late.
    one.shed(at(1000));
    assert_eq!(one.bytes(), 80, "the source is there, however silent");
    publisher.close_entries(at(9));
    one.shed(at(9 + 11));
    assert_eq!(one.bytes(), 80);
    one.shed(at(9 + 12));
    assert_eq!((one.bytes(), budget.held()), (0, 0));
    // Its numbers go on.
    publisher.publish(Sized(10, 10), at(30), None);
    assert_eq!((one.bytes(), publisher.head()), (10, 11));
}

/// Found by hostile peers: a source without a key frame has no entry point that its end could close.
#[test]
fn what_a_source_without_a_key_frame_has_left_is_forgotten_too() {
    let budget = Budget::new(10_000);
    let (mut publisher, one) = ring(&budget);
    let begin = Instant::now();
    publisher.publish(Sized(0, 10), begin, None);
    publisher.close_entries(begin);
    one.shed(begin + Duration::from_secs(61));
    assert_eq!((one.bytes(), budget.held()), (0, 0));
}

/// A reader that was behind goes on at an entry point that is left: it waits for nobody, and nobody for it.
#[test]
fn a_reader_whose_place_was_given_up_skips() {
    let budget = Budget::new(300);
    let (mut publisher, hub) = ring(&budget);
    fill(&mut publisher, 20);
    let mut cursor = Cursor::new(Start::Group, Duration::from_secs(60), Duration::ZERO);
    let mut out = Vec::new();
    hub.read(&mut cursor, Instant::now(), 1, usize::MAX, &mut out);
    fill(&mut publisher, 100);
    let read = hub.read(&mut cursor, Instant::now(), usize::MAX, usize::MAX, &mut out);
    assert!(read.skip.is_some() && read.restart.is_some());
    // It goes on at the newest entry point, 110 of 120.
    assert_eq!(out.iter().map(|item| item.0).collect::<Vec<_>>()[1..], (110..120).collect::<Vec<_>>());
}
