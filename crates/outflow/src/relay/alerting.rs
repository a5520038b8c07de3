//! Alerts of the relay: its figures looked at each second, and what changes told to log, API and hooks.

use std::time::Instant;

use super::core::Core;
use super::{Relay, show};
use crate::config::StreamId;
use crate::monitor::alerts::Alert;
use crate::monitor::alerts::engine::Judged;
use crate::monitor::alerts::look::{Look, OutputLook, StreamLook};
use crate::monitor::{Event, json};
use crate::relay::view::AlertView;

impl Core {
    /// Whether this stream, or this output, is still there: it may have gone since the last look.
    fn has(&self, stream: &str, output: Option<&str>) -> bool {
        match output {
            Some(output) => self.outputs.contains_key(output),
            None => StreamId::parse(stream).is_some_and(|id| self.streams.contains_key(&id)),
        }
    }

    /// The figures that rules look at.
    pub(super) fn look(&self, now: Instant) -> Look {
        if self.draining {
            return Look::default();
        }
        let streams = self.streams.iter().map(|(id, live)| {
            let thresholds = live.rule.alerts.unwrap_or(self.config.alerts);
            StreamLook::of(&id.to_string(), thresholds, live.is_live(), &live.stats, now)
        });
        let outputs = self.outputs.values().map(|output| {
            let (plan, status) = (&output.plan, output.status());
            let reason = status.and_then(|status| status.reason).filter(|reason| !reason.is_clean());
            OutputLook {
                platform: output.platform,
                wanted: output.wanted,
                reason: reason.map(|reason| reason.text),
                held_back: plan.delay(),
                ..OutputLook::of(&plan.id, &plan.stream.to_string(), output.state(), &output.stats, now)
            }
        });
        Look { streams: streams.collect(), outputs: outputs.collect() }
    }
}

impl Relay {
    /// Judges a look; what has changed is told.
    pub(super) fn look_for_alerts(&self, look: &Look) {
        let changes = self.alerts.lock().look(look, Instant::now());
        for change in changes {
            let id = StreamId::parse(&change.alert.stream);
            let hook = id.as_ref().and_then(|id| {
                let core = self.core.lock();
                let own = core.streams.get(id).and_then(|live| live.rule.hooks.as_ref());
                own.unwrap_or(&core.config.hooks).on_alert.clone()
            });
            if let (Some(hook), Some(id)) = (hook, id) {
                self.around.hooks.alert(&hook, &id.app, &id.name, &change);
            }
            (self.around.events)(Event::Alert(change));
        }
    }

    /// The alerts that are raised: what matters most first, then the oldest.
    pub fn alerts(&self) -> Vec<AlertView> {
        let alerts = self.alerts.lock().active();
        let core = self.core.lock();
        let there = |alert: &Alert| core.has(&alert.stream, alert.output.as_deref());
        alerts.into_iter().filter(there).map(view).collect()
    }

    /// Every rule that can be judged now, and whether its alert is raised.
    pub fn judged(&self) -> Vec<Judged> {
        let mut judged = self.alerts.lock().judged();
        let core = self.core.lock();
        judged.retain(|judged| core.has(&judged.stream, judged.output.as_deref()));
        judged
    }
}

pub(super) fn view(alert: Alert) -> AlertView {
    AlertView {
        rule: alert.rule.name(),
        severity: alert.rule.severity().name(),
        stream: alert.stream,
        output: alert.output,
        since: show::date(alert.since),
        figure: json::rounded(alert.figure),
        limit: alert.limit,
        unit: alert.rule.unit(),
        text: alert.text,
        mend: alert.mend,
    }
}
