//! The lag rule, proven on a fake clock: forward only, to entry points only, never a hole inside a run.
#![allow(clippy::unwrap_used)]

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Numbered(u64, usize);

impl Item for Numbered {
    fn size(&self) -> usize {
        self.1
    }
}

struct Clock(Instant);

impl Clock {
    fn at(&self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}

fn small(age_millis: u64) -> Keep {
    Keep { age: Duration::from_millis(age_millis), bytes: usize::MAX }
}

/// Publishes item `n` at `n × 10` ms, with an entry point each `group` items.
fn fill(publisher: &mut Publisher<Numbered>, clock: &Clock, numbers: std::ops::Range<u64>, group: u64) {
    for n in numbers {
        let entry = (n % group == 0).then(|| Arc::from(vec![Numbered(1_000_000, 1)]));
        publisher.publish(Numbered(n, 1), clock.at(n * 10), entry);
    }
}

fn read(hub: &Hub<Numbered>, cursor: &mut Cursor, now: Instant) -> (Vec<u64>, Read<Numbered>) {
    let mut out = Vec::new();
    let read = hub.read(cursor, now, usize::MAX, usize::MAX, &mut out);
    (out.into_iter().map(|item| item.0).collect(), read)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_joiner_begins_with_the_current_group_and_its_headers() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(1_000), None);
    fill(&mut publisher, &clock, 0..25, 10);
    let mut cursor = Cursor::new(Start::Group, seconds(4), Duration::ZERO);
    let (items, result) = read(&hub, &mut cursor, clock.at(250));
    assert_eq!(items, [20, 21, 22, 23, 24]);
    assert_eq!(result.restart.unwrap()[0].0, 1_000_000);
    assert!(result.skip.is_none());
    fill(&mut publisher, &clock, 25..27, 10);
    let (items, result) = read(&hub, &mut cursor, clock.at(270));
    assert_eq!(items, [25, 26]);
    assert!(result.restart.is_none());
}

#[test]
fn what_came_is_counted_from_any_item_on() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(100), None);
    assert_eq!(hub.since(0), (0, 0));
    (0..50).for_each(|n| {
        publisher.publish(Numbered(n, 3), clock.at(n * 10), None);
    });
    assert_eq!((hub.since(49), hub.since(45), hub.since(50)), ((3, 1), (15, 5), (0, 0)));
    let kept = hub.head() - hub.past(0).items[0].seq;
    assert_eq!((hub.since(50 - kept), hub.since(60)), ((3 * kept, kept), (0, 0)));
}

#[test]
fn start_next_waits_for_the_entry_point_to_come() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(1_000), None);
    fill(&mut publisher, &clock, 0..25, 10);
    let mut cursor = Cursor::new(Start::Next, seconds(4), Duration::ZERO);
    assert!(read(&hub, &mut cursor, clock.at(250)).0.is_empty());
    fill(&mut publisher, &clock, 25..32, 10);
    assert_eq!(read(&hub, &mut cursor, clock.at(320)).0, [30, 31]);
}

#[test]
fn a_late_reader_skips_forward_to_the_newest_entry_point_and_counts() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(400), None);
    fill(&mut publisher, &clock, 0..5, 10);
    let mut cursor = Cursor::new(Start::Group, Duration::from_millis(400), Duration::ZERO);
    assert_eq!(read(&hub, &mut cursor, clock.at(50)).0, [0, 1, 2, 3, 4]);
    fill(&mut publisher, &clock, 5..75, 10);
    let (items, result) = read(&hub, &mut cursor, clock.at(750));
    assert_eq!(items, [70, 71, 72, 73, 74]);
    assert_eq!(result.skip.unwrap().items, 65);
    assert!(result.restart.is_some());
}

#[test]
fn without_an_entry_point_ahead_it_drops_until_one_comes_and_never_loops() {
    let clock = Clock(Instant::now());
    // Groups of 2 s, a limit of 0.3 s: as real encoders do with groups longer than the limit.
    let (mut publisher, hub) = hub(small(300), None);
    fill(&mut publisher, &clock, 0..2, 200);
    let mut cursor = Cursor::new(Start::Group, Duration::from_millis(300), Duration::ZERO);
    assert_eq!(read(&hub, &mut cursor, clock.at(20)).0, [0, 1]);
    fill(&mut publisher, &clock, 2..100, 200);
    assert!(read(&hub, &mut cursor, clock.at(1_000)).0.is_empty(), "nothing ahead to skip to");
    fill(&mut publisher, &clock, 100..203, 200);
    let (items, result) = read(&hub, &mut cursor, clock.at(2_030));
    assert_eq!(items, [200, 201, 202]);
    assert_eq!(result.skip.unwrap().items, 198);
}

