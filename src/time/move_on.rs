//! `move_on_after` and `move_on_at`: time limits whose expiry is not an error.

use std::time::{Duration, Instant};

use super::{timeout, timeout_at};

/// Gives `future` at most `duration`, counted from the first poll, then drops it and moves on with
/// `None`. Trio's `move_on_after`.
///
/// This is [`timeout`] for cases where being late is not an error: an optional part of a page, a
/// last attempt.
///
/// # Cancel safety
///
/// The same as that of `future`.
///
/// # Panics
///
/// Panics when polled outside a loop, unless the future is ready at once.
///
/// # Examples
///
/// ```
/// use std::future::pending;
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let second = Duration::from_secs(1);
///     assert_eq!(oneloop::move_on_after(second, async { "in time" }).await, Some("in time"));
///     assert_eq!(oneloop::move_on_after(second, pending::<&str>()).await, None);
/// });
/// ```
pub async fn move_on_after<F: IntoFuture>(duration: Duration, future: F) -> Option<F::Output> {
    timeout(duration, future).await.ok()
}

/// Like [`move_on_after`], but with a deadline on the [loop's clock](super::now). Trio's
/// `move_on_at`.
///
/// # Cancel safety
///
/// The same as that of `future`.
///
/// # Panics
///
/// Panics when polled outside a loop, unless the future is ready at once.
pub async fn move_on_at<F: IntoFuture>(deadline: Instant, future: F) -> Option<F::Output> {
    timeout_at(deadline, future).await.ok()
}
