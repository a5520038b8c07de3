//! What no single value shows: authentication, duplicates, loops, rules that nothing reaches, files that can't be read.

use std::net::IpAddr;

use outflow_rtmp::url::RtmpUrl;

use super::file::{Draft, Gathers};
use super::reader::{At, Reader};
use super::{Address, Config, OutputRule, StreamId, StreamRule};
use crate::options::suggest::did_you_mean;
use crate::options::{self, Options, latency, rtmp};
use crate::secret::Secret;

/// Longer chains of outputs into ourselves are not followed.
const LONGEST_CHAIN: usize = 16;

/// Everything, and the policies put into the outputs.
pub(super) fn all(draft: &mut Draft, reader: &mut Reader<'_>) {
    policies(draft);
    listeners(draft, reader);
    publishing(draft, reader);
    rules(draft, reader);
    logins(draft, reader);
    outputs(draft, reader);
    latencies(draft, reader);
    duplicates(draft, reader);
    loops(draft, reader);
    literal_secrets(reader);
}

/// What an output does not say comes from its stream's policy, then from `[policy]`.
fn policies(draft: &mut Draft) {
    let Draft { config, outputs, .. } = draft;
    for (number, at) in outputs.iter().enumerate() {
        let Some(stream) = config.outputs.get(number).map(|rule| rule.stream.clone()) else { continue };
        let merged = at.own.over(&config.defaults_for(&stream));
        if let Some(rule) = config.outputs.get_mut(number) {
            rule.auto_start = merged.auto_start.unwrap_or(true);
            rule.auto_stop = merged.auto_stop.unwrap_or(true);
            rule.options = merged.options;
        }
    }
}

fn listeners(draft: &Draft, reader: &mut Reader<'_>) {
    let listen = &draft.config.listen;
    if listen.rtmp.is_none() && listen.rtmps.is_none() {
        reader.wrong_at(
            draft.rtmp.clone(),
            "no port is left for publishers and players",
            "give [listen] rtmp or rtmps an address",
        );
    }
    let named = [(&listen.rtmp, &draft.rtmp), (&listen.rtmps, &draft.rtmps), (&listen.http, &draft.http)];
    for (number, (address, at)) in named.iter().enumerate() {
        let Some(address) = address.filter(|address| address.port != 0) else { continue };
        let before = named.iter().take(number).filter_map(|(other, _)| **other);
        if before.into_iter().any(|other| other.port == address.port && may_meet(other, address)) {
            let hint = "give each listener a port of its own";
            reader.wrong_at((*at).clone(), format!("port {} is taken by another listener", address.port), hint);
        }
    }
    match (&draft.config.tls, listen.rtmps) {
        (None, Some(_)) => {
            let hint = "add [tls] with cert = \"FILE\" and key = \"FILE\", both PEM";
            reader.wrong_at(draft.rtmps.clone(), "an RTMPS port wants a certificate", hint);
        }
        (Some(_), None) => {
            let hint = "add rtmps = \":1936\" to [listen], or remove [tls]";
            reader.warn_at(draft.cert.clone(), "there is a certificate and no RTMPS port", hint);
        }
        _ => {}
    }
    if let Some(tls) = &draft.config.tls {
        for (path, at, what) in [(&tls.cert, &draft.cert, "CERTIFICATE"), (&tls.key, &draft.key, "PRIVATE KEY")] {
            match reader.world.read(path) {
                Ok(text) if !text.contains(what) => {
                    let problem = format!("there is no {what} in the file");
                    reader.wrong_at(at.clone(), problem, "name a PEM file; it holds -----BEGIN lines");
                }
                Ok(_) => {}
                Err(error) => {
                    reader.wrong_at(
                        at.clone(),
                        format!("the file can't be read: {error}"),
                        "look at its name and permissions",
                    );
                }
            }
        }
    }
    if let Some(http) = listen.http.filter(|http| !http.is_loopback() && draft.config.api.token.is_none()) {
        let hint = format!(
            "add [api] with token = {{ env = \"API_TOKEN\" }}, set OUTFLOW_API_TOKEN, or listen on 127.0.0.1:{}",
            http.port
        );
        reader.wrong_at(draft.http.clone(), "other machines can reach the API, and it has no token", hint);
    }
}

