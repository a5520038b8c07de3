//! The state of the relay, behind one lock that is held for moments only: every method returns at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::outputs::{Output, Run, Step};
use super::plan::{self, Plan};
use super::store::Kept;
use super::streams::{LINGER, Live};
use super::{Fault, Relay};
use crate::config::{Config, StreamId, StreamRule};
use crate::error::{Ended, Origin, Reason, Retry};
use crate::input::{self, InputSpec};
use crate::monitor::{Event, State};
use crate::node::{MediaUrl, Node};
use crate::options::{self, Options};
use crate::output::policy::Policy;
use crate::output::{self, OutputSpec};
use crate::source::rtmp_pull;
use crate::stop::stopper;

/// Streams that nobody publishes there may be so many times more than others.
const WAITING: usize = 4;

/// Everything that changes.
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) streams: BTreeMap<StreamId, Live>,
    pub(super) outputs: BTreeMap<String, Output>,
    /// Outputs that were removed and are still ending.
    pub(super) leaving: Vec<Output>,
    /// What the API changed, as it is on disk.
    pub(super) kept: Kept,
    /// No more peers, no more starts: the end.
    pub(super) draining: bool,
    next_run: u64,
}

impl Core {
    pub(super) fn new(kept: Kept) -> Self {
        Self {
            config: Arc::default(),
            streams: BTreeMap::new(),
            outputs: BTreeMap::new(),
            leaving: Vec::new(),
            kept,
            draining: false,
            next_run: 0,
        }
    }

    /// The rule that holds for a stream, if it may exist.
    pub(super) fn rule_of(&self, id: &StreamId) -> Option<Arc<StreamRule>> {
        let rule = self.config.streams.iter().find(|rule| rule.name.fits(id));
        match rule {
            Some(rule) => Some(Arc::new(rule.clone())),
            // Nothing is said about streams at all: any name will do.
            None if self.config.streams.is_empty() => Some(Arc::default()),
            None => None,
        }
    }

    /// The stream of this name, made if need be, with the outputs that patterns give it.
    pub(super) fn stream(&mut self, id: &StreamId, relay: &Arc<Relay>) -> Result<&mut Live, Fault> {
        if !self.streams.contains_key(id) {
            let most = self.config.limits.streams;
            // Those that wait for somebody cost little; without an end they may not be either.
            let published = self.streams.values().filter(|live| live.is_published()).count();
            if published >= most || self.streams.len() >= most.saturating_mul(WAITING) {
                return Err(Fault::Limit(format!("there are {most} streams already (limits.streams)")));
            }
            // An output may be there before anything is said about its stream.
            let rule = self.rule_of(id).unwrap_or_default();
            let live = Live::new(id, rule, &relay.around.env, &relay.around.stream_events(relay, id));
            relay.around.board.add_input(&id.to_string(), "stream", "", live.stats.clone());
            relay.watch(id, &live);
            self.streams.insert(id.clone(), live);
            let config = self.config.clone();
            for rule in config.outputs.iter().filter(|rule| !rule.stream.is_exact() && rule.stream.fits(id)) {
                // One that can't be is told as a failed output.
                let _ = self.put(Plan::of_rule(rule, id), relay);
            }
            self.pull(id, relay);
        }
        let live = self.streams.get_mut(id).ok_or(Fault::NotFound)?;
        // Whoever asks is about to use it.
        live.needed = Instant::now();
        Ok(live)
    }

