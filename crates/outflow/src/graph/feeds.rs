//! The plumbing between producers and streams: one packet to many takers, many producers into one stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::media::{Feed, Intake, Kind, Packet, StreamInfo};

/// Gives each packet to every taker that wants its kind.
pub(super) struct Fan {
    takers: Vec<(Vec<Kind>, Feed)>,
}

impl Fan {
    /// Takers with the kinds that they want. One that wants all kinds of one taker is no detour.
    pub(super) fn feed(mut takers: Vec<(Vec<Kind>, Feed)>) -> Feed {
        const ALL: [Kind; 3] = [Kind::Audio, Kind::Video, Kind::Data];
        if let [(kinds, feed)] = takers.as_mut_slice()
            && ALL.iter().all(|kind| kinds.contains(kind))
        {
            return feed.clone();
        }
        Arc::new(Self { takers })
    }
}

impl Intake for Fan {
    fn start(&self, info: StreamInfo) {
        for (kinds, taker) in &self.takers {
            let keep = |kind, known: Option<bool>| if kinds.contains(&kind) { known } else { Some(false) };
            let info =
                StreamInfo { video: keep(Kind::Video, info.video), audio: keep(Kind::Audio, info.audio), ..info };
            taker.start(info);
        }
    }

    fn push(&self, packet: Packet) {
        for (kinds, taker) in &self.takers {
            if kinds.contains(&packet.kind) {
                taker.push(packet.clone());
            }
        }
    }

    fn end(&self, clean: bool) {
        for (_, taker) in &self.takers {
            taker.end(clean);
        }
    }

    fn marks(&self) -> Vec<String> {
        self.takers.iter().flat_map(|(_, taker)| taker.marks()).collect()
    }

    fn came_by(&self, hops: &[String]) {
        self.takers.iter().for_each(|(_, taker)| taker.came_by(hops));
    }

    fn runs_on(&self, thread: usize) {
        self.takers.iter().for_each(|(_, taker)| taker.runs_on(thread));
    }
}

/// How long, by arrival, packets of one lane wait for another lane that brings none.
const PATIENCE: Duration = Duration::from_millis(250);
/// And how many.
const MOST: usize = 256;

/// Brings the packets of several producers (two encoders, two files) into one stream, in the order of their time.
pub(super) struct Merge {
    state: Mutex<Lanes>,
    next: Feed,
}

struct Lanes {
    lanes: Vec<Lane>,
    started: bool,
}

#[derive(Default)]
struct Lane {
    kinds: Vec<Kind>,
    queue: VecDeque<Packet>,
    open: bool,
}

impl Merge {
    /// A merge of lanes with the kinds that each brings.
    pub(super) fn new(lanes: Vec<Vec<Kind>>, next: Feed) -> Arc<Self> {
        let lanes = lanes.into_iter().map(|kinds| Lane { kinds, ..Lane::default() }).collect();
        Arc::new(Self { state: Mutex::new(Lanes { lanes, started: false }), next })
    }

    /// The feed of one lane.
    pub(super) fn lane(self: &Arc<Self>, number: usize) -> Feed {
        Arc::new(IntoLane { merge: self.clone(), number })
    }

    /// The feed of a generator whose encoders are the lanes: its start and end are those of all lanes, and its data
    /// goes straight on.
    pub(super) fn head(self: &Arc<Self>) -> Feed {
        Arc::new(Head { merge: self.clone() })
    }

    fn start(&self, number: usize, info: StreamInfo) {
        let mut state = self.state.lock();
        let lanes = &mut *state;
        if let Some(lane) = lanes.lanes.get_mut(number) {
            lane.open = true;
            lane.queue.clear();
        }
        if !lanes.started {
            lanes.started = true;
            let brings = |kind| lanes.lanes.iter().any(|lane| lane.kinds.contains(&kind));
            let known = |kind, known: Option<bool>| if brings(kind) { known.or(Some(true)) } else { Some(false) };
            // What one source does not have another may bring.
            let video = known(Kind::Video, info.video.filter(|has| *has || lanes.lanes.len() == 1));
            let audio = known(Kind::Audio, info.audio.filter(|has| *has || lanes.lanes.len() == 1));
            self.next.start(StreamInfo { video, audio, ..info });
        }
    }

