//! Builds the body of an `onMetaData` message for a stream that is made here.

use bytes::{Bytes, BytesMut};
use outflow_rtmp::amf0::{Value, encode_all};

use super::{Flags, Kind, Packet};

/// What a stream knows of itself (FLV specification 1.0, "onMetaData"). What is `None` is left out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metadata {
    /// The video, if there is any.
    pub video: Option<VideoFacts>,
    /// The audio, if there is any.
    pub audio: Option<AudioFacts>,
}

/// Facts about the video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoFacts {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: f64,
    /// The FLV codec id: 7 is AVC.
    pub codec_id: u8,
    /// Target rate in bits per second, where one is known.
    pub rate: Option<u64>,
}

/// Facts about the audio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioFacts {
    /// Samples per second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u32,
    /// The FLV codec id: 10 is AAC.
    pub codec_id: u8,
    /// Target rate in bits per second, where one is known.
    pub rate: Option<u64>,
}

impl Metadata {
    /// The AMF0 body: the string `onMetaData` and an ECMA array, numbers in the order of the fields above; rates are
    /// in kbit/s, as players expect them.
    pub fn body(&self) -> Bytes {
        let mut properties: Vec<(String, Value)> = Vec::new();
        let mut put = |name: &str, value: Value| properties.push((name.into(), value));
        if let Some(video) = &self.video {
            put("width", Value::Number(video.width.into()));
            put("height", Value::Number(video.height.into()));
            put("framerate", Value::Number(video.frame_rate));
            put("videocodecid", Value::Number(video.codec_id.into()));
            if let Some(rate) = video.rate {
                put("videodatarate", Value::Number(kilobits(rate)));
            }
        }
        if let Some(audio) = &self.audio {
            put("audiocodecid", Value::Number(audio.codec_id.into()));
            put("audiosamplerate", Value::Number(audio.sample_rate.into()));
            put("audiosamplesize", Value::Number(16.0));
            put("audiochannels", Value::Number(audio.channels.into()));
            put("stereo", Value::Boolean(audio.channels >= 2));
            if let Some(rate) = audio.rate {
                put("audiodatarate", Value::Number(kilobits(rate)));
            }
        }
        put("encoder", Value::String(concat!("Outflow ", env!("CARGO_PKG_VERSION")).into()));

        let mut body = BytesMut::with_capacity(384);
        encode_all(&[Value::String("onMetaData".into()), Value::EcmaArray(properties)], &mut body);
        body.freeze()
    }

    /// The packet that announces it, at the time 0.
    pub fn packet(&self, arrival: std::time::Instant) -> Packet {
        Packet {
            kind: Kind::Data,
            track: 0,
            dts: 0,
            cts: 0,
            flags: Flags { header: true, ..Flags::default() },
            body: self.body(),
            arrival,
        }
    }
}

fn kilobits(rate: u64) -> f64 {
    rate as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_amf0() {
        let audio = AudioFacts { sample_rate: 44_100, channels: 1, codec_id: 10, rate: None };
        let body = Metadata { video: None, audio: Some(audio) }.body();
        assert_eq!(&body[..13], b"\x02\x00\x0aonMetaData");
        // audiocodecid, audiosamplerate, audiosamplesize, audiochannels, stereo, encoder.
        assert_eq!(&body[13..18], &[0x08, 0, 0, 0, 6]);
        assert_eq!(&body[18..33], b"\x00\x0caudiocodecid\x00");
        assert_eq!(&body[33..41], &10f64.to_be_bytes());
        assert!(body.windows(10).any(|bytes| bytes == b"\x00\x06stereo\x01\x00"));
        assert!(body.windows(7).any(|bytes| bytes == b"Outflow"));
        assert_eq!(&body[body.len() - 3..], &[0, 0, 9]);
    }

    #[test]
    fn rates_are_in_kilobits() {
        let video = VideoFacts { width: 240, height: 160, frame_rate: 25.0, codec_id: 7, rate: Some(200_000) };
        let body = Metadata { video: Some(video), audio: None }.body();
        let mut wanted = b"\x00\x0dvideodatarate\x00".to_vec();
        wanted.extend_from_slice(&200f64.to_be_bytes());
        assert!(body.windows(wanted.len()).any(|bytes| bytes == wanted));
        assert!(!body.windows(5).any(|bytes| bytes == b"audio"));
    }
}
