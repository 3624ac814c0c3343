//! Time: sleeping, time limits, intervals, and the loop's clock.
//!
//! # Examples
//!
//! ```
//! use oneloop::time::{interval, now, timeout};
//! use std::time::Duration;
//!
//! oneloop::Builder::new().virtual_time(true).run(async {
//!     let start = now();
//!     let mut ticks = interval(Duration::from_secs(10));
//!     let three = async {
//!         for _ in 0..3 {
//!             ticks.tick().await;
//!         }
//!     };
//!     assert!(timeout(Duration::from_secs(60), three).await.is_ok());
//!     assert_eq!(now() - start, Duration::from_secs(20), "the first tick is at once");
//! });
//! ```

mod interval;
mod move_on;
mod sleep;
mod timeout;

use std::time::Instant;

pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use move_on::{move_on_after, move_on_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, TimeoutError, timeout, timeout_at, wait_for};

use crate::runtime;

/// Returns the time on the loop's clock. Asyncio's `loop.time()`.
///
/// Under [virtual time](crate::Builder::virtual_time) this is the virtual time, where
/// `Instant::now()` would be wrong. Outside a loop it is the real time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let start = oneloop::time::now();
///     oneloop::sleep(Duration::from_secs(60)).await;
///     assert_eq!(oneloop::time::now() - start, Duration::from_secs(60));
/// });
/// ```
#[doc(alias = "current_time")]
pub fn now() -> Instant {
    runtime::to_instant(runtime::now())
}

/// Returns the moment by which the calling code must be ready, on the [loop's clock](now): the
/// earliest deadline of all time limits around it, or `None` if there are none. Trio's
/// `current_effective_deadline`.
///
/// Time limits are [`timeout`], [`timeout_at`], [`wait_for`], [`move_on_after`], [`move_on_at`] and
/// [`run_until_cancelled`](crate::task::CancelToken::run_until_cancelled) with a token that has a
/// deadline. A client can use this to pass on how much time is left. If the returned moment has
/// passed, the calling code will not be polled again unless it is ready now.
///
/// Limits apply to code, not to the values it holds: a new task starts without any, even an eager
/// one. To limit a task as well, pass the deadline on, as in the example. A child of a
/// [group](crate::task_group) runs inside the code that awaits the group, and has its limits.
///
/// # Examples
///
/// ```
/// use oneloop::{create_task, deadline, time::now, timeout, timeout_at};
/// use std::time::Duration;
///
/// async fn time_left() -> Option<Duration> {
///     Some(deadline()?.duration_since(now()))
/// }
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     assert_eq!(time_left().await, None);
///     timeout(Duration::from_secs(5), async {
///         assert_eq!(time_left().await, Some(Duration::from_secs(5)));
///         oneloop::sleep(Duration::from_secs(2)).await;
///         assert_eq!(time_left().await, Some(Duration::from_secs(3)));
///
///         assert_eq!(create_task(time_left()).await.unwrap(), None);
///         let until = deadline().unwrap();
///         let task = create_task(timeout_at(until, time_left()));
///         assert_eq!(task.await.unwrap().unwrap(), Some(Duration::from_secs(3)));
///     })
///     .await
///     .unwrap();
/// });
/// ```
#[doc(alias = "current_effective_deadline")]
pub fn deadline() -> Option<Instant> {
    runtime::deadline().map(runtime::to_instant)
}
