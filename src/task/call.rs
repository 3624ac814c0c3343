//! Plain functions on the loop: `call_soon` and `call_later`.

use std::future::poll_fn;
use std::time::Duration;

use super::{Task, create_task};
use crate::runtime::{self, Timer, When, nanos};

/// Calls `f` in the next round, after what is runnable already; asyncio's `loop.call_soon`.
///
/// It is called in a task of its own, in the order of the calls. A panic is reported as
/// [unhandled](crate::Builder::on_unhandled).
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
    CallHandle { task: create_task(async move { f() }) }
}

/// Calls `f` after `delay`, counted from now; asyncio's `loop.call_later`. Calls with the same deadline keep their
/// order.
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
    let mut timer = None;
    let expired =
        poll_fn(move |cx| Timer::poll_in(&mut timer, When::At(deadline), cx, "`call_later`"));
    let call = async move {
        expired.await;
        f();
    };
    CallHandle { task: create_task(call) }
}

/// A call that is to come; dropping the handle lets it come.
#[derive(Debug)]
#[doc(alias = "TimerHandle")]
pub struct CallHandle {
    task: Task<()>,
}

impl CallHandle {
    /// Calls the call off. `false` if it has been made.
    // By value there would be no second look at it; asyncio's `Handle.cancel` may be called twice as well.
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// Whether the call was made or called off.
    ///
    /// # Panics
    ///
    /// On another thread than the loop's, while the loop lives.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}
