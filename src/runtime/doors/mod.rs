//! The loop seen from outside: code that makes it, runs it, drives it as a host, or reaches it from
//! other threads.

pub(crate) mod builder;
mod descriptor;
#[cfg(feature = "tokio")]
pub(crate) mod driver;
pub(crate) mod guest;
pub(crate) mod handle;
mod hosted;
#[cfg(not(feature = "signal"))]
pub(crate) mod main;
pub(crate) mod runtime;
mod steps;
