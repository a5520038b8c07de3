//! Tests of the output's state machine with a clock of their own, and of what must hold whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "state_any_tests.rs"]
mod any;

use super::*;

/// A machine and its clock.
struct Rig {
    machine: Machine,
    now: Instant,
    bytes: u64,
}

const NONE: Actions = Actions { abort: false, start: false, close: false, changed: false };
const CHANGED: Actions = Actions { changed: true, ..NONE };
const START: Actions = Actions { start: true, ..CHANGED };
const CLOSE: Actions = Actions { close: true, ..CHANGED };
const ABORT: Actions = Actions { abort: true, ..CHANGED };

impl Rig {
    fn new(policy: Policy) -> Self {
        let now = Instant::now();
        Self { machine: Machine::new(policy, now, 1), now, bytes: 0 }
    }

    fn on(&mut self, event: Event) -> Actions {
        self.machine.on(self.now, event)
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    /// Goes to the instant at which the machine wants to be asked, and asks it.
    fn due(&mut self) -> Actions {
        self.now = self.machine.due().expect("a deadline");
        self.on(Event::Due)
    }

    fn due_in(&self) -> f64 {
        self.machine.due().expect("a deadline").duration_since(self.now).as_secs_f64()
    }

    fn live(&mut self) {
        if self.machine.state() == State::Idle {
            assert_eq!(self.on(Event::InputReady), START);
        }
        for state in [State::Connecting, State::Handshaking, State::Publishing, State::Live] {
            assert_eq!(self.on(Event::Progress(state)), CHANGED);
        }
    }

    /// Half a second of media after half a second of media.
    fn flow(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            self.pass(0.5);
            self.bytes += 1000;
            let _ = self.on(Event::MediaProgress { bytes: self.bytes, waiting: true });
        }
    }

    fn state(&self) -> State {
        self.machine.state()
    }

    fn fail(&mut self, retry: Retry, reason: Reason) -> Actions {
        self.on(Event::Ended(Ended::new(Origin::Peer, retry, reason, "it went wrong")))
    }
}

fn push() -> Rig {
    Rig::new(Policy::default())
}

#[test]
fn nothing_is_dialled_before_a_key_frame() {
    let mut rig = push();
    assert_eq!(rig.on(Event::Due), NONE);
    assert_eq!(rig.on(Event::InputGone(rig.now)), CHANGED);
    assert_eq!(rig.state(), State::WaitingInput);
    assert_eq!(rig.machine.due(), None);
    assert_eq!(rig.on(Event::InputReady), START);
    assert_eq!((rig.state(), rig.machine.attempt()), (State::Resolving, 1));
    assert_eq!(rig.on(Event::InputReady), NONE);
}

#[test]
fn every_stage_has_a_deadline_that_names_it() {
    let stages = [
        (State::Resolving, 10.0, "the look-up of the name"),
        (State::Connecting, 10.0, "no connection"),
        (State::Handshaking, 10.0, "no answer to the handshake"),
        (State::Publishing, 15.0, "no answer to publish"),
    ];
    for (stage, limit, says) in stages {
        let mut rig = push();
        let _ = rig.on(Event::InputReady);
        rig.pass(0.25);
        let _ = rig.on(Event::Progress(stage));
        let started = rig.now;
        assert_eq!(rig.due(), ABORT);
        let took = rig.now.duration_since(started).as_secs_f64();
        assert!((limit - 0.25..=limit).contains(&took), "{stage:?} {took}");
        let reason = rig.machine.reason().unwrap();
        assert_eq!(reason.reason, Reason::Timeout);
        assert!(reason.text.contains(says), "{}", reason.text);
        assert_eq!(rig.state(), State::Backoff);
        assert_eq!(rig.machine.next_attempt(), rig.machine.due());
        assert_eq!(rig.due(), START);
        assert_eq!(rig.machine.attempt(), 2);
    }
}

