//! Sources on the threads of the pumps: what brings a stream in runs where the stream is sent from, so that its packets stay with
//! one core, and not all of them with the first.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::Pumps;
use super::load::Load;

/// A pump whose thread has this much to do, in thousandths of its core, gets no more sources while a core is left: those that
/// each is sent to are still to come.
const HALF: u32 = 350;
/// How long a thread that does not answer is waited for.
const LATE: Duration = Duration::from_secs(1);

impl Pumps {
    /// Runs what brings a stream in on the thread of the pump that has the least to do; `work` is told its number, for
    /// [`Stream::thread`](crate::stream::Stream::thread). It ends when the answer is dropped.
    pub fn host<F>(&self, work: impl FnOnce(usize) -> F) -> Hosted<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (number, pump) = self.least(HALF);
        // Nobody knows what it will take.
        pump.load.enter(true);
        // It may have rested, and has to see how much there is to do from now on.
        pump.ready.wake();
        let (stays, work) = (Stays(pump.load.clone()), work(number));
        let task = pump.runtime.spawn(async move {
            let _stays = stays;
            work.await
        });
        Hosted(task)
    }

    /// Gives the thread of each pump a turn after this pause: what had come for those who run there has been read by then.
    pub async fn hear(&self, pause: Duration) {
        let pumps = self.pumps.lock().clone();
        let turn = || async move {
            tokio::time::sleep(pause).await;
            tokio::task::yield_now().await;
        };
        let turns: Vec<_> = pumps.iter().map(|pump| pump.runtime.spawn(turn())).collect();
        let all = async {
            for turn in turns {
                let _ = turn.await;
            }
        };
        // One that has no time for that is not waited for.
        let _ = tokio::time::timeout(LATE, all).await;
    }
}

#[cfg(test)]
impl Pumps {
    /// The first pump has a connection and this much to do, for a test.
    pub(crate) fn occupy(&self, thousandths: u32) {
        self.first.load.enter(false);
        self.first.load.freeze(thousandths);
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
