//! Plays a demuxer on a thread of its own: paced or free, once or in a loop, with time that goes on across loops.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::demux::{Demuxer, ReadError};
use crate::error::{Ended, Origin, Reason, Retry};
use crate::media::pace::Pacer;
use crate::media::{Feed, Kind, Packet, StreamInfo, classify};
use crate::monitor::{InputStats, OutputStats};
use crate::source::SourceJob;
use crate::stop::Stop;

/// A step in a file's time that is taken for a new beginning (joined recordings), not for a silence to wait out.
const JUMP_MS: i64 = 10_000;
/// A step back that is more than sloppy interleaving.
const BACK_MS: i64 = 2_000;
/// A thread that was held up for longer does not hurry to catch up.
const LATE: Duration = Duration::from_secs(2);
/// Headers that may precede the first frame.
const MAX_HEADERS: usize = 1000;

/// What is said of media without a single frame.
pub(crate) const NO_MEDIA: &str = "no video and no audio in it";

/// How a demuxer is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// How far ahead of real time packets may go, where they come early: a live source's first burst is not delayed.
    pub(crate) lead: Duration,
    /// Let the media's clock be faster than ours by this many parts in a million, so that a live source with a fast
    /// clock is not held back more and more.
    pub(crate) drift_ppm: i64,
    /// How many times to play; `None` = for ever.
    pub(crate) times: Option<u64>,
}

/// Opens the media, once per loop.
pub(crate) type Open = Box<dyn FnMut() -> Result<Box<dyn Demuxer>, ReadError> + Send>;

/// Runs `open` and what it gives on a thread named after the input, until the end or `job.stop`. Tells the feed of the
/// start and the end.
pub(crate) async fn on_thread(job: SourceJob, style: Style, open: Open) -> Ended {
    let (done, result) = oneshot::channel();
    let (feed, stop) = (job.feed.clone(), job.stop.clone());
    let mut player = Player::new(&job, style);
    let thread = std::thread::Builder::new().name(format!("in {}", job.name)).spawn(move || {
        let result = player.play(open);
        let _ = done.send((result, player.started, !player.tracks.is_empty()));
    });
    if let Err(error) = thread {
        return Ended::internal(format!("no thread could be started: {error}"));
    }
    let Ok((result, started, gave)) = result.await else {
        feed.end(false);
        return Ended::internal("reading it failed by a fault of ours");
    };
    let ended = match result {
        _ if stop.is_stopped() => Ended::stopped(),
        Ok(()) if gave => Ended::clean(),
        // Metadata alone is what a muxer writes before it meets its first frame: nothing was played.
        Ok(()) => Ended::new(Origin::Config, Retry::Never, Reason::Media, NO_MEDIA),
        Err(error) => error.ended(),
    };
    if started {
        feed.end(ended.is_clean());
    }
    ended
}

struct Player {
    feed: Feed,
    stop: Stop,
    realtime: bool,
    style: Style,
    stats: std::sync::Arc<InputStats>,
    started: bool,
    pacer: Option<(Pacer, i64)>,
    /// Added to the times of this loop.
    offset: i64,
    /// The last time of each (kind, track), and the step to it.
    tracks: Vec<(Kind, u8, i64, i64)>,
    last: i64,
    last_arrival: Option<Instant>,
    info: StreamInfo,
}

impl Player {
    fn new(job: &SourceJob, style: Style) -> Self {
        Self {
            feed: job.feed.clone(),
            stop: job.stop.clone(),
            realtime: job.realtime,
            style,
            stats: job.stats.clone(),
            started: false,
            pacer: None,
            offset: 0,
            tracks: Vec::new(),
            last: 0,
            last_arrival: None,
            info: StreamInfo::default(),
        }
    }

    fn play(&mut self, mut open: Open) -> Result<(), ReadError> {
        let mut round = 0u64;
        loop {
            round += 1;
            let more = self.style.times.is_none_or(|times| round < times);
            let mut media = open()?;
            let (video, audio) = media.tracks();
            self.info = StreamInfo { video, audio, realtime: self.realtime };
            let frames = self.play_once(media.as_mut(), round > 1, more)?;
            if !more || frames == 0 || self.stop.is_stopped() {
                return Ok(());
            }
        }
    }