#[test]
fn stages_that_lead_about_in_circles_end_together() {
    let mut rig = push();
    let _ = rig.on(Event::InputReady);
    let began = rig.now;
    while rig.machine.is_running() {
        rig.now = (rig.now + Duration::from_secs(4)).min(rig.machine.due().unwrap());
        let _ = rig.on(Event::Due);
        let _ = rig.on(Event::Progress(State::Resolving));
        let _ = rig.on(Event::Progress(State::Connecting));
    }
    assert_eq!(rig.now.duration_since(began), Duration::from_secs(90));
}

#[test]
fn live_is_what_the_peer_accepted() {
    let mut rig = push();
    assert!(!rig.machine.ever_live());
    rig.live();
    assert!(rig.machine.ever_live());
    assert_eq!(rig.machine.due(), None);
    assert_eq!(rig.on(Event::Progress(State::Connecting)), NONE);
    assert_eq!(rig.on(Event::Progress(State::Failed)), NONE);
    assert_eq!(rig.state(), State::Live);
}

#[test]
fn progress_of_states_that_are_not_a_runs_own_is_ignored() {
    let mut rig = push();
    let _ = rig.on(Event::InputReady);
    for state in [State::Idle, State::Backoff, State::Stalled, State::Draining, State::Stopped, State::Failed] {
        assert_eq!(rig.on(Event::Progress(state)), NONE);
    }
    let mut idle = push();
    assert_eq!(idle.on(Event::Progress(State::Live)), NONE);
    assert_eq!(idle.on(Event::Ended(Ended::stopped())), NONE);
    assert_eq!(idle.on(Event::MediaProgress { bytes: 1, waiting: true }), NONE);
}

#[test]
fn without_write_progress_it_stalls_recovers_and_is_abandoned() {
    let mut rig = push();
    rig.live();
    rig.flow(3.0);
    // Nothing waits: nothing can stall.
    rig.pass(100.0);
    assert_eq!(rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: false }), NONE);
    assert_eq!(rig.machine.due(), None);

    assert_eq!(rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: true }), NONE);
    assert_eq!(rig.due(), CHANGED);
    assert_eq!(rig.state(), State::Stalled);
    assert_eq!(rig.machine.reason().unwrap().reason, Reason::Stalled);
    rig.bytes += 1;
    assert_eq!(rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: true }), CHANGED);
    assert_eq!(rig.state(), State::Live);
    assert_eq!(rig.machine.reason(), None);

    let stuck = rig.now;
    assert_eq!(rig.due(), CHANGED);
    assert_eq!(rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: true }), NONE);
    assert_eq!(rig.due(), ABORT);
    assert_eq!(rig.now.duration_since(stuck), Duration::from_secs(10));
    assert_eq!(rig.state(), State::Backoff);
    assert_eq!(rig.machine.reason().unwrap().text, "no byte could be sent for 10 s");
}

#[test]
fn one_that_yields_says_so_is_not_stalled_and_still_ends() {
    let mut rig = push();
    let yields = |rig: &mut Rig, to: Option<&str>| rig.on(Event::Yields(to.map(str::to_owned)));
    assert_eq!(yields(&mut rig, Some("a")), NONE, "not connected yet");
    rig.live();
    rig.flow(3.0);
    assert_eq!(yields(&mut rig, Some("a")), CHANGED);
    assert_eq!((rig.state(), rig.machine.due()), (State::Yielding, None));
    assert_eq!(rig.machine.reason().unwrap().text, "yields to a: the uplink is too small");
    rig.pass(300.0);
    assert_eq!(rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: true }), NONE);
    assert_eq!(rig.state(), State::Yielding);
    assert_eq!(yields(&mut rig, None), CHANGED);
    assert_eq!((rig.state(), rig.machine.reason()), (State::Live, None));
    // A stall counts from now on.
    let _ = rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: true });
    assert!(rig.due_in() > 1.0);
    let _ = yields(&mut rig, Some("b"));
    assert_eq!(rig.on(Event::InputEnded { finished: false }), CHANGED);
    assert_eq!(rig.state(), State::Draining);
}

