//! Tasks: creating, awaiting, cancelling and naming them, and running several futures at once.

mod builder;
mod call;
mod cancel_token;
mod cancel_tree;
mod cleanup;
mod context;
mod context_var;
mod gather;
mod group;
mod join_error;
mod outcome;
mod shield;
#[expect(clippy::module_inception, reason = "the type gives the folder its name")]
mod task;
mod task_ref;
mod try_gather;
mod tuples;
mod yield_now;

pub use crate::runtime::CancelReason;
pub use builder::Builder;
pub use call::{CallHandle, call_later, call_soon};
pub use cancel_token::{CancelToken, Cancelled, DropGuard};
pub use cleanup::{Cleanup, with_cleanup};
pub use context::Context;
pub use context_var::{ContextVar, Scope};
pub use gather::{Gather, gather};
pub use group::{Body, Group, GroupError, GroupOutcome, Ready, StartError, TaskError, task_group};
pub use join_error::JoinError;
pub use outcome::Outcome;
pub use shield::{Shield, shield};
pub use task::{CancelOnDrop, Task, create_task};
pub use task_ref::{TaskKey, TaskRef, all_tasks, current_task};
pub use try_gather::{TryGather, try_gather};
#[doc(hidden)]
pub use tuples::{GatherTuple, TryGatherTuple};
pub use yield_now::{YieldNow, yield_now};
