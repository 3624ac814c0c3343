//! Hostile wakers, on both sides.
//!
//! Our wakers may be cloned, woken and dropped on any thread, at any moment, even after the end of
//! their task or loop. A foreign waker, with which a test polls one of our futures by hand, may do
//! anything to the loop when it is cloned, woken or dropped.

mod foreign;
#[cfg(feature = "net")]
pub(crate) mod ours;
