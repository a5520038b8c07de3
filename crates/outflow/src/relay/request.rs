//! What the API may ask of outputs: add, change, remove, start, stop, retry; each checked whole before it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::outputs::Output;
use super::plan::{Origin, Plan, typed};
use super::show;
use super::view::OutputView;
use super::{Command, Fault, KeyText, NewOutput, OutputPatch, Relay};
use crate::config::{Pattern, StreamId};
use crate::node::MediaUrl;
use crate::secret::Secret;

/// Names of outputs and groups are no longer than this.
const LONGEST: usize = 64;

impl Relay {
    /// Adds an output.
    pub fn add_output(self: &Arc<Self>, new: NewOutput) -> Result<OutputView, Fault> {
        let mut core = self.core.lock();
        let mut new = new;
        if new.name.is_none() {
            new.name = Some(core.free_name(&new.url));
        }
        let plan = core.plan(&new)?;
        if core.outputs.contains_key(&plan.id) {
            return Err(Fault::Conflict(format!("there is an output {} already: choose another name", plan.id)));
        }
        core.check_destination(&plan, self)?;
        let id = plan.id.clone();
        core.keep(|kept| {
            kept.stopped.remove(&id);
            kept.started.remove(&id);
            kept.outputs.insert(id.clone(), new);
        })?;
        if let Err(fault) = core.put(plan, self) {
            core.keep(|kept| drop(kept.outputs.remove(&id)))?;
            return Err(fault);
        }
        self.shown(&core, &id)
    }

    /// Changes an output of the API's.
    pub fn patch_output(self: &Arc<Self>, id: &str, patch: OutputPatch) -> Result<OutputView, Fault> {
        let mut core = self.core.lock();
        core.own(id)?;
        let mut new = core.store.kept.outputs.get(id).cloned().ok_or(Fault::OwnedByFile)?;
        let OutputPatch { stream, url, key, groups, auto_start, auto_stop, options } = patch;
        new.stream = stream.unwrap_or(new.stream);
        new.url = url.unwrap_or(new.url);
        new.key = key.or(new.key);
        new.groups = groups.unwrap_or(new.groups);
        new.auto_start = auto_start.unwrap_or(new.auto_start);
        new.auto_stop = auto_stop.unwrap_or(new.auto_stop);
        for (name, value) in options {
            match value {
                serde_json::Value::Null => drop(new.options.remove(&name)),
                value => drop(new.options.insert(name, value)),
            }
        }
        let plan = core.plan(&new)?;
        core.check_destination(&plan, self)?;
        core.keep(|kept| drop(kept.outputs.insert(id.to_owned(), new)))?;
        core.put(plan, self)?;
        self.shown(&core, id)
    }

    /// Ends and removes an output of the API's.
    pub fn remove_output(self: &Arc<Self>, id: &str) -> Result<(), Fault> {
        let mut core = self.core.lock();
        core.own(id)?;
        core.keep(|kept| {
            kept.outputs.remove(id);
            kept.stopped.remove(id);
            kept.started.remove(id);
        })?;
        core.take_out(id, self);
        Ok(())
    }

    /// Tells an output what to do.
    pub fn command(self: &Arc<Self>, id: &str, command: Command) -> Result<OutputView, Fault> {
        let mut core = self.core.lock();
        core.command(id, command, self)?;
        self.shown(&core, id)
    }

    /// Tells every output of a group what to do.
    pub fn group_command(self: &Arc<Self>, name: &str, command: Command) -> Result<Vec<OutputView>, Fault> {
        let mut core = self.core.lock();
        let of_group = |output: &&Output| output.plan.groups.iter().any(|group| group == name);
        let ids: Vec<String> = core.outputs.values().filter(of_group).map(|output| output.plan.id.clone()).collect();
        if ids.is_empty() {
            return Err(Fault::NotFound);
        }
        for id in &ids {
            core.command(id, command, self)?;
        }
        Ok(ids.iter().filter_map(|id| core.outputs.get(id)).map(show::output).collect())
    }

    /// Outputs that the API made before the program was started.
    pub(super) fn restore(self: &Arc<Self>) {
        let mut core = self.core.lock();
        let kept = core.store.kept.outputs.clone();
        for (id, new) in kept {
            let put = core.plan(&new).and_then(|plan| {
                core.check_destination(&plan, self)?;
                core.put(plan, self)
            });
            if let Err(fault) = put {
                let text = format!("it was made through the API and can't be any more: {fault}");
                (self.around.events)(crate::monitor::Event::Warning { who: id, text });
            }
        }
    }
}

impl Core {
    /// An output that the API may change.
    fn own(&self, id: &str) -> Result<&Output, Fault> {
        let output = self.outputs.get(id).ok_or(Fault::NotFound)?;
        match output.plan.origin {
            Origin::Api => Ok(output),
            Origin::File => Err(Fault::OwnedByFile),
            Origin::Hook => Err(Fault::Conflict("it belongs to a hook's answer: the hook decides on it".into())),
        }
    }

    fn keep(&mut self, change: impl FnOnce(&mut super::store::Kept)) -> Result<(), Fault> {
        self.store.change(change).map_err(Fault::Storage)
    }

