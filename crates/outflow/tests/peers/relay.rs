//! Real publishers into a listening input, two listening and two pushed outputs, one of them over TLS: every output has
//! the source's packets from its first key frame on.

use std::path::Path;

use outflow_testkit::compare::{ahead, compare};
use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Setup};
use outflow_testkit::peers::{self, Found, GstSink, Nginx, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::Child;
use outflow_testkit::tls::Authority;

use crate::help::{decodes_file, folder, listening, outflow, read};

/// Runs the whole set-up around one publisher, which is started with the URL to publish to and its reference file.
async fn relayed(publisher: Peer, seconds: u32, publish: impl FnOnce(&Found, &str, &Path) -> Child) {
    let Some(found) = peers::find(publisher) else { return };
    let (Some(ffmpeg), Some(nginx)) = (peers::find(Peer::Ffmpeg), peers::find(Peer::NginxRtmp)) else { return };
    let folder = folder();
    let nginx = Nginx::start(&nginx).await;
    let listened = folder.path().join("listened.flv");
    let (mut ffmpeg_listens, ffmpeg_url) = peers::ffmpeg_listen(&ffmpeg, &listened).await;
    let authority = Authority::new();
    let secure = Setup::new([Behaviour::Good]).tls(&authority.identity(&["localhost"])).start().await;

    let (input, one, two) = (free_port(), free_port(), free_port());
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 \
         -o rtmp://127.0.0.1:{one}/live/a:gpac:rtmp_listen=1 -o rtmp://127.0.0.1:{two}/live:gpac:rtmp_listen=1 \
         -o {}:gpac:name=nginx -o {ffmpeg_url}:gpac:name=ffmpeg -o {}:gpac:name=secure:ca={}",
        nginx.url("k"),
        secure.url("live/k"),
        authority.path().display()
    ))
    .start();
    listening(&[input, one, two], &mut program).await;

    let reference = folder.path().join("reference.flv");
    let mut publishing = publish(&found, &format!("rtmp://127.0.0.1:{input}/in/key"), &reference);
    secure.wait_for_media(0, 1).await;
    let player_one = Player::connect(&format!("rtmp://127.0.0.1:{one}/live/a")).await.unwrap();
    let player_two = Player::connect(&format!("rtmp://127.0.0.1:{two}/live/anything")).await.unwrap();
    assert_eq!(
        publishing.wait_exit_within(std::time::Duration::from_secs(u64::from(seconds) + 40)).await,
        0,
        "{}",
        publishing.text()
    );

    // A clean end of the publication ends every output, cleanly.
    secure.wait_for("the end of the push", |state| state.open == 0 && state.sessions[0].unpublished).await;
    ffmpeg_listens.wait_exit().await;
    for player in [&player_one, &player_two] {
        player
            .received
            .wait_for("the player's end", |received| {
                let told = received.statuses.iter().any(|code| code == "NetStream.Play.UnpublishNotify");
                (told || received.end.is_some()).then_some(())
            })
            .await;
    }
    let source = ahead(read(&reference));
    let recording = nginx.recordings("k").pop().expect("nginx recorded it");
    let outputs = [
        ("first listener", player_one.tags()),
        ("second listener", player_two.tags()),
        ("nginx-rtmp", read(&recording)),
        ("ffmpeg -listen", read(&listened)),
        ("rtmps", secure.session(0).tags()),
    ];
    let frames = source.iter().filter(|tag| tag.kind == 9 && tag.is_frame()).count();
    for (name, tags) in outputs {
        let found = compare(&source, &tags).unwrap_or_else(|why| panic!("{name}: {why}"));
        // To the very end, from one of the first key frames.
        assert!(
            found.begins_at + found.video + found.audio + 4 >= source.iter().filter(|tag| tag.is_frame()).count(),
            "{name} lost its end: {found:?} of {frames} frames"
        );
        assert!(found.video * 3 > frames, "{name} began late: {found:?} of {frames} frames");
    }
    // Some encoders' own files make FFmpeg complain; what was relayed must not do worse.
    if peers::decode_errors(&ffmpeg, &reference).await.is_empty() {
        decodes_file(&ffmpeg, &recording).await;
    }
    assert_eq!(secure.state.look(|state| state.connections()), 1, "the push was not one connection");
    publisher.ran();
    Peer::NginxRtmp.ran();
    assert!(program.is_running(), "{}", program.text());
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

