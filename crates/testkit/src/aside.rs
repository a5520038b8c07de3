//! A thread with a runtime of its own, for receivers whose clocks are not to suffer from what else a test does.

use std::future::Future;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread. It and everything that was started on it end when this is dropped.
#[derive(Debug)]
pub struct Aside {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Aside {
    /// Starts it.
    pub fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("aside".into()).spawn(move || {
            let _ = runtime.block_on(ended);
        });
        Self { handle, end: Some(end), thread: Some(thread.expect("a thread")) }
    }

    /// Runs a future there; what it spawns stays there.
    pub async fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.handle.spawn(future).await.expect("a failed expectation on the thread aside")
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Behaviour, Ingest};
    use crate::publisher::Publisher;

    #[tokio::test]
    async fn a_server_runs_on_it() {
        let aside = Aside::start();
        let here = std::thread::current().id();
        assert_ne!(aside.run(async { std::thread::current().id() }).await, here);
        let ingest = aside.run(Ingest::start(Behaviour::Good)).await;
        let mut publisher = Publisher::connect(&ingest.url("live/k")).await.unwrap();
        publisher.send(9, 0, &b"\x17\x01\x00\x00\x00abc"[..]).await.unwrap();
        ingest.wait_for_media(0, 1).await;
        drop(aside);
        let end = publisher.replies.wait_for("the server's end", |replies| replies.end.clone()).await;
        assert!(!end.is_empty());
    }
}
