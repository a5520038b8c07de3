//! A destination that stops reading: page, API, `/metrics` and `top` say the same of it, in the same order, in time.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest, Setup};
use outflow_testkit::media::made_up;
use outflow_testkit::peers::Peer;
use outflow_testkit::proc::Child;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::terminal::Terminal;
use outflow_testkit::wait::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{OUTFLOW, browser, serve};

/// What a surface can say of an output that is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    Sending,
    /// Its window is closed.
    Unread,
    Stalled,
    /// Not connected, or not yet.
    Else,
}

/// From the stop of the receiver to the mark, as promised; and to the state that says so.
const MARKED: Duration = Duration::from_secs(2);
const STALLED: Duration = Duration::from_secs(3);
/// How late a surface may be, where the machine is busy: each looks once a second.
const SLACK: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(100);

/// What one surface said of each output, and when it began to.
#[derive(Debug, Default)]
struct Heard(BTreeMap<String, Vec<(Instant, Says)>>);

impl Heard {
    fn take(&mut self, output: &str, says: Says) {
        let known = self.0.entry(output.to_owned()).or_default();
        if known.last().is_none_or(|last| last.1 != says) {
            known.push((Instant::now(), says));
        }
    }

    /// What is said now.
    fn now(&self, output: &str) -> Option<Says> {
        Some(self.0.get(output)?.last()?.1)
    }

    /// What was said from then on, in order, beginning with what was said then.
    fn since(&self, output: &str, begin: Instant) -> Vec<(Instant, Says)> {
        let all = self.0.get(output).map(Vec::as_slice).unwrap_or_default();
        let before = all.iter().rposition(|(at, _)| *at <= begin).unwrap_or(0);
        all[before..].to_vec()
    }
}

fn said(state: &str, closed: bool) -> Says {
    match (state, closed) {
        ("live", false) => Says::Sending,
        ("live", true) => Says::Unread,
        ("stalled", _) => Says::Stalled,
        _ => Says::Else,
    }
}

