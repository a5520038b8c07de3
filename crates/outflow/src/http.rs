//! The HTTP port of `serve`, and of a graph that wants one: the API, the page, and players. It has a thread and a runtime of its own: whatever its callers do, media does not notice.

mod body;
mod endpoints;
mod events;
mod guard;
mod live;
mod metrics;
mod openapi;
mod page;
mod problem;
mod schema;
mod session;
mod shown;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use crate::config::{Address, Api, Config};
use crate::error::{Ended, Origin, Reason, Retry};
use crate::listen::Crowd;
use crate::monitor::board::Board;
use crate::net::http_server::{Ends, HttpLimits, HttpPort};
use crate::relay::Relay;
use crate::relay::view::Applied;
use crate::relay::words::Words;
use crate::stop::Stop;
use endpoints::{Call, ENDPOINTS, Endpoint};
pub use events::Feed;
use guard::Reached;
pub use metrics::{Family, families};
pub use problem::{Mistake, Problem};
use session::Sessions;
use shown::{Graph, Shown};

const LIMITS: HttpLimits = HttpLimits {
    connections: 512,
    head: Duration::from_secs(10),
    stall: Duration::from_secs(30),
    last: Duration::from_secs(1),
};

/// Reads the configuration anew and puts it in force; the error tells each mistake, without secrets.
pub type Reload = Arc<dyn Fn() -> Result<Applied, Vec<String>> + Send + Sync>;

/// The description of the API for programs (OpenAPI 3.1), as `GET /openapi.json` answers.
pub fn description() -> &'static str {
    openapi::text()
}

/// What the API is made of.
#[derive(Clone)]
pub struct Parts {
    /// What it shows and changes. Its configuration has token and hosts, as they are in force.
    pub relay: Arc<Relay>,
    /// The events that it tells.
    pub feed: Arc<Feed>,
    /// What `POST /v1/reload` does; called on a thread that may wait.
    pub reload: Reload,
}

/// What the API of a graph is made of: it only shows.
#[derive(Clone)]
pub struct GraphParts {
    /// What it shows.
    pub board: Arc<Board>,
    /// The events that it tells.
    pub feed: Arc<Feed>,
    /// Who may ask.
    pub api: Api,
}

/// The API's port, bound.
#[derive(Debug)]
pub struct Bound {
    port: HttpPort,
    limits: HttpLimits,
}

/// The API at work.
#[derive(Debug)]
pub struct Handle {
    /// The address as bound.
    pub address: SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Binds the port, and checks that nobody can use it who may not.
pub fn bind(address: Address, api: &Api) -> Result<Bound, Ended> {
    if api.token.is_none() && !address.is_loopback() {
        let text = "the API would be open to everybody who reaches this machine: set api.token, or have it listen on 127.0.0.1";
        return Err(Ended::new(Origin::Config, Retry::Never, Reason::Bind, text));
    }
    Ok(Bound { port: HttpPort::bind(&address.candidates())?, limits: LIMITS })
}

impl Bound {
    /// The address as bound.
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Waits so long for the head of a request, instead of 10 s: tests have less time.
    pub fn head_within(mut self, time: Duration) -> Self {
        self.limits.head = time;
        self
    }

    /// Answers from now on, on a thread of its own, until `stop`. The relay's configuration has to be in force.
    pub fn start(self, parts: Parts, stop: Stop) -> Result<Handle, Ended> {
        let Parts { relay, feed, reload } = parts;
        self.answer(Arc::new(relay), feed, reload, stop)
    }

    /// The same for a graph.
    pub fn start_graph(self, parts: GraphParts, stop: Stop) -> Result<Handle, Ended> {
        let GraphParts { board, feed, api } = parts;
        let config = Arc::new(Config { api, ..Config::default() });
        let reload: Reload = Arc::new(|| Err(vec!["a graph has no configuration".into()]));
        self.answer(Arc::new(Graph { words: Words::new(board), config }), feed, reload, stop)
    }

