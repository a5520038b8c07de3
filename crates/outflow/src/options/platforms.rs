//! The platforms that words know by name: where they take streams, and what they say of streams. Every fact has its
//! source and the day on which it was read; a test holds that. Figures change: the platform's own page counts.

use std::time::Duration;

/// One fact, with where it was read and when (YYYY-MM-DD).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fact<T> {
    /// What is so.
    pub value: T,
    /// Where it was read.
    pub source: &'static str,
    /// When.
    pub read: &'static str,
}

/// How far apart key frames may be, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// What is asked for.
    pub wanted: f64,
    /// What may not be exceeded; twice as much where the platform names no limit.
    pub most: Option<f64>,
}

impl Interval {
    /// What may not be exceeded, in seconds.
    pub fn limit(&self) -> f64 {
        self.most.unwrap_or(self.wanted * 2.0)
    }
}

/// Key frames further apart than this trouble most platforms and every player that joins, in seconds.
pub const KEY_INTERVAL: f64 = 4.0;
/// What encoders and clocks add to an interval that was asked for.
pub const KEY_ROUNDING: f64 = 1.02;
/// A bitrate that is over a limit by no more than this is in doubt: limits are of averages.
pub const DOUBT: f64 = 1.1;

/// What happens to streams with B-frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BFrames {
    /// They are refused or torn down.
    Refused,
    /// They are on some of its services.
    SometimesRefused,
}

/// One platform. What nobody could be found to say is `None`, and not tested.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platform {
    /// The word.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Where it takes streams; `None` where every channel has its own URL.
    pub url: Option<Fact<&'static str>>,
    /// Where its users find key and URL.
    pub found: &'static str,
    /// Ends of host names by which its URLs are known.
    pub hosts: &'static [&'static str],
    /// How far apart key frames may be.
    pub key_interval: Option<Fact<Interval>>,
    /// Kilobits per second of video at most.
    pub video_kbps: Option<Fact<u32>>,
    /// Kilobits per second of audio at most.
    pub audio_kbps: Option<Fact<u32>>,
    /// Video codecs that it takes.
    pub video_codecs: Option<Fact<&'static [&'static str]>>,
    /// Audio codecs that it takes.
    pub audio_codecs: Option<Fact<&'static [&'static str]>>,
    /// What it does to B-frames.
    pub b_frames: Option<Fact<BFrames>>,
    /// Hours that one session lasts at most.
    pub session_hours: Option<Fact<u32>>,
    /// What follows the key of a publish that nobody sees.
    pub unseen: Option<Fact<&'static str>>,
}

impl Platform {
    /// The longest that a session may last.
    pub fn longest_session(&self) -> Option<Duration> {
        self.session_hours.map(|hours| Duration::from_secs(u64::from(hours.value) * 3600))
    }
}

const OBS: &str = "obs-studio, plugins/rtmp-services/data/services.json, package version 286";
const RESTREAMER: &str = "datarhei/restreamer-ui, src/misc/services";
const PRESETS: &str = "presets of several public programs; no page of the platform was found";
const YOUTUBE: &str = "https://support.google.com/youtube/answer/2853702";
const FACEBOOK: &str = "https://developers.facebook.com/docs/live-video-api/reference";
const TWITCH: &str = "https://www.twitch.tv/creatorcamp/en/paths/going-live/broadcast-recommendations/";
const IVS: &str = "https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/streaming-config.html";
const IVS_REAL_TIME: &str = "https://docs.aws.amazon.com/ivs/latest/RealTimeUserGuide/rt-stream-ingest.html";
const INSTAGRAM: &str = "the announcement of Live Producer, as quoted by lowyat.net";

const fn fact<T>(value: T, source: &'static str, read: &'static str) -> Fact<T> {
    Fact { value, source, read }
}

const READ: &str = "2026-11-25";

const fn every(wanted: f64, source: &'static str) -> Option<Fact<Interval>> {
    Some(fact(Interval { wanted, most: None }, source, READ))
}

const fn said<T: Copy>(value: T, source: &'static str) -> Option<Fact<T>> {
    Some(fact(value, source, READ))
}

const H264: &[&str] = &["h264"];
const AAC: &[&str] = &["aac"];

const NOTHING: Platform = Platform {
    name: "",
    title: "",
    url: None,
    found: "",
    hosts: &[],
    key_interval: None,
    video_kbps: None,
    audio_kbps: None,
    video_codecs: None,
    audio_codecs: None,
    b_frames: None,
    session_hours: None,
    unseen: None,
};

