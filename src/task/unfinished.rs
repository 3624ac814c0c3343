//! Futures of one type that are polled together until ready: the common part of `as_completed` and
//! the races.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::{Gathering, Scope, drop_members};

/// The futures that are not ready yet.
pub(super) struct Unfinished<F> {
    /// Each future has its own box, so it never moves. `None` once it was ready and has been
    /// dropped.
    futures: Vec<Option<Pin<Box<F>>>>,
    /// How many futures start without a call of [`start_next`](Self::start_next).
    starting: usize,
    /// How many of the self-starting futures run at once.
    limit: usize,
    started: usize,
    left: usize,
    gathering: Option<Gathering>,
    scope: Scope,
}

impl<F: Future> Unfinished<F> {
    pub(super) fn new(futures: impl IntoIterator<Item: IntoFuture<IntoFuture = F>>) -> Self {
        let boxed = |future: F| Some(Box::pin(future));
        let futures: Vec<_> =
            futures.into_iter().map(|future| boxed(future.into_future())).collect();
        let count = futures.len();
        Self {
            futures,
            starting: count,
            limit: usize::MAX,
            started: count,
            left: count,
            gathering: None,
            scope: Scope::first_of(count),
        }
    }

    /// Lets only the first future start by itself.
    pub(super) fn one_by_one(mut self) -> Self {
        self.starting = self.futures.len().min(1);
        self.started = self.starting;
        self
    }

    #[track_caller]
    pub(super) fn set_limit(&mut self, limit: usize) {
        assert!(limit > 0, "with a limit of 0 nothing would ever start: pass 1 or more");
        self.limit = limit;
    }

    /// The number of futures at the beginning.
    pub(super) fn total(&self) -> usize {
        self.futures.len()
    }

    /// The number of futures that have not been ready yet.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The number of futures that have started, by themselves or by a call.
    pub(super) fn started(&self) -> usize {
        self.started
    }

    /// Polls the woken futures until one is ready. Drops that future and returns its index and
    /// output. Returns `None` if no started future is left. The panic message names `what` if no
    /// loop runs.
    pub(super) fn poll_next(
        &mut self,
        what: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, F::Output)>> {
        let Self { futures, starting, limit, left, gathering, scope, .. } = self;
        let new = || Gathering::new(what, *starting, *limit, *scope);
        let gathering = gathering.get_or_insert_with(new);
        gathering.poll_next(cx, |index, cx| {
            let Some(mut future) = futures[index].take() else { return Poll::Pending };
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                futures[index] = Some(future);
            } else {
                *left -= 1;
            }
            polled
        })
    }

    /// Starts one more future, if one is left. Has an effect only after the first poll.
    pub(super) fn start_next(&mut self) {
        if let Some(gathering) = &mut self.gathering {
            if self.started < self.futures.len() {
                self.started += 1;
                gathering.add();
            }
        }
    }

    /// Drops all remaining futures in order.
    pub(super) fn clear(&mut self) {
        self.gathering = None;
        self.starting = 0;
        self.left = 0;
        drop_members(self.scope, mem::take(&mut self.futures));
    }
}

impl<F> Drop for Unfinished<F> {
    fn drop(&mut self) {
        drop_members(self.scope, mem::take(&mut self.futures));
    }
}

impl<F> fmt::Debug for Unfinished<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfinished")
            .field("total", &self.futures.len())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
