//! `Semaphore`: no barging, no overtaking, no permit lost or invented.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use oneloop::sync::Semaphore;
use oneloop::{create_task, gather, sleep, timeout};

use super::super::tasks::Dice;
use super::harness::{ByHand, at_once, by_hand, refusal};

#[test]
fn a_free_permit_is_taken_without_yielding() {
    let semaphore = Semaphore::new(2);
    let (first, second) = (at_once(semaphore.acquire()), at_once(semaphore.acquire()));
    assert!(semaphore.is_locked() && semaphore.try_acquire().is_none());
    drop(first);
    assert_eq!((semaphore.is_locked(), semaphore.available_permits()), (false, 1));
    drop(second);
}

#[test]
fn several_releases_wake_several_waiters_in_order() {
    let semaphore = Semaphore::new(2);
    let permits = at_once(semaphore.acquire_many(2));
    let mut waiters = [(); 3].map(|()| by_hand(semaphore.acquire()));
    waiters.iter_mut().for_each(ByHand::pending);
    drop(permits);
    assert_eq!(waiters.each_ref().map(ByHand::wakes), [1, 1, 0]);
    let [mut first, mut second, mut third] = waiters;
    let permits = (first.ready(), second.ready());
    drop(permits.0);
    assert_eq!(third.wakes(), 1);
    drop(third.ready());
}

#[test]
fn nobody_barges_while_waiters_exist() {
    let semaphore = Semaphore::new(1);
    let permit = at_once(semaphore.acquire());
    let mut waiter = by_hand(semaphore.acquire());
    waiter.pending();
    drop(permit);
    assert!(semaphore.is_locked(), "the permit was handed over");
    assert!(semaphore.try_acquire().is_none());
    let mut late = by_hand(semaphore.acquire());
    late.pending();
    drop(waiter.ready());
    drop(late.ready());
}

#[test]
fn a_large_request_at_the_front_is_not_overtaken() {
    let semaphore = Semaphore::new(3);
    let one = at_once(semaphore.acquire());
    let (mut large, mut small) = (by_hand(semaphore.acquire_many(3)), by_hand(semaphore.acquire()));
    large.pending();
    small.pending();
    assert_eq!(semaphore.available_permits(), 2);
    assert!(semaphore.is_locked() && semaphore.try_acquire().is_none());
    drop(one);
    assert_eq!((large.wakes(), small.wakes()), (1, 0));
    drop(large.ready());
    drop(small.ready());
}

#[test]
fn a_large_request_that_goes_makes_way_for_those_behind_it() {
    let semaphore = Semaphore::new(2);
    let one = at_once(semaphore.acquire());
    let (mut large, mut small) = (by_hand(semaphore.acquire_many(2)), by_hand(semaphore.acquire()));
    large.pending();
    small.pending();
    drop(large);
    assert_eq!(small.wakes(), 1);
    drop(small.ready());
    drop(one);
}

#[test]
fn a_waiter_that_was_given_permits_and_is_cancelled_passes_them_on() {
    let semaphore = Semaphore::new(2);
    let both = at_once(semaphore.acquire_many(2));
    let mut large = by_hand(semaphore.acquire_many(2));
    let mut small = [(); 2].map(|()| by_hand(semaphore.acquire()));
    large.pending();
    small.iter_mut().for_each(ByHand::pending);
    drop(both);
    assert_eq!(large.wakes(), 1);
    drop(large);
    assert_eq!(small.each_ref().map(ByHand::wakes), [1, 1]);
    drop(small);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn added_permits_go_to_those_who_wait_first() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.is_locked());
    let mut waiters = [(); 2].map(|()| by_hand(semaphore.acquire()));
    waiters.iter_mut().for_each(ByHand::pending);
    semaphore.add_permits(3);
    assert_eq!(waiters.each_ref().map(ByHand::wakes), [1, 1]);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_forgotten_permit_shrinks_it() {
    let semaphore = Rc::new(Semaphore::new(3));
    at_once(semaphore.acquire_many(2)).forget();
    assert_eq!(semaphore.available_permits(), 1);
    at_once(Rc::clone(&semaphore).acquire_owned()).forget();
    assert!(semaphore.is_locked());
    semaphore.add_permits(Semaphore::MAX_PERMITS);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
}