/// All of them.
pub const PLATFORMS: &[Platform] = &[
    Platform {
        name: "twitch",
        title: "Twitch",
        url: said("rtmps://ingest.global-contribute.live-video.net/app", PRESETS),
        found: "Creator Dashboard, Settings, Stream: Primary Stream key",
        hosts: &["twitch.tv", "ingest.global-contribute.live-video.net"],
        key_interval: every(2.0, OBS),
        video_kbps: said(6000, OBS),
        audio_kbps: said(320, TWITCH),
        video_codecs: said(H264, OBS),
        audio_codecs: said(AAC, TWITCH),
        session_hours: said(48, TWITCH),
        unseen: said("?bandwidthtest=true", "https://github.com/notr1ch/TwitchTest"),
        ..NOTHING
    },
    Platform {
        name: "youtube",
        title: "YouTube",
        url: said("rtmps://a.rtmps.youtube.com:443/live2", OBS),
        found: "YouTube Studio, Create, Go live, Stream: Stream key",
        hosts: &["youtube.com"],
        key_interval: Some(fact(Interval { wanted: 2.0, most: Some(4.0) }, YOUTUBE, READ)),
        video_kbps: said(51_000, OBS),
        audio_kbps: said(160, OBS),
        video_codecs: said(&["h264", "hevc", "av1"], OBS),
        audio_codecs: said(AAC, OBS),
        ..NOTHING
    },
    Platform {
        name: "facebook",
        title: "Facebook Live",
        url: said("rtmps://rtmp-api.facebook.com:443/rtmp/", OBS),
        found: "Live Producer, Streaming software: Stream key",
        hosts: &["facebook.com"],
        key_interval: Some(fact(Interval { wanted: 2.0, most: Some(4.0) }, FACEBOOK, READ)),
        video_kbps: said(9000, FACEBOOK),
        audio_kbps: said(256, FACEBOOK),
        video_codecs: said(H264, FACEBOOK),
        audio_codecs: said(AAC, FACEBOOK),
        session_hours: said(8, FACEBOOK),
        ..NOTHING
    },
    Platform {
        name: "kick",
        title: "Kick",
        found: "Creator Dashboard, Channel, Stream URL and key: both are your own, and the URL ends in /app",
        key_interval: every(2.0, "it takes streams through Amazon IVS (the host of its URLs); there see ivs"),
        video_codecs: said(H264, IVS),
        audio_codecs: said(AAC, IVS),
        ..NOTHING
    },
    Platform {
        name: "x",
        title: "X (Twitter)",
        url: said("rtmps://va.pscp.tv:443/x", RESTREAMER),
        found: "Media Studio, Producer, Create source: RTMPS URL (nearer regions have other hosts) and stream key",
        hosts: &["pscp.tv"],
        key_interval: every(3.0, OBS),
        video_kbps: said(12_000, OBS),
        audio_kbps: said(128, OBS),
        ..NOTHING
    },
    Platform {
        name: "vimeo",
        title: "Vimeo",
        url: said("rtmps://rtmp-global.cloud.vimeo.com:443/live", RESTREAMER),
        found: "the event's settings, Connect (RTMPS): stream key",
        hosts: &["vimeo.com"],
        video_kbps: said(
            5000,
            "https://help.vimeo.com/hc/articles/12426939452817-Recommended-network-configuration-for-streaming",
        ),
        session_hours: said(
            12,
            "https://help.vimeo.com/hc/en-us/articles/31722598759057-How-can-I-configure-a-live-stream-on-OTT",
        ),
        ..NOTHING
    },
    Platform {
        name: "trovo",
        title: "Trovo",
        url: said("rtmp://livepush.trovo.live/live/", OBS),
        found: "Creator Studio, Stream settings: stream key, the long text as a whole",
        hosts: &["trovo.live"],
        key_interval: every(2.0, OBS),
        video_kbps: said(9000, OBS),
        audio_kbps: said(160, OBS),
        ..NOTHING
    },
    Platform {
        name: "ivs",
        title: "Amazon IVS",
        found: "the channel's page in the console: ingest server (rtmps://...:443/app/) and stream key",
        hosts: &["live-video.net"],
        key_interval: every(2.0, IVS),
        video_kbps: said(8500, IVS_REAL_TIME),
        video_codecs: said(H264, IVS),
        audio_codecs: said(AAC, IVS),
        b_frames: said(BFrames::SometimesRefused, IVS_REAL_TIME),
        ..NOTHING
    },
    Platform {
        name: "instagram",
        title: "Instagram Live",
        url: said("rtmps://live-upload.instagram.com:443/rtmp/", PRESETS),
        found: "Add post, Live, Streaming software: a key for one broadcast",
        hosts: &["instagram.com"],
        video_kbps: said(6000, INSTAGRAM),
        audio_kbps: said(256, INSTAGRAM),
        session_hours: said(4, "https://github.com/haxzie/instagram-live-streamer/issues/40"),
        ..NOTHING
    },
    Platform {
        name: "restream",
        title: "Restream",
        url: said("rtmp://live.restream.io/live", OBS),
        found: "Encoder, RTMP settings: stream key",
        hosts: &["restream.io"],
        key_interval: every(2.0, "https://support.restream.io/en/articles/1668135-wrong-keyframe-warning"),
        ..NOTHING
    },
];

