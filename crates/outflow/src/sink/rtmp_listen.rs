//! The listening output: players come to us, any number, at any time; each reads the stream on its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outflow_rtmp::url::RtmpUrl;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{BoxFuture, Env, Role, Sink, SinkJob, SinkKind};
use crate::error::{Ended, SpecError};
use crate::hub::Start;
use crate::listen::word::{address, first_peer, identity, nobody_came};
use crate::listen::{Claim, Route};
use crate::monitor::{OutputStats, State};
use crate::net::tls::Identity;
use crate::node::Node;
use crate::options::share::Share;
use crate::options::{Options, rtmp};
use crate::registry::{Path, PlayOffer, Target};
use crate::stop::{Stopper, stopper};
use crate::stream::{Selection, Stream};

/// `-o rtmp://...:rtmp_listen=1`.
pub const KIND: SinkKind = SinkKind {
    name: "rtmp_listen",
    summary: "waits for RTMP players and serves each on its own: `-o rtmp://HOST:PORT/app:gpac:rtmp_listen=1`",
    options: rtmp::LISTEN_OUTPUT,
    accepts: |url, listening| listening && url.is_rtmp(),
    live: true,
    open,
};

struct RtmpListen {
    url: RtmpUrl,
    shown: String,
    options: Options,
    selection: Selection,
    share: Share,
    path: Path,
    tls: Option<Arc<Identity>>,
    claim: Option<Claim>,
}

fn open(node: &Node) -> Result<Box<dyn Sink>, SpecError> {
    let (url, shown, path) = address(node)?;
    let tls = identity(node)?;
    let selection = super::selection(node)?;
    let share = super::share(node)?;
    Ok(Box::new(RtmpListen { url, shown, options: node.options.clone(), selection, share, path, tls, claim: None }))
}

/// Returns when the stream is over for good and the last player has gone.
async fn all_sent(stream: &Stream, offer: &PlayOffer) {
    if stream.state().wait_for(|state| state.finished).await.is_err() {
        return;
    }
    while OutputStats::get(&offer.stats.connections) > 0 {
        offer.left.notified().await;
    }
}

/// Lets the players go each time when the source has been gone for the `grace`; those that come later wait for its return.
/// Never returns.
async fn part_without_media(stream: &Stream, offer: &PlayOffer, closer: &mut Stopper, grace: Option<Duration>) {
    let Some(grace) = grace else { return std::future::pending().await };
    let mut state = stream.state();
    loop {
        let Ok(gone) = state.wait_for(|state| state.gone_since.is_some()).await.map(|state| state.gone_since) else {
            return std::future::pending().await;
        };
        let Some(due) = gone.and_then(|gone| gone.checked_add(grace)) else { return std::future::pending().await };
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {
                let (next, closing) = stopper();
                *offer.closing.lock() = closing;
                std::mem::replace(closer, next).stop();
                let _ = state.wait_for(|state| state.gone_since != gone).await;
            }
            _ = async { state.clone().wait_for(|state| state.gone_since != gone).await.map(drop) } => {}
        }
    }
}

impl Sink for RtmpListen {
    fn role(&self) -> Role {
        Role::Serve
    }

    fn prepare<'a>(&'a mut self, env: &'a Env) -> BoxFuture<'a, Result<(), Ended>> {
        Box::pin(async {
            self.claim = Some(env.listeners.claim(&self.url, &self.shown, self.tls.clone(), &*env.resolver).await?);
            Ok(())
        })
    }

    fn run(&mut self, job: SinkJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            if self.claim.is_none()
                && let Err(ended) = self.prepare(&job.env).await
            {
                return ended;
            }
            let (mut closer, closing) = stopper();
            let options = &self.options;
            let start = if options.text("start").as_deref() == Some("key") { Start::Next } else { Start::Group };
            let offer = Arc::new(PlayOffer {
                stream: job.stream.select(&self.selection),
                start,
                max_lag: options.duration("max_lag").unwrap_or(Duration::from_secs(4)),
                latency: options.duration("latency").unwrap_or_default(),
                share: self.share,
                delay: options.duration("delay").unwrap_or_default(),
                chunk_size: chunk_size(options),
                key: options.secret("play_key"),
                stats: job.stats.clone(),
                output: job.name.clone(),
                events: job.events.clone(),
                joined: Notify::new(),
                left: Notify::new(),
                players: Arc::default(),
                closing: Mutex::new(closing),
                nodelay: options.bool("tcp_nodelay"),
                over: Arc::default(),
            });
            offer.stream.hub().keep_at_least(offer.max_lag + offer.delay);
            let Some(claim) = self.claim.as_mut() else { return Ended::internal("a port that was not bound") };
            let route: Route = claim.serve(self.path.clone(), Target::Play(offer.clone()));
            job.progress.enter(State::Live);
            let ended = tokio::select! {
                () = job.stop.stopped() => {
                    offer.over.store(true, Ordering::Relaxed);
                    Ended::stopped()
                }
                ended = nobody_came(&offer.joined, first_peer(&self.options)) => ended,
                // Each player is sent what is left, and told the end, by its own reading of the stream.
                () = all_sent(&job.stream, &offer) => Ended::clean(),
                () = part_without_media(&job.stream, &offer, &mut closer, options.duration("grace")) => {
                    Ended::internal("a stream without an end")
                }
            };
            drop(route);
            closer.stop();
            ended
        })
    }
}

/// The chunk size to announce: `chunk_size=`, else the one whose bytes are shared by all.
pub fn chunk_size(options: &Options) -> u32 {
    options.count("chunk_size").and_then(|size| u32::try_from(size).ok()).unwrap_or(crate::wire::CHUNK_SIZE)
}
