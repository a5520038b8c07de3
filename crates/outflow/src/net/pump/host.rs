//! Sources on the threads of the pumps: what brings a stream in runs where the stream is sent from, so that its packets stay with
//! one core, and not all of them with the first.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use super::Pumps;
use super::load::Load;

/// A pump whose thread has this much to do, in thousandths of its core, gets no more sources while a core is left: those that
/// each is sent to are still to come.
const HALF: u32 = 350;

impl Pumps {
    /// Runs what brings a stream in on the thread of the pump that has the least to do; `work` is told its number, for
    /// [`Stream::thread`](crate::stream::Stream::thread). It ends when the answer is dropped.
    pub fn host<F>(&self, work: impl FnOnce(usize) -> F) -> Hosted<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (number, pump) = self.least(HALF);
        pump.load.enter(false);
        let (stays, work) = (Stays(pump.load.clone()), work(number));
        let task = pump.runtime.spawn(async move {
            let _stays = stays;
            work.await
        });
        Hosted(task)
    }
}

/// Counts among what the thread has to do, until dropped.
struct Stays(Arc<Load>);

impl Drop for Stays {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Work on the thread of a pump: a future of what it comes to, `None` if it broke down. Dropping it ends the work.
pub struct Hosted<T>(JoinHandle<T>);

impl<T> Future for Hosted<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

impl<T> Drop for Hosted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
