//! What was seen of a stream, held against what a platform says, or against what most of them say.

use serde_json::json;

use super::finding::{Finding, Verdict};
use super::media::rate;
use crate::media::meter::{Facts, VideoFacts};
use crate::monitor::alerts::words;
use crate::options::platforms::{BFrames, DOUBT, Fact, KEY_INTERVAL, KEY_ROUNDING, Platform};

/// Holds a stream against the rules of the platform that an output leads to; `silence` where it sends that for want of sound.
pub(super) fn hold(who: &str, platform: Option<&Platform>, facts: &Facts, silence: bool) -> Vec<Finding> {
    let mut lines = Vec::new();
    if let Some(video) = &facts.video {
        lines.extend(keys(who, platform, video));
    }
    let Some(platform) = platform else { return lines };
    let title = platform.title;
    match &facts.video {
        Some(video) => {
            lines.extend(
                platform
                    .video_kbps
                    .map(|limit| bitrate(who, "bitrate", title, video.bitrate_bps, limit, words::BITRATE)),
            );
            lines.extend(
                platform.video_codecs.map(|codecs| codec(who, "video codec", title, &video.codec, codecs, "video")),
            );
            lines.extend(platform.b_frames.map(|rule| b_frames(who, title, video, rule)));
        }
        None => lines.push(
            Finding::new(who, "video", Verdict::Fail, format!("there is no video, and {title} wants it"))
                .mend("send video too: choose its track, or turn it on in the encoder"),
        ),
    }
    match &facts.audio {
        Some(audio) => {
            lines.extend(platform.audio_kbps.map(|limit| {
                let mend = "set the audio bitrate of the encoder lower";
                bitrate(who, "audio rate", title, audio.bitrate_bps, limit, mend)
            }));
            lines.extend(
                platform.audio_codecs.map(|codecs| codec(who, "audio codec", title, &audio.codec, codecs, "audio")),
            );
        }
        None if silence => {
            let text = "there is no audio: silence goes out in its place";
            lines.push(Finding::new(who, "audio", Verdict::Pass, text));
        }
        None => lines.push(
            Finding::new(who, "audio", Verdict::Warn, "there is no audio: platforms may show an error or nothing")
                .mend("turn audio on in the encoder, or have silence sent: `silence=on` on this output"),
        ),
    }
    if let Some(hours) = platform.session_hours {
        let text = format!("{title} ends a session after {} h; nobody knows here how long the show is", hours.value);
        lines.push(Finding::new(who, "session", Verdict::NotTested, text).details(source(&hours)));
    }
    let unknown = unknown(platform);
    if !unknown.is_empty() {
        let text = format!("not known of {title}: {}", unknown.join(", "));
        lines.push(Finding::new(who, "rules", Verdict::NotTested, text));
    }
    lines
}

/// What could not be found out about a platform.
fn unknown(platform: &Platform) -> Vec<&'static str> {
    let known = [
        (platform.key_interval.is_some(), "key frame interval"),
        (platform.video_kbps.is_some(), "bitrate"),
        (platform.video_codecs.is_some(), "video codecs"),
        (platform.audio_codecs.is_some(), "audio codecs"),
        (platform.b_frames.is_some(), "B-frames"),
    ];
    known.into_iter().filter(|(known, _)| !known).map(|(_, what)| what).collect()
}

fn source<T>(fact: &Fact<T>) -> serde_json::Value {
    json!({ "source": fact.source, "read": fact.read })
}

fn keys(who: &str, platform: Option<&Platform>, video: &VideoFacts) -> Option<Finding> {
    let rule = platform.and_then(|platform| Some((platform.title, platform.key_interval?)));
    // What was not seen to end lasts at least as long as it was looked at.
    let open = video.since_key.unwrap_or_default();
    let (seen, text) = match video.key_interval {
        Some(interval) if interval >= open => (interval, format!("a key frame every {interval:.1} s")),
        _ => (open, format!("no key frame for {open:.1} s")),
    };
    if video.key_interval.is_none() && seen < KEY_INTERVAL {
        let text = format!("only one key frame was seen, {seen:.1} s ago at the end");
        return Some(Finding::new(who, "key frames", Verdict::NotTested, text));
    }
    let (verdict, asked, wanted, details) = match rule {
        Some((title, fact)) => {
            let most = fact.value.limit();
            let asked = match fact.value.most {
                Some(most) => format!("{title} wants {} s and takes {most} s at most", fact.value.wanted),
                None => format!("{title} wants {} s", fact.value.wanted),
            };
            let verdict = match seen {
                seen if seen > most * KEY_ROUNDING => Verdict::Fail,
                seen if seen > fact.value.wanted * DOUBT => Verdict::Warn,
                _ => Verdict::Pass,
            };
            (verdict, asked, fact.value.wanted, source(&fact))
        }
        None => {
            let verdict = if seen > KEY_INTERVAL { Verdict::Warn } else { Verdict::Pass };
            (verdict, "most platforms want 2 s".to_owned(), 2.0, serde_json::Value::Null)
        }
    };
    let mut line = Finding::new(who, "key frames", verdict, format!("{text}; {asked}")).details(details);
    if verdict != Verdict::Pass {
        line = line.mend(words::key_frames(wanted, Some(video.fps)));
    }
    Some(line)
}

