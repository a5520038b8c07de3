//! The relay: any number of streams, publishers, players, outputs and pulls on one port, changed while it runs.

mod alerting;
mod apply;
mod core;
mod gate;
mod hooked;
mod login;
pub mod measure;
mod outputs;
mod plan;
mod rates;
mod request;
mod show;
mod store;
mod streams;
pub mod view;
pub mod words;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use self::core::Core;
use crate::config::{Config, StreamId};
use crate::env::Env;
use crate::hooks::Caller;
use crate::listen::Crowd;
use crate::monitor::alerts::engine::Engine;
use crate::monitor::board::Board;
use crate::monitor::{self};
use crate::output::OutputHandle;
use crate::secret::Secret;
pub use gate::RelayGate;
pub use plan::word;
use store::Store;
use streams::Live;
use view::Applied;

/// How often streams are looked at.
const TICK: Duration = Duration::from_millis(500);
/// A source that has sent nothing for so long counts as gone, though it is connected.
const SILENCE: Duration = Duration::from_secs(3);
/// How much longer than `drain` the end may take.
const LAST_CALL: Duration = Duration::from_secs(1);
/// How often the players that are left are counted at the end.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// What an output is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Run, now and after a restart.
    Start,
    /// End its broadcast, and stay stopped.
    Stop,
    /// Try again now, if it waits or has failed.
    Retry,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no such thing.
    NotFound,
    /// It belongs to the file: change it there.
    OwnedByFile,
    /// It can't be beside something that is there.
    Conflict(String),
    /// A field is wrong: which, what is wrong, and the mend.
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A limit of the configuration is reached; the text names it.
    Limit(String),
    /// It could not be kept: the state file could not be written.
    Storage(String),
}

/// A key in a request: as it is, or the name of a secret of the configuration.
#[derive(Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum KeyText {
    /// The key itself.
    Literal(String),
    /// The name of a configured secret.
    Named {
        /// Its name.
        secret: String,
    },
}

/// An output to be, as a request describes it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOutput {
    /// The stream, as `app/name`. It need not exist yet.
    pub stream: String,
    /// Where to: `rtmp://` or `rtmps://`.
    pub url: String,
    /// The stream key, where it is not in the URL.
    #[serde(default)]
    pub key: Option<KeyText>,
    /// Its name; made from the host if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether it starts by itself with its stream.
    #[serde(default = "yes")]
    pub auto_start: bool,
    /// Whether it stops for good with the broadcast.
    #[serde(default = "yes")]
    pub auto_stop: bool,
    /// Options of the output by name, as they would be typed: `{"max_lag": "2s", "delay": "30s"}`.
    #[serde(default)]
    pub options: std::collections::BTreeMap<String, serde_json::Value>,
}

fn yes() -> bool {
    true
}

/// What is to be changed of an output; what is absent stays.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputPatch {
    /// Another stream: the output stays connected.
    #[serde(default)]
    pub stream: Option<String>,
    /// Another destination.
    #[serde(default)]
    pub url: Option<String>,
    /// Another key.
    #[serde(default)]
    pub key: Option<KeyText>,
    /// Other groups.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// Whether it starts by itself.
    #[serde(default)]
    pub auto_start: Option<bool>,
    /// Whether it stops with the broadcast.
    #[serde(default)]
    pub auto_stop: Option<bool>,
    /// Options to set; `null` brings the default back.
    #[serde(default)]
    pub options: std::collections::BTreeMap<String, serde_json::Value>,
}

/// What the relay is given, once.
pub struct Around {
    /// The shared parts of the program.
    pub env: Env,
    /// Takes every event.
    pub events: monitor::Sink,
    /// Kept up to date with what comes and goes.
    pub board: Arc<Board>,
    /// Where tasks run: that of the pumps.
    pub runtime: Handle,
    /// Asks and tells the outside.
    pub hooks: Caller,
    /// Connections at once that the system has descriptors for.
    pub most_connections: usize,
}

/// The relay. Cheap to share; every method may be called from any thread; those that change
/// something may wait for the disk that the state file is on, all others return at once.
pub struct Relay {
    around: Around,
    /// Held by who changes what is to be, one at a time, while it is written to disk; taken before `core`, and never where
    /// media or peers wait.
    changing: Mutex<Store>,
    core: Mutex<Core>,
    /// Our own ports: their addresses, and whether through TLS.
    ports: Mutex<Vec<(SocketAddr, bool)>>,
    crowd: Crowd,
    logins: login::Logins,
    /// Taken after `core` was let go, by who looks for alerts and who shows them.
    alerts: Mutex<Engine>,
}

impl Relay {
    /// A relay without streams and outputs, that refuses every peer until [`Relay::begin`]: ports can be bound to it
    /// before anything starts. The error says what is wrong with the state file.
    pub fn new(state_file: Option<&Path>, around: Around) -> Result<Arc<Self>, String> {
        let (store, kept) = Store::open(state_file)?;
        let core = Mutex::new(Core::new(kept));
        let (changing, ports) = (Mutex::new(store), Mutex::default());
        let (crowd, logins, alerts) = (Crowd::of(0, 0), login::Logins::new(), Mutex::default());
        Ok(Arc::new(Self { around, changing, core, ports, crowd, logins, alerts }))
    }

