//! What listening words of both directions have in common: where they listen, under which path, and for how long without
//! a peer.

use std::time::Duration;

use outflow_rtmp::url::RtmpUrl;
use tokio::sync::Notify;

use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::node::Node;
use crate::options::Options;
use crate::registry::Path;
use crate::secret::Secret;

/// Where a listening word listens, and under which path: of its URL, or as `rtmp_app` and `rtmp_playpath` say.
pub fn address(node: &Node) -> Result<(RtmpUrl, String, Path), SpecError> {
    let url = node.url.as_ref().ok_or_else(|| node.error("it has no URL"))?;
    let parsed = RtmpUrl::parse(url.raw.expose()).map_err(|error| node.error(error.to_string()))?;
    let options = &node.options;
    let (app, name) = (options.text("rtmp_app"), options.secret("rtmp_playpath").or_else(|| options.secret("key")));
    let target = parsed.target(None, app.as_deref(), name.as_ref().map(Secret::expose));
    let path = Path::new(&target.app, &target.name);
    Ok((parsed, url.shown.clone(), path))
}

/// How long a listening word waits for its first peer; `None` = for ever.
pub fn first_peer(options: &Options) -> Option<Duration> {
    options.duration("timeout").filter(|timeout| !timeout.is_zero())
}

/// Ends a listening word that nobody came to in time.
pub async fn nobody_came(joined: &Notify, within: Option<Duration>) -> Ended {
    let Some(within) = within else { return std::future::pending().await };
    match tokio::time::timeout(within, joined.notified()).await {
        Ok(()) => std::future::pending().await,
        Err(_) => Ended::new(
            Origin::Peer,
            Retry::Never,
            Reason::Timeout,
            format!("nobody connected within {} s (`timeout=`)", within.as_secs_f64()),
        ),
    }
}
