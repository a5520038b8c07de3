//! The words of alerts: one sentence on what is wrong, one on what to do. Whoever looks before the show says the same.

use std::time::Duration;

use super::Rule;
use super::judge::Reading;
use super::look::OutputLook;
use crate::options::platforms::BFrames;

/// What to do about a bitrate that is too high for a platform.
pub const BITRATE: &str = "set the video bitrate of the encoder lower";
/// What to do about B-frames that are refused.
pub const B_FRAMES: &str = "set B-frames to 0 in the encoder (OBS: Max B-frames 0; ffmpeg -bf 0)";
/// What to do about a way that is too slow.
const TOO_SLOW: &str =
    "lower the bitrate of the encoder, take an output out, or send through a relay whose line is better";

/// What to do about key frames that are too far apart, `wanted` seconds being right.
pub fn key_frames(wanted: f64, fps: Option<f64>) -> String {
    let set =
        format!("set the encoder's key frame interval to {wanted:.0} s: OBS Output, Keyframe Interval {wanted:.0}");
    match fps {
        Some(fps) => format!("{set}; ffmpeg -g {:.0}; here c=avc:g={:.0}", wanted * fps, wanted * fps),
        None => format!("{set}; ffmpeg -g {:.0} with 30 frames a second", wanted * 30.0),
    }
}

/// `2.61 Mb/s`
fn rate(bits: f64) -> String {
    if bits >= 1e6 { format!("{:.2} Mb/s", bits / 1e6) } else { format!("{:.0} kb/s", bits / 1e3) }
}

/// `47 h 31 min`, `12 min`, `4.2 s`, `4 s`
fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match whole {
        0..10 if (seconds - seconds.round()).abs() >= 0.05 => format!("{seconds:.1} s"),
        0..10 => format!("{seconds:.0} s"),
        10..120 => format!("{whole} s"),
        120..7200 => format!("{} min", whole / 60),
        _ if (whole / 60).is_multiple_of(60) => format!("{} h", whole / 3600),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// What is wrong, and the mend; without the name of the stream or output.
pub(super) fn say(reading: &Reading, output: Option<&OutputLook>, why: Option<&str>) -> (String, String) {
    let Reading { figure, limit, platform, .. } = *reading;
    let title = platform.map_or("the platform", |platform| platform.title);
    match reading.rule {
        Rule::KeyFrameInterval => {
            let asked = match platform {
                Some(_) => format!("{title} takes {} at most", span(limit)),
                None => format!("{} is the most that is allowed, and most platforms want 2 s", span(limit)),
            };
            let interval = platform.and_then(|platform| platform.key_interval);
            let wanted = interval.map_or(2.0, |fact| fact.value.wanted);
            (format!("key frames are at least {} apart; {asked}", span(figure)), key_frames(wanted, None))
        }
        Rule::BitrateAbove if platform.is_some() => {
            (format!("video has {}; {title} takes {} at most", rate(figure), rate(limit)), BITRATE.to_owned())
        }
        Rule::BitrateAbove => {
            let text = format!("it has {}, over the limit of {}", rate(figure), rate(limit));
            (text, "set the bitrate of the encoder lower, or bitrate_above in [alerts] higher".to_owned())
        }
        Rule::BitrateBelow => {
            let text = format!("it has {} only, under the limit of {}", rate(figure), rate(limit));
            (text, "look at the encoder, and at the line from it to here".to_owned())
        }
        Rule::BFrames => {
            let sometimes = platform.and_then(|platform| platform.b_frames).map(|rule| rule.value);
            let text = match sometimes {
                Some(BFrames::SometimesRefused) => {
                    format!("there are B-frames, and real-time services of {title} refuse them")
                }
                _ => format!("there are B-frames, and {title} refuses them"),
            };
            (text, B_FRAMES.to_owned())
        }
        Rule::NoAudio => {
            let mend = "turn audio on in the encoder, be it silence: platforms may show an error or nothing without; \
                        for a show without sound set no_audio = 0 in [alerts]";
            (format!("no sound for {}", span(figure)), mend.to_owned())
        }
        Rule::NotSending => {
            let why = output.map_or(String::new(), |output| match why {
                Some(reason) => format!(": {reason}"),
                None => format!(", it is {}", output.state.name()),
            });
            let mend = "mend what the reason names, if it is yours to mend; retries go on by themselves unless it has \
                        failed for good";
            (format!("not sending for {}{why}", span(figure)), mend.to_owned())
        }
        Rule::Skips => {
            let text =
                format!("{figure:.0} % of the frames of the last minute were left out: the way there is too slow");
            (text, TOO_SLOW.to_owned())
        }
        Rule::Delay => {
            let text = format!("frames are at the destination {} after they came here", span(figure));
            (text, TOO_SLOW.to_owned())
        }
        Rule::Session => {
            let text =
                format!("{title} ends a session after {}, and this one has lasted {}", span(limit), span(figure));
            (text, "stop the output and start it again at a good moment, before the platform ends it".to_owned())
        }
    }
}
