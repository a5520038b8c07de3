//! What a stream turns out to be when it is looked at for a while: codecs, size, rates, key frames, B-frames.

use std::time::Duration;

use bytes::Bytes;
use outflow_rtmp::flv::FourCc;
use outflow_rtmp::flv::aac::AacConfig;
use outflow_rtmp::flv::audio::{AudioHeader, SoundFormat};
use outflow_rtmp::flv::avc::AvcConfig;
use outflow_rtmp::flv::video::{VideoCodec, VideoHeader};
use serde::Serialize;

use super::{Intake, Kind, Packet, StreamInfo};

/// Composition times that differ by more than rounding does: frames are sent in another order than they are shown.
pub const REORDERED: i32 = 5;

/// Counts packets as they come. The first track of each kind counts.
#[derive(Debug, Default)]
pub struct Meter {
    video: Option<Track>,
    audio: Option<Track>,
    keys: Vec<i64>,
    cts: Option<(i32, i32)>,
    b_frames: bool,
}

#[derive(Debug)]
struct Track {
    id: u8,
    header: Option<Bytes>,
    sample: Bytes,
    packets: u64,
    bytes: u64,
    first: i64,
    last: i64,
}

impl Track {
    /// How long it lasted: to the end of its last packet, which is taken to be as long as the others.
    fn millis(&self) -> i64 {
        let span = (self.last - self.first).max(0);
        match i64::try_from(self.packets) {
            Ok(packets) if packets > 1 => span + span / (packets - 1),
            _ => span,
        }
    }

    fn bitrate(&self) -> u64 {
        let millis = u64::try_from(self.millis()).unwrap_or(0);
        (self.bytes * 8_000).checked_div(millis).unwrap_or(0)
    }
}

/// What a stream is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    /// Seconds of media that were looked at.
    pub seconds: f64,
    /// Its video.
    pub video: Option<VideoFacts>,
    /// Its audio.
    pub audio: Option<AudioFacts>,
    /// Bits per second, video and audio together.
    pub bitrate_bps: u64,
}

/// What video is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VideoFacts {
    /// `h264`, `hevc`, `av1` ...
    pub codec: String,
    /// The name of the profile, of H.264.
    pub profile: Option<&'static str>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Frames per second.
    pub fps: f64,
    /// Bits per second.
    pub bitrate_bps: u64,
    /// The longest time from one key frame to the next, in seconds; `None` before the second.
    pub key_interval: Option<f64>,
    /// How long the last key frame was ago when looking ended, in seconds.
    pub since_key: Option<f64>,
    /// Frames are sent in another order than they are shown.
    pub b_frames: bool,
}

/// What audio is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AudioFacts {
    /// `aac`, `opus`, `mp3` ...
    pub codec: String,
    /// Samples per second.
    pub sample_rate: Option<u32>,
    /// Channels.
    pub channels: Option<u8>,
    /// Bits per second.
    pub bitrate_bps: u64,
}

