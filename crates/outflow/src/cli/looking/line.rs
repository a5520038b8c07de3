//! The flags of `check` about the line: the near side of a bandwidth test, and its far side.

use std::time::Duration;

use super::super::environment::Environment;
use super::super::typing;
use super::{Command, Typed};
use crate::config::{self, Address};
use crate::error::SpecError;
use crate::node::MediaUrl;
use crate::options::{Type, Value, value};
use crate::preflight::bandwidth::far::FarSide;
use crate::preflight::bandwidth::{Bandwidth, LEAST_TIME, MOST_TIME, PORT, TIME};
use crate::secret::Secret;

/// The variable that holds the token of a test.
const TOKEN: &str = "OUTFLOW_CHECK_TOKEN";
/// Shorter ones can be guessed.
const LEAST_TOKEN: usize = 16;

/// A value of a flag that is a rate above 0.
pub(super) fn rate(typed: &Typed, flag: &'static str) -> Result<Option<u64>, SpecError> {
    match typed.value(flag).map(|text| value::parse(Type::Rate, text)) {
        None => Ok(None),
        Some(Ok(Value::Count(rate))) if rate > 0 => Ok(Some(rate)),
        Some(Ok(_)) => Err(SpecError::new("a line of 0 carries nothing").hint(format!("write --{flag}=10M"))),
        Some(Err(error)) => Err(error),
    }
    .map_err(|error| error.at(1, format!("check --{flag}")))
}

/// `--bandwidth`, with the flags that belong to it.
pub(super) fn bandwidth(typed: &Typed, environment: &dyn Environment) -> Result<Option<Bandwidth>, SpecError> {
    let Some(text) = typed.value("bandwidth") else {
        if typed.has("for") && !typed.has("cost") {
            let error = SpecError::new("it says how long the bandwidth test takes, and there is none");
            return Err(error.hint("add --bandwidth=HOST or --cost, or leave it out").at(1, "check --for"));
        }
        return Ok(None);
    };
    let (host, port) = far(text).map_err(|error| error.at(1, "check --bandwidth"))?;
    let lasts = lasts(typed, TIME)?;
    let hint = format!("the far side prints one: put it into {TOKEN}, or name its file with --token-file");
    let token = token(typed, environment)?
        .ok_or_else(|| SpecError::new("the far side wants a token").hint(hint).at(1, "check --bandwidth"))?;
    Ok(Some(Bandwidth { host, port, token, lasts }))
}

/// Host and port of `HOST[:PORT]` or `rtmp://HOST[:PORT]`.
fn far(text: &str) -> Result<(String, u16), SpecError> {
    let wrong =
        |problem: &str| SpecError::new(problem).hint(format!("write HOST, HOST:PORT or [IPV6]:PORT ({PORT} is usual)"));
    let bare = match text.split_once("://") {
        None => text,
        Some(("rtmp", rest)) => rest,
        Some(_) => return Err(wrong("the far side speaks plain RTMP")),
    };
    let bare = bare.trim_end_matches('/');
    if bare.contains(['/', '?', '#', '@']) {
        return Err(wrong("the far side is a host and a port, and nothing more: it is `outflow check --serve`"));
    }
    let bare = match bare.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => bare.to_owned(),
    };
    let url = MediaUrl::new(&format!("rtmp://{bare}/check"));
    if let Some((problem, hint)) = url.authority_problem() {
        return Err(SpecError::new(problem).hint(hint));
    }
    let host = url.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("there is no host"))?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let named = bare.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if named { url.port().filter(|port| *port > 0) } else { Some(PORT) };
    Ok((host, port.ok_or_else(|| wrong("the port is wrong"))?))
}

