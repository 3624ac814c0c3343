//! `Lock`: fair, handed over directly, and free after its holder ends in any way.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::time::Duration;

use oneloop::sync::{Lock, LockGuard, OwnedLockGuard};
use oneloop::{create_task, gather, sleep, timeout, yield_now};

use super::super::tasks::{Dice, Log, throw};
use super::harness::{CountedWaker, at_once, by_hand};

#[test]
fn a_free_lock_is_locked_without_yielding() {
    let lock = Lock::new(1);
    {
        let mut guard = at_once(lock.lock());
        *guard += 1;
        assert!(lock.is_locked() && lock.try_lock().is_none());
    }
    assert!(!lock.is_locked());
    assert_eq!(lock.into_inner(), 2);
}

#[test]
fn waiters_get_it_in_the_order_in_which_they_were_first_polled() {
    let lock = Lock::new(());
    let guard = at_once(lock.lock());
    let (mut late, mut early) = (by_hand(lock.lock()), by_hand(lock.lock()));
    early.pending();
    late.pending();
    assert_eq!(lock.n_waiting(), 2);
    drop(guard);
    assert_eq!((early.wakes(), late.wakes()), (1, 0));
    late.pending();
    drop(early.ready());
    drop(late.ready());
}

#[oneloop::test(virtual_time)]
async fn a_releaser_that_locks_again_at_once_goes_behind_a_waiter() {
    let (lock, log) = (Rc::new(Lock::new(())), Log::new());
    let tasks = ["first", "second"].map(|name| {
        let (lock, log) = (Rc::clone(&lock), log.clone());
        create_task(async move {
            for _ in 0..3 {
                let guard = lock.lock().await;
                log.push(name);
                yield_now().await;
                drop(guard);
            }
        })
    });
    gather(tasks).await;
    assert_eq!(log.take(), ["first", "second", "first", "second", "first", "second"]);
}

#[test]
fn nobody_takes_it_between_release_and_the_next_in_the_line() {
    let lock = Lock::new(());
    let guard = at_once(lock.lock());
    let mut waiter = by_hand(lock.lock());
    waiter.pending();
    drop(guard);
    assert!(lock.is_locked(), "it belongs to the waiter, which has not run yet");
    assert!(lock.try_lock().is_none());
    let mut thief = by_hand(lock.lock());
    thief.pending();
    drop(waiter.ready());
    drop(thief.ready());
}

#[test]
fn a_waiter_that_was_given_it_and_is_cancelled_passes_it_on() {
    let lock = Lock::new(());
    let guard = at_once(lock.lock());
    let (mut first, mut second) = (by_hand(lock.lock()), by_hand(lock.lock()));
    first.pending();
    second.pending();
    drop(guard);
    assert_eq!(first.wakes(), 1);
    drop(first);
    assert_eq!(second.wakes(), 1);
    drop(second);
    assert!(!lock.is_locked());
}

#[test]
fn a_waiter_in_the_middle_leaves_without_a_trace() {
    let lock = Lock::new(());
    let guard = at_once(lock.lock());
    let [mut first, mut second, mut third] = [(); 3].map(|()| by_hand(lock.lock()));
    for waiter in [&mut first, &mut second, &mut third] {
        waiter.pending();
    }
    drop(second);
    drop(guard);
    assert_eq!((first.wakes(), third.wakes()), (1, 0));
    drop(first.ready());
    assert_eq!(third.wakes(), 1);
    drop(third.ready());
}

#[test]
fn a_future_that_was_never_polled_stands_in_no_line() {
    let lock = Lock::new(());
    let guard = at_once(lock.lock());
    let never = by_hand(lock.lock());
    drop(guard);
    assert!(!lock.is_locked());
    drop(never);
    assert!(!lock.is_locked());
}

#[test]
fn the_latest_waker_counts() {
    let lock = Lock::new(());
    let guard = at_once(lock.lock());
    let mut waiter = by_hand(lock.lock());
    waiter.pending();
    let latest = CountedWaker::new();
    assert!(waiter.poll_with(&latest.waker).is_pending());
    drop(guard);
    assert_eq!((waiter.wakes(), latest.take()), (0, 1));
}

