//! One output over a link that loses 5 % of the packets, delays them by 200 ms, and carries less than the stream's rate:
//! it leaves whole groups out, stays decodable and near the live edge, and the others do not notice. The same with groups
//! that are longer than `max_lag`, where it has to go forward and not in circles.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use outflow_testkit::compare::{compare, holes_end_at_key_frames, monotonic};
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::ingest::{Behaviour, Ingest, Session};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::proc::Command;
use outflow_testkit::tun::{Path, TunLink};
use outflow_testkit::wait::DEADLINE;

use crate::control::Control;
use crate::said;

const SEED: u64 = 3043;

const MAX_LAG: Duration = Duration::from_secs(4);
/// A reader that is blocked is looked at when its socket takes something again.
const LOOK: Duration = Duration::from_millis(1500);
/// What the kernel holds that was not sent, the batch under way, and what is sent anew after losses, at the rate of the link.
const BUFFERED: Duration = Duration::from_secs(4);
const DELAY: Duration = Duration::from_millis(200);
/// How much longer than anybody on this machine a good output may wait for a packet.
const LONGEST_GAP: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_bad_link_costs_its_own_output_whole_groups() {
    // Both at once: each is idle for most of its time.
    tokio::join!(bad_link(2, 30), bad_link(8, 34));
}

#[tokio::test]
#[ignore = "two minutes: scripts/test-long"]
async fn a_bad_link_costs_its_own_output_whole_groups_for_two_minutes() {
    tokio::join!(bad_link(2, 120), bad_link(8, 120));
}

async fn bad_link(group: u32, seconds: u32) {
    let (Some(ffmpeg), Some(link)) = (peers::find(Peer::Ffmpeg), TunLink::start(SEED)) else { return };
    let clip = Clip { bits: 1_000_000, group, ..Clip::small(seconds) };
    let (file, source) = (clip.file().await, clip.tags().await);
    link.set(|paths| {
        paths.up = Path { delay: DELAY, loss: 0.05, bytes_per_second: Some(100_000), ..Path::default() };
    });
    let far = outflow_testkit::ingest::Setup::new([Behaviour::Good]).at(link.server()).start().await;
    let near = [Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await];
    let mut program = Command::new(env!("CARGO_BIN_EXE_outflow")).line("-json -drain=1 -i").arg(&file);
    program = program.arg("-o").arg(format!("{}:gpac:name=far:max_lag=4s", link.url(&far, "live/k")));
    for (number, near) in near.iter().enumerate() {
        program = program.arg("-o").arg(format!("{}:gpac:name=near{number}", near.url("live/k")));
    }
    let control = Control::start(seconds).await;
    let mut program = program.start();
    let rest = Duration::from_secs(u64::from(seconds)) + DEADLINE;
    program.wait_exit_within(rest).await;

    for near in &near {
        let session = near.session(0);
        let found = compare(&source, &session.tags()).unwrap();
        assert_eq!(found.begins_at, source.iter().position(Tag::is_key_frame).unwrap(), "{found:?}");
        assert_eq!(found.video, source.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).count(), "{found:?}");
    }
    let gap = near.iter().map(|near| near.session(0).longest_gap).max().unwrap();
    assert!(gap < control.gap() + LONGEST_GAP, "a good output waited {gap:?}, a program beside it {:?}", control.gap());
    let (lags, skips) = (said::figures(&program, "far", "lag_millis"), said::figures(&program, "far", "skips"));
    let sessions = far.state.look(|state| state.sessions.clone());
    let mut holes = 0u64;
    let mut worst = Duration::ZERO;
    let mut frames = 0;
    for (number, session) in sessions.iter().enumerate() {
        let tags = session.tags();
        monotonic(&tags).unwrap();
        holes += holes_end_at_key_frames(&source, &tags).unwrap() as u64;
        forward(&source, &tags).unwrap();
        worst = worst.max(behind(session, &near[0].session(0)));
        frames += tags.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).count();
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("far.flv");
        std::fs::write(&recording, flv::write(&tags)).unwrap();
        if tags.iter().any(Tag::is_key_frame) {
            let said = peers::decode_errors(&ffmpeg, &recording).await;
            assert!(said.is_empty(), "connection {number}: {said}");
        }
    }
    let told = lags.iter().max().copied().map_or(Duration::ZERO, Duration::from_millis);
    println!(
        "groups of {group} s: {:?}; {} connections, {frames} of {} frames, {holes} holes, {:?} skips told, lag told at most \
         {told:?}, behind a good output at most {worst:?}; the good ones' worst gap {gap:?}; {:?}",
        link.carried().0,
        sessions.len(),
        seconds * clip.rate,
        skips.last(),
        said::states(&program).get("far").map(|told| told.iter().map(|it| it.state.as_str()).collect::<Vec<_>>()),
    );
    // The end may come between the last skip and the frame that it leads to.
    let told_of = skips.last().copied().unwrap_or(0);
    assert!(holes > 0 && (holes..=holes + 1).contains(&told_of), "{holes} holes, {skips:?} skips told");
    assert_eq!(sessions.len(), 1, "it was slow and not broken");
    // Half of the stream's rate gets through; whole frames at least, and of several groups.
    assert!(frames > (seconds * clip.rate) as usize / 3, "{frames} frames");
    assert!(told < MAX_LAG + LOOK, "lag of {told:?}");
    assert!(worst < MAX_LAG + LOOK + DELAY + BUFFERED, "{worst:?} behind a good output");
    Peer::Ffmpeg.ran();
}

/// Checks that no frame comes twice or after a later one.
fn forward(source: &[Tag], tags: &[Tag]) -> Result<(), String> {
    let places: HashMap<&[u8], usize> = source
        .iter()
        .enumerate()
        .filter(|(_, tag)| tag.kind == 9 && tag.is_frame())
        .map(|(n, tag)| (&tag.body[..], n))
        .collect();
    let mut last = None;
    for tag in tags.iter().filter(|tag| tag.kind == 9 && tag.is_frame()) {
        let place = places.get(&tag.body[..]).ok_or_else(|| format!("{tag:?} was never sent"))?;
        if last.is_some_and(|last| last >= place) {
            return Err(format!("{tag:?} is frame {place} and came after {last:?}"));
        }
        last = Some(place);
    }
    Ok(())
}

/// How much later than at a good output a video frame came, at most.
fn behind(session: &Session, good: &Session) -> Duration {
    let at: HashMap<u64, Instant> = good.arrivals.iter().map(|arrival| (arrival.digest, arrival.at)).collect();
    let frames = session.arrivals.iter().filter(|arrival| arrival.message.kind == 9 && arrival.length > 100);
    frames.filter_map(|arrival| arrival.at.checked_duration_since(*at.get(&arrival.digest)?)).max().unwrap_or_default()
}
