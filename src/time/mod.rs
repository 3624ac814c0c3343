//! Time: sleeping, time limits, intervals, and the loop's clock.

mod interval;
mod sleep;
mod timeout;

use std::time::Instant;

pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, TimeoutError, timeout, timeout_at, wait_for};

use crate::runtime;

/// The time by the loop's clock; asyncio's `loop.time()`.
///
/// Under [virtual time](crate::Builder::virtual_time) it is the virtual one, where `Instant::now()` would be wrong. Where no loop runs,
/// it is the real one.
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
pub fn now() -> Instant {
    runtime::to_instant(runtime::now())
}
