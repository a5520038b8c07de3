//! What an input sends, as far as it can be told from outside: codecs, sizes, and how regularly it comes.

use std::time::{Duration, Instant};

use outflow_rtmp::flv::FourCc;
use outflow_rtmp::flv::aac::AacConfig;
use outflow_rtmp::flv::audio::AudioHeader;
use outflow_rtmp::flv::avc::AvcConfig;
use outflow_rtmp::flv::video::{VideoCodec, VideoHeader};

use crate::media::{Kind, Packet};

/// A stream that is silent for so long, or leaves out so much time, has a gap.
const GAP: Duration = Duration::from_secs(1);
/// Of each new value so much counts, one over this (RFC 3550 §6.4.1).
const SMOOTH: f64 = 16.0;
/// Audio and video that are further apart do not belong to each other: one of them has stopped.
const APART: i64 = 10_000;
/// Composition times of one group of pictures that differ by more than rounding does: there are B-frames.
const REORDERED: i32 = crate::media::meter::REORDERED;

/// The picture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Video {
    /// `H.264`, `H.265`, `AV1` ...
    pub codec: String,
    /// Width and height, where its header says them in a form that is read.
    pub size: Option<(u32, u32)>,
    /// Between its last two key frames, in milliseconds.
    pub keyframe_interval: Option<u64>,
}

/// The sound.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audio {
    /// `AAC`, `Opus` ...
    pub codec: String,
    /// Samples a second, where known.
    pub sample_rate: Option<u32>,
    /// Channels, where known.
    pub channels: Option<u32>,
}

/// What came so far, of the first track of each kind.
#[derive(Debug, Default)]
pub struct InputMedia {
    /// The picture, once there was one.
    pub video: Option<Video>,
    /// The sound, once there was any.
    pub audio: Option<Audio>,
    /// Times that nothing came, or that the source's time left something out, for a second or more.
    pub gaps: u64,
    /// How irregularly video comes (sound, where there is none), in milliseconds: smoothed.
    jitter: Option<f64>,
    /// How far sound is ahead of the picture that comes with it, in milliseconds: smoothed.
    offset: Option<f64>,
    last: Option<Instant>,
    last_video: Option<(i64, Instant)>,
    last_audio: Option<(i64, Instant)>,
    last_key: Option<i64>,
    /// Bytes of video.
    video_bytes: u64,
    /// When the first packet came, and the time of the first picture.
    first: Option<Instant>,
    first_video: Option<i64>,
    /// The least and the most composition time of the group of pictures that comes.
    cts: Option<(i32, i32)>,
    /// The group before had B-frames.
    reordered: bool,
}

impl InputMedia {
    /// Another source: what it is and when it comes has nothing to do with the one before.
    pub fn restart(&mut self) {
        *self = Self { gaps: self.gaps, ..Self::default() };
    }

    /// How irregularly it comes, in milliseconds.
    pub fn jitter(&self) -> Option<f64> {
        self.jitter.map(tenths)
    }

    /// How far the sound that comes is ahead of the picture that comes, in milliseconds; negative where it is behind.
    pub fn av_offset(&self) -> Option<f64> {
        self.offset.map(tenths)
    }

    /// How long the last key frame was ago, in the time of the source, in milliseconds; where there was none, how long
    /// there has been video.
    pub fn since_key(&self) -> Option<u64> {
        let (last, _) = self.last_video?;
        u64::try_from(last - self.last_key.or(self.first_video)?).ok()
    }

    /// Frames come in another order than they are shown.
    pub fn has_b_frames(&self) -> bool {
        self.reordered || self.is_reordered()
    }

    /// Bytes of video, of this source.
    pub fn video_bytes(&self) -> u64 {
        self.video_bytes
    }

    /// For how long there has been no sound, where media came at all.
    pub fn silent(&self, now: Instant) -> Option<Duration> {
        let since = self.last_audio.map(|(_, arrival)| arrival).or(self.first)?;
        Some(now.saturating_duration_since(since))
    }

    fn is_reordered(&self) -> bool {
        self.cts.is_some_and(|(least, most)| most.saturating_sub(least) > REORDERED)
    }

