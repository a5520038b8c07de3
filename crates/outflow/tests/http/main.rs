//! The HTTP API against a relay in this process, asked by plain text over TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod description;
mod endpoints;
mod events;
mod live;
mod metrics;
mod page;
mod rig;
mod security;
