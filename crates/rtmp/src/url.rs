//! RTMP URLs, kept byte for byte: nothing is decoded, lower-cased or put in order, since a key or a token that is
//! changed by one byte is refused. Printing one never shows a secret.
mod reference;
mod stream_path;
mod target;
#[cfg(test)]
mod tests;

pub use stream_path::{StreamPath, stream_path};
pub use target::Target;

use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What stands in place of a secret.
const MASK: &str = "****";
/// Longer URLs are refused: no server takes a longer tcUrl.
const MAX_LENGTH: usize = 4096;

/// Plain or TLS (RFC 3986 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `rtmp://`: RTMP over TCP.
    Rtmp,
    /// `rtmps://`: RTMP over TLS.
    Rtmps,
}

/// The host of a URL (RFC 3986 §3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host<'a> {
    /// No host: every address, when listening. Cannot be dialled.
    Any,
    /// A name to resolve.
    Name(&'a str),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

/// A checked `rtmp://` or `rtmps://` URL (RFC 3986 §3 for the parts).
///
/// `Display` and `Debug` mask userinfo, stream name, query and fragment; methods named `expose_` give them. A path of
/// one component is shown, as it is the app; give a secret in the fragment, as the key option, or as a second component.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RtmpUrl {
    raw: String,
    scheme: Scheme,
    userinfo: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

fn bad(problem: &'static str, mend: &'static str, offset: usize) -> Error {
    Error::at(ErrorKind::BadUrl { problem, mend }, offset as u64)
}

impl RtmpUrl {
    /// Parses a URL. The errors say what is wrong and how to mend it, and quote nothing of the URL.
    pub fn parse(url: &str) -> Result<Self> {
        if url.len() > MAX_LENGTH {
            return Err(bad("it is longer than 4096 bytes", "shorten it", MAX_LENGTH));
        }
        if let Some((offset, _)) = url.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control()) {
            return Err(bad(
                "it holds a blank, a line end or another control character",
                "write it without, and put it in quotes on the command line",
                offset,
            ));
        }
        let Some((scheme_text, rest)) = url.split_once("://") else {
            return Err(bad("it has no scheme", "begin with rtmp:// or rtmps://", 0));
        };
        let scheme = parse_scheme(scheme_text)?;
        let authority_start = url.len() - rest.len();
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (rest, fragment) = split_off(rest, '#');
        let (path, query) = split_off(rest, '?');
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo.to_owned()), host_port),
            None => (None, authority),
        };
        let host_start = authority_start + authority.len() - host_port.len();
        let (host, port) = parse_host_port(host_port, host_start)?;
        Ok(Self {
            raw: url.to_owned(),
            scheme,
            userinfo,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
            query: query.map(str::to_owned),
            fragment: fragment.map(str::to_owned),
        })
    }

    /// Plain or TLS.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> Host<'_> {
        if self.host.is_empty() {
            return Host::Any;
        }
        let inner = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if let Some(address) = inner.and_then(|host| host.parse().ok()) {
            return Host::V6(address);
        }
        self.host.parse().map_or(Host::Name(&self.host), Host::V4)
    }

    /// The host as written, in brackets if it is IPv6; empty for every address.
    pub fn host_text(&self) -> &str {
        &self.host
    }

    /// The port, if the URL names one. 0 is allowed: any free port, when listening.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port to dial: the URL's, or 1935 for `rtmp`, 443 for `rtmps`, as other clients have it.
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Rtmp => 1935,
            Scheme::Rtmps => 443,
        })
    }

    /// The user of the userinfo, not decoded.
    pub fn expose_user(&self) -> Option<&str> {
        let userinfo = self.userinfo.as_deref()?;
        Some(userinfo.split_once(':').map_or(userinfo, |(user, _)| user))
    }

    /// The password of the userinfo, not decoded.
    pub fn expose_password(&self) -> Option<&str> {
        self.userinfo.as_deref()?.split_once(':').map(|(_, password)| password)
    }

    /// The path with its leading `/`, without query; may be empty. Its end can be a key.
    pub fn expose_path(&self) -> &str {
        &self.path
    }

    /// The query without its `?`.
    pub fn expose_query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The fragment without its `#`: a stream key.
    pub fn expose_fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// The whole URL as it was written, secrets included.
    pub fn expose(&self) -> &str {
        &self.raw
    }

    /// `scheme://host[:port]` as written, without userinfo.
    fn origin(&self) -> String {
        let scheme = self.raw.split_once("://").map_or("", |(scheme, _)| scheme);
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }
}

