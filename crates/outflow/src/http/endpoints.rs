//! Every endpoint, once: its method and path, what it is for, what it takes and gives, and what it does. The router and
//! the description at `/openapi.json` are both made from this table.

use std::pin::Pin;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use serde::Serialize;
use serde_json::json;

use super::problem::Problem;
use super::{State, body, live, metrics, openapi, session};
use crate::relay::{Command, NewOutput, OutputPatch};

/// What an answer or a body holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Nothing,
    One(&'static str),
    List(&'static str),
    Events,
    Media,
    Description,
    Metrics,
}

/// One method of one path.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    /// As in the description.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) takes: Shape,
    pub(super) status: u16,
    pub(super) gives: Shape,
    /// Further statuses of its own, beside those that every request may meet.
    pub(super) faults: &'static [u16],
    pub(super) run: fn(Call) -> Running,
}

/// A request that was let in.
pub(super) struct Call {
    pub(super) state: State,
    /// What stands in the path, decoded.
    pub(super) id: String,
    pub(super) parts: Parts,
    pub(super) body: Body,
}

pub(super) type Running = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

macro_rules! running {
    ($call:ident => $what:expr) => {
        |$call: Call| -> Running { Box::pin(async move { $what }) }
    };
}

use Shape::{Description, Events, List, Media, Metrics, Nothing, One};