#[test]
fn backoff_grows_and_only_lasting_media_resets_it() {
    let mut rig = push();
    let _ = rig.on(Event::InputReady);
    let mut waits = Vec::new();
    for _ in 0..6 {
        assert_eq!(rig.fail(Retry::Backoff, Reason::Connect), CHANGED);
        waits.push(rig.due_in());
        assert_eq!(rig.due(), START);
    }
    for (wait, nominal) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 10.0, 10.0]) {
        assert!((nominal * 0.7 - 1e-6..=nominal).contains(wait), "{waits:?}");
    }
    // Live, but not for long: the next wait is still long.
    rig.live();
    rig.flow(9.0);
    let _ = rig.fail(Retry::Backoff, Reason::Disconnected);
    assert!(rig.due_in() >= 7.0);
    let _ = rig.due();
    // Live for long without a byte: no success either.
    rig.live();
    for _ in 0..30 {
        rig.pass(1.0);
        let _ = rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: false });
    }
    let _ = rig.fail(Retry::Backoff, Reason::Disconnected);
    assert!(rig.due_in() >= 7.0);
    let _ = rig.due();
    rig.live();
    rig.flow(11.0);
    let _ = rig.fail(Retry::Backoff, Reason::Disconnected);
    assert!(rig.due_in() <= 1.0);
}

#[test]
fn a_refusal_waits_long_a_ghost_of_ours_does_not() {
    let mut rig = push();
    let _ = rig.on(Event::InputReady);
    let _ = rig.fail(Retry::Slow, Reason::Refused);
    assert!(rig.due_in() >= 7.0);
    let _ = rig.due();
    let _ = rig.fail(Retry::Slow, Reason::ClosedAfterPublish);
    assert!(rig.due_in() >= 14.0);
    let _ = rig.due();
    rig.live();
    rig.flow(20.0);
    let _ = rig.fail(Retry::Backoff, Reason::Disconnected);
    for _ in 0..20 {
        let _ = rig.due();
        let _ = rig.fail(Retry::Backoff, Reason::Busy);
        assert!(rig.due_in() <= 1.0, "the peer will notice that the old session is gone");
    }
    rig.pass(GHOST.as_secs_f64());
    let _ = rig.on(Event::Due);
    let mut last = 0.0;
    for _ in 0..4 {
        let _ = rig.fail(Retry::Backoff, Reason::Busy);
        last = rig.due_in();
        let _ = rig.due();
    }
    assert!(last > 2.0, "somebody else has the name: {last}");
}

#[test]
fn never_means_never_and_attempts_can_be_counted_out() {
    let mut rig = push();
    let _ = rig.on(Event::InputReady);
    assert_eq!(rig.fail(Retry::Never, Reason::Media), CHANGED);
    assert_eq!(rig.state(), State::Failed);
    assert_eq!(rig.machine.reason().unwrap().reason, Reason::Media);
    for event in [Event::InputReady, Event::RetryNow, Event::Stop, Event::Due] {
        assert_eq!(rig.on(event), NONE);
    }

    let mut rig = Rig::new(Policy { retries: 3, ..Policy::default() });
    let _ = rig.on(Event::InputReady);
    for _ in 0..2 {
        let _ = rig.fail(Retry::Backoff, Reason::Connect);
        assert_eq!(rig.due(), START);
    }
    let _ = rig.fail(Retry::Backoff, Reason::Connect);
    assert_eq!((rig.state(), rig.machine.attempt()), (State::Failed, 3));
}

#[test]
fn a_sink_that_stops_by_itself_is_started_again() {
    let mut rig = push();
    rig.live();
    let _ = rig.on(Event::Ended(Ended::stopped()));
    assert_eq!(rig.state(), State::Backoff);
    assert_eq!(rig.due(), START);
    let _ = rig.fail(Retry::Now, Reason::Disconnected);
    assert!((0.5..=1.0).contains(&rig.due_in()), "not in a tight loop");
    let _ = rig.due();
    rig.pass(5.0);
    let _ = rig.fail(Retry::Now, Reason::Disconnected);
    assert_eq!(rig.due_in(), 0.0);
}

