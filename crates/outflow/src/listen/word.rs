//! What listening words of both directions have in common: where they listen, under which path, and for how long without
//! a peer.

use std::sync::Arc;
use std::time::Duration;

use outflow_rtmp::url::RtmpUrl;
use tokio::sync::Notify;

use crate::error::{Ended, Origin, Reason, Retry, SpecError};
use crate::net::tls::Identity;
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

/// What an `rtmps://` word that listens shows to its peers.
pub fn identity(node: &Node) -> Result<Option<Arc<Identity>>, SpecError> {
    let secure = node.url.as_ref().is_some_and(|url| url.scheme.as_deref() == Some("rtmps"));
    let file = |name| node.options.text(name);
    match (secure, file("cert"), file("cert_key")) {
        (false, None, None) => Ok(None),
        (false, ..) => {
            Err(node.option_error("cert", "rtmp:// shows no certificate").hint("write rtmps://, or leave it out"))
        }
        // One file may hold both.
        (true, Some(cert), key) => {
            let key = key.unwrap_or_else(|| cert.clone());
            let loaded = Identity::load(cert.as_ref(), key.as_ref());
            loaded.map(Some).map_err(|problem| node.option_error("cert", problem))
        }
        (true, None, _) => {
            let hint = "add cert=FILE.pem and cert_key=FILE.pem, or write rtmp://";
            Err(node.option_error("cert", "an rtmps:// listener needs a certificate").hint(hint))
        }
    }
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
