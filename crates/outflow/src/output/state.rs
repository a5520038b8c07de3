//! The state machine of an output: pure; time and everything that happens are passed in, and what to do comes out.

use std::time::{Duration, Instant};

use super::backoff::{Backoff, Class};
pub use super::policy::Policy;
use crate::error::{Ended, Origin, Reason, Retry};
use crate::monitor::State;

/// Media must flow for so long before an attempt counts as a success that makes earlier failures forgotten.
pub const LASTING: Duration = Duration::from_secs(10);
/// For so long after a session of ours, a name in use is taken for that session, which the peer has not missed yet.
pub const GHOST: Duration = Duration::from_secs(120);
/// An output shows as stalled after so long, or half of its stall deadline if that is shorter: 2 s after its last byte at
/// the latest, since connections are looked at four times a second, and so are they from here.
const STALL_SHOWN: Duration = Duration::from_millis(1500);
/// What is kept back of the drain deadline for a graceful end, when draining was in vain; at most a quarter of it.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What happens to an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The input delivers, and has had a key frame.
    InputReady,
    /// Nothing has come from the input since this instant, and it has not said that it ended.
    InputGone(Instant),
    /// The input's broadcast is over.
    InputEnded {
        /// True if no other will ever come.
        finished: bool,
    },
    /// The attempt has come to this state.
    Progress(State),
    /// A look at the attempt's counters, about twice a second while it runs.
    MediaProgress {
        /// A number that is another one when bytes have left since the last look.
        bytes: u64,
        /// Whether data waits to leave.
        waiting: bool,
    },
    /// It sends nothing, and leaves the uplink to this output; or to nobody any more.
    Yields(Option<String>),
    /// The attempt has ended.
    Ended(Ended),
    /// The output is to end.
    Stop,
    /// The instant of [`Machine::due`] has come.
    Due,
    /// Somebody wants the next attempt now.
    RetryNow,
}

/// What to do now. Aborting comes before starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Actions {
    /// Abandon the attempt, with a reset; nothing more is heard of it.
    pub abort: bool,
    /// Start an attempt.
    pub start: bool,
    /// Ask the attempt for a graceful end; it answers with [`Event::Ended`].
    pub close: bool,
    /// The state or attempt has changed: tell everybody.
    pub changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Waiting,
    Ready,
    Gone(Instant),
    Finished,
}

/// What an attempt's bytes do, since it became live.
#[derive(Debug, Clone, Copy)]
struct Flow {
    live_since: Instant,
    bytes: Option<u64>,
    /// When bytes last left.
    left: Option<Instant>,
    /// When bytes last left, or nothing waited to leave.
    moved: Instant,
    waiting: bool,
}

impl Flow {
    /// Whether media has flowed for long enough to call the attempt a success.
    fn lasted(&self) -> bool {
        self.left.is_some_and(|left| left.saturating_duration_since(self.live_since) >= LASTING)
    }
}

/// The state of one output.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    backoff: Backoff,
    state: State,
    since: Instant,
    input: Input,
    attempt: u32,
    failures: u32,
    running: bool,
    started: Instant,
    deadline: Option<Instant>,
    /// In draining: whether the attempt was asked for its end, and whether the output stops then.
    closing: bool,
    stopping: bool,
    flow: Option<Flow>,
    session_ended: Option<Instant>,
    not_before: Option<Instant>,
    ever_live: bool,
    last: Option<Ended>,
}

impl Machine {
    /// An idle output. Feed it the input's state to make it go. Seeds must differ between outputs.
    pub fn new(policy: Policy, now: Instant, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(policy.retry, policy.retry_max, seed),
            policy,
            state: State::Idle,
            since: now,
            input: Input::Waiting,
            attempt: 0,
            failures: 0,
            running: false,
            started: now,
            deadline: None,
            closing: false,
            stopping: false,
            flow: None,
            session_ended: None,
            not_before: None,
            ever_live: false,
            last: None,
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Attempts so far.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// True while there is an attempt.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// True once the output has ended for good.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Stopped | State::Failed)
    }

    /// True if the output was ever live.
    pub fn ever_live(&self) -> bool {
        self.ever_live
    }

    /// The last thing that went wrong.
    pub fn last(&self) -> Option<&Ended> {
        self.last.as_ref()
    }

    /// Why the output is in its state, where something went wrong.
    pub fn reason(&self) -> Option<&Ended> {
        let wrong =
            matches!(self.state, State::Backoff | State::Failed | State::Stalled | State::Yielding | State::Draining);
        self.last.as_ref().filter(|_| wrong)
    }

    /// When [`Event::Due`] is to come, if nothing else happens before.
    pub fn due(&self) -> Option<Instant> {
        self.deadline
    }

