//! URLs as the words have them: kept byte for byte, shown without their secrets, and told apart by host, port and path.

use std::net::IpAddr;

use super::MediaUrl;
use crate::secret::Secret;

/// What stands for a secret in shown text.
pub const MASK: &str = "****";

/// Schemes whose path holds no key, so that it may be shown.
const OPEN_PATH: &[&str] = &["file", "http", "https", "pipe", "rtp", "rtsp", "srt", "tcp", "udp"];

/// The length of `scheme` in `scheme://...`, if the text begins so.
pub fn scheme_length(text: &str) -> Option<usize> {
    let end = text.find("://")?;
    let scheme = text.get(..end)?;
    let right = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    right.then_some(end)
}

/// The parts of a network URL, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    user: Option<&'a str>,
    /// Without brackets.
    host: &'a str,
    bracketed: bool,
    /// What follows the host and its colon.
    port: Option<&'a str>,
    /// From the first slash on; no query, no fragment.
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

/// Splits what follows `scheme://`.
fn split(rest: &str) -> Parts<'_> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (host, bracketed, after) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, after)) => (host, true, after.strip_prefix(':').or((!after.is_empty()).then_some(after))),
        None => match place.split_once(':') {
            Some((host, port)) => (host, false, Some(port)),
            None => (place, false, None),
        },
    };
    let (tail, fragment) = match tail.split_once('#') {
        Some((tail, fragment)) => (tail, Some(fragment)),
        None => (tail, None),
    };
    let (path, query) = match tail.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (tail, None),
    };
    Parts { user, host, bracketed, port: after, path, query, fragment }
}

/// The path with the stream name masked: everything after the last app component.
fn masked_path(path: &str) -> String {
    let name_at = path.trim_end_matches('/').rfind('/').filter(|slash| *slash > 0);
    match name_at {
        Some(slash) => format!("{}/{MASK}", path.get(..slash).unwrap_or_default()),
        None => path.to_owned(),
    }
}

impl MediaUrl {
    /// Takes a URL, path or pipe as typed.
    pub fn new(raw: &str) -> Self {
        Self::with(raw, OPEN_PATH)
    }

    /// The same for where media is sent to: there the end of a path may be a key, whatever the scheme.
    pub fn output(raw: &str) -> Self {
        Self::with(raw, &[])
    }

    fn with(raw: &str, open: &[&str]) -> Self {
        let length = scheme_length(raw);
        let scheme = length.and_then(|end| raw.get(..end)).map(str::to_ascii_lowercase);
        let shown = match (&scheme, length.and_then(|end| raw.get(end + 3..))) {
            (Some(scheme), Some(rest)) if scheme != "file" => shown(scheme, rest, open),
            _ => raw.to_owned(),
        };
        Self { scheme, raw: Secret::new(raw), shown }
    }

    /// True for `rtmp://` and `rtmps://`.
    pub fn is_rtmp(&self) -> bool {
        matches!(self.scheme.as_deref(), Some("rtmp" | "rtmps"))
    }

    /// The local file that this names: a plain path, or that of `file://`. `None` for other schemes, `-`,
    /// `pipe:N` and the test sources of ffmpeg (`lavfi:...`).
    pub fn path(&self) -> Option<&str> {
        let raw = self.raw.expose();
        match self.scheme.as_deref() {
            None if raw == "-" || raw.starts_with("pipe:") || raw.starts_with("lavfi:") => None,
            None => Some(raw),
            Some("file") => raw.get("file://".len()..),
            Some(_) => None,
        }
    }

    /// The host without brackets; empty where the URL names none (`rtmp://:1935/live`), `None` without a scheme.
    pub fn host(&self) -> Option<&str> {
        self.parts().map(|parts| parts.host)
    }

    /// True where user or password stand before the host.
    pub fn has_user(&self) -> bool {
        self.parts().is_some_and(|parts| parts.user.is_some())
    }

    /// True where a password stands before the host.
    pub fn has_password(&self) -> bool {
        self.parts().and_then(|parts| parts.user).is_some_and(|user| user.contains(':'))
    }

    /// The port, or the default one of `rtmp` (1935) and `rtmps` (443, as FFmpeg and OBS dial it); `None` if there is none or it is wrong.
    pub fn port(&self) -> Option<u16> {
        match self.parts()?.port {
            Some(port) => parse_port(port),
            None if self.scheme.as_deref() == Some("rtmps") => Some(443),
            None => Some(1935),
        }
    }