impl std::str::FromStr for RtmpUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        Self::parse(url)
    }
}

impl fmt::Display for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Rtmp => "rtmp",
            Scheme::Rtmps => "rtmps",
        };
        write!(f, "{scheme}://")?;
        if self.userinfo.is_some() {
            write!(f, "{MASK}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match target::split_path(&self.path) {
            (app, Some(name)) if !name.is_empty() => write!(f, "/{app}/{MASK}")?,
            _ => f.write_str(&self.path)?,
        }
        if self.query.is_some() {
            write!(f, "?{MASK}")?;
        }
        if self.fragment.is_some() {
            write!(f, "#{MASK}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RtmpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtmpUrl({self})")
    }
}

/// Text before the first `separator`, and text after it if there is one.
fn split_off(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn parse_scheme(scheme: &str) -> Result<Scheme> {
    let over_http = "RTMP over HTTP (rtmpt, rtmpts) is not supported";
    let rtmpe = "RTMPE (rtmpe, rtmpte) is not supported, as it gives no security";
    let (problem, mend) = match scheme.to_ascii_lowercase().as_str() {
        "rtmp" => return Ok(Scheme::Rtmp),
        "rtmps" => return Ok(Scheme::Rtmps),
        "rtmpt" => (over_http, "use rtmp:// if the server has it"),
        "rtmpts" => (over_http, "use rtmps:// if the server has it"),
        "rtmpe" | "rtmpte" => (rtmpe, "use rtmps:// for encryption"),
        "rtmfp" => ("RTMFP is another protocol", "use rtmp:// if the server has it"),
        _ => ("its scheme is not rtmp or rtmps", "begin with rtmp:// or rtmps://"),
    };
    Err(bad(problem, mend, 0))
}

/// Splits `host:port`; `start` is where it stands in the URL.
fn parse_host_port(text: &str, start: usize) -> Result<(&str, Option<u16>)> {
    let (host, port) = if text.starts_with('[') {
        let Some(end) = text.find(']') else {
            return Err(bad("the bracket of its IPv6 address is not closed", "write [address]:port", start));
        };
        let (host, rest) = text.split_at(end + 1);
        let inside = host.get(1..end).unwrap_or_default();
        if inside.contains('%') {
            return Err(bad(
                "an IPv6 zone (%) cannot stand in it",
                "leave the zone out, and choose the interface with bind",
                start,
            ));
        }
        if inside.parse::<Ipv6Addr>().is_err() {
            return Err(bad("the text in brackets is no IPv6 address", "write it like [2001:db8::1]", start + 1));
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => {
                return Err(bad("text follows the closing bracket", "write [address]:port", start + end + 1));
            }
        }
    } else {
        split_off(text, ':')
    };
    if let Some(offset) = port.and_then(|port| port.find(':')) {
        let offset = start + text.len() - port.map_or(0, str::len) + offset;
        return Err(bad("it has more than one : before the path", "put an IPv6 address in brackets", offset));
    }
    if !host.starts_with('[') {
        check_name(host, start)?;
    }
    let port_start = start + text.len() - port.map_or(0, str::len);
    let port = match port {
        None => None,
        Some("") => return Err(bad("no port follows the :", "write a port, or leave the : out", port_start)),
        Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(bad(
                "its port is not a number",
                "write host:port/app/name; in a user name or password write / as %2F",
                port_start,
            ));
        }
        Some(digits) => match digits.parse() {
            Ok(port) => Some(port),
            Err(_) => return Err(bad("its port is above 65535", "write a port from 1 to 65535", port_start)),
        },
    };
    Ok((host, port))
}

fn check_name(host: &str, start: usize) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    match host.bytes().position(|byte| !allowed(byte)) {
        None if host.len() <= 253 => Ok(()),
        None => Err(bad("its host name is longer than 253 bytes", "write the right name", start)),
        Some(offset) => Err(bad(
            "its host name holds a character that no name has",
            "write letters, digits, - and . only, and an international name in its xn-- form",
            start + offset,
        )),
    }
}
