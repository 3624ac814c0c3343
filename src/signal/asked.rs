//! A run that can be asked to end, once and then again. It knows nothing of who asks.

use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::pin;
use std::task::{Context, Poll};

use crate::runtime::{
    Payload, Runtime, await_errands, check_failures, cut_off_cleanups, left_cleanups,
    poll_awaited_errands,
};

/// The source of the requests. Main polls it, even after it was ready.
pub(crate) trait Asks {
    /// Ready when the future should be cancelled.
    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the run should wait for nothing any more, whether or not it was cancelled first.
    fn poll_hurry(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The reason not to wait: a clause for the reports of cleanups that are cut off.
    fn why(&self) -> &'static str;
}

/// Returns the output of `main`, which runs like the main future, or `None` if it was cancelled.
/// Its cleanups are then done or cut off.
pub(super) async fn unless_asked<F: Future>(main: F, asks: &mut impl Asks) -> Option<F::Output> {
    let mut main = pin!(Some(main));
    let output = poll_fn(|cx| {
        let Some(main) = main.as_mut().as_pin_mut() else {
            unreachable!("it is dropped only after this")
        };
        // Its output takes precedence over a request at the same time.
        if let Poll::Ready(output) = main.poll(cx) {
            return Poll::Ready(Some(output));
        }
        asks.poll_cancel(cx).map(|()| None)
    })
    .await;
    main.set(None);
    await_what_is_left(asks).await;
    output
}

/// Waits for the cleanups that main has left and for running errands, until asked to hurry.
async fn await_what_is_left(asks: &mut impl Asks) {
    await_errands();
    loop {
        let left = left_cleanups();
        let is_done = poll_fn(|cx| {
            let done =
                left.as_ref().map_or_else(|| poll_awaited_errands(cx), |left| left.poll_done(cx));
            match done {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending => asks.poll_hurry(cx).map(|()| false),
            }
        });
        if !is_done.await {
            return cut_off_cleanups(asks.why());
        }
        if left.is_none() {
            return;
        }
    }
}

/// Runs `main` and then ends the loop. Returns its panic.
pub(crate) fn run_unless_asked<F: Future>(
    mut runtime: Runtime,
    main: F,
    asks: &mut impl Asks,
    place: &'static Location<'static>,
) -> Result<Option<F::Output>, Payload> {
    let output = runtime.run_caught(unless_asked(main, asks), place);
    // The request may come as late as this.
    let why = asks.why();
    let failures = runtime.failures();
    runtime.shutdown_until(|cx| asks.poll_hurry(cx), why);
    let output = output?;
    if output.is_some() {
        // The caller has to restore things before the panic goes on.
        panic::catch_unwind(AssertUnwindSafe(|| check_failures(failures.as_ref())))?;
    }
    Ok(output)
}
