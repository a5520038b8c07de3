//! The interoperability matrix: real publishers through the program to real players and destinations, compared packet by
//! packet with what was tapped before the program.
//!
//! `scripts/matrix` runs all of it and writes docs/interop.md; a few rows of it are ordinary tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod cells;
mod page;
mod players;
mod rig;
mod row;

use std::time::{Duration, Instant};

use outflow_testkit::peers::Peer;
use outflow_testkit::samples::{SAMPLES, Sample, sample};

use cells::Cell;
use row::Row;

/// Who publishes, first column of the tables.
const PUBLISHERS: [Peer; 5] = [Peer::Ffmpeg, Peer::Ffmpeg9, Peer::GstRtmp2Sink, Peer::GstRtmpSink, Peer::Obs];

/// Runs one row and fails on any cell that is neither equal nor decoded nor left out with a reason.
async fn holds(publisher: Peer, name: &str) {
    let Some(row) = row::run(publisher, sample(name), Duration::from_secs(6)).await else { return };
    println!("{}", page::text(std::slice::from_ref(&row)));
    let bad: Vec<String> = row.failures();
    assert!(bad.is_empty(), "{} publishes {name}:\n{}", publisher.name(), bad.join("\n"));
}

#[tokio::test]
async fn ffmpeg_h264_and_aac_arrive_unchanged_everywhere() {
    holds(Peer::Ffmpeg, "H.264 + AAC").await;
}

#[tokio::test]
async fn ffmpeg9_hevc_and_opus_arrive_unchanged_everywhere_and_late() {
    holds(Peer::Ffmpeg9, "HEVC + Opus").await;
}

#[tokio::test]
async fn ffmpeg9_av1_and_flac_arrive_unchanged_everywhere_and_late() {
    holds(Peer::Ffmpeg9, "AV1 + FLAC").await;
}

#[tokio::test]
async fn two_tracks_of_each_kind_arrive_unchanged_everywhere_and_late() {
    holds(Peer::Ffmpeg9, "two tracks each, H.264 + AAC").await;
}

/// Words of `OUTFLOW_MATRIX` choose rows: each has to be in `PUBLISHER: SAMPLE`.
fn chosen(publisher: Peer, sample: &Sample) -> bool {
    let row = format!("{}: {}", publisher.name(), sample.name);
    std::env::var("OUTFLOW_MATRIX").unwrap_or_default().split_whitespace().all(|word| row.contains(word))
}

#[tokio::test]
#[ignore = "ten minutes: scripts/matrix"]
async fn whole_matrix() {
    let mut rows: Vec<Row> = Vec::new();
    let begin = Instant::now();
    for publisher in PUBLISHERS {
        for sample in SAMPLES.iter().filter(|sample| cells::can_publish(publisher, sample) && chosen(publisher, sample))
        {
            // A task of its own, so that a failed expectation is the end of one row only.
            let row = tokio::spawn(row::run(publisher, sample, Duration::from_secs(10))).await;
            match row {
                Ok(Some(row)) => {
                    println!("{}", page::line(&row).join(" | "));
                    rows.push(row);
                }
                Ok(None) => {}
                Err(error) => rows.push(Row::failed(publisher, sample, &error.to_string())),
            }
        }
    }
    println!("{}\n{} rows in {:.0?}", page::text(&rows), rows.len(), begin.elapsed());
    if let Some(path) = std::env::var_os("OUTFLOW_MATRIX_PAGE") {
        std::fs::write(path, page::markdown(&rows, &page::versions().await)).unwrap();
    }
    let bad: Vec<String> = rows.iter().flat_map(Row::failures).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(rows.iter().any(|row| row.cells().any(|cell| matches!(cell, Cell::Equal { .. }))), "nothing ran");
}
