//! The loop from outside: how it is made, run, driven by a host, and reached from other threads.

pub(crate) mod builder;
pub(crate) mod handle;
pub(crate) mod runtime;