/// True if two listeners on one port could not both be bound.
fn may_meet(one: Address, other: Address) -> bool {
    let any = |address: Address| address.ip.is_none_or(|ip| ip.is_unspecified());
    any(one) || any(other) || one.ip == other.ip
}

/// Publishing from other machines wants a key.
fn publishing(draft: &Draft, reader: &mut Reader<'_>) {
    let Config { listen, streams, hooks, .. } = &draft.config;
    let open = [(listen.rtmp, &draft.rtmp), (listen.rtmps, &draft.rtmps)];
    let Some((_, at)) = open.into_iter().find(|(address, _)| address.is_some_and(|address| !address.is_loopback()))
    else {
        return;
    };
    if streams.is_empty() {
        let hint = "add a rule that says who may publish:\n  \
                    [[stream]]\n  name = \"live/*\"\n  publish_key = { env = \"PUBLISH_KEY\" }\n  \
                    `outflow serve --init` writes a whole file; publish_key = \"none\" lets anybody publish";
        return reader.wrong_at(at.clone(), "other machines can reach this port, and there is no [[stream]]", hint);
    }
    for (rule, at) in streams.iter().zip(&draft.streams) {
        let asked = rule.hooks.as_ref().unwrap_or(hooks).on_publish.is_some();
        if rule.publish_keys.is_empty()
            && rule.publish_users.is_empty()
            && !rule.publish_open
            && !asked
            && rule.pull.is_none()
        {
            let problem = format!("anybody could publish `{}` from another machine", rule.name);
            let hint = "add publish_key = { env = \"PUBLISH_KEY\" }, a hook on_publish, or publish_key = \"none\" if that is meant";
            reader.wrong(at, problem, hint);
        }
    }
}

/// Peers are asked to log in before they have named their stream: of one app, all streams want it, or those that do not are
/// out of reach for who has no login.
fn logins(draft: &Draft, reader: &mut Reader<'_>) {
    let rules = || draft.config.streams.iter().zip(&draft.streams);
    let wants = |rule: &StreamRule| [!rule.publish_users.is_empty(), !rule.play_users.is_empty()];
    let apps = |rule: &StreamRule| rule.name.words().split_last().map(|(_, app)| app.to_vec()).unwrap_or_default();
    let meet = |one: &[String], two: &[String]| {
        one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one == two || one == "*" || two == "*")
    };
    for (rule, at) in rules().filter(|(rule, _)| rule.pull.is_none()) {
        let other = rules().find(|(other, _)| {
            let more = wants(other).into_iter().zip(wants(rule)).any(|(theirs, own)| theirs && !own);
            more && meet(&apps(rule), &apps(other))
        });
        if let Some((other, other_at)) = other {
            let line = reader.line_of(other_at);
            let problem = format!(
                "who publishes or plays `{}` has to log in too: `{}` of line {line} wants it, and has the same app",
                rule.name, other.name
            );
            reader.warn(at, problem, "name users here too, or give the streams that want a login an app of their own");
        }
    }
}

/// Rules that nothing reaches.
fn rules(draft: &Draft, reader: &mut Reader<'_>) {
    for (number, (rule, at)) in draft.config.streams.iter().zip(&draft.streams).enumerate() {
        let before = draft.config.streams.iter().zip(&draft.streams).take(number);
        if let Some((other, other_at)) = before.into_iter().find(|(other, _)| other.name.covers(&rule.name)) {
            let line = reader.line_of(other_at);
            let problem = format!("`{}` of line {line} fits first: this rule never counts", other.name);
            reader.warn(at, problem, "put the rule with fewer * first");
        }
    }
}