#[tokio::test]
async fn ffmpeg_is_relayed_unchanged() {
    relayed(Peer::Ffmpeg, 5, |ffmpeg, url, file| peers::ffmpeg_encode(ffmpeg, 5, "320x180", url, file)).await;
}

#[tokio::test]
async fn ffmpeg9_is_relayed_unchanged() {
    relayed(Peer::Ffmpeg9, 5, |ffmpeg, url, file| peers::ffmpeg_encode(ffmpeg, 5, "320x180", url, file)).await;
}

#[tokio::test]
async fn gstreamer_rtmp2sink_is_relayed_unchanged() {
    relayed(Peer::GstRtmp2Sink, 5, |gst, url, file| peers::gst_publish(gst, GstSink::Rtmp2, 5, url, file)).await;
}

#[tokio::test]
async fn gstreamer_rtmpsink_is_relayed_unchanged() {
    relayed(Peer::GstRtmpSink, 5, |gst, url, file| peers::gst_publish(gst, GstSink::Rtmp, 5, url, file)).await;
}

#[tokio::test]
#[ignore = "a minute: scripts/test-long"]
async fn ffmpeg_is_relayed_unchanged_for_a_minute() {
    relayed(Peer::Ffmpeg, 60, |ffmpeg, url, file| peers::ffmpeg_encode(ffmpeg, 60, "640x360", url, file)).await;
}

#[tokio::test]
#[ignore = "a minute: scripts/test-long"]
async fn ffmpeg9_is_relayed_unchanged_for_a_minute() {
    relayed(Peer::Ffmpeg9, 60, |ffmpeg, url, file| peers::ffmpeg_encode(ffmpeg, 60, "640x360", url, file)).await;
}

#[tokio::test]
#[ignore = "two minutes: scripts/test-long"]
async fn gstreamer_is_relayed_unchanged_for_a_minute() {
    relayed(Peer::GstRtmp2Sink, 60, |gst, url, file| peers::gst_publish(gst, GstSink::Rtmp2, 60, url, file)).await;
    relayed(Peer::GstRtmpSink, 60, |gst, url, file| peers::gst_publish(gst, GstSink::Rtmp, 60, url, file)).await;
}

#[tokio::test]
async fn node_media_server_takes_a_push_and_serves_it() {
    let (Some(node), Some(_)) = (peers::find(Peer::NodeMediaServer), peers::find(Peer::Ffmpeg)) else { return };
    let (_server, url) = peers::node_media_server(&node).await;
    let clip = outflow_testkit::media::Clip::small(20);
    let mut program = outflow("-i").arg(clip.file().await).arg("-o").arg(format!("{url}/k")).start();
    let player = Player::connect(&format!("{url}/k")).await.unwrap();
    player.wait_for_media(60).await;
    compare(&clip.tags().await, &player.tags()).unwrap();
    Peer::NodeMediaServer.ran();
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

#[tokio::test]
#[ignore = "needs OBS: scripts/test-long"]
async fn obs_is_relayed_alike_to_every_output() {
    let Some(obs) = peers::find(Peer::Obs) else { return };
    let home = folder();
    let (one, two) = (Setup::new([Behaviour::Good]).start().await, Setup::new([Behaviour::Good]).start().await);
    let (input, output) = (free_port(), free_port());
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in:gpac:rtmp_listen=1 -o {}:gpac:name=one -o {}:gpac:name=two \
         -o rtmp://127.0.0.1:{output}/live:gpac:rtmp_listen=1",
        one.url("live/k"),
        two.url("live/k")
    ))
    .start();
    listening(&[input, output], &mut program).await;
    let mut publishing = peers::obs_publish(&obs, &format!("rtmp://127.0.0.1:{input}/in"), "key", home.path());
    one.wait_for_media(0, 1).await;
    let player = Player::connect(&format!("rtmp://127.0.0.1:{output}/live")).await.unwrap();
    // A minute of 10 frames and 43 audio packets a second, by the clock of the media.
    one.state
        .wait_within(std::time::Duration::from_secs(120), "a minute of media", |state| {
            (state.sessions[0].media_messages > 60 * 50).then_some(())
        })
        .await;
    let outputs = [("two", two.session(0).tags()), ("player", player.tags())];
    // The one that all are compared with is looked at last, so that it has all that the others have.
    let seen = one.session(0).media_messages;
    one.wait_for_media(0, seen + 100).await;
    let source = one.session(0).tags();
    publishing.kill().await;
    for (name, tags) in outputs {
        let found = compare(&source, &tags).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(found.video > 400, "{name}: {found:?}");
    }
    Peer::Obs.ran();
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}
