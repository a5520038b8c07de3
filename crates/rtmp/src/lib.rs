//! RTMP and Enhanced RTMP without I/O: bytes in, events and bytes out; no sockets, no clock, no logging.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
