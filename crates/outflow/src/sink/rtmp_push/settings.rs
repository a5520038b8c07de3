//! What a push is told by its word: validated and taken apart once, before anything runs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outflow_rtmp::amf0::Value;
use outflow_rtmp::command::parse_conn;
use outflow_rtmp::error::ErrorKind;
use outflow_rtmp::session::{ClientConfig, Redirect, Role};
use outflow_rtmp::url::{Host, RtmpUrl, Scheme, Target};

use super::verdict::Words;
use crate::error::SpecError;
use crate::hub::Start;
use crate::net::dial::{Bind, DialOptions};
use crate::net::pump::Tracks;
use crate::net::tls::{self, TlsClient};
use crate::node::Node;
use crate::secret::Secret;

/// A server and the stream on it.
#[derive(Clone)]
pub(super) struct Destination {
    /// The host as written, an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub target: Target,
}

/// All that a push knows before it connects.
pub(super) struct Settings {
    pub destination: Destination,
    /// `rtmp_tcurl`: sent instead of the one that the URL makes.
    tc_url: Option<Secret>,
    flash_ver: Option<String>,
    page_url: Option<String>,
    swf_url: Option<String>,
    conn: Vec<Value>,
    chunk_size: u32,
    /// What we trust, if the destination is reached through TLS.
    pub tls: Option<TlsClient>,
    pub dial: DialOptions,
    pub start: Start,
    pub max_lag: Duration,
    pub latency: Duration,
    pub delay: Duration,
    pub tracks: Tracks,
    /// What must not be seen in what the server says.
    pub words: Arc<Words>,
}

/// Reads a word's URL and options.
pub(super) fn read(node: &Node) -> Result<Settings, SpecError> {
    let options = &node.options;
    let url = node.url.as_ref().ok_or_else(|| node.error("it has no URL"))?;
    let url = RtmpUrl::parse(url.raw.expose()).map_err(|error| url_error(node, &error))?;
    let key = options.secret("key");
    let (app, playpath) = (options.text("rtmp_app"), options.secret("rtmp_playpath"));
    let target = url.target(key.as_ref().map(Secret::expose), app.as_deref(), playpath.as_ref().map(Secret::expose));
    let destination = Destination::new(&url, target).map_err(|(problem, hint)| node.error(problem).hint(hint))?;

    let chunk_size = super::super::rtmp_listen::chunk_size(options);
    if !(128..=65536).contains(&chunk_size) {
        return Err(node.option_error("chunk_size", "it must be from 128 to 65536 bytes"));
    }
    let conn = match options.secret("rtmp_conn") {
        Some(text) => parse_conn(text.expose()).map_err(|error| {
            node.option_error("rtmp_conn", error.to_string()).hint("write it like `B:1 S:text O:1 NN:code:1.23 O:0`")
        })?,
        None => Vec::new(),
    };
    let bind = match options.text("bind") {
        Some(text) => Some(Bind::parse(&text).map_err(|problem| node.option_error("bind", problem))?),
        None => None,
    };
    let ca = options.text("ca").map(PathBuf::from);
    let tls = match (&ca, destination.tls) {
        (None, false) => None,
        _ => Some(tls::client_config(ca.as_deref()).map_err(|problem| node.option_error("ca", problem))?),
    };
    let tracks = match options.list("tracks") {
        Some(names) => Tracks::parse(&names).map_err(|problem| node.option_error("tracks", problem))?,
        None => Tracks::All,
    };
    let nodelay = options.get("tcp_nodelay").is_none() || options.bool("tcp_nodelay");
    Ok(Settings {
        words: Arc::new(Words::of(&url, &destination.target)),
        tc_url: options.text("rtmp_tcurl").map(Secret::new),
        flash_ver: options.text("rtmp_flashver"),
        page_url: options.text("rtmp_pageurl"),
        swf_url: options.text("rtmp_swfurl"),
        conn,
        chunk_size,
        tls,
        dial: DialOptions { bind, nodelay, ..DialOptions::default() },
        start: if options.text("start").as_deref() == Some("gop") { Start::Group } else { Start::Next },
        max_lag: options.duration("max_lag").unwrap_or(Duration::from_secs(4)),
        latency: options.duration("latency").unwrap_or_default(),
        delay: options.duration("delay").unwrap_or_default(),
        tracks,
        destination,
    })
}

fn url_error(node: &Node, error: &outflow_rtmp::Error) -> SpecError {
    match &error.kind {
        ErrorKind::BadUrl { problem, mend } => node.error(format!("the URL can't be used: {problem}")).hint(*mend),
        _ => node.error(error.to_string()),
    }
}

impl Settings {
    /// What the session is to ask of this destination. `hops` redirects led to it.
    pub(super) fn session(&self, destination: &Destination, hops: u32) -> ClientConfig {
        let mut random = [0; 1528];
        // The handshake's random bytes only tell connections apart.
        let _ = getrandom::fill(&mut random);
        let Target { app, name, tc_url } = &destination.target;
        let ours = self.tc_url.as_ref().filter(|_| hops == 0).map(Secret::expose);
        let mut config = ClientConfig::new(Role::Publish, app, name, ours.unwrap_or(tc_url), random);
        if let Some(flash_ver) = &self.flash_ver {
            config.flash_ver.clone_from(flash_ver);
        }
        config.page_url = self.page_url.clone().unwrap_or_default();
        config.swf_url = self.swf_url.clone().unwrap_or_default();
        config.conn.clone_from(&self.conn);
        config.chunk_size = self.chunk_size;
        config
    }
}

impl Destination {
    fn new(url: &RtmpUrl, target: Target) -> Result<Self, (&'static str, &'static str)> {
        if url.host() == Host::Any {
            return Err(("the URL names no host to connect to", "write one, or add rtmp_listen=1 to wait for players"));
        }
        if url.port() == Some(0) {
            return Err(("nobody listens on port 0", "write the server's port, or leave it out"));
        }
        let (host, port) = (url.host_text().to_owned(), url.port_or_default());
        Ok(Self { host, port, tls: url.scheme() == Scheme::Rtmps, target })
    }

    /// Host and port, as errors show them.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where a redirect leads, with the stream's name kept. The error says what is wrong with it.
    pub(super) fn redirected(&self, redirect: &Redirect) -> Result<Self, &'static str> {
        let url = RtmpUrl::parse(redirect.tc_url.expose()).map_err(|_| "to something that is no RTMP URL")?;
        let target = url.target(Some(&self.target.name), None, None);
        let there = Self::new(&url, target).map_err(|_| "to no host")?;
        if self.tls && !there.tls {
            // The key would travel in the clear.
            return Err("from rtmps:// to rtmp://");
        }
        Ok(there)
    }
}

/// The addresses that a redirect may lead to: never into this machine or the local network, unless the destination
/// itself is there. Else a server could make us talk to whatever only we can reach.
pub(super) fn allowed(home: &[SocketAddr], there: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if home.iter().any(|address| is_local(address.ip())) {
        return there;
    }
    there.into_iter().filter(|address| !is_local(address.ip())).collect()
}

fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
