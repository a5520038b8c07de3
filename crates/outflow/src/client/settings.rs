//! What a word that dials says of the connection: validated and taken apart once, before anything runs.

use std::path::PathBuf;
use std::sync::Arc;

use outflow_rtmp::amf0::Value;
use outflow_rtmp::auth::{Credentials, Demand, Login, LoginError};
use outflow_rtmp::command::parse_conn;
use outflow_rtmp::error::ErrorKind;
use outflow_rtmp::session::{Capabilities, CapsEx, ClientConfig, Role};
use outflow_rtmp::url::{RtmpUrl, Target};

pub use super::destination::Destination;
use super::verdict::Words;
use crate::error::SpecError;
use crate::net::dial::{Bind, DialOptions};
use crate::net::http_client::percent_decode;
use crate::net::tls::{self, TlsClient};
use crate::node::Node;
use crate::secret::Secret;
use crate::wire::CHUNK_SIZE;

/// All that a client knows before it connects.
pub struct Settings {
    /// Where the URL leads.
    pub destination: Destination,
    role: Role,
    /// `rtmp_tcurl`: sent instead of the one that the URL makes.
    tc_url: Option<Secret>,
    flash_ver: Option<String>,
    page_url: Option<String>,
    swf_url: Option<String>,
    conn: Vec<Value>,
    chunk_size: u32,
    play: Play,
    /// User and password of the URL.
    credentials: Option<Credentials>,
    /// What we trust, if the destination is reached through TLS.
    pub tls: Option<TlsClient>,
    /// From where and how to connect.
    pub dial: DialOptions,
    /// What must not be seen in what the server says.
    pub words: Arc<Words>,
    /// What the server may ask of us.
    pub limits: outflow_rtmp::Limits,
}

/// What only a player asks for.
struct Play {
    /// `rtmp_live`, in milliseconds as Flash Player and FFmpeg send it.
    start: f64,
    buffer_ms: u32,
    subscribe: Option<Secret>,
    /// `rtmp_token`.
    token: Option<Secret>,
}

/// Reads a word's URL and options.
pub fn read(node: &Node, role: Role) -> Result<Settings, SpecError> {
    let options = &node.options;
    let url = node.url.as_ref().ok_or_else(|| node.error("it has no URL"))?;
    let url = RtmpUrl::parse(url.raw.expose()).map_err(|error| url_error(node, &error))?;
    let key = options.secret("key");
    let (app, playpath) = (options.text("rtmp_app"), options.secret("rtmp_playpath"));
    let target = url.target(key.as_ref().map(Secret::expose), app.as_deref(), playpath.as_ref().map(Secret::expose));
    let destination = Destination::new(&url, target).map_err(|(problem, hint)| node.error(problem).hint(hint))?;

    let chunk_size = options.count("chunk_size").map_or(Ok(CHUNK_SIZE), u32::try_from).unwrap_or(u32::MAX);
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
        Some(text) => {
            let checked = Bind::parse(&text).and_then(|bind| bind.check().map(|()| bind));
            Some(checked.map_err(|problem| {
                node.option_error("bind", problem)
                    .hint("say an address or the name of an interface that this machine has now, or leave `bind` out")
            })?)
        }
        None => None,
    };
    let ca = options.text("ca").map(PathBuf::from);
    let tls = match (&ca, destination.tls) {
        (None, false) => None,
        _ => Some(tls::client_config(ca.as_deref()).map_err(|problem| node.option_error("ca", problem))?),
    };
    let nodelay = options.get("tcp_nodelay").is_none() || options.bool("tcp_nodelay");
    let play = play(node, &destination.target)?;
    let mut words = Words::of(&url, &destination.target);
    words.extend(play.subscribe.as_ref());
    words.extend(play.token.as_ref());
    Ok(Settings {
        credentials: credentials(&url),
        words: Arc::new(words),
        role,
        tc_url: options.text("rtmp_tcurl").map(Secret::new),
        flash_ver: options.text("rtmp_flashver"),
        page_url: options.text("rtmp_pageurl"),
        swf_url: options.text("rtmp_swfurl"),
        conn,
        chunk_size,
        play,
        tls,
        dial: DialOptions { bind, nodelay, ..DialOptions::default() },
        destination,
        limits: outflow_rtmp::Limits::default(),
    })
}

