//! Runs `serve`: binds its ports, starts relay and API, reloads, and ends in good order.

mod system;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::env::Env;
use crate::error::{Ended, Origin, Reason, Retry};
use crate::hooks::Caller;
use crate::http::{self, Feed, Parts};
use crate::listen::{Door, Port};
use crate::monitor::board::Board;
use crate::monitor::{self, Event};
use crate::net::dial::Resolver;
use crate::net::tls::Identity;
use crate::relay::view::Applied;
use crate::relay::{Around, Relay, RelayGate};
use crate::stop::stopper;

/// Everything went as it should.
pub const OK: i32 = 0;
/// Something failed for good: a port, the state file.
pub const FAILED: i32 = 1;
/// The configuration is wrong; nothing was started.
pub const CONFIG: i32 = 2;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often the files of the certificate are.
const CERTIFICATE: Duration = Duration::from_secs(5);
/// Who speaks in events of the whole.
const WHO: &str = "serve";

/// Reads the configuration anew; the error tells each mistake.
pub type Load = Arc<dyn Fn() -> Result<Config, Vec<String>> + Send + Sync>;

/// Reads what the file holds now, if it can be read.
pub type Look = Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// What `serve` runs with.
pub struct Serve {
    /// The configuration to begin with.
    pub config: Config,
    /// Reads it anew.
    pub load: Load,
    /// What the file holds now, to see changes by; `None` without a file.
    pub look: Option<Look>,
}

/// Where a run reports to, and what it may use.
pub struct Surroundings {
    /// Kept up to date with every event.
    pub board: Arc<Board>,
    /// Takes every event.
    pub events: monitor::Sink,
    /// Looks up names.
    pub resolver: Arc<dyn Resolver>,
}

/// Runs to the end on the current runtime, which has to be a current-thread one. The answer is the exit code; every
/// failure was an event.
pub async fn run(serve: Serve, around: Surroundings) -> i32 {
    let (board, out) = (around.board.clone(), around.events.clone());
    let (seen, feed) = (board.clone(), Arc::<Feed>::default());
    let events: monitor::Sink = feed.sink(Arc::new(move |event| {
        seen.on(&event);
        out(event);
    }));
    let descriptors = system::raise_descriptors(&events);
    // Before anything of it can be seen: whoever sees it up may signal it.
    let Some(signals) = Signals::new() else { return FAILED };
    // Many files on some systems: read now, not when an output of a pattern is made while media runs.
    let _ = crate::net::tls::client_config(None);
    let env = Env::within(serve.config.limits.peers.clone(), around.resolver.clone(), events.clone());
    let runtime = Handle::current();
    let hooks = Caller::new(around.resolver.clone(), None, events.clone(), runtime.clone());
    // Some are left for outputs, files and the API.
    let most_connections = descriptors.and_then(|count| usize::try_from(count / 4 * 3).ok()).unwrap_or(usize::MAX);
    let around = Around { env: env.clone(), events: events.clone(), board, runtime, hooks, most_connections };
    let failed = |text: String| {
        let reason = Ended::new(Origin::Config, Retry::Never, Reason::File, text);
        events(Event::Failure { who: WHO.into(), reason });
    };
    let relay = match Relay::new(serve.config.state_file.as_deref(), around) {
        Ok(relay) => relay,
        Err(text) => {
            failed(text);
            return FAILED;
        }
    };
    let mut server = match Server::open(&serve, relay, &env, &events) {
        Ok(server) => server,
        Err(ended) => {
            events(Event::Failure { who: WHO.into(), reason: ended });
            return FAILED;
        }
    };
    if let Err(mistakes) = server.relay.begin(serve.config.clone()) {
        mistakes.into_iter().for_each(failed);
        return CONFIG;
    }
    let (api_end, stop) = stopper();
    let reload = server.reload(&serve);
    let parts = Parts { relay: server.relay.clone(), feed, reload: reload.clone() };
    let api = match server.api.take().map(|api| api.start(parts, stop)).transpose() {
        Ok(api) => api,
        Err(ended) => {
            events(Event::Failure { who: WHO.into(), reason: ended });
            return FAILED;
        }
    };
    if let Some(api) = &api {
        events(Event::Listening { address: api.address, serves: "API".into() });
    }
    let code = server.run(serve.look, reload, signals).await;
    // It tells of the end to its end.
    api_end.stop();
    if let Some(mut api) = api {
        let _ = tokio::task::spawn_blocking(move || api.join()).await;
    }
    code
}

struct Server {
    relay: Arc<Relay>,
    ports: Vec<Port>,
    api: Option<http::Bound>,
    identity: Option<Arc<Identity>>,
    events: monitor::Sink,
}

