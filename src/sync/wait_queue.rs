//! `WaitQueue`: wait until somebody calls.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::wait_list::WaitKey;
use crate::runtime;

/// A line of those who wait to be woken: what to build a primitive of one's own on.
///
/// It keeps no state but the waiters, so the state goes beside it, in a `Cell` or `RefCell`: look at the state, and if it is not
/// as it should be, [`wait`](Self::wait). Whoever changes the state wakes as many as can make use of it. Between the look and the
/// wait there is no `await`, so nothing is missed.
///
/// Waiters are woken first come, first served. A wake is remembered by nobody: if nobody waits, it does nothing. But it is not
/// lost either: if a waiter that [`wake_one`](Self::wake_one) or [`wake`](Self::wake) has woken is dropped before it runs,
/// the next one is woken in its place.
///
/// This is Trio's `ParkingLot`, and what `asyncio` builds of a deque of futures.
///
/// # Examples
///
/// A gate that lets everybody through once it is open:
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// use oneloop::sync::WaitQueue;
///
/// #[derive(Default)]
/// struct Gate {
///     is_open: Cell<bool>,
///     visitors: WaitQueue,
/// }
///
/// impl Gate {
///     async fn pass(&self) {
///         while !self.is_open.get() {
///             self.visitors.wait().await;
///         }
///     }
///
///     fn open(&self) {
///         self.is_open.set(true);
///         self.visitors.wake_all();
///     }
/// }
///
/// oneloop::run(async {
///     let gate = Rc::new(Gate::default());
///     let visitor = Rc::clone(&gate);
///     let visitor = oneloop::create_task(async move { visitor.pass().await });
///     oneloop::yield_now().await;
///     assert_eq!(gate.visitors.len(), 1);
///
///     gate.open();
///     visitor.await.unwrap();
/// });
/// ```
#[doc(alias = "Notify")]
#[doc(alias = "ParkingLot")]
pub struct WaitQueue {
    /// `true` once the waiter was woken alone: then the wake is somebody's, whoever it is.
    line: Line<bool>,
}

impl WaitQueue {
    /// A queue in which nobody waits. Allocates nothing.
    pub const fn new() -> Self {
        Self { line: Line::new() }
    }

    /// Waits to be woken. The place in the line is that of the first poll.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives the place up. If it had been woken by [`wake_one`](Self::wake_one) or [`wake`](Self::wake), the next one
    /// is woken in its place.
    #[doc(alias = "notified")]
    #[doc(alias = "park")]
    pub fn wait(&self) -> Wait<'_> {
        Wait { queue: self, state: State::New }
    }

    /// Wakes the one that has waited longest. `false`: nobody waits.
    #[doc(alias = "notify_one")]
    pub fn wake_one(&self) -> bool {
        self.line.grant(|is_ones_own| *is_ones_own = true)
    }

    /// Wakes up to `count` of those who wait now, in their order, and returns how many.
    #[doc(alias = "unpark")]
    pub fn wake(&self, count: usize) -> usize {
        let mut left = count;
        self.line.grant_while(|is_ones_own| {
            *is_ones_own = left > 0;
            left = left.saturating_sub(1);
            *is_ones_own
        })
    }

    /// Wakes all who wait now, in their order, and returns how many; not those who come while it does so.
    ///
    /// If one of them is dropped before it runs, nobody else is woken for it: all had been.
    #[doc(alias = "notify_waiters")]
    #[doc(alias = "unpark_all")]
    pub fn wake_all(&self) -> usize {
        self.line.grant_all(|_| ())
    }

    /// How many wait. Those that were woken do not, although they may not have run yet.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Debug for WaitQueue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").field("len", &self.len()).finish()
    }
}

/// The future of [`WaitQueue::wait`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
#[doc(alias = "Notified")]
pub struct Wait<'a> {
    queue: &'a WaitQueue,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Waiting(WaitKey),
    Woken,
}

impl Wait<'_> {
    /// Ready with whether the wake was for this waiter alone, and would have to be passed on.
    ///
    /// `is_due` is asked once, before the line is joined, when the code of others cannot come between any more.
    pub(super) fn poll_unless(
        &mut self,
        cx: &mut Context<'_>,
        is_due: impl FnOnce() -> bool,
    ) -> Poll<bool> {
        runtime::with_budget(cx, |cx| self.poll_in_budget(cx, is_due))
    }

    fn poll_in_budget(&mut self, cx: &Context<'_>, is_due: impl FnOnce() -> bool) -> Poll<bool> {
        match self.state {
            State::New => {
                let waker = cx.waker().clone();
                if is_due() {
                    self.state = State::Woken;
                    return Poll::Ready(false);
                }
                self.state = State::Waiting(self.queue.line.join(false, waker));
                Poll::Pending
            }
            State::Waiting(waiter) => {
                let poll = self.queue.line.poll(waiter, cx);
                if poll.is_ready() {
                    self.state = State::Woken;
                }
                poll
            }
            State::Woken => Poll::Ready(false),
        }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_unless(cx, || false).map(drop)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let State::Waiting(waiter) = self.state {
            if let Left::Granted(true) = self.queue.line.leave(waiter) {
                self.queue.wake_one();
            }
        }
    }
}
