//! `Condition`: the lock is held whenever `wait` returns, and a notification is never lost.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use oneloop::sync::{Condition, Lock};
use oneloop::{create_task, gather, timeout, yield_now};

use super::super::tasks::Log;
use super::harness::{at_once, by_hand};

#[test]
fn wait_releases_the_lock_and_returns_with_it_held() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let mut waiter = by_hand(condition.wait(at_once(lock.lock())));
    assert!(lock.is_locked(), "until the first poll");
    waiter.pending();
    assert!(!lock.is_locked());
    assert_eq!(condition.n_waiting(), 1);
    assert!(condition.notify_one());
    let guard = waiter.ready();
    assert!(lock.is_locked());
    drop(guard);
}

#[test]
fn a_notified_waiter_waits_until_the_notifier_releases_the_lock() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let mut waiter = by_hand(condition.wait(at_once(lock.lock())));
    waiter.pending();
    let mut notifier = at_once(lock.lock());
    *notifier = 1;
    condition.notify_one();
    waiter.pending();
    assert_eq!(waiter.wakes(), 1);
    drop(notifier);
    assert_eq!(waiter.wakes(), 1);
    assert_eq!(*waiter.ready(), 1);
}

#[test]
fn a_wait_that_is_cancelled_does_not_hold_the_lock() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let unpolled = by_hand(condition.wait(at_once(lock.lock())));
    drop(unpolled);
    assert!(!lock.is_locked());

    let mut waiting = by_hand(condition.wait(at_once(lock.lock())));
    waiting.pending();
    drop(waiting);
    assert!(!lock.is_locked() && condition.n_waiting() == 0);

    let mut locking = by_hand(condition.wait(at_once(lock.lock())));
    locking.pending();
    let holder = at_once(lock.lock());
    condition.notify_all();
    locking.pending();
    assert_eq!(lock.n_waiting(), 1);
    drop(locking);
    assert_eq!(lock.n_waiting(), 0);
    drop(holder);
    assert!(!lock.is_locked());
}

#[test]
fn a_notified_then_cancelled_waiter_passes_the_notification_on() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let [a, mut b, mut c] = [(); 3].map(|()| {
        let mut waiter = by_hand(condition.wait(at_once(lock.lock())));
        waiter.pending();
        waiter
    });
    condition.notify_one();
    assert_eq!((a.wakes(), b.wakes()), (1, 0));
    drop(a);
    assert_eq!(b.wakes(), 1);
    // This also holds if it has run, but has not got the lock again.
    let holder = at_once(lock.lock());
    b.pending();
    drop(b);
    assert_eq!(c.wakes(), 1);
    drop(holder);
    drop(c.ready());
}

#[test]
fn a_notification_of_all_is_passed_on_to_nobody() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let mut early = by_hand(condition.wait(at_once(lock.lock())));
    early.pending();
    condition.notify_all();
    let mut late = by_hand(condition.wait(at_once(lock.lock())));
    late.pending();
    let holder = at_once(lock.lock());
    early.pending();
    drop(early);
    drop(holder);
    assert_eq!((late.wakes(), condition.n_waiting()), (0, 1));
}

#[test]
fn a_waiter_that_has_got_the_lock_has_used_its_notification() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let [mut first, mut second] = [(); 2].map(|()| {
        let mut waiter = by_hand(condition.wait(at_once(lock.lock())));
        waiter.pending();
        waiter
    });
    condition.notify_one();
    drop(first.ready());
    drop(first);
    assert_eq!(second.wakes(), 0);
    second.pending();
}

#[oneloop::test(virtual_time)]
async fn waiters_are_notified_first_come_first_served() {
    let shared = Rc::new((Lock::new(()), Condition::new()));
    let log = Log::new();
    let tasks: Vec<_> = (0..4)
        .map(|n| {
            let (shared, log) = (Rc::clone(&shared), log.clone());
            create_task(async move {
                let guard = shared.1.wait(shared.0.lock().await).await;
                log.push(n);
                drop(guard);
            })
        })
        .collect();
    yield_now().await;
    assert_eq!(shared.1.notify(1), 1);
    yield_now().await;
    assert_eq!(log.take(), [0]);
    assert_eq!(shared.1.notify(2), 2);
    yield_now().await;
    yield_now().await;
    assert_eq!(log.take(), [1, 2]);
    assert_eq!((shared.1.notify_all(), shared.1.notify_all()), (1, 0));
    gather(tasks).await;
    assert_eq!(log.take(), [3]);
}

#[test]
fn wait_for_and_wait_while_look_first() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    let guard = at_once(condition.wait_for(at_once(lock.lock()), |value| *value == 1));
    let guard = at_once(condition.wait_while(guard, |value| *value != 1));
    drop(guard);
}

#[test]
fn wait_for_goes_on_waiting_until_the_value_is_right() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let looks = Cell::new(0);
    let is_two = |value: &mut i32| {
        looks.set(looks.get() + 1);
        *value == 2
    };
    let mut waiter = by_hand(condition.wait_for(at_once(lock.lock()), is_two));
    waiter.pending();
    for value in [1, 2] {
        assert_eq!(looks.get(), value);
        *at_once(lock.lock()) = value;
        condition.notify_all();
        assert_eq!(waiter.poll().is_ready(), value == 2);
    }
    assert_eq!(looks.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn a_limited_wait_returns_without_the_lock() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let wait = condition.wait(lock.lock().await);
    timeout(Duration::from_secs(1), wait).await.unwrap_err();
    assert!(lock.try_lock().is_some());
}