/// `--for`, or what is usual.
pub(super) fn lasts(typed: &Typed, usual: Duration) -> Result<Duration, SpecError> {
    let Some(text) = typed.value("for") else { return Ok(usual) };
    match value::parse(Type::Duration, text) {
        Ok(Value::Duration(lasts)) if (LEAST_TIME..=MOST_TIME).contains(&lasts) => Ok(lasts),
        Ok(_) => Err(SpecError::new("a test takes from 3 s to 5 min").hint("write --for=30s")),
        Err(error) => Err(error),
    }
    .map_err(|error| error.at(1, "check --for"))
}

fn token(typed: &Typed, environment: &dyn Environment) -> Result<Option<Secret>, SpecError> {
    let at = |error: SpecError| error.at(1, "check --token-file");
    let token = match typed.value("token-file") {
        Some(path) => Some(typing::fetch(environment, &format!("file@{path}")).map_err(at)?),
        None => environment.variable(TOKEN).filter(|token| !token.is_empty()),
    };
    let Some(token) = token else { return Ok(None) };
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        let error = SpecError::new("the token holds something else than letters, digits and - . _ ~");
        return Err(at(error.hint("make it of those: both sides have to have the same")));
    }
    Ok(Some(Secret::new(token)))
}

/// `outflow check --serve [ADDRESS]`
pub(super) fn far_side(typed: &Typed, environment: &dyn Environment) -> Result<Command, SpecError> {
    let flag = |error: SpecError| error.at(1, "check --serve");
    let alone = ["config", "cost", "uplink", "rate", "bandwidth", "for", "publish"];
    if let Some(other) = alone.into_iter().find(|other| typed.has(other)) {
        let error = SpecError::new("it belongs to the side that sends, and this is the far side");
        return Err(error.hint("leave it out here").at(1, format!("check --{other}")));
    }
    let value = typed.value("serve").filter(|value| !value.is_empty());
    let address = match (value, typed.words.as_slice()) {
        (None, []) => None,
        (Some(value), []) => Some(value),
        (None, [(_, word)]) => Some(word.as_str()),
        _ => {
            let error = SpecError::new("the far side listens on one address and sends nothing");
            return Err(flag(error.hint(format!("write `outflow check --serve`, or `outflow check --serve=:{PORT}`"))));
        }
    };
    let parsed = config::Address::parse(address.unwrap_or(":1938"), PORT);
    let address: Address = parsed.map_err(|(problem, hint)| flag(SpecError::new(problem).hint(hint)))?;
    let given = token(typed, environment)?;
    if given.as_ref().is_some_and(|token| token.expose().len() < LEAST_TOKEN) {
        let error = SpecError::new(format!("the token is shorter than {LEAST_TOKEN} letters: it could be guessed"));
        return Err(flag(error.hint("take a longer one, or none: then one is made and printed")));
    }
    let made = given.is_none();
    let token = match given {
        Some(token) => token,
        None => config::init::random().map(Secret::new).map_err(|problem| flag(SpecError::new(problem)))?,
    };
    Ok(Command::FarSide(Box::new(FarSide { address, token, made, json: typed.has("json") })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_far_side_is_a_host_and_a_port() {
        let is = |text: &str| far(text).unwrap();
        assert_eq!(is("far.example"), ("far.example".into(), 1938));
        assert_eq!(is("far.example:2000"), ("far.example".into(), 2000));
        assert_eq!(is("rtmp://far.example:2000/"), ("far.example".into(), 2000));
        assert_eq!(is("192.0.2.1"), ("192.0.2.1".into(), 1938));
        assert_eq!(is("[2001:db8::1]:2000"), ("[2001:db8::1]".into(), 2000));
        assert_eq!(is("[2001:db8::1]"), ("[2001:db8::1]".into(), 1938));
        assert_eq!(is("2001:db8::1"), ("[2001:db8::1]".into(), 1938));
        for wrong in ["", ":1938", "far.example:0", "far.example:x", "rtmps://far.example", "far/live/key", "u:p@far"] {
            assert!(far(wrong).is_err(), "{wrong}");
        }
    }
}
