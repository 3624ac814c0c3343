//! `to_thread`: runs a blocking call on a thread of the loop's pool.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::blocking::blocking_pool;
use super::call::Call;
use crate::runtime::{self, Place};
use crate::sync::{Borrower, CapacityLimiter, OwnedCapacityPermit};

/// Calls `f` on another thread, and returns its result; asyncio's `asyncio.to_thread`. Use it for
/// code that blocks: files, databases, long computations.
///
/// The call begins when the future is first polled. The loop owns the threads, and starts them when
/// they are needed, up to [`Builder::blocking_threads`](crate::Builder::blocking_threads). Further
/// calls wait in a queue, first come, first served. Calls that wait for each other may need more
/// threads than there are: give those threads of their own.
///
/// Dropping the future before the call has begun takes the call back. A running call cannot be
/// stopped: it goes on, and its result is dropped. It can find out with
/// [`check_cancelled`](super::check_cancelled). With [`wait_on_cancel`](ToThread::wait_on_cancel),
/// the drop leaves a [cleanup](crate::with_cleanup) that waits for the call. At its end the loop
/// waits for running calls, within [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout),
/// and reports calls that take longer.
///
/// The call sees the task's [context variables](crate::ContextVar) that are
/// [`threadsafe`](crate::ContextVar::threadsafe).
///
/// # Cancel safety
///
/// A call that has not begun does not happen. A call that has begun goes on, and its result is
/// lost.
///
/// # Panics
///
/// Panics with the same payload if `f` panics. Panics if no loop runs on this thread. Panics if the
/// process may have no more threads, and the loop has none after a second.
///
/// # Examples
///
/// ```
/// use oneloop::thread::to_thread;
///
/// oneloop::run(async {
///     let text = to_thread(|| std::fs::read_to_string("Cargo.toml")).await?;
///     assert!(text.contains("oneloop"));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// Several calls can run at once:
///
/// ```
/// use oneloop::thread::to_thread;
///
/// oneloop::run(async {
///     let squares = oneloop::gather((1..=3).map(|n| to_thread(move || n * n))).await;
///     assert_eq!(squares, [1, 4, 9]);
/// });
/// ```
#[doc(alias = "spawn_blocking")]
#[doc(alias = "unblock")]
#[doc(alias = "run_in_executor")]
#[track_caller]
pub fn to_thread<R, F>(f: F) -> ToThread<R>
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
{
    ToThread { call: Call::new(f), waits_on_cancel: false }
}

/// The future of [`to_thread`].
#[must_use = "futures do nothing unless awaited"]
pub struct ToThread<R: Send + 'static> {
    call: Call<R>,
    waits_on_cancel: bool,
}

