//! Reading a stream without a connection: for sinks that write files or count.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Stream;
use crate::hub::{Cursor, Read, Start, Subscription};
use crate::wire::Shared;

/// A sink's own place in a stream.
pub struct Reader {
    stream: Arc<Stream>,
    cursor: Cursor,
    news: Arc<News>,
    place: Option<Arc<AtomicU64>>,
    _subscription: Subscription<Shared>,
}

/// Passes the hub's wake-up on to whoever awaits the reader right now.
#[derive(Default)]
struct News(Mutex<Option<Waker>>);

impl Wake for News {
    fn wake(self: Arc<Self>) {
        if let Some(waker) = self.0.lock().take() {
            waker.wake();
        }
    }
}

/// How many packets a reader is given at once.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 1 << 20;

impl Reader {
    /// A reader that begins at the stream's next entry point (or its current one, with [`Start::Group`]) and skips
    /// beyond `max_lag`. On a stream that runs free it gets every packet, and holds the source back.
    pub fn new(stream: &Arc<Stream>, start: Start, max_lag: Duration, delay: Duration) -> Self {
        let news = Arc::new(News::default());
        let subscription = stream.hub.subscribe(Waker::from(news.clone()));
        let place = stream.pace.as_ref().map(|pace| pace.join());
        let (start, max_lag) = if place.is_some() { (Start::Oldest, Duration::MAX / 2) } else { (start, max_lag) };
        if place.is_none() {
            stream.hub.keep_at_least(max_lag + delay);
        }
        let cursor = Cursor::new(start, max_lag, delay);
        Self { stream: stream.clone(), cursor, news, place, _subscription: subscription }
    }

    /// Waits for packets, a skip or the end. Appends to `out`.
    pub async fn read(&mut self, out: &mut Vec<Shared>) -> Read<Shared> {
        loop {
            let mut due = None;
            let read = std::future::poll_fn(|context| {
                *self.news.0.lock() = Some(context.waker().clone());
                let read = self.stream.hub.read(&mut self.cursor, Instant::now(), BATCH, BATCH_BYTES, out);
                if out.is_empty() && read.skip.is_none() && !read.ended && read.due.is_none() {
                    return Poll::Pending;
                }
                due = read.due.filter(|_| out.is_empty() && !read.ended);
                Poll::Ready(read)
            })
            .await;
            if let (Some(place), Some(pace)) = (&self.place, &self.stream.pace) {
                pace.moved(place, self.stream.hub.position(&self.cursor));
            }
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => return read,
            }
        }
    }

    /// How far behind the live edge it is.
    pub fn lag(&self) -> Duration {
        self.stream.hub.lag(&self.cursor, Instant::now())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let (Some(place), Some(pace)) = (&self.place, &self.stream.pace) {
            pace.leave(place);
        }
    }
}
