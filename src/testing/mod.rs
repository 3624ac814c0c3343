//! Helpers for testing programs that run on oneloop.
//!
//! [`Builder::virtual_time`](crate::Builder::virtual_time) says for which threads and processes the
//! clock waits, and when a test that hangs fails.
//!
//! # Examples
//!
//! ```
//! use oneloop::{Builder, create_task, sleep, testing::advance};
//! use std::time::Duration;
//!
//! Builder::new().virtual_time(true).run(async {
//!     let task = create_task(sleep(Duration::from_secs(60)));
//!     advance(Duration::from_secs(59)).await;
//!     assert!(!task.is_finished());
//!     advance(Duration::from_secs(1)).await;
//!     assert!(task.is_finished());
//! });
//! ```

use std::time::Duration;

use crate::runtime;
use crate::task;
use crate::time;

/// Moves virtual time forward: everything that is due within `duration` happens, in order, before
/// this returns.
///
/// It works like a [`sleep`](time::sleep) whose name says what it is for, and it refuses to wait in
/// real time: it does not wait for other threads and processes either. Timers that are due at the
/// very end have expired, and the tasks that they woke have run once.
///
/// A duration that goes beyond the end of the clock, such as `Duration::MAX`, moves time until no
/// timer is left.
///
/// # Cancel safety
///
/// If the future is dropped half way, the clock stays where it is.
///
/// # Panics
///
/// Panics if the loop's time is not [virtual](crate::Builder::virtual_time).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use oneloop::testing::advance;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let task = oneloop::create_task(oneloop::sleep(Duration::from_secs(10)));
///     advance(Duration::from_secs(9)).await;
///     assert!(!task.is_finished());
///     advance(Duration::from_secs(1)).await;
///     assert!(task.is_finished());
/// });
/// ```
pub async fn advance(duration: Duration) {
    match runtime::is_virtual() {
        Some(true) if runtime::now().checked_add(runtime::nanos(duration)).is_none() => {
            advance_to_the_end().await;
        }
        Some(true) => advance_by(duration).await,
        Some(false) => panic!(
            "`advance` needs virtual time: use `#[oneloop::test(virtual_time)]` or `Builder::virtual_time(true)`"
        ),
        None => runtime::no_loop("`advance`"),
    }
}

async fn advance_by(duration: Duration) {
    runtime::ask_for(runtime::nanos(duration));
    time::sleep(duration).await;
    // A task that went to sleep after this one, until the same moment, also wakes after it.
    task::yield_now().await;
}

/// The clock cannot stand at its end: no later moment could be waited for.
async fn advance_to_the_end() {
    // Tasks that have not been polled yet arm their timers.
    task::yield_now().await;
    while let Some(deadline) = runtime::next_deadline() {
        advance_by(Duration::from_nanos(deadline.saturating_sub(runtime::now()))).await;
    }
}
