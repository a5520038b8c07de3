//! `[[stream]]` and `[[output]]`.

use super::document::{Kind, Node};
use super::file::{Draft, Gathers, OutputAt};
use super::reader::{Reader, is_address, printable};
use super::record;
use super::{Conflict, Defaults, Missing, OutputRule, Pattern, Pull, StreamRule};
use crate::options::{Value, platforms};
use crate::secret::Secret;

impl Reader<'_> {
    fn pattern(&mut self, node: &Node) -> Option<Pattern> {
        let text = self.text(node, "\"live/show\", or \"live/*\"")?;
        if is_address(text) {
            self.wrong(
                &node.span,
                "a stream is app/name, without what follows a ?",
                "write \"live/show\", or \"live/*\"",
            );
            return None;
        }
        match Pattern::parse(text) {
            Ok(pattern) => {
                if pattern.words().len() == 1 {
                    let problem = format!("`{text}` is the app alone: streams below it have other names");
                    self.warn(
                        &node.span,
                        problem,
                        format!("write \"{text}/*\" for all of them, \"{text}/NAME\" for one"),
                    );
                }
                Some(pattern)
            }
            Err(problem) => {
                let text = printable(text.trim_matches('/'));
                let hint = if text.is_empty() { "live/show".to_owned() } else { text };
                self.wrong(
                    &node.span,
                    problem,
                    format!("write it as \"{hint}\", or with a * for any one part: \"live/*\""),
                );
                None
            }
        }
    }

    pub(super) fn stream(&mut self, node: &Node, draft: &mut Draft) {
        let Some(entries) = self.table(node, &record::STREAM) else { return };
        self.missing(entries, &record::STREAM, &node.span);
        let mut rule = StreamRule::default();
        let (mut name, mut name_at, mut pull_at) = (None, node.span.clone(), None);
        let number = draft.config.streams.len();
        for entry in entries {
            let value = &entry.value;
            match entry.name.as_str() {
                "name" => (name, name_at) = (self.pattern(value), value.span.clone()),
                "publish_key" => (rule.publish_keys, rule.publish_open) = self.publish_keys(value),
                "publish_user" => rule.publish_users = self.users_of(value, draft),
                "play_user" => rule.play_users = self.users_of(value, draft),
                "play_token" => rule.play_tokens = self.secret_list(value),
                "publish_from" => rule.publish_from = self.networks(value),
                "play_from" => rule.play_from = self.networks(value),
                "publish_conflict" => {
                    let refuse = self.choice(value, &["takeover", "refuse"]) == Some("refuse");
                    rule.conflict = if refuse { Conflict::Refuse } else { Conflict::Takeover };
                }
                "missing" => {
                    let wait = self.choice(value, &["refuse", "wait"]) == Some("wait");
                    rule.missing = if wait { Missing::Wait } else { Missing::Refuse };
                }
                "pull" => (rule.pull, pull_at) = (self.pull(value), Some(entry.span.clone())),
                "players" => {
                    for entry in self.table(value, &record::PLAYERS_OF).unwrap_or_default() {
                        rule.players.extend(self.record_option(entry, &record::PLAYERS_OF));
                    }
                    draft.keep_latency(value, Gathers::PlayersOf(number));
                }
                "policy" => {
                    rule.policy = self.policy(value);
                    draft.keep_latency(value, Gathers::OutputsOf(number));
                }
                "hooks" => rule.hooks = Some(self.hooks(value)),
                "alerts" => rule.alerts = Some(self.alerts(value, draft.config.alerts)),
                _ => self.unknown(entry, &record::STREAM, false),
            }
        }
        let Some(name) = name else { return };
        if let Some(at) = pull_at.filter(|_| !name.is_exact()) {
            let hint = "give each stream that is pulled a [[stream]] of its own, without *";
            self.wrong(&at, format!("`{name}` is a pattern, and a pull is one stream"), hint);
        }
        rule.name = name;
        draft.config.streams.push(rule);
        draft.streams.push(name_at);
    }

    /// The keys, and whether anybody may publish.
    fn publish_keys(&mut self, node: &Node) -> (Vec<Secret>, bool) {
        let is_none = |node: &Node| matches!(&node.kind, Kind::Text(text) if text == "none");
        if is_none(node) {
            self.show(node);
            return (Vec::new(), true);
        }
        let open = match &node.kind {
            Kind::List(list) => list.iter().find(|node| is_none(node)),
            _ => None,
        };
        if let Some(open) = open {
            self.show(open);
            let hint = "write publish_key = \"none\" alone, or the keys alone";
            self.wrong(&open.span, "\"none\" lets anybody publish, and stands here beside keys", hint);
            return (Vec::new(), true);
        }
        (self.secret_list(node), false)
    }

    fn pull(&mut self, node: &Node) -> Option<Pull> {
        if matches!(node.kind, Kind::Text(_)) {
            return Some(Pull { url: self.pull_url(node)?, options: Vec::new() });
        }
        let entries = self.table(node, &record::PULL)?;
        self.missing(entries, &record::PULL, &node.span);
        let (mut url, mut options) = (None, Vec::new());
        for entry in entries {
            match entry.name.as_str() {
                "url" => url = self.pull_url(&entry.value),
                _ => options.extend(self.record_option(entry, &record::PULL)),
            }
        }
        Some(Pull { url: url?, options })
    }

    pub(super) fn output(&mut self, node: &Node, draft: &mut Draft) {
        let Some(entries) = self.table(node, &record::OUTPUT) else { return };
        self.missing(entries, &record::OUTPUT, &node.span);
        let (mut name, mut stream, mut url, mut key) = (None, None, None, None);
        let mut at = OutputAt {
            name: node.span.clone(),
            stream: node.span.clone(),
            url: node.span.clone(),
            own: Defaults::default(),
        };
        let mut groups = Vec::new();
        for entry in entries {
            let value = &entry.value;
            match entry.name.as_str() {
                "name" => (name, at.name) = (self.name(value), value.span.clone()),
                "stream" => (stream, at.stream) = (self.pattern(value), value.span.clone()),
                "url" => (url, at.url) = (self.output_url(value), value.span.clone()),
                "key" => key = self.output_key(value),
                "groups" => groups = self.groups(value),
                "group" => {
                    self.show(value);
                    self.wrong(&entry.span, "an output may be in several groups", "write groups = [\"NAME\"]");
                }
                _ => self.default_of(entry, &record::OUTPUT, &mut at.own),
            }
        }
        if url.is_none() && !entries.iter().any(|entry| entry.name == "url") {
            url = self.platform_url(node, &at.own);
        }
        let (Some(name), Some(stream), Some(url)) = (name, stream, url) else { return };
        let below_app = url.expose().split_once("://").is_some_and(|(_, rest)| rest.matches('/').count() > 1);
        let named = key.is_some() || at.own.options.iter().any(|(name, _)| *name == "rtmp_playpath");
        let key_said = entries.iter().any(|entry| entry.name == "key");
        if url.expose().ends_with('/') && below_app && !url.expose().contains(['?', '#']) && !named && !key_said {
            self.wrong(&at.url, "the URL ends in a slash and there is no key", "add key = ..., or leave the slash out");
        }
        let rule = OutputRule {
            name: name.to_owned(),
            stream,
            url,
            key,
            options: Vec::new(),
            groups,
            auto_start: true,
            auto_stop: true,
        };
        draft.keep_latency(node, Gathers::Output(draft.config.outputs.len()));
        draft.config.outputs.push(rule);
        draft.outputs.push(at);
    }

    /// The URL of an output that names none: that of its platform.
    fn platform_url(&mut self, node: &Node, own: &Defaults) -> Option<Secret> {
        let named = own.options.iter().find_map(|(name, value)| match value {
            Value::Text(text) if *name == "platform" => platforms::find(text),
            _ => None,
        });
        let url = named.and_then(|platform| platform.url);
        match named {
            _ if self.broken => {}
            None => {
                let hint = "add url = ...: where to; or platform = \"twitch\" or another that has one URL for all";
                self.wrong(&node.span, "an output lacks its `url`", hint);
            }
            Some(platform) if url.is_none() => {
                let problem = format!("{} gives every channel a URL of its own", platform.title);
                self.wrong(&node.span, problem, format!("add url = ...; it stands in: {}", platform.found));
            }
            Some(_) => {}
        }
        url.map(|url| Secret::new(url.value))
    }

    /// A name for logs, API and metrics.
    fn name<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        let text = self.text(node, "a name in quotes")?;
        let right = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.len() > 64 || !text.chars().all(right) {
            let problem = format!("`{}` can't be a name", printable(text));
            self.wrong(&node.span, problem, "use letters, digits and - _ . , 64 at most");
            return None;
        }
        Some(text)
    }

    fn groups(&mut self, node: &Node) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for (node, text) in self.texts(node, "[\"main\"]") {
            if self.name(node).is_some() && !groups.iter().any(|group| group == text) {
                groups.push(text.to_owned());
            }
        }
        groups
    }
}
