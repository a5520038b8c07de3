//! The sections of a file that are there once: addresses, certificate, API, limits, policy, hooks.

use std::time::Duration;

use super::document::{Entry, Kind, Node};
use super::reader::{At, Reader};
use super::record::{self, Section};
use super::values::DefaultPort;
use super::{Api, Config, Defaults, Hook, HookForm, Hooks, Limits, Tls};
use crate::limits;
use crate::monitor::alerts::Thresholds;
use crate::options::{self, Value, known};

/// The longest time that an alert may wait for.
const LONGEST_ALERT: Duration = Duration::from_secs(24 * 3600);

/// A configuration on its way, and where its parts stand.
pub(super) struct Draft {
    pub(super) config: Config,
    /// Where each address was said; the file as a whole where it is a default.
    pub(super) rtmp: At,
    pub(super) rtmps: At,
    pub(super) http: At,
    pub(super) cert: At,
    pub(super) key: At,
    /// For each rule, where its name stands.
    pub(super) streams: Vec<std::ops::Range<usize>>,
    /// For each output, where name and URL stand.
    pub(super) outputs: Vec<OutputAt>,
    /// Where `latency`, or `max_lag` alone, is said, and for whom.
    pub(super) latencies: Vec<(std::ops::Range<usize>, Gathers)>,
}

/// For whom a `latency` is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathers {
    /// Every output.
    All,
    /// The outputs of the stream of this number.
    OutputsOf(usize),
    /// Its players.
    PlayersOf(usize),
    /// The output of this number.
    Output(usize),
}

/// Where the parts of an output stand.
pub(super) struct OutputAt {
    pub(super) name: std::ops::Range<usize>,
    pub(super) stream: std::ops::Range<usize>,
    pub(super) url: std::ops::Range<usize>,
    /// What it says itself; the rest comes from policies.
    pub(super) own: Defaults,
}

