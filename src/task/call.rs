//! Plain functions on the loop: `call_soon` and `call_later`.

use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, Location};
use std::task::{Context, Waker};
use std::time::Duration;

use super::{Task, create_task};
use crate::runtime::{self, Place, Timer, When, nanos};

/// Calls `f` in the next round, after what is runnable already; asyncio's `loop.call_soon`.
///
/// It is called in a task of its own, in the order of the calls. A panic is reported as
/// [unhandled](crate::Builder::on_unhandled) in the next look-around, also while the handle is kept.
///
/// # Panics
///
/// If no loop runs on this thread.
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

/// Calls `f` after `delay`, counted from now; asyncio's `loop.call_later`. Calls with the same deadline keep their
/// order. A panic is reported as for [`call_soon`].
///
/// # Panics
///
/// If no loop runs on this thread.
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
    // Armed now, so that of two equal deadlines the earlier call comes first. The task takes the waker's place.
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

/// Nobody can await a call, so its panic is reported whether or not the handle is kept.
fn call(place: Place, f: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(f)) {
        runtime::report_callback_panic(place, payload);
    }
}

/// A call that is to come; dropping the handle lets it come.
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

    /// Calls the call off, and says whether it stays undone: `false` if it has been made, or is being made. May be called again.
    ///
    /// Also legal on other threads: there the answer says whether the loop could be told.
    // By value there would be no second look at it; asyncio's `Handle.cancel` may be called twice as well.
    pub fn cancel(&self) -> bool {
        self.task.handle().call_off()
    }

    /// Whether the call was made or called off: nothing is to come any more. It is so inside the call, too.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
    pub fn is_finished(&self) -> bool {
        !self.task.handle().is_to_come()
    }
}
