//! Sessions: a whole connection of either role, from the handshake on, without I/O.
//!
//! Both are driven alike. Give received bytes to `receive`; take events with `next_event` until there is none and
//! answer those that ask for an answer; send what `take_output` gives. An error of `receive` ends the connection.
//!
//! `take_output` gives whole messages, so the caller may send media messages of its own between two calls. Call it only
//! when the bytes can be sent (or kept in a bounded place): until then acknowledgements and ping answers are held
//! back, only the latest of each, and a peer that asks for ever more answers without reading them is an error.
//!
//! Media is not sent through the session. Its bytes are made with [`chunk`](crate::chunk)'s functions for the
//! session's `chunk_size()` and message stream, on chunk streams other than 2, 3 and 8, and counted with `note_sent`.
mod capabilities;
mod client;
mod flow;
pub mod hops;
mod link;
mod media;
mod names;
mod server;

pub use capabilities::{Capabilities, CapsEx, Codec, FourCcInfo, Takes};
pub use client::{ClientConfig, ClientEvent, ClientSession, Connected, Redirect, Refusal, Role, Stage};
pub use server::{ConnectRequest, PlayRequest, PublishKind, PublishRequest, ServerConfig, ServerEvent, ServerSession};