impl Draft {
    /// Without a file: RTMP and the API on loopback.
    pub(super) fn new() -> Self {
        let nowhere = || At::Named("the default".to_owned());
        Self {
            config: Config::initial(),
            rtmp: nowhere(),
            rtmps: nowhere(),
            http: nowhere(),
            cert: nowhere(),
            key: nowhere(),
            streams: Vec::new(),
            outputs: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Keeps where this table says `latency` or `max_lag`, if it does.
    pub(super) fn keep_latency(&mut self, table: &Node, whose: Gathers) {
        let Kind::Table(entries) = &table.kind else { return };
        let said = |name: &str| entries.iter().find(|entry| entry.name == name);
        let place = said("latency").or_else(|| said("max_lag")).map(|entry| entry.value.span.clone());
        self.latencies.extend(place.map(|place| (place, whose)));
    }
}

impl Reader<'_> {
    /// The whole file.
    pub(super) fn file(&mut self, root: &Node) -> Draft {
        let mut draft = Draft::new();
        let Kind::Table(entries) = &root.kind else { return draft };
        if let Some(entry) = entries.iter().find(|entry| entry.name == "secrets") {
            self.named_secrets(&entry.value);
        }
        if let Some(entry) = entries.iter().find(|entry| entry.name == "users") {
            self.users(&entry.value, &mut draft);
        }
        // Streams begin with it, wherever it stands.
        if let Some(entry) = entries.iter().find(|entry| entry.name == "alerts") {
            draft.config.alerts = self.alerts(&entry.value, draft.config.alerts);
        }
        for entry in entries {
            let value = &entry.value;
            match entry.name.as_str() {
                "secrets" | "users" | "alerts" => {}
                "state_file" => draft.config.state_file = self.path(value),
                "drain" => draft.config.drain = self.duration(value).unwrap_or(draft.config.drain),
                "listen" => self.listen(value, &mut draft),
                "tls" => self.tls(value, &mut draft),
                "api" => draft.config.api = self.api(value),
                "limits" => draft.config.limits = self.limits(value),
                "policy" => {
                    draft.config.policy = self.policy(value);
                    draft.keep_latency(value, Gathers::All);
                }
                "hooks" => draft.config.hooks = self.hooks(value),
                "stream" => {
                    for node in self.tables(entry, "stream") {
                        self.stream(node, &mut draft);
                    }
                }
                "output" => {
                    for node in self.tables(entry, "output") {
                        self.output(node, &mut draft);
                    }
                }
                _ => self.unknown(entry, &record::FILE, false),
            }
        }
        draft
    }

    /// The tables of `[[name]]`.
    fn tables<'n>(&mut self, entry: &'n Entry, name: &str) -> Vec<&'n Node> {
        let mend = format!("write [[{name}]], with two brackets, above each of them");
        match &entry.value.kind {
            Kind::List(list) => {
                let is_table = |node: &&Node| matches!(node.kind, Kind::Table(_));
                for node in list.iter().filter(|node| !is_table(node)) {
                    self.wrong(&node.span, format!("this is {}, where a table is wanted", node.sort()), mend.clone());
                }
                list.iter().filter(is_table).collect()
            }
            _ => {
                self.wrong(&entry.span, format!("there may be several of `{name}`"), mend);
                Vec::new()
            }
        }
    }

    fn listen(&mut self, node: &Node, draft: &mut Draft) {
        let Some(entries) = self.table(node, &record::LISTEN) else { return };
        for entry in entries {
            let at = At::Span(entry.value.span.clone());
            let (slot, place, port) = match entry.name.as_str() {
                "rtmp" => (&mut draft.config.listen.rtmp, &mut draft.rtmp, DefaultPort::Rtmp),
                "rtmps" => (&mut draft.config.listen.rtmps, &mut draft.rtmps, DefaultPort::Rtmps),
                "http" => (&mut draft.config.listen.http, &mut draft.http, DefaultPort::Http),
                _ => {
                    self.unknown(entry, &record::LISTEN, false);
                    continue;
                }
            };
            if let Some(address) = self.address(&entry.value, port) {
                (*slot, *place) = (address, at);
            }
        }
    }

    fn tls(&mut self, node: &Node, draft: &mut Draft) {
        let Some(entries) = self.table(node, &record::TLS) else { return };
        self.missing(entries, &record::TLS, &node.span);
        let (mut cert, mut key) = (None, None);
        for entry in entries {
            let at = At::Span(entry.value.span.clone());
            match entry.name.as_str() {
                "cert" => (cert, draft.cert) = (self.path(&entry.value), at),
                "key" => (key, draft.key) = (self.path(&entry.value), at),
                _ => self.unknown(entry, &record::TLS, false),
            }
        }
        if let (Some(cert), Some(key)) = (cert, key) {
            draft.config.tls = Some(Tls { cert, key });
        }
    }

    fn api(&mut self, node: &Node) -> Api {
        let mut api = Api::default();
        for entry in self.table(node, &record::API).unwrap_or_default() {
            match entry.name.as_str() {
                "token" => api.token = self.secret(&entry.value),
                "hosts" => {
                    for (node, host) in self.texts(&entry.value, "[\"relay.example\"]") {
                        if host.is_empty() || host.contains(['/', ' ', '*']) {
                            self.wrong(&node.span, "this is no host name", "write it as \"relay.example\"");
                        } else {
                            api.hosts.push(host.to_owned());
                        }
                    }
                }
                _ => self.unknown(entry, &record::API, false),
            }
        }
        api
    }

    fn limits(&mut self, node: &Node) -> Limits {
        let mut limits = Limits::default();
        for entry in self.table(node, &record::LIMITS).unwrap_or_default() {
            let (slot, least) = match entry.name.as_str() {
                "http_connections_per_address" => (&mut limits.http_connections_per_address, 1),
                "streams" => (&mut limits.streams, 1),
                "outputs" => (&mut limits.outputs, 0),
                "players_per_stream" => (&mut limits.players_per_stream, 0),
                "rtmp" => {
                    for entry in self.table(&entry.value, &record::RTMP_LIMITS).unwrap_or_default() {
                        self.limit(entry, &limits::RTMP, &record::RTMP_LIMITS, &mut limits.peers);
                    }
                    continue;
                }
                _ => {
                    self.limit(entry, &limits::OURS, &record::LIMITS, &mut limits.peers);
                    continue;
                }
            };
            if let Some(count) = self.count(&entry.value, least, 1 << 20) {
                *slot = usize::try_from(count).unwrap_or(usize::MAX);
            }
        }
        limits
    }

    /// One limit of a table of them.
    fn limit(
        &mut self,
        entry: &Entry,
        table: &'static [limits::Spec],
        section: &'static Section,
        into: &mut limits::Limits,
    ) {
        let Some(spec) = table.iter().find(|spec| spec.name == entry.name) else {
            return self.unknown(entry, section, false);
        };
        let value = match spec.unit {
            limits::Unit::Count => self.count(&entry.value, 0, u64::MAX),
            limits::Unit::Duration => self.duration(&entry.value).map(limits::millis),
        };
        let Some(value) = value else { return };
        match spec.check(value) {
            Ok(()) => (spec.set)(into, value),
            Err((problem, hint)) => self.wrong(&entry.value.span, problem, hint),
        }
    }

    /// `[alerts]`, and those of a stream, which say nothing of what `others` say.
    pub(super) fn alerts(&mut self, node: &Node, others: Thresholds) -> Thresholds {
        let mut own = others;
        for entry in self.table(node, &record::ALERTS).unwrap_or_default() {
            let value = &entry.value;
            let times = match entry.name.as_str() {
                "key_frame_interval" => &mut own.key_frame_interval,
                "no_audio" => &mut own.no_audio,
                "not_sending" => &mut own.not_sending,
                "delay" => &mut own.delay,
                "session" => &mut own.session,
                "hold" => &mut own.hold,
                "clear" => &mut own.clear,
                name => {
                    match name {
                        "bitrate_above" => own.bitrate_above = self.count(value, 0, 1 << 40).unwrap_or(0),
                        "bitrate_below" => own.bitrate_below = self.count(value, 0, 1 << 40).unwrap_or(0),
                        "skips" => own.skips = self.count(value, 0, 100).unwrap_or(0),
                        "platforms" => own.platforms = self.bool(value).unwrap_or(true),
                        _ => self.unknown(entry, &record::ALERTS, false),
                    }
                    continue;
                }
            };
            match self.duration(value) {
                Some(time) if time > LONGEST_ALERT => {
                    self.wrong(
                        &value.span,
                        "a time of an alert is a day at most",
                        "write \"10s\", or 0 to turn it off",
                    );
                }
                time => *times = time.unwrap_or(*times),
            }
        }
        if own.bitrate_above > 0 && own.bitrate_below >= own.bitrate_above {
            let hint = "let bitrate_below be less than bitrate_above";
            self.wrong(
                &node.span,
                "no bitrate is above the one and below the other: an alert would always be raised",
                hint,
            );
        }
        own
    }

    /// `[policy]`, and that of a stream.
    pub(super) fn policy(&mut self, node: &Node) -> Defaults {
        let mut policy = Defaults::default();
        let Some(entries) = self.table(node, &record::POLICY) else { return policy };
        for entry in entries {
            self.default_of(entry, &record::POLICY, &mut policy);
        }
        policy
    }

    /// What both a policy and an output may say.
    pub(super) fn default_of(&mut self, entry: &Entry, section: &Section, defaults: &mut Defaults) {
        match entry.name.as_str() {
            "auto_start" => defaults.auto_start = self.bool(&entry.value),
            "auto_stop" => defaults.auto_stop = self.bool(&entry.value),
            _ => {
                if let Some(option) = self.record_option(entry, section) {
                    defaults.options.push(option);
                }
            }
        }
    }

    /// An entry that is none of the section's own fields.
    pub(super) fn record_option(&mut self, entry: &Entry, section: &Section) -> Option<(&'static str, Value)> {
        let tables = section.options.tables();
        let spec = options::find(tables, &entry.name).filter(|spec| {
            // A field of the section that has another name here.
            !section.fields.iter().any(|field| field.name == spec.name)
        });
        let Some(spec) = spec else {
            match known::MENDED.iter().find(|(name, _)| *name == entry.name) {
                Some((name, mend)) => {
                    let problem = format!("there is no `{name}` in {}", section.what);
                    self.wrong(&entry.span, problem, *mend);
                }
                None => self.unknown(entry, section, false),
            }
            return None;
        };
        if let Some(mend) = section.options.refused(spec.name) {
            self.wrong(&entry.span, format!("there is no `{}` in {}", spec.name, section.what), mend);
            return None;
        }
        if spec.ignored {
            self.warn(&entry.span, format!("`{}` has no effect: {}", spec.name, spec.help), "leave it out");
            return None;
        }
        Some((spec.name, self.option(spec, &entry.value)?))
    }

    /// `[hooks]`, and those of a stream.
    pub(super) fn hooks(&mut self, node: &Node) -> Hooks {
        let mut hooks = Hooks::default();
        for entry in self.table(node, &record::HOOKS).unwrap_or_default() {
            let slot = match entry.name.as_str() {
                "on_publish" => &mut hooks.on_publish,
                "on_play" => &mut hooks.on_play,
                "on_done" => &mut hooks.on_done,
                "on_forward" => &mut hooks.on_forward,
                "on_alert" => &mut hooks.on_alert,
                _ => {
                    self.unknown(entry, &record::HOOKS, false);
                    continue;
                }
            };
            *slot = self.hook(&entry.value);
        }
        hooks
    }

    fn hook(&mut self, node: &Node) -> Option<Hook> {
        let mut hook = Hook {
            url: "".into(),
            form: HookForm::Srs,
            timeout: Duration::from_secs(3),
            retries: 1,
            allow_on_failure: false,
        };
        if matches!(node.kind, Kind::Text(_)) {
            hook.url = self.http_url(node)?;
            return Some(hook);
        }
        let entries = self.table(node, &record::HOOK)?;
        self.missing(entries, &record::HOOK, &node.span);
        let mut url = None;
        for entry in entries {
            let value = &entry.value;
            match entry.name.as_str() {
                "url" => url = self.http_url(value),
                "form" if self.choice(value, &["srs", "nginx"]) == Some("nginx") => hook.form = HookForm::Nginx,
                "form" => {}
                "timeout" => match self.duration(value) {
                    Some(time) if time.is_zero() || time > Duration::from_secs(60) => {
                        self.wrong(&value.span, "a hook is waited for 1ms to 60s", "write \"3s\"");
                    }
                    time => hook.timeout = time.unwrap_or(hook.timeout),
                },
                "retries" => {
                    let retries = self.count(value, 0, 100).and_then(|count| u32::try_from(count).ok());
                    hook.retries = retries.unwrap_or(hook.retries);
                }
                "on_failure" => {
                    hook.allow_on_failure = self.choice(value, &["refuse", "allow"]) == Some("allow");
                }
                _ => self.unknown(entry, &record::HOOK, false),
            }
        }
        hook.url = url?;
        Some(hook)
    }
}
