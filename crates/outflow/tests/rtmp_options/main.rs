//! Every option of an RTMP word, typed as a user types it, is seen in what an independent peer receives: real words, the
//! real graph, one row of a table per option. Where bytes can't show an option (deadlines, names) the events do.
//! `tcp_nodelay` is neither: the socket itself is asked.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod listen;
mod nodelay;
mod pull;
mod push;
mod rig;
