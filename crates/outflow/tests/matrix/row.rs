//! One row of the matrix: one publisher with one pair of codecs, to all players and destinations at the same time.

use std::path::Path;
use std::time::Duration;

use outflow_testkit::compare::ahead;
use outflow_testkit::flv::{self, Tag};
use outflow_testkit::peers::{self, GstSink, Peer};
use outflow_testkit::player::{Player, Received};
use outflow_testkit::proc::Child;
use outflow_testkit::samples::{GROUP, Sample};
use outflow_testkit::tap;

use crate::cells::{Cell, equal, knows};
use crate::players::{Hashes, Late, PLAYERS, Sent, ended};
use crate::rig::Rig;

/// Destinations, in the order of the table; the second relay is last and has no peer of its own.
pub(crate) const DESTINATIONS: [Peer; 4] = [Peer::NginxRtmp, Peer::NodeMediaServer, Peer::Ffmpeg, Peer::Ffmpeg9];

/// How much who is there before the publisher may miss, in milliseconds: destinations are dialled at the first key frame, and
/// begin with the last one; audio alone counts as such after a second.
const EARLY: u32 = 2200;

/// The row.
pub(crate) struct Row {
    pub(crate) publisher: Peer,
    pub(crate) sample: &'static Sample,
    /// Of [`PLAYERS`], which join late.
    pub(crate) players: Vec<Cell>,
    /// Of [`DESTINATIONS`], and the second relay.
    pub(crate) destinations: Vec<Cell>,
    /// FFmpeg 9, late, at the second relay.
    pub(crate) late: Cell,
}

impl Row {
    /// A row that ended before it could be judged.
    pub(crate) fn failed(publisher: Peer, sample: &'static Sample, why: &str) -> Self {
        let cell = Cell::Failed(why.to_owned());
        let (players, destinations) = (vec![cell.clone(); PLAYERS.len()], vec![cell.clone(); DESTINATIONS.len() + 1]);
        Self { publisher, sample, players, destinations, late: cell }
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.players.iter().chain(&self.destinations).chain([&self.late])
    }

    /// The whole text of each cell that failed.
    pub(crate) fn failures(&self) -> Vec<String> {
        let names = PLAYERS.iter().map(|peer| format!("{} playing", peer.name()));
        let names = names.chain(DESTINATIONS.iter().map(|peer| format!("to {}", peer.name())));
        let names = names.chain(["to outflow".to_owned(), "late from the second outflow".to_owned()]);
        let row = format!("{}: {}", self.publisher.name(), self.sample.name);
        let told = |(name, cell): (String, &Cell)| match cell {
            Cell::Failed(why) => Some(format!("{row}: {name}: {why}")),
            _ => None,
        };
        names.zip(self.cells()).filter_map(told).collect()
    }
}

