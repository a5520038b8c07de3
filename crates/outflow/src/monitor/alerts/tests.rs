//! The engine against made-up figures: raised once, held, cleared once, and nothing that flaps.
#![allow(clippy::unwrap_used)]

use super::engine::{Engine, GONE};
use super::look::{Look, OutputLook, StreamLook};
use super::*;
use crate::monitor::State;
use crate::options::platforms::{self, Platform};

/// A second after second look at one stream and one output.
struct Rig {
    engine: Engine,
    begin: Instant,
    second: u64,
    stream: StreamLook,
    output: OutputLook,
    /// Bits that come each second, of them video; frames that leave, and that are left out.
    rate: (u64, u64),
    frames: (u64, u64),
    there: (bool, bool),
}

/// What changed: the second, the rule, and how it was cleared.
type Seen = (u64, Rule, Option<&'static str>);

impl Rig {
    fn new(platform: &str) -> Self {
        let stream = StreamLook {
            id: "live/show".into(),
            live: true,
            key_interval: Some(2.0),
            silent: Some(Duration::ZERO),
            ..StreamLook::default()
        };
        let output = OutputLook {
            id: "out".into(),
            stream: "live/show".into(),
            platform: platforms::find(platform),
            wanted: true,
            state: State::Live,
            reason: None,
            held_back: Duration::ZERO,
            frames: 0,
            skipped_frames: 0,
            delay: Some(Duration::from_millis(40)),
            session: None,
        };
        let (begin, engine) = (Instant::now(), Engine::default());
        let rate = (2_000_000, 1_900_000);
        Self { engine, begin, second: 0, stream, output, rate, frames: (30, 0), there: (true, true) }
    }

    /// Goes on for so many seconds; gives what changed.
    fn run(&mut self, seconds: u64) -> Vec<Seen> {
        (0..seconds).flat_map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Vec<Seen> {
        self.second += 1;
        self.stream.bytes += self.rate.0 / 8;
        self.stream.video_bytes += self.rate.1 / 8;
        self.output.frames += self.frames.0;
        self.output.skipped_frames += self.frames.1;
        let now = self.begin + Duration::from_secs(self.second);
        let look = Look {
            streams: self.there.0.then(|| self.stream.clone()).into_iter().collect(),
            outputs: self.there.1.then(|| self.output.clone()).into_iter().collect(),
        };
        let changes = self.engine.look(&look, now);
        changes
            .iter()
            .map(|change| (self.second, change.alert.rule, change.cleared.map(|cleared| cleared.name())))
            .collect()
    }

    fn one(&self) -> Alert {
        let [alert] = <[Alert; 1]>::try_from(self.engine.active()).unwrap();
        alert
    }
}

fn title(name: &str) -> &'static str {
    platforms::find(name).unwrap().title
}

#[test]
fn nothing_is_told_of_a_good_show() {
    for platform in platforms::NAMES.iter().chain(&[""]) {
        let mut rig = Rig::new(platform);
        assert_eq!(rig.run(200), [], "{platform}");
        assert!(rig.engine.judged().iter().all(|judged| !judged.active));
    }
}

#[test]
fn an_alert_is_raised_once_when_it_has_held_and_cleared_once_when_it_is_over() {
    let mut rig = Rig::new("");
    rig.run(5);
    rig.stream.key_interval = Some(10.0);
    assert_eq!(rig.run(10), []);
    assert_eq!(rig.run(100), [(16, Rule::KeyFrameInterval, None)]);
    let alert = rig.one();
    assert_eq!((alert.who(), alert.figure, alert.limit), ("live/show", 10.0, 4.0));
    assert_eq!(alert.since, rig.begin + Duration::from_secs(6), "since it is so, not since it was raised");
    assert!(alert.text.contains("10 s apart") && alert.mend.contains("Keyframe Interval 2"), "{alert:?}");
    // Its figure is the newest.
    rig.stream.key_interval = Some(12.0);
    rig.run(1);
    assert!(rig.one().text.contains("12 s"), "{:?}", rig.one());
    rig.stream.key_interval = Some(2.0);
    assert_eq!(rig.run(10), []);
    assert_eq!(rig.run(100), [(127, Rule::KeyFrameInterval, Some("mended"))]);
    assert!(rig.engine.active().is_empty());
}

#[test]
fn what_comes_and_goes_is_not_told_again_and_again() {
    let mut rig = Rig::new("");
    // Never long enough.
    for _ in 0..20 {
        rig.stream.key_interval = Some(10.0);
        assert_eq!(rig.run(9), []);
        rig.stream.key_interval = Some(2.0);
        assert_eq!(rig.run(1), []);
    }
    // Raised, and never right for long enough.
    rig.stream.key_interval = Some(10.0);
    assert_eq!(rig.run(11).len(), 1);
    for _ in 0..20 {
        rig.stream.key_interval = Some(2.0);
        assert_eq!(rig.run(9), []);
        rig.stream.key_interval = Some(10.0);
        assert_eq!(rig.run(1), []);
    }
}

#[test]
fn a_figure_at_its_limit_does_not_flap() {
    let mut rig = Rig::new("");
    rig.output.delay = Some(Duration::from_millis(2100));
    assert_eq!(rig.run(20), [(11, Rule::Delay, None)]);
    // Under the limit, and not by enough to be right.
    rig.output.delay = Some(Duration::from_millis(1900));
    assert_eq!(rig.run(100), []);
    rig.output.delay = Some(Duration::from_millis(1700));
    assert_eq!(rig.run(20), [(131, Rule::Delay, Some("mended"))]);
}

#[test]
fn an_output_that_is_wanted_on_and_does_not_send() {
    let mut rig = Rig::new("");
    rig.output.state = State::Backoff;
    rig.output.reason = Some("can't connect to h:1: connection refused".into());
    assert_eq!(rig.run(60), [(17, Rule::NotSending, None)]);
    let alert = rig.one();
    assert_eq!((alert.rule.severity(), alert.output.as_deref()), (Severity::Critical, Some("out")));
    assert!(alert.text.starts_with("not sending for 59 s: can't connect"), "{}", alert.text);
    // While it tries once more nothing new is known.
    (rig.output.state, rig.output.reason) = (State::Connecting, None);
    assert_eq!(rig.run(1), []);
    assert!(rig.one().text.contains(": can't connect"), "{}", rig.one().text);
    rig.output.state = State::Backoff;
    // It sends for a moment: that is not yet right.
    rig.output.state = State::Live;
    assert_eq!(rig.run(3), []);
    rig.output.state = State::Backoff;
    assert_eq!(rig.run(10), []);
    rig.output.state = State::Live;
    assert_eq!(rig.run(20), [(85, Rule::NotSending, Some("mended"))]);

    // What is held back on purpose may begin later.
    let mut rig = Rig::new("");
    (rig.output.state, rig.output.held_back) = (State::Publishing, Duration::from_secs(30));
    assert_eq!(rig.run(60), [(47, Rule::NotSending, None)]);
    // Whoever stops it is not told for another ten seconds that it does not send.
    (rig.output.wanted, rig.output.state) = (false, State::Stopped);
    assert_eq!(rig.run(1), [(61, Rule::NotSending, Some("gone"))]);
    assert_eq!(rig.run(60), []);
}

#[test]
fn nobody_is_told_of_what_nobody_publishes() {
    let mut rig = Rig::new("twitch");
    (rig.stream.live, rig.output.state) = (false, State::WaitingInput);
    rig.stream.silent = Some(Duration::from_secs(1000));
    assert_eq!(rig.run(100), []);
    rig.stream.live = true;
    assert_eq!(rig.run(1), [(101, Rule::NoAudio, None)]);
    // Its source is away: it stays for a while, since it mostly comes back as it was.
    rig.stream.live = false;
    assert_eq!(rig.run(GONE.as_secs()), []);
    assert_eq!(rig.run(1), [(132, Rule::NoAudio, Some("gone"))]);
}

#[test]
fn what_is_removed_takes_its_alerts_along() {
    let mut rig = Rig::new("");
    (rig.output.state, rig.stream.silent) = (State::Failed, Some(Duration::from_secs(20)));
    assert_eq!(rig.run(20), [(1, Rule::NoAudio, None), (17, Rule::NotSending, None)]);
    assert_eq!(
        rig.engine.active().first().map(|alert| alert.rule),
        Some(Rule::NotSending),
        "what matters most is first"
    );
    rig.there.1 = false;
    assert_eq!(rig.run(1), [(21, Rule::NotSending, Some("gone"))]);
    rig.there.0 = false;
    assert_eq!(rig.run(1), [(22, Rule::NoAudio, Some("gone"))]);
    assert!(rig.engine.judged().is_empty());
}

#[test]
fn another_stream_of_an_output_begins_anew() {
    let mut rig = Rig::new("");
    rig.output.state = State::Failed;
    rig.run(20);
    rig.output.stream = "live/other".into();
    assert_eq!(rig.run(1), [(21, Rule::NotSending, Some("gone"))]);
}

#[test]
fn skips_are_a_share_of_the_last_minute() {
    let mut rig = Rig::new("");
    rig.run(60);
    // One group of pictures is no alert.
    rig.frames = (0, 30);
    rig.run(3);
    rig.frames = (30, 0);
    assert_eq!(rig.run(90), []);
    rig.frames = (20, 10);
    let raised = rig.run(60);
    assert_eq!(raised.iter().map(|seen| seen.1).collect::<Vec<_>>(), [Rule::Skips]);
    rig.frames = (30, 0);
    let cleared = rig.run(100);
    assert_eq!(cleared.iter().map(|seen| (seen.1, seen.2)).collect::<Vec<_>>(), [(Rule::Skips, Some("mended"))]);
}

#[test]
fn bitrates_are_held_against_limits_and_platforms() {
    let mut rig = Rig::new("twitch");
    (rig.stream.thresholds.bitrate_above, rig.stream.thresholds.bitrate_below) = (9_000_000, 500_000);
    rig.run(20);
    // In doubt for the platform: limits are of averages.
    rig.rate = (6_600_000, 6_400_000);
    assert_eq!(rig.run(60), []);
    rig.rate = (8_000_000, 7_800_000);
    let raised = rig.run(60);
    assert_eq!(raised.len(), 1, "{raised:?}");
    let alert = rig.one();
    assert_eq!((alert.rule, alert.output.as_deref()), (Rule::BitrateAbove, Some("out")));
    assert!(alert.text.contains(title("twitch")) && alert.text.contains("7.80 Mb/s"), "{}", alert.text);
    rig.rate = (10_000_000, 9_900_000);
    let raised = rig.run(60);
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!(rig.engine.active().len(), 2);
    rig.rate = (400_000, 300_000);
    let rules = |seen: Vec<Seen>| seen.iter().map(|(_, rule, how)| (*rule, *how)).collect::<Vec<_>>();
    let seen = rules(rig.run(60));
    assert!(seen.contains(&(Rule::BitrateBelow, None)), "{seen:?}");
    assert_eq!(seen.iter().filter(|(rule, how)| (*rule, *how) == (Rule::BitrateAbove, Some("mended"))).count(), 2);
    // What platforms say may be left out.
    let mut rig = Rig::new("twitch");
    rig.stream.thresholds.platforms = false;
    rig.rate = (8_000_000, 7_800_000);
    assert_eq!(rig.run(60), []);
}

#[test]
fn b_frames_matter_where_they_are_refused_only() {
    for (platform, wanted) in [("", 0), ("twitch", 0), ("ivs", 1)] {
        let mut rig = Rig::new(platform);
        rig.stream.b_frames = true;
        assert_eq!(rig.run(60).len(), wanted, "{platform}");
    }
}

#[test]
fn the_strictest_limit_of_key_frames_counts() {
    let mut rig = Rig::new("youtube");
    rig.stream.thresholds.key_frame_interval = Duration::from_secs(30);
    rig.stream.key_interval = Some(10.0);
    rig.run(60);
    assert!(rig.one().text.contains(title("youtube")), "{:?}", rig.one());
    // Nobody sends it there now: the platform has no say.
    rig.output.wanted = false;
    assert_eq!(rig.run(60).len(), 1);
    // A clock that is a little off is no mistake.
    let mut rig = Rig::new("youtube");
    rig.stream.key_interval = Some(4.004);
    assert_eq!(rig.run(60), []);
}

#[test]
fn a_session_near_its_end_is_told_before_the_platform_ends_it() {
    let platform: &Platform = platforms::find("twitch").unwrap();
    let longest = platform.longest_session().unwrap();
    let mut rig = Rig::new("twitch");
    rig.output.session = Some(longest - Duration::from_secs(31 * 60));
    assert_eq!(rig.run(20), []);
    rig.output.session = Some(longest - Duration::from_secs(29 * 60));
    assert_eq!(rig.run(20), [(21, Rule::Session, None)]);
    let alert = rig.one();
    assert!(alert.text.contains("after 48 h") && alert.text.contains("47 h 31 min"), "{}", alert.text);
    // It was stopped and started again.
    rig.output.session = Some(Duration::ZERO);
    assert_eq!(rig.run(20), [(51, Rule::Session, Some("mended"))]);
    let mut rig = Rig::new("youtube");
    rig.output.session = Some(Duration::from_secs(1_000_000));
    assert_eq!(rig.run(20), [], "its limit is not known");
}

#[test]
fn a_rule_that_is_turned_off_takes_its_alert_along() {
    let mut rig = Rig::new("");
    rig.stream.silent = Some(Duration::from_secs(20));
    assert_eq!(rig.run(5), [(1, Rule::NoAudio, None)]);
    rig.stream.thresholds.no_audio = Duration::ZERO;
    assert_eq!(rig.run(5), [(6, Rule::NoAudio, Some("gone"))]);
}

#[test]
fn zero_turns_a_rule_off() {
    let mut rig = Rig::new("twitch");
    let never = Duration::ZERO;
    rig.stream.thresholds = Thresholds {
        key_frame_interval: never,
        no_audio: never,
        not_sending: never,
        skips: 0,
        delay: never,
        session: never,
        platforms: false,
        ..Thresholds::default()
    };
    (rig.stream.key_interval, rig.stream.silent) = (Some(100.0), Some(Duration::from_secs(100)));
    (rig.output.state, rig.output.delay, rig.frames) = (State::Stalled, Some(Duration::from_secs(60)), (1, 100));
    rig.output.session = Some(Duration::from_secs(48 * 3600));
    assert_eq!(rig.run(100), []);
    assert!(rig.engine.judged().is_empty());
}

#[test]
fn a_graph_is_judged_by_what_its_board_shows() {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::look::of_board;
    use crate::monitor::board::Board;
    use crate::monitor::{Event, InputStats};

    let board = Board::default();
    let input = Arc::<InputStats>::default();
    board.add_input("cam", "rtmp_listen", "", input.clone());
    board.add_output("tw", "rtmp_push", "", Arc::default());
    let event = |state| Event::Output { output: "tw".into(), state, reason: None, attempt: 1, retry_in: None };
    board.on(&event(State::WaitingInput));
    let fed: HashMap<_, _> = [("tw".to_owned(), ("cam".to_owned(), Duration::ZERO))].into();
    let now = Instant::now();
    let key = bytes::Bytes::from_static(&[0x17, 1, 0, 0, 0, 1]);
    input.count(&crate::media::classify::packet(crate::media::Kind::Video, 0, key, now));
    let mut engine = Engine::default();
    let mut run = |board: &Board, seconds: std::ops::Range<u64>| -> Vec<Rule> {
        let looks = seconds.flat_map(|second| {
            let now = now + Duration::from_secs(second);
            engine.look(&of_board(&board.view(), &fed, now), now)
        });
        looks.map(|change| change.alert.rule).collect()
    };
    assert_eq!(run(&board, 0..100), [], "nobody publishes");
    board.on(&Event::InputStarted { input: "cam".into(), what: "a publisher".into() });
    assert_eq!(run(&board, 100..200), [], "it waits for its key frame; and sound is nobody's business");
    board.leads_to("tw", platforms::find("twitch"));
    board.on(&event(State::Connecting));
    assert_eq!(run(&board, 200..300), [Rule::NoAudio, Rule::NotSending]);
}