    fn command(&mut self, id: &str, command: Command, relay: &Arc<Relay>) -> Result<(), Fault> {
        let output = self.outputs.get(id).ok_or(Fault::NotFound)?;
        let (auto_start, fails) = (output.plan.auto_start, output.has_failed());
        match command {
            Command::Start => self.keep(|kept| {
                kept.stopped.remove(id);
                if !auto_start {
                    kept.started.insert(id.to_owned());
                }
            })?,
            Command::Stop => self.keep(|kept| {
                kept.started.remove(id);
                kept.stopped.insert(id.to_owned());
            })?,
            Command::Retry => {}
        }
        let Some(output) = self.outputs.get_mut(id) else { return Ok(()) };
        match command {
            Command::Start => {
                (output.wanted, output.stopped) = (true, false);
                if fails {
                    output.last = None;
                }
            }
            Command::Stop => (output.wanted, output.stopped) = (false, true),
            Command::Retry if fails => output.last = None,
            Command::Retry => {
                if let Some(run) = &output.run {
                    run.handle.retry_now();
                }
            }
        }
        self.settle(id, relay);
        Ok(())
    }

    /// A name that no output has, made from the host of a URL.
    fn free_name(&self, url: &str) -> String {
        let host = MediaUrl::output(url).host().unwrap_or("output").to_ascii_lowercase();
        let host: String = host.chars().filter(|c| is_of_name(*c)).take(LONGEST - 8).collect();
        let host = if host.is_empty() { "output".to_owned() } else { host };
        let mut names = std::iter::once(host.clone()).chain((2u64..).map(|number| format!("{host}-{number}")));
        names.find(|name| !self.outputs.contains_key(name)).unwrap_or(host)
    }

    /// What a request asks for, checked.
    pub(super) fn plan(&self, new: &NewOutput) -> Result<Plan, Fault> {
        let invalid = |field: &str, problem: &str, hint: &str| Fault::Invalid {
            field: field.into(),
            problem: problem.into(),
            hint: (!hint.is_empty()).then(|| hint.into()),
        };
        let stream = StreamId::parse(&new.stream)
            .ok_or_else(|| invalid("stream", "not the name of a stream", "write app/name, as in live/show"))?;
        if self.rule_of(&stream).is_none() {
            let hint = "add a [[stream]] for it to the configuration, or correct the name";
            return Err(invalid("stream", "no rule of the configuration allows a stream of this name", hint));
        }
        let url = MediaUrl::output(&new.url);
        if !url.is_rtmp() {
            return Err(invalid("url", "not an rtmp:// or rtmps:// URL", "write rtmp://HOST/APP or rtmps://HOST/APP"));
        }
        if new.url.contains("${") {
            return Err(invalid("url", "templates are for the file only", "write the URL as it is to be"));
        }
        let name = new.name.clone().unwrap_or_default();
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(is_of_name) {
            return Err(invalid("name", "not a name", "use 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        if let Some(group) = new.groups.iter().find(|group| !is_group(group)) {
            let hint = "use 1 to 64 letters, digits, `-`, `_` and `.`";
            return Err(invalid("groups", &format!("{group:?} is not a name of a group"), hint));
        }
        let key = match &new.key {
            None => None,
            Some(KeyText::Literal(key)) => {
                if ["file@", "env@", "fd@"].iter().any(|start| key.starts_with(start)) {
                    let hint = "give the key itself, or {\"secret\": \"NAME\"} of the configuration's [secrets]";
                    return Err(invalid("key", "the API reads no files and no environment", hint));
                }
                Some(Secret::new(key.as_str()))
            }
            Some(KeyText::Named { secret }) => {
                let found = self.config.secrets.get(secret).cloned();
                let hint = "name one of the configuration's [secrets]";
                Some(found.ok_or_else(|| invalid("key.secret", "there is no secret of this name", hint))?)
            }
        };
        let mut options = BTreeMap::new();
        // What the file says for all outputs of the stream, before what the request says for this one.
        if let Ok(pattern) = Pattern::parse(&stream.to_string()) {
            options.extend(self.config.defaults_for(&pattern).options);
        }
        for (name, value) in &new.options {
            let (name, value) = typed(name, value)?;
            options.insert(name, value);
        }
        let plan = Plan {
            id: name.clone(),
            name,
            stream,
            url: Secret::new(new.url.as_str()),
            key,
            options: options.into_iter().collect(),
            groups: new.groups.clone(),
            auto_start: new.auto_start,
            auto_stop: new.auto_stop,
            origin: Origin::Api,
        };
        plan.open()?;
        Ok(plan)
    }

    /// Two outputs to one place would be two publishers of one name; one that leads back here a loop.
    pub(super) fn check_destination(&self, plan: &Plan, relay: &Relay) -> Result<(), Fault> {
        let destination = plan.destination();
        let twin =
            self.outputs.values().find(|other| other.plan.id != plan.id && other.plan.destination() == destination);
        if let Some(twin) = twin {
            let text =
                format!("the output {} sends to the same URL and key: a server takes one publisher", twin.plan.id);
            return Err(Fault::Conflict(text));
        }
        if destination.is_own(&plan.stream, &relay.ports.lock()) {
            return Err(Fault::Conflict("it leads back into the same stream of this relay".into()));
        }
        Ok(())
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_group(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.chars().all(is_of_name)
}