    /// Plays to the end; gives the number of frames. `again`: continue the time of the loop before. `more`: another
    /// loop follows, so that the end of a sequence is not one.
    fn play_once(&mut self, media: &mut dyn Demuxer, again: bool, more: bool) -> Result<u64, ReadError> {
        let mut headers: Vec<Packet> = Vec::new();
        let mut frames = 0u64;
        while !self.stop.is_stopped() {
            let Some(mut packet) = media.next()? else { break };
            if more && classify::ends_sequence(&packet) {
                continue;
            }
            // Headers wait for the first frame, whose time is the one that counts.
            if frames == 0 && (packet.flags.header || packet.kind == Kind::Data) && headers.len() < MAX_HEADERS {
                headers.push(packet);
                continue;
            }
            if frames == 0 {
                if again {
                    self.offset = self.end().saturating_sub(packet.dts);
                    for header in &mut headers {
                        header.dts = packet.dts;
                    }
                }
                let Some(arrival) = self.due(packet.dts.saturating_add(self.offset)) else { break };
                for mut header in headers.drain(..) {
                    header.dts = header.dts.saturating_add(self.offset);
                    header.arrival = arrival;
                    self.push(header);
                }
            }
            frames += 1;
            packet.dts = packet.dts.saturating_add(self.offset);
            let Some(arrival) = self.due(packet.dts) else { break };
            packet.arrival = arrival;
            self.note(&packet);
            self.push(packet);
        }
        for header in headers {
            self.push(header);
        }
        Ok(frames)
    }

    /// The source begins with its first packet: what gives none was never there.
    fn push(&mut self, packet: Packet) {
        if !self.started {
            self.started = true;
            self.feed.start(self.info);
            OutputStats::add(&self.stats.starts, 1);
        }
        self.feed.push(packet);
    }

    /// Waits until a time is due; `None` when told to stop.
    fn due(&mut self, dts: i64) -> Option<Instant> {
        let (realtime, stop) = (self.realtime, &self.stop);
        let (pacer, origin) = self.pacer.get_or_insert_with(|| (Pacer::new(realtime, stop.clone()), dts));
        let step = dts.saturating_sub(self.last);
        let jumped = self.last != 0 && !(-BACK_MS..=JUMP_MS).contains(&step);
        let at = millis(dts.saturating_sub(*origin), self.style);
        if jumped || pacer.late(at) > LATE {
            *origin = dts;
            pacer.restart(Duration::ZERO);
        }
        self.last = dts;
        let at = millis(dts.saturating_sub(*origin), self.style);
        let (waited, now) = (pacer.wait(at)?, Instant::now());
        // What may come early arrives when it comes: the time at which it was due would lie before the first packet.
        let due = if self.style.lead.is_zero() { waited.min(now) } else { now };
        // A packet that is out of order arrives with the one before it.
        let arrival = self.last_arrival.map_or(due, |last| last.max(due));
        self.last_arrival = Some(arrival);
        Some(arrival)
    }

    /// Keeps what is needed to join the next loop.
    fn note(&mut self, packet: &Packet) {
        if packet.kind == Kind::Data || packet.flags.header || classify::ends_sequence(packet) {
            return;
        }
        let key = (packet.kind, packet.track);
        match self.tracks.iter_mut().find(|(kind, track, ..)| (*kind, *track) == key) {
            Some((_, _, last, step)) => {
                if packet.dts > *last {
                    *step = (packet.dts - *last).min(1000);
                }
                *last = packet.dts;
            }
            None => {
                let first_guess = if packet.kind == Kind::Video { 40 } else { 23 };
                self.tracks.push((packet.kind, packet.track, packet.dts, first_guess));
            }
        }
    }

    /// When the longest track of this loop ends.
    fn end(&self) -> i64 {
        self.tracks.iter().map(|(_, _, last, step)| last.saturating_add(*step)).max().unwrap_or(0)
    }
}

/// A time since the origin as the pacer counts it, less the lead and the drift.
fn millis(since: i64, style: Style) -> Duration {
    let scaled = since.saturating_sub((since / 1_000_000).saturating_mul(style.drift_ppm));
    let scaled = scaled.saturating_sub((since % 1_000_000).saturating_mul(style.drift_ppm) / 1_000_000);
    Duration::from_millis(u64::try_from(scaled).unwrap_or(0)).saturating_sub(style.lead)
}

#[cfg(test)]
#[path = "play_tests.rs"]
mod tests;
