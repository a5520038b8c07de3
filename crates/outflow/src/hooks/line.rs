//! What is kept of one hook's URL: how many calls run, who waits, and whether its server answers at all.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::breaker::{Breaker, OPENS_AFTER};
use crate::net::dial::{Lookup, Resolver};
use crate::net::http_client::{self, Answer, HttpUrl, Route};
use crate::net::tls::TlsClient;
use crate::secret::Secret;

/// Questions on their way at once; with [`TELLS`] 64 calls.
const ASKS: usize = 48;
/// Calls of [`Kind::Tell`] on their way at once: a crowd that leaves must not keep those waiting who come.
const TELLS: usize = 16;
/// Calls of [`Kind::Tell`] that wait or run.
pub(super) const QUEUE: usize = 1024;
/// The longest answer, in bytes.
const MOST_ANSWER: usize = 64 << 10;

/// Whether somebody waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ask,
    Tell,
}

/// One call to be made.
pub(super) struct Request {
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    pub(super) kind: Kind,
}

/// How a call ended.
pub(super) struct Called {
    /// The answer, below 500; or why there is none: for peers, without URL.
    pub(super) answer: Result<Answer, String>,
    /// What the operator is to know: said at the first failure, and when it changes.
    pub(super) report: Option<String>,
    /// Another call would end the same way.
    pub(super) hopeless: bool,
}

pub(super) struct Line {
    url: Result<HttpUrl, String>,
    asks: Semaphore,
    tells: Semaphore,
    queue: Arc<Semaphore>,
    /// Held by who tells of an alert.
    order: tokio::sync::Mutex<()>,
    lookup: tokio::sync::Mutex<Lookup>,
    breaker: Mutex<Breaker>,
}

/// A call that the breaker let through.
struct Pass<'a>(&'a Line);

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.breaker.lock().abandoned();
    }
}

impl Line {
    pub(super) fn new(url: &Secret) -> Self {
        Self {
            url: HttpUrl::parse(url),
            asks: Semaphore::new(ASKS),
            tells: Semaphore::new(TELLS),
            queue: Arc::new(Semaphore::new(QUEUE)),
            order: tokio::sync::Mutex::default(),
            lookup: tokio::sync::Mutex::default(),
            breaker: Mutex::default(),
        }
    }

    /// A place among those that are told without anybody waiting; `None` where there are too many.
    pub(super) fn queue(line: &Arc<Self>) -> Option<OwnedSemaphorePermit> {
        line.queue.clone().try_acquire_owned().ok()
    }

    /// Waits until all those have been told that asked for their turn before.
    pub(super) async fn in_order(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.order.lock().await
    }

    /// One call. Waiting for its turn counts to its time.
    pub(super) async fn call(
        &self,
        resolver: &dyn Resolver,
        tls: Option<TlsClient>,
        request: Request,
        open_for: Duration,
    ) -> Called {
        let deadline = Instant::now() + request.timeout;
        let failed = |text: &str| Called { answer: Err(text.to_owned()), report: None, hopeless: true };
        let url = match &self.url {
            Ok(url) => url,
            Err(problem) => return Called { report: Some(problem.clone()), ..failed("the hook can't be asked") },
        };
        let resting = "the hook has failed again and again, and is not asked for a while";
        if self.breaker.lock().is_open(Instant::now()) {
            return failed(resting);
        }
        let turns = match request.kind {
            Kind::Ask => &self.asks,
            Kind::Tell => &self.tells,
        };
        // The turn of a call that nobody waits for may take as long as it likes: its queue is bounded.
        let turn = match request.kind {
            Kind::Ask => timeout_at(deadline, turns.acquire()).await.ok(),
            Kind::Tell => Some(turns.acquire().await),
        };
        let Some(Ok(_turn)) = turn else {
            return failed("too many wait for the hook already");
        };
        let deadline = if request.kind == Kind::Tell { Instant::now() + request.timeout } else { deadline };
        if !self.breaker.lock().enter(Instant::now()) {
            return failed(resting);
        }
        let pass = Pass(self);
        let route = Route { resolver, lookup: &self.lookup, tls };
        let post = http_client::post(&route, url, request.content_type, request.body, MOST_ANSWER);
        let (text, cause) = match timeout_at(deadline, post).await {
            Ok(Ok(answer)) if answer.status < 500 => return self.answered(pass, url, answer),
            Ok(Ok(answer)) => ("the hook has an error of its own", format!("HTTP {}", answer.status)),
            Ok(Err(error)) => ("the hook gave no answer", error.to_string()),
            Err(_) => ("the hook gave no answer in time", format!("no answer within {:?}", request.timeout)),
        };
        let report = self.failed(pass, url, &cause, open_for);
        Called { answer: Err(text.to_owned()), report, hopeless: false }
    }

    fn answered(&self, pass: Pass<'_>, url: &HttpUrl, answer: Answer) -> Called {
        let closes = self.breaker.lock().succeeded();
        drop(pass);
        let report = closes.then(|| format!("{url} answers again"));
        Called { answer: Ok(answer), report, hopeless: false }
    }

    fn failed(&self, pass: Pass<'_>, url: &HttpUrl, cause: &str, open_for: Duration) -> Option<String> {
        let (first, opens) = {
            let mut breaker = self.breaker.lock();
            let first = !breaker.is_failing();
            (first, breaker.failed(Instant::now(), open_for))
        };
        drop(pass);
        if opens {
            return Some(format!("{url} failed {OPENS_AFTER} times in a row ({cause}): not asked for {open_for:?}"));
        }
        first.then(|| format!("{url}: {cause}"))
    }
}