#[test]
fn the_connection_is_kept_for_grace() {
    let mut rig = push();
    rig.live();
    rig.flow(5.0);
    let gone = rig.now;
    assert_eq!(rig.on(Event::MediaProgress { bytes: rig.bytes, waiting: false }), NONE);
    assert_eq!(rig.on(Event::InputGone(gone)), NONE);
    rig.pass(59.0);
    assert_eq!(rig.on(Event::InputReady), NONE);
    assert_eq!(rig.machine.due(), None);

    let gone = rig.now;
    let _ = rig.on(Event::InputGone(gone));
    assert_eq!(rig.due(), CLOSE);
    assert_eq!(rig.now.duration_since(gone), Duration::from_secs(60));
    assert_eq!(rig.state(), State::Draining);
    assert_eq!(rig.machine.reason().unwrap().reason, Reason::InputGone);
    assert_eq!(rig.on(Event::Ended(Ended::stopped())), CHANGED);
    assert_eq!(rig.state(), State::WaitingInput);
    assert_eq!(rig.on(Event::InputReady), START);
}

#[test]
fn a_clean_end_drains_and_waits_for_the_next_broadcast() {
    let mut rig = push();
    rig.live();
    rig.pass(30.0);
    assert_eq!(rig.on(Event::InputEnded { finished: false }), CHANGED);
    assert_eq!(rig.state(), State::Draining);
    assert_eq!(rig.on(Event::Ended(Ended::clean())), CHANGED);
    assert_eq!(rig.state(), State::WaitingInput);
    assert_eq!(rig.on(Event::InputReady), START);
    // The attempt may see the end before we hear of it, and an input that ends at once must not make us dial at once.
    rig.live();
    assert_eq!(rig.on(Event::Ended(Ended::clean())), CHANGED);
    assert_eq!(rig.state(), State::WaitingInput);
    assert_eq!(rig.on(Event::InputReady), CHANGED);
    assert_eq!(rig.state(), State::Backoff);
    assert_eq!(rig.due(), START);
}

#[test]
fn a_broadcast_that_begins_while_the_last_one_drains_is_not_missed() {
    let mut rig = push();
    rig.live();
    rig.pass(30.0);
    let _ = rig.on(Event::InputEnded { finished: false });
    let _ = rig.on(Event::InputReady);
    assert_eq!(rig.on(Event::Ended(Ended::clean())), START);
}

#[test]
fn the_last_end_stops() {
    let mut rig = push();
    rig.live();
    let _ = rig.on(Event::InputEnded { finished: true });
    assert_eq!(rig.state(), State::Draining);
    let _ = rig.on(Event::Ended(Ended::clean()));
    assert_eq!(rig.state(), State::Stopped);

    let mut idle = push();
    let _ = idle.on(Event::InputEnded { finished: true });
    assert_eq!(idle.state(), State::Stopped);

    let mut dialling = push();
    let _ = dialling.on(Event::InputReady);
    assert_eq!(dialling.on(Event::InputEnded { finished: true }), ABORT);
    assert_eq!(dialling.state(), State::Stopped);

    let mut waiting = push();
    let _ = waiting.on(Event::InputReady);
    let _ = waiting.fail(Retry::Backoff, Reason::Connect);
    let _ = waiting.on(Event::InputEnded { finished: true });
    assert_eq!(waiting.state(), State::Stopped);
    assert_eq!(waiting.machine.last().unwrap().reason, Reason::Connect);
}

#[test]
fn draining_is_bounded_twice() {
    let mut rig = Rig::new(Policy { delay: Duration::from_secs(20), ..Policy::default() });
    rig.live();
    let ended = rig.now;
    let _ = rig.on(Event::InputEnded { finished: true });
    assert_eq!(rig.due(), Actions { close: true, ..NONE });
    assert_eq!(rig.now.duration_since(ended), Duration::from_secs(24));
    assert_eq!(rig.due(), ABORT);
    assert_eq!(rig.now.duration_since(ended), Duration::from_secs(25));
    assert_eq!(rig.state(), State::Stopped);
    assert_eq!(rig.machine.last().unwrap().reason, Reason::Timeout);
}

