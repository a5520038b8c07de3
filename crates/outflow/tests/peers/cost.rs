//! What it costs: CPU and memory of the issue-3043 command with both outputs played, and four copies of a 20 Mb/s file
//! against `ffmpeg -f tee` in the same run. The figures are printed; they mean most in a release build.

use std::time::Duration;

use outflow_testkit::ingest::{Behaviour, Ingest, Setup};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::proc::{Child, Command};

use crate::help::{listening, outflow, two_ports};

#[tokio::test]
#[ignore = "measures for half a minute: scripts/test-long"]
async fn the_issue_costs_no_more_than_one_output_of_gpac() {
    let (a, b) = two_ports();
    let mut program = outflow(&format!(
        "avgen:sizes=240x160:rates=200k c=avc c=aac \
         -o rtmp://127.0.0.1:{a}/live:gpac:ffmt=flv:rtmp_listen=1 -o rtmp://127.0.0.1:{b}/live:gpac:ffmt=flv:rtmp_listen=1"
    ))
    .start();
    listening(&[a, b], &mut program).await;
    let players = [
        Player::connect(&format!("rtmp://127.0.0.1:{a}/live")).await.unwrap(),
        Player::connect(&format!("rtmp://127.0.0.1:{b}/live")).await.unwrap(),
    ];
    players[1].wait_for_media(10).await;
    let before = program.cpu();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let (cpu, resident) = (program.cpu() - before, program.resident());
    println!(
        "issue 3043, 20 s, both outputs played: {:.2} CPU s, {:.1} MB resident",
        cpu.as_secs_f64(),
        resident as f64 / 1e6
    );
    assert!(cpu < Duration::from_millis(2300), "{cpu:?} for 20 s");
    assert!(resident < 40_000_000, "{resident} bytes resident");
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

async fn four_ingests() -> Vec<Ingest> {
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(Setup::new([Behaviour::Good]).without_bodies().start().await);
    }
    all
}

/// CPU time from the first second of media to the fifteenth, at the last of the four.
async fn cost(program: &Child, ingests: &[Ingest], clip: &Clip) -> Duration {
    for ingest in ingests {
        ingest.wait_for_media(0, clip.messages(1)).await;
    }
    let before = program.cpu();
    for ingest in ingests {
        ingest.wait_for_media(0, clip.messages(15)).await;
    }
    program.cpu() - before
}

#[tokio::test]
#[ignore = "measures for half a minute: scripts/test-long"]
async fn four_copies_of_20_megabits_cost_less_than_ffmpeg_tee() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let clip = Clip::heavy(20, 2);
    let file = clip.file().await;

    let ingests = four_ingests().await;
    let mut command = outflow("-i").arg(&file);
    for (n, ingest) in ingests.iter().enumerate() {
        command = command.arg("-o").arg(format!("{}:gpac:name=o{n}", ingest.url("live/k")));
    }
    let mut program = command.start();
    let ours = cost(&program, &ingests, &clip).await;
    program.interrupt().await;

    let ingests = four_ingests().await;
    let legs: Vec<String> = ingests.iter().map(|ingest| format!("[f=flv]{}", ingest.url("live/k"))).collect();
    let mut tee = Command::new(&ffmpeg.path)
        .line("-nostdin -v error -re -i")
        .arg(&file)
        .line("-map 0 -c copy -f tee")
        .arg(legs.join("|"))
        .start();
    let theirs = cost(&tee, &ingests, &clip).await;
    tee.kill().await;
    println!(
        "four copies of 20 Mb/s: {:.2} CPU s against {:.2} of ffmpeg tee",
        ours.as_secs_f64(),
        theirs.as_secs_f64()
    );
    assert!(ours < theirs, "{ours:?} against {theirs:?}");
}
