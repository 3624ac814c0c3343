//! `Barrier`: cycles, indices, and its broken state.

use std::rc::Rc;
use std::time::Duration;

use oneloop::sync::Barrier;
use oneloop::{create_task, gather, timeout, yield_now};

use super::super::tasks::Log;
use super::harness::{at_once, by_hand, refusal};

#[test]
fn a_barrier_of_none_is_refused() {
    let refused = refusal(|| drop(Barrier::new(0)));
    assert!(refused.contains("it needs one at least"), "{refused}");
    assert_eq!(at_once(Barrier::new(1).wait()), Ok(0));
}

#[oneloop::test(virtual_time)]
async fn the_last_arrival_gets_the_highest_index_and_returns_first() {
    let (barrier, log) = (Rc::new(Barrier::new(3)), Log::new());
    let tasks: Vec<_> = (0..3)
        .map(|n| {
            let (barrier, log) = (Rc::clone(&barrier), log.clone());
            create_task(async move { log.push((n, barrier.wait().await.unwrap())) })
        })
        .collect();
    gather(tasks).await;
    assert_eq!(log.take(), [(2, 2), (0, 0), (1, 1)]);
}

#[oneloop::test(virtual_time)]
async fn it_is_passed_again_and_again() {
    let barrier = Rc::new(Barrier::new(3));
    let cycles = Rc::new(Log::new());
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (barrier, cycles) = (Rc::clone(&barrier), Rc::clone(&cycles));
            create_task(async move {
                for cycle in 0..4 {
                    barrier.wait().await.unwrap();
                    cycles.push(cycle);
                }
            })
        })
        .collect();
    gather(tasks).await;
    // No task is two cycles ahead of another.
    let cycles = cycles.take();
    for (at, cycle) in cycles.iter().enumerate() {
        assert!(cycles[at..].iter().all(|later| later + 1 >= *cycle), "{cycles:?}");
    }
    assert_eq!(cycles.len(), 12);
}

#[test]
fn arrivals_while_it_drains_wait_for_the_next_cycle() {
    let barrier = Barrier::new(2);
    let mut first = by_hand(barrier.wait());
    first.pending();
    assert_eq!(at_once(barrier.wait()), Ok(1));
    let mut next = by_hand(barrier.wait());
    next.pending();
    assert_eq!((barrier.n_waiting(), next.wakes()), (1, 0));
    assert_eq!(first.ready(), Ok(0));
    next.pending();
    assert_eq!(at_once(barrier.wait()), Ok(1));
    assert_eq!(next.ready(), Ok(0));
}

#[oneloop::test(virtual_time)]
async fn who_is_cancelled_while_it_fills_does_not_count() {
    let barrier = Barrier::new(3);
    let mut first = by_hand(barrier.wait());
    first.pending();
    timeout(Duration::from_secs(1), barrier.wait()).await.unwrap_err();
    assert_eq!(barrier.n_waiting(), 1);
    let mut second = by_hand(barrier.wait());
    second.pending();
    assert_eq!(first.poll().is_pending(), second.poll().is_pending());
    assert_eq!(barrier.wait().await, Ok(2));
    assert_eq!((first.ready(), second.ready()), (Ok(0), Ok(1)), "each index is there once");
}

#[test]
fn who_is_cancelled_after_the_last_arrival_holds_nobody_up() {
    let barrier = Barrier::new(3);
    let (mut first, mut second) = (by_hand(barrier.wait()), by_hand(barrier.wait()));
    first.pending();
    second.pending();
    assert_eq!(at_once(barrier.wait()), Ok(2));
    drop(first);
    assert_eq!(second.ready(), Ok(1));
    assert_eq!(barrier.n_waiting(), 0);
}

#[test]
fn reset_breaks_those_who_wait_and_it_can_be_used_again() {
    let barrier = Barrier::new(2);
    let mut waiter = by_hand(barrier.wait());
    waiter.pending();
    barrier.reset();
    assert_eq!((waiter.wakes(), barrier.is_broken(), barrier.n_waiting()), (1, false, 0));
    let error = waiter.ready().unwrap_err();
    assert!(error.is_reset() && !error.is_aborted());
    assert_eq!(error.to_string(), "the barrier was reset while this task waited");
    by_hand(barrier.wait()).pending();
}

#[test]
fn abort_breaks_it_until_it_is_reset() {
    let barrier = Barrier::new(2);
    let mut waiter = by_hand(barrier.wait());
    waiter.pending();
    barrier.abort();
    let error = waiter.ready().unwrap_err();
    assert!(error.is_aborted() && !error.is_reset() && barrier.is_broken());
    assert_eq!(error.to_string(), "the barrier was aborted");
    assert_eq!(at_once(barrier.wait()), Err(error));
    barrier.reset();
    assert!(!barrier.is_broken());
    let mut waiter = by_hand(barrier.wait());
    waiter.pending();
    assert_eq!((at_once(barrier.wait()), waiter.ready()), (Ok(1), Ok(0)));
}

#[test]
fn those_who_were_let_go_are_out_of_reach_of_reset_and_abort() {
    let barrier = Barrier::new(2);
    let mut waiter = by_hand(barrier.wait());
    waiter.pending();
    assert_eq!(at_once(barrier.wait()), Ok(1));
    barrier.reset();
    barrier.abort();
    assert_eq!(waiter.ready(), Ok(0));
}

#[oneloop::test(virtual_time)]
async fn it_shows_how_many_are_there() {
    let barrier = Rc::new(Barrier::new(3));
    let other = Rc::clone(&barrier);
    let task = create_task(async move { other.wait().await.is_err() });
    yield_now().await;
    assert_eq!((barrier.parties(), barrier.n_waiting()), (3, 1));
    let shown = format!("{barrier:?}");
    assert_eq!(shown, "Barrier { parties: 3, n_waiting: 1, is_broken: false }");
    barrier.abort();
    assert!(task.await.unwrap());
}
