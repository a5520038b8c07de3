//! Media for tests: real H.264 and AAC made once by the user's `ffmpeg` and kept under `target`, and small made-up packets.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::flv::Tag;

/// A file that `ffmpeg` makes: noisy H.264 and an AAC tone in FLV.
#[derive(Debug, Clone, Copy)]
pub struct Clip {
    /// Width and height.
    pub size: (u32, u32),
    /// Frames a second.
    pub rate: u32,
    /// Video bits a second, constant by filler.
    pub bits: u32,
    /// Seconds between key frames.
    pub group: u32,
    /// Length in seconds.
    pub seconds: u32,
    /// B-frames, so that DTS and PTS differ.
    pub b_frames: bool,
}

impl Clip {
    /// 320x180 at 25 frames a second, 400 kb/s, groups of 1 s, B-frames.
    pub fn small(seconds: u32) -> Self {
        Self { size: (320, 180), rate: 25, bits: 400_000, group: 1, seconds, b_frames: true }
    }

    /// A constant 20 Mb/s: what fills every kernel buffer in seconds.
    pub fn heavy(seconds: u32, group: u32) -> Self {
        Self { size: (640, 360), rate: 30, bits: 20_000_000, group, seconds, b_frames: false }
    }

    /// Audio and video messages in this many seconds of it.
    pub fn messages(&self, seconds: u32) -> usize {
        (seconds * self.rate + seconds * 44_100 / 1024) as usize
    }

    /// Makes the file unless it is there, and gives its path.
    pub async fn file(&self) -> PathBuf {
        let (width, height) = self.size;
        let name = format!(
            "{width}x{height}-{}fps-{}k-g{}-{}s-b{}.flv",
            self.rate,
            self.bits / 1000,
            self.group,
            self.seconds,
            u8::from(self.b_frames)
        );
        let folder = target_dir().join("testmedia");
        std::fs::create_dir_all(&folder).expect("target can be written");
        let path = folder.join(name);
        if !path.exists() {
            self.make(&folder, &path).await;
        }
        path
    }

    async fn make(&self, folder: &Path, path: &Path) {
        // Made aside and renamed, as other tests may want it at the same time.
        let partial = tempfile::Builder::new().suffix(".flv").tempfile_in(folder).expect("a file").into_temp_path();
        let (width, height) = self.size;
        let Self { rate, bits, seconds, .. } = self;
        let frames = rate * self.group;
        let ffmpeg = crate::peers::find(crate::peers::Peer::Ffmpeg).expect("these tests need ffmpeg").path;
        let mut made = crate::proc::Command::new(ffmpeg)
            .line("-nostdin -y -v error -f lavfi -i")
            .arg(format!("testsrc2=size={width}x{height}:rate={rate},noise=alls=18:allf=t"))
            .line("-f lavfi -i sine=frequency=440:sample_rate=44100")
            .line(&format!("-t {seconds} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -threads 2"))
            .line(&format!("-b:v {bits} -minrate {bits} -maxrate {bits} -bufsize {bits}"))
            .line(&format!(
                "-g {frames} -keyint_min {frames} -sc_threshold 0 -bf {}",
                if self.b_frames { 2 } else { 0 }
            ))
            .line("-x264-params nal-hrd=cbr:force-cfr=1 -c:a aac -b:a 96k -ac 2 -f flv")
            .arg(&partial)
            .start();
        assert_eq!(made.wait_exit_within(std::time::Duration::from_secs(240)).await, 0, "ffmpeg: {}", made.text());
        partial.persist(path).expect("renames");
    }

    /// The file's tags.
    pub async fn tags(&self) -> Vec<Tag> {
        crate::flv::read_file(&self.file().await).expect("ffmpeg writes legal FLV")
    }
}

/// Cargo's target folder, where caches of tests belong.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
    }
}

/// Packets that look like a stream and decode as nothing: metadata, AVC and AAC headers, then 25 frames a second with a
/// key frame every `group` frames and an audio frame each, `size` bytes a video frame. Each body is unique.
pub fn made_up(frames: u32, group: u32, size: usize) -> Vec<Tag> {
    let metadata =
        b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x01\x00\x05width\x00\x40\x74\x00\x00\x00\x00\x00\x00\x00\x00\x09";
    let mut tags = vec![
        Tag { kind: 18, time: 0, body: Bytes::from_static(metadata) },
        Tag { kind: 9, time: 0, body: Bytes::from_static(AVC_HEADER) },
        Tag { kind: 8, time: 0, body: Bytes::from_static(b"\xaf\x00\x12\x10") },
    ];
    for frame in 0..frames {
        let first = if frame % group == 0 { 0x17 } else { 0x27 };
        let mut body = vec![first, 1, 0, 0, 0];
        let length = u32::try_from(size.max(16) - 9).expect("a small frame");
        body.extend_from_slice(&length.to_be_bytes());
        body.push(if frame % group == 0 { 0x65 } else { 0x41 });
        body.extend_from_slice(&frame.to_be_bytes());
        body.resize(size.max(16), 0xa5);
        tags.push(Tag { kind: 9, time: frame * 40, body: body.into() });
        let audio = [&[0xaf, 1][..], &frame.to_be_bytes(), &[7; 100]].concat();
        tags.push(Tag { kind: 8, time: frame * 40 + 10, body: audio.into() });
    }
    tags
}

/// A legal decoder configuration record: baseline, 320x240, one SPS and one PPS.
pub const AVC_HEADER: &[u8] =
    b"\x17\x00\x00\x00\x00\x01\x42\xc0\x1e\xff\xe1\x00\x09\x67\x42\xc0\x1e\xda\x05\x07\xe4\x40\x01\x00\x04\x68\xce\x3c\x80";
