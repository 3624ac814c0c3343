//! Errands: work that a drop leaves to the loop itself, so that the code that drops something does
//! not wait for it.
//!
//! An errand is a task of its own. It has no handle and no owner, so no `cancel` reaches it, and it
//! may start while the loop is closing. It limits its own time ([`errand_time`]). The end of a run
//! waits for the errands that are under way, side by side. Once there is no time left, the loop
//! drops the errand where it waits, and its drop reports what was not done.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::runtime::context::{self, candidate, with};
use crate::runtime::data::clock::Nanos;
use crate::runtime::data::job;
use crate::runtime::data::key::NO_SLOT;
use crate::runtime::data::record::{CancelReason, Place};
use crate::runtime::data::waiter::Waiter;
use crate::runtime::state::State;

/// Leaves `future` to this thread's loop, for the code at `place`. If no loop runs, or the loop has
/// no time left, drops it at once.
pub(crate) fn leave_errand(future: impl Future<Output = ()> + 'static, place: Place) {
    let mut future = Some(future);
    with(|state| {
        if state.cleaning.is_over {
            return;
        }
        if let Some(future) = future.take() {
            let batch = state.errands.start();
            let job = job::boxed(Errand { future, count: Count { batch } });
            let slot = state.tasks.create_cleaner(job, place, NO_SLOT);
            state.queue(slot);
        }
    });
    drop(future);
}

/// The time limit of an errand that starts now.
pub(crate) fn errand_time() -> Nanos {
    with(|state| {
        let limit = state.cleaning.timeout;
        if state.closing { state.errands.last_time(state.clock.now(), limit) } else { limit }
    })
    .unwrap_or(0)
}

/// Makes [`poll_awaited_errands`], and the end of the run, wait for the errands that are under way.
pub(crate) fn await_errands() {
    with(State::await_errands);
}

/// Ready when all awaited errands have ended.
pub(crate) fn poll_awaited_errands(cx: &Context<'_>) -> Poll<()> {
    let candidate = candidate(cx.waker());
    let is_set = with(|state| {
        state
            .errands
            .is_awaited()
            .then(|| (state.set_waiter(&candidate, waiter), state.run_number()))
    });
    let Some(Some((is_set, run))) = is_set else { return Poll::Ready(()) };
    if !is_set {
        context::wait_cloned(run, cx.waker(), waiter);
    }
    Poll::Pending
}

#[expect(clippy::unnecessary_wraps, reason = "elsewhere the place of a waiter can be gone")]
fn waiter(state: &mut State) -> Option<&mut Waiter> {
    Some(&mut state.errands.waiter)
}

impl State {
    pub(crate) fn await_errands(&mut self) {
        let (now, limit) = (self.clock.now(), self.cleaning.timeout);
        self.errands.close_batch(now, limit);
    }

    /// Cancels all errands, so that they are dropped soon, where they wait.
    pub(crate) fn cut_off_errands(&mut self) {
        let slots: Vec<u32> = self.tasks.errands().collect();
        for slot in slots {
            self.cancel(slot, CancelReason::Requested);
        }
    }
}

pin_project! {
    struct Errand<F> {
        #[pin]
        future: F,
        count: Count,
    }
}

impl<F: Future<Output = ()>> Future for Errand<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().future.poll(cx)
    }
}

/// Counts an errand until it is dropped.
struct Count {
    batch: u64,
}

impl Drop for Count {
    fn drop(&mut self) {
        with(|state| {
            let waiter = state.errands.end(self.batch);
            state.wake(waiter);
        });
    }
}
