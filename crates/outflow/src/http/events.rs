//! Events for programs that watch: a bounded memory of the last ones, and server-sent events for each reader.
//!
//! Whoever makes an event never waits. A reader that is slow finds the oldest overwritten, and is told how many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::problem::Problem;
use crate::monitor::{self, Event, json};
use crate::stop::Stop;

/// Events that are kept: for readers that are slow, and for those that come back.
const KEPT: usize = 1024;
/// Readers at once.
const READERS: usize = 32;
/// How often a reader hears that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// One event, as it is sent.
#[derive(Debug)]
struct Told {
    number: u64,
    text: Bytes,
}

/// Takes events, and gives them to any number of readers.
pub struct Feed {
    /// Part of every id, so that numbers of another run are not taken for ours.
    run: u64,
    log: Mutex<Log>,
    sender: broadcast::Sender<Arc<Told>>,
    readers: Arc<Semaphore>,
}

#[derive(Default)]
struct Log {
    last: u64,
    kept: VecDeque<Arc<Told>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            run: u64::try_from(now().as_millis()).unwrap_or_default(),
            log: Mutex::default(),
            sender: broadcast::channel(KEPT).0,
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Feed {
    /// Takes one event over; never waits.
    pub fn push(&self, event: &Event) {
        let (name, _) = json::parts(event);
        let line = json::event(event, now());
        let mut log = self.log.lock();
        log.last += 1;
        let number = log.last;
        let text = format!("id: {:x}-{number}\nevent: {name}\ndata: {line}\n", self.run).into();
        let told = Arc::new(Told { number, text });
        if log.kept.len() >= KEPT {
            log.kept.pop_front();
        }
        log.kept.push_back(told.clone());
        // Nobody reads: nothing to do. Sent under the lock, so that numbers stay in order.
        let _ = self.sender.send(told);
    }

    /// A sink that hands every event on to `next` and to this feed.
    pub fn sink(self: &Arc<Self>, next: monitor::Sink) -> monitor::Sink {
        let feed = self.clone();
        Arc::new(move |event| {
            feed.push(&event);
            next(event);
        })
    }

    /// The answer to `GET /v1/events`. A reader that comes back with the id of the last event it saw is given what it missed,
    /// as far as that is kept; one that is new here is given as many of the last ones as it wants.
    pub(super) fn answer(&self, last_id: Option<&str>, recent: u64, stop: Stop) -> Result<Response, Problem> {
        let text = format!("{READERS} programs read events already: end one of them");
        let place = self.readers.clone().try_acquire_owned().map_err(|_| Problem::new("limit", text))?;
        let (receiver, missed, lost) = {
            let log = self.log.lock();
            let seen = last_id.and_then(|id| self.number(id)).filter(|seen| *seen <= log.last);
            let first = log.kept.front().map_or(log.last + 1, |told| told.number);
            let lost = seen.map_or(0, |seen| first.saturating_sub(seen + 1));
            let after = seen.unwrap_or(log.last.saturating_sub(recent));
            let missed: Vec<_> = log.kept.iter().filter(|told| told.number > after).cloned().collect();
            (self.sender.subscribe(), missed, lost)
        };
        let (sender, body) = Channel::new(1);
        let task = tokio::spawn(tell(sender, receiver, missed, lost, place, stop)).abort_handle();
        let mut response = Response::new(Body::new(Reading { body, task }));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        Ok(response)
    }

    fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        (u64::from_str_radix(run, 16) == Ok(self.run)).then(|| number.parse().ok())?
    }
}

/// The body of an answer; the reader's place is free as soon as its connection is gone.
struct Reading {
    body: Channel<Bytes>,
    task: AbortHandle,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl hyper::body::Body for Reading {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }
}

/// Sends to one reader, until it or the program ends. A reader that takes nothing keeps only this waiting; its connection
/// ends it then.
async fn tell(
    mut sender: Sender<Bytes>,
    mut receiver: Receiver<Arc<Told>>,
    missed: Vec<Arc<Told>>,
    lost: u64,
    place: OwnedSemaphorePermit,
    stop: Stop,
) {
    let _place = place;
    let reading = async {
        // Something at once, so that the reader sees that it is connected.
        sender.send_data(Bytes::from_static(b"retry: 2000\n\n")).await.ok()?;
        if lost > 0 {
            sender.send_data(losses(lost)).await.ok()?;
        }
        for told in missed {
            sender.send_data(told.text.clone()).await.ok()?;
        }
        loop {
            let text = match tokio::time::timeout(HEARTBEAT, receiver.recv()).await {
                Ok(Ok(told)) => told.text.clone(),
                Ok(Err(RecvError::Lagged(count))) => losses(count),
                Ok(Err(RecvError::Closed)) => return None::<()>,
                Err(_) => Bytes::from_static(b": still here\n\n"),
            };
            sender.send_data(text).await.ok()?;
        }
    };
    tokio::select! {
        _ = reading => {}
        () = stop.stopped() => {}
    }
}

fn losses(count: u64) -> Bytes {
    format!("event: lost\ndata: {{\"event\":\"lost\",\"count\":{count}}}\n\n").into()
}
