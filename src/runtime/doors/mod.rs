//! The loop seen from outside: code that makes it, runs it, drives it as a host, or reaches it from
//! other threads.

pub(crate) mod builder;
pub(crate) mod handle;
pub(crate) mod runtime;
