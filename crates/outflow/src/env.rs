//! The parts of the program that are there once, as sources and sinks are given them.

use std::sync::Arc;

use crate::hub::Budget;
use crate::limits::{InForce, Limits};
use crate::listen::Listeners;
use crate::net::dial::{Resolver, SystemResolver};
use crate::net::pump::Pumps;

/// What every run of every source and sink may use.
#[derive(Clone)]
pub struct Env {
    /// Looks up names.
    pub resolver: Arc<dyn Resolver>,
    /// Serves connections that carry media.
    pub pumps: Arc<Pumps>,
    /// Ports that others connect to.
    pub listeners: Arc<Listeners>,
    /// What peers may cost.
    pub limits: InForce,
    /// What all streams together may keep.
    pub budget: Arc<Budget>,
}

impl Env {
    /// The usual parts, with the system's resolver. Must be called within a runtime.
    pub fn system(events: crate::monitor::Sink) -> Self {
        Self::new(Arc::new(SystemResolver), events)
    }

    /// The usual parts, with this resolver and the usual limits. Must be called within a runtime.
    pub fn new(resolver: Arc<dyn Resolver>, events: crate::monitor::Sink) -> Self {
        Self::within(Limits::default(), resolver, events)
    }

    /// The same with these limits.
    pub fn within(limits: Limits, resolver: Arc<dyn Resolver>, events: crate::monitor::Sink) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pumps = Pumps::start(cores);
        let budget = Budget::new(limits.process_bytes);
        let limits = InForce::new(limits);
        let listeners = Listeners::new(pumps.clone(), events, limits.clone());
        Self { resolver, pumps, listeners, limits, budget }
    }

    /// Puts other limits in force, for connections to come; what streams keep obeys at once.
    pub fn limit(&self, limits: Limits) {
        self.budget.limit(limits.process_bytes);
        self.limits.put(limits);
    }
}
