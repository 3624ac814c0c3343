//! `Barrier`: holds tasks back until all have arrived.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::wait_list::WaitKey;
use crate::runtime;

/// A meeting point for a fixed number of tasks, which can be used repeatedly.
///
/// Tasks that [`wait`](Self::wait) are held until as many have arrived as the barrier has parties.
/// Then all continue, and the next cycle begins. Each task gets its own index: the waiters get 0,
/// 1, .. in order of arrival, and the last task gets the highest index and continues without
/// yielding.
///
/// A task that arrives after the last one belongs to the next cycle, even if tasks of the previous
/// cycle have not run yet. A task that is dropped while it waits no longer counts.
///
/// This is `asyncio.Barrier`, with one difference: once the last arrival has released the tasks, a
/// later [`reset`](Self::reset) or [`abort`](Self::abort) cannot affect them, even if they have not
/// run yet. In asyncio it does.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use oneloop::sync::Barrier;
/// use oneloop::{create_task, yield_now};
///
/// oneloop::run(async {
///     let barrier = Rc::new(Barrier::new(3));
///     let [first, second] = [Rc::clone(&barrier), Rc::clone(&barrier)]
///         .map(|barrier| create_task(async move { barrier.wait().await }));
///     yield_now().await;
///     assert_eq!(barrier.n_waiting(), 2);
///
///     // The third passes the barrier, and lets the others go.
///     assert_eq!(barrier.wait().await, Ok(2));
///     assert_eq!(first.await.unwrap(), Ok(0));
///     assert_eq!(second.await.unwrap(), Ok(1));
///     assert_eq!(barrier.n_waiting(), 0);
/// });
/// ```
pub struct Barrier {
    parties: usize,
    is_broken: Cell<bool>,
    /// Each waiter with the result it is given in the end.
    line: Line<Option<Result<usize, BrokenBarrier>>>,
}

impl Barrier {
    /// Creates a barrier for `parties` tasks.
    ///
    /// # Panics
    ///
    /// Panics if `parties` is 0.
    #[track_caller]
    pub const fn new(parties: usize) -> Self {
        assert!(
            parties > 0,
            "a `Barrier` of 0 parties could never be passed: it needs one at least"
        );
        Self { parties, is_broken: Cell::new(false), line: Line::new() }
    }

    /// Waits until all tasks have arrived, and returns this task's index: 0 to `parties - 1`.
    ///
    /// # Errors
    ///
    /// Returns an error if the barrier is or gets [aborted](Self::abort), or is
    /// [reset](Self::reset) during the wait.
    ///
    /// # Cancel safety
    ///
    /// A task that is dropped while it waits counts as not arrived. If the tasks were released
    /// meanwhile, the others continue.
    pub async fn wait(&self) -> Result<usize, BrokenBarrier> {
        Arrival { barrier: self, waiter: None }.await
    }

    /// Starts afresh: current waiters get an error, and a barrier that was aborted can be used
    /// again.
    pub fn reset(&self) {
        self.is_broken.set(false);
        self.line.grant_all(|told| *told = Some(Err(BrokenBarrier { is_aborted: false })));
    }

    /// Breaks the barrier: current waiters get an error, and so do all tasks that arrive before it
    /// is [reset](Self::reset).
    pub fn abort(&self) {
        self.is_broken.set(true);
        self.line.grant_all(|told| *told = Some(Err(BrokenBarrier { is_aborted: true })));
    }

    /// The number of tasks that have to arrive.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// The number of tasks that have arrived in this cycle.
    pub fn n_waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether the barrier was aborted and not reset since.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// The result for a task that need not wait, or `None` if it has to.
    fn arrive(&self) -> Option<Result<usize, BrokenBarrier>> {
        if self.is_broken() {
            return Some(Err(BrokenBarrier { is_aborted: true }));
        }
        let last = self.parties - 1;
        if self.n_waiting() < last {
            return None;
        }
        let mut indices = 0..last;
        self.line.grant_all(|told| *told = indices.next().map(Ok));
        Some(Ok(last))
    }
}

impl Debug for Barrier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("n_waiting", &self.n_waiting())
            .field("is_broken", &self.is_broken())
            .finish()
    }
}

struct Arrival<'a> {
    barrier: &'a Barrier,
    waiter: Option<WaitKey>,
}

impl Future for Arrival<'_> {
    type Output = Result<usize, BrokenBarrier>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        runtime::with_budget(cx, |cx| self.poll_in_budget(cx))
    }
}

impl Arrival<'_> {
    fn poll_in_budget(&mut self, cx: &Context<'_>) -> Poll<Result<usize, BrokenBarrier>> {
        let line = &self.barrier.line;
        let Some(waiter) = self.waiter else {
            // The clone can be foreign code, so it happens before joining the line, and only if the
            // task has to wait.
            if let Some(told) = self.barrier.arrive() {
                return Poll::Ready(told);
            }
            let waker = cx.waker().clone();
            if let Some(told) = self.barrier.arrive() {
                return Poll::Ready(told);
            }
            self.waiter = Some(line.join(None, waker));
            return Poll::Pending;
        };
        match line.poll(waiter, cx) {
            Poll::Ready(told) => {
                self.waiter = None;
                // Every wait ends with a result, so the default is never used.
                Poll::Ready(told.unwrap_or(Err(BrokenBarrier { is_aborted: false })))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            // There is nothing to pass on, because the other tasks have their own results.
            let (Left::Waiting(_) | Left::Granted(_)) = self.barrier.line.leave(waiter);
        }
    }
}

/// The barrier was [reset](Barrier::reset) during a wait, or it is [aborted](Barrier::abort).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "BrokenBarrierError")]
pub struct BrokenBarrier {
    is_aborted: bool,
}

impl BrokenBarrier {
    /// Whether the barrier is broken until it is reset.
    pub fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// Whether the barrier was reset, so that it can be used.
    pub fn is_reset(&self) -> bool {
        !self.is_aborted
    }
}

impl Display for BrokenBarrier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_aborted {
            "the barrier was aborted"
        } else {
            "the barrier was reset while this task waited"
        })
    }
}

impl Error for BrokenBarrier {}
