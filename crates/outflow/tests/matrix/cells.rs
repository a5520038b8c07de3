//! What one cell of the matrix says, what decides it, and which peers know which codecs.

use outflow_testkit::compare::{compare_with, headers, in_order};
use outflow_testkit::flv::Tag;
use outflow_testkit::peers::Peer;
use outflow_testkit::samples::Sample;

/// The outcome of one publisher and codec at one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Every packet from the first key frame on, in the same order and the same steps of time. `notes`: footnotes of the page.
    Equal { frames: usize, notes: &'static str },
    /// Decoded without an error: so many pictures, or 0 where there are none.
    Decoded(usize),
    /// One end does not know the codec.
    Unknown,
    /// The peer is not installed.
    Absent,
    /// It is not as it should be.
    Failed(String),
}

impl Cell {
    /// As it stands in a table.
    pub(crate) fn mark(&self) -> String {
        match self {
            Cell::Equal { notes: "", .. } => "=".into(),
            Cell::Equal { notes, .. } => format!("= ({notes})"),
            Cell::Decoded(0) => "ok".into(),
            Cell::Decoded(frames) => format!("ok {frames}"),
            Cell::Unknown => "-".into(),
            Cell::Absent => "not run".into(),
            Cell::Failed(why) => {
                format!("FAILED: {}", why.split([':', ';', '\n']).next().unwrap_or_default())
            }
        }
    }

    /// From a comparison.
    pub(crate) fn of(result: Result<(usize, &'static str), String>) -> Self {
        match result {
            Ok((frames, notes)) => Cell::Equal { frames, notes },
            Err(why) => Cell::Failed(why),
        }
    }
}

/// Whether this publisher can send this.
pub(crate) fn can_publish(publisher: Peer, sample: &Sample) -> bool {
    match publisher {
        Peer::Ffmpeg9 => true,
        Peer::Ffmpeg => !sample.enhanced,
        // Its FLV muxer and demuxer know the legacy codecs; the pipeline here has both kinds.
        Peer::GstRtmp2Sink | Peer::GstRtmpSink => !sample.enhanced && sample.video,
        Peer::Obs => sample.name == "H.264 + AAC",
        _ => false,
    }
}

/// Whether this player or destination knows every codec of it.
pub(crate) fn knows(peer: Peer, sample: &Sample) -> bool {
    match peer {
        // What they decode or write anew, they have to know. Debian 12's mpv and VLC are on FFmpeg 5.1.
        Peer::Ffmpeg | Peer::Mpv | Peer::Vlc => !sample.enhanced,
        // These hand on whatever comes.
        _ => true,
    }
}

/// How far a peer may move packets against each other, in milliseconds: node-media-server has clocks of its own for audio and video.
fn tolerance(peer: Option<Peer>) -> i64 {
    if peer == Some(Peer::NodeMediaServer) { 100 } else { 0 }
}

/// Whether a peer writes audio and video in the order in which they came. FFmpeg's muxer sorts.
fn keeps_order(peer: Option<Peer>) -> bool {
    !matches!(peer, Some(Peer::Ffmpeg | Peer::Ffmpeg9))
}

/// Holds what arrived against the tap, from its first key frame on to the end. It has to begin at most `by` milliseconds after
/// the source. Gives the number of packets, and footnotes.
pub(crate) fn equal(
    peer: Option<Peer>,
    source: &[Tag],
    arrived: &[Tag],
    by: u32,
) -> Result<(usize, &'static str), String> {
    let told = exactly(peer, source, arrived, by);
    match (told, peer) {
        // FFmpeg writes FLV's own byte of sound anew.
        (Err(why), Some(Peer::Ffmpeg | Peer::Ffmpeg9)) => {
            let (source, arrived): (Vec<Tag>, Vec<Tag>) =
                (source.iter().map(format_alone).collect(), arrived.iter().map(format_alone).collect());
            exactly(peer, &source, &arrived, by).map(|frames| (frames, "c")).map_err(|_| why)
        }
        (told, _) => told.map(|frames| (frames, "")),
    }
}

/// The rate, size and channels that FLV says of legacy sound, left out.
fn format_alone(tag: &Tag) -> Tag {
    let mut tag = tag.clone();
    if tag.kind == 8 && tag.body.first().is_some_and(|first| first >> 4 != 9) {
        let mut body = tag.body.to_vec();
        body[0] &= 0xf0;
        tag.body = body.into();
    }
    tag
}

fn exactly(peer: Option<Peer>, source: &[Tag], arrived: &[Tag], by: u32) -> Result<usize, String> {
    let found = compare_with(source, arrived, tolerance(peer))?;
    let frames = found.video + found.audio;
    let rest = found.rest;
    // Audio of the last moments may be cut where a peer ends with the last video.
    if frames + 8 < rest {
        return Err(format!("ends early: {frames} of {rest} packets"));
    }
    let begin = source.iter().find(|tag| tag.is_frame()).map_or(0, |tag| tag.time);
    let began = source[found.begins_at].time.saturating_sub(begin);
    if began > by {
        return Err(format!("begins {began} ms after the source"));
    }
    if let Some(first) = arrived.iter().find(|tag| tag.kind == 9 && tag.is_frame())
        && !first.is_key_frame()
    {
        return Err(format!("begins with {first:?}"));
    }
    if keeps_order(peer) {
        in_order(source, arrived)?;
        headers(source, arrived)?;
    }
    Ok(frames)
}
