//! The test source's thread: pictures and samples in the order of their times, on one clock.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot::Sender;

use crate::error::{Ended, Origin, Reason, Retry};
use crate::media::StreamInfo;
use crate::media::metadata::{AudioFacts, Metadata, VideoFacts};
use crate::media::pace::{Pacer, tick_time};
use crate::media::raw::{Picture, Samples};
use crate::monitor::Event;
use crate::source::SourceJob;

use super::clock::{Grid, date_text, time_text};
use super::picture::{Card, CardText, FrameFacts};
use super::settings::Settings;

/// Samples are made this much before their time: an AAC encoder gives a frame only when it has the next 1024 samples,
/// so that a packet of audio leaves when the packet of video of the same time does.
const AUDIO_LEAD: u64 = 1024;

/// Pictures kept for reuse: as many as can be on their way in a channel and in an encoder.
const KEPT_PICTURES: usize = 8;

/// Later than this, what is made arrives now: outputs measure their own lag from the arrival, not ours.
const LATE: Duration = Duration::from_millis(500);
/// So late, a person is told, and again each time it is twice as much.
const TELL_LATE: Duration = Duration::from_secs(2);

/// Makes pictures and samples until the end, a stop, or until nobody takes them. `done` is only watched: when its other
/// side is gone, nobody waits for this run any more.
pub(super) fn run(settings: &Settings, job: SourceJob, done: &Sender<Ended>) -> Ended {
    let SourceJob { feed, raw, realtime, stop, stats, events, name, .. } = job;
    let mut video = if settings.video { raw.video } else { Vec::new() };
    let mut audio = if settings.audio { raw.audio } else { Vec::new() };
    let (has_video, has_audio) = (!video.is_empty(), !audio.is_empty());
    if !has_video && !has_audio {
        let text = "nothing takes the test source's pictures or samples; add c=avc or c=aac";
        return Ended::new(Origin::Config, Retry::Never, Reason::Media, text);
    }
    if let Some(text) = &settings.warning {
        events(Event::Warning { who: name.clone(), text: text.clone() });
    }
    stats.starts.fetch_add(1, Ordering::Relaxed);
    let what = describe(settings, has_video, has_audio, realtime);
    events(Event::InputStarted { input: name.clone(), what });

    let pacer = Pacer::new(realtime, stop);
    let clock = Clock::new(settings, realtime, SystemTime::now());
    feed.start(StreamInfo { video: Some(has_video), audio: Some(has_audio), realtime });
    feed.push(metadata(settings, has_video, has_audio).packet(pacer.start()));
    drop(feed);

    let (frames, samples) = (settings.frames(), settings.samples());
    let mut screen = has_video.then(|| Screen::new(settings, clock));
    let (mut frame, mut sample) = (0u64, 0u64);
    let mut tell_late = TELL_LATE;
    loop {
        let next_frame = (!video.is_empty() && frame < frames).then(|| tick_time(frame, settings.num, settings.den));
        let next_sample = (!audio.is_empty() && sample < samples)
            .then(|| tick_time(sample.saturating_sub(AUDIO_LEAD), settings.sound.rate, 1));
        let video_first = match (next_frame, next_sample) {
            (None, None) => return Ended::clean(),
            (Some(frame), Some(sample)) => frame <= sample,
            (frame, _) => frame.is_some(),
        };
        let due = if video_first { next_frame } else { next_sample }.unwrap_or_default();
        let Some(instant) = pacer.wait(due) else { return Ended::stopped() };
        if done.is_closed() {
            return Ended::stopped();
        }
        let late = pacer.late(due);
        let arrival = if late > LATE { Instant::now() } else { instant };
        if late > tell_late {
            tell_late = late * 2;
            events(Event::Warning { who: name.clone(), text: too_slow(settings, late) });
        }
        let taken = if video_first {
            let picture = screen.as_mut().map(|screen| screen.picture(settings, frame, instant, arrival));
            frame += 1;
            picture.is_none_or(|picture| send(&mut video, &picture))
        } else {
            let len = (samples - sample).min(u64::from(settings.run));
            let planes = settings.sound.samples(&clock.seconds, sample, len as usize);
            let run = Samples { rate: settings.sound.rate, planes, index: sample, arrival };
            sample += len;
            send(&mut audio, &Arc::new(run))
        };
        if !taken {
            // The encoder's own ending says what happened.
            let stopped = pacer.wait(Duration::ZERO).is_none();
            return if stopped { Ended::stopped() } else { Ended::internal("an encoder of the test source ended") };
        }
    }
}

