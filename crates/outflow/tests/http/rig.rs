//! A relay with its API, and a client that sends what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outflow::config::{Address, Api, Config, Pattern, StreamRule};
use outflow::env::Env;
use outflow::hooks::Caller;
use outflow::http::{self, Feed, Handle, Parts, Reload};
use outflow::listen::{Door, Port};
use outflow::monitor::board::Board;
use outflow::monitor::{self, Event};
use outflow::net::dial::SystemResolver;
use outflow::relay::{Around, Relay, RelayGate};
use outflow::stop::{Stopper, stopper};
use outflow_testkit::wait::DEADLINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Rig {
    pub(crate) relay: Arc<Relay>,
    pub(crate) rtmp: Port,
    pub(crate) feed: Arc<Feed>,
    pub(crate) http: Handle,
    pub(crate) stopper: Stopper,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Every stream of the app `live`, open to all.
pub(crate) fn config() -> Config {
    let rule = StreamRule { name: Pattern::parse("live/*").unwrap(), publish_open: true, ..StreamRule::default() };
    Config { streams: vec![rule], drain: Duration::from_secs(2), ..Config::default() }
}

pub(crate) fn loopback() -> Address {
    Address { ip: Some([127, 0, 0, 1].into()), port: 0 }
}

impl Rig {
    pub(crate) fn start(config: Config) -> Self {
        Self::start_with(config, Arc::new(|| Err(vec!["no file".into()])), Duration::from_secs(10))
    }

    pub(crate) fn with_token(token: &str) -> Self {
        Self::start(Config { api: Api { token: Some(token.into()), hosts: Vec::new() }, ..config() })
    }

    pub(crate) fn start_with(config: Config, reload: Reload, head: Duration) -> Self {
        let feed = Arc::<Feed>::default();
        let events: monitor::Sink = feed.sink(Arc::new(|_| {}));
        let env = Env::new(Arc::new(SystemResolver), events.clone());
        let runtime = tokio::runtime::Handle::current();
        let hooks = Caller::new(env.resolver.clone(), None, events.clone(), runtime.clone());
        let around =
            Around { env: env.clone(), events, board: Arc::<Board>::default(), runtime, hooks, most_connections: 8192 };
        let relay = Relay::new(None, around).unwrap();
        let gate = Arc::new(RelayGate(relay.clone()));
        let door = Door { gate, tls: None, crowd: relay.crowd(), shown: "test".into() };
        let rtmp = env.listeners.open(&[([127, 0, 0, 1], 0).into()], door).unwrap();
        relay.listens_on(rtmp.address, false);
        let bound = http::bind(loopback(), &config.api).unwrap().head_within(head);
        relay.begin(config).unwrap();
        let (stopper, stop) = stopper();
        let http = bound.start(Parts { relay: relay.clone(), feed: feed.clone(), reload }, stop).unwrap();
        Self { relay, rtmp, feed, http, stopper }
    }

    pub(crate) fn note(&self, text: &str) {
        self.feed.push(&Event::Note { who: "test".into(), text: text.into() });
    }

    /// A request as programs make it; the headers are lines that end in `\r\n`.
    pub(crate) async fn ask(&self, line: &str, headers: &str, body: &str) -> Answer {
        let host = format!("Host: {}\r\n", self.http.address);
        self.ask_as(line, &format!("{host}{headers}"), body).await
    }

    /// The same without a `Host`.
    pub(crate) async fn ask_as(&self, line: &str, headers: &str, body: &str) -> Answer {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        raw(self.http.address, &format!("{line} HTTP/1.1\r\n{headers}{length}Connection: close\r\n\r\n{body}")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "", "").await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask(&format!("POST {path}"), "", "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(&format!("DELETE {path}"), "", "").await
    }

    pub(crate) async fn send(&self, line: &str, body: &serde_json::Value) -> Answer {
        self.ask(line, JSON, &body.to_string()).await
    }
}

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// Sends these bytes, and reads until the server closes.
pub(crate) async fn raw(address: SocketAddr, request: &str) -> Answer {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read all.
    let _ = tcp.write_all(request.as_bytes()).await;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(DEADLINE, tcp.read_to_end(&mut bytes)).await.expect("the server closes");
    let text = String::from_utf8(bytes).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { panic!("no answer ({read:?}): {text:?}") };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        assert!(self.head.contains("content-type: application/problem+json"), "{} {}", self.head, self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["type"], format!("urn:outflow:problem:{}", problem["code"].as_str().unwrap()));
        problem["code"].as_str().unwrap().to_owned()
    }
}
