//! `c=avc`: H.264 by OpenH264, without B-frames and without delay: every picture gives its packet at once.

mod units;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder as OpenH264, EncoderConfig, FrameRate, IntraFramePeriod, Profile, QpRange,
    RateControlMode, VuiConfig,
};
use openh264::formats::YUVSource;

use self::units::Coded;
use super::{Encoder, EncoderKind, RawInput, Takes};
use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::media::pace::tick_millis;
use crate::media::raw::{Picture, least_rate};
use crate::media::{Feed, Flags, Kind, Packet};
use crate::node::Node;
use crate::options::{OptionSpec, Type};
use crate::stop::Stop;

/// The rates that can be asked for, in bits per second.
const RATES: std::ops::RangeInclusive<u64> = 10_000..=200_000_000;

/// How often a picture is offered to an encoder that wants to skip it: its account is some seconds deep.
const MOST_OFFERS: u32 = 1000;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::new("b", Type::Rate, "", "bit rate; without it the source's `rates`, else by size and frame rate")
        .alias(&["rate", "bitrate"]),
    OptionSpec::new("g", Type::Count, "", "frames from key frame to key frame; two seconds' worth without it")
        .alias(&["gop"]),
    OptionSpec::new("fintra", Type::Fraction, "-1", "key frames every so many seconds, instead of `g`"),
    OptionSpec::new("profile", Type::Choice(&["baseline", "main", "high"]), "high", "H.264 profile"),
    OptionSpec::new("all_intra", Type::Bool, "no", "key frames only"),
    OptionSpec::new("bf", Type::Count, "0", "B-frames; only 0"),
];

const IGNORED: &[OptionSpec] = &[
    OptionSpec::new("preset", Type::Text, "", "x264's speed").ignored(),
    OptionSpec::new("tune", Type::Text, "", "x264's tuning").ignored(),
    OptionSpec::new("low_delay", Type::Bool, "", "no delay: always so").ignored(),
    OptionSpec::new("pfmt", Type::Text, "", "pixel format: always I420").ignored(),
    OptionSpec::new("level", Type::Text, "", "H.264 level: by size and rate").ignored(),
    OptionSpec::new("maxrate", Type::Rate, "", "largest rate").ignored(),
    OptionSpec::new("bufsize", Type::Rate, "", "rate control buffer").ignored(),
    OptionSpec::new("threads", Type::Count, "", "threads: always one").ignored(),
    OptionSpec::new("keyint_min", Type::Count, "", "smallest key frame distance").ignored(),
    OptionSpec::new("sc_threshold", Type::Count, "", "scene change threshold: no key frames at scene changes")
        .ignored(),
    OptionSpec::new("refs", Type::Count, "", "reference frames: always one").ignored(),
    OptionSpec::new("rc", Type::Bool, "", "reset at forced key frames").ignored(),
    OptionSpec::new("rld", Type::Bool, "", "reload on update").ignored(),
    OptionSpec::new("rtd", Type::Bool, "", "key frame at a discontinuity").ignored(),
    OptionSpec::new("round", Type::Text, "", "rounding of forced key frames").ignored(),
    OptionSpec::new("ls", Type::Bool, "", "log statistics").ignored(),
];

/// The record of `c=avc`.
pub const KIND: EncoderKind = EncoderKind {
    name: "avc",
    summary: "H.264 without B-frames and without delay",
    takes: Takes::Video,
    options: &[OPTIONS, IGNORED],
    open,
};