/// What is made, in one line.
fn describe(settings: &Settings, video: bool, audio: bool, realtime: bool) -> String {
    let mut parts = Vec::new();
    if video {
        parts.push(format!("{}x{} at {} fps", settings.width, settings.height, settings.fps_text()));
    }
    if audio {
        parts.push(format!("{} Hz in {} ch", settings.sound.rate, settings.sound.channels));
    }
    parts.push(if realtime { "in real time" } else { "as fast as it is taken" }.into());
    format!("test card, {}", parts.join(", "))
}

fn too_slow(settings: &Settings, late: Duration) -> String {
    let Settings { width, height, .. } = settings;
    format!(
        "{} s behind real time: this machine can't make {width}x{height} at {} fps; take smaller `sizes` or `fps`",
        late.as_secs(),
        settings.fps_text()
    )
}

/// Gives to every encoder, and waits where one is behind; false once one of them has ended.
fn send<T>(encoders: &mut [SyncSender<Arc<T>>], item: &Arc<T>) -> bool {
    encoders.iter().all(|encoder| encoder.send(Arc::clone(item)).is_ok())
}

/// The encoders of this program make AVC and AAC, so what can be said of the stream is known before its first frame.
fn metadata(settings: &Settings, video: bool, audio: bool) -> Metadata {
    Metadata {
        video: video.then(|| VideoFacts {
            width: settings.width,
            height: settings.height,
            frame_rate: f64::from(settings.num) / f64::from(settings.den),
            codec_id: 7,
            rate: settings.rate,
        }),
        audio: audio.then_some(AudioFacts {
            sample_rate: settings.sound.rate,
            channels: settings.sound.channels,
            codec_id: 10,
            rate: None,
        }),
    }
}

impl Settings {
    /// Frames to make: those that begin before `dur` has passed.
    fn frames(&self) -> u64 {
        self.within(u128::from(self.num), u128::from(self.den))
    }

    /// The frame rate as people write it: `25`, `29.97`.
    fn fps_text(&self) -> String {
        ((f64::from(self.num) / f64::from(self.den) * 1000.0).round() / 1000.0).to_string()
    }

    /// Samples to make.
    fn samples(&self) -> u64 {
        self.within(u128::from(self.sound.rate), 1)
    }

    fn within(&self, num: u128, den: u128) -> u64 {
        self.duration.map_or(u64::MAX, |(seconds, of)| {
            u64::try_from((u128::from(seconds) * num).div_ceil(u128::from(of) * den)).unwrap_or(u64::MAX)
        })
    }
}

/// The seconds of beep and flash, and those of the clock in the picture.
#[derive(Debug, Clone, Copy)]
struct Clock {
    seconds: Grid,
    utc: Grid,
    /// Whether the clock in the picture has to be compared with the clock on the wall.
    follow_wall: bool,
}

impl Clock {
    fn new(settings: &Settings, realtime: bool, start: SystemTime) -> Self {
        let utc = Grid::utc(settings.num, settings.den, start);
        let seconds = if settings.adjust { utc } else { Grid::media(settings.num, settings.den) };
        // Running free, the clock on the wall has nothing to do with the frame shown.
        Self { seconds, utc, follow_wall: realtime && !settings.lock }
    }
}

/// Draws the pictures, into memory that comes back from the encoders.
struct Screen {
    card: Card,
    clock: Clock,
    /// Frames by which the clock on the wall was set since the start.
    drift: i64,
    kept: Vec<Arc<Picture>>,
}

