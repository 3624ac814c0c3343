//! Random acquires, polls, cancels and releases of all primitives that are made of permits, against
//! a plain model.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::Poll;

use oneloop::sync::{
    Borrower, CapacityLimiter, CapacityPermit, Lock, LockGuard, Permit, ReadGuard, RwLock,
    Semaphore, WriteGuard,
};

use super::super::tasks::Dice;
use super::harness::{TwoWakers, schedules};

/// The expected state: the waiters in order with their counts, and the waiters that were granted
/// permits.
struct Model {
    balance: isize,
    line: VecDeque<(usize, isize)>,
    granted: Vec<usize>,
}

impl Model {
    fn new(permits: isize) -> Self {
        Self { balance: permits, line: VecDeque::new(), granted: Vec::new() }
    }

    fn try_take(&mut self, wanted: isize) -> bool {
        let can = self.line.is_empty() && self.balance >= wanted;
        if can {
            self.balance -= wanted;
        }
        can
    }

    fn add(&mut self, count: isize) {
        self.balance += count;
        while let Some(&(actor, wanted)) = self.line.front() {
            if wanted > self.balance {
                break;
            }
            self.balance -= wanted;
            self.granted.push(actor);
            self.line.pop_front();
        }
    }

    /// Whether the actor was granted something. From now on it knows.
    fn collect(&mut self, actor: usize) -> bool {
        let at = self.granted.iter().position(|&granted| granted == actor);
        at.map(|at| self.granted.remove(at)).is_some()
    }

    fn cancel(&mut self, actor: usize, wanted: isize) {
        if self.collect(actor) {
            self.add(wanted);
        } else {
            self.line.retain(|&(waiting, _)| waiting != actor);
            self.add(0);
        }
    }
}

type Acquiring<'a, G> = Pin<Box<dyn Future<Output = G> + 'a>>;

enum Actor<'a, G> {
    Idle,
    Acquiring { future: Acquiring<'a, G>, wanted: isize, has_joined: bool },
    Holding { guard: G, count: isize },
}