fn open(node: &Node, target_rate: Option<u64>) -> Result<Box<dyn Encoder>, SpecError> {
    Ok(Box::new(Avc::read(node, target_rate)?))
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
struct Avc {
    rate: Option<u64>,
    gop: Option<u32>,
    /// Seconds between forced key frames, as a fraction.
    forced: Option<(u64, u64)>,
    profile: Profile,
}

impl Avc {
    fn read(node: &Node, target_rate: Option<u64>) -> Result<Self, SpecError> {
        if node.options.count("bf").unwrap_or(0) > 0 {
            return Err(node
                .option_error("bf", "this encoder makes no B-frames")
                .hint("leave it out: bf=0, which also keeps the delay low"));
        }
        let typed = node.options.count("b");
        if let Some(rate) = typed.or(target_rate).filter(|rate| !RATES.contains(rate)) {
            let from = if typed.is_some() { "" } else { " (asked for by the source's `rates`)" };
            return Err(node
                .option_error("b", format!("{rate} bits per second{from} is out of bounds"))
                .hint("take 10k to 200m, such as b=2m"));
        }
        let gop = match node.options.count("g") {
            _ if node.options.bool("all_intra") => Some(1),
            None => None,
            Some(frames) => match u32::try_from(frames) {
                Ok(frames) if (1..=100_000).contains(&frames) => Some(frames),
                _ => {
                    let problem = format!("{frames} frames is out of bounds");
                    return Err(node.option_error("g", problem).hint("take 1 to 100000, such as g=50"));
                }
            },
        };
        let forced = match node.options.fraction("fintra") {
            Some((num, den)) if num != 0 && den != 0 && (num > 0) == (den > 0) => {
                let (num, den) = (num.unsigned_abs(), den.unsigned_abs());
                if num / den > 86_400 || den > 1_000_000 {
                    let error = node.option_error("fintra", "the distance is out of bounds");
                    return Err(error.hint("take up to a day in seconds, such as fintra=2"));
                }
                Some((num, den))
            }
            _ => None,
        };
        let profile = match node.options.text("profile").as_deref() {
            Some("baseline") => Profile::Baseline,
            Some("main") => Profile::Main,
            _ => Profile::High,
        };
        Ok(Self { rate: typed.or(target_rate), gop, forced, profile })
    }

    /// An encoder for pictures like this one.
    fn encoder(&self, like: &Picture) -> Result<OpenH264, Ended> {
        let fps = f64::from(like.fps_num) / f64::from(like.fps_den.max(1));
        let pixels = f64::from(like.width) * f64::from(like.height);
        let rate = self.rate.unwrap_or_else(|| ((pixels * fps * 0.08) as u64).clamp(150_000, 20_000_000));
        // The rate control would never be done with its first picture.
        let least = least_rate(like.width, like.height, like.fps_num, like.fps_den);
        if rate < least {
            return Err(failed(like, rate, &format!("it needs {}k or more", least.div_ceil(1000))));
        }
        let period = match (self.gop, self.forced) {
            (Some(frames), _) => frames,
            (None, Some(_)) => 0,
            (None, None) => ((2.0 * fps).round() as u32).max(1),
        };
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(u32::try_from(rate).unwrap_or(u32::MAX)))
            .max_frame_rate(FrameRate::from_hz(fps as f32))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(true)
            .qp(QpRange::new(12, coarsest(rate as f64 / (pixels * fps))))
            .complexity(Complexity::Low)
            .profile(self.profile)
            .intra_frame_period(IntraFramePeriod::from_num_frames(period))
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            .num_threads(1)
            .vui(VuiConfig::bt709());
        OpenH264::with_api_config(OpenH264API::from_source(), config).map_err(|error| failed(like, rate, &error))
    }
}

/// The coarsest quantiser for so many bits per pixel. The rate control begins each group of pictures coarser than the
/// rate asks for; where a test card's bits suffice by far, this keeps its key frames above 37 dB.
fn coarsest(bits_per_pixel: f64) -> u8 {
    match bits_per_pixel {
        0.08.. => 30,
        0.04.. => 34,
        0.015.. => 40,
        _ => 51,
    }
}