/// Their names, for the type of the option `platform`.
pub const NAMES: &[&str] =
    &["twitch", "youtube", "facebook", "kick", "x", "vimeo", "trovo", "ivs", "instagram", "restream"];

/// The platform of this name.
pub fn find(name: &str) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|platform| platform.name == name)
}

/// The platform that this host belongs to.
pub fn of_host(host: &str) -> Option<&'static Platform> {
    let host = host.to_ascii_lowercase();
    let ends = |end: &str| host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    PLATFORMS.iter().find(|platform| platform.hosts.iter().any(|end| ends(end)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Source and day of every fact of a platform.
    fn facts(platform: &Platform) -> Vec<(&'static str, &'static str)> {
        fn of<T>(fact: &Option<Fact<T>>) -> Option<(&'static str, &'static str)> {
            fact.as_ref().map(|fact| (fact.source, fact.read))
        }
        // Taken apart without `..`: a new field must be thought of here.
        let Platform {
            name: _,
            title: _,
            url,
            found: _,
            hosts: _,
            key_interval,
            video_kbps,
            audio_kbps,
            video_codecs,
            audio_codecs,
            b_frames,
            session_hours,
            unseen,
        } = platform;
        let all = [
            of(url),
            of(key_interval),
            of(video_kbps),
            of(audio_kbps),
            of(video_codecs),
            of(audio_codecs),
            of(b_frames),
            of(session_hours),
            of(unseen),
        ];
        all.into_iter().flatten().collect()
    }

    #[test]
    fn every_fact_has_its_source_and_its_day() {
        for platform in PLATFORMS {
            assert!(!platform.title.is_empty() && platform.found.len() > 10, "{}", platform.name);
            let facts = facts(platform);
            assert!(!facts.is_empty(), "{} has no facts", platform.name);
            for (source, read) in facts {
                assert!(source.len() > 10, "{}: a fact without source", platform.name);
                let parts: Vec<u32> = read.split('-').map(|part| part.parse().unwrap()).collect();
                let [year, month, day] = parts[..] else { unreachable!("{}: {read} is no day", platform.name) };
                assert!(year >= 2026 && (1..=12).contains(&month) && (1..=31).contains(&day), "{}", platform.name);
            }
        }
    }

    #[test]
    fn names_are_those_of_the_table_and_urls_can_be_dialled() {
        assert_eq!(PLATFORMS.iter().map(|platform| platform.name).collect::<Vec<_>>(), NAMES);
        for url in PLATFORMS.iter().filter_map(|platform| platform.url) {
            let parsed = outflow_rtmp::url::RtmpUrl::parse(url.value).unwrap();
            let host = parsed.host_text();
            assert!(!parsed.target(Some("key"), None, None).app.is_empty(), "{host}");
            assert!(of_host(host).is_some_and(|platform| platform.url == Some(url)), "{host}");
        }
    }

    #[test]
    fn hosts_are_known_by_whole_names() {
        assert_eq!(of_host("live-fra.TWITCH.tv").unwrap().name, "twitch");
        assert_eq!(of_host("abc123.global-contribute.live-video.net").unwrap().name, "ivs");
        assert!(of_host("nottwitch.tv").is_none() && of_host("twitch.tv.example").is_none());
    }
}
