//! One future of a `gather!` or a `select!`, which is polled and dropped in its own scope.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::runtime::{Entered, MaybeDone, Scope};

pin_project! {
    /// A future of a `gather!`, later its output.
    pub(super) struct Member<F: Future> {
        #[pin]
        future: MaybeDone<F>,
        scope: Scope,
    }

    impl<F: Future> PinnedDrop for Member<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.scope.enter();
            this.future.set(MaybeDone::Taken);
        }
    }
}

impl<F: Future> Member<F> {
    pub(super) fn new(future: F, scope: Scope) -> Self {
        Self { future: MaybeDone::new(future), scope }
    }

    /// Polls the future; see [`MaybeDone::poll`]. The gathering has already entered the scope.
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx)
    }

    pub(super) fn output(&self) -> Option<&F::Output> {
        self.future.output()
    }

    pub(super) fn take(self: Pin<&mut Self>) -> Option<F::Output> {
        self.project().future.take()
    }
}

pin_project! {
    /// A future of a [`select!`](crate::select!). Only for use by the macro.
    #[doc(hidden)]
    pub struct Branch<F> {
        // `None` if the branch is disabled, was ready, or has lost.
        #[pin]
        future: Option<F>,
        scope: Scope,
    }

    impl<F> PinnedDrop for Branch<F> {
        fn drop(this: Pin<&mut Self>) {
            if this.is_left() {
                this.drop_in_scope();
            }
        }
    }
}

impl<F> Branch<F> {
    fn drop_in_scope(self: Pin<&mut Self>) {
        let mut this = self.project();
        let _entered = this.scope.enter();
        this.future.set(None);
    }

    #[doc(hidden)]
    #[inline]
    pub fn is_left(&self) -> bool {
        self.future.is_some()
    }

    /// Drops the future, in its scope.
    #[doc(hidden)]
    #[inline]
    pub fn end(self: Pin<&mut Self>, entered: &EnteredBranches) {
        let mut this = self.project();
        if this.future.is_some() {
            entered.0.switch_to(*this.scope);
            this.future.set(None);
        }
    }
}

impl<F: Future> Branch<F> {
    /// Polls the future if it is left, and drops it when it is ready.
    #[doc(hidden)]
    #[inline]
    pub fn poll(
        self: Pin<&mut Self>,
        entered: &EnteredBranches,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        entered.0.switch_to(*this.scope);
        let polled = future.poll(cx);
        if polled.is_ready() {
            this.future.set(None);
        }
        polled
    }
}

/// The scopes of the branches of one [`select!`](crate::select!). Only for use by the macro.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Branches {
    first: Scope,
}

impl Branches {
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { first: Scope::first_of(count) }
    }

    #[doc(hidden)]
    #[inline]
    pub fn branch<F>(self, index: usize, future: Option<F>) -> Branch<F> {
        Branch { future, scope: self.first.of_member(index) }
    }

    /// Enters a scope once for all polls of a turn. Each of them switches to its branch's.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn enter(self) -> EnteredBranches {
        EnteredBranches(self.first.enter())
    }
}

/// The scope that a `select!` has entered, until this is dropped. Only for use by the macro.
#[doc(hidden)]
pub struct EnteredBranches(Entered);

impl fmt::Debug for EnteredBranches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnteredBranches").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Branch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Branch").field("is_left", &self.is_left()).finish_non_exhaustive()
    }
}
