//! Wakers that come back into the primitive that holds them when they are cloned, woken or dropped.
//!
//! Nothing may be borrowed then, and nothing may be lost: at the end everything is free.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::{Cell, OnceCell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use oneloop::sync::{self, Barrier, Condition, Event, Lock, RwLock, Semaphore, WaitQueue};

use super::super::tasks::Dice;
use super::super::wakers::ours::{Event as Happening, Script, hostile};
use super::harness::{ByHand, at_once, by_hand, refusal, schedules};

pub(crate) type Waiter = Pin<Box<dyn Future<Output = ()>>>;

/// The things that hostile wakers can use.
struct World {
    dice: RefCell<Dice>,
    /// The waiters that are not being polled at the moment.
    waiters: RefCell<Vec<Waiter>>,
    wakers: OnceCell<Vec<Waker>>,
    /// How much more they may do.
    patience: Cell<u32>,
    wait: Box<dyn Fn() -> Waiter>,
    meddle: Box<dyn Fn(u64)>,
}

impl World {
    fn roll(&self, sides: u64) -> u64 {
        self.dice.borrow_mut().roll(sides)
    }

    fn take(&self) -> Option<Waiter> {
        let len = self.waiters.borrow().len();
        let at = usize::try_from(self.roll(1 + len as u64)).unwrap();
        (at < len).then(|| self.waiters.borrow_mut().swap_remove(at))
    }

    fn poll(&self, mut waiter: Waiter) {
        let wakers = self.wakers.get().unwrap();
        let waker = &wakers[usize::try_from(self.roll(wakers.len() as u64)).unwrap()];
        if waiter.as_mut().poll(&mut Context::from_waker(waker)).is_pending() {
            self.waiters.borrow_mut().push(waiter);
        }
    }

    fn do_mischief(&self) {
        let Some(left) = self.patience.get().checked_sub(1) else { return };
        self.patience.set(left);
        match self.roll(8) {
            0 => drop(self.take()),
            1..4 => {
                if let Some(waiter) = self.take() {
                    self.poll(waiter);
                }
            }
            4 | 5 => self.poll((self.wait)()),
            _ => (self.meddle)(self.roll(6)),
        }
    }
}

/// Uses a primitive at random, with wakers that do so too, and then drops all waiters.
pub(crate) fn torment(
    dice: &mut Dice,
    wait: impl Fn() -> Waiter + 'static,
    meddle: impl Fn(u64) + 'static,
) {
    let world = Rc::new(World {
        dice: RefCell::new(Dice(dice.roll(u64::MAX))),
        waiters: RefCell::default(),
        wakers: OnceCell::new(),
        patience: Cell::new(120),
        wait: Box::new(wait),
        meddle: Box::new(meddle),
    });
    let (wakers, scripts): (Vec<Waker>, Vec<Rc<Script>>) = (0..4)
        .map(|_| {
            let world = Rc::downgrade(&world);
            hostile(move |_| {
                if let Some(world) = world.upgrade() {
                    world.do_mischief();
                }
            })
        })
        .unzip();
    world.wakers.set(wakers).expect("it is empty");
    while world.patience.get() > 0 {
        world.do_mischief();
    }
    while let Some(waiter) = { world.waiters.borrow_mut().pop() } {
        drop(waiter);
    }
    drop(world);
    assert!(scripts.iter().all(|script| script.living.get() == 0), "a waker leaked");
}

/// A waker whose clone calls `act`.
fn cloning(act: impl Fn() + 'static) -> Waker {
    let act = move |happening| {
        if happening == Happening::Clone {
            act();
        }
    };
    hostile(act).0
}

