//! Sessions of browsers: a cookie in the place of the token, so that no page keeps the token and no URL holds it.
//!
//! A session is worth what its token is worth: with another token in the configuration it is over. They are kept in
//! memory only, so a restart asks for the token again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{COOKIE, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::endpoints::{Call, json};
use super::problem::Problem;
use super::{State, body};
use crate::secret::Secret;

/// Sessions at once; one more ends the one that was used least lately.
const MOST: usize = 64;
/// A session that nobody used for so long is over.
const IDLE: Duration = Duration::from_secs(24 * 3600);
/// How long a wrong token is answered after: who guesses waits.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether a browser may use the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct SessionView {
    /// The API asks for a token.
    pub(super) required: bool,
    /// This browser is logged in, or need not be.
    pub(super) valid: bool,
    /// Nothing can be changed: it is a graph of words.
    pub(super) read_only: bool,
}

/// What a browser logs in with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    token: Secretly,
}

/// Text that goes from the body into a secret.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secretly(Secret);

impl From<String> for Secretly {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

/// The sessions of one port.
pub(super) struct Sessions {
    /// The cookie's name. Browsers keep cookies by host, whatever the port: the port is part of it.
    name: String,
    /// Used last at the back.
    open: Mutex<VecDeque<Session>>,
}

struct Session {
    id: Secret,
    /// The token that it was begun with.
    token: Secret,
    used: Instant,
}

impl Sessions {
    pub(super) fn of_port(port: u16) -> Self {
        Self { name: format!("outflow-{port}"), open: Mutex::default() }
    }

    /// True if the request has the cookie of a session that was begun with this token.
    pub(super) fn holds(&self, headers: &HeaderMap, token: &Secret) -> bool {
        let mut open = self.open.lock();
        open.retain(|session| session.used.elapsed() < IDLE && session.token == *token);
        // All are compared, as with keys.
        let found = self.given(headers).fold(None, |found, given| {
            open.iter()
                .enumerate()
                .fold(found, |found, (at, session)| session.id.matches(given).then_some(at).or(found))
        });
        let Some(mut session) = found.and_then(|at| open.remove(at)) else { return false };
        session.used = Instant::now();
        open.push_back(session);
        true
    }

    /// Begins one: its id.
    fn begin(&self, token: &Secret) -> Result<Secret, Problem> {
        let mut random = [0u8; 32];
        getrandom::fill(&mut random).map_err(|_| Problem::new("internal", "the system gives no random numbers"))?;
        let id = Secret::new(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let mut open = self.open.lock();
        if open.len() >= MOST {
            open.pop_front();
        }
        open.push_back(Session { id: id.clone(), token: token.clone(), used: Instant::now() });
        Ok(id)
    }

    fn end(&self, headers: &HeaderMap) {
        let mut open = self.open.lock();
        for given in self.given(headers) {
            open.retain(|session| !session.id.matches(given));
        }
    }

    /// The values of our cookie.
    fn given<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value)
    }

    /// The header that sets the cookie, or takes it away.
    fn cookie(&self, id: Option<&Secret>, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
        // Behind a proxy with TLS the browser must never send it in the open.
        let https = headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
        let (value, age) = id.map_or(("", "; Max-Age=0"), |id| (id.expose(), ""));
        let secure = if https { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}", self.name);
        let mut header =
            HeaderValue::from_str(&text).map_err(|_| Problem::new("internal", "the cookie can't be written"))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

fn view(state: &State, required: bool, valid: bool) -> Result<Response, Problem> {
    json(StatusCode::OK, &SessionView { required, valid, read_only: state.relay.relay().is_none() })
}

/// `GET /v1/session`
pub(super) fn show(call: &Call) -> Result<Response, Problem> {
    let config = call.state.relay.config();
    let api = &config.api;
    let valid = api.token.as_ref().is_none_or(|token| call.state.sessions.holds(&call.parts.headers, token));
    view(&call.state, api.token.is_some(), valid)
}

/// `POST /v1/session`
pub(super) async fn begin(call: Call) -> Result<Response, Problem> {
    let Login { token: Secretly(given) } = body::json(call.body).await?;
    let config = call.state.relay.config();
    let Some(token) = &config.api.token else {
        return view(&call.state, false, true);
    };
    if !token.matches(given.expose()) {
        tokio::time::sleep(PATIENCE).await;
        return Err(Problem::new("unauthorized", "the token is wrong"));
    }
    let id = call.state.sessions.begin(token)?;
    let mut response = view(&call.state, true, true)?;
    let cookie = call.state.sessions.cookie(Some(&id), &call.parts.headers)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// `DELETE /v1/session`
pub(super) async fn end(call: Call) -> Result<Response, Problem> {
    body::none(call.body).await?;
    call.state.sessions.end(&call.parts.headers);
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(SET_COOKIE, call.state.sessions.cookie(None, &call.parts.headers)?);
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_session_is_worth_its_token_and_no_more() {
        let (sessions, token) = (Sessions::of_port(8080), Secret::new("t1"));
        let id = sessions.begin(&token).unwrap();
        let ours = headers(&format!("a=b; outflow-8080={}; c=d", id.expose()));
        assert!(sessions.holds(&ours, &token));
        for cookie in ["outflow-8080=", "outflow-8080=t1", &format!("outflow-80={}", id.expose()), "outflow-8080"] {
            assert!(!sessions.holds(&headers(cookie), &token), "{cookie}");
        }
        assert!(!sessions.holds(&HeaderMap::new(), &token));
        // Another token ends it, for good.
        assert!(!sessions.holds(&ours, &Secret::new("t2")));
        assert!(!sessions.holds(&ours, &token));
    }

    #[test]
    fn too_many_end_the_one_that_was_used_least_lately() {
        let (sessions, token) = (Sessions::of_port(1), Secret::new("t"));
        let cookie = |id: &Secret| headers(&format!("outflow-1={}", id.expose()));
        let (first, second) = (sessions.begin(&token).unwrap(), sessions.begin(&token).unwrap());
        (2..MOST).for_each(|_| drop(sessions.begin(&token).unwrap()));
        assert!(sessions.holds(&cookie(&first), &token));
        let last = sessions.begin(&token).unwrap();
        assert!(!sessions.holds(&cookie(&second), &token));
        assert!(sessions.holds(&cookie(&first), &token) && sessions.holds(&cookie(&last), &token));
        sessions.end(&cookie(&first));
        assert!(!sessions.holds(&cookie(&first), &token));
    }

    #[test]
    fn the_cookie_is_for_this_site_only_and_not_for_scripts() {
        let sessions = Sessions::of_port(1);
        let id = Secret::new("x");
        let plain = sessions.cookie(Some(&id), &HeaderMap::new()).unwrap();
        assert_eq!(plain.to_str().unwrap(), "outflow-1=x; Path=/; HttpOnly; SameSite=Strict");
        let tls = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://relay.example"))]);
        let secure = sessions.cookie(None, &tls).unwrap();
        assert_eq!(secure.to_str().unwrap(), "outflow-1=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0");
    }
}