#[test]
fn a_panic_releases_it_and_does_not_poison() {
    let lock = Rc::new(Lock::new(1));
    let panics = AssertUnwindSafe(|| {
        let mut guard = at_once(lock.lock());
        *guard = 2;
        throw("while it is locked");
    });
    catch_unwind(panics).unwrap_err();
    let owned = AssertUnwindSafe(|| {
        let mut guard = at_once(Rc::clone(&lock).lock_owned());
        *guard += 1;
        throw("while it is locked");
    });
    catch_unwind(owned).unwrap_err();
    assert_eq!(*lock.try_lock().unwrap(), 3);
}

#[oneloop::test(virtual_time)]
async fn an_owned_guard_moves_into_a_task_and_puts_the_value_back() {
    let lock = Rc::new(Lock::new(vec![1]));
    let mut guard = Rc::clone(&lock).lock_owned().await;
    let task = create_task(async move {
        yield_now().await;
        guard.push(2);
        assert!(Rc::ptr_eq(OwnedLockGuard::lock(&guard), OwnedLockGuard::lock(&guard)));
    });
    assert!(lock.try_lock().is_none() && Rc::clone(&lock).try_lock_owned().is_none());
    assert_eq!(*lock.lock().await, [1, 2]);
    task.await.unwrap();
}

#[test]
fn owned_and_borrowing_guards_stand_in_one_line() {
    let lock = Rc::new(Lock::new(0));
    let guard = at_once(Rc::clone(&lock).lock_owned());
    let mut owned = by_hand(Rc::clone(&lock).lock_owned());
    let mut borrowing = by_hand(lock.lock());
    owned.pending();
    borrowing.pending();
    drop(guard);
    *owned.ready() += 1;
    assert_eq!(*borrowing.ready(), 1);
}

#[test]
fn a_forgotten_guard_keeps_it_locked_and_its_owner_still_gets_the_value() {
    let mut lock = Lock::new(5);
    #[expect(clippy::mem_forget, reason = "what is tested")]
    mem::forget(at_once(lock.lock()));
    assert!(lock.try_lock().is_none());
    let mut waiter = by_hand(lock.lock());
    waiter.pending();
    drop(waiter);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 6);
}

#[test]
fn it_shows_its_value_unless_it_is_locked() {
    let lock = Lock::new(5);
    assert_eq!(format!("{lock:?}"), "Lock { value: 5, n_waiting: 0 }");
    let guard = at_once(lock.lock());
    assert_eq!(format!("{lock:?}"), "Lock { value: <locked>, n_waiting: 0 }");
    assert_eq!(format!("{guard:?} {guard}"), "5 5");
    assert!(ptr::eq(LockGuard::lock(&guard), &raw const lock));
}

#[test]
fn it_lives_in_a_const_thread_local_and_needs_no_loop() {
    thread_local!(static COUNT: Lock<u32> = const { Lock::new(0) });
    COUNT.with(|count| *at_once(count.lock()) += 1);
    COUNT.with(|count| assert_eq!(*at_once(count.lock()), 1));
}

#[oneloop::test(virtual_time)]
async fn tasks_with_time_limits_never_hold_it_together() {
    let lock = Rc::new(Lock::new((0_u32, 0_u32)));
    let tasks = (1..=20).map(|seed| {
        let lock = Rc::clone(&lock);
        create_task(async move {
            let mut dice = Dice(seed);
            for _ in 0..20 {
                let limit = Duration::from_millis(dice.roll(20));
                let Ok(mut guard) = timeout(limit, lock.lock()).await else { continue };
                assert_eq!(guard.0, 0, "nobody else is inside");
                guard.0 = 1;
                sleep(Duration::from_millis(dice.roll(3))).await;
                guard.0 = 0;
                guard.1 += 1;
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in gather(tasks).await {
        task.unwrap();
    }
    let (inside, times) = *lock.try_lock().expect("it is free");
    assert!(inside == 0 && times > 100, "{times}");
}