#[rustfmt::skip]
pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint { method: "GET", path: "/v1/health", summary: "Whether the program runs. Needs no token.",
        takes: Nothing, status: 200, gives: One("Health"), faults: &[], run: running!(call => health(&call)) },
    Endpoint { method: "GET", path: "/v1/ready", summary: "Whether peers are let in: 503 while it ends. Needs no token.",
        takes: Nothing, status: 200, gives: One("Ready"), faults: &[503], run: running!(call => ready(&call)) },
    Endpoint { method: "GET", path: "/v1/streams", summary: "The streams.",
        takes: Nothing, status: 200, gives: List("Stream"), faults: &[], run: running!(call => shown(&call.state.relay.streams())) },
    Endpoint { method: "GET", path: "/v1/streams/{app}/{name}", summary: "One stream. The app may hold slashes.",
        takes: Nothing, status: 200, gives: One("Stream"), faults: &[404], run: running!(call => found(call.state.relay.stream(&call.id))) },
    Endpoint { method: "GET", path: "/v1/outputs", summary: "The outputs, of the file, of the API and of hooks.",
        takes: Nothing, status: 200, gives: List("Output"), faults: &[], run: running!(call => shown(&call.state.relay.outputs())) },
    Endpoint { method: "POST", path: "/v1/outputs", summary: "Adds an output. Its stream need not exist yet.",
        takes: One("NewOutput"), status: 201, gives: One("Output"), faults: &[409, 422, 429, 500], run: running!(call => add(call).await) },
    Endpoint { method: "GET", path: "/v1/outputs/{id}", summary: "One output.",
        takes: Nothing, status: 200, gives: One("Output"), faults: &[404], run: running!(call => found(call.state.relay.output(&call.id))) },
    Endpoint { method: "PATCH", path: "/v1/outputs/{id}", summary: "Changes an output of the API's; what is absent stays.",
        takes: One("OutputPatch"), status: 200, gives: One("Output"), faults: &[404, 409, 422, 429, 500], run: running!(call => patch(call).await) },
    Endpoint { method: "DELETE", path: "/v1/outputs/{id}", summary: "Ends and removes an output of the API's.",
        takes: Nothing, status: 204, gives: Nothing, faults: &[404, 409, 500], run: running!(call => remove(call).await) },
    Endpoint { method: "POST", path: "/v1/outputs/{id}/start", summary: "Lets an output run, now and after a restart.",
        takes: Nothing, status: 200, gives: One("Output"), faults: &[404, 409, 429, 500], run: running!(call => command(call, Command::Start).await) },
    Endpoint { method: "POST", path: "/v1/outputs/{id}/stop", summary: "Ends an output's broadcast; it stays stopped over reload and restart.",
        takes: Nothing, status: 200, gives: One("Output"), faults: &[404, 409, 500], run: running!(call => command(call, Command::Stop).await) },
    Endpoint { method: "POST", path: "/v1/outputs/{id}/retry", summary: "Tries again now, if it waits or has failed.",
        takes: Nothing, status: 200, gives: One("Output"), faults: &[404, 409, 500], run: running!(call => command(call, Command::Retry).await) },
    Endpoint { method: "GET", path: "/v1/alerts", summary: "The alerts that are raised: what matters most first, then the oldest.",
        takes: Nothing, status: 200, gives: List("Alert"), faults: &[], run: running!(call => shown(&call.state.relay.alerts())) },
    Endpoint { method: "GET", path: "/v1/groups", summary: "The groups of outputs.",
        takes: Nothing, status: 200, gives: List("Group"), faults: &[], run: running!(call => shown(&call.state.relay.groups())) },
    Endpoint { method: "POST", path: "/v1/groups/{name}/start", summary: "Starts every output of a group.",
        takes: Nothing, status: 200, gives: List("Output"), faults: &[404, 409, 429, 500], run: running!(call => group(call, Command::Start).await) },
    Endpoint { method: "POST", path: "/v1/groups/{name}/stop", summary: "Stops every output of a group.",
        takes: Nothing, status: 200, gives: List("Output"), faults: &[404, 409, 500], run: running!(call => group(call, Command::Stop).await) },
    Endpoint { method: "POST", path: "/v1/groups/{name}/retry", summary: "Has every output of a group try again now.",
        takes: Nothing, status: 200, gives: List("Output"), faults: &[404, 409, 500], run: running!(call => group(call, Command::Retry).await) },
    Endpoint { method: "GET", path: "/v1/players", summary: "Who plays.",
        takes: Nothing, status: 200, gives: List("Player"), faults: &[], run: running!(call => shown(&call.state.relay.players())) },
    Endpoint { method: "DELETE", path: "/v1/players/{id}", summary: "Lets a player go.",
        takes: Nothing, status: 204, gives: Nothing, faults: &[404, 409], run: running!(call => kick(call, false).await) },
    Endpoint { method: "GET", path: "/v1/publishers", summary: "Who publishes.",
        takes: Nothing, status: 200, gives: List("Publisher"), faults: &[], run: running!(call => shown(&call.state.relay.publishers())) },
    Endpoint { method: "DELETE", path: "/v1/publishers/{id}", summary: "Lets a publisher go.",
        takes: Nothing, status: 204, gives: Nothing, faults: &[404, 409], run: running!(call => kick(call, true).await) },
    Endpoint { method: "POST", path: "/v1/reload", summary: "Reads the configuration anew. With a mistake in it nothing changes.",
        takes: Nothing, status: 200, gives: One("Applied"), faults: &[409, 422, 500], run: running!(call => reload(call).await) },
    Endpoint { method: "GET", path: "/v1/events", summary: "What happens, as server-sent events, until the connection ends. `?recent=N` begins with the last N.",
        takes: Nothing, status: 200, gives: Events, faults: &[429], run: running!(call => events(&call)) },
    Endpoint { method: "GET", path: "/metrics", summary: "Figures of streams and outputs in Prometheus' text format.",
        takes: Nothing, status: 200, gives: Metrics, faults: &[], run: running!(call => Ok(figures(&call))) },
    Endpoint { method: "GET", path: "/live/{app}/{name}.flv", summary: "Plays a stream as FLV, until it ends. Takes the stream's `?token=`, not the API's.",
        takes: Nothing, status: 200, gives: Media, faults: &[404, 429], run: running!(call => live::play(call).await) },
    Endpoint { method: "GET", path: "/v1/session", summary: "Whether a browser has to log in, and has. Needs no token.",
        takes: Nothing, status: 200, gives: One("Session"), faults: &[], run: running!(call => session::show(&call)) },
    Endpoint { method: "POST", path: "/v1/session", summary: "Logs a browser in: gives it a cookie for the token.",
        takes: One("Login"), status: 200, gives: One("Session"), faults: &[422], run: running!(call => session::begin(call).await) },
    Endpoint { method: "DELETE", path: "/v1/session", summary: "Logs a browser out.",
        takes: Nothing, status: 204, gives: Nothing, faults: &[], run: running!(call => session::end(call).await) },
    Endpoint { method: "GET", path: "/openapi.json", summary: "This description.",
        takes: Nothing, status: 200, gives: Description, faults: &[], run: running!(_call => Ok(described())) },
];

