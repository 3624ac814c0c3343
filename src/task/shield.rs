//! `shield`: a future that goes on when whoever awaits it is cancelled.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Reportable;
use crate::runtime::{self, BoxedError, Place, output_of};

/// Awaits `future` such that it goes on when this is dropped before: by a cancel, a timeout, a lost race. Asyncio's `shield`.
///
/// Until then the future runs inside the task that awaits it. When that goes, the future becomes a [task](crate::create_task) of
/// the loop, and nobody waits for it: a [`timeout`](crate::timeout) around a shield returns on time. If the future then ends with
/// an `Err` or panics, that is reported once, through [`Builder::on_unhandled`](crate::Builder::on_unhandled), with the place of
/// the `shield`. Like all tasks it is cancelled when the loop ends.
///
/// Use `shield` for work that somebody else may still need and that nobody has to wait for, such as a request that fills a
/// cache. Use [`with_cleanup`](crate::with_cleanup) for what has to be done before the task counts as ended, such as a commit
/// or a rollback: cleanups are awaited.
///
/// # From asyncio
///
/// `wait_for(shield(task), t)` keeps the task, so that it can be awaited again. Here that is a time limit around a borrowed
/// handle, `timeout(t, &mut task)`, without a shield. Dropping a [`Task`](crate::Task) handle never stops its task.
///
/// # Cancel safety
///
/// Dropped once it has begun, it goes on. Dropped before its first poll, it drops the future, which then never runs; so it does
/// where no loop runs, or the loop is ending.
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
///     let second = Duration::from_secs(1);
///     let is_filled = Rc::new(Cell::new(false));
///     let flag = is_filled.clone();
///     let fill_cache = async move {
///         oneloop::sleep(2 * second).await;
///         flag.set(true);
///     };
///     let late = oneloop::timeout(second, oneloop::shield(fill_cache)).await;
///     assert!(late.is_err() && !is_filled.get(), "the timeout was on time");
///     oneloop::sleep(second).await;
///     assert!(is_filled.get(), "and the work went on");
///
///     // `wait_for(shield(task), 1)` of asyncio:
///     let mut task = oneloop::create_task(async move {
///         oneloop::sleep(2 * second).await;
///         "page"
///     });
///     assert!(oneloop::timeout(second, &mut task).await.is_err());
///     assert_eq!(task.await.unwrap(), "page");
/// });
/// ```
#[track_caller]
pub fn shield<F, How>(future: F) -> Shield<F::IntoFuture>
where
    F: IntoFuture<IntoFuture: 'static, Output: ShieldOutput<How>>,
{
    Shield {
        future: Some(Box::pin(future.into_future())),
        has_begun: false,
        error_of: F::Output::into_error,
        place: Location::caller(),
    }
}

/// The output of a [shielded](shield) future, which may have an error that is to be reported: `Result<T, E>`, `()`, `!`, or a plain
/// value of the standard library.
///
/// A value of another type goes into `Ok(..)`. `How` is inferred; it says how an error is [reported](super::Reportable).
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
///
/// struct Page(&'static str);
///
/// oneloop::run(async {
///     let Ok(page) = oneloop::shield(async { Ok::<_, Infallible>(Page("text")) }).await;
///     assert_eq!(page.0, "text");
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "a shielded future cannot end with `{Self}`: is it an error, which would be lost unseen?",
    label = "ends with `{Self}`",
    note = "a shielded future ends with `Result<T, E>`, with `()`, or with a plain value of the standard library",
    note = "wrap a value of another type in `Ok(..)`"
)]
pub trait ShieldOutput<How = ()>: Sized {
    /// Its error, if it is one.
    fn into_error(self) -> Option<Box<dyn Error>> {
        None
    }
}

impl ShieldOutput for () {}

impl ShieldOutput for super::outcome::Never {}

impl<T, E: Reportable<How>, How> ShieldOutput<How> for Result<T, E> {
    fn into_error(self) -> Option<Box<dyn Error>> {
        self.err().map(Reportable::into_boxed)
    }
}

/// The future of [`shield`].
#[must_use = "futures do nothing unless awaited"]
pub struct Shield<F: Future + 'static> {
    /// `None` once it is ready.
    future: Option<Pin<Box<F>>>,
    has_begun: bool,
    error_of: fn(F::Output) -> Option<BoxedError>,
    place: Place,
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
        if !runtime::has_loop() {
            return;
        }
        let error_of = self.error_of;
        let rest = async move { error_of(future.await) };
        let task = runtime::create_at(self.place, rest, None, false);
        task.set_reporter(output_of::<Option<BoxedError>>);
    }
}

impl<F: Future + 'static> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("has_begun", &self.has_begun).finish_non_exhaustive()
    }
}
