//! Players of HTTP-FLV that people have: FFmpeg, mpv and VLC, each of which has to decode what it is sent.

use std::time::Duration;

use outflow_testkit::free_port;
use outflow_testkit::peers::{Peer, decode_errors, ffmpeg_play, find, mpv_play, open_to_all, vlc_play, wait_for_size};

use crate::{encoder, serve};

#[tokio::test]
async fn ffmpeg_mpv_and_vlc_play_a_stream_by_http() {
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let ours = (free_port(), free_port());
    let _server = serve(folder.path(), ours, "").await;
    let encoder = encoder(ours.0);
    let url = format!("http://127.0.0.1:{}/live/live/show.flv", ours.1);
    encoder.wait_for_line("live").await;
    let ffmpeg = find(Peer::Ffmpeg);
    if let Some(ffmpeg) = &ffmpeg {
        let out = folder.path().join("ffmpeg.flv");
        let mut playing = ffmpeg_play(ffmpeg, &[&url], 3, &out);
        assert_eq!(playing.wait_exit().await, 0, "{}", playing.text());
        assert_eq!(decode_errors(ffmpeg, &out).await, "");
        Peer::Ffmpeg.ran();
    }
    if let Some(mpv) = find(Peer::Mpv) {
        let mut playing = mpv_play(&mpv, &url, 3);
        assert_eq!(playing.wait_exit_within(Duration::from_secs(40)).await, 0, "{}", playing.text());
        Peer::Mpv.ran();
    }
    if let Some(vlc) = find(Peer::Vlc) {
        let out = folder.path().join("vlc.ts");
        let mut playing = vlc_play(&vlc, &url, 4, &out);
        wait_for_size(&out, 40_000, &mut playing).await;
        Peer::Vlc.ran();
    }
}
