//! Outflow.
