//! Random waits, polls, cancels and wakes of the primitives that use the line directly, against
//! plain models.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use oneloop::sync::{
    Barrier, BrokenBarrier, Condition, Event, Lock, LockGuard, OnceCell, WaitQueue,
};

use super::super::tasks::Dice;
use super::harness::{TwoWakers, schedules};

type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

const ACTORS: usize = 5;
const STEPS: usize = 30;

/// Futures that wait for the same thing, and the grants that they should have.
struct Crowd<'a, T, G> {
    futures: [Option<Waiting<'a, T>>; ACTORS],
    wakers: [TwoWakers; ACTORS],
    line: Vec<usize>,
    granted: BTreeMap<usize, G>,
}

impl<T, G> Crowd<'_, T, G> {
    fn new() -> Self {
        Self {
            futures: Default::default(),
            wakers: [(); ACTORS].map(|()| TwoWakers::new()),
            line: Vec::new(),
            granted: BTreeMap::new(),
        }
    }

    /// Grants something to the first `count` waiters in the line.
    fn grant(&mut self, count: usize, mut grant: impl FnMut(usize) -> G) -> usize {
        let count = count.min(self.line.len());
        for (nth, actor) in self.line.drain(..count).enumerate() {
            self.granted.insert(actor, grant(nth));
        }
        count
    }

    /// Drops a waiter. Returns an unseen grant.
    fn cancel(&mut self, actor: usize) -> Option<G> {
        self.futures[actor] = None;
        self.line.retain(|&waiting| waiting != actor);
        self.granted.remove(&actor)
    }

    /// Polls. Returns whether it was in the line, or its grant.
    fn poll(&mut self, actor: usize, dice: &mut Dice) -> (Poll<T>, bool, Option<G>) {
        let future = self.futures[actor].as_mut().unwrap();
        let poll = self.wakers[actor].poll(dice, future.as_mut());
        if poll.is_ready() {
            self.futures[actor] = None;
        }
        (poll, self.line.contains(&actor), self.granted.remove(&actor))
    }

    fn check(&self, n_waiting: usize) {
        assert_eq!(n_waiting, self.line.len());
        for actor in &self.line {
            self.wakers[*actor].check(false);
        }
        for actor in self.granted.keys() {
            self.wakers[*actor].check(true);
        }
    }
}

fn any_actor(dice: &mut Dice) -> usize {
    usize::try_from(dice.roll(ACTORS as u64)).unwrap()
}

#[test]
fn storms_of_a_wait_queue_wake_in_order_and_pass_on() {
    schedules(10_000, |dice| {
        let queue = WaitQueue::new();
        let mut crowd = Crowd::new();
        for _ in 0..STEPS {
            let actor = any_actor(dice);
            match dice.roll(9) {
                0 => assert_eq!(queue.wake_one(), crowd.grant(1, |_| true) == 1),
                1 => {
                    let count = usize::try_from(dice.roll(4)).unwrap();
                    assert_eq!(queue.wake(count), crowd.grant(count, |_| true));
                }
                2 => assert_eq!(queue.wake_all(), crowd.grant(usize::MAX, |_| false)),
                3 => {
                    if crowd.cancel(actor) == Some(true) {
                        crowd.grant(1, |_| true);
                    }
                }
                _ if crowd.futures[actor].is_none() => {
                    crowd.futures[actor] = Some(Box::pin(queue.wait()));
                }
                _ => {
                    let (poll, was_waiting, granted) = crowd.poll(actor, dice);
                    assert_eq!(poll.is_ready(), granted.is_some());
                    if poll.is_pending() && !was_waiting {
                        crowd.line.push(actor);
                    }
                }
            }
            crowd.check(queue.len());
        }
        drop(mem::take(&mut crowd.futures));
        assert!(queue.is_empty());
    });
}

#[test]
fn storms_of_an_event_wake_who_waited_when_it_was_set() {
    schedules(10_000, |dice| {
        let event = Event::new();
        let mut crowd = Crowd::new();
        for _ in 0..STEPS {
            let actor = any_actor(dice);
            match dice.roll(9) {
                0 => {
                    event.set();
                    crowd.grant(usize::MAX, |_| ());
                }
                1 | 2 => event.clear(),
                3 => drop(crowd.cancel(actor)),
                _ if crowd.futures[actor].is_none() => {
                    crowd.futures[actor] = Some(Box::pin(event.wait()));
                }
                _ => {
                    let (poll, was_waiting, granted) = crowd.poll(actor, dice);
                    let is_due = granted.is_some() || (!was_waiting && event.is_set());
                    assert_eq!(poll.is_ready(), is_due);
                    if poll.is_pending() && !was_waiting {
                        crowd.line.push(actor);
                    }
                }
            }
            crowd.check(event.n_waiting());
        }
        drop(mem::take(&mut crowd.futures));
        assert_eq!(event.n_waiting(), 0);
    });
}

