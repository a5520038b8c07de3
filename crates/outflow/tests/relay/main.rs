//! The relay in process: who may publish and play, outputs changed while a show runs, another configuration put in force.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod hooked;
mod login;
mod outputs;
mod reload;
mod rig;
mod tls;
mod tracks;