/// The operations of a storm on a primitive.
trait Subject<'a> {
    type Guard: 'a;

    fn permits(&self) -> isize;
    /// How many permits the next acquire wants.
    fn wanted(&self, dice: &mut Dice) -> isize;
    fn acquire(&'a self, actor: usize, wanted: isize) -> Acquiring<'a, Self::Guard>;
    fn try_acquire(&'a self, actor: usize, wanted: isize) -> Option<Self::Guard>;
    fn n_waiting(&self) -> usize;
    /// Compares the primitive's state with the model. `holding` are the guards in use.
    fn check(&self, model: &Model, holding: &mut dyn Iterator<Item = &mut Self::Guard>);
    /// An operation that only this primitive has.
    fn change(&self, _dice: &mut Dice, _model: &mut Model) {}
}

const ACTORS: usize = 5;

fn storm<'a, S: Subject<'a>>(subject: &'a S, dice: &mut Dice) {
    let mut model = Model::new(subject.permits());
    let mut actors: Vec<(Actor<'a, S::Guard>, TwoWakers)> =
        (0..ACTORS).map(|_| (Actor::Idle, TwoWakers::new())).collect();
    for _ in 0..30 {
        let number = usize::try_from(dice.roll(ACTORS as u64)).unwrap();
        let (actor, wakers) = &mut actors[number];
        step(subject, dice, &mut model, number, actor, wakers);
        if dice.roll(8) == 0 {
            subject.change(dice, &mut model);
        }
        check(subject, &model, &mut actors);
    }
    for number in 0..ACTORS {
        let (actor, _) = &mut actors[number];
        end(&mut model, number, mem::replace(actor, Actor::Idle));
        check(subject, &model, &mut actors);
    }
    assert!(model.line.is_empty() && model.granted.is_empty());
}

fn step<'a, S: Subject<'a>>(
    subject: &'a S,
    dice: &mut Dice,
    model: &mut Model,
    number: usize,
    actor: &mut Actor<'a, S::Guard>,
    wakers: &mut TwoWakers,
) {
    let is_ended = dice.roll(4) == 0;
    match actor {
        Actor::Idle => {
            let wanted = subject.wanted(dice);
            *actor = if dice.roll(4) == 0 {
                let guard = subject.try_acquire(number, wanted);
                assert_eq!(guard.is_some(), model.try_take(wanted));
                guard.map_or(Actor::Idle, |guard| Actor::Holding { guard, count: wanted })
            } else {
                let future = subject.acquire(number, wanted);
                Actor::Acquiring { future, wanted, has_joined: false }
            };
        }
        Actor::Acquiring { future, wanted, has_joined } if !is_ended => {
            let is_expected =
                if *has_joined { model.collect(number) } else { model.try_take(*wanted) };
            if !is_expected && !*has_joined {
                model.line.push_back((number, *wanted));
            }
            *has_joined = true;
            let poll = wakers.poll(dice, future.as_mut());
            assert_eq!(poll.is_ready(), is_expected);
            if let Poll::Ready(guard) = poll {
                *actor = Actor::Holding { guard, count: *wanted };
            }
        }
        Actor::Acquiring { .. } | Actor::Holding { .. } => {
            end(model, number, mem::replace(actor, Actor::Idle));
        }
    }
}

/// Drops an existing guard, in the model too.
fn end<G>(model: &mut Model, number: usize, actor: Actor<'_, G>) {
    match actor {
        Actor::Idle => {}
        Actor::Acquiring { future, wanted, has_joined } => {
            drop(future);
            if has_joined {
                model.cancel(number, wanted);
            }
        }
        Actor::Holding { guard, count } => {
            drop(guard);
            model.add(count);
        }
    }
}

fn check<'a, S: Subject<'a>>(
    subject: &S,
    model: &Model,
    actors: &mut [(Actor<'a, S::Guard>, TwoWakers)],
) {
    assert_eq!(subject.n_waiting(), model.line.len());
    for (number, (actor, wakers)) in actors.iter().enumerate() {
        if let Actor::Acquiring { has_joined: true, .. } = actor {
            wakers.check(model.granted.contains(&number));
        }
    }
    let mut holding = actors.iter_mut().filter_map(|(actor, _)| match actor {
        Actor::Holding { guard, .. } => Some(guard),
        Actor::Idle | Actor::Acquiring { .. } => None,
    });
    subject.check(model, &mut holding);
}

impl<'a> Subject<'a> for Lock<usize> {
    type Guard = LockGuard<'a, usize>;

    fn permits(&self) -> isize {
        1
    }

    fn wanted(&self, _dice: &mut Dice) -> isize {
        1
    }

    fn acquire(&'a self, _actor: usize, _wanted: isize) -> Acquiring<'a, Self::Guard> {
        Box::pin(self.lock())
    }

    fn try_acquire(&'a self, _actor: usize, _wanted: isize) -> Option<Self::Guard> {
        self.try_lock()
    }

    fn n_waiting(&self) -> usize {
        self.n_waiting()
    }

    fn check(&self, model: &Model, holding: &mut dyn Iterator<Item = &mut Self::Guard>) {
        assert_eq!(self.is_locked(), model.balance == 0);
        let holders = holding.map(|guard| **guard += 1).count();
        assert_eq!(holders + model.granted.len(), usize::from(self.is_locked()));
    }
}

#[test]
fn storms_of_a_lock_keep_its_order_and_lose_nothing() {
    schedules(10_000, |dice| storm(&Lock::new(0), dice));
}

/// Its total grows now and then, and shrinks when permits are forgotten.
struct Growing {
    semaphore: Semaphore,
    size: isize,
}

impl<'a> Subject<'a> for Growing {
    type Guard = Permit<'a>;

    fn permits(&self) -> isize {
        self.size
    }

    fn wanted(&self, dice: &mut Dice) -> isize {
        isize::try_from(dice.roll(4)).unwrap()
    }

    fn acquire(&'a self, _actor: usize, wanted: isize) -> Acquiring<'a, Self::Guard> {
        if wanted == 1 {
            return Box::pin(self.semaphore.acquire());
        }
        Box::pin(self.semaphore.acquire_many(wanted.unsigned_abs()))
    }

    fn try_acquire(&'a self, _actor: usize, wanted: isize) -> Option<Self::Guard> {
        self.semaphore.try_acquire_many(wanted.unsigned_abs())
    }

    fn n_waiting(&self) -> usize {
        self.semaphore.n_waiting()
    }

    fn check(&self, model: &Model, _holding: &mut dyn Iterator<Item = &mut Self::Guard>) {
        assert_eq!(self.semaphore.available_permits(), model.balance.unsigned_abs());
        let would_wait = model.balance == 0 || !model.line.is_empty();
        assert_eq!(self.semaphore.is_locked(), would_wait);
    }

    fn change(&self, dice: &mut Dice, model: &mut Model) {
        if let Some(permit) = self.semaphore.try_acquire() {
            permit.forget();
            model.balance -= 1;
        } else {
            let count = dice.roll(3);
            self.semaphore.add_permits(usize::try_from(count).unwrap());
            model.add(isize::try_from(count).unwrap());
        }
    }
}

#[test]
fn storms_of_a_semaphore_keep_its_order_and_its_count() {
    schedules(10_000, |dice| {
        let size = dice.roll(4);
        let semaphore = Semaphore::new(usize::try_from(size).unwrap());
        storm(&Growing { semaphore, size: isize::try_from(size).unwrap() }, dice);
    });
}

enum ReadOrWrite<'a> {
    Read(ReadGuard<'a, u32>),
    Write(WriteGuard<'a, u32>),
}

impl<'a> Subject<'a> for RwLock<u32> {
    type Guard = ReadOrWrite<'a>;

    fn permits(&self) -> isize {
        isize::MAX
    }

    fn wanted(&self, dice: &mut Dice) -> isize {
        if dice.roll(3) == 0 { isize::MAX } else { 1 }
    }

    fn acquire(&'a self, _actor: usize, wanted: isize) -> Acquiring<'a, Self::Guard> {
        if wanted == 1 {
            Box::pin(async { ReadOrWrite::Read(self.read().await) })
        } else {
            Box::pin(async { ReadOrWrite::Write(self.write().await) })
        }
    }

    fn try_acquire(&'a self, _actor: usize, wanted: isize) -> Option<Self::Guard> {
        if wanted == 1 {
            self.try_read().map(ReadOrWrite::Read)
        } else {
            self.try_write().map(ReadOrWrite::Write)
        }
    }

    fn n_waiting(&self) -> usize {
        self.n_waiting()
    }

    fn check(&self, _model: &Model, holding: &mut dyn Iterator<Item = &mut Self::Guard>) {
        let (mut readers, mut writers, mut seen) = (0, 0, 0);
        for guard in holding {
            match guard {
                ReadOrWrite::Read(value) => {
                    readers += 1;
                    seen = seen.max(**value);
                }
                ReadOrWrite::Write(value) => {
                    writers += 1;
                    **value += 1;
                }
            }
        }
        assert!(writers == 0 || (writers == 1 && readers == 0), "{writers} write, {readers} read");
    }
}

#[test]
fn storms_of_a_read_write_lock_keep_its_order_and_writers_alone() {
    schedules(10_000, |dice| storm(&RwLock::new(0), dice));
}

/// Its total changes, even below the number of borrowed tokens.
struct Moving {
    limiter: CapacityLimiter,
    borrowers: [Borrower; ACTORS],
    total: Cell<usize>,
}

impl<'a> Subject<'a> for Moving {
    type Guard = CapacityPermit<'a>;

    fn permits(&self) -> isize {
        isize::try_from(self.total.get()).unwrap()
    }

    fn wanted(&self, _dice: &mut Dice) -> isize {
        1
    }

    fn acquire(&'a self, actor: usize, _wanted: isize) -> Acquiring<'a, Self::Guard> {
        Box::pin(self.limiter.acquire_on_behalf_of(self.borrowers[actor]))
    }

    fn try_acquire(&'a self, actor: usize, _wanted: isize) -> Option<Self::Guard> {
        self.limiter.try_acquire_on_behalf_of(self.borrowers[actor])
    }

    fn n_waiting(&self) -> usize {
        self.limiter.n_waiting()
    }

    fn check(&self, model: &Model, holding: &mut dyn Iterator<Item = &mut Self::Guard>) {
        let mut holders: Vec<_> = holding.map(|token| token.borrower()).collect();
        holders.sort();
        assert_eq!(self.limiter.borrowers(), holders);
        assert_eq!(self.limiter.borrowed(), holders.len() + model.granted.len());
        assert_eq!(self.limiter.total(), self.total.get());
        let available = self.total.get().saturating_sub(self.limiter.borrowed());
        assert_eq!(self.limiter.available(), available);
    }

    fn change(&self, dice: &mut Dice, model: &mut Model) {
        let total = usize::try_from(dice.roll(5)).unwrap();
        let former = self.total.replace(total);
        self.limiter.set_total(total);
        model.add(isize::try_from(total).unwrap() - isize::try_from(former).unwrap());
    }
}

#[test]
fn storms_of_a_limiter_keep_its_order_and_its_total() {
    let borrowers = [(); ACTORS].map(|()| Borrower::new());
    schedules(10_000, |dice| {
        let total = usize::try_from(dice.roll(4)).unwrap();
        let limiter = CapacityLimiter::new(total);
        storm(&Moving { limiter, borrowers, total: Cell::new(total) }, dice);
    });
}