#[test]
fn a_joiners_burst_is_excused_until_it_has_caught_up() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(300), None);
    fill(&mut publisher, &clock, 0..100, 200);
    let mut cursor = Cursor::new(Start::Group, Duration::from_millis(300), Duration::ZERO);
    let mut out = Vec::new();
    // The group is 1 s old, far beyond the limit, and is still delivered whole.
    hub.read(&mut cursor, clock.at(1_000), 50, usize::MAX, &mut out);
    let second = hub.read(&mut cursor, clock.at(1_100), 50, usize::MAX, &mut out);
    assert!(second.skip.is_none());
    assert_eq!(out.len(), 100);
    fill(&mut publisher, &clock, 100..201, 200);
    let (items, result) = read(&hub, &mut cursor, clock.at(2_010));
    assert_eq!(items, [200], "caught up once, so the plain limit counts again");
    assert!(result.skip.is_some());
}

#[test]
fn a_skip_excuses_nothing_and_takes_no_entry_point_that_is_too_old() {
    let clock = Clock(Instant::now());
    // Groups of 1 s, a limit of 0.4 s.
    let (mut publisher, hub) = hub(small(400), None);
    fill(&mut publisher, &clock, 0..10, 100);
    let mut cursor = Cursor::new(Start::Group, Duration::from_millis(400), Duration::ZERO);
    assert_eq!(read(&hub, &mut cursor, clock.at(90)).0.len(), 10);
    fill(&mut publisher, &clock, 10..130, 100);
    let mut out = Vec::new();
    // 0.3 s old when the reader comes to it; 0.15 s later its next packet is too late, excused by nothing.
    assert!(hub.read(&mut cursor, clock.at(1_300), 1, usize::MAX, &mut out).skip.is_some());
    assert_eq!(out, [Numbered(100, 1)]);
    fill(&mut publisher, &clock, 130..145, 100);
    assert!(read(&hub, &mut cursor, clock.at(1_450)).0.is_empty(), "no entry point ahead");
    fill(&mut publisher, &clock, 145..270, 100);
    assert!(read(&hub, &mut cursor, clock.at(2_700)).0.is_empty(), "the newest is 0.7 s old");
    fill(&mut publisher, &clock, 270..301, 100);
    let (items, result) = read(&hub, &mut cursor, clock.at(3_010));
    assert_eq!((items, result.skip.unwrap().items), (vec![300], 199));
}

#[test]
fn a_delayed_reader_gets_each_item_when_it_is_due() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(5_000), None);
    fill(&mut publisher, &clock, 0..50, 10);
    let mut cursor = Cursor::new(Start::Group, seconds(1), Duration::from_millis(200));
    let (items, result) = read(&hub, &mut cursor, clock.at(500));
    assert_eq!(items, [30], "the newest entry point that is due");
    assert_eq!(result.due, Some(clock.at(510)));
    assert_eq!(read(&hub, &mut cursor, clock.at(525)).0, [31, 32]);
}

#[test]
fn the_byte_cap_holds_even_within_a_group() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(Keep { age: seconds(60), bytes: 50 }, None);
    fill(&mut publisher, &clock, 0..200, 1_000);
    assert!(hub.bytes() <= 50);
    let mut cursor = Cursor::new(Start::Group, seconds(60), Duration::ZERO);
    assert!(read(&hub, &mut cursor, clock.at(2_000)).0.is_empty(), "the entry point is gone: a joiner waits");
}

#[test]
fn the_end_is_seen_after_everything_was_read() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(1_000), None);
    fill(&mut publisher, &clock, 0..3, 10);
    publisher.finish();
    let mut cursor = Cursor::new(Start::Group, seconds(4), Duration::ZERO);
    let (items, result) = read(&hub, &mut cursor, clock.at(30));
    assert_eq!((items.len(), result.ended), (3, true));
    let mut late = Cursor::new(Start::Next, seconds(4), Duration::ZERO);
    assert!(!read(&hub, &mut late, clock.at(40)).1.ended, "who came after the end waits for the next life");
    publisher.reopen();
    fill(&mut publisher, &clock, 10..12, 10);
    assert_eq!(read(&hub, &mut late, clock.at(120)).0, [10, 11]);
}

#[test]
fn a_reader_that_waits_for_the_next_entry_point_takes_the_one_that_just_came() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(10_000), None);
    fill(&mut publisher, &clock, 0..25, 20);
    let fresh = Duration::from_millis(100);
    assert_eq!(hub.next_entry(clock.at(250), fresh), 20, "5 items old");
    assert_eq!(hub.next_entry(clock.at(400), fresh), 25, "too old: the next to come");
    let mut cursor = Cursor::since(hub.next_entry(clock.at(250), fresh), seconds(4), Duration::ZERO);
    fill(&mut publisher, &clock, 25..42, 20);
    assert_eq!(
        read(&hub, &mut cursor, clock.at(420)).0,
        [40, 41],
        "the newest, if connecting took longer than a group"
    );
}

