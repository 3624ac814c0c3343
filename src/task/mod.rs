//! Creating, awaiting, cancelling and naming tasks, and running several futures at once.
//!
//! # Examples
//!
//! ```
//! use oneloop::task::{Builder, create_task, gather};
//!
//! oneloop::run(async {
//!     let named = Builder::new().name("adder").create_task(async { 1 + 1 });
//!     let others = (2..4).map(|n| create_task(async move { n * n }));
//!     assert_eq!(named.await.unwrap(), 2);
//!     let squares: Vec<_> = gather(others).await.into_iter().map(Result::unwrap).collect();
//!     assert_eq!(squares, [4, 9]);
//! });
//! ```

mod as_completed;
mod builder;
mod call;
mod cancel_token;
mod cancel_tree;
mod cleanup;
mod context;
mod context_var;
mod first_ok;
mod gather;
mod group;
mod join_error;
mod member;
mod outcome;
mod race;
mod select;
mod shield;
mod staggered_race;
#[expect(clippy::module_inception, reason = "the type gives the folder its name")]
mod task;
mod task_ref;
mod task_set;
mod to_its_end;
mod try_gather;
mod tuples;
mod unconstrained;
mod unfinished;
mod wait;
mod yield_now;

pub use crate::runtime::{CancelReason, CleanupError};
pub use as_completed::{AsCompleted, as_completed};
pub use builder::Builder;
pub use call::{CallHandle, call_later, call_soon};
pub use cancel_token::{CancelToken, Cancelled, DropGuard};
pub use cleanup::{Cleanup, with_cleanup};
pub use context::Context;
pub use context_var::{ContextVar, Scope};
pub use first_ok::{FirstOk, first_ok};
pub use gather::{Gather, gather};
pub use group::{Body, Group, GroupError, GroupOutcome, Ready, StartError, TaskError, task_group};
pub use join_error::JoinError;
#[doc(hidden)]
pub use member::{Branch, Branches, EnteredBranches};
pub(crate) use outcome::reportable_error;
pub use outcome::{MayFail, Outcome, Reportable};
pub use race::{Race, race};
#[doc(hidden)]
pub use select::{discard_output, finish, may_finish, random_below};
pub use shield::{Shield, ShieldOutput, shield};
pub use staggered_race::{StaggeredRace, staggered_race};
pub use task::{CancelOnDrop, Task, create_task};
pub use task_ref::{TaskKey, TaskRef, all_tasks, current_task};
pub use task_set::TaskSet;
pub(crate) use to_its_end::ToItsEnd;
pub use try_gather::{TryGather, try_gather};
#[doc(hidden)]
pub use tuples::{GatherTuple, TryGatherTuple};
pub use unconstrained::{Unconstrained, unconstrained};
pub use wait::{All, FirstCompleted, FirstError, Wait, WaitUntil, wait};
pub use yield_now::{YieldNow, wake_after_look, yield_now};
