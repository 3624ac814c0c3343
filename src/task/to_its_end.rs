//! A future that finishes as a cleanup when the code awaiting it is dropped.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::{self, BoxedError, Place};

/// Awaits a future. If it is dropped before the future is ready, it leaves the rest of the future
/// as a cleanup of the current task.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct ToItsEnd<F: Future + 'static> {
    /// `None` once the future is ready.
    future: Option<Pin<Box<F>>>,
    /// Extracts the output's error, for the report of a failed cleanup.
    error_of: fn(F::Output) -> Option<BoxedError>,
    place: Place,
}

impl<F: Future + 'static> ToItsEnd<F> {
    pub(crate) fn new(
        future: F,
        error_of: fn(F::Output) -> Option<BoxedError>,
        place: Place,
    ) -> Self {
        Self { future: Some(Box::pin(future)), error_of, place }
    }
}

impl<F: Future + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // The future is dropped here if it is ready or panics.
        let mut future = self.future.take().expect("polled only until it is ready");
        let polled = runtime::with_budget(cx, |cx| future.as_mut().poll(cx));
        if polled.is_pending() {
            self.future = Some(future);
        }
        polled
    }
}

impl<F: Future + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else { return };
        let error_of = self.error_of;
        let rest = async move { error_of(future.await) };
        runtime::leave_cleanup(Box::pin(rest), self.place);
    }
}
