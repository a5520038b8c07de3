//! The output of CONTRIBUTING.md does what that page says of it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::example::KIND;
use super::{Env, Progress, SinkJob};
use crate::error::Reason;
use crate::media::{Flags, Intake, Kind, Packet, StreamInfo};
use crate::monitor::{Event, OutputStats, State};
use crate::net::dial::SystemResolver;
use crate::node::{MediaUrl, Node};
use crate::options::{self, Options, value};
use crate::stop::stopper;
use crate::stream::{Stream, StreamConfig};

#[tokio::test]
async fn the_example_for_contributors_tells_how_much_came() {
    let mut typed = Options::with_defaults(options::defaults(KIND.options));
    // The least that a duration can be: it tells after every read.
    let every = options::find(KIND.options, "every").unwrap();
    typed.set(every.name, value::parse(every.ty, "1ms").unwrap());
    let url = MediaUrl::output("count://");
    assert!((KIND.accepts)(&url, false));
    let node = Node { index: 1, word: "word".into(), kind: "count", name: "c".into(), url: Some(url), options: typed };
    let mut sink = (KIND.open)(&node).unwrap();

    let (writer, stream) = Stream::new("s", StreamConfig::default(), Arc::default());
    let notes = Arc::new(Mutex::new(Vec::new()));
    let (heard, changed) = (notes.clone(), Arc::new(tokio::sync::Notify::new()));
    let wake = changed.clone();
    let (stopper, stop) = stopper();
    let job = SinkJob {
        stream,
        progress: Progress::default(),
        stats: Arc::default(),
        stop,
        events: Arc::new(move |event| {
            if let Event::Note { text, .. } = event {
                heard.lock().push(text);
                wake.notify_one();
            }
        }),
        name: "c".into(),
        switches: Default::default(),
        env: Env::new(Arc::new(SystemResolver), Arc::new(|_| {})),
    };
    let (progress, stats) = (job.progress.clone(), job.stats.clone());
    let run = sink.run(job);
    let feed = async {
        writer.start(StreamInfo { video: Some(true), audio: Some(false), realtime: false });
        let flags = Flags { keyframe: true, ..Flags::default() };
        for dts in 0.. {
            let body = b"\x17\x01key".as_slice().into();
            writer.push(Packet {
                kind: Kind::Video,
                track: 0,
                dts: dts * 40,
                cts: 0,
                flags,
                body,
                arrival: Instant::now(),
            });
            if tokio::time::timeout(Duration::from_millis(20), changed.notified()).await.is_ok() {
                break;
            }
        }
        stopper.stop();
    };
    let both = async { tokio::join!(run, feed).0 };
    let ended = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert_eq!(ended.reason, Reason::Stopped);
    let notes = notes.lock();
    assert!(notes[0].ends_with(" bytes") && notes[0].contains(" packets, "), "{notes:?}");
    assert!(OutputStats::get(&stats.packets) > 0 && OutputStats::get(&stats.bytes) > 0);
    let states: Vec<State> = std::iter::from_fn(|| progress.take()).collect();
    assert!(states.contains(&State::Live), "{states:?}");
}
