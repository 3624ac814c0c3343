//! The kernel: the event loop and what it owns. It knows nothing of sleep, locks or TCP.
//!
//! The loop owns everything; outside there are only keys. Start reading at `event_loop.rs`. The files, each of which uses
//! only those above it:
//!
//! | file | what |
//! |---|---|
//! | `key` | what leaves the loop |
//! | `side_table` | what few slots have |
//! | `clock` | nanoseconds, real or virtual |
//! | `limit` | the time limits around the code that runs now |
//! | `inbox`, `registry` | what other threads send; which loop an index means |
//! | `waiter` | who is to be woken |
//! | `wait_list` | who waits in a line: pure data, for `sync` |
//! | `vars` | context variables: values, and which task has which |
//! | `timers`, `reactor`, `run_queue`, `pace` | what wakes tasks; which are runnable; how many polls make a round |
//! | `waker` | a key as a `std::task::Waker`: home of `unsafe` |
//! | `job`, `members`, `record`, `gone`, `tasks` | a future without its type; what is known of a task, and of some that have gone; their slab, and a task's life |
//! | `unhandled` | what is reported because nobody awaits it |
//! | `cleanups`, `locals` | what tasks leave to be awaited; what the layers above keep in a loop |
//! | `state` | all that the loop owns, by value |
//! | `slow` | what is said of a round that took long |
//! | `context` | which loop runs on this thread |
//! | `event_loop` | START HERE: one turn |
//! | `spawn`, `current_vars`, `gathering`, `watch`, `timer`, `clock_hold`, `registration`, `source_handle` | what the rest of the crate holds: keys with a `Drop` |
//! | `cleaning`, `children` | how cleanups are run and awaited; the tasks of a group |
//! | `handle`, `runtime`, `builder` | the loop from outside |

mod builder;
mod children;
mod cleaning;
mod cleanups;
mod clock;
mod clock_hold;
mod context;
mod current_vars;
mod event_loop;
mod gathering;
mod gone;
mod handle;
mod inbox;
mod job;
mod key;
mod limit;
mod locals;
mod log_line;
mod members;
mod pace;
mod reactor;
mod record;
mod registration;
mod registry;
mod run_queue;
#[expect(clippy::module_inception, reason = "the type is the public face of the folder")]
mod runtime;
mod side_table;
mod slow;
mod source_handle;
mod spawn;
mod state;
mod tasks;
mod timer;
mod timers;
mod unhandled;
mod vars;
mod wait_list;
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
pub use record::CancelReason;
pub use runtime::Runtime;
pub use unhandled::Unhandled;

pub(crate) use children::{BodyTurn, ChildTurn, Children, Woken};
pub(crate) use cleaning::{LeftCleanups, cut_off_cleanups, left_cleanups};
pub(crate) use cleaning::{drop_maker, keep_maker, take_maker};
pub(crate) use cleaning::{dropping, leave_call, leave_cleanup, leave_wait};
pub(crate) use cleaning::{report_cleanup_error, report_skipped};
pub(crate) use cleanups::BoxedCleanup;
pub(crate) use clock::{NEVER, Nanos, When, from_instant, nanos, real_now, to_instant};
pub(crate) use clock_hold::{ClockHold, ask_for};
pub(crate) use context::{
    cleanup_timeout, report_call_cut_off, report_call_panic, report_operation_cut_off,
};
pub(crate) use context::{discard, drop_caught, drop_reported, has_loop, local};
pub(crate) use context::{local_if_made, no_loop, report_operation_error};
pub(crate) use context::{poll_budget, report_task_panic, wake_guarded};
pub(crate) use current_vars::{choose_vars, copy_vars, enter_vars, set_var, var};
pub(crate) use current_vars::{copy_threadsafe_vars, with_vars};
pub(crate) use gathering::Gathering;
pub(crate) use job::{BoxedJob, MaybeDone, done, output_of};
pub(crate) use key::HandleKey;
pub(crate) use limit::around;
pub(crate) use locals::LoopLocal;
pub(crate) use log_line::{Level, log_line};
pub(crate) use reactor::{
    Direction, EntryId, EventSource, FdSource, Interests, SignalPipe, pipe_ends,
};
pub(crate) use record::{Ending, Payload, Place, TaskLabel};
pub(crate) use registration::{Moved, Registration};
pub(crate) use source_handle::check_loop;
pub(crate) use spawn::{TaskHandle, TaskId, create, create_at};
pub(crate) use tasks::{Failure, FailureCause};
pub(crate) use timer::{Timer, deadline, is_overdue, is_virtual, now};
pub(crate) use unhandled::panic_message;
pub(crate) use vars::{SharedValues, ThreadsafeValues, Value, VarId, Vars, with_shared};
pub(crate) use wait_list::{WaitKey, WaitList};
pub(crate) use watch::Watch;