async fn get(port: u16, path: &str) -> String {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    tcp.write_all(format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    tcp.read_to_string(&mut text).await.unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Everything that can be looked at.
struct Surfaces {
    http: u16,
    terminal: Option<Terminal>,
    browser: Option<Child>,
    lines: usize,
    heard: BTreeMap<&'static str, Heard>,
    /// The oldest last byte of an output that was called sending, in milliseconds.
    oldest: u64,
}

impl Surfaces {
    async fn look(&mut self) {
        let outputs: serde_json::Value = serde_json::from_str(&get(self.http, "/v1/outputs").await).unwrap();
        let api = self.heard.entry("api").or_default();
        for output in outputs.as_array().unwrap() {
            let closed = output["window_closed"].as_bool().unwrap();
            api.take(output["name"].as_str().unwrap(), said(output["state"].as_str().unwrap(), closed));
            if output["state"] == "live" {
                self.oldest = self.oldest.max(output["last_byte_age_ms"].as_u64().unwrap_or(0));
            }
        }
        let figures = get(self.http, "/metrics").await;
        let metrics = self.heard.entry("metrics").or_default();
        for name in ["good", "stops"] {
            let with = |begin: &str| {
                let of = format!("output=\"{name}\"");
                figures.lines().find(|line| line.starts_with(begin) && line.contains(&of) && line.ends_with(" 1"))
            };
            let state = with("outflow_output_state{").and_then(|line| line.split("state=\"").nth(1)?.split('"').next());
            metrics.take(name, said(state.unwrap_or_default(), with("outflow_output_window_closed").is_some()));
        }
        if let Some(terminal) = &self.terminal {
            let (text, top) = (terminal.text(), self.heard.entry("top").or_default());
            for name in ["good", "stops"] {
                let Some(line) = text.lines().find(|line| line.starts_with(name)) else { continue };
                let state = if line.contains("STALLED") { "stalled" } else { "live" };
                let shown = line.contains("STALLED") || line.contains("sending");
                top.take(name, said(if shown { state } else { "" }, line.contains("closed")));
            }
        }
        if let Some(browser) = &self.browser {
            let lines: Vec<String> = browser.output.look(|said| said.stdout.iter().skip(self.lines).cloned().collect());
            self.lines += lines.len();
            let page = self.heard.entry("page").or_default();
            for line in lines {
                let Some((name, word)) = line.strip_prefix("says ").and_then(|line| line.split_once(": ")) else {
                    continue;
                };
                page.take(
                    name,
                    match word {
                        "Sending" => Says::Sending,
                        "Sending, not read" => Says::Unread,
                        word if word.starts_with("Stalled") => Says::Stalled,
                        _ => Says::Else,
                    },
                );
            }
        }
    }

    /// Looks until every surface says this of the output.
    async fn until(&mut self, output: &str, says: Says) {
        let begin = Instant::now();
        while !self.heard.values().all(|heard| heard.now(output) == Some(says)) || self.heard.is_empty() {
            assert!(begin.elapsed() < DEADLINE, "waited until all say {says:?} of {output}: {:#?}", self.heard);
            tokio::time::sleep(EVERY).await;
            self.look().await;
        }
    }
}

#[tokio::test]
async fn a_destination_that_stops_reading_is_told_alike_by_all_surfaces() {
    let folder = tempfile::tempdir().unwrap();
    let (rtmp, http) = (free_port(), free_port());
    let stops = Setup::new([Behaviour::Good]).receive_buffer(64 << 10).without_bodies().start().await;
    let good = Setup::new([Behaviour::Good]).without_bodies().start().await;
    let _server = serve(folder.path(), (rtmp, http), &outputs(&[("good", &good), ("stops", &stops)])).await;
    // 20 Mb/s, so that no kernel hides it.
    let mut publisher = Publisher::connect(&format!("rtmp://127.0.0.1:{rtmp}/live/show")).await.unwrap();
    let show = tokio::spawn(async move { drop(publisher.play(&made_up(2_000, 25, 100_000), 0).await) });
    let (terminal, browser) = watchers(http, folder.path());
    let mut surfaces = Surfaces { http, terminal, browser, lines: 0, heard: BTreeMap::new(), oldest: 0 };
    surfaces.look().await;
    for output in ["good", "stops"] {
        surfaces.until(output, Says::Sending).await;
    }

    stops.pause(true);
    let begin = Instant::now();
    surfaces.until("stops", Says::Stalled).await;
    println!("the oldest last byte of an output called sending: {} ms", surfaces.oldest);
    assert!(surfaces.oldest < 3000, "an output was called sending whose last byte was {} ms old", surfaces.oldest);
    stops.pause(false);
    let again = Instant::now();
    surfaces.until("stops", Says::Sending).await;

    for (surface, heard) in &surfaces.heard {
        let told = heard.since("stops", begin);
        let after = |says: Says| {
            let at = told.iter().find(|(_, it)| *it == says).map(|(at, _)| at.duration_since(begin));
            at.unwrap_or_else(|| panic!("{surface} never said {says:?}: {told:?}"))
        };
        println!("{surface}: unread after {:?}, stalled after {:?}", after(Says::Unread), after(Says::Stalled));
        assert!(after(Says::Unread) < MARKED + SLACK, "{surface}: {told:?}");
        assert!(after(Says::Stalled) < STALLED + SLACK, "{surface}: {told:?}");
        // Each says the same things in the same order; nothing in between is taken back.
        let order: Vec<Says> = told.iter().filter(|(at, _)| *at <= again).map(|(_, says)| *says).collect();
        assert_eq!(order, [Says::Sending, Says::Unread, Says::Stalled], "{surface}");
        let good = heard.since("good", begin);
        assert!(good.iter().all(|(_, says)| *says == Says::Sending), "{surface} of the other: {good:?}");
    }
    show.abort();
    std::fs::write(folder.path().join("enough"), "").unwrap();
    if let Some(mut browser) = surfaces.browser {
        assert_eq!(browser.wait_exit().await, 0, "{}", browser.text());
        Peer::Chromium.ran();
    }
}

#[tokio::test]
async fn what_the_kernel_keeps_has_not_left() {
    let folder = tempfile::tempdir().unwrap();
    let (rtmp, http) = (free_port(), free_port());
    let stops = Setup::new([Behaviour::Good]).receive_buffer(16 << 10).without_bodies().start().await;
    let _server = serve(folder.path(), (rtmp, http), &outputs(&[("stops", &stops)])).await;
    // So slow that our kernel has room for seconds of it after the window is closed.
    let mut publisher = Publisher::connect(&format!("rtmp://127.0.0.1:{rtmp}/live/show")).await.unwrap();
    let show = tokio::spawn(async move { drop(publisher.play(&made_up(2_000, 25, 1000), 0).await) });
    let mut surfaces = Surfaces { http, terminal: None, browser: None, lines: 0, heard: BTreeMap::new(), oldest: 0 };
    surfaces.until("stops", Says::Sending).await;
    stops.pause(true);
    surfaces.until("stops", Says::Unread).await;
    let unread = Instant::now();
    surfaces.until("stops", Says::Stalled).await;
    let took = unread.elapsed();
    assert!(took < STALLED, "it was called sending for {took:?} though its window was closed");
    assert!(surfaces.oldest > 1000, "the last byte seemed {} ms old", surfaces.oldest);
    show.abort();
}

fn outputs(all: &[(&str, &Ingest)]) -> String {
    let one = |(name, server): &(&str, &Ingest)| {
        format!("[[output]]\nname = \"{name}\"\nstream = \"live/show\"\nurl = \"{}\"\n", server.url("live/k"))
    };
    all.iter().map(one).collect()
}

fn watchers(http: u16, folder: &Path) -> (Option<Terminal>, Option<Child>) {
    let terminal = Terminal::start(&format!("{OUTFLOW} top 127.0.0.1:{http}"), &[]);
    (terminal, browser("watch", http, folder, &[]))
}
