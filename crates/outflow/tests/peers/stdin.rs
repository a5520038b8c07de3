//! Standard input: what an encoder writes into our pipe is what is recorded.

use std::process::{Command, Stdio};

use outflow_testkit::compare::compare;
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{Peer, find};

use crate::help::{folder, outflow, read};

#[tokio::test]
async fn what_comes_through_standard_input_is_recorded_packet_by_packet() {
    let Some(ffmpeg) = find(Peer::Ffmpeg) else { return };
    let clip = Clip::small(4).file().await;
    let folder = folder();
    let (sent, recorded) = (folder.path().join("sent.flv"), folder.path().join("recorded.flv"));
    // One run of FFmpeg writes both: the pipe, and the file that the recording is compared with.
    let output = ["-map", "0", "-c", "copy", "-flvflags", "no_duration_filesize", "-f", "flv"];
    let mut encoder = Command::new(&ffmpeg.path)
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&clip)
        .args(output)
        .arg("pipe:1")
        .args(output)
        .arg(&sent)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut program = outflow(&format!("-i - -o {}", recorded.display())).stdin(encoder.stdout.take().unwrap()).start();
    assert_eq!(program.wait_exit().await, 0, "{}", program.text());
    assert!(encoder.wait().unwrap().success());
    let (sent, recorded) = (read(&sent), read(&recorded));
    let matched = compare(&sent, &recorded).unwrap_or_else(|problem| panic!("{problem}"));
    let frames = |kind| sent.iter().filter(|tag| tag.kind == kind && tag.is_frame()).count();
    assert_eq!(matched.video, frames(9));
    // The sound before the first picture has no place in a recording that begins with a key frame.
    assert!(matched.audio + 3 >= frames(8), "{matched:?} of {}", frames(8));
    Peer::Ffmpeg.ran();
}