#[test]
fn what_is_granted_while_a_waker_is_cloned_is_not_missed() {
    let event = Rc::new(Event::new());
    let sets = Rc::clone(&event);
    let mut waiter = by_hand(event.wait());
    assert!(waiter.poll_with(&cloning(move || sets.set())).is_ready());
    assert_eq!(event.n_waiting(), 0);

    let lock = Rc::new(Lock::new(()));
    for is_polled_before in [false, true] {
        let guard = RefCell::new(Some(at_once(Rc::clone(&lock).lock_owned())));
        let mut waiter = by_hand(lock.lock());
        if is_polled_before {
            waiter.pending();
        }
        assert!(waiter.poll_with(&cloning(move || drop(guard.take()))).is_ready());
        assert_eq!((lock.n_waiting(), lock.is_locked()), (0, false));
    }

    let barrier = Rc::new(Barrier::new(2));
    let (arrives, told) = (Rc::clone(&barrier), Rc::new(RefCell::new(Vec::new())));
    let tells = Rc::clone(&told);
    let arrive = move || {
        let waiter = Rc::clone(&arrives);
        let mut waiter = by_hand(async move { waiter.wait().await });
        assert!(waiter.poll().is_pending());
        tells.borrow_mut().push(waiter);
    };
    let mut waiter = by_hand(barrier.wait());
    assert_eq!(waiter.poll_with(&cloning(arrive)), Poll::Ready(Ok(1)));
    assert_eq!(told.take()[0].ready(), Ok(0));
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_asleep() {
    let semaphore = Semaphore::new(0);
    let mut waiters = [(); 4].map(|()| by_hand(semaphore.acquire()));
    let (panicking, _) = hostile(|happening| {
        assert_ne!(happening, Happening::Wake, "a hostile wake");
    });
    for (n, waiter) in waiters.iter_mut().enumerate() {
        if n % 2 == 0 {
            assert!(waiter.poll_with(&panicking).is_pending());
        } else {
            waiter.pending();
        }
    }
    assert!(refusal(|| semaphore.add_permits(4)).contains("a hostile wake"));
    assert_eq!(waiters.each_ref().map(ByHand::wakes), [0, 1, 0, 1]);
    assert_eq!(waiters.map(|mut waiter| waiter.ready().count()), [1; 4]);
    assert_eq!(semaphore.available_permits(), 4);
}

/// Guards that are held, for a meddler to drop.
struct Held<G>(RefCell<Vec<G>>);

impl<G> Held<G> {
    fn new() -> Rc<Self> {
        Rc::new(Self(RefCell::default()))
    }

    fn keep(&self, guard: G) {
        self.0.borrow_mut().push(guard);
    }

    /// Drops one, while the list is not borrowed.
    fn release(&self) -> bool {
        let guard = self.0.borrow_mut().pop();
        guard.is_some()
    }
}

const SCHEDULES: u64 = 500;

#[test]
fn hostile_wakers_do_a_lock_no_harm() {
    schedules(SCHEDULES, |dice| {
        let (lock, held) = (Rc::new(Lock::new(())), Held::new());
        let (waited, holds) = (Rc::clone(&lock), Rc::clone(&held));
        let wait = move || -> Waiter {
            let (lock, held) = (Rc::clone(&waited), Rc::clone(&holds));
            Box::pin(async move { held.keep(lock.lock_owned().await) })
        };
        let (meddled, holds) = (Rc::clone(&lock), Rc::clone(&held));
        torment(dice, wait, move |what| match what {
            0 => drop(meddled.try_lock()),
            _ => drop(holds.release()),
        });
        while held.release() {}
        assert!(lock.try_lock().is_some() && lock.n_waiting() == 0);
    });
}

#[test]
fn hostile_wakers_do_a_semaphore_no_harm() {
    schedules(SCHEDULES, |dice| {
        let (semaphore, held) = (Rc::new(Semaphore::new(2)), Held::new());
        let (waited, holds, count) = (Rc::clone(&semaphore), Rc::clone(&held), Cell::new(0));
        let wait = move || -> Waiter {
            let (semaphore, held) = (Rc::clone(&waited), Rc::clone(&holds));
            count.set((count.get() + 1) % 3);
            let count = 1 + count.get();
            Box::pin(async move { held.keep(semaphore.acquire_many_owned(count).await) })
        };
        let added = Rc::new(Cell::new(0));
        let (meddled, holds, adds) = (Rc::clone(&semaphore), Rc::clone(&held), Rc::clone(&added));
        torment(dice, wait, move |what| match what {
            0 => drop(meddled.try_acquire()),
            1 => {
                adds.set(adds.get() + 2);
                meddled.add_permits(2);
            }
            _ => drop(holds.release()),
        });
        while held.release() {}
        assert_eq!(semaphore.available_permits(), 2 + added.get());
        assert_eq!(semaphore.n_waiting(), 0);
    });
}

#[test]
fn hostile_wakers_do_a_read_write_lock_no_harm() {
    schedules(SCHEDULES, |dice| {
        let lock: &'static RwLock<u32> = Box::leak(Box::new(RwLock::new(0)));
        let (reading, writing, turn) = (Held::new(), Held::new(), Cell::new(0));
        let (reads, writes) = (Rc::clone(&reading), Rc::clone(&writing));
        let wait = move || -> Waiter {
            let (reading, writing) = (Rc::clone(&reads), Rc::clone(&writes));
            turn.set((turn.get() + 1) % 3);
            if turn.get() == 0 {
                Box::pin(async move { writing.keep(lock.write().await) })
            } else {
                Box::pin(async move { reading.keep(lock.read().await) })
            }
        };
        let (reads, writes) = (Rc::clone(&reading), Rc::clone(&writing));
        torment(dice, wait, move |what| match what {
            0 => drop(lock.try_read()),
            1 => drop(lock.try_write()),
            2 | 3 => drop(reads.release()),
            _ => drop(writes.release()),
        });
        while reading.release() || writing.release() {}
        assert!(lock.try_write().is_some() && lock.n_waiting() == 0);
    });
}

#[test]
fn hostile_wakers_do_an_event_and_a_wait_queue_no_harm() {
    schedules(SCHEDULES, |dice| {
        let shared = Rc::new((Event::new(), WaitQueue::new(), Cell::new(false)));
        let waited = Rc::clone(&shared);
        let wait = move || -> Waiter {
            let shared = Rc::clone(&waited);
            shared.2.set(!shared.2.get());
            if shared.2.get() {
                Box::pin(async move { shared.0.wait().await })
            } else {
                Box::pin(async move { shared.1.wait().await })
            }
        };
        let meddled = Rc::clone(&shared);
        torment(dice, wait, move |what| match what {
            0 => meddled.0.set(),
            1 | 2 => meddled.0.clear(),
            3 => drop(meddled.1.wake_one()),
            4 => assert!(meddled.1.wake(3) <= 3),
            _ => assert!(meddled.1.wake_all() < 1000),
        });
        assert!(shared.0.n_waiting() == 0 && shared.1.is_empty());
    });
}

#[test]
fn hostile_wakers_do_a_condition_no_harm() {
    schedules(SCHEDULES, |dice| {
        let shared: &'static (Lock<()>, Condition) =
            Box::leak(Box::new((Lock::new(()), Condition::new())));
        let held = Held::new();
        let holds = Rc::clone(&held);
        let wait = move || -> Waiter {
            let held = Rc::clone(&holds);
            Box::pin(async move {
                held.keep(shared.1.wait(shared.0.lock().await).await);
            })
        };
        let holds = Rc::clone(&held);
        torment(dice, wait, move |what| match what {
            0 => drop(shared.1.notify_one()),
            1 => assert!(shared.1.notify(2) <= 2),
            2 => assert!(shared.1.notify_all() < 1000),
            _ => drop(holds.release()),
        });
        while held.release() {}
        assert!(shared.0.try_lock().is_some());
        assert_eq!((shared.0.n_waiting(), shared.1.n_waiting()), (0, 0));
    });
}

#[test]
fn hostile_wakers_do_a_barrier_no_harm() {
    schedules(SCHEDULES, |dice| {
        let barrier = Rc::new(Barrier::new(3));
        // The number of releases with each index. A full cycle has each index once.
        let passed = Rc::new([const { Cell::new(0) }; 3]);
        let (waited, lets_go) = (Rc::clone(&barrier), Rc::clone(&passed));
        let wait = move || -> Waiter {
            let (barrier, passed) = (Rc::clone(&waited), Rc::clone(&lets_go));
            Box::pin(async move {
                if let Ok(index) = barrier.wait().await {
                    passed[index].set(passed[index].get() + 1);
                }
            })
        };
        let meddled = Rc::clone(&barrier);
        torment(dice, wait, move |what| match what {
            0 => meddled.reset(),
            1 => meddled.abort(),
            _ => assert!(meddled.n_waiting() < 3),
        });
        assert_eq!(barrier.n_waiting(), 0);
        // Only the last arrival is certain to learn its index. The others may have been dropped.
        assert!(passed[0].get() <= passed[2].get() && passed[1].get() <= passed[2].get());
    });
}

#[test]
fn hostile_wakers_do_a_once_cell_no_harm() {
    schedules(SCHEDULES, |dice| {
        let cell: &'static sync::OnceCell<u32> = Box::leak(Box::default());
        let turns = Rc::new(Cell::new(0));
        let makes = Rc::clone(&turns);
        let wait = move || -> Waiter {
            let turns = Rc::clone(&makes);
            Box::pin(async move {
                let make = async || {
                    turns.set(turns.get() + 1);
                    oneloop::yield_now().await;
                    if turns.get() % 4 == 0 { Ok(1) } else { Err(()) }
                };
                assert!(cell.get_or_try_init(make).await.is_ok() || cell.get().is_none());
            })
        };
        torment(dice, wait, move |what| assert!(what > 0 || cell.set(2) != Err(3)));
        assert!(cell.get().is_some() || cell.set(4).is_ok(), "nobody makes it any more");
    });
}