#[test]
fn more_permits_than_fit_are_refused_and_nothing_is_changed() {
    let refused = refusal(|| drop(Semaphore::new(Semaphore::MAX_PERMITS + 1)));
    assert!(refused.contains("`Semaphore::MAX_PERMITS` is the most"), "{refused}");

    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS - 1);
    let held = at_once(semaphore.acquire_many(5));
    for too_many in [2, usize::MAX] {
        let refused = refusal(|| semaphore.add_permits(too_many));
        assert!(refused.starts_with(&format!("{too_many} more permits do not fit")), "{refused}");
    }
    semaphore.add_permits(1);
    drop(held);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);

    let refused = refusal(|| drop(at_once(semaphore.acquire_many(usize::MAX))));
    assert!(refused.contains("will never be there at once"), "{refused}");
    assert!(semaphore.try_acquire_many(usize::MAX).is_none());
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
}

#[test]
fn no_permits_are_there_at_once_unless_others_wait() {
    let semaphore = Semaphore::new(0);
    assert_eq!(at_once(semaphore.acquire_many(0)).count(), 0);
    let mut waiter = by_hand(semaphore.acquire());
    waiter.pending();
    assert!(semaphore.try_acquire_many(0).is_none());
}

#[oneloop::test(virtual_time)]
async fn owned_permits_live_in_tasks() {
    let semaphore = Rc::new(Semaphore::new(2));
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let permit = Rc::clone(&semaphore).acquire_owned().await;
        tasks.push(create_task(async move {
            sleep(Duration::from_secs(1)).await;
            drop(permit);
        }));
    }
    assert_eq!(semaphore.available_permits(), 0);
    gather(tasks).await;
    let both = Rc::clone(&semaphore).try_acquire_many_owned(2).unwrap();
    assert!(both.count() == 2 && Rc::clone(&semaphore).try_acquire_owned().is_none());
    drop(both);
    assert_eq!(Rc::clone(&semaphore).acquire_many_owned(2).await.count(), 2);
}

#[oneloop::test(virtual_time)]
async fn tasks_with_time_limits_lose_no_permit() {
    let semaphore = Rc::new(Semaphore::new(3));
    let tasks = (1..=20).map(|seed| {
        let semaphore = Rc::clone(&semaphore);
        create_task(async move {
            let mut dice = Dice(seed);
            for _ in 0..20 {
                let limit = Duration::from_millis(dice.roll(20));
                let count = 1 + usize::try_from(dice.roll(3)).unwrap();
                if let Ok(permit) = timeout(limit, semaphore.acquire_many(count)).await {
                    sleep(Duration::from_millis(dice.roll(3))).await;
                    drop(permit);
                }
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    gather(tasks).await;
    assert_eq!((semaphore.available_permits(), semaphore.n_waiting()), (3, 0));
}

thread_local! {
    /// The woken waiters, in order, and the permits that the first of them gives back.
    static WOKEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static SHARED: RefCell<Option<Rc<Semaphore>>> = const { RefCell::new(None) };
}

struct Noting(usize);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        WOKEN.with_borrow_mut(|woken| woken.push(self.0));
        if self.0 == 0 {
            let shared = SHARED.take().expect("the first is woken once");
            shared.add_permits(1);
        }
    }
}

#[test]
fn who_is_granted_something_by_a_wake_is_woken_after_those_before_it() {
    let semaphore = Rc::new(Semaphore::new(0));
    SHARED.set(Some(Rc::clone(&semaphore)));
    let mut waiters: Vec<_> =
        (0..4).map(|_| Box::pin(Rc::clone(&semaphore).acquire_owned())).collect();
    for (number, waiter) in waiters.iter_mut().enumerate() {
        let waker = Waker::from(Arc::new(Noting(number)));
        let polled = waiter.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    semaphore.add_permits(3);
    assert_eq!(WOKEN.take(), [0, 1, 2, 3]);
}
