//! `Barrier`: nobody goes on before all are there.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Left, Line};
use super::wait_list::WaitKey;
use crate::runtime;

/// A meeting point for a fixed number of tasks, again and again.
///
/// Everybody who [`wait`](Self::wait)s is held up until as many are there as the barrier has parties; then all go on, and the next
/// cycle begins. Each gets an index of its own: those who waited 0, 1, .. in the order in which they came, who came last
/// the highest, and this one goes on without yielding.
///
/// Who arrives after the last one belongs to the next cycle, also while those of the former have not run yet. Who is
/// dropped while it waits does not count any more.
///
/// This is `asyncio.Barrier`. Those that the last arrival has let go on are out of reach of a later [`reset`](Self::reset) or
/// [`abort`](Self::abort), although they may not have run yet; in asyncio these hit them.
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
    /// With what they are told in the end.
    line: Line<Option<Result<usize, BrokenBarrier>>>,
}

impl Barrier {
    /// A barrier for `parties` tasks.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[track_caller]
    pub const fn new(parties: usize) -> Self {
        assert!(
            parties > 0,
            "a `Barrier` of 0 parties could never be passed: it needs one at least"
        );
        Self { parties, is_broken: Cell::new(false), line: Line::new() }
    }

    /// Waits until all are there, and returns which of them this one is: 0 to `parties - 1`.
    ///
    /// # Errors
    ///
    /// If the barrier is or gets [aborted](Self::abort), or is [reset](Self::reset) while this one waits.
    ///
    /// # Cancel safety
    ///
    /// Who is dropped while it waits has not arrived. If the others were let go meanwhile, they go.
    pub async fn wait(&self) -> Result<usize, BrokenBarrier> {
        Arrival { barrier: self, waiter: None }.await
    }

    /// Begins anew: those who wait get an error, and a barrier that was aborted can be used again.
    pub fn reset(&self) {
        self.is_broken.set(false);
        self.line.grant_all(|told| *told = Some(Err(BrokenBarrier { is_aborted: false })));
    }

    /// Breaks the barrier: those who wait get an error, and so does everybody who comes before it is [reset](Self::reset).
    pub fn abort(&self) {
        self.is_broken.set(true);
        self.line.grant_all(|told| *told = Some(Err(BrokenBarrier { is_aborted: true })));
    }

    /// How many have to come.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many have come in this cycle.
    pub fn n_waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether it was aborted, and not reset since.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// What can be said to who arrives without it waiting.
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
            // A clone may be the code of others, so it comes first, unless the barrier can be passed at once.
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
                // Nobody's wait is ended without a word.
                Poll::Ready(told.unwrap_or(Err(BrokenBarrier { is_aborted: false })))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            // There is nothing to pass on: the others have their own.
            let (Left::Waiting(_) | Left::Granted(_)) = self.barrier.line.leave(waiter);
        }
    }
}

/// The barrier was [reset](Barrier::reset) while one waited, or it is [aborted](Barrier::abort).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "BrokenBarrierError")]
pub struct BrokenBarrier {
    is_aborted: bool,
}

impl BrokenBarrier {
    /// It is broken until it is reset.
    pub fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// It was reset, and can be used.
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
