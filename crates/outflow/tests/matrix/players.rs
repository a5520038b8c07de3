//! The players that join late: each started, ended, and judged by what it can show.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outflow_testkit::flv::{self, Tag};
use outflow_testkit::peers::{self, Found, Peer};
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::samples::Sample;

use crate::cells::{Cell, equal, knows};

/// Every player, in the order of the table.
pub(crate) const PLAYERS: [Peer; 6] =
    [Peer::Ffmpeg, Peer::Ffmpeg9, Peer::Mpv, Peer::Vlc, Peer::Rtmpdump, Peer::GstRtmp2Src];

/// FFmpeg's words to copy or decode all video and audio tracks of what was opened.
const ALL: &str = "-map 0:v? -map 0:a?";

/// A player that runs.
pub(crate) struct Late {
    found: Found,
    child: Child,
    /// What it writes: FLV, or what its frames are counted by.
    file: PathBuf,
    /// FFmpeg's hashes of decoded frames.
    hashes: PathBuf,
}

impl Late {
    /// Starts a player, unless it is not installed (`Absent`) or does not know the codecs (`Unknown`).
    pub(crate) fn start(peer: Peer, sample: &Sample, url: &str, folder: &Path, name: &str) -> Result<Self, Cell> {
        if !knows(peer, sample) {
            return Err(Cell::Unknown);
        }
        let found = peers::find(peer).ok_or(Cell::Absent)?;
        let (file, hashes) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.md5")));
        let child = match peer {
            Peer::Ffmpeg | Peer::Ffmpeg9 => Command::new(&found.path)
                .line("-nostdin -y -v error -xerror -i")
                .arg(url)
                .line(&format!("{ALL} -c copy -f flv"))
                .arg(&file)
                .line(&format!("{ALL} -fps_mode passthrough -f framemd5"))
                .arg(&hashes)
                .start(),
            Peer::Mpv => peers::mpv_decode(&found, url, &file),
            Peer::Vlc => peers::vlc_decode(&found, url, &file),
            Peer::Rtmpdump => peers::rtmpdump_play(&found, url, None, &file),
            _ => peers::gst_play(&found, url, &file),
        };
        Ok(Self { found, child, file, hashes })
    }

    /// Waits for its end, which the end of the publication is for most players, and says how it went.
    pub(crate) async fn judge(mut self, sample: &Sample, sent: &Sent) -> Cell {
        let peer = self.found.peer;
        // These two go on until they are told.
        let told = matches!(peer, Peer::Rtmpdump | Peer::GstRtmp2Src);
        let code = ended(&mut self.child, Duration::from_secs(if told { 2 } else { 15 })).await;
        if code.is_none() {
            self.child.interrupt().await;
        }
        let said = self.child.text();
        let cell = match peer {
            Peer::Ffmpeg | Peer::Ffmpeg9 => match code {
                Some(0) if said.is_empty() => Cell::of(self.copied_and_decoded(sent)),
                Some(0) => Cell::Failed(format!("complains: {said}")),
                Some(code) => Cell::Failed(format!("exit code {code}: {said}")),
                None => Cell::Failed(format!("does not end: {said}")),
            },
            Peer::Mpv | Peer::Vlc => self.counted(sample, sent, &said).await,
            _ => {
                Cell::of(flv::read_file(&self.file).and_then(|tags| equal(Some(peer), &sent.source, &tags, sent.late)))
            }
        };
        if matches!(cell, Cell::Equal { .. } | Cell::Decoded(_)) {
            peer.ran();
        }
        cell
    }

    fn copied_and_decoded(&self, sent: &Sent) -> Result<(usize, &'static str), String> {
        let tags = flv::read_file(&self.file)?;
        let frames = equal(Some(self.found.peer), &sent.source, &tags, sent.late)?;
        let decoded = &sent.hashes;
        let got = Hashes::read(&self.hashes)?;
        for (track, hashes) in &got.video {
            let copied =
                tags.iter().filter(|tag| tag.kind == 9 && tag.is_frame() && usize::from(tag.track()) == *track);
            let copied = copied.count();
            if hashes.len() != copied {
                return Err(format!("decoded {} of {copied} pictures of track {track}", hashes.len()));
            }
            let Some(all) = decoded.video.get(track) else { return Err(format!("has a track {track}")) };
            if !all.windows(hashes.len()).any(|part| part == hashes) {
                return Err(format!("the pictures of track {track} are not those of the source"));
            }
        }
        if (got.video.len(), got.audio) != (decoded.video.len(), decoded.audio) {
            let (video, audio) = (got.video.len(), got.audio);
            return Err(format!("decoded {video} video and {audio} audio tracks of {decoded:?}"));
        }
        Ok(frames)
    }

