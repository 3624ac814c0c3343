//! A yield: what `yield_now` waits for, and a sleep that is due at once.

use std::task::{Context, Poll};

use crate::runtime::context::wake_again;

/// Ready once whatever was runnable at the first poll has had its turn.
#[derive(Debug)]
pub(crate) struct Yield {
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    /// An earlier wake of the task waits already, before others that have not had their turn.
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
        self.state = match self.state {
            State::Yielded => return Poll::Ready(()),
            State::New if !wake_again(cx) => State::Again,
            State::New => State::Yielded,
            // Whatever was runnable at the first poll comes before the wake that this makes.
            State::Again => {
                wake_again(cx);
                State::Yielded
            }
        };
        Poll::Pending
    }
}
