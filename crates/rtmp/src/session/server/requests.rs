//! What a client asks of a server, read from its commands.
use std::fmt;

use crate::amf0::Value;
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::secret::Secret;
use crate::session::{Capabilities, hops};

/// A connect command (Adobe RTMP 1.0 §7.2.1.1).
///
/// `Debug` masks `app`, `tc_url` and `args`: encoders put stream keys into all of them.
#[derive(Clone, Default, PartialEq)]
pub struct ConnectRequest {
    /// The application; taken from `tc_url` if the client did not say it. May hold a query, or the whole path.
    pub app: String,
    /// The URL that the client connected to, without quotes around it; may be empty.
    pub tc_url: String,
    /// The client's program.
    pub flash_ver: String,
    /// The player program's URL; encoders repeat `tc_url` here.
    pub swf_url: String,
    /// The URL of the web page around the player.
    pub page_url: String,
    /// 0 is AMF0, 3 is AMF3. The session always answers 0.
    pub object_encoding: f64,
    /// What the client announced of Enhanced RTMP. Most publishers announce nothing, whatever they use.
    pub capabilities: Capabilities,
    /// Whether the client says that it will publish (`type`, as every encoder), or that it is a player (codecs that it can
    /// decode); `None` if it says neither.
    pub publishes: Option<bool>,
    /// Marks of the relays that the stream has come through: see [`hops`](crate::session::hops). Empty for most clients.
    pub hops: Vec<String>,
    /// What followed the connect object.
    pub args: Vec<Value>,
}

/// What only players say in their connect (Adobe RTMP 1.0 §7.2.1.1).
const PLAYERS_SAY: [&str; 3] = ["audioCodecs", "videoCodecs", "videoFunction"];

impl ConnectRequest {
    pub(super) fn read(command: &Command, limits: &Limits) -> Result<Self> {
        let object = &command.object;
        let text = |names: &[&str], what, limit: usize| {
            let text = names.iter().find_map(|name| object.get_str(name)).unwrap_or_default();
            bounded(text, what, limit)
        };
        let tc_url = text(&["tcUrl", "tcurl"], "tcUrl", limits.tc_url)?;
        // Some cameras quote it, on one side or both.
        let tc_url = tc_url.trim_matches(['\'', '"']).to_owned();
        let app = match object.get_str("app") {
            Some(app) => bounded(app, "the app", limits.tc_url)?,
            None if object.get_str("tcUrl").or(object.get_str("tcurl")).is_some() => path(&tc_url).to_owned(),
            None => {
                let problem = "it has neither app nor tcUrl";
                return Err(Error::from(ErrorKind::BadCommand { command: "connect", problem }));
            }
        };
        Ok(ConnectRequest {
            app,
            tc_url,
            flash_ver: text(&["flashVer", "flashver"], "flashVer", limits.name)?,
            swf_url: text(&["swfUrl"], "swfUrl", limits.tc_url)?,
            page_url: text(&["pageUrl"], "pageUrl", limits.tc_url)?,
            object_encoding: object.get_f64("objectEncoding").unwrap_or(0.0),
            capabilities: Capabilities::read(object),
            publishes: match object.get_str("type").is_some() {
                true => Some(true),
                false => PLAYERS_SAY.iter().any(|name| object.get(name).is_some()).then_some(false),
            },
            hops: hops::read(object.get_str(hops::PROPERTY).unwrap_or_default()),
            args: command.arguments.clone(),
        })
    }

    /// Whether the client speaks of Enhanced RTMP at all.
    pub fn is_enhanced(&self) -> bool {
        !self.capabilities.is_empty()
    }
}

impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectRequest")
            .field("flash_ver", &self.flash_ver)
            .field("object_encoding", &self.object_encoding)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// How a publisher wants to be kept (§7.2.2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PublishKind {
    /// Not recorded; also anything that is missing or unknown.
    #[default]
    Live,
    /// Recorded to a new file.
    Record,
    /// Recorded to the end of the file.
    Append,
}

/// A publish command (§7.2.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// Message stream to answer on.
    pub stream_id: u32,
    /// Stream name as sent, with its query; often a key, and may be empty.
    pub name: Secret,
    /// Live, record or append.
    pub kind: PublishKind,
    pub(super) number: u64,
}

impl PublishRequest {
    pub(super) fn read(stream_id: u32, command: &Command, limits: &Limits) -> Result<Self> {
        let kind = command.argument(1).as_str().unwrap_or_default();
        let kind = match () {
            _ if kind.eq_ignore_ascii_case("record") => PublishKind::Record,
            _ if kind.eq_ignore_ascii_case("append") => PublishKind::Append,
            _ => PublishKind::Live,
        };
        Ok(PublishRequest { stream_id, name: name(command, limits)?, kind, number: 0 })
    }
}

/// A play command (§7.2.2.1).
#[derive(Clone, Debug, PartialEq)]
pub struct PlayRequest {
    /// Message stream to answer on.
    pub stream_id: u32,
    /// Stream name as sent, with its query.
    pub name: Secret,
    /// Seconds: -2 live or else recorded, -1 live only, from 0 on a recording. Some players send it in milliseconds
    /// (-2000, -1000), so that every negative number means live.
    pub start: f64,
    /// Seconds; negative is all of it.
    pub duration: f64,
    /// Whether an earlier playlist is to be dropped; answered with NetStream.Play.Reset.
    pub reset: bool,
    pub(super) number: u64,
}

impl PlayRequest {
    pub(super) fn read(stream_id: u32, command: &Command, limits: &Limits) -> Result<Self> {
        let number = |index, default| match command.argument(index).as_f64() {
            Some(number) if !number.is_nan() => number,
            _ => default,
        };
        let reset = match command.argument(3) {
            Value::Boolean(reset) => *reset,
            value => value.as_f64().is_some_and(|number| number != 0.0),
        };
        let (start, duration) = (number(1, -2.0), number(2, -1.0));
        Ok(PlayRequest { stream_id, name: name(command, limits)?, start, duration, reset, number: 0 })
    }
}

fn name(command: &Command, limits: &Limits) -> Result<Secret> {
    let name = command.argument(0).as_str().unwrap_or_default();
    bounded(name, "the stream name", limits.name).map(Secret::from)
}

fn bounded(text: &str, what: &'static str, limit: usize) -> Result<String> {
    if text.len() > limit {
        return Err(Error::from(ErrorKind::NameTooLong { what, limit: limit as u32 }));
    }
    Ok(text.to_owned())
}

/// What follows the host in a URL, without the slash.
fn path(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.split_once('/').map_or("", |(_, path)| path)
}