    /// The path without slashes at its ends, query and fragment. May hold a key.
    pub fn trimmed_path(&self) -> Option<&str> {
        self.parts().map(|parts| parts.path.trim_matches('/'))
    }

    /// What is wrong with host and port, if something is: problem and mend.
    pub fn authority_problem(&self) -> Option<(String, &'static str)> {
        const ESCAPE: &str = "put `:gpac:` between the URL and its options";
        let parts = self.parts()?;
        if parts.host.contains('[') || parts.host.contains(']') {
            return Some(("the IPv6 address has no closing bracket".into(), "write it as rtmp://[::1]:1935/live"));
        }
        if parts.bracketed && parts.host.split('%').next().is_none_or(|ip| ip.parse::<IpAddr>().is_err()) {
            return Some(("the text in brackets is not an IPv6 address".into(), "write it as rtmp://[::1]:1935/live"));
        }
        let port = parts.port?;
        if parse_port(port).is_some() {
            return None;
        }
        if !parts.bracketed
            && port.matches(':').count() > 0
            && format!("{}:{port}", parts.host).parse::<IpAddr>().is_ok()
        {
            return Some(("an IPv6 address stands in brackets".into(), "write it as rtmp://[::1]:1935/live"));
        }
        if port.is_empty() {
            return Some(("the port is missing after the colon".into(), "write the port, or leave the colon out"));
        }
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some((format!("port {port} is not between 1 and 65535"), "choose a port between 1 and 65535"));
        }
        if parts.user.is_none() && parts.path.contains('@') {
            return Some(("what follows the host is not a port".into(), "write a `/` in a password as %2F"));
        }
        Some(("what follows the host is not a port".into(), ESCAPE))
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let scheme = self.scheme.as_ref()?;
        Some(split(self.raw.expose().get(scheme.len() + 3..)?))
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|port| *port > 0)
}

fn shown(scheme: &str, rest: &str, open_path: &[&str]) -> String {
    let parts = split(rest);
    // A `/` in a password that is not written as %2F: what looks like host and port are its beginning.
    if parts.user.is_none() && parts.port.is_some() && parts.path.contains('@') {
        return format!("{scheme}://{MASK}@{MASK}");
    }
    let mut shown = format!("{scheme}://");
    if parts.user.is_some() {
        shown.push_str(MASK);
        shown.push('@');
    }
    let (open, close) = if parts.bracketed { ("[", "]") } else { ("", "") };
    shown.push_str(&format!("{open}{}{close}", parts.host));
    match parts.port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => shown.push_str(&format!(":{port}")),
        Some(_) => shown.push_str(&format!(":{MASK}")),
        None => {}
    }
    if open_path.contains(&scheme) {
        shown.push_str(parts.path);
    } else if OPEN_PATH.contains(&scheme) && parts.path.trim_matches('/').find('/').is_none() {
        // These schemes have no app that could stand before the key.
        shown.push_str(if parts.path.trim_matches('/').is_empty() { parts.path } else { "/****" });
    } else {
        shown.push_str(&masked_path(parts.path));
    }
    if parts.query.is_some() {
        shown.push_str(&format!("?{MASK}"));
    }
    if parts.fragment.is_some() {
        shown.push_str(&format!("#{MASK}"));
    }
    shown
}

/// True for addresses that only this machine reaches, and for every address.
pub fn is_local(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || ip.is_unspecified(),
        Err(_) => host.is_empty() || host.eq_ignore_ascii_case("localhost"),
    }
}

