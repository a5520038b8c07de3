//! Who may ask at all: checked for every request, before it is looked at.
//!
//! Without a token the API is on loopback, but so is every browser of this machine: a web page of any origin can send
//! requests there. The Host header stops names that were rebound to our address, Origin and Sec-Fetch-Site stop pages of
//! other origins, and the content type stops what browsers send without asking first.

use std::net::IpAddr;

use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN,
    TRANSFER_ENCODING,
};
use hyper::http::request::Parts;

use super::problem::Problem;
use super::session::Sessions;
use super::{live, page};
use crate::config::Api;

/// Paths that need no token: what load balancers and supervisors ask, and what a browser logs in with.
const OPEN: &[&str] = &["/v1/health", "/v1/ready", "/v1/session"];

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    /// The address that the peer used.
    pub(super) local: IpAddr,
    /// The address that we are bound to.
    pub(super) bound: IpAddr,
}

/// Whether the request may be carried out.
pub(super) fn check(parts: &Parts, reached: Reached, api: &Api, sessions: &Sessions) -> Result<(), Problem> {
    let host = host(parts)?;
    if !is_ours(bare(host), reached, api) {
        let hint = "use an address of this machine, or add the name to the configuration's api.hosts";
        return Err(Problem::new("forbidden_host", hint));
    }
    same_origin(&parts.headers, host)?;
    token(parts, reached, api, sessions)?;
    content(&parts.headers)
}

/// The value of a header that may stand there once only.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let wrong = |what: &str| Err(Problem::new("bad_request", format!("the header {name} {what}")));
    let mut values = headers.get_all(&name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return wrong("is there more than once");
    }
    first.to_str().map_or_else(|_| wrong("can't be read"), |text| Ok(Some(text)))
}

/// What the request calls us. A whole URL in its first line has to say the same as the header.
fn host(parts: &Parts) -> Result<&str, Problem> {
    let header = single(&parts.headers, HOST)?;
    let header = header.ok_or_else(|| Problem::new("bad_request", "there is no Host header"))?;
    match parts.uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(header) => {
            Err(Problem::new("bad_request", "the first line and the Host header name different hosts"))
        }
        _ => Ok(header),
    }
}

/// The host without its port and brackets.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    let name = host.split(':').next().unwrap_or_default();
    name.strip_suffix('.').unwrap_or(name)
}

fn is_ours(host: &str, reached: Reached, api: &Api) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        let address = address.to_canonical();
        let known = [reached.local.to_canonical(), reached.bound.to_canonical()];
        if address.is_loopback() || (!address.is_unspecified() && known.contains(&address)) {
            return true;
        }
    }
    // RFC 6761 §6.3: these are loopback everywhere.
    let local = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    local || api.hosts.iter().any(|ours| bare(ours).eq_ignore_ascii_case(host))
}

/// Browsers say where a page comes from, with every request that could harm.
fn same_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let foreign = || Err(Problem::new("forbidden_origin", "this API answers its own pages and programs only"));
    if let Some(origin) = single(headers, ORIGIN)? {
        let ours = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !ours.is_some_and(|ours| ours.eq_ignore_ascii_case(host)) {
            return foreign();
        }
    }
    match single(headers, HeaderName::from_static("sec-fetch-site"))? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => foreign(),
    }
}

/// Players show the stream's token, not ours; but who previews shows ours. The page itself holds nothing.
fn is_open(parts: &Parts) -> bool {
    let path = parts.uri.path();
    OPEN.contains(&path) || page::holds(path) || (path.starts_with("/live/") && !live::is_preview(&parts.headers))
}

fn token(parts: &Parts, reached: Reached, api: &Api, sessions: &Sessions) -> Result<(), Problem> {
    if is_open(parts) {
        return Ok(());
    }
    let Some(token) = &api.token else {
        // A token that a reload took away must not leave the door open.
        return match reached.bound.to_canonical().is_loopback() {
            true => Ok(()),
            false => Err(Problem::new("unauthorized", "the configuration has no api.token: this address needs one")),
        };
    };
    let given = single(&parts.headers, AUTHORIZATION)?;
    let given = given.and_then(|given| given.split_once(' '));
    match given {
        Some((scheme, given)) if scheme.eq_ignore_ascii_case("bearer") && token.matches(given.trim()) => Ok(()),
        Some(_) => Err(Problem::new("unauthorized", "the token is wrong")),
        // Browsers send a cookie unasked, whoever makes them. So a change has to say where it comes from, which was looked
        // at already.
        None if sessions.holds(&parts.headers, token) => {
            match parts.method.is_safe() || parts.headers.contains_key(ORIGIN) {
                true => Ok(()),
                false => Err(Problem::new("forbidden_origin", "a change by a session needs an Origin header")),
            }
        }
        None => Err(Problem::new("unauthorized", "send the header `Authorization: Bearer TOKEN`")),
    }
}

/// Forms, and what else pages of other origins may send unasked, is no JSON.
fn content(headers: &HeaderMap) -> Result<(), Problem> {
    let wrong = |text: &str| Err(Problem::new("unsupported_media", text));
    if headers.contains_key(CONTENT_ENCODING) {
        return wrong("bodies must not be compressed");
    }
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || single(headers, CONTENT_LENGTH)?.is_some_and(|length| length.trim() != "0");
    match single(headers, CONTENT_TYPE)? {
        None if !has_body => Ok(()),
        Some(kind) if is_json(kind) => Ok(()),
        _ => wrong("send the header `Content-Type: application/json`"),
    }
}

fn is_json(kind: &str) -> bool {
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