    /// Starts the pull that the stream's rule asks for; ends one that it does not ask for any more.
    pub(super) fn pull(&mut self, id: &StreamId, relay: &Arc<Relay>) {
        let draining = self.draining;
        let Some(live) = self.streams.get_mut(id) else { return };
        let Some(pull) = live.rule.pull.clone().filter(|_| !draining) else {
            live.pull = None;
            return;
        };
        if live.pull.is_some() {
            return;
        }
        let kind = &rtmp_pull::KIND;
        let mut typed = Options::with_defaults(options::defaults(kind.options));
        for (name, value) in &pull.options {
            typed.set(name, value.clone());
        }
        let around = &relay.around;
        let node = Node {
            index: 0,
            word: format!("pull of {id}"),
            kind: kind.name,
            name: id.to_string(),
            url: Some(MediaUrl::new(pull.url.expose())),
            options: typed,
        };
        let source = match (kind.open)(&node) {
            Ok(source) => source,
            Err(error) => {
                let text = format!("it can't be pulled: {error}");
                (around.events)(Event::Warning { who: id.to_string(), text });
                return;
            }
        };
        let (ending, stop) = stopper();
        let spec = InputSpec {
            node,
            source,
            encoders: Vec::new(),
            feed: live.slot.feed.clone(),
            realtime: true,
            stats: live.stats.clone(),
            events: live.slot.events.clone(),
            env: around.env.clone(),
            stop,
        };
        let _runtime = around.runtime.enter();
        drop(input::spawn(spec));
        live.pull = Some(ending);
    }

    /// Puts an output in: new, or in the place of one with the same id, which goes on untouched if it sends the same.
    pub(super) fn put(&mut self, plan: Plan, relay: &Arc<Relay>) -> Result<Put, Fault> {
        let id = plan.id.clone();
        // Whether a sink can be made of it is known now.
        plan.open()?;
        if let Some(known) = self.outputs.get_mut(&id) {
            let (same, same_stream) = (known.plan.sends_like(&plan), known.plan.stream == plan.stream);
            let untouched = known.plan == plan;
            if known.plan.auto_start != plan.auto_start && !known.stopped {
                known.wanted = plan.auto_start || known.run.is_some();
            }
            if same && same_stream {
                known.plan = plan;
                self.settle(&id, relay);
                return Ok(if untouched { Put::Untouched } else { Put::Changed });
            }
            if same && let Some(run) = known.run.as_ref().filter(|run| !run.ending).map(|run| run.handle.clone()) {
                // Another source, in the same connection.
                let to = plan.stream.clone();
                let stream = self.stream(&to, relay)?.stream.clone();
                if run.switch(stream) {
                    if let Some(known) = self.outputs.get_mut(&id) {
                        known.plan = plan;
                    }
                    self.settle(&id, relay);
                    return Ok(Put::Changed);
                }
            }
            let Some(known) = self.outputs.get(&id) else { return Err(Fault::NotFound) };
            let (stopped, started) = (known.stopped, known.wanted);
            self.take_out(&id, relay);
            self.insert(Output::new(plan, stopped, started), relay)?;
            return Ok(Put::Changed);
        }
        self.check_room()?;
        let stopped = self.kept.stopped.contains(&id);
        let started = self.kept.started.contains(&id);
        self.insert(Output::new(plan, stopped, started), relay)?;
        Ok(Put::Added)
    }

    fn insert(&mut self, output: Output, relay: &Arc<Relay>) -> Result<(), Fault> {
        let id = output.plan.id.clone();
        self.stream(&output.plan.stream.clone(), relay)?;
        let kind = output.plan.node().map_or("output", |(kind, _)| kind.name);
        relay.around.board.add_output(&id, kind, &output.plan.shown(), output.stats.clone());
        relay.around.board.leads_to(&id, output.platform);
        self.outputs.insert(id.clone(), output);
        self.settle(&id, relay);
        Ok(())
    }

    /// Takes an output out: it ends, bounded, and nobody sees it any more.
    pub(super) fn take_out(&mut self, id: &str, relay: &Arc<Relay>) {
        let Some(mut output) = self.outputs.remove(id) else { return };
        relay.around.board.remove_output(id);
        if let Some(run) = &mut output.run {
            run.ending = true;
            run.handle.stop();
            self.leaving.push(output);
        }
    }