/// True where a listener on this host takes every address.
pub fn is_any(host: &str) -> bool {
    host.is_empty() || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn urls_are_shown_without_their_secrets() {
        for (raw, shown) in [
            ("rtmp://h/live/k3y", "rtmp://h/live/****"),
            ("rtmp://h:1936/live/k3y?token=a:b", "rtmp://h:1936/live/****?****"),
            ("rtmp://h/app/inst/k3y", "rtmp://h/app/inst/****"),
            ("rtmp://h/live", "rtmp://h/live"),
            ("rtmp://h/live/", "rtmp://h/live/"),
            ("rtmp://h/live/k3y/", "rtmp://h/live/****"),
            ("rtmps://h:443/live2?backup=k3y", "rtmps://h:443/live2?****"),
            ("rtmp://u:k3y@h/live/k3y", "rtmp://****@h/live/****"),
            ("rtmp://u:k3y@[::1]:1/live/k3y", "rtmp://****@[::1]:1/live/****"),
            ("rtmp://u:12/k3y@h:1935/live/k3y", "rtmp://****@****"),
            ("rtmp://u:k3y/k3y@h/live/k3y", "rtmp://****@****"),
            ("rtmp://h/path#k3y", "rtmp://h/path#****"),
            ("rtmp://[::1]:1935/live/k3y", "rtmp://[::1]:1935/live/****"),
            ("rtmp://:1935/live", "rtmp://:1935/live"),
            ("rtmp://h:8889", "rtmp://h:8889"),
            ("rtmp://h:8889:k3y", "rtmp://h:****"),
            ("RTMP://h/live/k3y", "rtmp://h/live/****"),
            ("rtpm://h/live/k3y", "rtpm://h/live/****"),
            ("https://h/a/b.m3u8?t=k3y", "https://h/a/b.m3u8?****"),
            ("srt://h:1?passphrase=k3y", "srt://h:1?****"),
            ("out/x.flv", "out/x.flv"),
            ("file:///tmp/x.flv", "file:///tmp/x.flv"),
            ("-", "-"),
        ] {
            assert_eq!(MediaUrl::new(raw).shown, shown, "{raw}");
            assert!(!format!("{:?}", MediaUrl::new(raw)).contains("k3y"));
        }
    }

    #[test]
    fn outputs_of_every_scheme_are_shown_without_the_end_of_their_path() {
        for (raw, shown) in [
            ("http://h/app/k3y", "http://h/app/****"),
            ("https://h/k3y", "https://h/****"),
            ("https://h/k3y/", "https://h/****"),
            ("rtsp://h:554/a/b/k3y?x=1", "rtsp://h:554/a/b/****?****"),
            ("srt://h:9000", "srt://h:9000"),
            ("srt://h:9000/", "srt://h:9000/"),
            ("rtmp://h/live", "rtmp://h/live"),
            ("rtmp://h/live/k3y", "rtmp://h/live/****"),
            ("out/x.flv", "out/x.flv"),
        ] {
            assert_eq!(MediaUrl::output(raw).shown, shown, "{raw}");
        }
    }

    #[test]
    fn host_port_and_path() {
        for (raw, host, port, path) in [
            ("rtmp://h/live/k", Some("h"), Some(1935), Some("live/k")),
            ("rtmps://h/live", Some("h"), Some(443), Some("live")),
            ("rtmp://[::1]:77/live/", Some("::1"), Some(77), Some("live")),
            ("rtmp://:1935/live", Some(""), Some(1935), Some("live")),
            ("rtmp://h:8889", Some("h"), Some(8889), Some("")),
            ("rtmp://u:p@h:1/a?x=/b", Some("h"), Some(1), Some("a")),
            ("rtmp://h:x/a", Some("h"), None, Some("a")),
            ("rtmp://h:+1/a", Some("h"), None, Some("a")),
            ("x.flv", None, None, None),
        ] {
            let url = MediaUrl::new(raw);
            assert_eq!((url.host(), url.port(), url.trimmed_path()), (host, port, path), "{raw}");
        }
    }

    #[test]
    fn a_wrong_host_or_port_is_told() {
        for (raw, problem) in [
            ("rtmp://h:99999/a", "port 99999"),
            ("rtmp://h:0/a", "port 0"),
            ("rtmp://h:/a", "missing"),
            ("rtmp://h:8889:rtmp_listen=1", "not a port"),
            ("rtmp://[::1/a", "no closing bracket"),
            ("rtmp://[x]/a", "not an IPv6 address"),
            ("rtmp://::1/a", "stands in brackets"),
            ("rtmp://fe80::1/a", "stands in brackets"),
        ] {
            let (text, _) = MediaUrl::new(raw).authority_problem().unwrap();
            assert!(text.contains(problem), "{raw}: {text}");
        }
        for raw in ["rtmp://h/a", "rtmp://:1/a", "rtmp://[::1]:1/a", "rtmp://[fe80::1%eth0]/a", "a.flv"] {
            assert_eq!(MediaUrl::new(raw).authority_problem(), None, "{raw}");
        }
    }
}
