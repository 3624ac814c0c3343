//! A yield: the future behind `yield_now`, and behind a sleep that is due at once.

use std::task::{Context, Poll};

use crate::runtime::context::wake_again;

/// Ready once all tasks that were runnable at the first poll have had their turn.
#[derive(Debug)]
pub(crate) struct Yield {
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    /// An earlier wake of the task is already queued, before tasks that have not had their turn.
    Again,
    Yielded,
}

impl Yield {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { state: State::New }
    }

    #[inline]
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let State::Yielded = self.state {
            return Poll::Ready(());
        }
        let has_yielded = wake_again(cx);
        // All tasks that were runnable at the first poll come before the wake that the second poll
        // makes.
        let is_second = matches!(self.state, State::Again);
        self.state = if has_yielded || is_second { State::Yielded } else { State::Again };
        Poll::Pending
    }
}
