//! The kernel: the event loop and what it owns. It knows nothing of sleep, locks or TCP.
//!
//! The loop owns everything; outside there are only keys. Start reading at `event_loop.rs`. The files, each of which uses
//! only those above it:
//!
//! | file | what |
//! |---|---|
//! | `key` | what leaves the loop |
//! | `clock` | nanoseconds, real or virtual |
//! | `inbox`, `registry` | what other threads send; which loop an index means |
//! | `waiter` | who is to be woken |
//! | `timers`, `reactor`, `run_queue`, `pace` | what wakes tasks; which are runnable; how many polls make a round |
//! | `waker` | a key as a `std::task::Waker`: home of `unsafe` |
//! | `job`, `members`, `tasks` | a future without its type; the slab of tasks and a task's life |
//! | `unhandled` | what is reported because nobody awaits it |
//! | `state` | all that the loop owns, by value |
//! | `context` | which loop runs on this thread |
//! | `event_loop` | START HERE: one turn |
//! | `spawn`, `gathering`, `watch`, `timer`, `registration` | what the rest of the crate holds: keys with a `Drop` |
//! | `handle`, `runtime`, `builder` | the loop from outside |

mod builder;
mod clock;
mod context;
mod event_loop;
mod gathering;
mod handle;
mod inbox;
mod job;
mod key;
mod members;
mod pace;
mod reactor;
mod registration;
mod registry;
mod run_queue;
#[expect(clippy::module_inception, reason = "the type is the public face of the folder")]
mod runtime;
mod spawn;
mod state;
mod tasks;
mod timer;
mod timers;
mod unhandled;
mod waiter;
mod waker;
mod watch;

/// What the inbox synchronises with; the model checker puts its own in this place.
mod sync {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
    pub(super) use std::thread::Thread;
}

pub use builder::{Builder, run};
pub use event_loop::Turn;
pub use handle::{Closed, Handle};
pub use runtime::Runtime;
pub use tasks::CancelReason;
pub use unhandled::Unhandled;

pub(crate) use clock::{Nanos, from_instant, nanos, to_instant};
pub(crate) use context::{no_loop, poll_budget};
pub(crate) use gathering::Gathering;
pub(crate) use job::{MaybeDone, output_of};
pub(crate) use reactor::{Direction, Interests, SignalPipe};
pub(crate) use registration::{Moved, Registration};
pub(crate) use spawn::{TaskHandle, TaskId, create, create_at};
pub(crate) use tasks::{Failure, FailureCause, Payload};
pub(crate) use timer::{Timer, When, is_virtual, now};
pub(crate) use unhandled::panic_message;
pub(crate) use watch::Watch;
