//! Pulls from real servers: what a player of ours gets is what the publisher sent to the server.

use std::path::Path;

use outflow_testkit::compare::compare;
use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Found, Nginx, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::Command;

use crate::help::{folder, listening, outflow, read};

/// Starts a publisher that ends by itself.
fn publish(ffmpeg: &Found, url: &str, reference: &Path) -> outflow_testkit::proc::Child {
    peers::ffmpeg_encode(ffmpeg, 6, "320x180", url, reference)
}

fn frames(tags: &[Tag]) -> usize {
    tags.iter().filter(|tag| tag.is_frame()).count()
}

#[tokio::test]
async fn what_ffmpeg_publishes_to_nginx_is_pulled_unchanged_and_again() {
    let (Some(ffmpeg), Some(nginx)) = (peers::find(Peer::Ffmpeg), peers::find(Peer::NginxRtmp)) else { return };
    let folder = folder();
    let nginx = Nginx::start(&nginx).await;
    let port = free_port();
    // Nobody publishes yet: the pull waits.
    let mut program =
        outflow(&format!("-i {}:gpac:name=in -o rtmp://127.0.0.1:{port}/live:gpac:rtmp_listen=1", nginx.url("k")))
            .start();
    listening(&[port], &mut program).await;
    for broadcast in ["first", "second"] {
        let reference = folder.path().join(format!("{broadcast}.flv"));
        let player = Player::connect(&format!("rtmp://127.0.0.1:{port}/live")).await.unwrap();
        let mut publishing = publish(&ffmpeg, &nginx.url("k"), &reference);
        player.wait_for_media(50).await;
        assert_eq!(publishing.wait_exit().await, 0, "{}", publishing.text());
        // nginx tells its players the end of the broadcast, and we ours.
        player
            .received
            .wait_for("the player's end", |received| {
                let told = received.statuses.iter().any(|code| code == "NetStream.Play.UnpublishNotify");
                (told || received.end.is_some()).then_some(())
            })
            .await;
        let (source, tags) = (read(&reference), player.tags());
        let found = compare(&source, &tags).unwrap_or_else(|why| panic!("{broadcast}: {why}"));
        // To the last packet, from one of the first key frames.
        assert!(found.video * 3 > frames(&source) / 2, "{broadcast} began late: {found:?} of {}", frames(&source));
        assert!(found.begins_at + found.video + found.audio + 4 >= frames(&source), "{broadcast}: {found:?}");
    }
    Peer::NginxRtmp.ran();
    Peer::Ffmpeg.ran();
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

#[tokio::test]
async fn a_listening_ffmpeg_is_pulled_unchanged() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let clip = Clip::small(8);
    let port = free_port();
    let url = format!("rtmp://127.0.0.1:{port}/live/key");
    let mut serving = Command::new(&ffmpeg.path)
        .line("-nostdin -v warning -re -i")
        .arg(clip.file().await)
        .line("-c copy -f flv -flvflags no_duration_filesize -listen 1")
        .arg(&url)
        .start();
    let folder = folder();
    let out = folder.path().join("pulled.flv");
    let mut program = outflow(&format!("-i {url}:gpac:retry=200ms:retry_max=500ms -o")).arg(&out).start();
    let source = clip.tags().await;
    assert_eq!(serving.wait_exit().await, 0, "{}", serving.text());
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
    let found = compare(&source, &read(&out)).unwrap();
    assert!(found.video + found.audio + 4 >= frames(&source), "{found:?} of {}", frames(&source));
    Peer::Ffmpeg.ran();
}