    /// Starts or ends an output as it is wanted.
    pub(super) fn settle(&mut self, id: &str, relay: &Arc<Relay>) {
        // Until the old run of this id is over another would find its own ghost.
        let ghost = self.leaving.iter().any(|output| output.plan.id == id);
        let draining = self.draining;
        let Some(output) = self.outputs.get_mut(id) else { return };
        match output.step() {
            Step::Nothing => {}
            Step::End => {
                if let Some(run) = &mut output.run {
                    run.ending = true;
                    run.handle.stop();
                }
            }
            Step::Start if ghost || draining => {}
            Step::Start => {
                let Some(live) = self.streams.get_mut(&output.plan.stream) else { return };
                live.needed = Instant::now();
                let (sink, node) = match output.plan.open() {
                    Ok(made) => made,
                    // It could be made when it was put in; a file that it needs is gone since.
                    Err(fault) => {
                        let text = format!("it can't be started: {fault}");
                        let reason = Ended::new(Origin::Config, Retry::Never, Reason::File, text);
                        output.fail(reason.clone());
                        (relay.around.events)(Event::Failure { who: id.to_owned(), reason });
                        return;
                    }
                };
                let policy = output::policy(sink.role(), &node.options).within(&self.config.limits.peers);
                let spec = OutputSpec {
                    name: id.to_owned(),
                    sink,
                    policy: Policy { drain: self.config.drain, ..policy },
                    stream: live.stream.clone(),
                    stats: output.stats.clone(),
                    events: relay.around.events.clone(),
                    env: relay.around.env.clone(),
                };
                let _runtime = relay.around.runtime.enter();
                let handle = Arc::new(output::spawn(spec));
                self.next_run += 1;
                let number = self.next_run;
                output.last = None;
                output.run = Some(Run { handle: handle.clone(), number, ending: false });
                relay.await_end(id.to_owned(), handle, number);
            }
        }
    }

    /// A run is over: what it was is kept to be shown, and the output is settled.
    pub(super) fn over(&mut self, id: &str, number: u64, relay: &Arc<Relay>) {
        let is_it = |output: &Output| output.run.as_ref().is_some_and(|run| run.number == number);
        self.leaving.retain(|output| !is_it(output));
        if let Some(output) = self.outputs.get_mut(id).filter(|output| is_it(output)) {
            output.last = output.status();
            output.run = None;
        }
        self.settle(id, relay);
    }

    /// Removes the outputs that belong to a stream alone, and the stream.
    fn forget(&mut self, id: &StreamId, relay: &Arc<Relay>) {
        let mine = |output: &Output| {
            let made_for_it = output.plan.origin == plan::Origin::Hook || output.plan.id != output.plan.name;
            output.plan.stream == *id && made_for_it
        };
        let gone: Vec<String> =
            self.outputs.iter().filter(|(_, output)| mine(output)).map(|(id, _)| id.clone()).collect();
        for output in gone {
            self.take_out(&output, relay);
        }
        if let Some(mut live) = self.streams.remove(id) {
            live.finish();
            live.close();
        }
        relay.around.board.remove_input(&id.to_string());
    }

    /// Looks after what changes with time: rates, silence, streams that nobody needs.
    pub(super) fn tick(&mut self, now: Instant, relay: &Arc<Relay>) {
        use crate::monitor::OutputStats as Stats;
        for output in self.outputs.values_mut() {
            let stats = &output.stats;
            output.rates.look(now, Stats::get(&stats.bytes), Stats::get(&stats.frames));
            let wanted = output.wanted && self.streams.get(&output.plan.stream).is_some_and(Live::is_live);
            stats.stability.lock().look(wanted, output.state() == State::Live, Stats::get(&stats.skips));
            let run = output.run.as_ref().map_or(0, |run| run.number);
            stats.session.lock().look(now, run, output.state(), output.is_connected());
        }
        let mut idle = Vec::new();
        for (id, live) in &mut self.streams {
            live.rates.look(now, Stats::get(&live.stats.bytes), Stats::get(&live.stats.frames));
            let mine = |output: &&Output| output.plan.stream == *id;
            if live.is_needed() || self.outputs.values().filter(mine).any(Output::is_connected) {
                live.needed = now;
            } else if now.saturating_duration_since(live.needed) >= LINGER {
                idle.push(id.clone());
            }
        }
        for id in idle {
            let named = self.config.streams.iter().any(|rule| rule.name.exact().as_ref() == Some(&id));
            let own = |output: &Output| output.plan.origin != plan::Origin::Hook && output.plan.id == output.plan.name;
            let sends = self.outputs.values().any(|output| output.plan.stream == id && own(output));
            if !named && !sends {
                self.forget(&id, relay);
            }
        }
    }
}

/// What became of an output that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Added,
    Changed,
    Untouched,
}