    /// Puts a configuration in force for the first time: streams and outputs begin. The error tells each mistake; then
    /// nothing has begun.
    pub fn begin(self: &Arc<Self>, config: Config) -> Result<Applied, Vec<String>> {
        let applied = self.apply(config)?;
        self.restore();
        let looking = Arc::downgrade(self);
        self.around.runtime.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for tick in 0u64.. {
                ticks.tick().await;
                let Some(relay) = looking.upgrade() else { return };
                relay.tick(tick % 2 == 0);
            }
        });
        Ok(applied)
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.core.lock().config.clone()
    }

    /// How many connections there may be, for the ports that lead here.
    pub fn crowd(&self) -> Crowd {
        self.crowd.clone()
    }

    /// Tells on which address, and whether through TLS, peers reach this relay: an output there would be a loop.
    pub fn listens_on(&self, address: SocketAddr, tls: bool) {
        self.ports.lock().push((address, tls));
    }

    /// The secret of this name in the configuration.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.core.lock().config.secrets.get(name).cloned()
    }

    /// True until the end has begun.
    pub fn is_ready(&self) -> bool {
        !self.core.lock().draining
    }

    /// Silence is looked for at every tick, the rest each second.
    fn tick(self: &Arc<Self>, whole: bool) {
        let mut core = self.core.lock();
        let now = Instant::now();
        core.streams.values().for_each(|live| {
            live.stream.check_silence(SILENCE);
            live.stream.hub().shed(now);
        });
        if !whole {
            return;
        }
        core.tick(Instant::now(), self);
        let look = core.look(Instant::now());
        drop(core);
        self.look_for_alerts(&look);
    }

    /// Ends everything in good order: outputs and players are sent what is left and told the end. Returns when all have
    /// ended, or after `drain` and a little more.
    pub async fn drain(self: &Arc<Self>) {
        let (handles, drain) = {
            let mut core = self.core.lock();
            core.draining = true;
            core.streams.values_mut().for_each(Live::finish);
            for output in core.outputs.values_mut() {
                output.wanted = false;
            }
            let all = core.outputs.values().chain(&core.leaving);
            let handles: Vec<_> = all.filter_map(|output| output.run.as_ref()).map(|run| run.handle.clone()).collect();
            (handles, core.config.drain)
        };
        let gone = async {
            for handle in &handles {
                handle.ended().await;
            }
        };
        tokio::pin!(gone);
        if tokio::time::timeout(drain, &mut gone).await.is_err() {
            // With a `delay`, or stuck: it says good-bye now, and leaves the rest unsent.
            handles.iter().for_each(|handle| handle.stop());
            let _ = tokio::time::timeout(drain + LAST_CALL, gone).await;
        }
        let players = async {
            while self.core.lock().streams.values().any(|live| live.offer.players.count() > 0) {
                tokio::time::sleep(LAST_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(LAST_CALL, players).await;
        self.core.lock().streams.values().for_each(Live::close);
        self.around.env.listeners.parted().await;
    }

    /// Waits for the end of a run.
    fn await_end(self: &Arc<Self>, id: String, handle: Arc<OutputHandle>, number: u64) {
        let relay = Arc::downgrade(self);
        self.around.runtime.spawn(async move {
            handle.ended().await;
            if let Some(relay) = relay.upgrade() {
                relay.core.lock().over(&id, number, &relay);
            }
        });
    }

    /// Watches a stream for the ends of its broadcasts.
    fn watch(self: &Arc<Self>, id: &StreamId, live: &Live) {
        let (relay, id, mut state) = (Arc::downgrade(self), id.clone(), live.stream.state());
        self.around.runtime.spawn(async move {
            // Ends with the stream.
            while state.wait_for(|state| state.ended).await.is_ok_and(|state| !state.finished) {
                let Some(relay) = relay.upgrade() else { return };
                relay.broadcast_ended(&id);
                drop(relay);
                if state.wait_for(|state| !state.ended || state.finished).await.is_err() {
                    return;
                }
            }
        });
    }

    /// The broadcast of a stream is over: outputs that were started by hand stop with it.
    fn broadcast_ended(self: &Arc<Self>, id: &StreamId) {
        let mut core = self.core.lock();
        let mut ends = Vec::new();
        for (name, output) in &mut core.outputs {
            if output.plan.stream == *id && output.plan.auto_stop && !output.plan.auto_start && output.wanted {
                output.wanted = false;
                ends.push(name.clone());
            }
        }
        let any = !ends.is_empty();
        for name in ends {
            core.kept.started.remove(&name);
            core.settle(&name, self);
        }
        drop(core);
        if any {
            let relay = self.clone();
            self.around.runtime.spawn_blocking(move || {
                let store = relay.changing.lock();
                let kept = relay.core.lock().kept.clone();
                if let Err(text) = store.write(&kept) {
                    (relay.around.events)(monitor::Event::Warning { who: "relay".into(), text });
                }
            });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NotFound => f.write_str("there is no such thing"),
            Fault::OwnedByFile => f.write_str("it belongs to the configuration file: change it there"),
            Fault::Conflict(text) | Fault::Limit(text) | Fault::Storage(text) => f.write_str(text),
            Fault::Invalid { field, problem, hint } => {
                write!(f, "{field}: {problem}")?;
                hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
            }
        }
    }
}

impl std::error::Error for Fault {}