fn outputs(draft: &Draft, reader: &mut Reader<'_>) {
    let config = &draft.config;
    let names: Vec<String> = config.streams.iter().map(|rule| rule.name.to_string()).collect();
    for (number, (rule, at)) in config.outputs.iter().zip(&draft.outputs).enumerate() {
        let before = config.outputs.iter().zip(&draft.outputs).take(number);
        if let Some((_, other)) = before.into_iter().find(|(other, _)| other.name == rule.name) {
            let problem =
                format!("another output has the name `{}`, in line {}", rule.name, reader.line_of(&other.name));
            reader.wrong(&at.name, problem, "give each a name of its own");
        }
        let fits = config.streams.iter().any(|stream| stream.name.common(&rule.stream).is_some());
        if !config.streams.is_empty() && !fits {
            let problem = format!("no [[stream]] fits `{}`: this output never runs", rule.stream);
            let hint = did_you_mean(&rule.stream.to_string(), names.iter().map(String::as_str))
                .unwrap_or_else(|| "add the stream, or mend its name here".to_owned());
            reader.warn(&at.stream, problem, hint);
        }
        let filled = |text: &Secret| text.expose().contains("${app}") || text.expose().contains("${name}");
        if !rule.stream.is_exact() && !filled(&rule.url) && !rule.key.as_ref().is_some_and(filled) {
            let problem = format!("every stream of `{}` would be sent to one and the same place", rule.stream);
            reader.warn(&at.url, problem, "put ${name} into url or key, or name one stream");
        }
        let uses_name = |text: &Secret| super::template::uses(text.expose(), "name");
        if rule.stream.words().len() == 1 && (uses_name(&rule.url) || rule.key.as_ref().is_some_and(uses_name)) {
            let problem = format!("`{}` is an app alone: ${{name}} would be empty", rule.stream);
            reader.wrong(&at.url, problem, "write the stream as app/name");
        }
    }
}

/// What bytes are gathered for, beside how far their reader may fall behind. Each is told where it is said, not at every
/// output that has it from a policy.
fn latencies(draft: &Draft, reader: &mut Reader<'_>) {
    let config = &draft.config;
    for (at, whose) in &draft.latencies {
        let stream = |number: &usize| config.streams.get(*number);
        let (tables, said) = match whose {
            Gathers::All => (rtmp::PUSH, Some(config.policy.options.clone())),
            Gathers::OutputsOf(number) => {
                (rtmp::PUSH, stream(number).map(|rule| rule.policy.over(&config.policy).options))
            }
            Gathers::PlayersOf(number) => (rtmp::LISTEN_OUTPUT, stream(number).map(|rule| rule.players.clone())),
            Gathers::Output(number) => (rtmp::PUSH, config.outputs.get(*number).map(|rule| rule.options.clone())),
        };
        let mut options = Options::with_defaults(options::defaults(tables));
        for (name, value) in said.unwrap_or_default() {
            options.set(name, value);
        }
        if let Some((problem, hint)) = latency::doubt(&options) {
            reader.warn(at, format!("`latency` of {problem}"), hint);
        }
    }
}

/// Where an output leads, as servers see it.
#[derive(PartialEq, Eq)]
struct Goal {
    host: String,
    port: u16,
    app: String,
    name: String,
}

fn goal(rule: &OutputRule, id: &StreamId) -> Option<Goal> {
    let option = |wanted: &str| rule.options.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let app = match option("rtmp_app") {
        Some(crate::options::Value::Text(app)) => Some(app.as_str()),
        _ => None,
    };
    let name = match option("rtmp_playpath") {
        Some(crate::options::Value::Secret(name)) => Some(name.expose()),
        _ => None,
    };
    goal_of(rule.url_for(id).expose(), rule.key_for(id).as_ref().map(Secret::expose), app, name)
}

fn goal_of(url: &str, key: Option<&str>, app: Option<&str>, name: Option<&str>) -> Option<Goal> {
    let url = RtmpUrl::parse(url).ok()?;
    let target = url.target(key, app, name);
    let host = url.host_text().to_ascii_lowercase();
    Some(Goal { host, port: url.port_or_default(), app: target.app.to_string(), name: target.name.to_string() })
}

/// True for an output that leads to another place for each stream.
fn templated(rule: &super::OutputRule) -> bool {
    [Some(&rule.url), rule.key.as_ref()].into_iter().flatten().any(|text| text.expose().contains("${"))
}