    /// The instant of the next attempt, in backoff.
    pub fn next_attempt(&self) -> Option<Instant> {
        self.deadline.filter(|_| self.state == State::Backoff)
    }

    /// Takes one event.
    pub fn on(&mut self, now: Instant, event: Event) -> Actions {
        let mut actions = Actions::default();
        let before = (self.state, self.attempt);
        if !self.is_over() {
            self.step(now, event, &mut actions);
        }
        actions.changed = before != (self.state, self.attempt);
        actions
    }

    fn step(&mut self, now: Instant, event: Event, actions: &mut Actions) {
        match event {
            Event::InputReady => {
                self.input = Input::Ready;
                self.input_changed(now, actions);
            }
            Event::InputGone(since) => {
                if self.input == Input::Ready {
                    self.input = Input::Gone(since);
                }
                self.input_changed(now, actions);
            }
            Event::InputEnded { finished } => {
                self.input = if finished { Input::Finished } else { Input::Waiting };
                self.input_ended(now, actions);
            }
            Event::Progress(to) => self.progress(now, to),
            Event::MediaProgress { bytes, waiting } => self.media_progress(now, bytes, waiting),
            Event::Yields(to) => self.yields(now, to),
            Event::Ended(ended) if self.running => self.ended(now, ended, actions),
            Event::Ended(_) => {}
            Event::Stop => self.stop(now, actions),
            Event::Due if self.deadline.is_some_and(|deadline| deadline <= now) => self.due_now(now, actions),
            Event::Due => {}
            Event::RetryNow => {
                self.not_before = None;
                if self.state == State::Backoff {
                    self.begin_or_wait(now, actions);
                }
            }
        }
    }

    fn enter(&mut self, now: Instant, state: State, deadline: Option<Instant>) {
        if self.state != state {
            self.since = now;
        }
        self.state = state;
        self.deadline = deadline;
    }

