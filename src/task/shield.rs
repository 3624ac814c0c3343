//! `shield`: a future that continues when the code awaiting it is cancelled.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{JoinError, Reportable, Task};
use crate::runtime::{self, BoxedError, Place, output_of};

/// Awaits `future`, and lets it continue if this is dropped earlier by a cancel, a timeout or a
/// lost race. Asyncio's `shield`.
///
/// Until then the future runs inside the task that awaits it. If the shield is dropped, the future
/// becomes a [task](crate::create_task) of the loop, and nothing waits for it: a
/// [`timeout`](crate::timeout) around a shield returns on time. If the future then ends with an
/// `Err` or panics, that is reported once, through
/// [`Builder::on_unhandled`](crate::Builder::on_unhandled), with the place of the `shield`. Like
/// all tasks it is cancelled when the loop ends.
///
/// Use `shield` for work that other code may still need but that no code has to wait for, such as a
/// request that fills a cache. Use [`with_cleanup`](crate::with_cleanup) for work that must be done
/// before the task counts as ended, such as a commit or a rollback: cleanups are awaited.
///
/// # From asyncio
///
/// `wait_for(shield(task), t)` keeps the task, so that it can be awaited again. Here a time limit
/// around a borrowed handle does this, `timeout(t, &mut task)`, without a shield. Dropping a
/// [`Task`](crate::Task) handle never stops its task, but leaves its error in silence. To have the
/// error reported, use [`Task::shield`](crate::Task::shield).
///
/// # When it does not compile
///
/// "type annotations needed", "multiple `impl`s satisfying `Result<Result<..>, JoinError>:
/// ShieldOutput<_>`": the future awaits a task, and an error of the task would be lost inside the
/// `Ok`. Use [`Task::shield`](crate::Task::shield), or flatten the result: `shield(async {
/// task.await? })`.
///
/// ```compile_fail,E0283
/// oneloop::run(async {
///     let task = oneloop::create_task(async { "x".parse::<u32>() });
///     oneloop::shield(task).await.ok();
/// });
/// ```
///
/// # Cancel safety
///
/// If the shield is dropped once it has begun, the future continues. If it is dropped before its
/// first poll, the future is dropped and never runs. The future is also dropped where no loop runs,
/// or if the loop is ending.
///
/// # Panics
///
/// Panics if the future panics. A panic after the shield was dropped is reported instead.
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

/// The output of a [shielded](shield) future: `Result<T, E>`, `()`, `!`, or a plain value of the
/// standard library. It may hold an error that has to be reported.
///
/// Wrap a value of any other type in `Ok(..)`. `How` is inferred. It says how an error is
/// [reported](super::Reportable).
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
    /// The error, if the output is one.
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

/// Makes a nested result ambiguous, because its inner error would be lost.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it only names the remedy in messages of the compiler")]
pub enum UseTheMethodShieldOfTheTask {}

impl<T, E> ShieldOutput<UseTheMethodShieldOfTheTask> for Result<Result<T, E>, JoinError> {}

/// See [`Task::shield`].
pub(super) fn shield_task<T, How>(task: Task<T>, place: Place) -> Shield<Task<T>>
where
    T: ShieldOutput<How> + 'static,
{
    Shield {
        future: Some(Box::pin(task)),
        // The task goes on, whether or not it was awaited.
        has_begun: true,
        error_of: error_of_task::<T, How>,
        place,
    }
}

/// A cancel is no error, as in asyncio. Its cleanups may have failed nevertheless.
fn error_of_task<T: ShieldOutput<How>, How>(output: Result<T, JoinError>) -> Option<BoxedError> {
    match output {
        Ok(value) => value.into_error(),
        Err(error) if error.is_cancelled() => {
            error.report_cleanups();
            None
        }
        Err(error) => Some(error.into()),
    }
}

/// The future of [`shield`].
#[must_use = "futures do nothing unless awaited"]
pub struct Shield<F: Future + 'static> {
    /// `None` once the future is ready.
    future: Option<Pin<Box<F>>>,
    has_begun: bool,
    error_of: fn(F::Output) -> Option<BoxedError>,
    place: Place,
}

impl<F: Future + 'static> Future for Shield<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // The future is dropped here if it is ready or panics.
        let mut future = self.future.take().expect("polled only until it is ready");
        let polled = runtime::with_budget(cx, |cx| {
            self.has_begun = true;
            future.as_mut().poll(cx)
        });
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
