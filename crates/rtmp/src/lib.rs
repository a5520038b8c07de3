//! RTMP and Enhanced RTMP without I/O: bytes in, events and bytes out; no sockets, no clock, no logging.
//!
//! # What is implemented
//!
//! | specification | version | where |
//! |---|---|---|
//! | Adobe's Real Time Messaging Protocol | 1.0 (2012) | [`handshake`], [`chunk`], [`message`], [`command`], [`session`] |
//! | Enhanced RTMP | v2 (2024-2026), v1 within it | [`flv`], [`session::Capabilities`], reconnect requests in [`session`] and [`url`] |
//! | Action Message Format AMF 0 | 2007 | [`amf0`] |
//! | Action Message Format AMF 3 | 2013 | [`amf3`], inside AMF 0 |
//! | Adobe Flash Video File Format | 10.1 (2010) | [`flv`] |
//! | logins in connect, in no specification | as FFmpeg has them | [`auth`] |
//!
//! Not implemented: RTMPE, RTMPT and RTMFP; shared objects are skipped; recordings are not played. RTMPS is RTMP over
//! TLS, which is the caller's.
//!
//! Where the specifications and the programs in use disagree, the crate takes what those programs send and sends only
//! what all of them take. A comment says so at each such place.
//!
//! # How to drive it
//!
//! A [`session`] is one connection of one role. It never waits and never fails to return:
//!
//! 1. Give what was received to `receive`, cut anywhere. An error is the end of the connection: it says what was wrong,
//!    where ([`Error::at`]), and against which section of which specification ([`Error::section`]).
//! 2. Take events with `next_event` until there is none. [`ServerEvent::Connect`](session::ServerEvent::Connect),
//!    `Publish` and `Play` want an answer, at once or later.
//! 3. Send what `take_output` gives, whenever the peer takes bytes. It is made of whole messages, so that media can be
//!    sent between two calls.
//!
//! Media does not go out through the session: the functions of [`chunk`] encode a message once, for as many connections
//! as want it. Deadlines, retries and limits on time are the caller's; limits on size are in [`Limits`].
//!
//! # Example
//!
//! A client publishes to a server in the same thread; a socket would stand between them.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use outflow_rtmp::session::{ClientConfig, ClientSession, Role, ServerConfig, ServerEvent, ServerSession, Stage};
//! use outflow_rtmp::{chunk, message};
//!
//! // The 1528 bytes are to be random for each connection.
//! let mut client = ClientSession::new(ClientConfig::new(Role::Publish, "live", "key", "rtmp://host/live", [1; 1528]));
//! let mut server = ServerSession::new(ServerConfig::new([2; 1528]));
//! let mut media = BytesMut::new();
//!
//! let frame = 'connection: loop {
//!     // Both directions of the connection.
//!     server.receive(&client.take_output())?;
//!     server.receive(&media.split())?;
//!     client.receive(&server.take_output())?;
//!
//!     while let Some(event) = server.next_event() {
//!         match event {
//!             ServerEvent::Connect(request) if request.app == "live" => server.accept_connect()?,
//!             ServerEvent::Connect(_) => server.reject_connect("NetConnection.Connect.InvalidApp", "no such app")?,
//!             ServerEvent::Publish(request) if request.name.matches("key") => {
//!                 server.accept_publish(request.stream_id);
//!             }
//!             ServerEvent::Media(frame) => break 'connection frame,
//!             _ => {}
//!         }
//!     }
//!     while client.next_event().is_some() {}
//!     if let (Stage::Started, Some(stream_id)) = (client.stage(), client.stream_id()) {
//!         let (video, size) = (message::kind::VIDEO, client.chunk_size());
//!         chunk::encode_full(&mut media, chunk::csid::VIDEO, video, stream_id, 40, b"a frame", size)?;
//!         client.note_sent(media.len() as u64);
//!     }
//! };
//! assert_eq!((frame.timestamp, frame.payload), (40, Bytes::from_static(b"a frame")));
//! # Ok::<(), outflow_rtmp::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod amf0;
pub mod amf3;
pub mod auth;
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
