//! Mistakes that people make with URLs and shells, told before anything starts: empty variables, cut keys, wrong schemes.

use std::collections::BTreeSet;

use super::environment::Environment;
use super::scan::Direction;
use super::shown;
use super::split::Cut;
use super::unfilled::{self, unfilled};
use super::words::Reader;
use crate::error::SpecError;
use crate::graph::Role;
use crate::node::url::MASK;
use crate::node::{MediaUrl, Node};
use crate::options::latency;
use crate::options::suggest::{did_you_mean, nearest};

const QUOTES: &[char] = &['"', '\'', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '`'];

/// Looks at a URL as typed, before its kind is known.
pub(super) fn url(
    reader: &mut Reader<'_>,
    index: usize,
    head: &str,
    direction: Direction,
    url: &MediaUrl,
    cut: &Cut<'_>,
) {
    let raw = url.raw.expose();
    if url.scheme.is_none() && almost_url(&format!("{}{}{}", cut.head, cut.separator, cut.rest)) {
        let hint = "write it as rtmp://HOST/APP/KEY or rtmps://HOST/APP/KEY";
        return reader.fail(index, MASK, "this is not quite a URL", hint);
    }
    if let Some((problem, hint)) = written(raw) {
        // A URL spoilt by what stands around it can't be masked in parts: mask it whole.
        let head = if url.scheme.is_none() { MASK } else { head };
        return reader.fail(index, head, problem, hint);
    }
    if let Some(whole) = bare_ipv6(url, cut) {
        return reader.fail(
            index,
            whole.shown,
            "an IPv6 address stands in brackets",
            "write it as rtmp://[::1]:1935/live",
        );
    }
    match &url.scheme {
        None => plain(reader, index, head, direction, url),
        Some(scheme) if scheme == "file" => plain(reader, index, head, direction, url),
        Some(_) => {
            if let Some((problem, hint)) = url.authority_problem() {
                return reader.fail(index, head, problem, hint);
            }
            if let Some((problem, hint)) = unfilled_url(raw) {
                return reader.fail(index, head, problem, hint);
            }
            for text in suspicious(raw) {
                let warning = SpecError::new(text.0).hint(text.1);
                reader.warnings.push(warning.at(index, head));
            }
            if cut.separator.is_empty() && raw.ends_with(':') {
                reader.fail(index, head, "the URL ends in a colon", "write the port, or put :gpac: before the options");
            }
        }
    }
}

/// The whole word, if its host is an IPv6 address without brackets, which `::` would cut.
fn bare_ipv6(url: &MediaUrl, cut: &Cut<'_>) -> Option<MediaUrl> {
    let scheme = url.scheme.as_ref().filter(|_| cut.separator == "::")?;
    let whole = format!("{}{}{}", cut.head, cut.separator, cut.rest);
    let authority = whole.get(scheme.len() + 3..)?.split('/').next()?;
    authority.parse::<std::net::Ipv6Addr>().ok()?;
    Some(MediaUrl::output(&whole))
}

/// True for a URL whose scheme lacks a slash or colon, or that has none.
fn almost_url(whole: &str) -> bool {
    let lower = whole.to_ascii_lowercase();
    let rest = ["rtmps", "rtmp", "rtpm", "rtmpt"].into_iter().find_map(|scheme| lower.strip_prefix(scheme));
    rest.is_some_and(|rest| rest.starts_with([':', '/']) || rest.starts_with(";//"))
        || (lower.starts_with("//") && lower.matches('/').count() > 3)
}

