//! The test source, encoded and decoded by FFmpeg: every frame number reads back, the picture is good, and beeps come
//! with their flashes.
#![cfg(feature = "encoders")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod avgen_rig;

use std::path::Path;
use std::process::Command;

use avgen_rig::{Made, make, psnr};
use bytes::BytesMut;
use outflow::media::Kind;
use outflow::source::avgen::strip::Strip;
use outflow_rtmp::flv::{TagKind, write_header, write_tag};
use outflow_testkit::peers::{Peer, find};

fn flv(made: &Made) -> BytesMut {
    let mut packets: Vec<_> = made.packets.iter().collect();
    packets.sort_by_key(|packet| packet.dts);
    let mut out = BytesMut::new();
    write_header(&mut out, made.info.audio == Some(true), made.info.video == Some(true));
    for packet in packets {
        let kind = match packet.kind {
            Kind::Audio => TagKind::Audio,
            Kind::Video => TagKind::Video,
            Kind::Data => TagKind::Script,
        };
        write_tag(&mut out, kind, packet.dts as u32, &packet.body).unwrap();
    }
    out
}

fn ffmpeg(program: &Path, file: &Path, words: &str) -> Vec<u8> {
    let input = ["-hide_banner", "-loglevel", "error", "-nostdin", "-xerror", "-copyts", "-i"];
    let output = Command::new(program).args(input).arg(file).args(words.split_whitespace()).arg("-").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "ffmpeg {words}: {errors}");
    output.stdout
}

/// The times of the decoded frames of one stream, in seconds.
fn times(program: &Path, file: &Path, map: &str) -> Vec<f64> {
    let text =
        String::from_utf8(ffmpeg(program, file, &format!("-map 0:{map} -fps_mode passthrough -f framecrc"))).unwrap();
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: ")).unwrap();
    let (num, den) = base.split_once('/').unwrap();
    let unit = num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap();
    let frames = text.lines().filter(|line| !line.starts_with('#'));
    frames.map(|line| line.split(',').nth(2).unwrap().trim().parse::<f64>().unwrap() * unit).collect()
}

/// Where each beep begins, as a number of samples: the first sound after a quarter of a second of silence.
fn beeps(samples: &[f32], rate: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut last = None;
    for (index, _) in samples.iter().enumerate().filter(|(_, sample)| sample.abs() > 0.02) {
        if last.is_none_or(|last| index - last > rate / 4) {
            found.push(index);
        }
        last = Some(index);
    }
    found
}

fn check(peer: Peer, source: &str, seconds: usize) {
    let Some(found) = find(peer) else {
        assert!(
            peer != Peer::Ffmpeg || std::env::var_os("OUTFLOW_SKIP_PEERS").is_some(),
            "FFmpeg is needed by this test: install it, or set OUTFLOW_SKIP_PEERS=1"
        );
        return;
    };
    let made = make(&format!("{source}:dur={seconds}"), &["avc", "aac"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("card.flv");
    std::fs::write(&file, flv(&made)).unwrap();

    let picture = &made.pictures[0];
    let (width, height) = (picture.width as usize, picture.height as usize);
    let frame = f64::from(picture.fps_den) / f64::from(picture.fps_num);
    let strip = Strip::new(picture.width, picture.height);
    let pictures = ffmpeg(&found.path, &file, "-map 0:v -fps_mode passthrough -pix_fmt yuv420p -f rawvideo");
    let pictures: Vec<&[u8]> = pictures.chunks_exact(width * height * 3 / 2).collect();
    assert_eq!(pictures.len(), made.pictures.len());
    let shown = times(&found.path, &file, "v");
    assert_eq!(shown.len(), pictures.len());

    let (mut flashes, mut worst, mut noise, mut before) = (Vec::new(), f64::MAX, 0.0, 0.0);
    for (index, (decoded, drawn)) in pictures.iter().zip(&made.pictures).enumerate() {
        assert!((shown[index] - index as f64 * frame).abs() < 0.001, "frame {index} at {}", shown[index]);
        let luma = &decoded[..width * height];
        let reading = strip.read(luma, width).unwrap_or_else(|| panic!("the strip of frame {index} is unreadable"));
        assert_eq!(reading.number as usize, index);
        let mean = luma.iter().map(|luma| f64::from(*luma)).sum::<f64>() / luma.len() as f64;
        if reading.beep {
            assert!(index == 0 || mean > before + 5.0, "no flash in frame {index}: {before} -> {mean}");
            flashes.push(shown[index]);
        }
        before = mean;
        let quality = psnr(luma, &drawn.data[..width * height]);
        worst = worst.min(quality);
        noise += 10f64.powf(-quality / 10.0);
    }
    let quality = -10.0 * (noise / pictures.len() as f64).log10();

    let sound = ffmpeg(&found.path, &file, "-map 0:a -ac 1 -ar 44100 -f f32le");
    let sound: Vec<f32> = sound.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    let begin = times(&found.path, &file, "a")[0];
    let beeps: Vec<f64> = beeps(&sound, 44_100).iter().map(|index| begin + *index as f64 / 44_100.0).collect();
    assert_eq!(beeps.len(), flashes.len(), "{flashes:?} {beeps:?}");
    assert!(flashes.len() >= seconds, "{flashes:?}");
    let apart: Vec<f64> = beeps.iter().zip(&flashes).map(|(beep, flash)| beep - flash).collect();
    let farthest = apart.iter().fold(0f64, |most, apart| most.max(apart.abs()));
    let bits = made.of(Kind::Video).iter().map(|packet| packet.body.len() * 8).sum::<usize>();
    println!(
        "{}: {source}: {:.0} kb/s, luma PSNR {quality:.1} dB, worst {worst:.1} dB, beep and flash at most {:.1} ms apart",
        peer.name(),
        bits as f64 / seconds as f64 / 1000.0,
        farthest * 1000.0
    );
    assert!(quality >= 35.0, "{quality} dB");
    assert!(farthest < frame, "{apart:?}");
    assert!(apart[1..].iter().all(|apart| apart.abs() < 0.005), "{apart:?}");
}

#[test]
fn the_card_at_200k_reads_back_from_ffmpeg() {
    check(Peer::Ffmpeg, "avgen:sizes=240x160:rates=200k", 20);
}

#[test]
fn the_card_at_200k_reads_back_from_ffmpeg_9() {
    check(Peer::Ffmpeg9, "avgen:sizes=240x160:rates=200k:lock", 20);
}

#[test]
fn a_fractional_rate_reads_back() {
    check(Peer::Ffmpeg, "avgen:sizes=426x240:rates=400k:fps=30000/1001:adjust=no:ch=2", 6);
}

#[test]
fn the_smallest_card_reads_back() {
    check(Peer::Ffmpeg, "avgen:sizes=64x48:rates=80k:ch=2:alter", 5);
}

#[test]
fn sixty_large_pictures_a_second_read_back() {
    check(Peer::Ffmpeg, "avgen:sizes=1920x1080:rates=6m:fps=60:sr=48000", 2);
}