impl Meter {
    /// Counts a packet.
    pub fn take(&mut self, packet: &Packet) {
        let slot = match packet.kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
            Kind::Data => return,
        };
        let track = slot.get_or_insert_with(|| Track {
            id: packet.track,
            header: None,
            sample: packet.body.clone(),
            packets: 0,
            bytes: 0,
            first: packet.dts,
            last: packet.dts,
        });
        if track.id != packet.track {
            return;
        }
        if packet.flags.header {
            if is_config(packet) {
                track.header = Some(packet.body.clone());
            }
            return;
        }
        if track.packets == 0 {
            (track.first, track.sample) = (packet.dts, packet.body.clone());
        }
        track.packets += 1;
        track.bytes += packet.body.len() as u64;
        track.last = track.last.max(packet.dts);
        if packet.kind == Kind::Video {
            if packet.flags.keyframe {
                self.keys.push(packet.dts);
            }
            let (least, most) = self.cts.get_or_insert((packet.cts, packet.cts));
            (*least, *most) = ((*least).min(packet.cts), (*most).max(packet.cts));
            self.b_frames = *most - *least > REORDERED;
        }
    }

    /// Media that came so far.
    pub fn lasted(&self) -> Duration {
        let millis = [&self.video, &self.audio].into_iter().flatten().map(Track::millis).max().unwrap_or(0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// True once there was media for `least`, and as many key frames as tell their interval (or no video).
    pub fn tells(&self, least: Duration) -> bool {
        self.lasted() >= least && (self.video.is_none() || self.keys.len() >= 3)
    }

    /// What it is. `None` where nothing came.
    pub fn facts(&self) -> Option<Facts> {
        let with_media = |track: &&Track| track.packets > 0;
        let video = self.video.as_ref().filter(with_media).map(|track| self.video_facts(track));
        let audio = self.audio.as_ref().filter(with_media).map(audio_facts);
        let rates = [video.as_ref().map(|it| it.bitrate_bps), audio.as_ref().map(|it| it.bitrate_bps)];
        let facts = Facts {
            seconds: self.lasted().as_secs_f64(),
            bitrate_bps: rates.into_iter().flatten().sum(),
            video,
            audio,
        };
        (facts.video.is_some() || facts.audio.is_some()).then_some(facts)
    }

    fn video_facts(&self, track: &Track) -> VideoFacts {
        let body = track.header.as_ref().unwrap_or(&track.sample);
        let header = VideoHeader::parse(body).ok();
        let codec = header.as_ref().map(|header| header.codec);
        let avc = matches!(codec, Some(VideoCodec::Avc | VideoCodec::FourCc(FourCc::AVC1)));
        let payload = header.as_ref().and_then(|header| header.tracks(body).next()?.ok()).map(|track| track.payload);
        let config =
            payload.filter(|_| avc && track.header.is_some()).and_then(|payload| AvcConfig::parse(payload).ok());
        let seconds = track.millis() as f64 / 1000.0;
        let longest = self.keys.windows(2).filter_map(|pair| Some(pair.last()? - pair.first()?)).max();
        VideoFacts {
            codec: match codec {
                Some(_) if avc => "h264".into(),
                Some(codec) => plain_name(&codec.to_string()),
                None => "unknown".into(),
            },
            profile: config.and_then(|config| config.profile_name()),
            size: config.and_then(|config| config.size),
            fps: if seconds > 0.0 { (track.packets as f64 / seconds * 100.0).round() / 100.0 } else { 0.0 },
            bitrate_bps: track.bitrate(),
            key_interval: longest.map(|millis| millis as f64 / 1000.0),
            since_key: self.keys.last().map(|key| (track.last - key).max(0) as f64 / 1000.0),
            b_frames: self.b_frames,
        }
    }
}

fn is_config(packet: &Packet) -> bool {
    match packet.kind {
        Kind::Video => VideoHeader::parse(&packet.body).is_ok_and(|header| header.is_sequence_header()),
        Kind::Audio => AudioHeader::parse(&packet.body).is_ok_and(|header| header.is_sequence_header()),
        Kind::Data => false,
    }
}

fn audio_facts(track: &Track) -> AudioFacts {
    let body = track.header.as_ref().unwrap_or(&track.sample);
    let header = AudioHeader::parse(body).ok();
    let aac = header.as_ref().is_some_and(AudioHeader::is_aac);
    let payload = header.as_ref().and_then(|header| header.tracks(body).next()?.ok()).map(|track| track.payload);
    let config = payload.filter(|_| aac && track.header.is_some()).and_then(|payload| AacConfig::parse(payload).ok());
    let said = header.as_ref().filter(|header| !aac && header.format != SoundFormat::ExHeader);
    AudioFacts {
        codec: match &header {
            Some(_) if aac => "aac".into(),
            Some(header) => plain_name(&header.codec().to_string()),
            None => "unknown".into(),
        },
        sample_rate: config.as_ref().map(|it| it.sample_rate).or(said.map(|it| it.sample_rate)),
        channels: config.as_ref().map(|it| it.channels).or(said.map(|it| it.channels)),
        bitrate_bps: track.bitrate(),
    }
}

/// The name by which people and platforms know a codec.
fn plain_name(name: &str) -> String {
    match name.trim().to_ascii_lowercase().as_str() {
        "hvc1" | "hev1" => "hevc".into(),
        "av01" => "av1".into(),
        "avc1" => "h264".into(),
        "mp4a" => "aac".into(),
        other => other.to_owned(),
    }
}

/// A meter as the end of a source's way.
#[derive(Debug, Default)]
pub struct Metered(pub parking_lot::Mutex<Meter>);

impl Intake for Metered {
    fn start(&self, _info: StreamInfo) {}

    fn push(&self, packet: Packet) {
        self.0.lock().take(&packet);
    }

    fn end(&self, _clean: bool) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use super::super::classify;
    use super::*;

    fn frame(at: i64, key: bool, cts: u8) -> Packet {
        let body = [&[if key { 0x17 } else { 0x27 }, 1, 0, 0, cts][..], &[0; 995]].concat();
        classify::packet(Kind::Video, at, body.into(), Instant::now())
    }

    #[test]
    fn rates_key_frames_and_order_are_measured_in_media_time() {
        let mut meter = Meter::default();
        assert_eq!(meter.facts(), None);
        for number in 0..100 {
            meter.take(&frame(number * 40, number % 50 == 0, 0));
        }
        let video = meter.facts().unwrap().video.unwrap();
        assert_eq!((video.codec.as_str(), video.fps, video.bitrate_bps), ("h264", 25.0, 200_000));
        assert_eq!((video.key_interval, video.since_key, video.b_frames), (Some(2.0), Some(1.96), false));
        assert!(!meter.tells(Duration::from_secs(4)), "two key frames tell one interval");
        meter.take(&frame(4000, true, 80));
        assert!(meter.tells(Duration::from_secs(4)));
        assert!(meter.facts().unwrap().video.unwrap().b_frames);
    }

    #[test]
    fn headers_tell_codec_and_size_and_count_as_no_media() {
        let mut meter = Meter::default();
        let avc = b"\x17\x00\x00\x00\x00\x01\x42\xc0\x1e\xff\xe1\x00\x09\x67\x42\xc0\x1e\xda\x05\x07\xe4\x40\x01\x00\x04\x68\xce\x3c\x80";
        meter.take(&classify::packet(Kind::Video, 0, Bytes::from_static(avc), Instant::now()));
        meter.take(&classify::packet(Kind::Audio, 0, Bytes::from_static(b"\xaf\x00\x12\x10"), Instant::now()));
        assert_eq!(meter.facts(), None);
        meter.take(&frame(0, true, 0));
        meter.take(&classify::packet(Kind::Audio, 0, Bytes::from_static(b"\xaf\x01aaaa"), Instant::now()));
        let facts = meter.facts().unwrap();
        assert_eq!(facts.video.unwrap().size, Some((320, 240)));
        let audio = facts.audio.unwrap();
        assert_eq!((audio.codec.as_str(), audio.sample_rate, audio.channels), ("aac", Some(44_100), Some(2)));
    }
}