    fn push(&self, number: usize, packet: Packet) {
        let mut state = self.state.lock();
        let now = packet.arrival;
        if packet.kind == Kind::Data || state.lanes.len() == 1 {
            drop(state);
            return self.next.push(packet);
        }
        if let Some(lane) = state.lanes.get_mut(number) {
            lane.queue.push_back(packet);
        }
        // Held while packets go on, so that two producers keep the order: the stream never waits (but for its pace in
        // a graph that runs free, where both producers are to wait).
        while let Some(packet) = state.take(now) {
            self.next.push(packet);
        }
    }

    fn end(&self, number: usize, clean: bool) {
        let mut state = self.state.lock();
        if let Some(lane) = state.lanes.get_mut(number) {
            lane.open = false;
        }
        let over = state.lanes.iter().all(|lane| !lane.open);
        while let Some(packet) = if over { state.earliest() } else { state.take(Instant::now()) } {
            self.next.push(packet);
        }
        if over && std::mem::take(&mut state.started) {
            self.next.end(clean);
        }
    }
}

impl Lanes {
    /// The earliest packet, if no open lane may still bring an earlier one.
    fn take(&mut self, now: Instant) -> Option<Packet> {
        let complete = self.lanes.iter().all(|lane| !lane.open || !lane.queue.is_empty());
        let waited = |lane: &Lane| {
            let head = lane.queue.front();
            lane.queue.len() >= MOST || head.is_some_and(|head| now.saturating_duration_since(head.arrival) > PATIENCE)
        };
        if complete || self.lanes.iter().any(waited) { self.earliest() } else { None }
    }

    fn earliest(&mut self) -> Option<Packet> {
        let lanes = self.lanes.iter_mut().filter(|lane| !lane.queue.is_empty());
        // Of one time the headers first: who joins at the first key frame is to have all of them before it.
        let order =
            |lane: &&mut Lane| lane.queue.front().map_or((i64::MAX, true), |head| (head.dts, !head.flags.header));
        lanes.min_by_key(order)?.queue.pop_front()
    }
}

struct IntoLane {
    merge: Arc<Merge>,
    number: usize,
}

impl Intake for IntoLane {
    fn start(&self, info: StreamInfo) {
        self.merge.start(self.number, info);
    }

    fn push(&self, packet: Packet) {
        self.merge.push(self.number, packet);
    }

    fn end(&self, clean: bool) {
        self.merge.end(self.number, clean);
    }

    fn marks(&self) -> Vec<String> {
        self.merge.next.marks()
    }

    fn came_by(&self, hops: &[String]) {
        self.merge.next.came_by(hops);
    }

    fn runs_on(&self, thread: usize) {
        self.merge.next.runs_on(thread);
    }
}

struct Head {
    merge: Arc<Merge>,
}

impl Intake for Head {
    fn start(&self, info: StreamInfo) {
        let lanes = self.merge.state.lock().lanes.len();
        (0..lanes).for_each(|number| self.merge.start(number, info));
    }

    fn push(&self, packet: Packet) {
        self.merge.next.push(packet);
    }

    fn end(&self, clean: bool) {
        let lanes = self.merge.state.lock().lanes.len();
        (0..lanes).for_each(|number| self.merge.end(number, clean));
    }