    /// Takes a packet's figures.
    pub(super) fn count(&mut self, packet: &Packet) {
        if packet.track != 0 || packet.kind == Kind::Data {
            return;
        }
        if packet.flags.header {
            return self.header(packet);
        }
        let silent = self.last.is_some_and(|last| packet.arrival.saturating_duration_since(last) >= GAP);
        self.last = Some(packet.arrival);
        self.first.get_or_insert(packet.arrival);
        let last = if packet.kind == Kind::Video { &mut self.last_video } else { &mut self.last_audio };
        let before = last.replace((packet.dts, packet.arrival));
        let step = before.map_or(0, |(dts, _)| packet.dts - dts);
        let left_out = u128::try_from(step).is_ok_and(|step| step >= GAP.as_millis());
        self.gaps += u64::from(silent || left_out);
        if let Some((_, arrival)) = before.filter(|_| !silent && !left_out) {
            self.regularity(packet, step, arrival);
        }
        match packet.kind {
            Kind::Video => self.picture(packet),
            _ if self.audio.is_none() => self.audio = audio(packet),
            _ => {}
        }
        if let (Some((video, _)), Some((audio, _))) = (self.last_video, self.last_audio) {
            let ahead = audio - video;
            if ahead.abs() < APART {
                smooth(&mut self.offset, millis(ahead));
            }
        }
    }

    fn picture(&mut self, packet: &Packet) {
        if self.video.is_none() {
            self.video = video(packet, None);
        }
        self.video_bytes += packet.body.len() as u64;
        self.first_video.get_or_insert(packet.dts);
        if packet.flags.keyframe {
            self.reordered = self.is_reordered();
            self.cts = None;
            let interval = self.last_key.replace(packet.dts).map(|last| packet.dts - last);
            if let (Some(video), Some(interval)) = (&mut self.video, interval) {
                video.keyframe_interval = u64::try_from(interval).ok();
            }
        }
        let (least, most) = self.cts.get_or_insert((packet.cts, packet.cts));
        (*least, *most) = ((*least).min(packet.cts), (*most).max(packet.cts));
    }

    fn regularity(&mut self, packet: &Packet, step: i64, before: Instant) {
        if packet.kind == Kind::Audio && self.last_video.is_some() {
            return;
        }
        let came = packet.arrival.saturating_duration_since(before).as_secs_f64() * 1000.0;
        let jitter = self.jitter.get_or_insert(0.0);
        *jitter += ((came - millis(step)).abs() - *jitter) / SMOOTH;
    }

    fn header(&mut self, packet: &Packet) {
        if packet.kind == Kind::Audio {
            self.audio = audio(packet).or(self.audio.take());
        } else {
            let interval = self.video.as_ref().and_then(|video| video.keyframe_interval);
            self.video = video(packet, interval).or(self.video.take());
        }
    }
}

fn smooth(value: &mut Option<f64>, new: f64) {
    match value {
        Some(value) => *value += (new - *value) / SMOOTH,
        None => *value = Some(new),
    }
}

