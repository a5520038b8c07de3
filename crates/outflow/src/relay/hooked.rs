//! Peers that hooks have a say in: asked about before they are told anything, told of when they have left.

use std::sync::Arc;

use super::plan::{Origin, Plan};
use super::{Fault, Relay};
use crate::config::{Hook, Hooks, Pattern, StreamId, StreamRule};
use crate::hooks::{Action, Asked, Caller, Verdict};
use crate::monitor::Event;
use crate::node::MediaUrl;
use crate::registry::{Ask, Ticket, next_id};
use crate::secret::Secret;

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
        let asked = asked(ask, id, action);
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

    /// Asks where a stream is to be sent, and sends it there.
    async fn forward(self: Arc<Self>, hook: Hook, asked: Asked, id: StreamId) {
        match self.around.hooks.forward(&hook, &asked).await {
            Ok(urls) => self.forward_to(&id, &urls),
            Err(text) => {
                let text = format!("the hook gave no outputs for it, so those of before stay: {text}");
                (self.around.events)(Event::Warning { who: id.to_string(), text });
            }
        }
    }

    /// Sends a stream to these URLs, and no longer to others that a hook gave.
    pub(super) fn forward_to(self: &Arc<Self>, id: &StreamId, urls: &[Secret]) {
        let mut guard = self.core.lock();
        let core = &mut *guard;
        let mut options = Vec::new();
        if let Ok(pattern) = Pattern::parse(&id.to_string()) {
            options = core.config.defaults_for(&pattern).options;
        }
        let plans: Vec<Plan> = urls
            .iter()
            .zip(1..)
            .map(|(url, number)| Plan {
                id: format!("forward-{number}@{id}"),
                name: format!("forward-{number}"),
                stream: id.clone(),
                url: url.clone(),
                key: None,
                options: options.clone(),
                groups: Vec::new(),
                auto_start: true,
                auto_stop: true,
                origin: Origin::Hook,
            })
            .collect();
        let gone: Vec<String> = core
            .outputs
            .values()
            .filter(|output| output.plan.origin == Origin::Hook && output.plan.stream == *id)
            .filter(|output| !plans.iter().any(|plan| plan.id == output.plan.id))
            .map(|output| output.plan.id.clone())
            .collect();
        gone.iter().for_each(|output| core.take_out(output, self));
        for plan in plans {
            let name = plan.id.clone();
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

fn asked(ask: &Ask, id: &StreamId, action: Action) -> Asked {
    let query = ask.name.expose().split_once('?').map_or("", |(_, query)| query);
    Asked {
        action,
        client_id: next_id().to_string(),
        ip: ask.peer.ip(),
        app: id.app.clone(),
        stream: id.name.clone(),
        query: Secret::new(query),
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
        if let Some(hook) = self.forward.clone() {
            let asked = Asked { action: Action::Forward, ..self.asked.clone() };
            self.relay.around.runtime.spawn(self.relay.clone().forward(hook, asked, self.id.clone()));
        }
        let asked = Asked { action: self.done, ..self.asked };
        let caller = self.relay.around.hooks.clone();
        Box::new(self.on_done.map(|hook| Leaving { caller, hook, asked }))
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