/// Runs a row: `length` of media. `None` where the publisher, or what makes its media, is not installed.
pub(crate) async fn run(publisher: Peer, sample: &'static Sample, length: Duration) -> Option<Row> {
    let found = peers::find(publisher)?;
    let file = sample.file().await?;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    peers::open_to_all(folder);
    let mut rig = Rig::start(folder, sample).await;
    let (server, url) = (rig.server(), format!("{}/show", rig.server()));
    let mut publishing = match publisher {
        Peer::GstRtmp2Sink => peers::gst_copy(&found, GstSink::Rtmp2, &file, &url),
        Peer::GstRtmpSink => peers::gst_copy(&found, GstSink::Rtmp, &file, &url),
        Peer::Obs => peers::obs_publish(&found, &server, "show", folder),
        _ => peers::ffmpeg_copy(&found, &file, &url),
    };

    // Late, and in the middle of a group.
    reaches(&rig.at_first, &mut publishing, "three seconds of media", |seen| {
        let Some((first, last, key)) = times(seen, sample) else { return false };
        let into = last.saturating_sub(key);
        last - first >= 3000 && (publisher == Peer::Obs || (300..GROUP * 1000 - 300).contains(&into) || !sample.video)
    })
    .await;
    let joined = rig.at_first.received.look(|seen| times(seen, sample)).map_or(0, |(first, last, _)| last - first);
    let (first, second) = (rig.first.url(), rig.second.url());
    let mut late: Vec<_> = PLAYERS
        .iter()
        .map(|&peer| Late::start(peer, sample, &first, folder, &format!("{}-late", peer.name())))
        .collect();
    late.push(Late::start(Peer::Ffmpeg9, sample, &second, folder, "second-late"));
    let late_nginx = match &rig.nginx {
        Some(_) => Player::connect(&rig.nginx_url).await.ok(),
        None => None,
    };
    reaches(&rig.at_first, &mut publishing, "all the media", |seen| {
        times(seen, sample).is_some_and(|(first, last, _)| u128::from(last - first) >= length.as_millis())
    })
    .await;
    end(publisher, &mut publishing, &mut rig.first.program).await;
    for player in [&rig.at_first, &rig.at_second] {
        left(player).await;
    }

    let taps = rig.tap.tapped();
    let source = match taps.first() {
        Some(bytes) => ahead(tap::decode(bytes).await.unwrap_or_else(|why| panic!("the tap: {why}"))),
        None => panic!("nobody came to the tap"),
    };
    if let Err(why) = equal(None, &source, &rig.at_first.tags(), EARLY) {
        return Some(Row::failed(publisher, sample, &format!("a player of the first relay: {why}")));
    }
    let ffmpeg9 = peers::find(Peer::Ffmpeg9);
    let hashes = Hashes::of(ffmpeg9.as_ref().or(peers::find(Peer::Ffmpeg).as_ref()), &source, folder).await;
    let hashes = hashes.unwrap_or_else(|why| panic!("{why}"));
    let sent = Sent { source, hashes, joined, late: joined + 3000 };
    let source = &sent.source;
    let mut players = Vec::new();
    for player in late {
        players.push(match player {
            Ok(player) => player.judge(sample, &sent).await,
            Err(cell) => cell,
        });
    }
    let late = players.pop().unwrap_or(Cell::Absent);
    let mut destinations = vec![nginx(&rig, sample, source, late_nginx.as_ref()).await, node(&rig, source).await];
    for peer in &DESTINATIONS[2..] {
        destinations.push(match rig.listening.iter_mut().find(|listening| listening.peer == *peer) {
            Some(listening) => listened(*peer, &mut listening.child, &listening.file, source).await,
            None if !knows(*peer, sample) => Cell::Unknown,
            None => Cell::Absent,
        });
    }
    destinations.push(Cell::of(equal(None, source, &rig.at_second.tags(), EARLY)));
    publisher.ran();
    for relay in [rig.first, rig.second] {
        let mut program = relay.program;
        assert_eq!(program.interrupt().await, 0, "{}", program.text());
    }
    Some(Row { publisher, sample, players, destinations, late })
}

/// The first and last time of what an early player has, and that of the last key frame.
fn times(seen: &Received, sample: &Sample) -> Option<(u32, u32, u32)> {
    let kind = if sample.video { 9 } else { 8 };
    let mut of_kind =
        seen.arrivals.iter().map(|arrival| Tag::from_message(&arrival.message)).filter(|tag| tag.kind == kind);
    let first = of_kind.find(Tag::is_frame)?.time;
    let mut newest =
        seen.arrivals.iter().rev().map(|arrival| Tag::from_message(&arrival.message)).filter(|tag| tag.kind == kind);
    let last = newest.next()?;
    let key = if last.is_key_frame() { Some(last.time) } else { newest.find(Tag::is_key_frame).map(|tag| tag.time) };
    Some((first, last.time, key.unwrap_or(first)))
}

