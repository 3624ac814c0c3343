//! `call_soon` and `call_later`: plain functions called by the loop.

use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, Location};
use std::task::{Context, Waker};
use std::time::Duration;

use super::{Task, create_task};
use crate::runtime::{self, Place, Timer, When, nanos};

/// Calls `f` in the next round, after everything that is already runnable. Asyncio's
/// `loop.call_soon`.
///
/// Each call runs in its own task, in the order in which the calls were scheduled. A panic is
/// reported as [unhandled](crate::Builder::on_unhandled) in the next look around, even while the
/// handle is kept.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// oneloop::run(async {
///     let called = Rc::new(Cell::new(false));
///     let flag = called.clone();
///     oneloop::call_soon(move || flag.set(true));
///     assert!(!called.get());
///     oneloop::yield_now().await;
///     assert!(called.get());
/// });
/// ```
#[track_caller]
pub fn call_soon(f: impl FnOnce() + 'static) -> CallHandle {
    let place = Location::caller();
    CallHandle::of(create_task(async move { call(place, f) }))
}

/// Calls `f` after `delay`, counted from now. Asyncio's `loop.call_later`. Calls with the same
/// deadline keep their order. A panic is reported as for [`call_soon`].
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let reminder = oneloop::call_later(Duration::from_secs(60), || println!("still there?"));
///     reminder.cancel();
/// });
/// ```
#[track_caller]
#[doc(alias = "call_at")]
pub fn call_later(delay: Duration, f: impl FnOnce() + 'static) -> CallHandle {
    let deadline = runtime::now().saturating_add(nanos(delay));
    // Armed now, so that the earlier of two calls with equal deadlines comes first. The task
    // replaces the waker.
    let nobody = Context::from_waker(Waker::noop());
    let mut timer = Timer::arm(When::At(deadline), &nobody, "`call_later`");
    let expired =
        poll_fn(move |cx| Timer::poll_in(&mut timer, When::At(deadline), cx, "`call_later`"));
    let place = Location::caller();
    let timed = async move {
        expired.await;
        call(place, f);
    };
    CallHandle::of(create_task(timed))
}

/// Makes the call and reports its panic. No code can await a call, so the panic is reported whether
/// or not the handle is kept.
fn call(place: Place, f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        runtime::report_callback_panic(place, payload);
    }
}

/// A scheduled call. Dropping the handle does not cancel the call.
#[derive(Debug)]
#[doc(alias = "TimerHandle")]
pub struct CallHandle {
    task: Task<()>,
}

impl CallHandle {
    fn of(task: Task<()>) -> Self {
        task.handle().mark_as_call();
        Self { task }
    }

    /// Cancels the call, and returns whether it will not be made: `false` if it was made or is
    /// being made. May be called again.
    ///
    /// This also works on other threads. There the return value says whether the loop could be
    /// told.
    // Takes `&self` because `self` by value would prevent a second look. Asyncio's `Handle.cancel`
    // may also be called twice.
    pub fn cancel(&self) -> bool {
        self.task.handle().call_off()
    }

    /// Whether the call was made or cancelled, so that nothing is to come any more. Also `true`
    /// inside the call itself.
    ///
    /// # Panics
    ///
    /// Panics on a thread other than the loop's, while the loop lives.
    pub fn is_finished(&self) -> bool {
        !self.task.handle().is_to_come()
    }
}
