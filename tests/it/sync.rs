//! Locks, events, semaphores and the like: order, hand-over, cancelling in every state.
//!
//! Most futures here are polled by hand, so that each interleaving can be said.

mod harness;
mod lock;
mod permit_storms;
