//! What must hold of the output's state machine whatever happens: one attempt at a time, a deadline wherever one is needed.

use proptest::prelude::*;

use super::*;

fn any_event() -> impl Strategy<Value = (u64, Step)> {
    let states = prop::sample::select(vec![
        State::Resolving,
        State::Connecting,
        State::Handshaking,
        State::Publishing,
        State::Live,
        State::Live,
        State::Stalled,
        State::Draining,
    ]);
    let retries = prop::sample::select(vec![Retry::Now, Retry::Backoff, Retry::Backoff, Retry::Slow, Retry::Never]);
    let reasons = prop::sample::select(vec![
        Reason::Busy,
        Reason::Refused,
        Reason::Disconnected,
        Reason::InputEnded,
        Reason::Stopped,
        Reason::Internal,
    ]);
    let step = prop_oneof![
        3 => Just(Step::Ready),
        1 => Just(Step::Gone),
        1 => Just(Step::InputEnded(false)),
        1 => prop::bool::weighted(0.1).prop_map(Step::InputEnded),
        6 => states.prop_map(Step::Progress),
        4 => (0u64..3, any::<bool>()).prop_map(|(bytes, waiting)| Step::Media(bytes, waiting)),
        3 => (retries, reasons).prop_map(|(retry, reason)| Step::Ended(retry, reason)),
        4 => Just(Step::Due),
        4 => Just(Step::WaitDue),
        1 => Just(Step::RetryNow),
        2 => any::<bool>().prop_map(Step::Yields),
    ];
    (prop_oneof![Just(0u64), 1u64..3000, 1u64..200_000], step)
}

#[derive(Debug, Clone)]
enum Step {
    Ready,
    Gone,
    InputEnded(bool),
    Progress(State),
    Media(u64, bool),
    Ended(Retry, Reason),
    Due,
    WaitDue,
    RetryNow,
    Yields(bool),
}

/// What must hold after every event.
fn check(machine: &Machine, running: bool) {
    let state = machine.state();
    let attempt = matches!(
        state,
        State::Resolving
            | State::Connecting
            | State::Handshaking
            | State::Publishing
            | State::Live
            | State::Stalled
            | State::Yielding
            | State::Draining
    );
    assert_eq!(machine.is_running(), running, "{state:?}");
    // Waiting for the input it may be connected: everything was sent, and the source is gone.
    assert!(attempt == running || state == State::WaitingInput, "{state:?}");
    let bounded = !matches!(
        state,
        State::Idle | State::WaitingInput | State::Live | State::Yielding | State::Stopped | State::Failed
    );
    assert!(!bounded || machine.due().is_some(), "{state:?} without a deadline");
    assert!(!machine.is_over() || machine.due().is_none());
}

fn apply(actions: Actions, running: &mut bool, ended: bool) {
    if ended || actions.abort {
        assert!(*running, "nothing to end or abandon");
        *running = false;
    }
    if actions.close {
        assert!(*running, "nothing to close");
    }
    if actions.start {
        assert!(!*running, "two attempts at once");
        *running = true;
    }
}

proptest! {
    #[test]
    fn whatever_happens_there_is_one_attempt_and_a_deadline(
        needs_input in any::<bool>(),
        retries in 0u32..4,
        steps in prop::collection::vec(any_event(), 1..120),
    ) {
        let policy = Policy { needs_input, retries, ..Policy::default() };
        let mut rig = Rig::new(policy);
        let (mut running, mut ready) = (false, false);
        for (millis, step) in steps {
            rig.now += Duration::from_millis(millis);
            let mut ended = false;
            let event = match step {
                Step::Ready => Event::InputReady,
                Step::Gone => Event::InputGone(rig.now),
                Step::InputEnded(finished) => Event::InputEnded { finished },
                Step::Progress(state) => Event::Progress(state),
                Step::Media(bytes, waiting) => {
                    rig.bytes += bytes;
                    Event::MediaProgress { bytes: rig.bytes, waiting }
                }
                Step::Ended(retry, reason) => {
                    ended = running;
                    Event::Ended(Ended::new(Origin::Peer, retry, reason, "x"))
                }
                Step::Due => Event::Due,
                Step::WaitDue => {
                    rig.now = rig.machine.due().map_or(rig.now, |due| due.max(rig.now));
                    Event::Due
                }
                Step::RetryNow => Event::RetryNow,
                Step::Yields(yields) => Event::Yields(yields.then(|| "a".to_owned())),
            };
            match event {
                Event::InputReady => ready = true,
                Event::InputGone(_) | Event::InputEnded { .. } => ready = false,
                _ => {}
            }
            let actions = rig.on(event);
            prop_assert!(!actions.start || ready || !needs_input, "dialled without an input");
            apply(actions, &mut running, ended);
            check(&rig.machine, running);
            // A deadline that has passed leads on: asked again and again, the machine comes to rest.
            for round in 0.. {
                match rig.machine.due() {
                    Some(due) if due <= rig.now => {
                        prop_assert!(round < 6, "it never comes to rest");
                        let actions = rig.on(Event::Due);
                        apply(actions, &mut running, false);
                        check(&rig.machine, running);
                    }
                    _ => break,
                }
            }
        }
        // A stop ends it within the drain deadline even if nothing else ever happens.
        let asked = rig.now;
        let actions = rig.on(Event::Stop);
        apply(actions, &mut running, false);
        while let Some(due) = rig.machine.due() {
            rig.now = rig.now.max(due);
            let actions = rig.on(Event::Due);
            apply(actions, &mut running, false);
            check(&rig.machine, running);
        }
        prop_assert!(rig.machine.is_over());
        prop_assert!(rig.now.duration_since(asked) <= Duration::from_secs(5));
    }
}
