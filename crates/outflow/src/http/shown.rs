//! What the port shows: a relay, which can be changed as well, or a graph of words, which is as it was typed.

use std::sync::Arc;
use std::time::Instant;

use super::problem::Problem;
use crate::config::Config;
use crate::monitor::alerts::engine::Judged;
use crate::relay::Relay;
use crate::relay::measure::{OutputFigures, StreamFigures, Whole};
use crate::relay::view::{AlertView, GroupView, OutputView, PlayerView, PublisherView, StreamView};
use crate::relay::words::Words;

/// Everything that can be looked at. What changes something asks for the relay behind it.
pub(super) trait Shown: Send + Sync {
    /// The relay, if it is one.
    fn relay(&self) -> Option<&Arc<Relay>>;
    /// The configuration that is in force: who may ask, and limits.
    fn config(&self) -> Arc<Config>;
    /// Whether peers are let in.
    fn is_ready(&self) -> bool;
    fn streams(&self) -> Vec<StreamView>;
    fn stream(&self, id: &str) -> Option<StreamView>;
    fn outputs(&self) -> Vec<OutputView>;
    fn output(&self, id: &str) -> Option<OutputView>;
    fn groups(&self) -> Vec<GroupView>;
    fn players(&self) -> Vec<PlayerView>;
    fn publishers(&self) -> Vec<PublisherView>;
    fn alerts(&self) -> Vec<AlertView>;
    fn judged(&self) -> Vec<Judged>;
    fn figures(&self) -> (Vec<StreamFigures>, Vec<OutputFigures>);
    /// Those of the program as a whole.
    fn whole(&self) -> Whole;
    /// Called once a second.
    fn look(&self, now: Instant);

    /// The relay, for what changes it.
    fn changed(&self) -> Result<&Arc<Relay>, Problem> {
        let text = "a graph is as its words say: stop it, and start it with other words";
        self.relay().ok_or_else(|| Problem::new("read_only", text))
    }
}

impl Shown for Arc<Relay> {
    fn relay(&self) -> Option<&Arc<Relay>> {
        Some(self)
    }

    fn config(&self) -> Arc<Config> {
        Relay::config(self)
    }

    fn is_ready(&self) -> bool {
        Relay::is_ready(self)
    }

    fn streams(&self) -> Vec<StreamView> {
        Relay::streams(self)
    }

    fn stream(&self, id: &str) -> Option<StreamView> {
        Relay::stream(self, id)
    }

    fn outputs(&self) -> Vec<OutputView> {
        Relay::outputs(self)
    }

    fn output(&self, id: &str) -> Option<OutputView> {
        Relay::output(self, id)
    }

    fn groups(&self) -> Vec<GroupView> {
        Relay::groups(self)
    }

    fn players(&self) -> Vec<PlayerView> {
        Relay::players(self)
    }

    fn publishers(&self) -> Vec<PublisherView> {
        Relay::publishers(self)
    }

    fn alerts(&self) -> Vec<AlertView> {
        Relay::alerts(self)
    }

    fn judged(&self) -> Vec<Judged> {
        Relay::judged(self)
    }

    fn figures(&self) -> (Vec<StreamFigures>, Vec<OutputFigures>) {
        Relay::figures(self)
    }

    fn whole(&self) -> Whole {
        Relay::whole(self)
    }

    /// It does so itself.
    fn look(&self, _now: Instant) {}
}

/// A graph that runs, and who may look at it.
pub(super) struct Graph {
    pub(super) words: Words,
    pub(super) config: Arc<Config>,
}

impl Shown for Graph {
    fn relay(&self) -> Option<&Arc<Relay>> {
        None
    }

    fn config(&self) -> Arc<Config> {
        self.config.clone()
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn streams(&self) -> Vec<StreamView> {
        self.words.streams()
    }

    fn stream(&self, id: &str) -> Option<StreamView> {
        self.words.streams().into_iter().find(|stream| stream.id == id)
    }

    fn outputs(&self) -> Vec<OutputView> {
        self.words.outputs()
    }

    fn output(&self, id: &str) -> Option<OutputView> {
        self.words.outputs().into_iter().find(|output| output.id == id)
    }

    fn groups(&self) -> Vec<GroupView> {
        Vec::new()
    }

    /// They are counted at their outputs.
    fn players(&self) -> Vec<PlayerView> {
        Vec::new()
    }

    fn publishers(&self) -> Vec<PublisherView> {
        Vec::new()
    }

    fn alerts(&self) -> Vec<AlertView> {
        self.words.alerts()
    }

    fn judged(&self) -> Vec<Judged> {
        self.words.judged()
    }

    fn figures(&self) -> (Vec<StreamFigures>, Vec<OutputFigures>) {
        self.words.figures()
    }

    fn whole(&self) -> Whole {
        let kept = self.words.figures().0.iter().map(|stream| stream.kept).sum();
        Whole { kept, ..Whole::default() }
    }

    fn look(&self, now: Instant) {
        self.words.look(now);
    }
}