impl Screen {
    fn new(settings: &Settings, clock: Clock) -> Self {
        let fps = f64::from(settings.num) / f64::from(settings.den);
        let text = CardText {
            title: concat!("Outflow ", env!("CARGO_PKG_VERSION")).into(),
            format: format!("{}x{} {} fps", settings.width, settings.height, settings.fps_text()),
            clock: format!("UTC locked: {}", if settings.lock { "yes" } else { "no" }),
            sound: format!("{} Hz, {} ch", settings.sound.rate, settings.sound.channels),
            banner: settings.banner.clone(),
        };
        Self { card: Card::new(settings.width, settings.height, fps, &text), clock, drift: 0, kept: Vec::new() }
    }

    fn picture(&mut self, settings: &Settings, number: u64, due: Instant, arrival: Instant) -> Arc<Picture> {
        let facts = self.facts(settings, number, due);
        let drawn = self.card.draw(&facts);
        // A picture that every encoder is done with is written over: large ones would cost a page fault per 4 KB.
        let free = self.kept.iter().position(|kept| Arc::strong_count(kept) == 1);
        if let Some(mut kept) = free.map(|index| self.kept.swap_remove(index))
            && let Some(picture) = Arc::get_mut(&mut kept)
        {
            picture.data.copy_from_slice(drawn);
            picture.index = number;
            picture.arrival = arrival;
            self.kept.push(Arc::clone(&kept));
            return kept;
        }
        let picture = Arc::new(Picture {
            width: settings.width,
            height: settings.height,
            data: drawn.to_vec(),
            index: number,
            fps_num: settings.num,
            fps_den: settings.den,
            arrival,
        });
        if self.kept.len() < KEPT_PICTURES {
            self.kept.push(Arc::clone(&picture));
        }
        picture
    }

    fn facts(&mut self, settings: &Settings, number: u64, due: Instant) -> FrameFacts {
        let n = number.cast_signed();
        let place = self.clock.seconds.place(n);
        if self.clock.follow_wall && place.frame == 0 {
            self.drift = self.drift_at(n, due);
        }
        let shown = self.clock.utc.place(n + self.drift);
        let beep_frames = u64::from(settings.sound.beep) * u64::from(settings.num)
            / (u64::from(settings.sound.rate) * u64::from(settings.den));
        FrameFacts {
            number,
            beep: place.frame == 0,
            lit: place.frame.unsigned_abs() <= beep_frames,
            tenth: place.label.rem_euclid(10) == 0,
            second: place.second,
            gone: place.gone,
            time: format!("{}/{:02}", time_text(shown.label), shown.frame),
            date: date_text(shown.label),
            moved: if settings.moving { number } else { 0 },
        }
    }

    /// How far the clock on the wall was set since the start: the wall's time at the frame's due instant.
    fn drift_at(&self, n: i64, due: Instant) -> i64 {
        let late = Instant::now().saturating_duration_since(due);
        SystemTime::now().checked_sub(late).map_or(0, |wall| self.clock.utc.drift(n, wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;
    use crate::options::{Options, Value};

    fn settings(duration: (i64, i64), fps: (i64, i64)) -> Settings {
        let mut options = Options::default();
        options.set("dur", Value::Fraction(duration.0, duration.1));
        options.set("fps", Value::Fraction(fps.0, fps.1));
        let word = String::from("avgen");
        let node = Node { index: 1, word: word.clone(), kind: "avgen", name: word, url: None, options };
        Settings::read(&node).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn a_duration_is_kept_to_the_frame_and_sample() {
        let two = settings((2, 1), (25, 1));
        assert_eq!((two.frames(), two.samples()), (50, 88_200));
        let half = settings((1, 2), (30_000, 1001));
        assert_eq!((half.frames(), half.samples()), (15, 22_050));
        assert_eq!(settings((0, 1), (25, 1)).frames(), u64::MAX);
    }
}