/// What no URL or path may hold.
fn written(raw: &str) -> Option<(&'static str, &'static str)> {
    if raw.is_empty() {
        return Some((
            "the URL is empty",
            "is a shell variable in it unset? `url=env@VARIABLE` keeps it out of the command line",
        ));
    }
    if raw.chars().any(char::is_control) {
        return Some((
            "it holds a line break or another control character",
            "copy the URL again, without what stands around it",
        ));
    }
    if raw.trim() != raw {
        return Some(("it begins or ends with a space", "remove the space"));
    }
    if raw.starts_with(QUOTES) || (raw.contains("://") && raw.ends_with(QUOTES)) {
        return Some((
            "quotes are part of the URL",
            "quotes belong around the whole word, in the shell; -args files need none",
        ));
    }
    if raw.contains("://") && raw.contains(char::is_whitespace) {
        return Some((
            "it holds a space",
            "options follow the URL after `:gpac:`, each after a `:`; a space in a key is typed %20",
        ));
    }
    if ["env@", "fd@"].iter().any(|how| raw.starts_with(how)) {
        return Some(("a URL that stands elsewhere is written `url=env@NAME`", "put `url=` before it"));
    }
    None
}

/// The first part of a network URL that still waits for its value: a part of the path, or a value of the query.
fn unfilled_url(raw: &str) -> Option<(String, String)> {
    let (_, rest) = raw.split_once("://")?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    path.split('/').skip(1).chain(values).find_map(unfilled)
}

/// What works, but is hardly meant.
fn suspicious(raw: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = vec![];
    found.extend(unfilled::doubtful(raw));
    let (_, rest) = raw.split_once("://").unwrap_or_default();
    if rest.split(['?', '#']).next().unwrap_or(rest).split('/').skip(1).any(unfilled::is_example) {
        found.push(unfilled::EXAMPLE);
    }
    if raw.ends_with(['?', '&', '=']) {
        found.push(("its query ends early", "put the whole URL in quotes; is a shell variable in it unset?"));
    }
    let path = raw.split_once("://").map_or("", |(_, rest)| rest.split(['?', '#']).next().unwrap_or(rest));
    if path.contains("//") {
        found.push(("it holds two slashes in a row", "is a shell variable in it unset?"));
    }
    found
}

/// A local file or pipe.
fn plain(reader: &mut Reader<'_>, index: usize, head: &str, direction: Direction, url: &MediaUrl) {
    let Some(path) = url.path() else { return };
    let environment = reader.environment;
    let head = &shown::path(head);
    // `live.example.com/app/key`: a URL without its scheme; its end may be a key.
    let first = path.split('/').next().unwrap_or_default();
    let like_host = path.contains('/') && first.trim_matches('.').contains('.') && !environment.exists(first);
    if like_host {
        let hint = "write it as rtmp://HOST/APP/KEY; a path begins with `./` or `/`";
        return reader.fail(index, format!("{first}/{MASK}"), "this reads as a URL without its scheme", hint);
    }
    match direction {
        Direction::Source if !environment.exists(path) => {
            let error =
                SpecError::new("there is no such file").hint("look at its name and at the directory you are in");
            reader.missing.push(error.at(index, head));
        }
        Direction::Source if environment.is_directory(path) => {
            reader.fail(index, head, "it is a directory", "name one file in it");
        }
        Direction::Sink if environment.is_directory(path) => {
            reader.fail(index, head, "it is a directory", "name a file in it, as DIRECTORY/out.flv");
        }
        Direction::Sink => {
            let parent = path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty());
            if let Some(parent) = parent.filter(|parent| !environment.is_directory(parent)) {
                let error = SpecError::new(format!("there is no directory {parent}")).hint("make it first");
                reader.missing.push(error.at(index, head));
            }
        }
        Direction::Source => {}
    }
}