    /// For those that only decode: as many pictures (or packets of audio) as there were from the key frame before the join.
    async fn counted(&self, sample: &Sample, sent: &Sent, said: &str) -> Cell {
        let complaints: Vec<&str> = said.lines().filter(|line| complains(line)).collect();
        if !complaints.is_empty() {
            return Cell::Failed(format!("complains: {}", complaints.join("\n")));
        }
        let count = match self.found.peer {
            Peer::Mpv => {
                let text = std::fs::read_to_string(&self.file).unwrap_or_default();
                text.lines().filter(|line| line.starts_with("0,")).count()
            }
            _ => frames_in(&self.file, sample.video).await,
        };
        match count {
            0 => Cell::Failed(format!("decoded nothing: {said}")),
            _ if !sample.video => Cell::Decoded(0),
            count if count < sent.at_least() => {
                Cell::Failed(format!("decoded {count}; {} at least: {said}", sent.at_least()))
            }
            count => Cell::Decoded(count),
        }
    }
}

/// What was sent, by the tap.
pub(crate) struct Sent {
    pub(crate) source: Vec<Tag>,
    /// Of its pictures.
    pub(crate) hashes: Hashes,
    /// When the late players were started, in milliseconds after the source began.
    pub(crate) joined: u32,
    /// The latest that a player begins.
    pub(crate) late: u32,
}

impl Sent {
    /// The pictures that whoever joined late has at least: a program may take a group of pictures to start, and may drop a
    /// little at its end.
    fn at_least(&self) -> usize {
        let begin = self.source.iter().find(|tag| tag.is_frame()).map_or(0, |tag| tag.time);
        let last = self.source.last().map_or(0, |tag| tag.time);
        let keys = self.source.iter().filter(|tag| tag.is_key_frame()).map(|tag| tag.time - begin);
        let from = keys.filter(|time| *time > self.joined).take(2).last().unwrap_or(self.joined);
        let of_late = |tag: &&Tag| tag.kind == 9 && tag.is_frame() && tag.time - begin >= from && tag.time + 500 < last;
        self.source.iter().filter(of_late).count().max(10)
    }
}

/// Whether a line of mpv or VLC tells of trouble with what it plays, and not with its own encoder or with a missing screen.
fn complains(line: &str) -> bool {
    let line = line.to_lowercase();
    // Of its encoder's side: G.711, which it does not pack, and what it makes up then.
    if line.contains("packetizer") || line.contains("deadlock") {
        return false;
    }
    let ours = [
        "decoder error",
        "avcodec decoder",
        "demux error",
        "access error",
        "ffmpeg/video",
        "ffmpeg/audio",
        "ffmpeg/demuxer",
    ];
    (line.contains("error") || line.contains("invalid") || line.contains("corrupt"))
        && ours.iter().any(|part| line.contains(part))
}

/// Frames of the first track of one kind in a file, by FFmpeg's count.
async fn frames_in(file: &Path, video: bool) -> usize {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return 0 };
    let mut child = Command::new(&ffmpeg.path)
        .line("-nostdin -v fatal -i")
        .arg(file)
        .line(if video { "-map 0:v:0" } else { "-map 0:a:0" })
        .line("-c copy -f framemd5 -")
        .start();
    child.wait_exit().await;
    child.text().lines().filter(|line| line.starts_with("0,")).count()
}

/// The exit code, or `None` if it still runs then.
pub(crate) async fn ended(child: &mut Child, within: Duration) -> Option<i32> {
    tokio::time::timeout(within, child.wait_exit_within(Duration::from_secs(600))).await.ok()
}

/// What FFmpeg decoded: a hash for each picture of each video track, and how many audio tracks.
#[derive(Default)]
pub(crate) struct Hashes {
    video: BTreeMap<usize, Vec<String>>,
    audio: usize,
}

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} and {}", self.video.len(), self.audio)
    }
}

impl Hashes {
    /// Decodes the tags as a file of their own.
    pub(crate) async fn of(ffmpeg: Option<&Found>, tags: &[Tag], folder: &Path) -> Result<Self, String> {
        let Some(ffmpeg) = ffmpeg else { return Ok(Self::default()) };
        let (file, hashes) = (folder.join("source.flv"), folder.join("source.md5"));
        std::fs::write(&file, flv::write(tags)).unwrap();
        let mut child = Command::new(&ffmpeg.path)
            .line("-nostdin -y -v error -xerror -i")
            .arg(&file)
            .line(&format!("{ALL} -fps_mode passthrough -f framemd5"))
            .arg(&hashes)
            .start();
        match child.wait_exit().await {
            0 if child.text().is_empty() => Self::read(&hashes),
            code => Err(format!("the source itself, exit code {code}: {}", child.text())),
        }
    }

    fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let mut hashes = Self::default();
        // `#media_type 0: video`; all video tracks come first, as they are mapped.
        let of_type = |line: &str, what: &str| line.starts_with("#media_type ") && line.ends_with(what);
        hashes.audio = text.lines().filter(|line| of_type(line, ": audio")).count();
        for track in 0..text.lines().filter(|line| of_type(line, ": video")).count() {
            let of_track = |line: &&str| line.split(',').next().is_some_and(|first| first.trim() == track.to_string());
            let hash = |line: &str| line.rsplit(',').next().unwrap_or_default().trim().to_owned();
            let frames = text.lines().filter(|line| !line.starts_with('#')).filter(of_track).map(hash).collect();
            hashes.video.insert(track, frames);
        }
        Ok(hashes)
    }
}
