//! What the system is asked for and told: descriptors, and systemd's notifications and watchdog.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

use super::WHO;
use crate::monitor::{self, Event};

/// Fewer descriptors than this are worth a warning.
const FEW: u64 = 4096;
/// What may wait to be told to systemd.
const WAITING: usize = 8;

/// Raises the limit of open descriptors as far as the system lets us, and tells it: every connection needs one. The answer is
/// how many there are; `None` is without a limit.
pub(super) fn raise_descriptors(events: &monitor::Sink) -> Option<u64> {
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
    now
}

/// Tells systemd, where it is there, what goes on. A thread of its own does it: a systemd that does not read would hold up
/// whoever speaks to it.
pub(super) struct Systemd {
    tell: Option<SyncSender<NotifyState<'static>>>,
    calm: Option<tokio::task::JoinHandle<()>>,
}

impl Systemd {
    /// Everything is up. From then on the runtime's own turning keeps the watchdog calm, so one that hangs is noticed.
    pub(super) fn ready(events: &monitor::Sink) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self { tell: None, calm: None };
        }
        let (tell, told) = sync_channel(WAITING);
        let events = events.clone();
        let thread = std::thread::Builder::new().name("systemd".into()).spawn(move || speak(&told, &events));
        if thread.is_err() {
            return Self { tell: None, calm: None };
        }
        let _ = tell.try_send(NotifyState::Ready);
        let calm = sd_notify::watchdog_enabled().map(|deadline| {
            // Twice within each deadline, as systemd asks for.
            let pause = (deadline / 2).max(Duration::from_millis(10));
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(pause);
                loop {
                    ticks.tick().await;
                    let _ = tell.try_send(NotifyState::Watchdog);
                }
            })
        });
        Self { tell: Some(tell), calm }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        if let Some(tell) = &self.tell {
            let _ = tell.try_send(NotifyState::Stopping);
        }
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if let Some(calm) = &self.calm {
            calm.abort();
        }
    }
}

fn speak(told: &Receiver<NotifyState<'static>>, events: &monitor::Sink) {
    let mut complained = false;
    while let Ok(state) = told.recv() {
        if let Err(error) = sd_notify::notify(&[state])
            && !std::mem::replace(&mut complained, true)
        {
            events(Event::Warning { who: WHO.into(), text: format!("systemd can't be told: {error}") });
        }
    }
}
