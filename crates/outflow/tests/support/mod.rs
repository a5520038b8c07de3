//! Runs one source to its end, keeping what it gives.

use std::sync::{Arc, Mutex};

use outflow::env::Env;
use outflow::error::Ended;
use outflow::media::{Intake, Packet, StreamInfo};
use outflow::net::dial::SystemResolver;
use outflow::node::{MediaUrl, Node};
use outflow::options::{Options, defaults, value};
use outflow::source::{SourceJob, SourceKind};
use outflow::stop::stopper;

/// Keeps what a source gives.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) info: Mutex<Option<StreamInfo>>,
    pub(crate) packets: Mutex<Vec<Packet>>,
    pub(crate) clean: Mutex<Option<bool>>,
}

impl Intake for Kept {
    fn start(&self, info: StreamInfo) {
        *self.info.lock().unwrap() = Some(info);
    }
    fn push(&self, packet: Packet) {
        self.packets.lock().unwrap().push(packet);
    }
    fn end(&self, clean: bool) {
        *self.clean.lock().unwrap() = Some(clean);
    }
}

/// A word of this kind.
pub(crate) fn node(kind: &SourceKind, url: &str, options: &[(&'static str, &str)]) -> Node {
    let mut typed = Options::with_defaults(defaults(kind.options));
    for (name, text) in options {
        let spec = outflow::options::find(kind.options, name).expect("the kind has the option");
        typed.set(name, value::parse(spec.ty, text).unwrap());
    }
    let url = MediaUrl::new(url);
    Node {
        index: 1,
        word: format!("-i {}", url.shown),
        kind: kind.name,
        name: "in".into(),
        url: Some(url),
        options: typed,
    }
}

/// Runs a source to its end, as fast as it can.
pub(crate) fn run(kind: &SourceKind, url: &str, options: &[(&'static str, &str)]) -> (Ended, Arc<Kept>) {
    let mut source = (kind.open)(&node(kind, url, options)).unwrap_or_else(|error| panic!("{error}"));
    let kept = Arc::new(Kept::default());
    let (_stopper, stop) = stopper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let feed = kept.clone();
    let ended = runtime.block_on(async {
        let events: outflow::monitor::Sink = Arc::new(|_| {});
        let env = Env::new(Arc::new(SystemResolver), events.clone());
        let name = "in".to_owned();
        let job = SourceJob {
            feed,
            raw: Default::default(),
            realtime: false,
            stop,
            stats: Default::default(),
            events,
            name,
            env,
        };
        source.run(job).await
    });
    (ended, kept)
}
