//! The configuration of `serve` as plain typed data: what a TOML file, the environment and flags are made into.

mod checks;
mod document;
mod file;
pub mod init;
pub mod mistake;
pub mod overlay;
pub mod pattern;
mod reader;
pub mod record;
#[cfg(test)]
mod reference_tests;
mod rules;
mod schema;
mod secrets;
mod syntax;
pub mod template;
#[cfg(test)]
mod tests;
mod urls;
mod users;
mod values;
pub mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::monitor::alerts::Thresholds;
use crate::options::Value;
use crate::secret::Secret;
pub use mistake::{Mistake, Place};
pub use overlay::{Overrides, read};
pub use pattern::{Pattern, StreamId};
pub use schema::schema;
use world::World;

/// Everything that `serve` is told. Holds secrets as [`Secret`] only, so `Debug` may be printed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Where it listens.
    pub listen: Listen,
    /// The certificate of the RTMPS listener.
    pub tls: Option<Tls>,
    /// The HTTP API.
    pub api: Api,
    /// What peers may cost.
    pub limits: Limits,
    /// Asked and told over HTTP.
    pub hooks: Hooks,
    /// When alerts are raised.
    pub alerts: Thresholds,
    /// Rules for streams; the first whose name fits counts. A stream that none fits is refused, unless there are no
    /// rules at all and every listener is on loopback.
    pub streams: Vec<StreamRule>,
    /// Users and their passwords, for logins.
    pub users: BTreeMap<String, Secret>,
    /// Outputs.
    pub outputs: Vec<OutputRule>,
    /// What outputs get that say nothing themselves. Those of the file have it in their options already; those of the
    /// API and of hooks get it from [`Config::defaults_for`].
    pub policy: Defaults,
    /// Secrets that the API may name (`{"secret": "NAME"}`) but never sees.
    pub secrets: BTreeMap<String, Secret>,
    /// Where changes made through the API are kept.
    pub state_file: Option<PathBuf>,
    /// How long a stop may take to send the rest.
    pub drain: Duration,
}

impl Config {
    /// What holds where nothing is said: RTMP and the API on loopback, any stream.
    pub fn initial() -> Self {
        let here = |port| Some(Address { ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), port });
        Self {
            listen: Listen { rtmp: here(1935), rtmps: None, http: here(1937) },
            drain: Duration::from_secs(5),
            ..Self::default()
        }
    }

    /// The first rule that fits every stream of this pattern.
    pub fn rule_for(&self, stream: &Pattern) -> Option<&StreamRule> {
        self.streams.iter().find(|rule| rule.name.covers(stream))
    }

    /// What an output of these streams gets that says nothing itself: of the stream's policy, then of `[policy]`.
    pub fn defaults_for(&self, stream: &Pattern) -> Defaults {
        match self.rule_for(stream) {
            Some(rule) => rule.policy.over(&self.policy),
            None => self.policy.clone(),
        }
    }
}

/// A configuration that was read, and what of it is hardly meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What works, but is hardly meant.
    pub warnings: Vec<Mistake>,
}

/// Reads a file, without flags and `OUTFLOW_*`: see [`read`] for all of it. Mistakes come all at once.
pub fn load(path: &Path, world: &dyn World) -> Result<Loaded, Vec<Mistake>> {
    overlay::load(path, &Overrides::default(), world)
}

/// Reads the text of a file; `name` is what mistakes call it.
pub fn parse(text: &str, name: &str, world: &dyn World) -> Result<Loaded, Vec<Mistake>> {
    overlay::parse(text, name, world)
}

/// Reads the address that a flag gives; `None` is no port. The error is problem and mend.
pub fn parse_address(text: &str, setting: overlay::Setting) -> Result<Option<Address>, (String, String)> {
    let default = match setting {
        overlay::Setting::Rtmps => values::DefaultPort::Rtmps,
        overlay::Setting::Http => values::DefaultPort::Http,
        _ => values::DefaultPort::Rtmp,
    };
    values::address(text, default)
}

/// What outputs get that say nothing themselves.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Defaults {
    /// Whether they start by themselves.
    pub auto_start: Option<bool>,
    /// Whether they stop with the broadcast.
    pub auto_stop: Option<bool>,
    /// Options of the push's record.
    pub options: Vec<(&'static str, Value)>,
}

impl Defaults {
    /// These, and where they say nothing the others.
    pub fn over(&self, others: &Self) -> Self {
        let mut options = self.options.clone();
        let more = others.options.iter().filter(|(name, _)| !self.options.iter().any(|(own, _)| own == name));
        options.extend(more.cloned());
        Self {
            auto_start: self.auto_start.or(others.auto_start),
            auto_stop: self.auto_stop.or(others.auto_stop),
            options,
        }
    }
}

/// Where `serve` listens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listen {
    /// The RTMP port.
    pub rtmp: Option<Address>,
    /// The RTMPS port.
    pub rtmps: Option<Address>,
    /// The port of API and web page.
    pub http: Option<Address>,
}

impl Listen {
    /// True if it listens on nothing.
    pub fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }
}

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address; `None` is every address of both families.
    pub ip: Option<IpAddr>,
    /// The port; 0 lets the system choose.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl Address {
    /// Reads an address to listen on: `127.0.0.1:1935`, `[::1]`, `localhost`, `:1935` and `*` for every address. The error
    /// is problem and mend.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, (String, String)> {
        let none = || ("a port is needed".to_owned(), format!("write :{default_port}, or leave it out"));
        values::address_at(text, default_port)?.ok_or_else(none)
    }

    /// True if only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.ip.is_some_and(|ip| ip.to_canonical().is_loopback())
    }

    /// The socket addresses to try, in order: the first that can be bound is it.
    pub fn candidates(&self) -> Vec<SocketAddr> {
        match self.ip {
            Some(ip) => vec![SocketAddr::new(ip, self.port)],
            None => vec![(Ipv6Addr::UNSPECIFIED, self.port).into(), (Ipv4Addr::UNSPECIFIED, self.port).into()],
        }
    }
}

