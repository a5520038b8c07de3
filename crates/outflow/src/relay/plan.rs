//! How an output is to be: a value, from the file, a request or a hook, that a sink can be made of.

use std::net::IpAddr;
use std::time::Duration;

use outflow_rtmp::url::RtmpUrl;

use super::Fault;
use crate::config::{OutputRule, StreamId};
use crate::error::SpecError;
use crate::node::{MediaUrl, Node};
use crate::options::{self, Options, Type, Value, value};
use crate::secret::Secret;
use crate::sink::{SINKS, Sink, SinkKind};

/// Whose an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    File,
    Api,
    Hook,
}

impl Origin {
    pub(super) fn name(self) -> &'static str {
        match self {
            Origin::File => "file",
            Origin::Api => "api",
            Origin::Hook => "hook",
        }
    }
}

/// How an output is to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) stream: StreamId,
    /// Where to, templates filled.
    pub(super) url: Secret,
    /// The key, templates filled.
    pub(super) key: Option<Secret>,
    pub(super) options: Vec<(&'static str, Value)>,
    pub(super) groups: Vec<String>,
    pub(super) auto_start: bool,
    pub(super) auto_stop: bool,
    pub(super) origin: Origin,
}

impl Plan {
    /// The output of a rule for one stream.
    pub(super) fn of_rule(rule: &OutputRule, stream: &StreamId) -> Self {
        let id = if rule.stream.is_exact() { rule.name.clone() } else { format!("{}@{stream}", rule.name) };
        Self {
            id,
            name: rule.name.clone(),
            stream: stream.clone(),
            url: rule.url_for(stream),
            key: rule.key_for(stream),
            options: rule.options.clone(),
            groups: rule.groups.clone(),
            auto_start: rule.auto_start,
            auto_stop: rule.auto_stop,
            origin: Origin::File,
        }
    }

    /// True if an output of the other plan need not be started anew to be one of this plan.
    pub(super) fn sends_like(&self, other: &Self) -> bool {
        (&self.url, &self.key, &self.options) == (&other.url, &other.key, &other.options)
    }

    /// Where to, as it may be shown.
    pub(super) fn shown(&self) -> String {
        MediaUrl::output(self.url.expose()).shown
    }

    /// `rtmp`, `rtmps`, `file`.
    pub(super) fn protocol(&self) -> String {
        MediaUrl::output(self.url.expose()).scheme.unwrap_or_else(|| "file".to_owned())
    }

    /// How long it is held back on purpose.
    pub(super) fn delay(&self) -> Duration {
        self.options
            .iter()
            .find_map(|(name, value)| match value {
                Value::Duration(time) if *name == "delay" => Some(*time),
                _ => None,
            })
            .unwrap_or_default()
    }

    fn kind(&self) -> Option<&'static SinkKind> {
        let url = MediaUrl::output(self.url.expose());
        SINKS.iter().copied().find(|kind| (kind.accepts)(&url, false))
    }

    /// The word that it would be on a command line.
    pub(super) fn node(&self) -> Option<(&'static SinkKind, Node)> {
        let kind = self.kind()?;
        let mut typed = Options::with_defaults(options::defaults(kind.options));
        for (name, value) in &self.options {
            typed.set(name, value.clone());
        }
        if let Some(key) = &self.key {
            typed.set("key", Value::Secret(key.clone()));
        }
        let node = Node {
            index: 0,
            word: format!("output {}", self.id),
            kind: kind.name,
            name: self.id.clone(),
            url: Some(MediaUrl::output(self.url.expose())),
            options: typed,
        };
        Some((kind, node))
    }

    /// Makes the sink; opens nothing.
    pub(super) fn open(&self) -> Result<(Box<dyn Sink>, Node), Fault> {
        let (kind, node) = self.node().ok_or_else(|| Fault::Invalid {
            field: "url".into(),
            problem: "no output goes there".into(),
            hint: Some("write rtmp://HOST/APP or rtmps://HOST/APP".into()),
        })?;
        let sink = (kind.open)(&node).map_err(|error| fault(&error))?;
        Ok((sink, node))
    }

    /// Where it leads, for comparing: the destination of two outputs is the same if these are.
    pub(super) fn destination(&self) -> Destination {
        let url = MediaUrl::output(self.url.expose());
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        // Key and URL as the server will see them, however they were divided.
        let target = RtmpUrl::parse(self.url.expose()).ok().map(|parsed| {
            let target = parsed.target(self.key.as_ref().map(Secret::expose), None, None);
            (target.app, target.name)
        });
        let (app, name) = target.unwrap_or_else(|| (String::new(), self.url.expose().to_owned()));
        Destination {
            secure: url.scheme.as_deref() == Some("rtmps"),
            host: if host == "localhost" { "127.0.0.1".into() } else { host },
            port: url.port().unwrap_or(0),
            app: Secret::new(app),
            name: Secret::new(name),
        }
    }
}

