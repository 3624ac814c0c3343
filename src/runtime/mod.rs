//! The kernel: the event loop and everything it owns. It knows nothing of sleep, locks or TCP.
//!
//! The loop owns everything; code outside holds only keys. Start reading at `event_loop.rs`. Each
//! stratum uses only the strata above it in this table:
//!
//! | stratum | contents |
//! |---|---|
//! | `data/` | the contents of the loop as pure data: slabs, queues, records. Time is a parameter |
//! | `threads/` | the parts that other threads reach: inbox, registry, waker, home of `unsafe` |
//! | `reactor/` | turns readiness of the operating system into wakes |
//! | files in this folder, `report/` | the loop itself: one turn, its end, the way to the state |
//! | `handles/` | keys with a `Drop`, which leave the loop |
//! | `doors/` | the loop seen from outside |

mod budget;
mod closing;
mod context;
mod data;
mod deferred;
mod doors;
mod event_loop;
mod forks;
mod handles;
mod host;
mod limit;
mod postponed;
mod reactor;
mod report;
mod scope;
mod state;
mod threads;
mod waking;

pub use data::record::CancelReason;
pub use doors::builder::{Builder, run};
pub use doors::guest::Guest;
pub use doors::handle::{Closed, Handle};
#[cfg(not(feature = "signal"))]
pub use doors::main::run_main;
pub use doors::runtime::Runtime;
pub use event_loop::Turn;
pub use report::cleanup_error::CleanupError;
pub use report::kind::UnhandledKind;
pub use report::unhandled::Unhandled;

pub(crate) use budget::{
    attempt, has_budget, lift, may_finish, poll_budget, poll_no_bytes, spend, spend_if_empty,
    take_budget, with_budget,
};
pub(crate) use context::{cleanup_timeout, discard, drop_caught, has_loop, local, wake_after_look};
pub(crate) use context::{local_if_made, no_loop, own_process};
pub(crate) use data::by_number::ByNumber;
pub(crate) use data::cleanups::BoxedCleanup;
pub(crate) use data::clock::{NEVER, Nanos, When, from_instant, nanos, real_now, to_instant};
pub(crate) use data::ended::{Failure, FailureCause};
pub(crate) use data::failed_cleanup::FailedCleanup;
pub(crate) use data::job::{BoxedJob, MaybeDone, done, output_of};
pub(crate) use data::key::{HandleKey, RunNumber, slot};
pub(crate) use data::locals::LoopLocal;
pub(crate) use data::log::log_line::{Level, log_line};
pub(crate) use data::outbox::AfterPoll;
pub(crate) use data::own_process::OwnProcess;
pub(crate) use data::record::{BoxedError, Ending, PanicCopy, Payload, Peer, Place, TaskLabel};
pub(crate) use data::room::{Slots, trim_list, trim_map, trim_queue};
pub(crate) use data::vars::{SharedValues, ThreadsafeValues, Value, VarId, Vars, with_shared};
pub(crate) use deferred::{after_poll, drop_reported, poll_number, wake_guarded};
#[cfg(feature = "tokio")]
pub(crate) use doors::driver::{Driver, Turns};
pub(crate) use event_loop::{has_time_after, polls_at_once};
pub(crate) use handles::children::{BodyTurn, ChildTurn, Children, Woken};
pub(crate) use handles::cleaner::report_skipped;
pub(crate) use handles::cleaner::{drop_maker, keep_maker, take_maker};
pub(crate) use handles::clock_hold::{ClockHold, HandleHold, ask_for, hold_while_pending};
pub(crate) use handles::current_vars::{choose_vars, copy_vars, enter_vars, set_var, var};
pub(crate) use handles::current_vars::{copy_threadsafe_vars, with_vars};
pub(crate) use handles::errand::{await_errands, errand_time, leave_errand, poll_awaited_errands};
pub(crate) use handles::gathering::Gathering;
pub(crate) use handles::leaving::leave_tasks;
pub(crate) use handles::leaving::{LeftCleanups, cut_off_cleanups, left_cleanups};
pub(crate) use handles::leaving::{dropping, leave_call, leave_cleanup, leave_end, leave_wait_for};
pub(crate) use handles::registration::{Moved, Registration};
pub(crate) use handles::source_handle::check_loop;
#[cfg(test)]
pub(crate) use handles::task::skip_task_numbers;
pub(crate) use handles::task::{TaskHandle, TaskId, create, create_at};
pub(crate) use handles::timer::{Timer, deadline, is_overdue, is_virtual, next_deadline, now};
pub(crate) use handles::watch::Watch;
pub(crate) use handles::yielding::Yield;
pub(crate) use limit::{around, around_token, tokens_moved};
#[cfg(feature = "tokio")]
pub(crate) use reactor::ALARM_RINGS;
pub(crate) use reactor::{Direction, EntryId, Interests, SignalPipe};
pub(crate) use report::failures::check_failures;
pub(crate) use report::reports::{
    home, report_accept, report_call_cut_off, report_call_panic, report_callback_panic,
    report_connection_given_up, report_failed_cleanup, report_operation_cut_off,
    report_operation_error, report_second_panic, report_task_error, report_task_panic,
    report_unseen_cleanup, report_unsent, why_hurried, work_for,
};
pub(crate) use report::unhandled::panic_message;
pub(crate) use scope::{Entered, Scope, drop_members};
