//! Looking at what a source sends for a few seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::finding::{Finding, Verdict};
use crate::env::Env;
use crate::error::Ended;
use crate::media::meter::{Facts, Metered};
use crate::node::Node;
use crate::source::{Source, SourceJob};
use crate::stop::stopper;

/// Media that tells enough, where key frames are not too far apart.
pub(super) const LEAST: Duration = Duration::from_secs(5);
/// Key frames further apart than this are told as such.
pub(super) const MOST: Duration = Duration::from_secs(12);
/// How long the first media is waited for.
pub(super) const FIRST: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(100);
/// How long a source may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// Runs one source until it has told enough.
pub(super) async fn source(mut source: Box<dyn Source>, node: &Node, env: &Env) -> Result<Facts, Ended> {
    let metered = Arc::new(Metered::default());
    let (ending, stop) = stopper();
    let job = SourceJob {
        feed: metered.clone(),
        raw: Default::default(),
        realtime: true,
        stop,
        stats: Arc::default(),
        events: Arc::new(|_| {}),
        name: node.name.clone(),
        env: env.clone(),
    };
    let mut running = source.run(job);
    let begin = Instant::now();
    let mut looking = tokio::time::interval(LOOK);
    let ended = loop {
        tokio::select! {
            ended = &mut running => break Some(ended),
            _ = looking.tick() => {
                let meter = metered.0.lock();
                if is_enough(begin, &[meter.lasted()], meter.tells(LEAST)) {
                    break None;
                }
            }
        }
    };
    let facts = metered.0.lock().facts();
    ending.stop();
    if ended.is_none() {
        // It says good-bye; whether it is in time or not, enough was seen.
        let _ = tokio::time::timeout(STOP, running).await;
    }
    match (facts, ended) {
        (Some(facts), _) => Ok(facts),
        (None, Some(ended)) => Err(ended),
        (None, None) => {
            Err(Ended::network(crate::error::Reason::Timeout, format!("no media came within {} s", FIRST.as_secs())))
        }
    }
}

/// True where looking on is of no use: there is no media, or it has told enough, or it is too slow to.
pub(super) fn is_enough(begin: Instant, lasted: &[Duration], tells: bool) -> bool {
    let took = begin.elapsed();
    tells
        || took >= FIRST + MOST
        || (took >= FIRST && lasted.iter().all(Duration::is_zero))
        || lasted.iter().any(|lasted| *lasted >= MOST)
}

/// What a stream is, in lines.
pub(super) fn told(who: &str, facts: &Facts) -> Vec<Finding> {
    let mut lines = Vec::new();
    let seconds = facts.seconds;
    if let Some(video) = &facts.video {
        let size = video.size.map_or(String::new(), |(width, height)| format!(" {width}x{height}"));
        let profile = video.profile.map_or(String::new(), |name| format!(" {name}"));
        let keys = match (video.key_interval, video.since_key) {
            (Some(interval), since) if since.is_none_or(|since| since <= interval * 1.5) => {
                format!("a key frame every {interval:.1} s")
            }
            (_, Some(since)) => format!("no second key frame within {since:.1} s"),
            _ => "no key frame".to_owned(),
        };
        let order = if video.b_frames { "with B-frames" } else { "no B-frames" };
        let text = format!(
            "{}{profile}{size}, {} fps, {}, {keys}, {order} ({seconds:.1} s looked at)",
            video.codec,
            video.fps,
            rate(video.bitrate_bps)
        );
        lines.push(Finding::new(who, "video", Verdict::Pass, text).details(serde_json::json!(video)));
    }
    if let Some(audio) = &facts.audio {
        let hz = audio.sample_rate.map_or(String::new(), |hz| format!(" {hz} Hz"));
        let channels = audio.channels.map_or(String::new(), |channels| format!(" {channels} ch"));
        let text = format!("{}{hz}{channels}, {}", audio.codec, rate(audio.bitrate_bps));
        lines.push(Finding::new(who, "audio", Verdict::Pass, text).details(serde_json::json!(audio)));
    }
    lines
}

/// `6.0 Mb/s`, `128 kb/s`
pub(super) fn rate(bps: u64) -> String {
    if bps >= 1_000_000 { format!("{:.2} Mb/s", bps as f64 / 1e6) } else { format!("{:.0} kb/s", bps as f64 / 1e3) }
}
