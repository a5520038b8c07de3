//! Peers that hooks have a say in: asked about before they are told anything, told of when they have left.

use std::sync::Arc;
use std::time::Duration;

use super::plan::{Origin, Plan};
use super::{Fault, Relay};
use crate::config::{Hook, Hooks, Pattern, StreamId, StreamRule};
use crate::hooks::{Action, Asked, Caller, Verdict};
use crate::monitor::Event;
use crate::node::MediaUrl;
use crate::registry::{Ask, Ticket, next_id};
use crate::secret::Secret;
use crate::stop::{Stop, stopper};

/// Before a hook that gave no outputs is asked again: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Relay {
    /// The hooks that hold for a stream.
    fn hooks_of(&self, rule: &StreamRule) -> Hooks {
        rule.hooks.clone().unwrap_or_else(|| self.core.lock().config.hooks.clone())
    }

    /// Asks the hook, if there is one, whether a peer may come in. The error is its no. The answer is to be kept as long
    /// as the peer is there.
    pub(super) async fn ask_hook(
        self: &Arc<Self>,
        ask: &Ask,
        id: &StreamId,
        rule: &StreamRule,
        action: Action,
    ) -> Result<Option<Box<dyn Ticket>>, String> {
        let hooks = self.hooks_of(rule);
        let publishes = action == Action::Publish;
        let asked = asked(ask, id, rule, action);
        let hook = if publishes { &hooks.on_publish } else { &hooks.on_play };
        if let Some(hook) = hook
            && let Verdict::Refuse { text } = self.around.hooks.ask(hook, &asked).await
        {
            return Err(text);
        }
        let forward = hooks.on_forward.filter(|_| publishes);
        if hooks.on_done.is_none() && forward.is_none() {
            return Ok(None);
        }
        let done = Action::PublishDone;
        let done = if publishes { done } else { Action::PlayDone };
        Ok(Some(Box::new(Guest { relay: self.clone(), id: id.clone(), asked, done, on_done: hooks.on_done, forward })))
    }

    /// Asks where a stream is to be sent, and sends it there; again and again as long as there is no answer and the publisher
    /// is there.
    async fn forward(self: Arc<Self>, hook: Hook, asked: Asked, id: StreamId, gone: Stop) {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = tokio::select! {
                answer = self.around.hooks.forward(&hook, &asked) => answer,
                () = gone.stopped() => return,
            };
            let text = match answer {
                Ok(urls) => return self.forward_to(&id, &urls),
                Err(text) => text,
            };
            let text = format!("the hook gave no outputs for it, so those of before stay; it is asked again: {text}");
            (self.around.events)(Event::Warning { who: id.to_string(), text });
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = gone.stopped() => return,
            }
        }
    }

    /// Sends a stream to these URLs, and no longer to others that a hook gave. Outputs whose URL is still there are not touched.
    pub(super) fn forward_to(self: &Arc<Self>, id: &StreamId, urls: &[Secret]) {
        let mut guard = self.core.lock();
        let core = &mut *guard;
        let options = Pattern::parse(&id.to_string()).map(|pattern| core.config.defaults_for(&pattern).options);
        let options = options.unwrap_or_default();
        // Those that are wanted no more go first, and with them what they stand in the way of.
        let stays = |plan: &Plan| plan.stream == *id && urls.contains(&plan.url);
        let idle = |plan: &Plan| core.streams.get(&plan.stream).is_none_or(|live| !live.is_published());
        let gone: Vec<String> = core
            .outputs
            .values()
            .filter(|output| output.plan.origin == Origin::Hook && !stays(&output.plan))
            .filter(|output| output.plan.stream == *id || (urls.contains(&output.plan.url) && idle(&output.plan)))
            .map(|output| output.plan.id.clone())
            .collect();
        gone.iter().for_each(|output| core.take_out(output, self));
        for url in urls {
            if core.outputs.values().any(|output| {
                output.plan.origin == Origin::Hook && output.plan.url == *url && output.plan.stream == *id
            }) {
                continue;
            }
            let free =
                (1u64..).find(|number| !core.outputs.contains_key(&format!("forward-{number}@{id}"))).unwrap_or(0);
            let name = format!("forward-{free}@{id}");
            let plan = Plan {
                id: name.clone(),
                name: format!("forward-{free}"),
                stream: id.clone(),
                url: url.clone(),
                key: None,
                options: options.clone(),
                groups: Vec::new(),
                auto_start: true,
                auto_stop: true,
                origin: Origin::Hook,
            };
            let put = match MediaUrl::output(plan.url.expose()).is_rtmp() {
                true => core.check_destination(&plan, self).and_then(|()| core.put(plan, self).map(drop)),
                false => Err(Fault::Conflict("the hook's answer is not an rtmp:// or rtmps:// URL".into())),
            };
            if let Err(fault) = put {
                let text = format!("this output of a hook can't be: {fault}");
                (self.around.events)(Event::Warning { who: name, text });
            }
        }
    }
}

/// A publisher's query, as a hook is told of it: without the keys that let it in here, which are nobody else's business.
fn query_of<'a>(ask: &'a Ask, rule: &StreamRule) -> String {
    let query: &'a str = ask.name.expose().split_once('?').map_or("", |(_, query)| query);
    let own = |pair: &&str| {
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        rule.publish_keys.iter().chain(&rule.play_tokens).any(|key| key.matches(value))
    };
    query.split('&').filter(|pair| !own(pair)).collect::<Vec<_>>().join("&")
}

fn asked(ask: &Ask, id: &StreamId, rule: &StreamRule, action: Action) -> Asked {
    Asked {
        action,
        client_id: next_id().to_string(),
        ip: ask.peer.ip(),
        app: id.app.clone(),
        stream: id.name.clone(),
        query: Secret::new(query_of(ask, rule)),
        tc_url: Secret::new(ask.connect.tc_url.as_str()),
        flash_ver: ask.connect.flash_ver.clone(),
        swf_url: ask.connect.swf_url.clone(),
        page_url: ask.connect.page_url.clone(),
    }
}

/// A peer that was let in, for as long as it is there.
struct Guest {
    relay: Arc<Relay>,
    id: StreamId,
    asked: Asked,
    done: Action,
    on_done: Option<Hook>,
    forward: Option<Hook>,
}

impl Ticket for Guest {
    fn begun(self: Box<Self>) -> Box<dyn Send> {
        // Dropped with what is given back: nobody is asked for somebody who has left.
        let (stays, gone) = stopper();
        if let Some(hook) = self.forward.clone() {
            let asked = Asked { action: Action::Forward, ..self.asked.clone() };
            self.relay.around.runtime.spawn(self.relay.clone().forward(hook, asked, self.id.clone(), gone));
        }
        let asked = Asked { action: self.done, ..self.asked };
        let caller = self.relay.around.hooks.clone();
        Box::new((stays, self.on_done.map(|hook| Leaving { caller, hook, asked })))
    }
}

/// Tells the hook that the peer has left, when dropped.
struct Leaving {
    caller: Caller,
    hook: Hook,
    asked: Asked,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.caller.tell(&self.hook, self.asked.clone());
    }
}
