//! `WaitQueue`: who is woken, in which order, and the fate of a wake whose waiter is dropped.

use oneloop::sync::WaitQueue;

use super::harness::{ByHand, CountedWaker, by_hand};

#[test]
fn waiters_are_woken_first_come_first_served() {
    let queue = WaitQueue::new();
    let [mut a, mut b, mut c] = [(); 3].map(|()| by_hand(queue.wait()));
    b.pending();
    a.pending();
    c.pending();
    assert!(queue.wake_one());
    assert_eq!((b.wakes(), a.wakes(), c.wakes(), queue.len()), (1, 0, 0, 2));
    assert_eq!(queue.wake(5), 2);
    assert_eq!((a.wakes(), c.wakes(), queue.is_empty()), (1, 1, true));
    for waiter in [&mut a, &mut b, &mut c] {
        waiter.ready();
    }
}

#[test]
fn a_wake_that_finds_nobody_is_not_remembered() {
    let queue = WaitQueue::new();
    assert!(!queue.wake_one());
    assert_eq!((queue.wake(3), queue.wake_all()), (0, 0));
    by_hand(queue.wait()).pending();
}

#[test]
fn wake_wakes_as_many_as_it_says() {
    let queue = WaitQueue::new();
    let mut waiters = [(); 5].map(|()| by_hand(queue.wait()));
    waiters.iter_mut().for_each(ByHand::pending);
    assert_eq!((queue.wake(0), queue.len()), (0, 5));
    assert_eq!((queue.wake(2), queue.len()), (2, 3));
    assert_eq!(waiters.each_ref().map(ByHand::wakes), [1, 1, 0, 0, 0]);
}

#[test]
fn a_woken_waiter_that_is_dropped_passes_its_wake_on() {
    let queue = WaitQueue::new();
    let [mut a, mut b, mut c] = [(); 3].map(|()| by_hand(queue.wait()));
    for waiter in [&mut a, &mut b, &mut c] {
        waiter.pending();
    }
    queue.wake(2);
    drop(a);
    assert_eq!(c.wakes(), 1);
    c.ready();
    drop(b);
    assert!(queue.is_empty());
}

#[test]
fn a_wake_for_all_is_passed_on_to_nobody() {
    let queue = WaitQueue::new();
    let (mut early, mut late) = (by_hand(queue.wait()), by_hand(queue.wait()));
    early.pending();
    assert_eq!(queue.wake_all(), 1);
    late.pending();
    drop(early);
    assert_eq!(late.wakes(), 0);
    late.pending();
}

#[test]
fn a_wait_that_has_ended_passes_nothing_on() {
    let queue = WaitQueue::new();
    let (mut first, mut second) = (by_hand(queue.wait()), by_hand(queue.wait()));
    first.pending();
    second.pending();
    queue.wake_one();
    first.ready();
    assert!(first.poll().is_ready(), "it stays so");
    drop(first);
    assert_eq!((second.wakes(), queue.len()), (0, 1));
}

#[test]
fn a_waiter_that_moves_to_another_task_is_woken_there() {
    let queue = WaitQueue::new();
    let (here, there) = (CountedWaker::new(), CountedWaker::new());
    let mut waiter = by_hand(queue.wait());
    assert!(waiter.poll_with(&here.waker).is_pending());
    assert!(waiter.poll_with(&there.waker).is_pending());
    queue.wake_all();
    assert_eq!((here.take(), there.take()), (0, 1));
}

#[test]
fn it_lives_in_a_const_thread_local() {
    thread_local!(static QUEUE: WaitQueue = const { WaitQueue::new() });
    QUEUE.with(|queue| {
        let mut waiter = by_hand(queue.wait());
        waiter.pending();
        assert_eq!(format!("{queue:?}"), "WaitQueue { len: 1 }");
    });
}
