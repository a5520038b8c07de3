//! One continuous time for a stream, whatever its sources do: unwraps, never goes back within a track, absorbs jumps,
//! and joins a returning source on with one offset for all its tracks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Kind, Packet};

/// Unwraps 32-bit timestamps (milliseconds modulo 2^32) of one connection to 64 bits.
#[derive(Debug, Default)]
pub struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The 64-bit time nearest to the previous one that has these low 32 bits.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let time = match self.last {
            None => i64::from(timestamp),
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
        };
        self.last = Some(time);
        time
    }
}

/// A step back beyond this is a jump of the source's clock; below it the packet is held at its track's last time.
const BACK: i64 = 1_000;
/// A step forward that exceeds the time that really passed by more than this is a jump.
const AHEAD: i64 = 10_000;
/// The step to the first packet after a jump or a return, where none could be measured.
const STEP: i64 = 40;
/// How long a source's start is held to see both audio and video, so that one offset serves both.
const LOOK_AHEAD: Duration = Duration::from_millis(250);
const LOOK_AHEAD_PACKETS: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Track {
    raw: i64,
    out: i64,
    step: i64,
    arrival: Instant,
}

/// Maps the time of one source after another to the stream's own.
#[derive(Debug, Default)]
pub struct Timeline {
    offset: Option<i64>,
    /// The offset before the last jump: the other tracks still count by it until they have jumped too.
    before: Option<i64>,
    tracks: HashMap<(Kind, u8), Track>,
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
        self.before = None;
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
        self.held.iter().filter(|packet| packet.kind != Kind::Data && !packet.flags.header)
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
        self.offset = Some(self.next_out() - first);
        self.tracks.values_mut().for_each(|track| track.raw = i64::MIN);
        for packet in std::mem::take(&mut self.held) {
            out.push(self.map(packet));
        }
    }

    /// Where the stream goes on: after its last packet of any media track, by that track's own step.
    fn next_out(&self) -> i64 {
        let media = self.tracks.iter().filter(|((kind, _), _)| *kind != Kind::Data);
        media.map(|(_, track)| track.out + track.step).max().unwrap_or(0)
    }

    fn map(&mut self, mut packet: Packet) -> Packet {
        let key = (packet.kind, packet.track);
        let mut offset = self.offset.unwrap_or(0);
        let last = self.tracks.get(&key).copied();
        let same_source = last.filter(|track| track.raw != i64::MIN);
        // Headers and data carry no clock of their own (many encoders stamp them 0): they never make a jump.
        let clocked = packet.kind != Kind::Data && !packet.flags.header;
        if clocked && let Some(track) = same_source {
            let step = packet.dts - track.raw;
            let passed =
                i64::try_from(packet.arrival.saturating_duration_since(track.arrival).as_millis()).unwrap_or(0);
            let ahead = self.realtime && step > passed + AHEAD;
            let expected = track.out + step.clamp(0, AHEAD);
            if step < -BACK || ahead {
                offset = self.jump(packet.dts, track);
            } else if let Some(before) = self.before
                && (packet.dts + before - expected).abs() < (packet.dts + offset - expected).abs()
            {
                // This track has not jumped yet, another one has.
                offset = before;
            }
        }
        let mut time = (packet.dts + offset).max(0);
        if let Some(track) = last
            && time < track.out
        {
            if clocked && same_source.is_some() {
                self.jumps += 1;
            }
            time = track.out;
        }
        if !clocked {
            time = self.near(time, key);
        }
        let step = match last {
            Some(track) if clocked && (1..=BACK).contains(&(time - track.out)) => time - track.out,
            Some(track) => track.step,
            None => STEP,
        };
        let raw = if clocked { packet.dts } else { same_source.map_or(i64::MIN, |track| track.raw) };
        self.tracks.insert(key, Track { raw, out: time, step, arrival: packet.arrival });
        packet.dts = time;
        packet
    }

    /// A header or data message belongs where the media is: not before its track's last time, and not far from it.
    fn near(&self, time: i64, key: (Kind, u8)) -> i64 {
        let media = self.tracks.iter().filter(|((kind, _), _)| *kind != Kind::Data);
        let edge = media.map(|(_, track)| track.out).max().unwrap_or(0);
        let own = self.tracks.get(&key).map_or(0, |track| track.out);
        if (time - edge).abs() > AHEAD { edge.max(own) } else { time.max(own) }
    }

    /// The source's clock jumped: the offset under which this packet follows its track's last one.
    fn jump(&mut self, dts: i64, track: Track) -> i64 {
        self.jumps += 1;
        // The other track may have jumped first; then its offset fits this one too.
        if let Some(offset) = self.offset
            && (dts + offset - track.out).abs() <= BACK
        {
            return offset;
        }
        self.before = self.offset;
        let offset = track.out + track.step - dts;
        self.offset = Some(offset);
        offset
    }
}

#[cfg(test)]
mod tests;