    fn marks(&self) -> Vec<String> {
        self.merge.next.marks()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::media::Flags;

    #[derive(Default)]
    struct Collector(Mutex<(Vec<(Kind, i64)>, Vec<String>)>);

    impl Intake for Collector {
        fn start(&self, info: StreamInfo) {
            self.0.lock().1.push(format!("start {:?} {:?}", info.video, info.audio));
        }
        fn push(&self, packet: Packet) {
            self.0.lock().0.push((packet.kind, packet.dts));
        }
        fn end(&self, clean: bool) {
            self.0.lock().1.push(format!("end {clean}"));
        }
    }

    fn packet(kind: Kind, dts: i64, arrival: Instant) -> Packet {
        Packet { kind, track: 0, dts, cts: 0, flags: Default::default(), body: Default::default(), arrival }
    }

    #[test]
    fn two_lanes_come_out_in_the_order_of_time() {
        let collector = Arc::new(Collector::default());
        let merge = Merge::new(vec![vec![Kind::Video], vec![Kind::Audio]], collector.clone());
        let (video, audio, head) = (merge.lane(0), merge.lane(1), merge.head());
        let now = Instant::now();
        head.start(StreamInfo { video: Some(true), audio: Some(true), realtime: true });
        for dts in [0, 40, 80] {
            video.push(packet(Kind::Video, dts, now));
        }
        for dts in [0, 23, 46, 69, 92] {
            audio.push(packet(Kind::Audio, dts, now));
        }
        head.end(true);
        let collected = collector.0.lock();
        let times: Vec<i64> = collected.0.iter().map(|(_, dts)| *dts).collect();
        assert_eq!(times, [0, 0, 23, 40, 46, 69, 80, 92]);
        assert_eq!(collected.1, ["start Some(true) Some(true)", "end true"], "each once");
    }

    #[test]
    fn every_header_comes_before_the_first_frame_of_its_time() {
        let collector = Arc::new(Collector::default());
        let merge = Merge::new(vec![vec![Kind::Video], vec![Kind::Audio]], collector.clone());
        let (video, audio, head) = (merge.lane(0), merge.lane(1), merge.head());
        let now = Instant::now();
        head.start(StreamInfo { video: Some(true), audio: Some(true), realtime: true });
        for lane in [(&video, Kind::Video), (&audio, Kind::Audio)] {
            let header = packet(lane.1, 0, now);
            lane.0.push(Packet { flags: Flags { header: true, ..Flags::default() }, ..header });
            lane.0.push(packet(lane.1, 0, now));
        }
        head.end(true);
        let kinds: Vec<Kind> = collector.0.lock().0.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [Kind::Video, Kind::Audio, Kind::Video, Kind::Audio]);
    }

    #[test]
    fn a_lane_that_brings_nothing_holds_the_other_for_a_moment_only() {
        let collector = Arc::new(Collector::default());
        let merge = Merge::new(vec![vec![Kind::Video], vec![Kind::Audio]], collector.clone());
        merge.head().start(StreamInfo::default());
        let begin = Instant::now();
        let video = merge.lane(0);
        video.push(packet(Kind::Video, 0, begin));
        assert!(collector.0.lock().0.is_empty());
        video.push(packet(Kind::Video, 300, begin + Duration::from_millis(300)));
        assert_eq!(collector.0.lock().0, [(Kind::Video, 0)]);
    }

    #[test]
    fn a_taker_gets_only_the_kinds_that_it_wants() {
        let (all, sound) = (Arc::new(Collector::default()), Arc::new(Collector::default()));
        let fan = Fan::feed(vec![
            (vec![Kind::Audio, Kind::Video, Kind::Data], all.clone()),
            (vec![Kind::Audio], sound.clone()),
        ]);
        fan.start(StreamInfo { video: None, audio: None, realtime: true });
        fan.push(packet(Kind::Video, 0, Instant::now()));
        fan.push(packet(Kind::Audio, 0, Instant::now()));
        assert_eq!(all.0.lock().0.len(), 2);
        assert_eq!(sound.0.lock().0, [(Kind::Audio, 0)]);
        assert_eq!(sound.0.lock().1, ["start Some(false) None"]);
    }
}
