//! The publish itself, for those who asked for it: accepted or refused, and ended at once. No media is sent.

use std::time::{Duration, Instant};

use outflow_rtmp::session::{ClientEvent, ClientSession, Role};

use super::finding::{Finding, Verdict};
use super::stages::millis;
use crate::client::{Client, Watcher, settings};
use crate::env::Env;
use crate::monitor::State;
use crate::net::exchange::Exchange;
use crate::node::{MediaUrl, Node};
use crate::options::Value;
use crate::options::platforms::{self, Platform};
use crate::secret::Secret;

/// How long it may take, connecting included.
const ALL: Duration = Duration::from_secs(8);
/// Some say yes to every key and hang up on those that they do not know.
const SECOND_THOUGHTS: Duration = Duration::from_millis(1500);
const LAST_WORDS: Duration = Duration::from_millis(500);

const MEND: &str = "copy the key from the platform again; some take one only once the event is set up, \
                    or while no other encoder sends";

struct Nobody;

impl Watcher for Nobody {
    fn enter(&self, _state: State) {}

    fn note(&self, _text: String) {}
}

/// Publishes, and ends it. Where the platform has a way that nobody sees, that way.
pub(super) async fn publish(node: &Node, platform: Option<&Platform>, who: &str, env: &Env) -> Finding {
    let unseen = platform.and_then(|platform| platform.unseen);
    // Another server that is only said to belong to the platform gets the same, but who knows what it does with it.
    let host = node.url.as_ref().and_then(MediaUrl::host).and_then(platforms::of_host);
    let is_theirs = platform.is_some_and(|platform| host.is_some_and(|host| host.name == platform.name));
    let node = unseen.map_or_else(|| node.clone(), |suffix| suffixed(node, suffix.value));
    let mut settings = match settings::read(&node, Role::Publish) {
        Ok(settings) => settings,
        Err(error) => return Finding::new(who, "publish", Verdict::Fail, error.problem),
    };
    settings.limits.clone_from(&env.limits.get().rtmp);
    let begin = Instant::now();
    let mut client = Client::new(settings);
    let opened = match tokio::time::timeout(ALL, client.open(&*env.resolver, &Nobody, &[])).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(ended)) => {
            return Finding::new(who, "publish", Verdict::Fail, ended.text).mend(MEND);
        }
        Err(_) => {
            let text = format!("no answer to the publish within {} s", ALL.as_secs());
            return Finding::new(who, "publish", Verdict::Fail, text)
                .mend("is the key right? some servers never say no");
        }
    };
    let took = millis(begin.elapsed());
    let mut session = opened.session;
    let mut exchange = Exchange::new(opened.connection);
    if opened.accepted
        && let Ok(said) = tokio::time::timeout(SECOND_THOUGHTS, hangs_up(&mut exchange, &mut session)).await
    {
        let text = format!("the server said yes, and {said}: mostly a key that it does not know");
        return Finding::new(who, "publish", Verdict::Fail, text).mend(MEND);
    }
    session.finish();
    exchange.part(&mut session, LAST_WORDS).await;
    let how = match unseen {
        Some(_) if is_theirs => ", in a way that nobody sees",
        Some(_) => ", in a way that nobody sees if the platform has it",
        None => "",
    };
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

/// Waits until the server ends it, and tells how.
async fn hangs_up(exchange: &mut Exchange, session: &mut ClientSession) -> String {
    let mut buffer = vec![0; 4096];
    loop {
        while let Some(event) = session.next_event() {
            match event {
                ClientEvent::Refused(refusal) => return format!("then refused ({})", refusal.code),
                ClientEvent::Ended { code, .. } => return format!("then ended it ({code})"),
                _ => {}
            }
        }
        match exchange.read(session, &mut buffer).await {
            Ok(length) if length > 0 => {
                if let Err(error) = session.receive(buffer.get(..length).unwrap_or_default()) {
                    return format!("then spoke no RTMP any more ({error})");
                }
            }
            _ => return "closed the connection without a word".to_owned(),
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
