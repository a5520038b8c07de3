//! Outflow: one live stream in, many RTMP outputs out, none of which can block another.
#![deny(missing_docs)]

pub mod cli;
pub mod client;
pub mod config;
pub mod encode;
pub mod env;
pub mod error;
pub mod filter;
pub mod graph;
pub mod hooks;
pub mod http;
pub mod hub;
pub mod ingest;
pub mod input;
pub mod limits;
pub mod listen;
pub mod media;
pub mod monitor;
pub mod net;
pub mod node;
pub mod options;
pub mod output;
pub mod preflight;
pub mod registry;
pub mod relay;
pub mod secret;
pub mod serve;
pub mod sink;
pub mod source;
pub mod stop;
pub mod stream;
pub mod top;
pub mod wire;
