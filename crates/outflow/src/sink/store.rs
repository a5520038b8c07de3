//! What sinks without a connection have in common: a place in the stream, skips told and counted, and when to end.

use std::sync::Arc;
use std::time::Duration;

use super::{SinkJob, Switches};
use crate::error::Ended;
use crate::hub::Start;
use crate::media::{Kind, Packet};
use crate::monitor::{Event, OutputStats, State, Teller};
use crate::options::{OptionSpec, Options, Type};
use crate::stream::{InputState, Reader, Selection, Stream};
use crate::wire::Shared;

/// The options of these sinks.
pub(super) const OPTIONS: &[OptionSpec] = &[OptionSpec::new(
    "max_lag",
    Type::Duration,
    "4s",
    "further behind a live source: skip forward to the newest key frame (nothing is skipped with reframer:rt=off)",
)];

/// Packets in one piece.
pub(super) struct Run {
    /// Set where the packets begin at an entry point after a join or a skip: the headers that belong before them.
    pub(super) headers: Option<Arc<[Shared]>>,
    /// They are the first of another stream.
    pub(super) switched: bool,
    /// The packets.
    pub(super) packets: Vec<Shared>,
}

/// What comes next.
pub(super) enum Taken {
    /// Packets.
    Packets(Run),
    /// The source ended; another may come.
    Pause,
    /// The run is over.
    End(Ended),
}

/// Takes packets from a stream.
pub(super) struct Taker {
    reader: Reader,
    state: tokio::sync::watch::Receiver<InputState>,
    paused: bool,
    live: bool,
    max_lag: Duration,
    selection: Selection,
    switches: Switches,
    switched: bool,
}

impl Taker {
    /// A place at the oldest entry point that is there: of a pipe's first burst, which may hold several groups of pictures
    /// before this reads for the first time, nothing is left out.
    pub(super) fn new(job: &SinkJob, options: &Options) -> Self {
        let max_lag = options.duration("max_lag").unwrap_or(Duration::from_secs(4));
        // Checked when the word was read.
        let selection = Selection::of(options).unwrap_or_default();
        let reader = Reader::new(&job.stream.select(&selection), Start::Oldest, max_lag, Duration::ZERO);
        // Open, but with nothing to show for it yet.
        job.progress.enter(State::WaitingInput);
        let (state, switches) = (job.stream.state(), job.switches.clone());
        Self { reader, state, paused: false, live: false, max_lag, selection, switches, switched: false }
    }

    /// The same for a sink that says itself when it is live: what is taken from the stream is not yet where it should be.
    pub(super) fn for_a_writer(job: &SinkJob, options: &Options) -> Self {
        Self { live: true, ..Self::new(job, options) }
    }

    /// Reads another stream, from its next entry point on.
    fn switch(&mut self, stream: &Arc<Stream>) {
        self.reader = Reader::new(&stream.select(&self.selection), Start::Next, self.max_lag, Duration::ZERO);
        self.state = stream.state();
        self.paused = false;
        self.switched = true;
    }

    /// Waits for what comes next.
    pub(super) async fn next(&mut self, job: &SinkJob) -> Taken {
        loop {
            if self.paused {
                // The broadcast is over. Either nothing will come again, or a source begins anew.
                let (state, switches) = (&mut self.state, &mut self.switches);
                let next = tokio::select! {
                    over = async {
                        let state = state.wait_for(|state| state.finished || !state.ended).await;
                        state.map_or(true, |state| state.finished)
                    } => Err(over),
                    () = job.stop.stopped() => return Taken::End(Ended::stopped()),
                    stream = switches.next() => Ok(stream),
                };
                let over = match next {
                    Ok(stream) => {
                        self.switch(&stream);
                        continue;
                    }
                    Err(over) => over,
                };
                if over {
                    return Taken::End(Ended::clean());
                }
                self.paused = false;
            }
            let mut packets = Vec::new();
            let read = tokio::select! {
                read = self.reader.read(&mut packets) => read,
                () = job.stop.stopped() => return Taken::End(Ended::stopped()),
                stream = self.switches.next() => {
                    self.switch(&stream);
                    continue;
                }
            };
            job.stats.lag_millis.tell(Teller::ONLY, u64::try_from(read.lag.as_millis()).unwrap_or(u64::MAX));
            if let Some(skip) = read.skip {
                job.stats.skipped(skip.items, skip.frames, skip.groups);
                let millis = u64::try_from(skip.span.as_millis()).unwrap_or(u64::MAX);
                let (output, packets) = (job.name.clone(), skip.items);
                (job.events)(Event::Skipped { output, peer: None, packets, millis, why: None });
            }
            if !packets.is_empty() {
                if !std::mem::replace(&mut self.live, true) {
                    job.progress.enter(State::Live);
                }
                return Taken::Packets(Run {
                    headers: read.restart,
                    switched: std::mem::take(&mut self.switched),
                    packets,
                });
            }
            if read.ended {
                self.paused = true;
                return Taken::Pause;
            }
        }
    }
}

/// Counts a packet that has gone where it should.
pub(super) fn count(stats: &OutputStats, packet: &Packet) {
    OutputStats::add(&stats.packets, 1);
    if packet.kind == Kind::Video && !packet.flags.header {
        OutputStats::add(&stats.frames, 1);
    }
}