/// Files of a certificate, read again at each reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Api {
    /// The bearer token; without one the API is on loopback only.
    pub token: Option<Secret>,
    /// Host names, beside the loopback ones, that requests may name.
    pub hosts: Vec<String>,
}

/// What peers may cost, and how much there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// What holds for each connection, and for all of them; a graph has these too.
    pub peers: crate::limits::Limits,
    /// Connections of the HTTP port from one address.
    pub http_connections_per_address: usize,
    /// Streams at once.
    pub streams: usize,
    /// Outputs in all.
    pub outputs: usize,
    /// Players of one stream.
    pub players_per_stream: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: crate::limits::Limits::default(),
            http_connections_per_address: 256,
            streams: 1000,
            outputs: 1000,
            players_per_stream: 8192,
        }
    }
}

/// What a publisher meets that comes while another has the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// It takes the name over from a connection that has been silent for a second: a returning encoder need not wait for its
    /// own dead connection. Whoever still sends is not thrown out.
    #[default]
    Takeover,
    /// The same after three seconds: for encoders that pause.
    Refuse,
}

/// What a player meets that asks for a stream that nobody publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// `NetStream.Play.StreamNotFound`.
    #[default]
    Refuse,
    /// It waits for the publisher.
    Wait,
}

/// An address or a network: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its address.
    pub ip: IpAddr,
    /// How many leading bits count.
    pub bits: u8,
}

impl Network {
    /// True if the address lies in it. An IPv4 address in IPv6 form counts as what it is.
    pub fn holds(&self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
            IpAddr::V6(v6) => (v6.to_bits(), 128),
        };
        let ((own, width), (other, others)) = (bits(self.ip), bits(address));
        let shift = 128 - u32::from(self.bits.min(width));
        width == others && own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    }
}

/// What holds for the streams of a name or pattern.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamRule {
    /// Which streams.
    pub name: Pattern,
    /// Keys that let a publisher in: any of them, so that one can be replaced while the other is in use.
    pub publish_keys: Vec<Secret>,
    /// Anybody may publish: said aloud, since it holds without keys only on loopback.
    pub publish_open: bool,
    /// Users of [`Config::users`] that may publish, once logged in; empty asks for no login.
    pub publish_users: Vec<String>,
    /// Tokens that let a player in; empty lets everybody in.
    pub play_tokens: Vec<Secret>,
    /// Users that may play, once logged in; empty asks for no login.
    pub play_users: Vec<String>,
    /// Where publishers may come from; empty is from everywhere.
    pub publish_from: Vec<Network>,
    /// Where players may come from; empty is from everywhere.
    pub play_from: Vec<Network>,
    /// What a second publisher meets.
    pub conflict: Conflict,
    /// What a player of an absent stream meets.
    pub missing: Missing,
    /// Where the stream is pulled from, if it is; only with an exact name.
    pub pull: Option<Pull>,
    /// Options of listening outputs (`start`, `max_lag`, `latency`, `delay`, `burst`, `tracks` ...) for its players.
    pub players: Vec<(&'static str, Value)>,
    /// What its outputs get that say nothing themselves, before [`Config::policy`].
    pub policy: Defaults,
    /// Hooks of its own, instead of the global ones.
    pub hooks: Option<Hooks>,
    /// When alerts of it and its outputs are raised, if not by [`Config::alerts`].
    pub alerts: Option<Thresholds>,
}

/// Where a stream is pulled from.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    /// The server and the stream on it: `rtmp://` or `rtmps://`.
    pub url: Secret,
    /// Options of pulls (`retry`, `ca`, `bind` ...), checked against their record.
    pub options: Vec<(&'static str, Value)>,
}

/// An output of one stream, or of every stream that a pattern fits.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputRule {
    /// Its name: unique.
    pub name: String,
    /// Which streams.
    pub stream: Pattern,
    /// Where to; `${app}` and `${name}` stand for those of the stream.
    pub url: Secret,
    /// The stream key, where it is not in the URL; the same templates.
    pub key: Option<Secret>,
    /// Options of the sink's record, defaults of the file's `[policy]` included.
    pub options: Vec<(&'static str, Value)>,
    /// Groups that it belongs to.
    pub groups: Vec<String>,
    /// It starts by itself with its stream; else somebody starts it.
    pub auto_start: bool,
    /// It stops for good with the broadcast, unless `auto_start` starts it with the next.
    pub auto_stop: bool,
}

/// How a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HookForm {
    /// SRS: a JSON body; 200 with `{"code": 0}` or the text `0` allows.
    #[default]
    Srs,
    /// nginx-rtmp: a form body; 2xx allows.
    Nginx,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// `http://` or `https://`; may hold a token.
    pub url: Secret,
    /// How it is called.
    pub form: HookForm,
    /// How long one call may take.
    pub timeout: Duration,
    /// Further calls when one fails (no answer, or 5xx).
    pub retries: u32,
    /// What is done when none is answered, or the breaker is open: true lets the peer in.
    pub allow_on_failure: bool,
}

/// The hooks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// Asked before a publisher is told yes.
    pub on_publish: Option<Hook>,
    /// Asked before a player is told yes.
    pub on_play: Option<Hook>,
    /// Told when a publisher or player has left.
    pub on_done: Option<Hook>,
    /// Asked for outputs when a publisher comes.
    pub on_forward: Option<Hook>,
    /// Told when an alert is raised or cleared.
    pub on_alert: Option<Hook>,
}
