//! The test source and its encoders together: what packets they give, and that a decoder reads the pictures from them.
#![cfg(feature = "encoders")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod avgen_rig;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use avgen_rig::{Made, make, psnr, run};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;
use outflow::encode::{RawInput, aac};
use outflow::media::raw::Samples;
use outflow::media::{Intake, Kind, Packet, StreamInfo};
use outflow::source::avgen::strip::Strip;
use outflow::stop::stopper;
use outflow_rtmp::flv::avc::AvcConfig;

/// The frames of a stream's video after its header, as Annex B.
fn decode(made: &Made, mut each: impl FnMut(usize, &[u8], usize)) -> usize {
    let mut decoder = Decoder::new().unwrap();
    let mut count = 0;
    for packet in made.of(Kind::Video) {
        let units = if packet.flags.header { parameter_sets(&packet.body) } else { annex_b(&packet.body[5..]) };
        if let Some(picture) = decoder.decode(&units).unwrap() {
            each(count, picture.y(), picture.strides().0);
            count += 1;
        }
    }
    count
}

fn annex_b(mut units: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !units.is_empty() {
        let (size, rest) = units.split_at(4);
        let (unit, rest) = rest.split_at(u32::from_be_bytes(size.try_into().unwrap()) as usize);
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
        units = rest;
    }
    out
}

fn parameter_sets(body: &[u8]) -> Vec<u8> {
    assert_eq!(body[..5], [0x17, 0, 0, 0, 0]);
    let config = AvcConfig::parse(&body[5..]).unwrap();
    assert!(config.size.is_some() && config.nal_length_size == 4);
    // One SPS behind a 16-bit length, then the count and one PPS behind another.
    let mut rest = &body[11..];
    let mut out = Vec::new();
    for count_bytes in [0, 1] {
        let (size, behind) = rest[count_bytes..].split_at(2);
        let (unit, behind) = behind.split_at(usize::from(u16::from_be_bytes(size.try_into().unwrap())));
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(unit);
        rest = behind;
    }
    out
}

fn keys(made: &Made) -> Vec<usize> {
    let frames = made.of(Kind::Video).into_iter().filter(|packet| !packet.flags.header);
    frames.enumerate().filter(|(_, packet)| packet.flags.keyframe).map(|(index, _)| index).collect()
}

fn times(packets: &[&Packet]) -> Vec<i64> {
    packets.iter().filter(|packet| !packet.flags.header).map(|packet| packet.dts).collect()
}

#[test]
fn every_picture_gives_a_packet_and_reads_back() {
    for (size, rate, fps) in [("64x48", "50k", "25"), ("240x160", "200k", "30000/1001"), ("426x240", "300k", "60")] {
        let made = make(&format!("avgen:sizes={size}:rates={rate}:fps={fps}:dur=3"), &["avc", "aac"]).unwrap();
        assert!(made.ends.iter().all(|ended| ended.is_clean()), "{:?}", made.ends);
        assert_eq!((made.info.video, made.info.audio, made.info.realtime), (Some(true), Some(true), false));

        assert_eq!(made.packets[0].kind, Kind::Data);
        assert!(made.packets[0].flags.header);
        for kind in [Kind::Video, Kind::Audio] {
            let packets = made.of(kind);
            assert!(packets[0].flags.header && packets[1..].iter().all(|packet| !packet.flags.header));
            let times = times(&packets);
            assert_eq!(times[0], 0);
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        }

        let picture = &made.pictures[0];
        let frames = made.of(Kind::Video).len() - 1;
        assert_eq!(frames, made.pictures.len());
        assert_eq!(frames as u32, (3 * picture.fps_num).div_ceil(picture.fps_den));
        let strip = Strip::new(picture.width, picture.height);
        let mut worst = f64::MAX;
        let decoded = decode(&made, |index, luma, stride| {
            let reading = strip.read(luma, stride).unwrap_or_else(|| panic!("{size}: frame {index} is unreadable"));
            assert_eq!(reading.number as usize, index);
            let (width, height) = (picture.width as usize, picture.height as usize);
            let rows: Vec<u8> = luma.chunks(stride).take(height).flat_map(|row| &row[..width]).copied().collect();
            worst = worst.min(psnr(&rows, &made.pictures[index].data[..width * height]));
        });
        assert_eq!(decoded, frames);
        assert!(worst > 25.0, "{size}: {worst} dB");
    }
}

