//! Turns: the right to run the next operation, granted in the order of the requests. This module
//! knows nothing of files.
//!
//! The holder of the turn has the token, a value that exists only once. One invariant: while the
//! token is here, the first waiter in line has been woken; if none waits in line, the pollers have
//! been.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::runtime;

/// The line for the turns, usable from any thread.
pub(super) struct Turns<T> {
    line: Mutex<Line<T>>,
}

struct Line<T> {
    /// `None` while the turn is taken.
    token: Option<T>,
    /// Waiters by the number of their place, which grows. A used waker is `None`.
    waiting: VecDeque<(u64, Option<Waker>)>,
    next: u64,
    /// Wakers of callers that poll through a trait. They may stop without notice, so they have no
    /// place in the line.
    polling: [Option<Waker>; 2],
}

/// Which of the two callers that may poll at a time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Read,
    Write,
}

/// A place in the line. Its owner has to [leave](Turns::leave) it.
#[derive(Debug, Default)]
pub(super) struct Place(Option<u64>);

impl<T> Turns<T> {
    pub(super) fn new(token: T) -> Self {
        let (waiting, polling) = (VecDeque::new(), [None, None]);
        Self { line: Mutex::new(Line { token: Some(token), waiting, next: 0, polling }) }
    }

    /// Takes the turn if it is first in line, and waits in line until then.
    pub(super) fn poll_take(&self, place: &mut Place, cx: &Context<'_>) -> Poll<T> {
        let mut waker = Some(cx.waker().clone());
        let mut line = self.lock();
        let is_first = line.waiting.front().map(|&(number, _)| number) == place.0;
        if let Some(token) = line.token.take_if(|_| is_first) {
            let own = line.waiting.pop_front();
            *place = Place(None);
            drop(line);
            drop((own, waker));
            return Poll::Ready(token);
        }
        if let Some(position) = place.0.and_then(|number| line.position(number)) {
            mem::swap(&mut line.waiting[position].1, &mut waker);
        } else {
            let number = line.next;
            line.next += 1;
            line.waiting.push_back((number, waker.take()));
            *place = Place(Some(number));
        }
        drop(line);
        drop(waker);
        Poll::Pending
    }

    /// Takes the turn if it is free and the line is empty. Otherwise the caller is woken once, when
    /// that may be so.
    pub(super) fn poll_free(&self, side: Side, cx: &Context<'_>) -> Poll<T> {
        let waker = cx.waker().clone();
        let mut line = self.lock();
        let is_free = line.waiting.is_empty();
        if let Some(token) = line.token.take_if(|_| is_free) {
            drop(line);
            drop(waker);
            return Poll::Ready(token);
        }
        let former = line.polling[side as usize].replace(waker);
        drop(line);
        drop(former);
        Poll::Pending
    }

    /// Gives up a place in the line.
    pub(super) fn leave(&self, place: &mut Place) {
        let Some(number) = place.0.take() else { return };
        let mut line = self.lock();
        let position = line.position(number);
        let own = position.and_then(|position| line.waiting.remove(position));
        let next = if line.token.is_some() { line.next_wakers() } else { [None, None] };
        drop(line);
        drop(own);
        wake(next);
    }

    /// Ends a turn that was taken.
    pub(super) fn release(&self, token: T) {
        let mut line = self.lock();
        line.token = Some(token);
        let next = line.next_wakers();
        drop(line);
        wake(next);
    }

    fn lock(&self) -> MutexGuard<'_, Line<T>> {
        // Nothing panics under the lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Line<T> {
    fn position(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |&(number, _)| number).ok()
    }

    /// The wakers of the callers that may take the turn now.
    fn next_wakers(&mut self) -> [Option<Waker>; 2] {
        match self.waiting.front_mut() {
            Some((_, waker)) => [waker.take(), None],
            None => mem::take(&mut self.polling),
        }
    }
}

fn wake(wakers: [Option<Waker>; 2]) {
    for waker in wakers.into_iter().flatten() {
        runtime::wake_guarded(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A waiter, and a count of its wakes.
    #[derive(Default)]
    struct Waiting {
        place: Place,
        wakes: Arc<Count>,
    }

    impl Waiting {
        fn takes(&mut self, turns: &Turns<()>) -> bool {
            let waker = Arc::clone(&self.wakes).into();
            turns.poll_take(&mut self.place, &Context::from_waker(&waker)).is_ready()
        }

        fn takes_free(&self, turns: &Turns<()>, side: Side) -> bool {
            let waker = Arc::clone(&self.wakes).into();
            turns.poll_free(side, &Context::from_waker(&waker)).is_ready()
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn turns_are_taken_in_the_order_in_which_they_were_asked_for() {
        let turns = Turns::new(());
        let [mut a, mut b, mut c] = [(); 3].map(|()| Waiting::default());
        assert!(a.takes(&turns));
        assert!(!b.takes(&turns) && !c.takes(&turns));
        turns.release(());
        assert_eq!((b.wakes(), c.wakes()), (1, 0), "only the next is woken");
        assert!(!a.takes(&turns) && !c.takes(&turns), "nobody overtakes");
        assert!(b.takes(&turns));
        turns.release(());
        assert!(c.takes(&turns));
        turns.release(());
        assert!(a.takes(&turns));
    }

    #[test]
    fn whoever_leaves_passes_the_turn_on() {
        let turns = Turns::new(());
        let [mut a, mut b, mut c] = [(); 3].map(|()| Waiting::default());
        assert!(a.takes(&turns));
        assert!(!b.takes(&turns) && !c.takes(&turns));
        turns.release(());
        turns.leave(&mut b.place);
        assert_eq!(c.wakes(), 1);
        assert!(c.takes(&turns));
        turns.leave(&mut c.place);
        assert!(!a.takes(&turns), "a turn that was taken is no place in the line");
    }

    #[test]
    fn whoever_leaves_early_wakes_nobody() {
        let turns = Turns::new(());
        let [mut a, mut b, mut c] = [(); 3].map(|()| Waiting::default());
        assert!(a.takes(&turns));
        assert!(!b.takes(&turns) && !c.takes(&turns));
        turns.leave(&mut b.place);
        assert_eq!(c.wakes(), 0);
        turns.release(());
        assert!(c.takes(&turns));
    }

    #[test]
    fn those_who_poll_come_after_those_in_line() {
        let turns = Turns::new(());
        let [mut a, mut b, reader, writer] = [(); 4].map(|()| Waiting::default());
        assert!(a.takes(&turns));
        assert!(!reader.takes_free(&turns, Side::Read) && !writer.takes_free(&turns, Side::Write));
        assert!(!b.takes(&turns));
        turns.release(());
        assert_eq!((b.wakes(), reader.wakes()), (1, 0));
        assert!(!reader.takes_free(&turns, Side::Read));
        turns.leave(&mut b.place);
        assert_eq!((reader.wakes(), writer.wakes()), (1, 1));
        assert!(writer.takes_free(&turns, Side::Write));
        assert!(!reader.takes_free(&turns, Side::Read));
        turns.release(());
        assert_eq!((reader.wakes(), writer.wakes()), (2, 1));
    }

    /// A caller that no longer polls must not block the others.
    #[test]
    fn whoever_stops_polling_blocks_nobody() {
        let turns = Turns::new(());
        let [mut a, mut b, reader] = [(); 3].map(|()| Waiting::default());
        assert!(a.takes(&turns));
        assert!(!reader.takes_free(&turns, Side::Read));
        turns.release(());
        assert!(b.takes(&turns));
    }
}
