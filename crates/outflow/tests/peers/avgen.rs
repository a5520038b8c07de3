//! The test picture as a real decoder sees it: size, rate and sound, and the flash in time with its beep.

use outflow_testkit::peers::{self, Peer};
use outflow_testkit::proc::Command;

use crate::help::{decodes_file, folder, outflow};

/// Mean brightness of each frame with its time in seconds, by FFmpeg's own filters.
async fn brightness(ffmpeg: &std::path::Path, file: &std::path::Path) -> Vec<(f64, f64)> {
    let mut child = Command::new(ffmpeg)
        .line("-nostdin -v error -i")
        .arg(file)
        .line("-map 0:v -vf signalstats,metadata=print:key=lavfi.signalstats.YMAX:file=- -f null -")
        .start();
    assert_eq!(child.wait_exit().await, 0, "{}", child.text());
    let lines = child.output.look(|output| Vec::from(output.stdout.clone()));
    let mut found = Vec::new();
    let mut time = 0.0;
    for line in lines {
        if let Some((_, at)) = line.split_once("pts_time:") {
            time = at.trim().parse().unwrap();
        } else if let Some((_, value)) = line.split_once("YMAX=") {
            found.push((time, value.trim().parse().unwrap()));
        }
    }
    found
}

#[tokio::test]
async fn the_card_decodes_at_its_size_and_rate() {
    let Some(ffmpeg) = peers::find(Peer::Ffmpeg) else { return };
    let folder = folder();
    let file = folder.path().join("card.flv");
    let mut program = outflow("avgen:sizes=320x180:fps=25:dur=4 c=avc c=aac reframer:rt=off -o").arg(&file).start();
    assert_eq!(program.wait_exit().await, 0, "{}", program.text());
    decodes_file(&ffmpeg, &file).await;
    let frames = brightness(&ffmpeg.path, &file).await;
    assert_eq!(frames.len(), 100);
    for (n, pair) in frames.windows(2).enumerate() {
        assert!((pair[1].0 - pair[0].0 - 0.04).abs() < 0.002, "frame {n} lasts {} s", pair[1].0 - pair[0].0);
    }
}