fn with_json(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Result<Response, Problem> {
    let text = serde_json::to_string(value).map_err(|_| Problem::new("internal", "the answer can't be written"))?;
    Ok(with_json(status, text))
}

fn shown<T: Serialize + ?Sized>(value: &T) -> Result<Response, Problem> {
    json(StatusCode::OK, value)
}

fn found<T: Serialize>(value: Option<T>) -> Result<Response, Problem> {
    shown(&value.ok_or_else(not_found)?)
}

fn not_found() -> Problem {
    crate::relay::Fault::NotFound.into()
}

fn health(call: &Call) -> Result<Response, Problem> {
    let uptime = call.state.begin.elapsed().as_secs();
    shown(&json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "uptime": uptime }))
}

fn ready(call: &Call) -> Result<Response, Problem> {
    match call.state.relay.is_ready() {
        true => shown(&json!({ "status": "ready" })),
        false => Err(Problem::new("not_ready", "it is ending, and lets nobody in")),
    }
}

async fn add(call: Call) -> Result<Response, Problem> {
    let new: NewOutput = body::json(call.body).await?;
    let output = call.state.relay.changed()?.add_output(new)?;
    let mut response = json(StatusCode::CREATED, &output)?;
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/outputs/{}", segment(&output.id))) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// A text as one part of a path.
fn segment(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

async fn patch(call: Call) -> Result<Response, Problem> {
    let patch: OutputPatch = body::json(call.body).await?;
    shown(&call.state.relay.changed()?.patch_output(&call.id, patch)?)
}

async fn remove(call: Call) -> Result<Response, Problem> {
    body::none(call.body).await?;
    call.state.relay.changed()?.remove_output(&call.id)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn command(call: Call, command: Command) -> Result<Response, Problem> {
    body::none(call.body).await?;
    shown(&call.state.relay.changed()?.command(&call.id, command)?)
}

async fn group(call: Call, command: Command) -> Result<Response, Problem> {
    body::none(call.body).await?;
    shown(&call.state.relay.changed()?.group_command(&call.id, command)?)
}

async fn kick(call: Call, publisher: bool) -> Result<Response, Problem> {
    body::none(call.body).await?;
    // What is no number is nobody's number.
    let id = call.id.parse().map_err(|_| not_found())?;
    match publisher {
        true => call.state.relay.changed()?.kick_publisher(id)?,
        false => call.state.relay.changed()?.kick_player(id)?,
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn reload(call: Call) -> Result<Response, Problem> {
    body::none(call.body).await?;
    call.state.relay.changed()?;
    // One after the other, and beside this thread: it reads files.
    let turn = call.state.reloading.clone().lock_owned().await;
    let again = call.state.reload.clone();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        again()
    });
    match done.await {
        Ok(Ok(applied)) => shown(&applied),
        Ok(Err(mistakes)) => {
            let problem = Problem::new("invalid", "the configuration has mistakes: what was in force stays in force");
            Err(mistakes.into_iter().fold(problem, |problem, text| problem.mistake(None, text, None)))
        }
        Err(_) => Err(Problem::new("internal", "the reload ended without a word: see the log")),
    }
}

fn events(call: &Call) -> Result<Response, Problem> {
    let last = call.parts.headers.get(HeaderName::from_static("last-event-id")).and_then(|id| id.to_str().ok());
    let query = call.parts.uri.query().unwrap_or_default().split('&');
    let recent = query.filter_map(|pair| pair.strip_prefix("recent=")).find_map(|count| count.parse().ok());
    call.state.feed.answer(last, recent.unwrap_or(0), call.state.stop.clone())
}

fn figures(call: &Call) -> Response {
    let (streams, outputs) = call.state.relay.figures();
    let (whole, judged) = (call.state.relay.whole(), call.state.relay.judged());
    let text = metrics::text(&streams, &outputs, &judged, &whole, call.state.begin.elapsed());
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::TYPE));
    response
}

fn described() -> Response {
    with_json(StatusCode::OK, openapi::text())
}
