//! The contents of the loop: slabs, queues, records. Pure data: no threads, no system calls, and
//! time is a parameter.

pub(crate) mod by_number;
mod calls;
pub(crate) mod cleaners;
pub(crate) mod cleanups;
pub(crate) mod clock;
pub(crate) mod effort;
pub(crate) mod ended;
pub(crate) mod errands;
pub(crate) mod failed_cleanup;
pub(crate) mod gone;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod locals;
pub(crate) mod log;
pub(crate) mod one_line;
pub(crate) mod outbox;
pub(crate) mod own_process;
pub(crate) mod pace;
pub(crate) mod ready_list;
pub(crate) mod record;
pub(crate) mod room;
pub(crate) mod run_queue;
pub(crate) mod side_table;
pub(crate) mod tasks;
pub(crate) mod timers;
pub(crate) mod vars;
pub(crate) mod waiter;
