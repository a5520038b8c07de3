//! RTMP and Enhanced RTMP without I/O: bytes in, events and bytes out; no sockets, no clock, no logging.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod amf0;
pub mod amf3;
pub mod chunk;
pub mod command;
pub mod error;
pub mod flv;
pub mod handshake;
pub mod limits;
pub mod message;
pub mod secret;
pub mod session;
pub mod url;

pub use error::{At, Error, ErrorKind, Result};
pub use limits::Limits;
pub use message::Message;
pub use secret::Secret;
