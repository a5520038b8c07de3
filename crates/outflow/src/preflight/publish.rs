//! The publish itself, for those who asked for it: accepted or refused, and ended at once. No media is sent.

use std::time::{Duration, Instant};

use outflow_rtmp::session::Role;

use super::finding::{Finding, Verdict};
use super::stages::millis;
use crate::client::{Client, Watcher, settings};
use crate::monitor::State;
use crate::net::dial::Resolver;
use crate::net::exchange::Exchange;
use crate::node::{MediaUrl, Node};
use crate::options::Value;
use crate::options::platforms::Platform;
use crate::secret::Secret;

/// How long it may take, connecting included.
const ALL: Duration = Duration::from_secs(8);
const LAST_WORDS: Duration = Duration::from_millis(500);

struct Nobody;

impl Watcher for Nobody {
    fn enter(&self, _state: State) {}

    fn note(&self, _text: String) {}
}

/// Publishes, and ends it. Where the platform has a way that nobody sees, that way.
pub(super) async fn publish(node: &Node, platform: Option<&Platform>, who: &str, resolver: &dyn Resolver) -> Finding {
    let unseen = platform.and_then(|platform| platform.unseen);
    let node = unseen.map_or_else(|| node.clone(), |suffix| suffixed(node, suffix.value));
    let settings = match settings::read(&node, Role::Publish) {
        Ok(settings) => settings,
        Err(error) => return Finding::new(who, "publish", Verdict::Fail, error.problem),
    };
    let begin = Instant::now();
    let mut client = Client::new(settings);
    let opened = match tokio::time::timeout(ALL, client.open(resolver, &Nobody, &[])).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(ended)) => {
            let mend = "copy the key from the platform again; some take one only once the event is set up, \
                        or while no other encoder sends";
            return Finding::new(who, "publish", Verdict::Fail, ended.text).mend(mend);
        }
        Err(_) => {
            let text = format!("no answer to the publish within {} s", ALL.as_secs());
            return Finding::new(who, "publish", Verdict::Fail, text)
                .mend("is the key right? some servers never say no");
        }
    };
    let took = millis(begin.elapsed());
    let mut session = opened.session;
    session.finish();
    Exchange::new(opened.connection).part(&mut session, LAST_WORDS).await;
    let how = if unseen.is_some() { ", in a way that nobody sees" } else { "" };
    match opened.accepted {
        true => {
            let text = format!("accepted in {took} and ended at once{how}; no media was sent");
            Finding::new(who, "publish", Verdict::Pass, text)
        }
        false => {
            let text = "the server said neither yes nor no, as some do: whether the key is right shows with media only";
            Finding::new(who, "publish", Verdict::NotTested, text)
        }
    }
}

/// The same word with this at the end of its key.
fn suffixed(node: &Node, suffix: &str) -> Node {
    let mut node = node.clone();
    let join = |text: &str| match text.contains('?') {
        true => format!("{text}{}", suffix.replacen('?', "&", 1)),
        false => format!("{text}{suffix}"),
    };
    if let Some(key) = node.options.secret("key") {
        node.options.set("key", Value::Secret(Secret::new(join(key.expose()))));
    } else if let Some(url) = &node.url {
        node.url = Some(MediaUrl::output(&join(url.raw.expose())));
    }
    node
}
