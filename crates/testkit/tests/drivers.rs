//! Each driver of a real peer against nginx-rtmp: what fails here is the peer or its driver, not Outflow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use outflow_testkit::compare::compare;
use outflow_testkit::flv;
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Found, GstSink, Nginx, Peer};

async fn nginx() -> Option<Nginx> {
    Some(Nginx::start(&peers::find(Peer::NginxRtmp)?).await)
}

/// A publication of a small clip to nginx, which players then play.
async fn on_air() -> Option<(Nginx, outflow_testkit::proc::Child, String)> {
    let nginx = nginx().await?;
    let ffmpeg = peers::find(Peer::Ffmpeg)?;
    let url = nginx.url("air");
    let file = Clip::small(20).file().await;
    let publisher = peers::ffmpeg_copy(&ffmpeg, &file, &url);
    let player = outflow_testkit::player::Player::connect(&url).await.unwrap();
    player.wait_for_media(3).await;
    Some((nginx, publisher, url))
}

#[tokio::test]
async fn players_play() {
    let Some((_nginx, _publisher, url)) = on_air().await else { return };
    let folder = tempfile::tempdir().unwrap();
    peers::open_to_all(folder.path());
    let source = Clip::small(20).tags().await;

    let mut running = Vec::new();
    for peer in [Peer::Ffmpeg, Peer::Ffmpeg9] {
        let Some(found) = peers::find(peer) else { continue };
        let out = folder.path().join(format!("{}.flv", peer.name()));
        running.push((peers::ffmpeg_play(&found, &[&url], 3, &out), Some(out)));
    }
    if let Some(found) = peers::find(Peer::Mpv) {
        running.push((peers::mpv_play(&found, &url, 2), None));
    }
    for (mut child, out) in running {
        let code = child.wait_exit().await;
        assert_eq!(code, 0, "{}", child.text());
        if let Some(out) = out {
            let found = compare(&source, &flv::read_file(&out).unwrap())
                .unwrap_or_else(|why| panic!("{}: {why}", out.display()));
            assert!(found.video > 20, "{found:?}");
        }
    }
}

#[tokio::test]
async fn vlc_rtmpdump_and_gstreamer_play() {
    let Some((_nginx, _publisher, url)) = on_air().await else { return };
    let folder = tempfile::tempdir().unwrap();
    peers::open_to_all(folder.path());
    if let Some(vlc) = peers::find(Peer::Vlc) {
        let out = folder.path().join("vlc.ts");
        let mut child = peers::vlc_play(&vlc, &url, 3, &out);
        child.wait_exit().await;
        assert!(std::fs::metadata(&out).map(|file| file.len()).unwrap_or(0) > 20_000, "{}", child.text());
    }
    if let Some(found) = peers::find(Peer::Rtmpdump) {
        let out = folder.path().join("rtmpdump.flv");
        let mut child = peers::rtmpdump_play(&found, &url, None, &out);
        peers::wait_for_size(&out, 60_000, &mut child).await;
        child.interrupt().await;
        let found = compare(&Clip::small(20).tags().await, &flv::read_file(&out).unwrap()).unwrap();
        assert!(found.video > 10, "{found:?}");
    }
    if let Some(gst) = peers::find(Peer::GstRtmp2Src) {
        let out = folder.path().join("gst.flv");
        let mut child = peers::gst_play(&gst, &url, &out);
        peers::wait_for_size(&out, 60_000, &mut child).await;
        child.interrupt().await;
        let found = compare(&Clip::small(20).tags().await, &flv::read_file(&out).unwrap()).unwrap();
        assert!(found.video > 10, "{found:?}");
    }
}

async fn published(start: impl FnOnce(&Found, &str, &std::path::Path) -> outflow_testkit::proc::Child, peer: Peer) {
    let (Some(nginx), Some(found)) = (nginx().await, peers::find(peer)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let reference = folder.path().join("reference.flv");
    let mut child = start(&found, &nginx.url("k"), &reference);
    assert_eq!(child.wait_exit().await, 0, "{}", child.text());
    let recording = nginx.recordings("k").pop().expect("nginx recorded it");
    let found = compare(&flv::read_file(&reference).unwrap(), &flv::read_file(&recording).unwrap()).unwrap();
    assert!(found.video >= 40 && found.audio >= 60, "{found:?}");
}

#[tokio::test]
async fn ffmpeg_publishes() {
    published(|ffmpeg, url, file| peers::ffmpeg_encode(ffmpeg, 2, "320x180", url, file), Peer::Ffmpeg).await;
}

#[tokio::test]
async fn ffmpeg9_publishes() {
    published(|ffmpeg, url, file| peers::ffmpeg_encode(ffmpeg, 2, "320x180", url, file), Peer::Ffmpeg9).await;
}

#[tokio::test]
async fn gstreamer_publishes() {
    published(|gst, url, file| peers::gst_publish(gst, GstSink::Rtmp2, 2, url, file), Peer::GstRtmp2Sink).await;
    published(|gst, url, file| peers::gst_publish(gst, GstSink::Rtmp, 2, url, file), Peer::GstRtmpSink).await;
}

#[tokio::test]
async fn ffmpeg_listens_and_node_media_server_starts() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("listen.flv");
    let (mut listening, url) = peers::ffmpeg_listen(&ffmpeg, &out).await;
    let clip = Clip::small(3);
    let mut publisher = peers::ffmpeg_copy(&ffmpeg, &clip.file().await, &url);
    publisher.wait_exit().await;
    listening.wait_exit().await;
    compare(&clip.tags().await, &flv::read_file(&out).unwrap()).unwrap();

    let Some(node) = peers::find(Peer::NodeMediaServer) else { return };
    let (_server, url) = peers::node_media_server(&node).await;
    let url = format!("{url}/k");
    let _publisher = peers::ffmpeg_copy(&ffmpeg, &Clip::small(20).file().await, &url);
    let player = outflow_testkit::player::Player::connect(&url).await.unwrap();
    player.wait_for_media(30).await;
}
