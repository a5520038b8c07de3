//! The matrix as text, and as the page docs/interop.md.

use outflow_testkit::peers::{self, Peer};

use crate::PUBLISHERS;
use crate::cells::Cell;
use crate::players::PLAYERS;
use crate::row::{DESTINATIONS, Row};

/// How a peer is called in the tables.
fn title(peer: Peer) -> &'static str {
    match peer {
        Peer::Ffmpeg => "FFmpeg 5.1",
        Peer::Ffmpeg9 => "FFmpeg 9",
        Peer::GstRtmp2Sink => "GStreamer rtmp2sink",
        Peer::GstRtmpSink => "GStreamer rtmpsink",
        Peer::GstRtmp2Src => "GStreamer rtmp2src",
        Peer::Obs => "OBS",
        Peer::Mpv => "mpv",
        Peer::Vlc => "VLC",
        Peer::NginxRtmp => "nginx-rtmp",
        other => other.name(),
    }
}

fn columns() -> Vec<String> {
    let players = PLAYERS.iter().map(|peer| title(*peer).to_owned());
    let destinations = DESTINATIONS.iter().map(|peer| match peer {
        Peer::Ffmpeg | Peer::Ffmpeg9 => format!("{} -listen", title(*peer)),
        peer => title(*peer).to_owned(),
    });
    let first = ["publisher".to_owned(), "codecs".to_owned()];
    first.into_iter().chain(players).chain(destinations).chain(["Outflow".to_owned()]).collect()
}

/// A row of the matrix.
pub(crate) fn line(row: &Row) -> Vec<String> {
    let first = [title(row.publisher).to_owned(), row.sample.name.to_owned()];
    first.into_iter().chain(row.players.iter().chain(&row.destinations).map(Cell::mark)).collect()
}

fn table(lines: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        text += &format!("| {} |\n", line.join(" | "));
        if number == 0 {
            text += &format!("|{}\n", "---|".repeat(line.len()));
        }
    }
    text
}

fn matrix(rows: &[Row]) -> String {
    table(&std::iter::once(columns()).chain(rows.iter().map(line)).collect::<Vec<_>>())
}

/// FFmpeg 9's rows, as played late from the first and from the second relay.
fn late(rows: &[Row]) -> String {
    let head = ["codecs", "played late", "packets", "re-published, played late", "packets"].map(str::to_owned);
    let ninth = PLAYERS.iter().position(|peer| *peer == Peer::Ffmpeg9).unwrap_or_default();
    let packets = |cell: &Cell| match cell {
        Cell::Equal { frames, .. } => frames.to_string(),
        _ => String::new(),
    };
    let lines = rows.iter().filter(|row| row.publisher == Peer::Ffmpeg9).map(|row| {
        let here = &row.players[ninth];
        vec![row.sample.name.to_owned(), here.mark(), packets(here), row.late.mark(), packets(&row.late)]
    });
    table(&std::iter::once(head.to_vec()).chain(lines).collect::<Vec<_>>())
}

/// Both tables, for a terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    format!("{}\n{}\n{}", matrix(rows), late(rows), rows.iter().flat_map(Row::failures).collect::<Vec<_>>().join("\n"))
}

/// The version of each peer, in the order of the tables; what is not installed is said so.
pub(crate) async fn versions() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for peer in PUBLISHERS.iter().chain(&PLAYERS).chain(&DESTINATIONS) {
        let version = match peers::find(*peer) {
            Some(found) => found.version().await,
            None => format!("{}: not installed, not run", title(*peer)),
        };
        if !all.contains(&version) {
            all.push(version);
        }
    }
    all
}

/// docs/interop.md.
pub(crate) fn markdown(rows: &[Row], versions: &[String]) -> String {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    let day = now.split('T').next().unwrap_or_default();
    let failures: Vec<String> = rows.iter().flat_map(Row::failures).collect();
    let failed = match failures.len() {
        0 => "No cell failed.".to_owned(),
        count => format!("{count} cells failed:\n\n```text\n{}\n```", failures.join("\n")),
    };
    include_str!("page.md")
        .replace("DATE", day)
        .replace("VERSIONS", &versions.iter().map(|version| format!("- {version}\n")).collect::<String>())
        .replace("MATRIX", &matrix(rows))
        .replace("LATE", &late(rows))
        .replace("FAILED", &failed)
}