#[test]
fn stop_is_graceful_and_bounded_in_every_state() {
    let mut idle = push();
    let _ = idle.on(Event::Stop);
    assert_eq!(idle.state(), State::Stopped);

    let mut backoff = push();
    let _ = backoff.on(Event::InputReady);
    let _ = backoff.fail(Retry::Backoff, Reason::Connect);
    assert_eq!(backoff.on(Event::Stop), CHANGED);
    assert_eq!(backoff.state(), State::Stopped);

    let mut live = push();
    live.live();
    assert_eq!(live.on(Event::Stop), CLOSE);
    assert_eq!(live.on(Event::Stop), NONE);
    assert_eq!(live.on(Event::InputEnded { finished: false }), NONE);
    assert_eq!(live.on(Event::Ended(Ended::stopped())), CHANGED);
    assert_eq!(live.state(), State::Stopped);
    assert_eq!(live.machine.last(), None);

    let mut stuck = push();
    let _ = stuck.on(Event::InputReady);
    assert_eq!(stuck.on(Event::Stop), CLOSE);
    assert_eq!(stuck.due_in(), 5.0);
    assert_eq!(stuck.due(), ABORT);
    assert_eq!(stuck.state(), State::Stopped);

    let mut draining = push();
    draining.live();
    let _ = draining.on(Event::InputEnded { finished: false });
    draining.pass(3.0);
    assert_eq!(draining.on(Event::Stop), Actions { close: true, ..NONE });
    assert_eq!(draining.due_in(), 2.0);
    let _ = draining.on(Event::Ended(Ended::clean()));
    assert_eq!(draining.state(), State::Stopped);
}

#[test]
fn an_input_that_is_gone_is_not_dialled_for() {
    let mut rig = push();
    rig.live();
    let _ = rig.on(Event::InputGone(rig.now));
    let _ = rig.fail(Retry::Backoff, Reason::Disconnected);
    assert_eq!(rig.state(), State::Backoff);
    assert_eq!(rig.due(), CHANGED);
    assert_eq!(rig.state(), State::WaitingInput);
    assert_eq!(rig.on(Event::InputReady), START);
}

#[test]
fn a_wait_outlives_the_broadcast_and_can_be_cut_short() {
    let mut rig = push();
    let _ = rig.on(Event::InputReady);
    let _ = rig.fail(Retry::Slow, Reason::Refused);
    let due = rig.machine.due().unwrap();
    let _ = rig.on(Event::InputEnded { finished: false });
    assert_eq!(rig.state(), State::WaitingInput);
    let _ = rig.on(Event::InputReady);
    assert_eq!((rig.state(), rig.machine.due()), (State::Backoff, Some(due)));
    assert_eq!(rig.on(Event::RetryNow), START);
    assert_eq!(rig.on(Event::RetryNow), NONE);
}

#[test]
fn what_serves_needs_no_input_and_stops_with_it() {
    let policy = || Policy { needs_input: false, grace: None, stall: None, ..Policy::default() };
    let mut rig = Rig::new(policy());
    assert_eq!(rig.on(Event::InputGone(rig.now)), START);
    assert_eq!(rig.on(Event::Progress(State::Live)), CHANGED);
    for event in
        [Event::InputReady, Event::InputEnded { finished: false }, Event::InputReady, Event::InputGone(rig.now)]
    {
        assert_eq!(rig.on(event), NONE);
        assert_eq!(rig.machine.due(), None);
    }
    assert_eq!(rig.on(Event::MediaProgress { bytes: 0, waiting: true }), NONE);
    assert_eq!(rig.machine.due(), None);
    assert_eq!(rig.on(Event::InputEnded { finished: true }), CHANGED);
    assert_eq!(rig.state(), State::Draining);
    assert_eq!(rig.due(), Actions { close: true, ..NONE });

    // A short file may have ended before what writes it is open.
    let mut late = Rig::new(policy());
    let _ = late.on(Event::InputReady);
    assert_eq!(late.on(Event::InputEnded { finished: true }), NONE);
    assert_eq!(late.on(Event::Progress(State::Live)), CHANGED);
    assert_eq!(late.state(), State::Draining);
    let _ = late.on(Event::Ended(Ended::clean()));
    assert_eq!(late.state(), State::Stopped);
}