#[test]
fn a_delayed_reader_begins_with_a_source_that_has_ended_meanwhile_and_nobody_else_does() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(10_000), None);
    let delay = Duration::from_millis(1_000);
    let mut delayed = Cursor::since(0, seconds(4), delay);
    fill(&mut publisher, &clock, 0..25, 10);
    assert_eq!(read(&hub, &mut delayed, clock.at(250)).1.due, Some(clock.at(1_000)));
    publisher.close_entries(clock.at(250));
    publisher.finish();
    // A joiner without a delay waits for the stream's next life.
    let (items, result) = read(&hub, &mut Cursor::new(Start::Group, seconds(4), Duration::ZERO), clock.at(260));
    assert!(items.is_empty() && !result.ended);
    // For the delayed one the source ends a second later; until then nothing is lost and nothing is over.
    let (items, result) = read(&hub, &mut delayed, clock.at(900));
    assert!(items.is_empty() && !result.ended);
    let (items, result) = read(&hub, &mut delayed, clock.at(1_000));
    assert_eq!((items, result.ended), (vec![0], false));
    let (items, result) = read(&hub, &mut delayed, clock.at(1_100));
    assert_eq!((items, result.ended), ((1..=10).collect(), false));
    let (items, result) = read(&hub, &mut delayed, clock.at(1_260));
    assert_eq!((items, result.ended), ((11..25).collect(), true));
    // Its time for new readers with the same delay is over too.
    let mut late = Cursor::new(Start::Group, seconds(4), delay);
    assert!(read(&hub, &mut late, clock.at(1_260)).0.is_empty());
}

#[test]
fn a_skip_counts_frames_and_groups() {
    #[derive(Clone)]
    struct Frame(bool);
    impl Item for Frame {
        fn size(&self) -> usize {
            1
        }
        fn is_frame(&self) -> bool {
            self.0
        }
    }
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = super::hub(small(10_000), None);
    let mut cursor = Cursor::new(Start::Group, Duration::from_millis(100), Duration::ZERO);
    let mut out = Vec::new();
    // Every second item is a frame; groups of ten; the reader stops in the middle of the second.
    let mut publish = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let entry = (n % 10 == 0).then(|| Arc::from(vec![]));
            publisher.publish(Frame(n % 2 == 0), clock.at(n * 10), entry);
        }
    };
    publish(0..15);
    let read = hub.read(&mut cursor, clock.at(150), 15, 100, &mut out);
    assert!(read.skip.is_none());
    publish(15..41);
    let skip = hub.read(&mut cursor, clock.at(400), 100, 100, &mut out).skip.unwrap();
    assert_eq!((skip.items, skip.frames, skip.groups), (25, 12, 3));
}

#[test]
fn a_train_is_all_that_came_and_carries_those_who_stand_where_it_begins() {
    let clock = Clock(Instant::now());
    let (mut publisher, hub) = hub(small(1_000), None);
    fill(&mut publisher, &clock, 0..25, 10);
    let train = |from, items, bytes| {
        let mut out = Vec::new();
        let train = hub.train(from, items, bytes, &mut out);
        (train, out.iter().map(|item| item.0).collect::<Vec<_>>())
    };
    assert!(train(25, 9, 99).0.is_none(), "nothing is there");
    assert!(train(20, 4, 99).0.is_none() && train(20, 9, 4).0.is_none(), "too much for one");
    let (stretch, items) = train(20, 9, 99);
    let stretch = stretch.unwrap();
    assert_eq!((stretch.from, stretch.to, items), (20, 25, vec![20, 21, 22, 23, 24]));

    // One that joined is not there before it has read what it needs; then it rides, and reads on behind it.
    let mut cursor = Cursor::new(Start::Group, seconds(1), Duration::ZERO);
    assert!(!cursor.may_ride(&stretch, clock.at(250)));
    let mut out = Vec::new();
    hub.read(&mut cursor, clock.at(250), 1, usize::MAX, &mut out);
    let next = train(21, 9, 99).0.unwrap();
    assert!(cursor.may_ride(&next, clock.at(250)) && !cursor.may_ride(&stretch, clock.at(250)));
    cursor.ride(&next);
    fill(&mut publisher, &clock, 25..27, 10);
    assert_eq!(read(&hub, &mut cursor, clock.at(270)).0, [25, 26]);
    assert!(!cursor.may_ride(&next, clock.at(270)), "it was there already");

    // Nor does one ride that is to skip, or reads behind the live edge.
    fill(&mut publisher, &clock, 27..29, 10);
    let last = train(27, 9, 99).0.unwrap();
    assert!(cursor.may_ride(&last, clock.at(1270)) && !cursor.may_ride(&last, clock.at(1271)));
    let mut delayed = Cursor::new(Start::Group, seconds(1), Duration::from_millis(10));
    let _ = read(&hub, &mut delayed, clock.at(280));
    assert!(!delayed.may_ride(&last, clock.at(280)));
    publisher.finish();
    assert!(train(27, 9, 99).0.is_none(), "the end is for each to find");
}
