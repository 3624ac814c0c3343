//! `WaitQueue`: waits until another task wakes the queue.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::wait_list::WaitKey;
use crate::runtime;

/// A line of waiters to be woken, on which you can build your own primitives.
///
/// The queue has no state except its waiters. Keep the state beside it, in a `Cell` or `RefCell`:
/// check the state, and if it is not as needed, [`wait`](Self::wait). Code that changes the state
/// wakes as many waiters as can use the change. There is no `await` between the check and the wait,
/// so no wake is missed.
///
/// Waiters are woken first come, first served. Wakes are not stored: without waiters, a wake has no
/// effect. But a wake is not lost either: if a waiter woken by [`wake_one`](Self::wake_one) or
/// [`wake`](Self::wake) is dropped before it runs, the next one is woken instead.
///
/// This is Trio's `ParkingLot`. `asyncio` uses a deque of futures for the same purpose.
///
/// # Examples
///
/// A gate that lets all visitors through once it is open:
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
    /// `true` once the waiter was woken individually. Such a wake must be passed on if the waiter
    /// is dropped.
    line: Line<bool>,
}

impl WaitQueue {
    /// Creates a queue without waiters. Allocates nothing.
    pub const fn new() -> Self {
        Self { line: Line::new() }
    }

    /// Waits to be woken. The first poll determines the place in the line.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place. If it was already woken by
    /// [`wake_one`](Self::wake_one) or [`wake`](Self::wake), the next waiter is woken instead.
    #[doc(alias = "notified")]
    #[doc(alias = "park")]
    pub fn wait(&self) -> WaitQueueWait<'_> {
        WaitQueueWait { queue: self, state: State::New }
    }

    /// Wakes the task that has waited longest. Returns `false` if there is no waiter.
    #[doc(alias = "notify_one")]
    pub fn wake_one(&self) -> bool {
        self.line.grant(|is_ones_own| *is_ones_own = true)
    }

    /// Wakes up to `count` current waiters, in order, and returns how many were woken.
    #[doc(alias = "unpark")]
    pub fn wake(&self, count: usize) -> usize {
        let mut left = count;
        self.line.grant_while(|is_ones_own| {
            *is_ones_own = left > 0;
            left = left.saturating_sub(1);
            *is_ones_own
        })
    }

    /// Wakes all current waiters, in order, and returns how many there were. Tasks that start to
    /// wait during this call are not woken.
    ///
    /// If one of the woken waiters is dropped before it runs, no other waiter is woken for it,
    /// because all of them were.
    #[doc(alias = "notify_waiters")]
    #[doc(alias = "unpark_all")]
    pub fn wake_all(&self) -> usize {
        self.line.grant_all(|_| ())
    }

    /// The number of waiters. Woken tasks do not count, even if they have not run yet.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether there are no waiters.
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
pub struct WaitQueueWait<'a> {
    queue: &'a WaitQueue,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Waiting(WaitKey),
    Woken,
}

impl WaitQueueWait<'_> {
    /// Ready with whether the wake was for this waiter alone and would have to be passed on.
    ///
    /// Calls `is_due` once, before joining the line, at a point after which no foreign code can
    /// intervene.
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

impl Future for WaitQueueWait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_unless(cx, || false).map(drop)
    }
}

impl Drop for WaitQueueWait<'_> {
    fn drop(&mut self) {
        if let State::Waiting(waiter) = self.state {
            if let Left::Granted(true) = self.queue.line.leave(waiter) {
                self.queue.wake_one();
            }
        }
    }
}
