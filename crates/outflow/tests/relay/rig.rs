//! A relay on a port of its own, with publishers that are not ours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outflow::config::{Config, Conflict, Limits, OutputRule, Pattern, StreamRule};
use outflow::env::Env;
use outflow::hooks::Caller;
use outflow::listen::{Door, Port};
use outflow::monitor::board::Board;
use outflow::monitor::{self, Event};
use outflow::net::dial::SystemResolver;
use outflow::net::tls::Identity;
use outflow::relay::view::OutputView;
use outflow::relay::{Around, NewOutput, Relay, RelayGate};
use outflow::secret::Secret;
use outflow_testkit::flv::Tag;
use outflow_testkit::media::made_up;
use outflow_testkit::publisher::Publisher;
use outflow_testkit::wait::until;

/// A relay with its port.
pub(crate) struct Rig {
    pub(crate) relay: Arc<Relay>,
    pub(crate) port: Port,
    env: Env,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Rig {
    pub(crate) fn start(config: Config) -> Self {
        Self::at(0, config)
    }

    pub(crate) fn at(port: u16, config: Config) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, board) = (seen.clone(), Arc::<Board>::default());
        let events: monitor::Sink = Arc::new(move |event| kept.lock().unwrap().push(event));
        let env = Env::new(Arc::new(SystemResolver), events.clone());
        let runtime = tokio::runtime::Handle::current();
        let hooks = Caller::new(Arc::new(SystemResolver), None, events.clone(), runtime.clone());
        let around = Around { env: env.clone(), events, board, runtime, hooks, most_connections: 8192 };
        let relay = Relay::new(config.state_file.as_deref(), around).unwrap();
        let gate = Arc::new(RelayGate(relay.clone()));
        let door = Door { gate, tls: None, crowd: relay.crowd(), shown: "test".into() };
        let port = env.listeners.open(&[([127, 0, 0, 1], port).into()], door).unwrap();
        relay.listens_on(port.address, false);
        relay.begin(config).unwrap();
        Self { relay, port, env, events: seen }
    }

    /// Another port of the same relay, through TLS.
    pub(crate) fn open_tls(&self, identity: Arc<Identity>) -> Port {
        let gate = Arc::new(RelayGate(self.relay.clone()));
        let door = Door { gate, tls: Some(identity), crowd: self.relay.crowd(), shown: "test".into() };
        self.env.listeners.open(&[([127, 0, 0, 1], 0).into()], door).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.port.address)
    }

    /// A publisher that sends made-up media until it is dropped.
    pub(crate) async fn publish(&self, path: &str) -> Show {
        let publisher = Publisher::connect(&self.url(path)).await.unwrap();
        Show::run(publisher, made_up(20_000, 25, 1000))
    }

    pub(crate) async fn until_state(&self, output: &str, state: &str) -> OutputView {
        until(&format!("{output} to be {state}"), || {
            self.relay.output(output).is_some_and(|output| output.state == state)
        })
        .await;
        self.relay.output(output).unwrap()
    }

    /// Everything that was said in events, as text.
    pub(crate) fn said(&self) -> String {
        self.events.lock().unwrap().iter().map(|event| format!("{event:?}\n")).collect()
    }
}

/// A publisher at work, 100 frames a second.
pub(crate) struct Show {
    task: tokio::task::JoinHandle<()>,
    frozen: tokio::sync::watch::Sender<bool>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Show {
    pub(crate) fn run(mut publisher: Publisher, tags: Vec<Tag>) -> Self {
        let (end, mut ends) = tokio::sync::oneshot::channel::<()>();
        let (frozen, mut freezes) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(async move {
            let mut frames = tokio::time::interval(Duration::from_millis(10));
            for tag in tags {
                let _ = freezes.wait_for(|frozen| !*frozen).await;
                if tag.kind == 9 {
                    tokio::select! {
                        _ = frames.tick() => {}
                        _ = &mut ends => break,
                    }
                }
                if publisher.send_tag(&tag, 0).await.is_err() {
                    return;
                }
            }
            let _ = publisher.finish().await;
        });
        Self { task, frozen, end: Some(end) }
    }

    /// Sends nothing more, or goes on; the connection stays.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Ends the broadcast as an encoder does.
    pub(crate) async fn finish(mut self) {
        drop(self.end.take());
        let _ = (&mut self.task).await;
    }

    /// Returns when all was sent and the broadcast ended.
    pub(crate) async fn all_sent(mut self) {
        let _ = (&mut self.task).await;
    }

    /// Cuts the connection.
    pub(crate) fn cut(&self) {
        self.task.abort();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A configuration with short waits.
pub(crate) fn config() -> Config {
    Config { drain: Duration::from_secs(2), limits: Limits::default(), ..Config::default() }
}

pub(crate) fn rule(name: &str) -> StreamRule {
    StreamRule { name: Pattern::parse(name).unwrap(), conflict: Conflict::Takeover, ..StreamRule::default() }
}

pub(crate) fn output_rule(name: &str, stream: &str, url: &str) -> OutputRule {
    OutputRule {
        name: name.into(),
        stream: Pattern::parse(stream).unwrap(),
        url: Secret::new(url),
        key: None,
        options: vec![("retry", outflow::options::Value::Duration(Duration::from_millis(200)))],
        groups: Vec::new(),
        auto_start: true,
        auto_stop: true,
    }
}

/// A request as JSON would make it.
pub(crate) fn request(json: serde_json::Value) -> NewOutput {
    serde_json::from_value(json).unwrap()
}
