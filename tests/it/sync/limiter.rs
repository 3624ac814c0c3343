//! `CapacityLimiter`: the borrowers, their number at a time, and a total that changes.

use std::rc::Rc;

use oneloop::sync::{Borrower, CapacityLimiter, CapacityPermit};
use oneloop::{create_task, gather, yield_now};

use super::harness::{ByHand, at_once, by_hand, refusal};

fn borrow(limiter: &CapacityLimiter) -> impl Future<Output = CapacityPermit<'_>> {
    limiter.acquire_on_behalf_of(Borrower::new())
}

#[oneloop::test(virtual_time)]
async fn it_knows_the_tasks_that_borrow() {
    let limiter = Rc::new(CapacityLimiter::new(2));
    let tasks: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let limiter = Rc::clone(&limiter);
            let task = async move {
                let token = limiter.acquire().await;
                assert_eq!(token.borrower(), Borrower::current_task());
                yield_now().await;
            };
            create_task(task).named(name)
        })
        .into();
    yield_now().await;
    let names: Vec<_> = limiter.borrowers().iter().map(Borrower::name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!((limiter.borrowed(), limiter.available(), limiter.n_waiting()), (2, 0, 1));
    gather(tasks).await;
    assert_eq!((limiter.borrowed(), limiter.borrowers().len()), (0, 0));
}

#[oneloop::test(virtual_time)]
async fn a_second_token_for_one_task_is_refused_and_nothing_is_changed() {
    let limiter = CapacityLimiter::new(3);
    let token = limiter.acquire().await;
    let refused = refusal(|| drop(at_once(limiter.acquire())));
    assert!(refused.contains("has a token of this `CapacityLimiter` already"), "{refused}");
    let refused = refusal(|| drop(limiter.try_acquire()));
    assert!(refused.contains("a `Borrower` of its own"), "{refused}");
    assert_eq!(limiter.borrowed(), 1);
    drop(token);
    drop(limiter.acquire().await);
}

#[test]
fn who_waits_already_cannot_wait_once_more() {
    let limiter = CapacityLimiter::new(0);
    let borrower = Borrower::new();
    let mut waiter = by_hand(limiter.acquire_on_behalf_of(borrower));
    waiter.pending();
    let refused = refusal(|| drop(limiter.try_acquire_on_behalf_of(borrower)));
    assert!(refused.contains("waits for a token of this"), "{refused}");
    drop(waiter);
    assert!(limiter.try_acquire_on_behalf_of(borrower).is_none());
    limiter.set_total(1);
    drop(limiter.try_acquire_on_behalf_of(borrower).unwrap());
}

#[test]
fn without_a_task_it_says_what_to_do() {
    let limiter = CapacityLimiter::new(1);
    let refused = refusal(|| drop(at_once(limiter.acquire())));
    assert!(refused.contains("borrow on behalf of `Borrower::new()`"), "{refused}");
    assert_eq!(limiter.available(), 1);
}

#[test]
fn a_larger_total_lets_those_who_wait_go_on() {
    let limiter = CapacityLimiter::new(0);
    let mut waiters = [(); 3].map(|()| by_hand(borrow(&limiter)));
    waiters.iter_mut().for_each(ByHand::pending);
    limiter.set_total(2);
    assert_eq!(waiters.each_ref().map(ByHand::wakes), [1, 1, 0]);
    assert_eq!((limiter.borrowed(), limiter.borrowers().len()), (2, 0), "nobody has run yet");
}

#[test]
fn a_total_below_what_is_borrowed_takes_nothing_away_but_gives_nothing_out() {
    let limiter = CapacityLimiter::new(3);
    let tokens = [(); 3].map(|()| at_once(borrow(&limiter)));
    limiter.set_total(1);
    assert_eq!((limiter.borrowed(), limiter.total(), limiter.available()), (3, 1, 0));
    let mut waiter = by_hand(borrow(&limiter));
    waiter.pending();
    let [first, second, third] = tokens;
    drop(first);
    drop(second);
    assert_eq!((waiter.wakes(), limiter.borrowed()), (0, 1));
    drop(third);
    assert_eq!((waiter.wakes(), limiter.borrowed()), (1, 1));
    drop(waiter.ready());
    assert_eq!((limiter.borrowed(), limiter.available()), (0, 1));
}

#[test]
fn a_token_that_was_handed_over_and_is_cancelled_pays_a_lowered_total() {
    let limiter = CapacityLimiter::new(1);
    let token = at_once(borrow(&limiter));
    let (mut first, mut second) = (by_hand(borrow(&limiter)), by_hand(borrow(&limiter)));
    first.pending();
    second.pending();
    drop(token);
    limiter.set_total(0);
    drop(first);
    assert_eq!((second.wakes(), limiter.borrowed()), (0, 0));
    limiter.set_total(1);
    assert_eq!(second.wakes(), 1);
}

#[test]
fn a_total_that_does_not_fit_is_refused_and_the_former_stays() {
    let limiter = CapacityLimiter::new(2);
    let refused = refusal(|| limiter.set_total(CapacityLimiter::MAX_TOTAL + 1));
    assert!(refused.contains("`CapacityLimiter::MAX_TOTAL` is the most"), "{refused}");
    assert_eq!((limiter.total(), limiter.available()), (2, 2));
    refusal(|| drop(CapacityLimiter::new(usize::MAX)));
    let token = at_once(borrow(&limiter));
    limiter.set_total(CapacityLimiter::MAX_TOTAL);
    limiter.set_total(0);
    drop(token);
    assert_eq!((limiter.borrowed(), limiter.available()), (0, 0));
}

#[oneloop::test(virtual_time)]
async fn an_owned_token_moves_into_a_task_and_stays_its_borrowers() {
    let limiter = Rc::new(CapacityLimiter::new(1));
    let token = Rc::clone(&limiter).acquire_owned().await;
    let me = Borrower::current_task();
    let task = create_task(async move {
        assert_eq!(token.borrower(), me);
        assert_ne!(token.borrower(), Borrower::current_task());
    });
    assert_eq!(limiter.borrowers(), [me]);
    task.await.unwrap();
    let other = Borrower::new();
    assert_eq!(Rc::clone(&limiter).acquire_owned_on_behalf_of(other).await.borrower(), other);
    assert_eq!(limiter.available(), 1);
}

#[test]
fn borrowers_are_equal_to_themselves_only() {
    let (a, b) = (Borrower::new(), Borrower::new());
    assert!(a == a && a != b && a.name() != b.name());
}