/// Two outputs to the same place.
fn duplicates(draft: &Draft, reader: &mut Reader<'_>) {
    let outputs = &draft.config.outputs;
    for (number, (rule, at)) in outputs.iter().zip(&draft.outputs).enumerate() {
        for (other, other_at) in outputs.iter().zip(&draft.outputs).take(number) {
            // Two streams to one place are as wrong as one twice: a server takes one publisher for each name.
            let any = |pattern: &super::Pattern| pattern.common(pattern);
            let (one, two) = match rule.stream.common(&other.stream) {
                Some(id) => (goal(rule, &id), goal(other, &id)),
                // What templates make of other names can't be known.
                None if templated(rule) || templated(other) => continue,
                None => (
                    any(&rule.stream).and_then(|id| goal(rule, &id)),
                    any(&other.stream).and_then(|id| goal(other, &id)),
                ),
            };
            if one.is_some() && one == two {
                let line = reader.line_of(&other_at.url);
                let problem = format!("`{}` in line {line} sends to the same place", other.name);
                reader.wrong(&at.url, problem, "remove one of them, or give it another key");
                break;
            }
        }
    }
}

/// The stream of ours that this leads to, if it leads to us.
fn ours(config: &Config, goal: &Goal) -> Option<StreamId> {
    let host = goal.host.trim_matches(['[', ']']);
    let ip = if host == "localhost" { Some(IpAddr::from([127, 0, 0, 1])) } else { host.parse::<IpAddr>().ok() };
    let ip = ip?.to_canonical();
    let here = |address: &Address| {
        let own = address.ip.map(|ip| ip.to_canonical());
        let any = own.is_none_or(|own| own.is_unspecified());
        address.port == goal.port && (own == Some(ip) || (any && (ip.is_loopback() || ip.is_unspecified())))
    };
    let listen = [config.listen.rtmp, config.listen.rtmps];
    listen.iter().flatten().find(|address| here(address))?;
    // A key in the place of the name means the stream that it is the key of.
    let of_key = |rule: &&StreamRule| {
        rule.name.fits_app(&goal.app) && rule.publish_keys.iter().any(|key| key.matches(&goal.name))
    };
    let by_key = config.streams.iter().find(of_key).and_then(|rule| rule.name.exact());
    by_key.or_else(|| StreamId::of_peer(&goal.app, &goal.name))
}

/// Outputs and pulls that lead back to the stream that they come from.
fn loops(draft: &Draft, reader: &mut Reader<'_>) {
    let config = &draft.config;
    for (rule, at) in config.outputs.iter().zip(&draft.outputs) {
        let Some(start) = rule.stream.common(&rule.stream) else { continue };
        if leads_back(config, rule, &start) {
            let problem = "this leads back into the stream that it comes from";
            reader.wrong(&at.url, problem, "name another server, or another stream that no output sends back");
        }
    }
    for (rule, at) in config.streams.iter().zip(&draft.streams) {
        let (Some(pull), Some(id)) = (&rule.pull, rule.name.exact()) else { continue };
        let goal = goal_of(pull.url.expose(), None, None, None);
        if goal.and_then(|goal| ours(config, &goal)) == Some(id) {
            reader.wrong(at, "this stream is pulled from itself", "name another server, or another stream");
        }
    }
}

/// Follows a stream from one output into ourselves and on through others.
fn leads_back(config: &Config, rule: &OutputRule, start: &StreamId) -> bool {
    let mut seen = vec![start.clone()];
    let mut next: Vec<StreamId> = goal(rule, start).and_then(|goal| ours(config, &goal)).into_iter().collect();
    for _ in 0..LONGEST_CHAIN {
        let Some(id) = next.pop() else { return false };
        if id == *start || rule.stream.fits(&id) {
            return true;
        }
        if seen.contains(&id) {
            continue;
        }
        let onward = config.outputs.iter().filter(|other| other.stream.fits(&id));
        next.extend(onward.filter_map(|other| goal(other, &id).and_then(|goal| ours(config, &goal))));
        seen.push(id);
    }
    false
}

/// Keys in a file that others may read.
fn literal_secrets(reader: &mut Reader<'_>) {
    let Some(span) = reader.literal.clone() else { return };
    let mode = reader.world.mode(std::path::Path::new(reader.file));
    if let Some(mode) = mode.filter(|mode| mode & 0o077 != 0) {
        let problem =
            format!("there is a secret in this file, and others on this machine may read it (mode {mode:04o})");
        let hint =
            format!("chmod 600 {}, or keep the secret in {{ env = \"NAME\" }} or {{ file = \"PATH\" }}", reader.file);
        reader.warn_at(At::Span(span), problem, hint);
    }
}