/// The word that an output of the file would be on a command line, for this stream.
pub fn word(rule: &OutputRule, stream: &StreamId) -> Option<(&'static SinkKind, Node)> {
    Plan::of_rule(rule, stream).node().map(|(kind, node)| (kind, Node { name: rule.name.clone(), ..node }))
}

/// Where an output leads. App and name may be secret: compared, never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Destination {
    secure: bool,
    host: String,
    port: u16,
    app: Secret,
    name: Secret,
}

impl Destination {
    /// True if it is this stream at one of our own ports: `ours` tells address, port and whether through TLS.
    pub(super) fn is_own(&self, stream: &StreamId, ours: &[(std::net::SocketAddr, bool)]) -> bool {
        let Ok(ip) = self.host.parse::<IpAddr>() else { return false };
        let reaches = |address: &std::net::SocketAddr| {
            address.port() == self.port
                && (address.ip() == ip || (address.ip().is_unspecified() && ip.to_canonical().is_loopback()))
        };
        let here = ours.iter().any(|(address, secure)| *secure == self.secure && reaches(address));
        here && StreamId::of_peer(self.app.expose(), self.name.expose()).as_ref() == Some(stream)
    }
}

/// A mistake in a word, as the fault of a request.
pub(super) fn fault(error: &SpecError) -> Fault {
    Fault::Invalid {
        field: error.field.clone().unwrap_or_else(|| "url".into()),
        problem: error.problem.clone(),
        hint: error.hint.clone(),
    }
}

/// Types an option of the push record, as a request has it.
pub(super) fn typed(name: &str, given: &serde_json::Value) -> Result<(&'static str, Value), Fault> {
    let field = format!("options.{name}");
    let invalid = |problem: String, hint: Option<String>| Fault::Invalid { field: field.clone(), problem, hint };
    let spec = options::find(options::rtmp::PUSH, name).filter(|spec| !spec.ignored && offered(spec.name));
    let Some(spec) = spec else {
        let known = options::rtmp::PUSH.iter().copied().flatten().filter(|spec| !spec.ignored && offered(spec.name));
        let hint = options::suggest::did_you_mean(name, known.map(|spec| spec.name));
        return Err(invalid("no such option".into(), hint));
    };
    let text = match given {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(value) => value.to_string(),
        serde_json::Value::Array(items) if spec.ty == Type::List => {
            let texts: Option<Vec<&str>> = items.iter().map(serde_json::Value::as_str).collect();
            texts.ok_or_else(|| invalid("a list of texts is wanted".into(), None))?.join(",")
        }
        _ => return Err(invalid(format!("{} is wanted", value::describe(spec.ty)), None)),
    };
    // On a command line the mistake is quoted; in an answer of the API it may be a key in the wrong place.
    if spec.ty == Type::Secret && names_a_place(&text) {
        return Err(invalid("the API reads no files and no environment".into(), Some("give the text itself".into())));
    }
    let value = value::parse(spec.ty, &text).map_err(|error| {
        let hint = error.hint.filter(|hint| !hint.contains(&text));
        invalid(format!("{} is wanted", value::describe(spec.ty)), hint)
    })?;
    Ok((spec.name, value))
}

/// True for what the command line and the file would fetch from elsewhere; a request may not have that done.
pub(super) fn names_a_place(text: &str) -> bool {
    ["file@", "env@", "fd@"].iter().any(|start| text.starts_with(start))
}

/// Options that a request may set: those that name files, or that are fields of their own, are not of them.
fn offered(name: &str) -> bool {
    !matches!(name, "ca" | "key" | "name" | "rtmp_listen" | "rtmp_conn")
}