fn bitrate(who: &str, what: &'static str, title: &str, bps: u64, limit: Fact<u32>, mend: &str) -> Finding {
    let most = f64::from(limit.value) * 1000.0;
    let verdict = match bps as f64 {
        bps if bps > most * DOUBT => Verdict::Fail,
        bps if bps > most => Verdict::Warn,
        _ => Verdict::Pass,
    };
    let text = format!("{}; {title} takes {} at most", rate(bps), rate(u64::from(limit.value) * 1000));
    let line = Finding::new(who, what, verdict, text).details(source(&limit));
    if verdict == Verdict::Pass { line } else { line.mend(mend) }
}

fn codec(who: &str, what: &'static str, title: &str, codec: &str, codecs: Fact<&[&str]>, kind: &str) -> Finding {
    let all = codecs.value.join(", ");
    if codecs.value.contains(&codec) {
        let text = format!("{kind} is {codec}; {title} takes {all}");
        return Finding::new(who, what, Verdict::Pass, text).details(source(&codecs));
    }
    let text = format!("{kind} is {codec}, and {title} takes {all}");
    Finding::new(who, what, Verdict::Fail, text)
        .mend(format!("choose {all} for {kind} in the encoder"))
        .details(source(&codecs))
}

fn b_frames(who: &str, title: &str, video: &VideoFacts, rule: Fact<BFrames>) -> Finding {
    let (verdict, text) = match (video.b_frames, rule.value) {
        (false, _) => (Verdict::Pass, "no B-frames".to_owned()),
        (true, BFrames::Refused) => (Verdict::Fail, format!("there are B-frames, and {title} refuses them")),
        (true, BFrames::SometimesRefused) => {
            (Verdict::Warn, format!("there are B-frames: real-time services of {title} refuse them, others take them"))
        }
    };
    let line = Finding::new(who, "B-frames", verdict, text).details(source(&rule));
    if verdict == Verdict::Pass { line } else { line.mend(words::B_FRAMES) }
}