async fn reaches(player: &Player, publishing: &mut Child, what: &str, mut there: impl FnMut(&Received) -> bool) {
    let waiting = player.received.wait_for(what, |seen| there(seen).then_some(()));
    tokio::select! {
        () = waiting => {}
        // It ends by itself only where it fails, or where its file is shorter than what is asked for.
        code = publishing.wait_exit_within(Duration::from_secs(600)) => panic!("the publisher ended with {code} before {what}: {}", publishing.text()),
    }
}

/// Ends a publication as its user would. OBS without a screen has nobody to press its button, so the relay ends it.
async fn end(publisher: Peer, publishing: &mut Child, relay: &mut Child) {
    if publisher == Peer::Obs {
        relay.interrupt().await;
        return publishing.kill().await;
    }
    publishing.signal(rustix::process::Signal::INT);
    if ended(publishing, Duration::from_secs(10)).await.is_none() {
        publishing.kill().await;
    }
}

/// Waits until a player knows that the broadcast is over.
async fn left(player: &Player) {
    let over = |seen: &Received| {
        let told = seen.statuses.iter().any(|code| code == "NetStream.Play.UnpublishNotify");
        (told || seen.end.is_some()).then_some(())
    };
    player.received.wait_for("the end of the broadcast at a player", over).await;
}

/// nginx-rtmp sees no key frames in Enhanced video, so it waits for none here (footnote a), and gives late players no Enhanced
/// headers (b). Who was there first has to have everything.
async fn nginx(rig: &Rig, sample: &Sample, source: &[Tag], late: Option<&Player>) -> Cell {
    let (Some(nginx), Some(player)) = (&rig.nginx, &rig.at_nginx) else { return Cell::Absent };
    let peer = Some(Peer::NginxRtmp);
    let judged = settled(|| {
        let told = equal(peer, source, &player.tags(), EARLY)?;
        if !sample.enhanced {
            let file = nginx.recordings("show").pop().ok_or("it recorded nothing")?;
            flv::read_file(&file)
                .and_then(|tags| equal(peer, source, &tags, EARLY))
                .map_err(|why| format!("recorded: {why}"))?;
        }
        Ok(told)
    })
    .await;
    let without_header = late.is_some_and(
        |late| matches!(equal(peer, source, &late.tags(), u32::MAX), Err(why) if why.contains("before its sequence header")),
    );
    match judged {
        Ok((frames, _)) => {
            Peer::NginxRtmp.ran();
            let notes = match (sample.enhanced && sample.video, without_header) {
                (true, true) => "a, b",
                (true, false) => "a",
                (false, true) => "b",
                (false, false) => "",
            };
            Cell::Equal { frames, notes }
        }
        Err(why) => Cell::Failed(why),
    }
}

async fn node(rig: &Rig, source: &[Tag]) -> Cell {
    let Some(player) = &rig.at_node else { return Cell::Absent };
    let judged = settled(|| equal(Some(Peer::NodeMediaServer), source, &player.tags(), EARLY)).await;
    if judged.is_ok() {
        Peer::NodeMediaServer.ran();
    }
    Cell::of(judged)
}

async fn listened(peer: Peer, child: &mut Child, file: &Path, source: &[Tag]) -> Cell {
    let Some(code) = ended(child, Duration::from_secs(10)).await else {
        return Cell::Failed(format!("does not end: {}", child.text()));
    };
    match flv::read_file(file).and_then(|tags| equal(Some(peer), source, &tags, EARLY)) {
        Ok((frames, notes)) => Cell::Equal { frames, notes },
        Err(why) => Cell::Failed(format!("{why}; exit code {code}: {}", child.text())),
    }
}

/// Asks until it is good, for what is still on its way through a peer; gives the last answer.
async fn settled(
    mut ask: impl FnMut() -> Result<(usize, &'static str), String>,
) -> Result<(usize, &'static str), String> {
    let begin = std::time::Instant::now();
    loop {
        let answer = ask();
        if answer.is_ok() || begin.elapsed() > Duration::from_secs(3) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