fn play(node: &Node, target: &Target) -> Result<Play, SpecError> {
    let options = &node.options;
    let live = options.text("rtmp_live");
    let start = match live.as_deref() {
        Some("live") => -1000.0,
        Some("recorded") => 0.0,
        _ => -2000.0,
    };
    let buffer_ms = u32::try_from(options.count("rtmp_buffer").unwrap_or(3000))
        .map_err(|_| node.option_error("rtmp_buffer", "it must be less than 2^32 milliseconds"))?;
    // As FFmpeg does: one who asks for a live stream by name subscribes to it.
    let by_name = || (live.as_deref() == Some("live")).then(|| Secret::new(target.name.as_str()));
    let subscribe = options.secret("rtmp_subscribe").or_else(by_name);
    Ok(Play { start, buffer_ms, subscribe, token: options.secret("rtmp_token") })
}

/// User and password as they are sent: without the escapes that a URL needs for `@`, `:` and `/`.
fn credentials(url: &RtmpUrl) -> Option<Credentials> {
    let plain = |text: &str| String::from_utf8_lossy(&percent_decode(text)).into_owned();
    let (user, password) = (url.expose_user()?, url.expose_password()?);
    Some(Credentials { user: plain(user), password: plain(password).into() })
}

/// Answers what a server asks of a login, to be sent with the next connect.
pub(super) fn answer(login: &mut Login, demand: &Demand, app: &str) -> Result<(), LoginError> {
    let mut random = [0; 4];
    // It only tells our answers apart.
    let _ = getrandom::fill(&mut random);
    login.answer(demand, app, u32::from_be_bytes(random))
}

fn url_error(node: &Node, error: &outflow_rtmp::Error) -> SpecError {
    match &error.kind {
        ErrorKind::BadUrl { problem, mend } => node.error(format!("the URL can't be used: {problem}")).hint(*mend),
        _ => node.error(error.to_string()),
    }
}

impl Settings {
    /// A login with the user and password of the URL; `None` if it has none.
    pub fn login(&self) -> Option<Login> {
        self.credentials.clone().map(Login::new)
    }

    /// What the session is to ask of this destination. So many `redirects` led to it; `hops` are the marks of the streams
    /// that what we send came through, or that what we play goes to.
    pub fn session(&self, destination: &Destination, redirects: u32, hops: &[String]) -> ClientConfig {
        let mut random = [0; 1528];
        // The handshake's random bytes only tell connections apart.
        let _ = getrandom::fill(&mut random);
        let Target { app, name, tc_url } = &destination.target;
        let ours = self.tc_url.as_ref().filter(|_| redirects == 0).map(Secret::expose);
        let mut config = ClientConfig::new(self.role, app, name, ours.unwrap_or(tc_url), random);
        if let Some(flash_ver) = &self.flash_ver {
            config.flash_ver.clone_from(flash_ver);
        }
        config.page_url = self.page_url.clone().unwrap_or_default();
        config.swf_url = self.swf_url.clone().unwrap_or_default();
        config.conn.clone_from(&self.conn);
        config.chunk_size = self.chunk_size;
        config.limits.clone_from(&self.limits);
        // Some servers leave tracks out for players that do not name their codec. Encoders announce no codec, whatever
        // they send; that we go where a server asks us to is for it to know.
        config.capabilities = match self.role {
            Role::Play => Capabilities::player(),
            Role::Publish => Capabilities { caps_ex: CapsEx::RECONNECT, ..Capabilities::default() },
        };
        config.start = self.play.start;
        config.hops = hops.to_vec();
        config.buffer_ms = self.play.buffer_ms;
        // As a password: whoever chooses the challenge can guess it from the answer.
        let token = self.play.token.as_ref().filter(|_| destination.host == self.destination.host);
        config.token = token.map(|secret| secret.expose().into());
        config.subscribe = self.play.subscribe.as_ref().map(|name| name.expose().into());
        config
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
