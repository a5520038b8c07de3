//! The command of GPAC's issue 3043 with real players: one at a time, in both orders, both from one process, fifty at
//! once, late and returning.

use outflow_testkit::compare::{compare, monotonic};
use outflow_testkit::peers::{self, Found, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::Child;

use crate::help::{begins_well, decodes_file, folder, listening, outflow, read, two_ports};

/// The program as the issue types it, but for the ports.
struct Issue {
    program: Child,
    /// In the order of the command line.
    urls: [String; 2],
    ports: [u16; 2],
}

async fn issue() -> Issue {
    let (a, b) = two_ports();
    let mut program = outflow(&format!(
        "avgen:sizes=240x160:rates=200k c=avc c=aac \
         -o rtmp://127.0.0.1:{a}/live:gpac:ffmt=flv:rtmp_listen=1 -o rtmp://127.0.0.1:{b}/live:gpac:ffmt=flv:rtmp_listen=1"
    ))
    .start();
    listening(&[a, b], &mut program).await;
    Issue { program, urls: [a, b].map(|port| format!("rtmp://127.0.0.1:{port}/live")), ports: [a, b] }
}

impl Issue {
    /// The program must still be well, serve both ports, and end with 0 when interrupted.
    async fn ends_well(mut self) {
        assert!(self.program.is_running(), "{}", self.program.text());
        assert!(self.ports.iter().all(|&port| peers::listens(port)), "a listener is gone: {}", self.program.text());
        assert_eq!(self.program.interrupt().await, 0, "{}", self.program.text());
    }
}

#[tokio::test]
async fn both_ports_listen_at_once_before_any_client() {
    let (a, b) = two_ports();
    let mut program = outflow(&format!(
        "avgen:sizes=240x160:rates=200k c=avc c=aac \
         -o rtmp://127.0.0.1:{a}/live:gpac:ffmt=flv:rtmp_listen=1 -o rtmp://127.0.0.1:{b}/live:gpac:ffmt=flv:rtmp_listen=1"
    ))
    .start();
    let took = listening(&[a, b], &mut program).await;
    // One second is the promise; a machine that runs other tests gets some more.
    assert!(took.as_secs() < 5, "both ports listened after {took:?}");
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

/// Plays with FFmpeg from each port in turn, then from both in one process, in both orders.
async fn ffmpeg_in_every_order(peer: Peer) {
    let Some(ffmpeg) = peers::find(peer) else { return };
    let issue = issue().await;
    let folder = folder();
    let [a, b] = [issue.urls[0].as_str(), issue.urls[1].as_str()];
    // The second port first: in GPAC it is never served.
    for (n, urls) in [vec![b], vec![a], vec![a, b], vec![b, a]].iter().enumerate() {
        let out = folder.path().join(format!("{n}.mkv"));
        let mut child = peers::ffmpeg_play(&ffmpeg, urls, 2, &out);
        assert_eq!(child.wait_exit().await, 0, "{urls:?}: {}", child.text());
        decodes_file(&ffmpeg, &out).await;
        assert!(std::fs::metadata(&out).unwrap().len() > 10_000 * urls.len() as u64, "{urls:?}: {}", child.text());
    }
    peer.ran();
    issue.ends_well().await;
}

#[tokio::test]
async fn ffmpeg_plays_each_port_and_both_in_one_process() {
    ffmpeg_in_every_order(Peer::Ffmpeg).await;
}

#[tokio::test]
async fn ffmpeg9_plays_each_port_and_both_in_one_process() {
    ffmpeg_in_every_order(Peer::Ffmpeg9).await;
}

#[tokio::test]
async fn ffprobe_sees_what_was_asked_for() {
    let Some(ffprobe) = peers::find(Peer::Ffprobe) else { return };
    let issue = issue().await;
    for url in [&issue.urls[1], &issue.urls[0]] {
        let mut child = peers::probe(&ffprobe, url);
        assert_eq!(child.wait_exit().await, 0, "{}", child.text());
        let said = child.text();
        assert!(said.contains("h264|video|240|160") && said.contains("aac|audio|44100"), "{said}");
    }
    Peer::Ffprobe.ran();
    issue.ends_well().await;
}

/// Runs one player against the second port, then the first.
async fn plays(peer: Peer, play: impl AsyncFn(&Found, &str, &std::path::Path)) {
    let Some(found) = peers::find(peer) else { return };
    let issue = issue().await;
    for (n, url) in [&issue.urls[1], &issue.urls[0]].iter().enumerate() {
        let folder = folder();
        play(&found, url, &folder.path().join(format!("{n}"))).await;
    }
    peer.ran();
    issue.ends_well().await;
}

#[tokio::test]
async fn mpv_plays() {
    plays(Peer::Mpv, async |mpv, url, _| {
        let mut child = peers::mpv_play(mpv, url, 2);
        let code = child.wait_exit().await;
        let said = child.text();
        assert!(code == 0 && said.contains("240x160") && said.contains("44100Hz"), "mpv on {url}: {code}: {said}");
    })
    .await;
}

#[tokio::test]
async fn vlc_plays() {
    plays(Peer::Vlc, async |vlc, url, out| {
        let out = out.with_extension("ts");
        let mut child = peers::vlc_play(vlc, url, 3, &out);
        child.wait_exit().await;
        let size = std::fs::metadata(&out).map_or(0, |file| file.len());
        assert!(size > 20_000, "VLC on {url} wrote {size} bytes: {}", child.text());
    })
    .await;
}

#[tokio::test]
async fn rtmpdump_plays() {
    plays(Peer::Rtmpdump, async |rtmpdump, url, out| {
        // It wants a stream name; an output whose URL has only an app serves any below it.
        let mut child = peers::rtmpdump_play(rtmpdump, url, Some("any"), out);
        peers::wait_for_size(out, 50_000, &mut child).await;
        child.interrupt().await;
        begins_well(&read(out)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn gstreamer_plays() {
    plays(Peer::GstRtmp2Src, async |gst, url, out| {
        // Its URLs need a stream name too.
        let mut child = peers::gst_play(gst, &format!("{url}/any"), out);
        peers::wait_for_size(out, 50_000, &mut child).await;
        child.interrupt().await;
        begins_well(&read(out)).unwrap();
    })
    .await;
}

#[tokio::test]
async fn fifty_players_get_the_same_media_on_both_ports() {
    let issue = issue().await;
    let mut players = Vec::new();
    for n in 0..50 {
        // Any stream name is served below an output that names only its app, and none too.
        let url = if n % 3 == 0 { issue.urls[n % 2].clone() } else { format!("{}/n{n}", issue.urls[n % 2]) };
        players.push(Player::connect(&url).await.unwrap());
    }
    let source = players[0].wait_for_media(200).await;
    let mut begins = Vec::new();
    for (n, player) in players.iter().enumerate() {
        let tags = player.wait_for_media(150).await;
        begins_well(&tags).unwrap_or_else(|why| panic!("player {n}: {why}"));
        monotonic(&tags).unwrap_or_else(|why| panic!("player {n}: {why}"));
        assert_eq!(tags.iter().find(|tag| tag.is_key_frame()).unwrap().time, 0, "player {n} does not begin at 0");
        begins.push(tags);
    }
    // The first player has seen it all, so all others' packets are among its own.
    let all = players[0].tags();
    let first = all.iter().position(|tag| tag.is_key_frame()).unwrap();
    for (n, tags) in begins.iter().enumerate() {
        let known: Vec<_> = tags
            .iter()
            .take_while(|tag| !tag.is_frame() || all[first..].iter().any(|a| a.body == tag.body))
            .cloned()
            .collect();
        let found = compare(&all, &known).unwrap_or_else(|why| panic!("player {n} against player 0: {why}"));
        assert!(found.video + found.audio > 50, "player {n}: {found:?}");
    }
    assert!(!source.is_empty());
    drop(players);
    issue.ends_well().await;
}

#[tokio::test]
async fn a_player_that_comes_late_leaves_and_returns_is_served_at_once() {
    let issue = issue().await;
    let stays = Player::connect(&issue.urls[0]).await.unwrap();
    stays.wait_for_media(120).await;
    for _ in 0..3 {
        let comes = Player::connect(&issue.urls[0]).await.unwrap();
        let tags = comes.wait_for_media(40).await;
        begins_well(&tags).unwrap();
        // Within the group of pictures that is on the air, not after the next one.
        assert!(comes.received.look(|received| received.arrivals[0].at - comes.accepted).as_secs_f64() < 1.5);
        drop(comes);
    }
    let before = stays.received.look(|received| received.media_messages);
    stays.wait_for_media(before + 40).await;
    stays.received.look(|received| assert_eq!(received.end, None));
    issue.ends_well().await;
}
