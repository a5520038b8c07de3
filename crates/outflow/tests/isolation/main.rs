//! The isolation proof: fifty pushes of a 20 Mb/s stream, twenty of which misbehave in every way that the testkit knows,
//! among them a process that is really stopped and two panics. To the others it is as if the twenty were not there: the
//! same bytes, the same gaps, bounded memory; and of each of the twenty the right state and reason are told.
//!
//! The short form runs in the suite with a limit on gaps that a busy machine does not reach. The long form
//! (`scripts/test-long`) is the one that judges, and `scripts/plants` shows that a blocking write, an unbounded queue and a
//! shared lock are found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // figures are for whoever reads them

mod acks;
mod bad;
mod burst;
mod chaos;
mod control;
mod delay;
mod link;

mod program;
mod said;
mod show;
mod uplink;

use std::time::Duration;

use outflow_testkit::resolver::Hanging;

use crate::bad::Crowd;
use crate::show::{FULL, HALF, Load, Run, Source};

/// How much longer a good output may wait for its next packet than where nobody misbehaves.
const JUDGED: Duration = Duration::from_millis(100);
/// The same in the suite, where the machine may have other things to do.
const IN_THE_SUITE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn twenty_bad_outputs_are_nobodys_trouble() {
    proof(16, 7, false).await;
}

#[tokio::test]
#[ignore = "two minutes and a half: scripts/test-long"]
async fn twenty_bad_outputs_are_nobodys_trouble_for_a_minute() {
    proof(60, 60, true).await;
}

/// Runs without the bad ones for `calm` seconds, then with them for `seconds`.
async fn proof(seconds: u32, calm: u32, judged: bool) {
    let limit = if judged { JUDGED } else { IN_THE_SUITE };
    let (load, undisturbed) = carried(calm).await;
    let source = Source::new(&load, seconds);
    let resolver = Hanging::start();
    let crowd = Crowd::start(load.bytes_per_second(), &resolver).await;
    let run = Run::start(&load, &source, &resolver, &crowd.list).await;
    // Once it has been live and well for a moment.
    run.wait_for_media(load.messages(2)).await;
    run.wait_for_state("stopped-process", "live").await;
    crowd.stopped.stop();
    let disturbed = run.finish().await;
    crowd.stopped.resume();

    println!("with {} that misbehave, {} outputs in all: {disturbed}", crowd.list.len(), load.outputs);
    for (name, told) in &disturbed.told {
        if crowd.list.iter().any(|bad| bad.name == name) {
            let way: Vec<String> = told
                .iter()
                .map(|it| match &it.reason {
                    Some(reason) => format!("{}({reason})", it.state),
                    None => it.state.clone(),
                })
                .collect();
            println!("  {name}: {}", way.join(" "));
        }
    }
    let wrong: Vec<String> = crowd
        .list
        .iter()
        .filter_map(|bad| bad.judge(disturbed.told.get(bad.name).map_or(&[], Vec::as_slice)).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    disturbed.same_bytes_as(&undisturbed).unwrap_or_else(|why| panic!("{why}"));
    // Where the machine itself stood still, a program without bad outputs shows it, or the threads that had to wait.
    let starved = disturbed.starved.iter().sum::<Duration>();
    let calm = if judged { undisturbed.gap } else { undisturbed.gap.max(disturbed.control).max(starved) };
    let difference = disturbed.gap.saturating_sub(calm);
    println!(
        "worst gap {:?} without them, {:?} with them, {:?} meanwhile in a program beside it, {starved:?} of waiting for a \
         processor: {difference:?} more, {limit:?} allowed",
        undisturbed.gap, disturbed.gap, disturbed.control
    );
    assert!(difference < limit, "the good ones waited {difference:?} longer than without the bad ones");
    let (most, bound) = (disturbed.most, (undisturbed.most + load.memory()).min(load.whole_memory()));
    println!(
        "memory: {:.1} MB at most without them, {:.1} MB with them, {:.1} MB are the bound",
        undisturbed.most as f64 / 1e6,
        most as f64 / 1e6,
        bound as f64 / 1e6
    );
    assert!(most < bound, "{most} bytes of memory");
}

/// `scripts/plants` has something to show only as long as its faults can be planted.
#[test]
fn the_plants_still_fit() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("crates/outflow/tests/plants");
    let mut patches = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path().canonicalize().unwrap();
        let check = std::process::Command::new("git").args(["apply", "--check"]).arg(&path).current_dir(&root).output();
        let Ok(check) = check else { return eprintln!("skipped: git is not installed") };
        assert!(check.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&check.stderr));
        patches += 1;
    }
    assert_eq!(patches, 3);
}

/// The load that this machine carries together with the receivers, found by trying, and how that run without bad outputs
/// went.
async fn carried(seconds: u32) -> (Load, show::Seen) {
    let resolver = Hanging::start();
    for load in [FULL, HALF] {
        let source = Source::new(&load, seconds);
        let seen = Run::start(&load, &source, &resolver, &[]).await.finish().await;
        println!("without bad outputs, {} good ones at {} Mb/s: {seen}", load.good(), load.bits / 1_000_000);
        match seen.is_calm() {
            true => {
                println!("chosen: {} outputs at {} Mb/s", load.outputs, load.bits / 1_000_000);
                return (load, seen);
            }
            false => println!("this machine does not carry that beside the receivers"),
        }
    }
    panic!("this machine does not carry {} outputs at {} Mb/s", HALF.outputs, HALF.bits / 1_000_000);
}
