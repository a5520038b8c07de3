//! Starting the program, and what several tests check of a stream.

use std::path::Path;
use std::time::{Duration, Instant};

use outflow_testkit::flv::{self, Tag};
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::proc::{Child, Command};
use outflow_testkit::wait::DEADLINE;
use outflow_testkit::{free_port, wire};

/// The program with words split at blanks.
pub(crate) fn outflow(words: &str) -> Command {
    Command::new(env!("CARGO_BIN_EXE_outflow")).line(words)
}

/// Waits until these ports are in the kernel's table of listeners, without connecting to them; gives how long it took.
pub(crate) async fn listening(ports: &[u16], program: &mut Child) -> Duration {
    let start = Instant::now();
    while !ports.iter().all(|&port| peers::listens(port)) {
        assert!(program.is_running(), "the program ended before it listened on {ports:?}: {}", program.text());
        assert!(start.elapsed() < DEADLINE, "no listener on all of {ports:?}: {}", program.text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

/// Two free ports.
pub(crate) fn two_ports() -> (u16, u16) {
    (free_port(), free_port())
}

/// A folder where any user may write, for peers that give up root.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    peers::open_to_all(folder.path());
    folder
}

/// A joiner must get metadata and both headers before its first frame, and a key frame as its first video frame.
pub(crate) fn begins_well(tags: &[Tag]) -> Result<(), String> {
    let frame = tags.iter().position(Tag::is_frame).ok_or("no frame at all")?;
    let video = tags.iter().find(|tag| tag.kind == wire::kind::VIDEO && tag.is_frame()).ok_or("no video frame")?;
    let header = |kind: u8| tags[..frame].iter().any(|tag| tag.kind == kind && tag.is_sequence_header());
    match () {
        () if !tags[..frame].iter().any(|tag| tag.kind == wire::kind::DATA) => {
            Err("no metadata before the first frame")
        }
        () if !header(wire::kind::VIDEO) => Err("no video header before the first frame"),
        () if !header(wire::kind::AUDIO) => Err("no audio header before the first frame"),
        () if !video.is_key_frame() => Err("the first video frame is no key frame"),
        () => Ok(()),
    }
    .map_err(|why| format!("{why}: {:?}", &tags[..tags.len().min(10)]))
}

/// Decodes tags with FFmpeg, which must not complain.
pub(crate) async fn decodes(tags: &[Tag], name: &str) {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let folder = folder();
    let file = folder.path().join(format!("{name}.flv"));
    std::fs::write(&file, flv::write(tags)).unwrap();
    decodes_file(&ffmpeg, &file).await;
}

/// Decodes a file with FFmpeg, which must not complain.
pub(crate) async fn decodes_file(ffmpeg: &peers::Found, file: &Path) {
    let said = peers::decode_errors(ffmpeg, file).await;
    assert!(said.is_empty(), "ffmpeg on {}: {said}", file.display());
}

/// The tags of a recording, its name in the panic.
pub(crate) fn read(file: &Path) -> Vec<Tag> {
    flv::read_file(file).unwrap_or_else(|why| panic!("{why}"))
}