/// The sum of what leaves at once, against what the line carries.
pub(super) fn uplink(outputs: &[(String, u64)], unknown: usize, uplink: Option<u64>) -> Finding {
    let who = "uplink";
    // What RTMP, TLS and TCP add.
    let sum = outputs.iter().map(|(_, bps)| bps).sum::<u64>() / 100 * 105;
    let added = "with the 5 % that RTMP and TCP add";
    let parts: Vec<String> = outputs.iter().map(|(name, bps)| format!("{name} {}", rate(*bps))).collect();
    let rest = match unknown {
        0 => String::new(),
        count => format!("; {count} more could not be looked at"),
    };
    let details = json!({ "sum_bps": sum, "uplink_bps": uplink });
    let Some(line) = uplink else {
        let text = format!("all outputs at once send {} {added}{rest}", rate(sum));
        return Finding::new(who, "bandwidth", Verdict::NotTested, text)
            .mend("say what the line carries upwards: --uplink=10M (a speed test tells)")
            .details(details);
    };
    if outputs.is_empty() {
        let text = format!("what the outputs send is not known: {unknown} could not be looked at");
        return Finding::new(who, "bandwidth", Verdict::NotTested, text)
            .mend("let the encoder send, or say what each output sends: --rate=6M")
            .details(details);
    }
    let text =
        format!("all outputs at once send {} of {} ({}, {added}){rest}", rate(sum), rate(line), parts.join(", "));
    // A line that is full to the brim drops something now and then.
    let (verdict, mend) = match (sum, line) {
        (sum, line) if sum > line => {
            let each = line / 100 * 75 / outputs.len().max(1) as u64;
            (
                Verdict::Fail,
                Some(format!(
                    "lower the encoder to {} or less, take an output out, or send one stream to a relay that has the line",
                    rate(each)
                )),
            )
        }
        (sum, line) if sum > line / 100 * 75 => (
            Verdict::Warn,
            Some("leave a quarter of the line free: lower the encoder, or take an output out".to_owned()),
        ),
        _ if unknown > 0 => (Verdict::NotTested, None),
        _ => (Verdict::Pass, None),
    };
    let mut finding = Finding::new(who, "bandwidth", verdict, text).details(details);
    finding.mend = mend;
    finding
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::media::meter::AudioFacts;
    use crate::options::platforms::find;

    fn facts(key_interval: Option<f64>, since_key: f64, bitrate_bps: u64, codec: &str) -> Facts {
        let video = VideoFacts {
            codec: codec.into(),
            profile: None,
            size: None,
            fps: 30.0,
            bitrate_bps,
            key_interval,
            since_key: Some(since_key),
            b_frames: true,
        };
        let audio = AudioFacts { codec: "aac".into(), sample_rate: None, channels: None, bitrate_bps: 128_000 };
        Facts { seconds: 6.0, video: Some(video), audio: Some(audio), bitrate_bps }
    }

    fn verdict(lines: &[Finding], what: &str) -> Option<Verdict> {
        lines.iter().find(|line| line.what == what).map(|line| line.verdict)
    }

    #[test]
    fn each_rule_has_its_verdict_and_its_mend() {
        let twitch = find("twitch");
        let good = hold("t", twitch, &facts(Some(2.0), 1.0, 5_900_000, "h264"), false);
        assert_eq!(verdict(&good, "key frames"), Some(Verdict::Pass));
        assert_eq!(verdict(&good, "bitrate"), Some(Verdict::Pass));
        assert_eq!(verdict(&good, "session"), Some(Verdict::NotTested));
        assert!(good.iter().any(|line| line.what == "rules" && line.found.contains("B-frames")), "{good:?}");
        for (given, what, wanted) in [
            (facts(Some(3.0), 0.0, 1, "h264"), "key frames", Verdict::Warn),
            (facts(Some(10.0), 0.0, 1, "h264"), "key frames", Verdict::Fail),
            (facts(None, 12.0, 1, "h264"), "key frames", Verdict::Fail),
            (facts(Some(2.0), 8.0, 1, "h264"), "key frames", Verdict::Fail),
            (facts(None, 3.0, 1, "h264"), "key frames", Verdict::NotTested),
            (facts(Some(2.0), 0.0, 6_100_000, "h264"), "bitrate", Verdict::Warn),
            (facts(Some(2.0), 0.0, 8_000_000, "h264"), "bitrate", Verdict::Fail),
            (facts(Some(2.0), 0.0, 1, "hevc"), "video codec", Verdict::Fail),
        ] {
            let lines = hold("t", twitch, &given, false);
            assert_eq!(verdict(&lines, what), Some(wanted), "{what}: {lines:#?}");
            for line in lines.iter().filter(|line| matches!(line.verdict, Verdict::Warn | Verdict::Fail)) {
                assert!(line.mend.is_some(), "{line:?}");
            }
        }
        let ivs = hold("t", find("ivs"), &facts(Some(2.0), 0.0, 1, "h264"), false);
        assert_eq!(verdict(&ivs, "B-frames"), Some(Verdict::Warn));
        let silent = Facts { audio: None, ..facts(Some(2.0), 0.0, 1, "h264") };
        assert_eq!(verdict(&hold("t", twitch, &silent, false), "audio"), Some(Verdict::Warn));
        assert_eq!(verdict(&hold("t", twitch, &silent, true), "audio"), Some(Verdict::Pass));
    }

    #[test]
    fn without_a_platform_only_what_troubles_all_is_told() {
        let lines = hold("t", None, &facts(Some(10.0), 0.0, 1, "hevc"), false);
        assert_eq!(lines.len(), 1);
        assert_eq!(verdict(&lines, "key frames"), Some(Verdict::Warn));
    }

    #[test]
    fn the_line_has_to_carry_all_at_once() {
        let outputs = [("a".to_owned(), 4_000_000), ("b".to_owned(), 4_000_000)];
        let verdict = |line: Option<u64>, unknown| uplink(&outputs, unknown, line).verdict;
        assert_eq!(verdict(Some(8_000_000), 0), Verdict::Fail);
        assert_eq!(verdict(Some(10_000_000), 0), Verdict::Warn);
        assert_eq!(verdict(Some(20_000_000), 0), Verdict::Pass);
        assert_eq!(verdict(Some(20_000_000), 1), Verdict::NotTested);
        assert_eq!(verdict(None, 0), Verdict::NotTested);
    }
}
