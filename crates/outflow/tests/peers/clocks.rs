//! Publishers whose timestamps begin anywhere, wrap, jump, stand still or go back, in the chunks of two real writers, to a
//! graph and to `serve` at once: every player and destination keeps decoding to the last frame, in monotonic time, with
//! audio and video together.

use outflow_testkit::chunks::Form;
use outflow_testkit::clock::{ENCORE, SCRIPTS, Script};

use crate::clock_rig::{Rig, Width};

async fn run(script: Script, form: Form, width: Width) {
    let Some(rig) = Rig::start(width).await else { return };
    rig.run(script, form, false).await;
}

#[tokio::test]
async fn hours_and_quarters_of_a_second() {
    run(ENCORE[0], Form::Ffmpeg, Width::Narrow).await;
}

#[tokio::test]
async fn the_wrap_of_2_32_lost_seconds_and_lone_audio() {
    run(ENCORE[1], Form::Steps, Width::Narrow).await;
}

#[tokio::test]
async fn clocks_apart_2_31_back_standing_still_and_lone_video() {
    run(ENCORE[2], Form::Steps, Width::Narrow).await;
}

/// Two at a time, so that this takes minutes and each leaves the peers of the other their time. `OUTFLOW_CLOCK=WORDS` runs
/// those that have these words in their name.
async fn every_script(form: Form) {
    let mut failed = Vec::new();
    let words = std::env::var("OUTFLOW_CLOCK").unwrap_or_default();
    let scripts: Vec<_> = SCRIPTS.iter().filter(|script| script.name.contains(&words)).collect();
    for pair in scripts.chunks(2) {
        let all: Vec<_> = pair.iter().map(|script| tokio::spawn(run(**script, form, Width::Wide))).collect();
        for (script, one) in pair.iter().zip(all) {
            failed.extend(one.await.is_err().then_some(script.name));
        }
    }
    assert_eq!(failed, [""; 0]);
}

#[tokio::test]
#[ignore = "four minutes: scripts/test-long"]
async fn every_clock_in_chunks_like_ffmpegs() {
    every_script(Form::Ffmpeg).await;
}

#[tokio::test]
#[ignore = "four minutes: scripts/test-long"]
async fn every_clock_in_chunks_of_steps_that_wrap() {
    every_script(Form::Steps).await;
}

/// The first source begins at 2^32 - 2.5 s and is cut off, the second one begins at 0.
#[tokio::test]
#[ignore = "half a minute: scripts/test-long"]
async fn a_source_that_is_replaced_by_one_with_another_base() {
    for form in [Form::Ffmpeg, Form::Steps] {
        let Some(rig) = Rig::start(Width::Wide).await else { return };
        rig.run(outflow_testkit::clock::named("crosses 2^32 ms"), form, true).await;
    }
}
