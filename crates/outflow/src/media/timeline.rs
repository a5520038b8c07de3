//! One continuous time for a stream, whatever its sources do: unwraps, never goes back within a track, absorbs jumps,
//! and joins a returning source on with one offset for all its tracks.

use std::time::{Duration, Instant};

use super::classify::ends_sequence;
use super::{Few, Kind, Packet};
use pictures::{FAR, Pictures};

/// Unwraps 32-bit timestamps (milliseconds modulo 2^32) of one connection to 64 bits, each track by itself: tracks that are
/// half the range apart would pull each other around.
#[derive(Debug, Default)]
pub struct Unwrapper {
    last: Option<i64>,
    tracks: Few<(Kind, u8), i64>,
}

impl Unwrapper {
    /// Gives `packet` the 64-bit time nearest to the previous one of its track that has these low 32 bits; the first of a
    /// track is near the connection's last. Headers and data, which many encoders stamp 0, are placed but not counted from.
    pub fn unwrap(&mut self, packet: &mut Packet, timestamp: u32) {
        let key = (packet.kind, packet.track);
        let time = match self.tracks.get(&key).copied().or(self.last) {
            None => i64::from(timestamp),
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
        };
        if has_clock(packet) {
            self.last = Some(time);
            self.tracks.insert(key, time);
        }
        packet.dts = time;
    }
}

/// Headers and data carry no clock of their own (many encoders stamp them 0), nor does what ends a sequence, with the time of the
/// last frame: they never make a jump.
fn has_clock(packet: &Packet) -> bool {
    // An end is a few bytes; others need not be looked into.
    packet.kind != Kind::Data && !packet.flags.header && !(packet.body.len() <= 32 && ends_sequence(packet))
}

/// A step back beyond this is a jump of the source's clock at once; below it, if the next packet is behind too. Where a
/// track may go on: within this of where it is expected.
const BACK: i64 = 1_000;
/// A step forward that exceeds the time that really passed by more than this is a jump. Tracks that begin further apart
/// have clocks of their own.
const AHEAD: i64 = 10_000;
/// The step to the first packet after a jump or a return, where none could be measured.
const STEP: i64 = 40;
/// How long a source's start is held to see both audio and video, so that one offset serves both.
const LOOK_AHEAD: Duration = Duration::from_millis(250);
const LOOK_AHEAD_PACKETS: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Track {
    /// The stream's time of a packet is the source's plus this. All tracks have the same, until one jumps alone.
    offset: i64,
    /// The source's time of the last packet, once there was one of the present source, and when that came.
    raw: Option<i64>,
    arrival: Instant,
    /// The stream's time of the last frame, and the step that led to it.
    out: i64,
    step: i64,
    /// The same of the last packet, header or frame.
    edge: i64,
    /// The last frame before the source's time stopped or went back: frames are pushed on from there.
    held: Option<Held>,
    /// The order of its pictures.
    pictures: Pictures,
}

