//! The sink `null`: reads everything, counts it, keeps nothing.

use std::time::Instant;

use super::store::{self, Taken};
use super::{BoxFuture, Role, Sink, SinkJob, SinkKind};
use crate::error::Ended;
use crate::monitor::OutputStats;
use crate::node::MediaUrl;
use crate::options::{Options, rtmp};

/// The record of the kind.
pub const KIND: SinkKind = SinkKind {
    name: "null",
    summary: "Counts what comes and keeps nothing: -o null",
    options: &[store::OPTIONS, rtmp::SELECTION],
    accepts,
    live: false,
    open: |node| {
        super::selection(node)?;
        Ok(Box::new(Null { options: node.options.clone() }))
    },
};

fn accepts(url: &MediaUrl, _listen: bool) -> bool {
    matches!(url.raw.expose(), "null" | "null:" | "null://")
}

struct Null {
    options: Options,
}

impl Sink for Null {
    fn role(&self) -> Role {
        Role::Store
    }

    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            let mut taker = store::Taker::new(&job, &self.options);
            loop {
                match taker.next(&job).await {
                    Taken::Packets(run) => {
                        job.stats.left(Instant::now());
                        for message in &run.packets {
                            let packet = &message.packet;
                            OutputStats::add(&job.stats.bytes, packet.body.len() as u64);
                            store::count(&job.stats, packet);
                        }
                    }
                    Taken::Pause => {}
                    Taken::End(ended) => return ended,
                }
            }
        })
    }
}
