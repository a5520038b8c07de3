//! What the system is asked for and told: descriptors, and systemd's notifications and watchdog.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

use super::WHO;
use crate::monitor::{self, Event};

/// Fewer descriptors than this are worth a warning.
const FEW: u64 = 4096;

/// Raises the limit of open descriptors as far as the system lets us, and tells it: every connection needs one.
pub(super) fn raise_descriptors(events: &monitor::Sink) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let text = match now {
        Some(count) => format!("{count} descriptors, so about as many connections"),
        None => "no limit of descriptors".into(),
    };
    let who = WHO.to_owned();
    match now {
        Some(count) if count < FEW => {
            let text = format!("only {text}: raise the hard limit (ulimit -Hn, LimitNOFILE= of systemd)");
            events(Event::Warning { who, text });
        }
        _ => events(Event::Note { who, text }),
    }
}

/// Keeps systemd's watchdog calm, until dropped.
pub(super) struct Watchdog(Option<tokio::task::JoinHandle<()>>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Tells systemd, where it is there, that everything is up; from then on the runtime's own turning keeps the watchdog
/// calm, so one that hangs is noticed.
pub(super) fn ready(events: &monitor::Sink) -> Watchdog {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        events(Event::Warning { who: WHO.into(), text: format!("systemd can't be told: {error}") });
    }
    let Some(deadline) = sd_notify::watchdog_enabled() else { return Watchdog(None) };
    // Twice within each deadline, as systemd asks for.
    let pause = (deadline / 2).max(Duration::from_millis(10));
    Watchdog(Some(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(pause);
        loop {
            ticks.tick().await;
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    })))
}

/// Tells systemd that the end has begun.
pub(super) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}
