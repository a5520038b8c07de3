//! Small files of every codec that FFmpeg can put into FLV, made once and kept under `target`: 16 s of 192x108, a key
//! frame every 2 s (in a second track of H.264 every 3 s). What FFmpeg 9 writes in the Enhanced way nothing older can make.

use std::path::PathBuf;

use crate::media::target_dir;
use crate::peers::{Found, Peer, find};
use crate::proc::Command;

/// Seconds between key frames.
pub const GROUP: u32 = 2;
/// Frames a second.
const RATE: u32 = 15;

/// What is in a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name in tables.
    pub name: &'static str,
    /// Written with Enhanced RTMP's FourCCs, at least in part.
    pub enhanced: bool,
    /// Has video, and not audio alone.
    pub video: bool,
    /// Seconds.
    pub seconds: u32,
    file: &'static str,
    maker: Peer,
    rate: u32,
    options: &'static str,
}

const H264: &str = "-c:v libx264 -preset veryfast -bf 2 -pix_fmt yuv420p -b:v 150k";

macro_rules! sample {
    ($name:literal, $file:literal, $enhanced:literal, $video:literal, $maker:ident, $rate:literal, $options:literal) => {
        Sample {
            name: $name,
            file: $file,
            enhanced: $enhanced,
            video: $video,
            seconds: 16,
            maker: Peer::$maker,
            rate: $rate,
            options: $options,
        }
    };
}

/// Every sample. `H264` stands for the options of that encoder.
pub const SAMPLES: &[Sample] = &[
    sample!("H.264 + AAC", "h264-aac", false, true, Ffmpeg, 44100, "H264 -c:a aac -ac 2 -b:a 64k"),
    sample!("H.264 + MP3", "h264-mp3", false, true, Ffmpeg, 44100, "H264 -c:a libmp3lame -ac 2 -b:a 64k"),
    sample!("H.263 + MP3", "flv1-mp3", false, true, Ffmpeg, 44100, "-c:v flv -b:v 150k -c:a libmp3lame -ac 2 -b:a 64k"),
    sample!(
        "H.263 + Nellymoser",
        "flv1-nellymoser",
        false,
        true,
        Ffmpeg,
        22050,
        "-c:v flv -b:v 150k -c:a nellymoser -ac 1"
    ),
    sample!("H.264 + Speex", "h264-speex", false, true, Ffmpeg, 16000, "H264 -c:a libspeex -ac 1"),
    sample!("H.264 + G.711", "h264-alaw", false, true, Ffmpeg, 8000, "H264 -c:a pcm_alaw -ac 1"),
    sample!(
        "HEVC + Opus",
        "hevc-opus",
        true,
        true,
        Ffmpeg9,
        48000,
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=30:min-keyint=30:bframes=2:open-gop=0 -pix_fmt yuv420p -b:v 150k -c:a libopus -ac 2 -b:a 64k"
    ),
    sample!(
        "AV1 + FLAC",
        "av1-flac",
        true,
        true,
        Ffmpeg9,
        48000,
        "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p -b:v 150k -c:a flac -ac 1"
    ),
    sample!(
        "VP9 + AC-3",
        "vp9-ac3",
        true,
        true,
        Ffmpeg9,
        48000,
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p -b:v 150k -c:a ac3 -ac 2 -b:a 96k"
    ),
    sample!(
        "VVC + E-AC-3",
        "vvc-eac3",
        true,
        true,
        Ffmpeg9,
        48000,
        "-c:v libvvenc -preset faster -period 2 -vvenc-params DecodingRefreshType=idr -pix_fmt yuv420p10le -b:v 150k -c:a eac3 -ac 2 -b:a 96k"
    ),
    sample!(
        "HEVC in HDR + Opus 5.1",
        "hevc-hdr-opus-5.1",
        true,
        true,
        Ffmpeg9,
        48000,
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=30:min-keyint=30:open-gop=0 -pix_fmt yuv420p10le \
         -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -b:v 150k -c:a libopus -mapping_family 1 -ac 6 -b:a 128k"
    ),
    sample!("AAC alone", "aac", false, false, Ffmpeg, 44100, "-c:a aac -ac 2"),
    sample!("MP3 alone", "mp3", false, false, Ffmpeg, 44100, "-c:a libmp3lame -ac 2"),
    sample!("Opus alone", "opus", true, false, Ffmpeg9, 48000, "-c:a libopus -ac 2"),
    sample!("FLAC alone", "flac", true, false, Ffmpeg9, 48000, "-c:a flac -ac 1"),
    sample!("AC-3 alone", "ac3", true, false, Ffmpeg9, 48000, "-c:a ac3 -ac 2"),
    sample!("E-AC-3 alone", "eac3", true, false, Ffmpeg9, 48000, "-c:a eac3 -ac 2"),
    sample!(
        "two tracks each, H.264 + AAC",
        "two-h264-two-aac",
        true,
        true,
        Ffmpeg9,
        44100,
        "-map 0:v -map 0:v -map 1:a -map 2:a H264 -sc_threshold 0 -g:v:1 45 -s:v:1 96x54 -c:a aac -ac 2 -b:a 64k"
    ),
    sample!(
        "H.264, HEVC + AAC, Opus",
        "h264-hevc-aac-opus",
        true,
        true,
        Ffmpeg9,
        48000,
        "-map 0:v -map 0:v -map 1:a -map 2:a H264 -c:v:1 libx265 -preset:v:1 ultrafast -x265-params log-level=none:keyint=30:min-keyint=30:open-gop=0 -s:v:1 96x54 -c:a:0 aac -c:a:1 libopus -ac 2 -b:a 64k"
    ),
];

/// The sample of this name.
pub fn sample(name: &str) -> &'static Sample {
    SAMPLES.iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("no sample is called {name}"))
}

impl Sample {
    /// Makes the file unless it is there, and gives its path; `None` where its FFmpeg is not installed.
    pub async fn file(&self) -> Option<PathBuf> {
        let maker = find(self.maker)?;
        let folder = target_dir().join("testmedia");
        std::fs::create_dir_all(&folder).expect("target can be written");
        let path = folder.join(format!("sample-{}.flv", self.file));
        if !path.exists() {
            self.make(&maker, &path).await;
        }
        Some(path)
    }

    async fn make(&self, maker: &Found, path: &std::path::Path) {
        // Made aside and renamed, as other tests may want it at the same time.
        let folder = path.parent().expect("a file in a folder");
        let partial = tempfile::Builder::new().suffix(".flv").tempfile_in(folder).expect("a file").into_temp_path();
        let mut command = Command::new(&maker.path)
            .line("-nostdin -y -v error -f lavfi -i")
            .arg(format!("testsrc2=size=192x108:rate={RATE},noise=alls=6:allf=t"));
        // Noise: packets of a tone come again and again, and then nobody can say which one it is.
        for seed in [1, 2] {
            let noise = format!("anoisesrc=color=pink:amplitude=0.3:seed={seed}:sample_rate={}", self.rate);
            command = command.line("-f lavfi -i").arg(noise);
        }
        if !self.options.contains("-map") {
            command = command.line(if self.video { "-map 0:v -map 1:a" } else { "-map 1:a" });
        }
        let mut made = command
            .line(&format!("-t {} -g {}", self.seconds, RATE * GROUP))
            .line(&self.options.replace("H264", H264))
            .line("-f flv")
            .arg(&partial)
            .start();
        assert_eq!(made.wait_exit_within(std::time::Duration::from_secs(120)).await, 0, "ffmpeg: {}", made.text());
        partial.persist(path).expect("renames");
    }
}