#[test]
fn storms_of_a_barrier_give_each_index_once_and_only_to_full_cycles() {
    schedules(10_000, |dice| {
        let parties = 1 + usize::try_from(dice.roll(4)).unwrap();
        let barrier = Barrier::new(parties);
        let mut crowd: Crowd<'_, _, Result<usize, bool>> = Crowd::new();
        let mut is_aborted = false;
        for _ in 0..STEPS {
            let actor = any_actor(dice);
            match dice.roll(20) {
                0 => {
                    barrier.reset();
                    is_aborted = false;
                    crowd.grant(usize::MAX, |_| Err(false));
                }
                1 => {
                    barrier.abort();
                    is_aborted = true;
                    crowd.grant(usize::MAX, |_| Err(true));
                }
                2..5 => drop(crowd.cancel(actor)),
                _ if crowd.futures[actor].is_none() => {
                    crowd.futures[actor] = Some(Box::pin(barrier.wait()));
                }
                _ => {
                    let (poll, was_waiting, granted) = crowd.poll(actor, dice);
                    let expected = granted.or_else(|| {
                        let is_last = !was_waiting && crowd.line.len() == parties - 1;
                        match (is_aborted, is_last) {
                            (true, _) if !was_waiting => Some(Err(true)),
                            (false, true) => {
                                crowd.grant(usize::MAX, Ok);
                                Some(Ok(parties - 1))
                            }
                            _ => None,
                        }
                    });
                    if expected.is_none() && !was_waiting {
                        crowd.line.push(actor);
                    }
                    let told = match poll {
                        Poll::Ready(told) => Some(told.map_err(|e: BrokenBarrier| e.is_aborted())),
                        Poll::Pending => None,
                    };
                    assert_eq!(told, expected);
                }
            }
            assert_eq!(barrier.is_broken(), is_aborted);
            crowd.check(barrier.n_waiting());
        }
    });
}

/// Polls all futures that were woken or never polled, until nothing changes. Drops their outputs.
fn settle<T, G>(crowd: &mut Crowd<'_, T, G>, dice: &mut Dice) {
    let mut has_moved = true;
    while mem::take(&mut has_moved) {
        for actor in 0..ACTORS {
            if crowd.futures[actor].is_some() && crowd.wakers[actor].is_woken() {
                has_moved = true;
                let (output, ..) = crowd.poll(actor, dice);
                drop(output);
            }
        }
    }
}

/// A condition and its lock. The value says how many notifications are out and unused.
#[test]
fn storms_of_a_condition_always_return_with_the_lock_and_lose_no_notification() {
    schedules(10_000, |dice| {
        let (lock, condition) = (Lock::new(0_usize), Condition::new());
        let mut crowd: Crowd<'_, LockGuard<'_, usize>, ()> = Crowd::new();
        let mut holding = None;
        for _ in 0..STEPS {
            let actor = any_actor(dice);
            match dice.roll(12) {
                0 | 1 => {
                    if let Some(mut tickets) = lock.try_lock() {
                        *tickets += 1;
                        condition.notify_one();
                    }
                }
                2 => drop(crowd.cancel(actor)),
                3 => holding = lock.try_lock().or(holding),
                4 | 5 => holding = None,
                _ if crowd.futures[actor].is_none() => {
                    let wait = async {
                        let has_ticket = |tickets: &mut usize| *tickets > 0;
                        let mut tickets = condition.wait_for(lock.lock().await, has_ticket).await;
                        *tickets -= 1;
                        tickets
                    };
                    crowd.futures[actor] = Some(Box::pin(wait));
                }
                _ => {
                    let (poll, ..) = crowd.poll(actor, dice);
                    if let Poll::Ready(guard) = poll {
                        assert!(holding.is_none(), "the lock is held twice");
                        holding = Some(guard);
                    }
                }
            }
            assert!(holding.is_none() || lock.is_locked());
            assert!(holding.is_none() || lock.try_lock().is_none());
        }
        drop(holding.take());
        settle(&mut crowd, dice);
        let tickets = *lock.try_lock().expect("whoever was woken has run");
        assert!(
            tickets == 0 || condition.n_waiting() == 0,
            "{tickets} tickets are left, and {} wait for one",
            condition.n_waiting()
        );
    });
}

#[test]
fn storms_of_a_once_cell_have_one_maker_at_a_time_and_leave_nobody_behind() {
    schedules(10_000, |dice| {
        let (cell, makers) = (OnceCell::new(), Rc::new(Cell::new(0)));
        // The order for the maker: 0 none yet, 1 fail, 2 succeed.
        let told = Cell::new(0);
        let make = async || {
            struct Maker(Rc<Cell<usize>>);
            impl Drop for Maker {
                fn drop(&mut self) {
                    self.0.set(self.0.get() - 1);
                }
            }
            makers.set(makers.get() + 1);
            let _maker = Maker(Rc::clone(&makers));
            poll_fn(|_| match told.take() {
                0 => Poll::Pending,
                1 => Poll::Ready(Err("told to fail")),
                _ => Poll::Ready(Ok(())),
            })
            .await
        };
        let mut crowd: Crowd<'_, _, ()> = Crowd::new();
        for _ in 0..STEPS {
            let actor = any_actor(dice);
            match dice.roll(10) {
                0 => told.set(1 + dice.roll(6) / 5),
                1 => drop(crowd.cancel(actor)),
                _ if crowd.futures[actor].is_none() => {
                    crowd.futures[actor] = Some(Box::pin(cell.get_or_try_init(make)));
                }
                _ => {
                    let was_made = cell.get().is_some();
                    let (poll, ..) = crowd.poll(actor, dice);
                    assert!(!was_made || poll != Poll::Ready(Err("told to fail")));
                }
            }
            assert!(makers.get() <= usize::from(cell.get().is_none()));
        }
        // A maker without an order is abandoned, and the next one makes the value.
        for actor in 0..ACTORS {
            told.set(2);
            if makers.get() > 0 {
                crowd.cancel(actor);
            }
            settle(&mut crowd, dice);
        }
        assert_eq!(makers.get(), 0);
    });
}
