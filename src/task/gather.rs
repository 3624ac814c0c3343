//! `gather`: several futures of one type at once, each to its end.

use std::fmt;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::runtime::{self, Gathering, MaybeDone, Scope, drop_members};

/// Runs all futures at once, inside the task that awaits the result, and returns their outputs in
/// the order of the arguments. Asyncio's `gather` with `return_exceptions=True`: all futures run to
/// their end.
///
/// A future is polled only when it was woken, so ten thousand of them cost no more than their
/// wakes. Dropping the `Gather` drops all of them. To stop at the first error, use
/// [`try_gather`](super::try_gather). For futures of different types, use the macro
/// [`gather!`](crate::gather!).
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, it drops the outputs collected so far.
///
/// # Panics
///
/// Panics when polled outside a loop. A panic of one of the futures propagates to the code that
/// awaits the result.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let lengths = oneloop::gather(["a", "bcd"].map(async |word| {
///         oneloop::sleep(Duration::from_millis(1)).await;
///         word.len()
///     }))
///     .await;
///     assert_eq!(lengths, [1, 3]);
/// });
/// ```
#[doc(alias = "join_all")]
pub fn gather<I>(futures: I) -> Gather<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator<Item: IntoFuture>,
{
    Gather { crowd: Crowd::new(futures) }
}

/// The future of [`gather`].
#[must_use = "futures do nothing unless awaited"]
pub struct Gather<F: Future> {
    crowd: Crowd<F>,
}

impl<F: Future> Gather<F> {
    /// Limits the number of futures that run at once: the next one starts when one has ended.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0, since nothing would ever start.
    pub fn limit(mut self, limit: usize) -> Self {
        self.crowd.set_limit(limit);
        self
    }
}

impl<F: Future> Future for Gather<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.crowd.poll(cx, |_| ControlFlow::Continue(())));
        Poll::Ready(self.crowd.take_outputs())
    }
}

impl<F: Future> fmt::Debug for Gather<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gather").field(&self.crowd).finish()
    }
}

/// Futures of one type that are polled together. Each has its own box, so it never moves.
pub(super) struct Crowd<F: Future> {
    members: Vec<Pin<Box<MaybeDone<F>>>>,
    limit: usize,
    stage: Stage,
    scope: Scope,
}

enum Stage {
    New,
    Gathering(Gathering),
    Ready,
}

impl<F: Future> Crowd<F> {
    pub(super) fn new(futures: impl IntoIterator<Item: IntoFuture<IntoFuture = F>>) -> Self {
        let boxed = |future: F| Box::pin(MaybeDone::new(future));
        let members: Vec<_> =
            futures.into_iter().map(|future| boxed(future.into_future())).collect();
        let scope = Scope::first_of(members.len());
        Self { members, limit: usize::MAX, stage: Stage::New, scope }
    }

    #[track_caller]
    pub(super) fn set_limit(&mut self, limit: usize) {
        assert!(limit > 0, "with a limit of 0 nothing would ever start: pass 1 or more");
        self.limit = limit;
    }

    /// Ready when all futures are done, or when `look` breaks at an output that has just arrived.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&F::Output) -> ControlFlow<()>,
    ) -> Poll<()> {
        let Self { members, limit, stage, scope } = self;
        if let Stage::New = stage {
            *stage = Stage::Gathering(Gathering::new("`gather`", members.len(), *limit, *scope));
        }
        let Stage::Gathering(gathering) = stage else {
            panic!("a `gather` was polled after it was ready");
        };
        let polled = runtime::with_budget(cx, |cx| {
            gathering.poll_woken(cx, |index, cx| {
                ready!(members[index].as_mut().poll(cx));
                Poll::Ready(members[index].output().map_or(ControlFlow::Continue(()), &mut look))
            })
        });
        if polled.is_ready() {
            *stage = Stage::Ready;
        }
        polled
    }

    /// The outputs of all futures, in the order of the arguments. Call this once, when all are
    /// done.
    pub(super) fn take_outputs(&mut self) -> Vec<F::Output> {
        self.members.drain(..).filter_map(|mut member| member.as_mut().take()).collect()
    }

    /// Drops all futures and returns the first output for which `is_it` is true.
    pub(super) fn take_first(&mut self, is_it: impl Fn(&F::Output) -> bool) -> Option<F::Output> {
        let mut members = mem::take(&mut self.members);
        let member = members.iter_mut().find(|member| member.output().is_some_and(&is_it))?;
        let output = member.as_mut().take();
        drop_members(self.scope, members);
        output
    }
}

impl<F: Future> Drop for Crowd<F> {
    fn drop(&mut self) {
        drop_members(self.scope, mem::take(&mut self.members));
    }
}

impl<F: Future> fmt::Debug for Crowd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crowd").field("members", &self.members.len()).finish_non_exhaustive()
    }
}
