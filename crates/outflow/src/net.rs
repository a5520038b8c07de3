//! The only module with sockets: looking up names, connecting, TLS, and the connections that everything else is given.

pub mod bind;
pub mod connection;
pub mod dial;
pub mod exchange;
pub mod http_client;
pub mod http_server;
pub mod pump;
pub mod survey;
pub mod tcp_info;
pub mod tls;
pub mod uplink;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::{Ended, Origin, Reason, Retry};

/// A future that can be kept in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How far a connection had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the name.
    Resolve,
    /// Connecting by TCP.
    Connect,
    /// Making the TLS session.
    Tls,
    /// Reading.
    Read,
    /// Writing.
    Write,
}

/// A failure of the network: where, with whom, and what the system said. Holds no secret: the peer is a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetError {
    /// How far the connection had come.
    pub stage: Stage,
    /// The host and port, as in the URL.
    pub peer: String,
    /// What happened, one sentence without the peer.
    pub text: String,
    /// True where another attempt can't help: our own words are wrong (a source address that we do not have).
    pub ours: bool,
}

impl NetError {
    /// A failure that another attempt may not meet again.
    pub fn new(stage: Stage, peer: impl Into<String>, text: impl Into<String>) -> Self {
        Self { stage, peer: peer.into(), text: text.into(), ours: false }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = match self.stage {
            Stage::Resolve => "can't look up",
            Stage::Connect => "can't connect to",
            Stage::Tls => "no TLS with",
            Stage::Read => "reading from",
            Stage::Write => "writing to",
        };
        write!(f, "{doing} {}: {}", self.peer, self.text)
    }
}

impl std::error::Error for NetError {}

impl From<NetError> for Ended {
    fn from(error: NetError) -> Self {
        let reason = match error.stage {
            Stage::Resolve => Reason::Resolve,
            Stage::Connect => Reason::Connect,
            Stage::Tls => Reason::Tls,
            Stage::Read | Stage::Write => Reason::Disconnected,
        };
        let (origin, retry) = match (error.ours, error.stage) {
            (true, _) => (Origin::Config, Retry::Slow),
            // A certificate is seldom mended within seconds.
            (false, Stage::Tls) => (Origin::Network, Retry::Slow),
            (false, _) => (Origin::Network, Retry::Backoff),
        };
        Ended::new(origin, retry, reason, error.to_string())
    }
}
