//! What it costs: CPU and memory of the issue-3043 command with both outputs played, and four copies of a 20 Mb/s file
//! against `ffmpeg -f tee` in the same run. The figures are printed; they mean most in a release build.
#![allow(clippy::print_stdout)] // figures are what these tests are for

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

/// How far the prediction may be off.
const NEAR: f64 = 0.25;

/// What `check --cost` says of these words: parts of a core, and bytes; and what one process for each output takes.
async fn predicted(words: &[String]) -> ((f64, f64), (f64, f64)) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_outflow")).line("check --cost --json").args(words).start();
    program.wait_exit_within(Duration::from_secs(100)).await;
    let text = program.output.look(|output| output.stdout.iter().cloned().collect::<Vec<_>>().join("\n"));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let of = |what: &str| {
        let all = report["findings"].as_array().unwrap();
        let line = all.iter().find(|line| line["who"] == "cost" && line["what"] == what);
        let details = &line.unwrap_or_else(|| panic!("no cost {what}: {text}"))["details"];
        (details["cpu_cores"].as_f64().unwrap(), details["memory_bytes"].as_f64().unwrap())
    };
    (of("machine"), of("apart"))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A minute of the same words: CPU of all of it, and the median of its memory.
async fn a_minute(words: &[String]) -> (f64, f64) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_outflow")).args(words).start();
    let mut resident = Vec::new();
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        resident.push(program.resident() as f64);
    }
    let cpu = program.cpu().as_secs_f64() / begin.elapsed().as_secs_f64();
    let last = resident.last().copied().unwrap_or_default();
    println!("  memory at the end {:.1} MB", last / 1e6);
    program.interrupt().await;
    (cpu, median(resident))
}

async fn is_predicted(what: &str, input: &[&str], outputs: usize) {
    let mut ingests = Vec::new();
    let mut words: Vec<String> = input.iter().map(|word| (*word).to_owned()).collect();
    for n in 0..outputs {
        let ingest = Setup::new([Behaviour::Good]).without_bodies().start().await;
        words.extend(["-o".to_owned(), format!("{}:gpac:name=o{n}", ingest.url("live/k"))]);
        ingests.push(ingest);
    }
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(predicted(&words).await);
    }
    let of = |pick: fn(&((f64, f64), (f64, f64))) -> f64| median(said.iter().map(pick).collect());
    let (cpu, memory) = (of(|it| it.0.0), of(|it| it.0.1));
    let (real_cpu, real_memory) = a_minute(&words).await;
    println!(
        "{what}: predicted {:.2} % of a core and {:.1} MB, real {:.2} % and {:.1} MB; apart {:.2} % and {:.1} MB; single \
         predictions {:?}",
        cpu * 100.0,
        memory / 1e6,
        real_cpu * 100.0,
        real_memory / 1e6,
        of(|it| it.1.0) * 100.0,
        of(|it| it.1.1) / 1e6,
        said.iter().map(|it| (it.0.0 * 10_000.0).round() / 100.0).collect::<Vec<_>>(),
    );
    assert!((cpu / real_cpu - 1.0).abs() <= NEAR, "CPU {cpu} was {real_cpu}");
    assert!((memory / real_memory - 1.0).abs() <= NEAR, "memory {memory} was {real_memory}");
}

#[tokio::test]
#[ignore = "measures for four minutes: scripts/test-long"]
async fn check_predicts_what_a_file_to_four_outputs_costs() {
    let file = Clip { bits: 2_000_000, ..Clip::small(20) }.file().await;
    is_predicted("2 Mb/s file to 4 outputs", &["-i", &format!("{}:loop", file.display())], 4).await;
}

#[tokio::test]
#[ignore = "measures for four minutes: scripts/test-long"]
async fn check_predicts_what_encoders_to_two_outputs_cost() {
    is_predicted("encoders to 2 outputs", &["avgen:sizes=640x360:rates=1M", "c=avc", "c=aac"], 2).await;
}

#[tokio::test]
#[ignore = "measures for four minutes: scripts/test-long"]
async fn check_predicts_what_20_megabits_to_ten_outputs_cost() {
    let file = Clip::heavy(20, 2).file().await;
    is_predicted("20 Mb/s file to 10 outputs", &["-i", &format!("{}:loop", file.display())], 10).await;
}