fn failed(picture: &Picture, rate: u64, error: &dyn Display) -> Ended {
    let text = format!(
        "avc: the encoder can't take {}x{} at {}/{} frames per second and {rate} bits per second ({error}); take a \
         smaller size, or another rate with b= or the source's rates=",
        picture.width, picture.height, picture.fps_num, picture.fps_den
    );
    Ended::new(Origin::Config, Retry::Never, Reason::Media, text)
}

impl Encoder for Avc {
    fn run(self: Box<Self>, input: RawInput, feed: Feed, stop: Stop) -> Ended {
        let RawInput::Video(input) = input else {
            return Ended::internal("avc: linked to samples, takes pictures");
        };
        let mut running: Option<OpenH264> = None;
        let mut header = Bytes::new();
        let mut forced = 0;
        for picture in input {
            if stop.is_stopped() {
                return Ended::stopped();
            }
            let encoder = match &mut running {
                Some(encoder) => encoder,
                None => match self.encoder(&picture) {
                    Ok(encoder) => running.insert(encoder),
                    Err(ended) => return ended,
                },
            };
            if let Some((num, den)) = self.forced {
                // The first frame at or after each multiple of the distance.
                let now = u128::from(picture.index) * u128::from(picture.fps_den) * u128::from(den)
                    / (u128::from(picture.fps_num.max(1)) * u128::from(num.max(1)));
                if now > forced {
                    forced = now;
                    encoder.force_intra_frame();
                }
            }
            let Some(planes) = Planes::of(&picture) else {
                return Ended::internal("avc: a picture is shorter than its size says");
            };
            let coded = match encode(encoder, &planes) {
                Ok(coded) => coded,
                Err(error) => return failed(&picture, self.rate.unwrap_or(0), &error),
            };
            let dts = tick_millis(picture.index, picture.fps_num, picture.fps_den);
            let packet = |flags: Flags, body: Bytes| Packet {
                kind: Kind::Video,
                track: 0,
                dts,
                cts: 0,
                flags,
                body,
                arrival: picture.arrival,
            };
            if let Some(configuration) = coded.sequence_header()
                && configuration != header
            {
                header = configuration.clone();
                feed.push(packet(Flags { header: true, ..Flags::default() }, configuration));
            }
            if coded.slices.is_empty() {
                return Ended::internal("avc: the encoder gave nothing for a picture");
            }
            feed.push(packet(Flags { keyframe: coded.key, ..Flags::default() }, coded.body()));
        }
        Ended::clean()
    }
}

/// Encodes a picture. The encoder skips one when it is over its rate, and its account goes down with each it skips, so
/// the picture is offered again until it is taken: none may be missing. (Without skipping it complains on stderr.)
fn encode(encoder: &mut OpenH264, planes: &Planes<'_>) -> Result<Coded, openh264::Error> {
    let mut coded = Coded::default();
    for _ in 0..MOST_OFFERS {
        coded = Coded::from(&encoder.encode(planes)?);
        if !coded.slices.is_empty() {
            break;
        }
    }
    Ok(coded)
}

/// A picture as the encoder wants to see it.
struct Planes<'a> {
    picture: &'a Picture,
    y: &'a [u8],
    u: &'a [u8],
    v: &'a [u8],
}

impl<'a> Planes<'a> {
    fn of(picture: &'a Arc<Picture>) -> Option<Self> {
        let size = picture.width as usize * picture.height as usize;
        let (y, chroma) = picture.data.split_at_checked(size)?;
        let (u, v) = chroma.split_at_checked(size / 4)?;
        (v.len() >= size / 4).then_some(Self { picture, y, u, v })
    }
}

impl YUVSource for Planes<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.picture.width as usize, self.picture.height as usize)
    }

    fn strides(&self) -> (usize, usize, usize) {
        let width = self.picture.width as usize;
        (width, width / 2, width / 2)
    }

    fn y(&self) -> &[u8] {
        self.y
    }

    fn u(&self) -> &[u8] {
        self.u
    }

    fn v(&self) -> &[u8] {
        self.v
    }
}