impl Track {
    /// About a step from the last frame, rather more than less, towards `target`, which is when it came: pictures sent before
    /// others have to stay in order.
    fn paced(&self, packet: &Packet, target: i64) -> i64 {
        let next = self.out + self.step;
        if let Some(pace) = self.pictures.pace(packet.cts) {
            // Those that were pushed on before it was known that the clock stands took their time too.
            let pushed = self.held.filter(|held| !held.stuck && !held.joined);
            let last = pushed.map_or(self.out, |held| self.out.max(held.out + held.packets.min(16) * pace.step));
            // What comes late does not stay late; a source that paused does.
            let behind = self.held.and_then(|held| held.behind);
            let is_far =
                target - last - pace.step > BACK || behind.is_some_and(|since| millis(packet.arrival, since) > FAR);
            return self.pictures.paced(pace, last, packet.cts, target, is_far);
        }
        match (target - next).abs() <= 5 * self.step {
            true => target.clamp(next - self.step / 8, next + self.step / 2),
            false => target,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    /// Its time by the source's present clock.
    raw: i64,
    out: i64,
    arrival: Instant,
    /// Frames since.
    packets: i64,
    /// The source's time stands still, so our clock is used instead; the offset is still that from before.
    stuck: bool,
    /// It is only that the track has come back to others that are a little behind it.
    joined: bool,
    /// Since when frames are sent far earlier than when they come.
    behind: Option<Instant>,
}

/// Maps the time of one source after another to the stream's own.
#[derive(Debug, Default)]
pub struct Timeline {
    /// What tracks count by that are new: the offset of the last track that jumped.
    offset: Option<i64>,
    /// Where the present source began.
    begin: i64,
    tracks: Few<(Kind, u8), Track>,
    /// Packets of a source that has just begun, until its offset is known.
    held: Vec<Packet>,
    /// What is known of the source: whether audio, video will come.
    expected: (Option<bool>, Option<bool>),
    realtime: bool,
    jumps: u64,
}

impl Timeline {
    /// A source begins or returns: its time base is new.
    pub fn start(&mut self, audio: Option<bool>, video: Option<bool>, realtime: bool) {
        self.held.clear();
        self.offset = None;
        self.expected = (audio, video);
        self.realtime = realtime;
    }

    /// Jumps and backward steps mended so far.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// Takes a packet with the source's time; gives back what is ready, with the stream's time, in the same order.
    /// Nothing is lost: the first packets of a source come out together once its offset is known.
    pub fn push(&mut self, packet: Packet, out: &mut Vec<Packet>) {
        if self.offset.is_some() {
            out.push(self.map(packet));
            return;
        }
        let arrival = packet.arrival;
        self.held.push(packet);
        if self.knows_enough(arrival) {
            self.release(out);
        }
    }

    /// Gives out what is still held: the source ended.
    pub fn flush(&mut self, out: &mut Vec<Packet>) {
        if self.offset.is_none() && !self.held.is_empty() {
            self.release(out);
        }
    }

    fn media(&self) -> impl Iterator<Item = &Packet> {
        self.held.iter().filter(|packet| has_clock(packet))
    }

    fn knows_enough(&self, now: Instant) -> bool {
        let has = |kind| self.media().any(|packet| packet.kind == kind);
        let enough = |expected: Option<bool>, kind| expected == Some(false) || has(kind);
        let Some(first) = self.media().next() else { return false };
        (enough(self.expected.0, Kind::Audio) && enough(self.expected.1, Kind::Video))
            || now.saturating_duration_since(first.arrival) >= LOOK_AHEAD
            || self.held.len() >= LOOK_AHEAD_PACKETS
    }

    fn release(&mut self, out: &mut Vec<Packet>) {
        let first = self.media().map(|packet| packet.dts).min();
        let first = first.or_else(|| self.held.first().map(|packet| packet.dts)).unwrap_or(0);
        self.begin = self.next_out();
        self.offset = Some(self.begin - first);
        for track in self.tracks.values_mut() {
            (track.raw, track.held, track.pictures) = (None, None, Pictures::default());
        }
        for packet in std::mem::take(&mut self.held) {
            out.push(self.map(packet));
        }
    }

    /// Where the stream goes on: after its last packet of any media track, by that track's own step.
    fn next_out(&self) -> i64 {
        let media = self.tracks.iter().filter(|((kind, _), _)| *kind != Kind::Data);
        media.map(|(_, track)| track.edge.max(track.out + track.step)).max().unwrap_or(0)
    }

    fn map(&mut self, mut packet: Packet) -> Packet {
        let key = (packet.kind, packet.track);
        let last = self.tracks.get(&key).copied();
        let present = last.filter(|track| track.raw.is_some());
        let clocked = has_clock(&packet);
        let stood = present.filter(|_| clocked).and_then(|track| self.standing(&packet, key, track));
        let offset = match present {
            Some(track) if stood.is_some() => track.offset,
            Some(track) if clocked => self.offset_after(&packet, key, track),
            None if clocked => self.offset_of_first(&packet),
            present => present.map(|track| track.offset).or(self.offset).unwrap_or(0),
        };
        let mut time = stood.unwrap_or(packet.dts + offset).max(0);
        let mut track = last.unwrap_or(Track {
            offset,
            raw: None,
            arrival: packet.arrival,
            out: -1,
            step: STEP,
            edge: 0,
            held: None,
            pictures: Pictures::default(),
        });
        let joined = track.offset != offset && self.present(Some(key)).any(|other| other.offset == offset);
        track.offset = offset;
        if clocked {
            let is_held = time <= track.out && present.is_some();
            time = time.max(track.out + 1).max(track.edge);
            // What was lost while time stood still is not lost again, and the step from there is none of the source's.
            let is_regular = track.held.is_none();
            let joined = (joined || track.held.is_some_and(|held| held.stuck)) && stood.is_none();
            track.held = track.held.filter(|held| stood.is_some() || !held.stuck);
            if is_held || track.raw == Some(packet.dts) {
                let (mut raw, mut out, arrival) = (track.out - offset, track.out, track.arrival);
                if stood.is_some() && track.held.is_none_or(|held| held.joined) {
                    // Not from where it may have been pushed to, or that would add up.
                    (track.held, raw, out) = (None, packet.dts, packet.dts + offset);
                }
                let begun = Held { raw, out, arrival, packets: 0, stuck: false, joined, behind: None };
                let held = track.held.get_or_insert(begun);
                held.packets += 1;
                self.jumps += u64::from(stood.is_some() && !held.stuck);
                held.stuck |= stood.is_some();
                // It may not have been known.
                let passed = millis(packet.arrival, track.arrival);
                if let Some(pace) = stood.and_then(|_| track.pictures.pace(packet.cts)) {
                    track.step = pace.step;
                    let late = held.out + millis(packet.arrival, held.arrival) - time;
                    held.behind = held.behind.or(Some(packet.arrival)).filter(|_| late > FAR);
                } else if stood.is_some() && held.packets > 2 && key.0 == Kind::Video && passed <= BACK {
                    track.step = (track.step + (passed - track.step) / 4).max(1);
                }
            } else {
                let (step, passed) = (time - track.out, millis(packet.arrival, track.arrival));
                // The last step before a clock stands still may be cut short.
                let is_cut = self.realtime && 4 * step < 3 * track.step.min(passed);
                if (1..=BACK).contains(&step) && is_regular && !is_cut && track.out >= 0 {
                    track.step = step;
                }
                track.held = None;
            }
            if key.0 == Kind::Video {
                track.pictures.sent(time, packet.cts);
            }
            (track.raw, track.arrival, track.out) = (Some(packet.dts), packet.arrival, time);
        } else {
            time = self.near(time, key);
        }
        track.edge = time;
        self.tracks.insert(key, track);
        packet.dts = time;
        packet
    }

    /// The offset of a source's first packet of a track: the common one, unless that is absurdly far from what came of the
    /// other tracks. Then the track has a clock of its own, and begins where they are.
    fn offset_of_first(&mut self, packet: &Packet) -> i64 {
        let common = self.offset.unwrap_or(0);
        let place = match self.edge(None) {
            None => self.begin,
            Some(edge) if self.realtime => edge.out + millis(packet.arrival, edge.arrival),
            Some(edge) => edge.out,
        };
        let off = |offset: i64| (packet.dts + offset - place).abs();
        if off(common) <= AHEAD {
            return common;
        }
        self.jumps += 1;
        let others = self.present(None).map(|track| track.offset);
        others.min_by_key(|offset| off(*offset)).filter(|offset| off(*offset) <= AHEAD).unwrap_or(place - packet.dts)
    }

    /// The offset of a track's next packet: its own, another track's that has jumped before it, or a new one if the
    /// source's clock jumped.
    fn offset_after(&mut self, packet: &Packet, key: (Kind, u8), track: Track) -> i64 {
        if let Some(held) = track.held.filter(|held| held.stuck) {
            return self.after_standing_still(packet, key, track, held);
        }
        let step = track.raw.map_or(0, |raw| packet.dts - raw);
        let passed = millis(packet.arrival, track.arrival);
        let is_odd = (step - track.step).abs() > BACK && (step - passed).abs() > BACK;
        let is_behind = packet.dts + track.offset <= track.out;
        if !is_odd && !is_behind {
            return track.offset;
        }
        let target = self.target(packet, key, track);
        let off = |offset: i64| (packet.dts + offset - target).abs();
        let own = off(track.offset);
        if own <= BACK && !is_behind {
            return track.offset;
        }
        // Audio and video stay together where both jumped.
        let others = self.present(Some(key)).map(|track| track.offset);
        if let Some(other) = others.min_by_key(|offset| off(*offset))
            && off(other) <= BACK
            && off(other) < own
        {
            self.jumps += 1;
            return other;
        }
        // A picture is a little before the last one: then pictures that are sent before others are shown before those no
        // longer.
        if is_behind && key.0 == Kind::Video && (-track.step..0).contains(&step) {
            return self.shift(target - packet.dts, track);
        }
        let is_ahead = self.realtime && step > passed + AHEAD;
        if step < -BACK || is_ahead || (is_behind && self.is_lost(packet, track, step)) {
            self.jumps += 1;
            self.offset = Some(target - packet.dts);
            return target - packet.dts;
        }
        self.jumps += u64::from(step < 0 && is_behind);
        track.offset
    }

    /// When a packet plays whose time is that of the last one because the source's clock stands still: by our clock, by when
    /// it came. (Some that come together may share their time, as two fields of a picture do.)
    fn standing(&self, packet: &Packet, key: (Kind, u8), track: Track) -> Option<i64> {
        if !self.realtime || track.raw != Some(packet.dts) {
            return None;
        }
        let is_video = key.0 == Kind::Video;
        let (out, raw, arrival) = match track.held.filter(|held| !held.joined) {
            Some(held) => (held.out, held.raw, held.arrival),
            None => (packet.dts + track.offset, packet.dts, track.arrival),
        };
        let passed = millis(packet.arrival, arrival);
        let mut stuck = self.present(None).filter(|other| other.held.is_some_and(|held| held.stuck));
        let is_stuck = track.held.is_some_and(|held| held.stuck)
            // Sound that shares its time is no sign, unless another clock stands.
            || (!is_video && stuck.next().is_some())
            // Two fields of a picture are shown together. A picture's time stands for one more frame at most, or pictures that
            // are shown before it come after it.
            || (is_video && track.pictures.differs(packet.cts))
            || (is_video && 4 * millis(packet.arrival, track.arrival) >= 3 * track.step)
            || 2 * (passed - (packet.dts - raw)) >= 3 * self.longest(track);
        let target = out.saturating_add(passed);
        is_stuck.then(|| if is_video { track.paced(packet, target) } else { target })
    }

    /// Gives a track another offset, and with it all that had the same: so little is not seen by each of them.
    fn shift(&mut self, offset: i64, track: Track) -> i64 {
        self.jumps += 1;
        self.offset = Some(offset);
        for other in self.tracks.values_mut().filter(|other| other.raw.is_some() && other.offset == track.offset) {
            other.offset = offset;
            if let Some(held) = &mut other.held {
                held.raw += track.offset - offset;
            }
        }
        offset
    }

    /// One packet a little out of order, or some with one time, are no jump: what was lost has to be more than two frames
    /// take, of any track. So all of them jump, or none does.
    fn is_lost(&self, packet: &Packet, track: Track, step: i64) -> bool {
        let longest = self.longest(track);
        if track.step - step >= 2 * longest {
            return true;
        }
        let Some(held) = track.held.filter(|held| !held.joined) else { return false };
        let expected = match self.realtime {
            true => millis(packet.arrival, held.arrival),
            false => (held.packets + 1).saturating_mul(track.step),
        };
        step != 0 && expected - (packet.dts - held.raw) >= 2 * longest
    }

    /// The step of the track with the longest frames.
    fn longest(&self, track: Track) -> i64 {
        self.present(None).map(|track| track.step).max().unwrap_or(track.step)
    }

    /// Where a track is to go on whose time makes no sense.
    fn target(&self, packet: &Packet, key: (Kind, u8), track: Track) -> i64 {
        let next = match track.held {
            // What was pushed on meanwhile took less time than it should have.
            Some(held) if self.realtime => {
                (held.out + millis(packet.arrival, held.arrival).min(AHEAD)).max(track.out + 1)
            }
            _ => track.out + track.step,
        };
        // By its own step, or where the others are if they have left it behind.
        self.edge(Some(key)).map(|edge| edge.out).filter(|edge| edge - next > BACK).unwrap_or(next)
    }

    /// A clock that stood still runs again. If it has caught up, time simply goes on as before. If not, it has lost what
    /// was played meanwhile. Each track went on by when its packets came, so they are no longer quite together: they go
    /// with video, which may not be moved within a group.
    fn after_standing_still(&mut self, packet: &Packet, key: (Kind, u8), track: Track, held: Held) -> i64 {
        let is_video = key.0 == Kind::Video;
        let passed = millis(packet.arrival, held.arrival);
        let target = held.out.saturating_add(passed).max(track.out + 1);
        let own = packet.dts + track.offset;
        // What comes late was played late, so it may be a little behind that. But where one picture's time stood for two, and
        // the next is a step from there, just that step was lost.
        let gained = own - held.out;
        let lost_a_frame = is_video && held.packets == 1 && (gained - track.step).abs() <= track.step / 8;
        let is_caught_up = gained.saturating_mul(2) >= passed && track.out - own <= 5 * self.longest(track);
        if is_caught_up && !lost_a_frame && own - target <= AHEAD {
            return track.offset;
        }
        let off = |offset: i64| (packet.dts + offset - target).abs();
        let running = self.present(Some(key)).filter(|other| !other.held.is_some_and(|held| held.stuck));
        let offsets =
            running.map(|other| other.offset).filter(|offset| *offset != track.offset && off(*offset) <= BACK);
        if let Some(offset) = offsets.filter(|_| !is_video).min_by_key(|offset| off(*offset)) {
            return offset;
        }
        let next = track.out + track.step;
        let offset = if (next - target).abs() <= BACK { next } else { target } - packet.dts;
        self.offset = Some(offset);
        if is_video {
            let is_little = (offset - track.offset).abs() <= 2 * track.step;
            for other in self.tracks.values_mut().filter(|other| other.raw.is_some()) {
                let is_held = other.held.is_some_and(|held| !held.stuck);
                // One that ran all the while has lost nothing, unless it was too little to be seen.
                let follows = if other.offset == track.offset { is_little || is_held } else { true };
                if follows && !other.held.is_some_and(|held| held.stuck) && (other.offset - offset).abs() <= BACK {
                    other.offset = offset;
                    other.held = other.held.map(|held| Held { joined: true, ..held });
                }
            }
        }
        offset
    }

    /// Audio and video tracks of which the present source has sent something.
    fn present(&self, but: Option<(Kind, u8)>) -> impl Iterator<Item = &Track> {
        let tracks = self.tracks.iter().filter(move |(key, track)| track.raw.is_some() && Some(**key) != but);
        tracks.map(|(_, track)| track)
    }

    /// The one that is furthest.
    fn edge(&self, but: Option<(Kind, u8)>) -> Option<&Track> {
        self.present(but).max_by_key(|track| track.out)
    }

    /// A header or data message belongs where the media is: not before its track's last time, and not far from it.
    fn near(&self, time: i64, key: (Kind, u8)) -> i64 {
        let media = self.tracks.iter().filter(|((kind, _), _)| *kind != Kind::Data);
        let edge = media.map(|(_, track)| track.edge).max().unwrap_or(0);
        let own = self.tracks.get(&key).map_or(0, |track| track.edge);
        if (time - edge).abs() <= AHEAD {
            time.max(own)
        } else if key.0 != Kind::Data && edge - own <= AHEAD {
            // Not at the edge: the track's next packet may be a little before that.
            own
        } else {
            edge.max(own)
        }
    }
}

/// Milliseconds between two instants; zero if they are the other way round.
fn millis(now: Instant, before: Instant) -> i64 {
    i64::try_from(now.saturating_duration_since(before).as_millis()).unwrap_or(i64::MAX)
}

mod pictures;
#[cfg(test)]
mod tests;
