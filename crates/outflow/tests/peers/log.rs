//! What the program says while it runs: each thing once to people, everything to programs.

use std::time::Duration;

use outflow_testkit::ingest::{Behaviour, Ingest, State};
use outflow_testkit::proc::Child;

use crate::help::outflow;

/// Lines of standard error and output that tell of the stream that is not there.
fn told(program: &Child) -> usize {
    program.output.look(|output| output.lines().filter(|line| line.contains("StreamNotFound")).count())
}

#[tokio::test]
async fn the_same_reason_is_told_once_to_people_and_each_time_to_programs() {
    let server = Ingest::start(Behaviour::RefusePlay("NetStream.Play.StreamNotFound")).await;
    let words = format!("-i {}:gpac:retry=20ms:retry_max=40ms -o null", server.url("live/none"));
    let mut people = outflow(&words).start();
    server.wait_for("many attempts", |state: &State| state.connections() >= 10).await;
    people.interrupt().await;
    let said = people.text();
    assert_eq!(told(&people), 1, "{said}");
    let mut json = outflow(&format!("-json {words}")).start();
    let deadline = Duration::from_secs(40);
    json.output
        .wait_within(deadline, "each attempt", |output| {
            let count = output.stdout.iter().filter(|line| line.contains("input_ended")).count();
            (count >= 10).then_some(())
        })
        .await;
    json.interrupt().await;
}
