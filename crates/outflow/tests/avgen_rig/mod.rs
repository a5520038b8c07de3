//! Runs the test source with its encoders as a graph would, free running, and keeps what comes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use outflow::encode::{ENCODERS, RawInput, Takes};
use outflow::env::Env;
use outflow::error::{Ended, SpecError};
use outflow::media::raw::{Picture, RawOut};
use outflow::media::{Feed, Intake, Kind, Packet, StreamInfo};
use outflow::monitor::InputStats;
use outflow::node::Node;
use outflow::options::{self, OptionSpec, Options, value};
use outflow::source::{SOURCES, SourceJob};
use outflow::stop::{Stopper, stopper};

/// What came out of one run.
pub struct Made {
    /// What the source said at its start.
    pub info: StreamInfo,
    /// Every packet, in the order in which it was pushed.
    pub packets: Vec<Packet>,
    /// The pictures as they were drawn.
    pub pictures: Vec<Arc<Picture>>,
    /// How the source ended, then each encoder.
    pub ends: Vec<Ended>,
}

impl Made {
    pub fn of(&self, kind: Kind) -> Vec<&Packet> {
        self.packets.iter().filter(|packet| packet.kind == kind).collect()
    }
}

#[derive(Default)]
struct Collect {
    info: Mutex<Vec<StreamInfo>>,
    packets: Mutex<Vec<Packet>>,
}

impl Intake for Collect {
    fn start(&self, info: StreamInfo) {
        self.info.lock().unwrap().push(info);
    }

    fn push(&self, packet: Packet) {
        assert_eq!(self.info.lock().unwrap().len(), 1, "a packet before the start");
        self.packets.lock().unwrap().push(packet);
    }

    fn end(&self, _: bool) {
        panic!("ending is the graph's part");
    }
}

/// A word as the parser makes it: `name:option=value:...`.
pub fn node(kind: &'static str, tables: &[&'static [OptionSpec]], word: &str) -> Node {
    let mut options = Options::with_defaults(options::defaults(tables));
    for part in word.split(':').skip(1) {
        let (name, text) = part.split_once('=').unwrap_or((part, "yes"));
        let spec = options::find(tables, name).unwrap_or_else(|| panic!("no option {name}"));
        options.set(spec.name, value::parse(spec.ty, text).unwrap());
    }
    Node { index: 1, word: word.into(), kind, name: kind.into(), url: None, options }
}

/// Runs a source word with encoder words to its end.
pub fn make(source: &str, encoders: &[&str]) -> Result<Made, SpecError> {
    run(source, encoders, false, std::mem::forget)
}

/// The same, paced or not, with a look at the stopper while it runs.
pub fn run(
    source: &str,
    encoders: &[&str],
    realtime: bool,
    meanwhile: impl FnOnce(Stopper),
) -> Result<Made, SpecError> {
    let kind = SOURCES.iter().find(|kind| kind.name == "avgen").unwrap();
    let word = node(kind.name, kind.options, source);
    let mut running = (kind.open)(&word)?;
    let target = word.options.rates("rates").and_then(|rates| rates.first().copied());
    let (stopper, stop) = stopper();
    let collect = Arc::new(Collect::default());
    let feed: Feed = collect.clone();
    let mut raw = RawOut::default();
    let mut threads = Vec::new();
    for word in encoders {
        let name = word.split(':').next().unwrap();
        let kind = ENCODERS.iter().find(|kind| kind.name == name).unwrap();
        let encoder = (kind.open)(&node(kind.name, kind.options, word), target)?;
        let input = match kind.takes {
            Takes::Video => {
                let (sender, receiver) = sync_channel(4);
                raw.video.push(sender);
                RawInput::Video(receiver)
            }
            Takes::Audio => {
                let (sender, receiver) = sync_channel(4);
                raw.audio.push(sender);
                RawInput::Audio(receiver)
            }
        };
        let (feed, stop) = (feed.clone(), stop.clone());
        threads.push(std::thread::spawn(move || encoder.run(input, feed, stop)));
    }
    let (sender, tap): (_, Receiver<Arc<Picture>>) = sync_channel(4);
    // Without an encoder of video nobody wants pictures: the tap's sender goes, and its thread ends.
    if raw.video.is_empty() {
        drop(sender)
    } else {
        raw.video.push(sender)
    }
    let tapped = std::thread::spawn(move || tap.iter().map(|picture| Arc::new((*picture).clone())).collect::<Vec<_>>());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events: outflow::monitor::Sink = Arc::new(|_| ());
    let env = {
        let _inside = runtime.enter();
        Env::system(events.clone())
    };
    let job = SourceJob {
        feed,
        raw,
        realtime,
        stop,
        stats: Arc::new(InputStats::default()),
        events,
        name: "avgen".into(),
        env,
    };
    let source = std::thread::spawn(move || runtime.block_on(running.run(job)));
    meanwhile(stopper);
    let mut ends = vec![source.join().unwrap()];
    ends.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    let pictures = tapped.join().unwrap();
    let info = collect.info.lock().unwrap().first().copied().unwrap_or_default();
    let packets = std::mem::take(&mut *collect.packets.lock().unwrap());
    Ok(Made { info, packets, pictures, ends })
}

/// Peak signal-to-noise ratio of two luma planes, in decibels.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    if sum == 0 { 99.0 } else { 10.0 * (255.0 * 255.0 * a.len() as f64 / sum as f64).log10() }
}
