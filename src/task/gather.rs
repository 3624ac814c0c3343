//! `gather`: many futures of one kind at once, all to the end.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::runtime::{Gathering, MaybeDone};

/// Runs all futures at once, inside the task that awaits the result, and gives their outputs in the order of the
/// arguments; asyncio's `gather`, with `return_exceptions=True`: all run to their end.
///
/// Each future is polled only when it was woken, so ten thousand of them cost no more than their wakes. Dropping the
/// result drops all of them. To stop at the first error, [`try_gather`](super::try_gather); for futures of different types, the macro
/// [`gather!`](crate::gather!).
///
/// # Cancel safety
///
/// Dropped before its end, it drops the outputs that are there already.
///
/// # Panics
///
/// When polled where no loop runs. A panic of a future reaches whoever awaits the result.
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
    /// At most so many at once: the next one starts when one has ended.
    ///
    /// # Panics
    ///
    /// If `limit` is 0: nothing would ever start.
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

/// After so many polls of members that end one after another, others have their turn before the next ones start.
const POLLS_MAX: usize = 64;

/// Futures of one kind that are polled together. Each sits in a box of its own, so that it never moves.
pub(super) struct Crowd<F: Future> {
    members: Vec<Pin<Box<MaybeDone<F>>>>,
    limit: usize,
    /// How many have been started.
    started: usize,
    gathering: Option<Gathering>,
}

impl<F: Future> Crowd<F> {
    pub(super) fn new(futures: impl IntoIterator<Item: IntoFuture<IntoFuture = F>>) -> Self {
        let boxed = |future: F| Box::pin(MaybeDone::new(future));
        let members = futures.into_iter().map(|future| boxed(future.into_future())).collect();
        Self { members, limit: usize::MAX, started: 0, gathering: None }
    }

    #[track_caller]
    pub(super) fn set_limit(&mut self, limit: usize) {
        assert_ne!(limit, 0, "with a limit of 0 nothing would ever start: pass 1 or more");
        self.limit = limit;
    }

    /// Ready when all are done, or when `look` breaks at an output that has just come.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&F::Output) -> ControlFlow<()>,
    ) -> Poll<()> {
        let gathering = self.gathering.get_or_insert_with(|| Gathering::new("`gather`"));
        let mut polls = 0;
        loop {
            let room = self.limit.saturating_sub(gathering.living());
            let starting = room.min(self.members.len() - self.started);
            gathering.add(starting);
            self.started += starting;
            let before = gathering.living();
            let mut stop = false;
            let members = &mut self.members;
            let poll = gathering.poll_woken(cx, |index, cx| {
                polls += 1;
                ready!(members[index].as_mut().poll(cx));
                stop = members[index].output().is_some_and(|output| look(output).is_break());
                Poll::Ready(if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
            let all_started = self.started == self.members.len();
            if stop || all_started {
                return poll;
            }
            if gathering.living() == before {
                return Poll::Pending;
            }
            if polls >= POLLS_MAX {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// The outputs of all, in the order of the arguments; to be called once, when all are done.
    pub(super) fn take_outputs(&mut self) -> Vec<F::Output> {
        self.members.drain(..).filter_map(|mut member| member.as_mut().take()).collect()
    }

    /// Drops all futures, and says what output broke the gathering off.
    pub(super) fn take_first(&mut self, is_it: impl Fn(&F::Output) -> bool) -> Option<F::Output> {
        let mut members = std::mem::take(&mut self.members);
        self.gathering = None;
        let member = members.iter_mut().find(|member| member.output().is_some_and(&is_it))?;
        member.as_mut().take()
    }
}

impl<F: Future> fmt::Debug for Crowd<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { members, started, .. } = self;
        f.debug_struct("Crowd").field("members", &members.len()).field("started", started).finish_non_exhaustive()
    }
}