    fn input_changed(&mut self, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Idle | State::WaitingInput if !self.running => self.begin_or_wait(now, actions),
            State::Live | State::Stalled | State::Yielding => self.deadline = self.flow_deadline(),
            State::WaitingInput if self.is_quiet() => self.deadline = self.flow_deadline(),
            _ => {}
        }
    }

    /// Connected, but everything that came was sent and nothing comes: `live` would not be true.
    fn is_quiet(&self) -> bool {
        self.state == State::WaitingInput && self.running && self.flow.is_some()
    }

    fn input_ended(&mut self, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Live | State::Stalled | State::Yielding
                if self.policy.needs_input || self.input == Input::Finished =>
            {
                self.drain(now);
            }
            // What came before the end is still to be sent, later: the attempt goes on to do it.
            State::Resolving | State::Connecting | State::Handshaking | State::Publishing
                if self.policy.needs_input && !self.policy.delay.is_zero() =>
            {
                self.drain(now);
            }
            State::Resolving | State::Connecting | State::Handshaking | State::Publishing
                if self.policy.needs_input =>
            {
                self.running = false;
                actions.abort = true;
                self.begin_or_wait(now, actions);
            }
            State::WaitingInput if self.running && (self.is_quiet() || self.input == Input::Finished) => {
                self.drain(now)
            }
            State::Idle | State::WaitingInput | State::Backoff if !self.running => self.begin_or_wait(now, actions),
            _ => {}
        }
    }

    /// Lets the attempt end by itself: it sees the end of the stream after everything that is still to be sent.
    fn drain(&mut self, now: Instant) {
        self.closing = false;
        self.last = None;
        let deadline = now + self.policy.delay + self.policy.drain - self.last_call();
        self.enter(now, State::Draining, Some(deadline));
    }

    fn last_call(&self) -> Duration {
        LAST_CALL.min(self.policy.drain / 4)
    }

    /// Nothing runs: starts an attempt if it may, else waits for what is missing.
    fn begin_or_wait(&mut self, now: Instant, actions: &mut Actions) {
        self.flow = None;
        match self.input {
            Input::Finished => self.enter(now, State::Stopped, None),
            Input::Waiting | Input::Gone(_) if self.policy.needs_input => self.enter(now, State::WaitingInput, None),
            _ => match self.not_before.filter(|instant| *instant > now) {
                Some(instant) => self.enter(now, State::Backoff, Some(instant)),
                None => self.begin(now, actions),
            },
        }
    }

    fn begin(&mut self, now: Instant, actions: &mut Actions) {
        self.attempt = self.attempt.saturating_add(1);
        self.running = true;
        self.started = now;
        self.not_before = None;
        actions.start = true;
        let first = if self.policy.needs_input { State::Resolving } else { State::Connecting };
        self.enter(now, first, self.stage_deadline(now, first));
    }

    fn stage_limit(&self, state: State) -> Option<Duration> {
        Some(match state {
            State::Resolving => self.policy.resolve,
            State::Connecting => self.policy.connect,
            State::Handshaking => self.policy.handshake,
            State::Publishing => self.policy.publish,
            _ => return None,
        })
    }

    /// The present stage's deadline. All stages together have one too: redirects must not lead about for ever.
    fn stage_deadline(&self, now: Instant, state: State) -> Option<Instant> {
        let policy = &self.policy;
        let together = 2 * (policy.resolve + policy.connect + policy.handshake + policy.publish);
        self.stage_limit(state).map(|limit| (now + limit).min(self.started + together))
    }

    fn progress(&mut self, now: Instant, to: State) {
        if self.running && self.state == State::Draining && to == State::Live {
            self.ever_live = true;
        }
        if !self.running || (self.stage_limit(self.state).is_none() && self.state != State::WaitingInput) {
            return;
        }
        if to == State::WaitingInput && self.policy.needs_input {
            // The peer has done its part; a group of pictures lasts as long as the encoder likes.
            self.deadline = None;
        } else if to == State::WaitingInput {
            self.enter(now, State::WaitingInput, None);
        } else if self.stage_limit(to).is_some() {
            self.enter(now, to, self.stage_deadline(now, to));
        } else if to == State::Live {
            self.ever_live = true;
            self.flow = Some(Flow { live_since: now, bytes: None, left: None, moved: now, waiting: false });
            self.enter(now, State::Live, self.flow_deadline());
            if self.input == Input::Finished {
                self.drain(now);
            }
        }
    }

    fn media_progress(&mut self, now: Instant, bytes: u64, waiting: bool) {
        if !matches!(self.state, State::Live | State::Stalled) && !self.is_quiet() {
            return;
        }
        let (gone, state) = (self.policy.needs_input && matches!(self.input, Input::Gone(_)), self.state);
        let Some(flow) = &mut self.flow else { return };
        let left = flow.bytes.is_some_and(|known| known != bytes);
        flow.bytes = Some(bytes);
        flow.waiting = waiting;
        if left {
            flow.left = Some(now);
        }
        if flow.lasted() {
            self.backoff.reset();
            self.failures = 0;
        }
        let last = flow.left.unwrap_or(flow.live_since);
        if left || !waiting {
            flow.moved = now;
        }
        if left {
            self.enter(now, State::Live, None);
        } else if !waiting && gone && now.saturating_duration_since(last) >= STALL_SHOWN {
            self.enter(now, State::WaitingInput, None);
        } else if !waiting && state == State::Stalled {
            self.enter(now, State::Live, None);
        }
        self.deadline = self.flow_deadline();
    }

    /// It sends nothing, for another's sake: nothing waits to leave, and that nothing leaves is no stall.
    fn yields(&mut self, now: Instant, to: Option<String>) {
        match (to, self.state) {
            (Some(to), State::Live | State::Stalled) => {
                let text = format!("yields to {to}: the uplink is too small");
                self.last = Some(Ended::network(Reason::Uplink, text));
                self.enter(now, State::Yielding, None);
            }
            (None, State::Yielding) => self.enter(now, State::Live, None),
            _ => return,
        }
        if let Some(flow) = &mut self.flow {
            (flow.waiting, flow.moved) = (false, now);
        }
        self.deadline = self.flow_deadline();
    }

    /// What happens next to a live attempt by itself: the end of grace, of patience, or showing that it stalls.
    fn flow_deadline(&self) -> Option<Instant> {
        let grace = match (self.input, self.policy.grace) {
            (Input::Gone(since), Some(grace)) => Some(since + grace),
            _ => None,
        };
        let stall = self.stall_deadline();
        [grace, stall].into_iter().flatten().min()
    }

    fn stall_deadline(&self) -> Option<Instant> {
        let flow = self.flow.filter(|flow| flow.waiting)?;
        let patience = self.policy.stall?;
        let shown = if self.state == State::Stalled { patience } else { STALL_SHOWN.min(patience / 2) };
        Some(flow.moved + shown)
    }

    fn due_now(&mut self, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Backoff => self.begin_or_wait(now, actions),
            State::Resolving | State::Connecting | State::Handshaking | State::Publishing => {
                // In tenths: a deadline may be shorter than a second.
                let limit = (now.saturating_duration_since(self.since).as_secs_f32() * 10.0).round() / 10.0;
                let text = match self.state {
                    State::Resolving => format!("the look-up of the name took longer than {limit} s"),
                    State::Connecting => format!("no connection, or no TLS session on it, within {limit} s"),
                    State::Handshaking => format!("no answer to the handshake within {limit} s (limits.handshake)"),
                    _ => format!("no answer to publish within {limit} s (limits.answer)"),
                };
                actions.abort = true;
                self.ended(now, Ended::network(Reason::Timeout, text), actions);
            }
            State::Live | State::Stalled | State::Yielding => self.flow_due(now, actions),
            State::Draining if !self.closing => {
                self.closing = true;
                actions.close = true;
                self.deadline = Some(now + self.last_call());
            }
            State::Draining => {
                actions.abort = true;
                self.ended(now, Ended::network(Reason::Timeout, "the rest could not be sent in time"), actions);
            }
            State::WaitingInput if self.is_quiet() => self.flow_due(now, actions),
            State::Idle | State::WaitingInput | State::Stopped | State::Failed => self.deadline = None,
        }
    }

    fn flow_due(&mut self, now: Instant, actions: &mut Actions) {
        if self.stall_deadline().is_some_and(|deadline| deadline <= now) {
            let waited = self.flow.map_or(0.0, |flow| now.saturating_duration_since(flow.moved).as_secs_f32());
            let ended = Ended::network(Reason::Stalled, format!("no byte could be sent for {waited:.0} s"));
            if self.state == State::Stalled {
                actions.abort = true;
                self.ended(now, ended, actions);
            } else {
                self.last = Some(ended);
                self.enter(now, State::Stalled, None);
                self.deadline = self.flow_deadline();
            }
        } else {
            let text = match self.policy.grace {
                Some(grace) => format!("no media for {} s", grace.as_secs_f32()),
                None => "no media".into(),
            };
            self.last = Some(Ended::new(Origin::Peer, Retry::Now, Reason::InputGone, text));
            self.close(now, actions);
        }
    }

    /// Asks the attempt for a graceful end.
    fn close(&mut self, now: Instant, actions: &mut Actions) {
        let mut deadline = now + self.policy.drain;
        if self.state == State::Draining {
            let kept = if self.closing { Duration::ZERO } else { self.last_call() };
            deadline = self.deadline.map_or(deadline, |known| deadline.min(known + kept));
        }
        actions.close = true;
        self.closing = true;
        self.enter(now, State::Draining, Some(deadline));
    }

    fn stop(&mut self, now: Instant, actions: &mut Actions) {
        if !self.running {
            self.enter(now, State::Stopped, None);
        } else if !self.stopping {
            self.stopping = true;
            if self.state != State::Draining {
                self.last = None;
            }
            self.close(now, actions);
        }
    }

    fn ended(&mut self, now: Instant, ended: Ended, actions: &mut Actions) {
        self.running = false;
        let was_draining = self.state == State::Draining;
        if self.flow.take().is_some() {
            self.session_ended = Some(now);
        }
        if !ended.is_clean() {
            self.last = Some(ended.clone());
        }
        if self.stopping {
            return self.enter(now, State::Stopped, None);
        }
        if was_draining || ended.reason == Reason::InputEnded {
            // Heard from the attempt before it was heard from the input.
            if !was_draining && self.input != Input::Finished {
                self.input = Input::Waiting;
            }
            // An input that ends again and again must not make us dial again and again.
            self.not_before = Some(self.started + self.policy.retry);
            return self.begin_or_wait(now, actions);
        }
        self.failed(now, &ended, actions);
    }

    fn failed(&mut self, now: Instant, ended: &Ended, actions: &mut Actions) {
        let ghost = ended.reason == Reason::Busy
            && self.session_ended.is_some_and(|instant| now.saturating_duration_since(instant) < GHOST);
        let wait = match ended.retry {
            // A sink that says it was stopped, when nobody did, is no reason to end for good.
            Retry::Never if ended.reason != Reason::Stopped => return self.enter(now, State::Failed, None),
            _ if ghost => self.backoff.next(Class::Ghost),
            Retry::Slow => self.backoff.next(Class::Refused),
            Retry::Now => (self.started + self.policy.retry).saturating_duration_since(now),
            Retry::Backoff | Retry::Never => self.backoff.next(Class::Network),
        };
        if !ghost {
            self.failures = self.failures.saturating_add(1);
            if self.policy.retries > 0 && self.failures >= self.policy.retries {
                return self.enter(now, State::Failed, None);
            }
        }
        self.not_before = Some(now + wait);
        // An input that is gone is waited for when the time has come, so that the reason stays to be seen until then.
        match self.input {
            Input::Finished => self.enter(now, State::Stopped, None),
            Input::Waiting if self.policy.needs_input => self.begin_or_wait(now, actions),
            _ => self.enter(now, State::Backoff, Some(now + wait)),
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
