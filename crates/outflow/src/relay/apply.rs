//! Another configuration put in force: what did not change is not touched.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use super::Relay;
use super::core::Put;
use super::plan::{Origin, Plan};
use super::view::Applied;
use crate::config::{Config, StreamId, StreamRule};

impl Relay {
    /// Applies another configuration. Each mistake is told; with one nothing changes.
    pub fn apply(self: &Arc<Self>, config: Config) -> Result<Applied, Vec<String>> {
        let _one = self.changing.lock();
        let mut guard = self.core.lock();
        let core = &mut *guard;
        let config = Arc::new(config);
        // Every stream that has outputs of patterns, or is named.
        let mut streams: BTreeSet<StreamId> = core.streams.keys().cloned().collect();
        streams.extend(config.streams.iter().filter_map(|rule| rule.name.exact()));
        let mut plans: Vec<Plan> = Vec::new();
        for rule in &config.outputs {
            match rule.stream.exact() {
                Some(stream) => plans.push(Plan::of_rule(rule, &stream)),
                None => {
                    let fitting = streams.iter().filter(|stream| rule.stream.fits(stream));
                    plans.extend(fitting.map(|stream| Plan::of_rule(rule, stream)));
                }
            }
        }
        let mistakes = self.mistakes(core, &config, &plans);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut applied = Applied::default();
        if core.config.listen != config.listen && !core.config.listen.is_nowhere() {
            applied.needs_restart.push("listen".into());
        }
        if core.config.tls != config.tls && !core.config.listen.is_nowhere() {
            applied.needs_restart.push("tls".into());
        }
        if core.config.state_file != config.state_file && !core.config.listen.is_nowhere() {
            applied.needs_restart.push("state_file".into());
        }
        self.crowd.obey(&config.limits.peers, self.around.most_connections);
        self.around.env.limit(config.limits.peers.clone());
        core.config = config.clone();
        let wanted: BTreeSet<&str> = plans.iter().map(|plan| plan.id.as_str()).collect();
        let gone: Vec<String> = core
            .outputs
            .values()
            .filter(|output| output.plan.origin == Origin::File && !wanted.contains(output.plan.id.as_str()))
            .map(|output| output.plan.id.clone())
            .collect();
        for id in gone {
            core.take_out(&id, self);
            applied.removed.push(id);
        }
        let ids: Vec<StreamId> = core.streams.keys().cloned().collect();
        for id in ids {
            let rule = core.rule_of(&id).unwrap_or_default();
            if let Some(live) = core.streams.get_mut(&id) {
                // Another source: the old pull ends first.
                if live.rule.pull != rule.pull {
                    live.pull = None;
                }
                live.obey(&id, rule);
            }
            core.pull(&id, self);
        }
        for plan in plans {
            let id = plan.id.clone();
            match core.put(plan, self) {
                Ok(Put::Added) => applied.added.push(id),
                Ok(Put::Changed) => applied.changed.push(id),
                Ok(Put::Untouched) => applied.unchanged += 1,
                Err(fault) => return Err(vec![format!("output {id}: {fault}")]),
            }
        }
        for id in config.streams.iter().filter_map(|rule| rule.name.exact()) {
            core.stream(&id, self).map_err(|fault| vec![format!("stream {id}: {fault}")])?;
        }
        self.renew(core, &mut applied);
        Ok(applied)
    }

    /// Everything for which these outputs can't be.
    fn mistakes(&self, core: &super::core::Core, config: &Config, plans: &[Plan]) -> Vec<String> {
        let mut mistakes = Vec::new();
        let streams = config.streams.iter().filter_map(|rule| rule.name.exact());
        let all: BTreeSet<StreamId> =
            core.streams.keys().cloned().chain(streams).chain(plans.iter().map(|plan| plan.stream.clone())).collect();
        if all.len() > config.limits.streams {
            mistakes.push(format!("limits.streams: {} streams are named or live", all.len()));
        }
        let own = core.outputs.values().filter(|output| output.plan.origin != Origin::File);
        let own: Vec<&Plan> = own.map(|output| &output.plan).collect();
        if own.len() + plans.len() > config.limits.outputs {
            mistakes.push(format!("limits.outputs: there would be {} outputs", own.len() + plans.len()));
        }
        let ports = self.ports.lock();
        mistakes.extend(open_to_all(config, &ports));
        for (number, plan) in plans.iter().enumerate() {
            if let Err(fault) = plan.open() {
                mistakes.push(format!("output {}: {fault}", plan.id));
            }
            let others = plans.iter().take(number).chain(own.iter().copied());
            for other in others {
                if other.id == plan.id {
                    mistakes.push(format!("output {}: the name is in use", plan.id));
                } else if other.destination() == plan.destination() {
                    let text = "sends to the same URL and key: a server takes one publisher for each";
                    mistakes.push(format!("output {}: the output {} {text}", plan.id, other.id));
                }
            }
            if plan.destination().is_own(&plan.stream, &ports) {
                mistakes.push(format!("output {}: it leads back into its own stream {}", plan.id, plan.stream));
            }
        }
        mistakes
    }

    /// Outputs of the API get secrets and defaults that have changed.
    fn renew(self: &Arc<Self>, core: &mut super::core::Core, applied: &mut Applied) {
        let kept = core.kept.outputs.clone();
        for (id, new) in kept {
            if core.outputs.get(&id).is_none_or(|output| output.plan.origin != Origin::Api) {
                continue;
            }
            match core.plan(&new).and_then(|plan| core.put(plan, self)) {
                Ok(Put::Changed) => applied.changed.push(id),
                Ok(_) => {}
                Err(fault) => {
                    let text = format!("it keeps its old settings: {fault}");
                    (self.around.events)(crate::monitor::Event::Warning { who: id, text });
                }
            }
        }
    }
}

/// Ports that are bound stay so until a restart, whatever the file says now: where others reach one, every stream has to say
/// who may publish.
fn open_to_all(config: &Config, ports: &[(SocketAddr, bool)]) -> Vec<String> {
    let Some((address, _)) = ports.iter().find(|(address, _)| !address.ip().to_canonical().is_loopback()) else {
        return Vec::new();
    };
    let asks = |rule: &StreamRule| rule.hooks.as_ref().unwrap_or(&config.hooks).on_publish.is_some();
    let closed =
        |rule: &StreamRule| !rule.publish_keys.is_empty() || rule.publish_open || rule.pull.is_some() || asks(rule);
    let closed = |rule: &StreamRule| closed(rule) || !rule.publish_users.is_empty();
    let mend = "add publish_key (or a hook, or publish_key = \"none\")";
    if config.streams.is_empty() {
        return vec![format!("anybody who reaches {address} could publish: add a [[stream]] with publish_key")];
    }
    let open = config.streams.iter().filter(|rule| !closed(rule));
    open.map(|rule| format!("stream {}: anybody who reaches {address} could publish: {mend}", rule.name)).collect()
}
