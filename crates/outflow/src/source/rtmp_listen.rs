//! The listening input: one publisher at a time comes to us; when it leaves, the next may come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outflow_rtmp::url::{Host, RtmpUrl};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{BoxFuture, Produces, Source, SourceJob, SourceKind};
use crate::env::Env;
use crate::error::{Ended, SpecError};
use crate::listen::Claim;
use crate::listen::word::{address, first_peer, identity, nobody_came};
use crate::net::tls::Identity;
use crate::node::Node;
use crate::options::{Options, rtmp};
use crate::registry::{Path, PublishSlot, Target};
use crate::secret::Secret;

/// `-i rtmp://...:rtmp_listen=1`.
pub const KIND: SourceKind = SourceKind {
    name: "rtmp_listen",
    summary: "waits for an RTMP publisher (OBS, FFmpeg, GStreamer ...): `-i rtmp://HOST:PORT/app/name:gpac:rtmp_listen=1`",
    options: rtmp::LISTEN_INPUT,
    accepts: |url, listening| listening && url.is_rtmp(),
    produces: Produces::Encoded,
    may_run_free: false,
    open,
};

struct RtmpListen {
    url: RtmpUrl,
    shown: String,
    path: Path,
    key: Option<Secret>,
    options: Options,
    tls: Option<Arc<Identity>>,
    claim: Option<Claim>,
}

fn open(node: &Node) -> Result<Box<dyn Source>, SpecError> {
    let (url, shown, path) = address(node)?;
    let tls = identity(node)?;
    let key = node.options.secret("publish_key");
    if key.is_none() && !is_loopback(&url) {
        return Err(node
            .option_error("publish_key", "anybody who reaches this address could publish")
            .hint("add `publish_key=env@NAME` (the key OBS & co. must present), or say `publish_key=none` aloud"));
    }
    let key = key.filter(|key| !key.matches("none"));
    Ok(Box::new(RtmpListen { url, shown, path, key, options: node.options.clone(), tls, claim: None }))
}

fn is_loopback(url: &RtmpUrl) -> bool {
    match url.host() {
        Host::V4(address) => address.is_loopback(),
        Host::V6(address) => address.is_loopback(),
        Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Any => false,
    }
}

impl Source for RtmpListen {
    fn prepare<'a>(&'a mut self, env: &'a Env) -> BoxFuture<'a, Result<(), Ended>> {
        Box::pin(async {
            self.claim = Some(env.listeners.claim(&self.url, &self.shown, self.tls.clone(), &*env.resolver).await?);
            Ok(())
        })
    }

    fn run(&mut self, job: SourceJob) -> BoxFuture<'_, Ended> {
        Box::pin(async move {
            if self.claim.is_none()
                && let Err(ended) = self.prepare(&job.env).await
            {
                return ended;
            }
            let slot = Arc::new(PublishSlot {
                feed: job.feed.clone(),
                key: self.key.clone(),
                input: job.name.clone(),
                events: job.events.clone(),
                current: Mutex::new(None),
                joined: Notify::new(),
                stats: job.stats.clone(),
                nodelay: self.options.bool("tcp_nodelay"),
                takeover: AtomicBool::new(false),
                over: AtomicBool::new(false),
            });
            let Some(claim) = self.claim.as_mut() else { return Ended::internal("a port that was not bound") };
            let _route = claim.serve(self.path.clone(), Target::Publish(slot.clone()));
            let ended = tokio::select! {
                () = job.stop.stopped() => Ended::stopped(),
                ended = nobody_came(&slot.joined, first_peer(&self.options)) => ended,
            };
            slot.over.store(true, Ordering::Relaxed);
            if let Some(current) = slot.current.lock().as_ref() {
                current.stopper.stop();
            }
            ended
        })
    }
}
