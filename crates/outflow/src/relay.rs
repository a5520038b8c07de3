//! The relay: any number of streams, publishers, players, outputs and pulls on one port, changed while it runs.

pub mod view;

use std::sync::Arc;

use serde::Deserialize;

use crate::config::Config;
use crate::secret::Secret;
use view::{Applied, GroupView, OutputView, PlayerView, PublisherView, StreamView};

/// What an output is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Run, now and after a restart.
    Start,
    /// End its broadcast, and stay stopped.
    Stop,
    /// Try again now, if it waits or has failed.
    Retry,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no such thing.
    NotFound,
    /// It belongs to the file: change it there.
    OwnedByFile,
    /// It can't be beside something that is there.
    Conflict(String),
    /// A field is wrong: which, what is wrong, and the mend.
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A limit of the configuration is reached; the text names it.
    Limit(String),
    /// It could not be kept: the state file could not be written.
    Storage(String),
}

/// A key in a request: as it is, or the name of a secret of the configuration.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum KeyText {
    /// The key itself.
    Literal(String),
    /// The name of a configured secret.
    Named {
        /// Its name.
        secret: String,
    },
}

/// An output to be, as a request describes it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOutput {
    /// The stream, as `app/name`. It need not exist yet.
    pub stream: String,
    /// Where to: `rtmp://` or `rtmps://`.
    pub url: String,
    /// The stream key, where it is not in the URL.
    #[serde(default)]
    pub key: Option<KeyText>,
    /// Its name; made from the host if not given.
    #[serde(default)]
    pub name: Option<String>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether it starts by itself with its stream.
    #[serde(default = "yes")]
    pub auto_start: bool,
    /// Whether it stops for good with the broadcast.
    #[serde(default = "yes")]
    pub auto_stop: bool,
    /// Options of the output by name, as they would be typed: `{"max_lag": "2s", "delay": "30s"}`.
    #[serde(default)]
    pub options: std::collections::BTreeMap<String, serde_json::Value>,
}

fn yes() -> bool {
    true
}

/// What is to be changed of an output; what is absent stays.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputPatch {
    /// Another stream: the output stays connected.
    #[serde(default)]
    pub stream: Option<String>,
    /// Another destination.
    #[serde(default)]
    pub url: Option<String>,
    /// Another key.
    #[serde(default)]
    pub key: Option<KeyText>,
    /// Other groups.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// Whether it starts by itself.
    #[serde(default)]
    pub auto_start: Option<bool>,
    /// Whether it stops with the broadcast.
    #[serde(default)]
    pub auto_stop: Option<bool>,
    /// Options to set; `null` brings the default back.
    #[serde(default)]
    pub options: std::collections::BTreeMap<String, serde_json::Value>,
}

/// The relay. Cheap to share; every method may be called from any thread and returns at once.
pub struct Relay {
    _config: parking_lot::Mutex<Arc<Config>>,
}

impl Relay {
    /// Applies another configuration: what did not change is not touched.
    pub fn apply(&self, _config: Config) -> Result<Applied, Vec<Fault>> {
        Ok(Applied::default())
    }

    /// The secret of this name in the configuration.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self._config.lock().secrets.get(name).cloned()
    }

    /// The streams.
    pub fn streams(&self) -> Vec<StreamView> {
        Vec::new()
    }

    /// A stream, by `app/name`.
    pub fn stream(&self, _id: &str) -> Option<StreamView> {
        None
    }

    /// The outputs.
    pub fn outputs(&self) -> Vec<OutputView> {
        Vec::new()
    }

    /// An output.
    pub fn output(&self, _id: &str) -> Option<OutputView> {
        None
    }

    /// Adds an output.
    pub fn add_output(&self, _new: NewOutput) -> Result<OutputView, Fault> {
        Err(Fault::NotFound)
    }

    /// Changes an output of the API's.
    pub fn patch_output(&self, _id: &str, _patch: OutputPatch) -> Result<OutputView, Fault> {
        Err(Fault::NotFound)
    }

    /// Ends and removes an output of the API's.
    pub fn remove_output(&self, _id: &str) -> Result<(), Fault> {
        Err(Fault::NotFound)
    }

    /// Tells an output what to do.
    pub fn command(&self, _id: &str, _command: Command) -> Result<OutputView, Fault> {
        Err(Fault::NotFound)
    }

    /// The groups.
    pub fn groups(&self) -> Vec<GroupView> {
        Vec::new()
    }

    /// Tells every output of a group what to do.
    pub fn group_command(&self, _name: &str, _command: Command) -> Result<Vec<OutputView>, Fault> {
        Err(Fault::NotFound)
    }

    /// The players.
    pub fn players(&self) -> Vec<PlayerView> {
        Vec::new()
    }

    /// Lets a player go.
    pub fn kick_player(&self, _id: u64) -> Result<(), Fault> {
        Err(Fault::NotFound)
    }

    /// The publishers.
    pub fn publishers(&self) -> Vec<PublisherView> {
        Vec::new()
    }

    /// Lets a publisher go.
    pub fn kick_publisher(&self, _id: u64) -> Result<(), Fault> {
        Err(Fault::NotFound)
    }

    /// True once it listens and is not ending.
    pub fn is_ready(&self) -> bool {
        false
    }
}