impl<R: Send + 'static> ToThread<R> {
    /// Makes a drop of this future leave a [cleanup](crate::with_cleanup) that waits for the call,
    /// if it is running. The task ends, and a [`timeout`](crate::timeout) or [`run`](crate::run)
    /// returns, only after the call has returned. Use this for calls that must not go on unseen.
    ///
    /// The wait takes at most as long as a cleanup may take. A call that takes longer goes on, and
    /// is reported once. This is Trio's `abandon_on_cancel=False`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::thread::{is_cancelled, to_thread};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use std::time::Duration;
    ///
    /// oneloop::run(async {
    ///     let running = Arc::new(AtomicUsize::new(0));
    ///     let count = running.clone();
    ///     let work = to_thread(move || {
    ///         count.fetch_add(1, Ordering::SeqCst);
    ///         while !is_cancelled() {
    ///             std::thread::sleep(Duration::from_millis(1));
    ///         }
    ///         count.fetch_sub(1, Ordering::SeqCst);
    ///     });
    ///     let late = oneloop::timeout(Duration::from_millis(5), work.wait_on_cancel()).await;
    ///     assert!(late.is_err());
    ///     assert_eq!(running.load(Ordering::SeqCst), 0, "the timeout has waited for it");
    /// });
    /// ```
    #[doc(alias = "abandon_on_cancel")]
    pub fn wait_on_cancel(mut self) -> Self {
        self.waits_on_cancel = true;
        self
    }

    /// Begins the call only with a token of `limiter`, and keeps the token until the call has
    /// returned, even if nothing waits for it any more. This keeps calls of one kind from taking
    /// all threads, or limits how many of them reach a database.
    ///
    /// The token is not borrowed on behalf of the task, so a task may make several calls at once.
    /// This is Trio's `limiter=`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::CapacityLimiter;
    /// use oneloop::thread::to_thread;
    /// use std::rc::Rc;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// oneloop::run(async {
    ///     let limiter = Rc::new(CapacityLimiter::new(2));
    ///     let queries = Arc::new(AtomicUsize::new(0));
    ///     let query = || {
    ///         let queries = queries.clone();
    ///         let query = to_thread(move || {
    ///             assert!(queries.fetch_add(1, Ordering::SeqCst) < 2);
    ///             std::thread::yield_now();
    ///             queries.fetch_sub(1, Ordering::SeqCst);
    ///         });
    ///         query.limiter(&limiter)
    ///     };
    ///     oneloop::gather((0..10).map(|_| query())).await;
    /// });
    /// ```
    pub fn limiter(self, limiter: &Rc<CapacityLimiter>) -> Limited<R> {
        let acquire = Rc::clone(limiter).acquire_owned_on_behalf_of(Borrower::new());
        Limited { call: self, acquire: Some(Box::pin(acquire)), token: None }
    }
}

impl<R: Send + 'static> Future for ToThread<R> {
    type Output = R;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let result = ready!(self.call.poll(cx, "`to_thread`", blocking_pool));
        Poll::Ready(result.unwrap_or_else(|error| panic!("{error}")))
    }
}

impl<R: Send + 'static> Drop for ToThread<R> {
    fn drop(&mut self) {
        if self.waits_on_cancel {
            if let Some((rest, place)) = self.call.take_running() {
                leave(rest, None, place);
            }
        }
    }
}

/// Leaves a cleanup that waits for a call, and keeps its token until then.
fn leave<R: Send>(rest: Call<R>, token: Option<OwnedCapacityPermit>, place: Place) {
    rest.is_waited_for();
    let wait = async move {
        rest.wait().await;
        drop(token);
        None
    };
    runtime::leave_call(Box::pin(wait), place);
}

/// The future of [`ToThread::limiter`].
#[must_use = "futures do nothing unless awaited"]
pub struct Limited<R: Send + 'static> {
    call: ToThread<R>,
    /// `None` once it has produced the token.
    acquire: Option<Pin<Box<dyn Future<Output = OwnedCapacityPermit>>>>,
    token: Option<OwnedCapacityPermit>,
}

impl<R: Send + 'static> Future for Limited<R> {
    type Output = R;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if let Some(acquire) = &mut self.acquire {
            let token = ready!(acquire.as_mut().poll(cx));
            self.acquire = None;
            self.token = Some(token);
        }
        // Whether the poll is ready or panics, the call has returned.
        let token = self.token.take();
        let polled = Pin::new(&mut self.call).poll(cx);
        if polled.is_pending() {
            self.token = token;
        }
        polled
    }
}

impl<R: Send + 'static> Drop for Limited<R> {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else { return };
        let Some((rest, place)) = self.call.call.take_running() else { return };
        if self.call.waits_on_cancel {
            leave(rest, Some(token), place);
        } else if runtime::has_loop() {
            let keep = async move {
                rest.wait().await;
                drop(token);
            };
            drop(runtime::create_at(place, keep, None, false));
        }
    }
}

impl<R: Send + 'static> fmt::Debug for ToThread<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToThread").finish_non_exhaustive()
    }
}

impl<R: Send + 'static> fmt::Debug for Limited<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("token", &self.token).finish_non_exhaustive()
    }
}
