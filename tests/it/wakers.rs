//! Hostile wakers, on both sides.
//!
//! Ours may be cloned, woken and dropped on any thread, at any moment, also when their task or their loop has gone. Those of
//! others, with which something of ours is polled by hand, may do anything to the loop when they are cloned, woken or dropped.

mod foreign;
pub(crate) mod ours;
