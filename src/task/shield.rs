//! `shield`: a future that goes on when whoever awaits it is cancelled.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::{self, BoxedCleanup, Place};

/// Awaits `future` such that it goes on to its end also when this is dropped before: by a cancel, a timeout, a lost race.
/// Asyncio's `shield`.
///
/// It runs inside the task that awaits it. Dropped once it has begun, it becomes a [cleanup](crate::with_cleanup) of the
/// task that is current then: that task ends when the future has, whose output is dropped; it may take
/// [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout). What should live longer belongs into a
/// [task](crate::create_task): dropping its handle does not stop it.
///
/// # Cancel safety
///
/// Dropped once it has begun, it goes on. Dropped before its first poll, it drops the future, which then never runs.
///
/// # Panics
///
/// If the future panics. When that happens after the shield was dropped, it is reported instead.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let is_saved = Rc::new(Cell::new(false));
///     let flag = is_saved.clone();
///     let save = async move {
///         oneloop::sleep(Duration::from_secs(2)).await;
///         flag.set(true);
///     };
///     let late = oneloop::timeout(Duration::from_secs(1), oneloop::shield(save)).await;
///     assert!(late.is_err());
///     assert!(is_saved.get(), "the timeout has waited for it");
/// });
/// ```
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::IntoFuture>
where
    F: IntoFuture<IntoFuture: 'static>,
{
    Shield {
        future: Some(Box::pin(future.into_future())),
        has_begun: false,
        place: Location::caller(),
    }
}

/// The future of [`shield`].
#[must_use = "futures do nothing unless awaited"]
pub struct Shield<F: Future + 'static> {
    /// `None` once it is ready.
    future: Option<Pin<Box<F>>>,
    has_begun: bool,
    place: Place,
}

impl Shield<BoxedCleanup> {
    /// A cleanup that is awaited in line: it counts as begun.
    pub(super) fn of_cleanup(cleanup: BoxedCleanup, place: Place) -> Self {
        Self { future: Some(Box::pin(cleanup)), has_begun: true, place }
    }
}

impl<F: Future + 'static> Future for Shield<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.has_begun = true;
        // Ready or panicked, it goes.
        let mut future = self.future.take().expect("polled only until it is ready");
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            self.future = Some(future);
        }
        polled
    }
}

impl<F: Future + 'static> Drop for Shield<F> {
    fn drop(&mut self) {
        let Some(future) = self.future.take().filter(|_| self.has_begun) else { return };
        let rest = async move {
            let _output = future.await;
            None
        };
        runtime::leave_cleanup(Box::pin(rest), self.place);
    }
}

impl<F: Future + 'static> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("has_begun", &self.has_begun).finish_non_exhaustive()
    }
}
