//! RTMP's own acknowledgements: how far the programs of real destinations are behind what was sent to them, and nothing
//! where a destination sends none.

use outflow_testkit::ingest::{Behaviour, Setup};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Nginx, Peer};
use outflow_testkit::proc::Command;
use outflow_testkit::wait::until;

use crate::said;

/// Two windows, nginx-rtmp's own where it does not heed ours, and what is under way.
const MOST: u64 = 5_000_000 + 2_500_000;

#[tokio::test]
async fn what_real_destinations_have_is_told() {
    let (Some(ffmpeg), Some(nginx)) = (peers::find(Peer::Ffmpeg), peers::find(Peer::NginxRtmp)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let nginx = Nginx::start(&nginx).await;
    let (_listens, ffmpeg_url) = peers::ffmpeg_listen(&ffmpeg, &folder.path().join("out.flv")).await;
    let mute = Setup::new([Behaviour::Good]).without_bodies().start().await;
    let file = Clip::heavy(20, 2).file().await;
    let program = Command::new(env!("CARGO_BIN_EXE_outflow"))
        .line("-json -drain=1 -i")
        .arg(file)
        .args(["-o", &format!("{}:gpac:name=nginx", nginx.url("k"))])
        .args(["-o", &format!("{ffmpeg_url}:gpac:name=ffmpeg")])
        .args(["-o", &format!("{}:gpac:name=mute", mute.url("live/k"))])
        .start();
    let behind = |output: &str| said::figures(&program, output, "rtmp_unacknowledged_bytes");
    for output in ["nginx", "ffmpeg"] {
        // It rises while the peer gathers a window, and falls when it says that it has it.
        until("acknowledgements", || behind(output).windows(2).any(|two| two[1] < two[0])).await;
        let told = behind(output);
        println!("{output}: {told:?}");
        assert!(told.iter().all(|bytes| *bytes < MOST), "{output}: {told:?}");
    }
    let sent = |output: &str| said::figures(&program, output, "bytes").last().copied().unwrap_or_default();
    until("as much is sent to the one that says nothing", || sent("mute") > MOST).await;
    assert_eq!(behind("mute"), [0u64; 0], "absent, not zero");
    assert!(said::values(&program, "mute", "rtmp_unacknowledged_bytes").iter().all(serde_json::Value::is_null));
    Peer::Ffmpeg.ran();
    Peer::NginxRtmp.ran();
}
