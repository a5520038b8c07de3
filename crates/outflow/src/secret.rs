//! Text that must never be seen: stream keys, passwords, tokens. It prints as `****`; a search for `expose` finds every
//! place where one leaves its wrapper.

pub use outflow_rtmp::Secret;