/// No kind takes this URL: problem and mend.
pub(super) fn unknown_scheme(url: &MediaUrl, direction: Direction) -> (String, String) {
    let known = match direction {
        Direction::Source => &["rtmp", "rtmps", "file", "http", "https", "srt", "udp", "rtsp"][..],
        Direction::Sink => &["rtmp", "rtmps", "file"][..],
    };
    let Some(scheme) = url.scheme.as_deref() else {
        let hint = match direction {
            Direction::Source => "sources are RTMP URLs, FLV and MP4 files, `-`, `pipe:N`, or what ffmpeg can open",
            Direction::Sink => "outputs are RTMP URLs, files that end in .flv, and `null`",
        };
        return ("nothing here can use it".into(), hint.into());
    };
    if matches!(scheme, "rtmpt" | "rtmpe" | "rtmpte" | "rtmpts" | "rtmfp") {
        return (format!("{scheme}:// is not offered"), "use rtmp:// or rtmps://".into());
    }
    let mend = match nearest(scheme, known.iter().copied()).filter(|near| *near != scheme) {
        Some(near) => format!("did you mean {near}://?"),
        None => format!("schemes here: {}", known.join(", ")),
    };
    let scheme = if scheme.len() <= 12 { scheme } else { MASK };
    (format!("nothing here takes {scheme}:// URLs"), mend)
}

/// Looks at a node whose options are known: what no option shows alone, and things that depend on whether it dials.
pub(super) fn node(reader: &mut Reader<'_>, role: Role, node: &Node) {
    if let Some((problem, hint)) = latency::doubt(&node.options) {
        reader.warnings.push(node.option_error("latency", problem).hint(hint));
    }
    let Some(url) = node.url.as_ref().filter(|url| url.is_rtmp()) else { return };
    if node.options.bool("rtmp_listen") {
        return;
    }
    if url.has_user() && !url.has_password() {
        let warning =
            node.error("there is a user in the URL and no password: a server that asks for a user will refuse");
        let hint = "write rtmp://USER:PASSWORD@HOST/APP, or leave the user out if the server takes a key";
        reader.warnings.push(warning.hint(hint));
    }
    let fail = |reader: &mut Reader<'_>, problem: &str, hint: &str| {
        reader.errors.push(node.error(problem).hint(hint));
    };
    if url.host().is_none_or(str::is_empty) {
        fail(
            reader,
            "there is no host to dial",
            "write rtmp://HOST/APP, or add `:gpac:rtmp_listen=1` to wait for peers here",
        );
    }
    let named = ["key", "rtmp_playpath"].iter().any(|name| node.options.is_set(name));
    let raw = url.raw.expose();
    let query = raw.contains(['?', '#']);
    let below_app = url.trimmed_path().is_some_and(|path| !path.is_empty());
    if role.is_sink() && raw.ends_with('/') && below_app && !query && !named {
        let hint = "add `:gpac:key=...` (key=env@VARIABLE, key=file@PATH), or leave the last slash out if the name really is empty";
        fail(reader, "the URL ends in a slash and no key follows: is a shell variable empty?", hint);
    }
}

/// A word that means nothing: problem and mend.
pub(super) fn stray_word(
    text: &str,
    name: &str,
    after_url: bool,
    names: &BTreeSet<&str>,
    environment: &dyn Environment,
) -> (String, String) {
    const REST: &str =
        "if it is the rest of the URL before it, the shell cut the URL there: put the whole word in quotes";
    let problem = "it is no word that is known here".to_owned();
    if text.is_empty() {
        return ("the word is empty".into(), "is a shell variable unset?".into());
    }
    if text.contains("://") {
        return ("a URL needs its direction".into(), "write `-i URL` for a source, `-o URL` for an output".into());
    }
    if let Some(near) = did_you_mean(name, names.iter().copied()) {
        return (problem, near);
    }
    if after_url || text.starts_with(['?', '&', '/']) || text.contains('&') {
        return (problem, REST.into());
    }
    if environment.exists(text) {
        return ("a file needs its direction".into(), "write `-i FILE` to send it".into());
    }
    if name == "url" || name.starts_with("key") {
        return (problem, "options follow their word after `:`, without a space".into());
    }
    let all = names.iter().copied().collect::<Vec<_>>().join(", ");
    (problem, format!("words without -i or -o: {all}, c=ENCODER; `outflow help` lists everything"))
}
