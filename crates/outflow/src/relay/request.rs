//! What the API may ask of outputs: add, change, remove, start, stop, retry; each checked whole before it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::core::Core;
use super::outputs::Output;
use super::plan::{Origin, Plan, names_a_place, typed};
use super::show;
use super::store::{Kept, Store};
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
        let store = self.changing.lock();
        let mut new = new;
        let plan = {
            let core = self.core.lock();
            if new.name.is_none() {
                new.name = Some(core.free_name(&new.url));
            }
            let plan = core.plan(&new)?;
            if core.outputs.contains_key(&plan.id) {
                return Err(Fault::Conflict(format!("there is an output {} already: choose another name", plan.id)));
            }
            core.check_destination(&plan, self)?;
            core.check_room()?;
            plan
        };
        let id = plan.id.clone();
        self.keep(&store, |kept| {
            kept.stopped.remove(&id);
            kept.started.remove(&id);
            kept.outputs.insert(id.clone(), new.clone());
        })?;
        let put = self.core.lock().put(plan, self);
        if let Err(fault) = put {
            self.keep(&store, |kept| {
                kept.outputs.remove(&id);
            })?;
            return Err(fault);
        }
        self.shown(&self.core.lock(), &id)
    }

    /// Changes an output of the API's.
    pub fn patch_output(self: &Arc<Self>, id: &str, patch: OutputPatch) -> Result<OutputView, Fault> {
        let store = self.changing.lock();
        let (new, plan) = {
            let core = self.core.lock();
            core.own(id)?;
            let mut new = core.kept.outputs.get(id).cloned().ok_or(Fault::OwnedByFile)?;
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
            (new, plan)
        };
        self.keep(&store, |kept| {
            kept.outputs.insert(id.to_owned(), new.clone());
        })?;
        let mut core = self.core.lock();
        core.put(plan, self)?;
        self.shown(&core, id)
    }

    /// Ends and removes an output of the API's.
    pub fn remove_output(self: &Arc<Self>, id: &str) -> Result<(), Fault> {
        let store = self.changing.lock();
        {
            let mut core = self.core.lock();
            core.own(id)?;
            // Also with a disk that is full: who ends an output means it.
            core.take_out(id, self);
        }
        let kept = self.keep(&store, |kept| {
            kept.outputs.remove(id);
            kept.stopped.remove(id);
            kept.started.remove(id);
        });
        kept.map_err(|fault| Fault::Storage(format!("it is gone until a restart, which brings it back: {fault}")))
    }

    /// Tells an output what to do.
    pub fn command(self: &Arc<Self>, id: &str, command: Command) -> Result<OutputView, Fault> {
        let mut told = self.tell(&[id.to_owned()], command)?;
        told.pop().ok_or(Fault::NotFound)
    }

    /// Tells every output of a group what to do.
    pub fn group_command(self: &Arc<Self>, name: &str, command: Command) -> Result<Vec<OutputView>, Fault> {
        let ids: Vec<String> = {
            let core = self.core.lock();
            let of_group = core.outputs.values().filter(|output| output.plan.groups.iter().any(|group| group == name));
            of_group.map(|output| output.plan.id.clone()).collect()
        };
        if ids.is_empty() {
            return Err(Fault::NotFound);
        }
        self.tell(&ids, command)
    }

    /// Keeps what is wanted of these outputs, then tells them.
    fn tell(self: &Arc<Self>, ids: &[String], command: Command) -> Result<Vec<OutputView>, Fault> {
        let store = self.changing.lock();
        let by_hand: Vec<bool> = {
            let core = self.core.lock();
            let found = ids.iter().map(|id| core.outputs.get(id).map(|output| !output.plan.auto_start));
            found.collect::<Option<_>>().ok_or(Fault::NotFound)?
        };
        let obey = || {
            let mut core = self.core.lock();
            ids.iter().for_each(|id| core.obey(id, command, self));
        };
        // Also with a disk that is full: who stops an output means it.
        if command == Command::Stop {
            obey();
        }
        if command != Command::Retry {
            let kept = self.keep(&store, |kept| {
                for (id, by_hand) in ids.iter().zip(&by_hand) {
                    kept.started.remove(id);
                    kept.stopped.remove(id);
                    match command {
                        Command::Stop => drop(kept.stopped.insert(id.clone())),
                        _ if *by_hand => drop(kept.started.insert(id.clone())),
                        _ => {}
                    }
                }
            });
            kept.map_err(|fault| match command {
                Command::Stop => Fault::Storage(format!("it is stopped, but not after a restart: {fault}")),
                _ => fault,
            })?;
        }
        if command != Command::Stop {
            obey();
        }
        let core = self.core.lock();
        Ok(ids.iter().filter_map(|id| core.outputs.get(id)).map(show::output).collect())
    }

    /// Keeps a change: on disk first, while nobody waits but who asked for it, so that an error changes nothing.
    fn keep(&self, store: &Store, change: impl FnOnce(&mut Kept)) -> Result<(), Fault> {
        let mut next = self.core.lock().kept.clone();
        change(&mut next);
        store.write(&next).map_err(Fault::Storage)?;
        self.core.lock().kept = next;
        Ok(())
    }

    /// Outputs that the API made before the program was started.
    pub(super) fn restore(self: &Arc<Self>) {
        let mut core = self.core.lock();
        let kept = core.kept.outputs.clone();
        for (id, new) in kept {
            let put = core.plan(&new).and_then(|plan| {
                if core.outputs.contains_key(&plan.id) {
                    return Err(Fault::Conflict(
                        "the configuration file has an output of this name, which counts".into(),
                    ));
                }
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

    /// Whether there may be one more output.
    pub(super) fn check_room(&self) -> Result<(), Fault> {
        let most = self.config.limits.outputs;
        match self.outputs.len() < most {
            true => Ok(()),
            false => Err(Fault::Limit(format!("there are {most} outputs already (limits.outputs)"))),
        }
    }

    fn obey(&mut self, id: &str, command: Command, relay: &Arc<Relay>) {
        let Some(output) = self.outputs.get_mut(id) else { return };
        let failed = output.has_failed();
        match command {
            Command::Start => {
                (output.wanted, output.stopped) = (true, false);
                if failed {
                    output.last = None;
                }
            }
            Command::Stop => (output.wanted, output.stopped) = (false, true),
            Command::Retry if failed => output.last = None,
            Command::Retry => {
                if let Some(run) = &output.run {
                    run.handle.retry_now();
                }
            }
        }
        self.settle(id, relay);
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
        if name.len() > LONGEST
            || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !name.chars().all(is_of_name)
        {
            let hint = "use 1 to 64 letters, digits, `-`, `_` and `.`, a letter or digit first";
            return Err(invalid("name", "not a name", hint));
        }
        if let Some(group) = new.groups.iter().find(|group| !is_group(group)) {
            let hint = "use 1 to 64 letters, digits, `-`, `_` and `.`";
            return Err(invalid("groups", &format!("{group:?} is not a name of a group"), hint));
        }
        let key = match &new.key {
            None => None,
            Some(KeyText::Literal(key)) => {
                if names_a_place(key) {
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