#[allow(clippy::cast_precision_loss)] // hours at most
fn millis(time: i64) -> f64 {
    time as f64
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn video(packet: &Packet, keyframe_interval: Option<u64>) -> Option<Video> {
    let body = &packet.body;
    let header = VideoHeader::parse(body).ok()?;
    if packet.flags.header && !header.is_sequence_header() {
        return None;
    }
    let avc = matches!(header.codec, VideoCodec::Avc | VideoCodec::FourCc(FourCc::AVC1));
    let payload = header.tracks(body).next().and_then(Result::ok).map(|track| track.payload);
    let config = payload.filter(|_| avc && header.is_sequence_header()).and_then(|bytes| AvcConfig::parse(bytes).ok());
    Some(Video { codec: header.codec.to_string(), size: config.and_then(|config| config.size), keyframe_interval })
}

fn audio(packet: &Packet) -> Option<Audio> {
    let body = &packet.body;
    let header = AudioHeader::parse(body).ok()?;
    if packet.flags.header && !header.is_sequence_header() {
        return None;
    }
    let payload = header.tracks(body).next().and_then(Result::ok).map(|track| track.payload);
    let is_config = header.is_aac() && header.is_sequence_header();
    let config = payload.filter(|_| is_config).and_then(|bytes| AacConfig::parse(bytes).ok());
    let (rate, channels) = match config {
        Some(config) => (config.sample_rate, u32::from(config.channels)),
        // What a tag of AAC or of an enhanced codec says of itself is not what it holds.
        None if header.is_aac() || header.four_cc.is_some() => (0, 0),
        None => (header.sample_rate, u32::from(header.channels)),
    };
    let known = |number: u32| (number > 0).then_some(number);
    Some(Audio { codec: header.codec().to_string(), sample_rate: known(rate), channels: known(channels) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;

    use super::*;
    use crate::media::Flags;

    fn packet(kind: Kind, dts: i64, arrival: Instant, body: &'static [u8]) -> Packet {
        crate::media::classify::packet(kind, dts, Bytes::from_static(body), arrival)
    }

    const KEY: &[u8] = &[0x17, 1, 0, 0, 0, 1];
    const INTER: &[u8] = &[0x27, 1, 0, 0, 0, 1];
    const SOUND: &[u8] = &[0xaf, 1, 1];

    #[test]
    fn headers_say_what_it_is() {
        let mut media = InputMedia::default();
        let now = Instant::now();
        media.count(&packet(Kind::Audio, 0, now, &[0xaf, 0, 0x11, 0x90]));
        let audio = media.audio.clone().unwrap();
        assert_eq!((audio.codec.as_str(), audio.sample_rate, audio.channels), ("AAC", Some(48_000), Some(2)));
        media.count(&packet(Kind::Video, 0, now, KEY));
        assert_eq!(media.video.as_ref().map(|video| video.codec.as_str()), Some("H.264"));
        media.restart();
        assert!(media.video.is_none() && media.audio.is_none());
    }

    #[test]
    fn figures_follow_the_clock_and_the_time_of_the_source() {
        let mut media = InputMedia::default();
        let begin = Instant::now();
        let at = |millis: i64| begin + Duration::from_millis(u64::try_from(millis).unwrap());
        for frame in 0..100i64 {
            let body = if frame % 50 == 0 { KEY } else { INTER };
            // Each second frame comes 10 ms late; sound is 60 ms ahead.
            media.count(&packet(Kind::Audio, frame * 40 + 60, at(frame * 40), SOUND));
            media.count(&packet(Kind::Video, frame * 40, at(frame * 40 + frame % 2 * 10), body));
        }
        assert_eq!(media.video.as_ref().unwrap().keyframe_interval, Some(2000));
        assert!((media.jitter().unwrap() - 10.0).abs() < 0.5, "{:?}", media.jitter());
        assert!((media.av_offset().unwrap() - 80.0).abs() < 21.0, "{:?}", media.av_offset());
        assert_eq!(media.gaps, 0);
        media.count(&packet(Kind::Video, 4000, at(6000), INTER));
        media.count(&packet(Kind::Video, 9000, at(6040), INTER));
        assert_eq!(media.gaps, 2);
        assert!(media.jitter().unwrap() < 11.0, "a gap is no jitter");
    }

    #[test]
    fn what_alerts_ask_is_that_of_the_last_group_and_of_the_clock() {
        let mut media = InputMedia::default();
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!((media.since_key(), media.silent(begin)), (None, None));
        // Composition time 80 ms, then 0: a picture that is shown before one that came before it.
        let late: &[u8] = &[0x27, 1, 0, 0, 80, 1];
        media.count(&packet(Kind::Video, 0, at(0), KEY));
        media.count(&packet(Kind::Video, 40, at(0), late));
        assert!(media.has_b_frames());
        assert_eq!((media.since_key(), media.video_bytes()), (Some(40), 12));
        assert_eq!(media.silent(at(7)), Some(Duration::from_secs(7)), "there never was any");
        media.count(&packet(Kind::Audio, 0, at(9), SOUND));
        assert_eq!(media.silent(at(10)), Some(Duration::from_secs(1)));
        media.count(&packet(Kind::Video, 4000, at(9), KEY));
        assert!(media.has_b_frames(), "the group before counts until this one is whole");
        media.count(&packet(Kind::Video, 4040, at(9), INTER));
        media.count(&packet(Kind::Video, 6000, at(9), KEY));
        assert!(!media.has_b_frames());
        assert_eq!(media.since_key(), Some(0));
    }

    #[test]
    fn flags_of_the_test_bodies_are_those_of_the_classifier() {
        assert!(packet(Kind::Video, 0, Instant::now(), KEY).flags.keyframe);
        assert_eq!(packet(Kind::Video, 0, Instant::now(), INTER).flags, Flags::default());
    }
}
