//! Locks, events, semaphores and the like: order, hand-over, and cancelling in every state.
//!
//! Most futures here are polled by hand, so that each test can choose the interleaving.

mod barrier;
mod broadcast;
mod channel;
mod condition;
mod event;
mod harness;
#[cfg(feature = "net")]
mod hostile;
#[cfg(feature = "net")]
mod hostile_queues;
mod limiter;
mod line_storms;
mod lock;
mod once_cell;
mod oneshot;
mod permit_storms;
mod promise;
mod queue;
mod queue_models;
mod queue_storms;
mod rw_lock;
mod semaphore;
mod wait_queue;
mod watch;
