//! Loops from outside: made, run, turned by a host, several on a thread, outlived by their handles.

#[cfg(feature = "net")]
mod around_park;
#[cfg(feature = "net")]
mod guest;
#[cfg(feature = "net")]
mod host;
#[cfg(feature = "net")]
mod host_waiter;
#[cfg(feature = "net")]
mod lifetime;
#[cfg(feature = "thread")]
mod look_around;
mod nested;
#[cfg(feature = "net")]
mod poll_turn;