#[test]
fn key_frames_come_when_asked_for() {
    let source = "avgen:sizes=64x48:dur=5:type=v";
    let usual = make(source, &["avc"]).unwrap();
    assert_eq!(keys(&usual), [0, 50, 100]);
    assert!(usual.of(Kind::Audio).is_empty());
    assert_eq!(keys(&make(source, &["avc:g=30"]).unwrap()), [0, 30, 60, 90, 120]);
    assert_eq!(keys(&make(source, &["avc:gop=100"]).unwrap()), [0, 100]);
    assert_eq!(keys(&make(source, &["avc:fintra=3/2"]).unwrap()), [0, 38, 75, 113]);
    assert_eq!(keys(&make(source, &["avc:fintra=1:g=1000"]).unwrap()), [0, 25, 50, 75, 100]);
    assert_eq!(keys(&make("avgen:sizes=64x48:dur=1/5:type=v", &["avc:all_intra"]).unwrap()), [0, 1, 2, 3, 4]);
}

#[test]
fn the_profile_is_the_one_asked_for() {
    for (word, profile) in [("avc", 100), ("avc:profile=main", 77), ("avc:profile=baseline", 66)] {
        let made = make("avgen:sizes=64x48:dur=1/5:type=v", &[word]).unwrap();
        let record = AvcConfig::parse(&made.of(Kind::Video)[0].body[5..]).unwrap();
        assert_eq!(record.profile, profile, "{word}");
    }
}

#[test]
fn audio_times_are_those_of_its_samples() {
    let made = make("avgen:type=a:sr=48000:ch=2:dur=1", &["aac:b=128k"]).unwrap();
    let audio = made.of(Kind::Audio);
    assert_eq!(audio[0].body[..2], [0xaf, 0]);
    // AAC-LC (2), 48 kHz (3), two channels.
    assert_eq!(audio[0].body[2..], [0x11, 0x90]);
    // 48000 samples are 46.875 units; none for the encoder's run-up.
    let times = times(&audio);
    assert_eq!(times.len(), 47);
    assert_eq!(times[..4], [0, 21, 43, 64]);
    assert!(audio[1..].iter().all(|packet| packet.body[..2] == [0xaf, 1]));
    assert!(made.of(Kind::Video).is_empty());
}

#[test]
fn what_an_encoder_cannot_do_is_told_with_the_mend() {
    let spec = |words: &[&str]| make("avgen:sizes=64x48:dur=1", words).err().unwrap().to_string();
    assert!(spec(&["avc:bf=2"]).contains("bf=0"));
    assert!(spec(&["avc:b=1"]).contains("b=2m"));
    assert!(spec(&["avc:g=0"]).contains("g=50"));
    assert!(spec(&["aac:b=1"]).contains("b=128k"));
    let ends = make("avgen:sizes=640x360", &["avc:b=10k", "aac"]).unwrap().ends;
    assert!(ends[1].text.contains("640x360") && ends[1].text.contains("24k or more"), "{}", ends[1]);
    assert!(!ends[0].is_clean() && ends[2].is_clean(), "the source goes on without its encoder: {ends:?}");
    let ended = &make("avgen:type=v:dur=1", &["aac"]).unwrap().ends[0];
    assert!(ended.text.contains("c=avc"), "{ended}");
}

/// Samples that the test source refuses to make.
#[test]
fn samples_that_aac_does_not_know() {
    for (rate, channels, said) in [(12_345, 1, "12345 Hz"), (48_000, 7, "7 channels")] {
        let node = avgen_rig::node("aac", aac::KIND.options, "aac");
        let encoder = (aac::KIND.open)(&node, None).unwrap();
        let (sender, receiver) = sync_channel(1);
        let planes = vec![vec![0.0; 1024]; channels];
        sender.send(Arc::new(Samples { rate, planes, index: 0, arrival: Instant::now() })).unwrap();
        let (_stopper, stop) = stopper();
        let ended = encoder.run(RawInput::Audio(receiver), Arc::new(Nobody), stop);
        assert!(ended.text.contains(said) && ended.text.contains("ch=1 to 6"), "{ended}");
    }
}

struct Nobody;

impl Intake for Nobody {
    fn start(&self, _: StreamInfo) {}
    fn push(&self, packet: Packet) {
        panic!("a packet of nothing: {packet:?}");
    }
    fn end(&self, _: bool) {}
}

#[test]
fn a_stop_ends_source_and_encoders() {
    let made = run("avgen:sizes=64x48", &["avc", "aac"], true, |stopper| stopper.stop()).unwrap();
    assert!(made.ends.iter().all(|ended| ended.is_clean()), "{:?}", made.ends);
}

#[test]
fn paced_packets_arrive_when_they_are_due() {
    let made = run("avgen:sizes=64x48:dur=1/4", &["avc", "aac"], true, std::mem::forget).unwrap();
    assert!(made.info.realtime);
    let video = made.of(Kind::Video);
    let start = video[1].arrival;
    for packet in &video[1..] {
        assert_eq!((packet.arrival - start).as_millis() as i64, packet.dts);
    }
    // A packet of audio leaves when the packet of video of the same time does.
    for packet in &made.of(Kind::Audio)[2..] {
        let late = (packet.arrival - start).as_millis() as i64 - packet.dts;
        assert!(late.abs() <= 24, "{late} ms");
    }
}