    fn answer(self, shown: Arc<dyn Shown>, feed: Arc<Feed>, reload: Reload, stop: Stop) -> Result<Handle, Ended> {
        let Self { port, limits } = self;
        let address = port.address;
        let failed = |error: std::io::Error| Ended::internal(format!("the API can't start: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let thread = std::thread::Builder::new().name("http".into()).spawn(move || {
            let api = Answers::new(shown.clone(), feed, reload, address, stop.clone());
            let handler = move |ends, request| api.clone().answer(ends, request);
            let (seen, crowd) = (shown.clone(), Crowd::of(limits.connections, limits.connections));
            let admit = move |address| {
                crowd.limit(limits.connections, seen.config().limits.http_connections_per_address);
                crowd.enter(address)
            };
            // It ends early only where the runtime can't take the socket over, which it could when it was built.
            let serving = async {
                tokio::select! {
                    served = port.serve(limits, admit, handler, stop) => served,
                    never = looking(&*shown) => never,
                }
            };
            let _ = runtime.block_on(serving);
            // A reload that hangs must not hold the end up.
            runtime.shutdown_timeout(Duration::from_millis(100));
        });
        Ok(Handle { address, thread: Some(thread.map_err(failed)?) })
    }
}

async fn looking(shown: &dyn Shown) -> std::io::Result<()> {
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    loop {
        looks.tick().await;
        shown.look(Instant::now());
    }
}

impl Handle {
    /// Waits for the end; to be called once stop was asked for.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What endpoints work with.
#[derive(Clone)]
struct State {
    relay: Arc<dyn Shown>,
    feed: Arc<Feed>,
    reload: Reload,
    reloading: Arc<tokio::sync::Mutex<()>>,
    begin: Instant,
    stop: Stop,
    sessions: Arc<Sessions>,
    seats: Arc<Semaphore>,
}

#[derive(Clone)]
struct Answers {
    state: State,
    bound: SocketAddr,
    router: TowerToHyperService<Router>,
}

impl Answers {
    fn new(relay: Arc<dyn Shown>, feed: Arc<Feed>, reload: Reload, bound: SocketAddr, stop: Stop) -> Self {
        let (begin, reloading) = (Instant::now(), Arc::default());
        let sessions = Arc::new(Sessions::of_port(bound.port()));
        let seats = Arc::new(Semaphore::new(live::SEATS));
        let state = State { relay, feed, reload, reloading, begin, stop, sessions, seats };
        let router = TowerToHyperService::new(router().with_state(state.clone()));
        Self { state, bound, router }
    }

    async fn answer(self, ends: Ends, request: Request<Incoming>) -> Response {
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ends);
        let reached = Reached { local: ends.local, bound: self.bound.ip() };
        let response = match guard::check(&parts, reached, &self.state.relay.config().api, &self.state.sessions) {
            Err(problem) => problem.into_response(),
            Ok(()) => match self.router.call(Request::from_parts(parts, body)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        finished(in_words(response))
    }
}

/// Statuses that the router gave by itself get words.
fn in_words(response: Response) -> Response {
    let status = response.status();
    let has_words = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if !(status.is_client_error() || status.is_server_error()) || has_words {
        return response;
    }
    let mut told = Problem::of_status(status).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        told.headers_mut().insert(ALLOW, allow.clone());
    }
    // The router has measured its own body for HEAD; the server measures ours.
    told.headers_mut().remove(CONTENT_LENGTH);
    told
}

/// What every answer says to browsers and caches.
fn finished(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry("content-security-policy").or_insert(nothing);
    response
}

fn router() -> Router<State> {
    let mut paths: BTreeMap<&str, MethodRouter<State>> = BTreeMap::new();
    for endpoint in ENDPOINTS {
        let methods = paths.entry(endpoint.path).or_default();
        *methods = std::mem::take(methods).merge(handler(endpoint));
    }
    let api = paths.into_iter().fold(Router::new(), |router, (path, methods)| router.route(pattern(path), methods));
    page::FILES.iter().fold(api, |router, file| router.route(file.path, page::route(file)))
}

/// A path as the router has it: apps may hold slashes.
fn pattern(path: &'static str) -> &'static str {
    match path {
        "/v1/streams/{app}/{name}" => "/v1/streams/{*id}",
        "/live/{app}/{name}.flv" => "/live/{*id}",
        _ => path,
    }
}

fn handler(endpoint: &'static Endpoint) -> MethodRouter<State> {
    let filter = match endpoint.method {
        "POST" => MethodFilter::POST,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    on(filter, move |axum::extract::State(state), path: Option<Path<String>>, request: Request<Body>| async move {
        let (parts, body) = request.into_parts();
        let id = path.map(|Path(id)| id).unwrap_or_default();
        let answer = (endpoint.run)(Call { state, id, parts, body }).await;
        answer.unwrap_or_else(IntoResponse::into_response)
    })
}