impl Server {
    /// Binds every port, or none.
    fn open(serve: &Serve, relay: Arc<Relay>, env: &Env, events: &monitor::Sink) -> Result<Self, Ended> {
        let listen = &serve.config.listen;
        let identity = match &serve.config.tls {
            Some(tls) => Some(
                Identity::load(&tls.cert, &tls.key)
                    .map_err(|text| Ended::new(Origin::Config, Retry::Never, Reason::Tls, text))?,
            ),
            None => None,
        };
        let mut ports = Vec::new();
        for (address, tls) in [(listen.rtmp, None), (listen.rtmps, Some(identity.clone()))] {
            let Some(address) = address else { continue };
            let through_tls = tls.is_some();
            let tls = match tls {
                Some(None) => {
                    let text = "an RTMPS port needs a certificate: add [tls] with cert and key";
                    return Err(Ended::new(Origin::Config, Retry::Never, Reason::Tls, text));
                }
                Some(identity) => identity,
                None => None,
            };
            let door = Door {
                gate: Arc::new(RelayGate(relay.clone())),
                tls,
                crowd: relay.crowd(),
                shown: if through_tls { "relay (RTMPS)".into() } else { "relay (RTMP)".into() },
            };
            let port = env.listeners.open(&address.candidates(), door)?;
            relay.listens_on(port.address, through_tls);
            ports.push(port);
        }
        let api = listen.http.map(|address| http::bind(address, &serve.config.api)).transpose()?;
        Ok(Self { relay, ports, api, identity, events: events.clone() })
    }

    /// Reads the file and puts it in force; one at a time, whoever asks for it, or an older file could be the last. It may wait for a disk: not to be called where media runs.
    fn reload(&self, serve: &Serve) -> http::Reload {
        let (relay, load, identity) = (self.relay.clone(), serve.load.clone(), self.identity.clone());
        let (events, one) = (self.events.clone(), Mutex::new(()));
        Arc::new(move || {
            let _one = one.lock();
            reload(&relay, &load, identity.as_deref(), &events)
        })
    }

    async fn run(self, look: Option<Look>, reload: http::Reload, mut signals: Signals) -> i32 {
        if let Some(look) = look {
            tokio::spawn(watch(look, reload.clone()));
        }
        if let Some(identity) = self.identity.clone() {
            tokio::spawn(watch_certificate(identity, self.events.clone()));
        }
        let systemd = system::Systemd::ready(&self.events);
        loop {
            tokio::select! {
                _ = signals.interrupt.recv() => break,
                _ = signals.terminate.recv() => break,
                _ = signals.hangup.recv() => {
                    let reload = reload.clone();
                    tokio::task::spawn_blocking(move || reload());
                }
            }
        }
        systemd.stopping();
        self.ports.iter().for_each(Port::close);
        tokio::select! {
            () = self.relay.drain() => OK,
            () = signals.second() => OK,
        }
    }
}

/// Tells of a certificate that was renewed, and of one that can't be used: the old one stays, and will run out.
async fn watch_certificate(identity: Arc<Identity>, events: monitor::Sink) {
    let mut ticks = tokio::time::interval(CERTIFICATE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        let files = identity.clone();
        let Ok(Some(looked)) = tokio::task::spawn_blocking(move || files.look()).await else { continue };
        let who = WHO.to_owned();
        match looked {
            Ok(()) => {
                told = None;
                events(Event::Note { who, text: "the certificate was renewed".into() });
            }
            Err(problem) if told.as_ref() != Some(&problem) => {
                let text = format!("the new certificate can't be used, so the old one stays: {problem}");
                events(Event::Warning { who, text });
                told = Some(problem);
            }
            Err(_) => {}
        }
    }
}

/// Reloads when the file has changed. A disk that hangs holds nobody up but this.
async fn watch(look: Look, reload: http::Reload) {
    let read = || {
        let look = look.clone();
        tokio::task::spawn_blocking(move || look())
    };
    let mut seen = read().await.ok().flatten();
    // A change counts once two looks agree: until then the file may be half written.
    let mut fresh = None;
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A file that is away or empty for a moment is being written.
        let Ok(Some(now)) = read().await else { continue };
        if now.is_empty() || seen.as_ref() == Some(&now) {
            fresh = None;
        } else if fresh.as_ref() != Some(&now) {
            fresh = Some(now);
        } else {
            seen = fresh.take();
            let reload = reload.clone();
            let _ = tokio::task::spawn_blocking(move || reload()).await;
        }
    }
}

/// Puts what the file says now in force; with a mistake in it nothing changes.
fn reload(
    relay: &Arc<Relay>,
    load: &Load,
    identity: Option<&Identity>,
    events: &monitor::Sink,
) -> Result<Applied, Vec<String>> {
    // The certificate first: with one that is wrong nothing else changes either.
    let renewed = || identity.map_or(Ok(()), Identity::reload).map_err(|text| vec![text]);
    let applied = load().and_then(|config| renewed().and_then(|()| relay.apply(config)));
    match &applied {
        Ok(applied) => {
            let restart = match applied.needs_restart.as_slice() {
                [] => String::new(),
                fields => format!("; after a restart only: {}", fields.join(", ")),
            };
            let text = format!(
                "reloaded: {} outputs added, {} removed, {} changed, {} untouched{restart}",
                applied.added.len(),
                applied.removed.len(),
                applied.changed.len(),
                applied.unchanged
            );
            events(Event::Note { who: WHO.into(), text });
        }
        Err(mistakes) => {
            for mistake in mistakes {
                let text = format!("the new configuration is not in force: {mistake}");
                events(Event::Warning { who: WHO.into(), text });
            }
        }
    }
    applied
}

/// The signals that it takes.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Option<Self> {
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
            hangup: signal(SignalKind::hangup()).ok()?,
        })
    }

    /// Returns at the next signal to end.
    async fn second(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
