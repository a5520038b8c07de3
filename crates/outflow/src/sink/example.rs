//! The sink `count`: tells how much came, again and again.

use std::time::{Duration, Instant};

use super::store::{self, Taken, Taker};
use super::{BoxFuture, Role, Sink, SinkJob, SinkKind};
use crate::error::Ended;
use crate::monitor::{Event, OutputStats};
use crate::options::{OptionSpec, Options, Type};

/// The record of the kind.
pub const KIND: SinkKind = SinkKind {
    name: "count",
    summary: "Tells how much came: -o count://",
    options: &[store::OPTIONS, OPTIONS],
    accepts: |url, _listen| url.scheme.as_deref() == Some("count"),
    live: false,
    open: |node| {
        let every = node.options.duration("every").unwrap_or(Duration::from_secs(1));
        Ok(Box::new(Count { options: node.options.clone(), every }))
    },
};

const OPTIONS: &[OptionSpec] = &[OptionSpec::new("every", Type::Duration, "1s", "how often to tell")];

struct Count {
    options: Options,
    every: Duration,
}

impl Sink for Count {
    fn role(&self) -> Role {
        Role::Store
    }

    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let mut taker = Taker::new(&job, &self.options);
            let (mut packets, mut bytes, mut told) = (0, 0, Instant::now());
            loop {
                match taker.next(&job).await {
                    Taken::Packets(run) => {
                        for message in &run.packets {
                            packets += 1;
                            bytes += message.packet.body.len();
                            OutputStats::add(&job.stats.bytes, message.packet.body.len() as u64);
                            store::count(&job.stats, &message.packet);
                        }
                    }
                    Taken::Pause => {}
                    Taken::End(ended) => return ended,
                }
                if told.elapsed() >= self.every {
                    let text = format!("{packets} packets, {bytes} bytes");
                    (job.events)(Event::Note { who: job.name.clone(), text });
                    (packets, bytes, told) = (0, 0, Instant::now());
                }
            }
        })
    }
}
