//! asyncio's `Future`: one result, and many tasks that wait for it.

use std::rc::Rc;

use oneloop::sync::promise;
use oneloop::{create_task, gather, yield_now};

use super::harness::{at_once, by_hand, schedules};

#[oneloop::test]
async fn many_tasks_may_await_one_result() {
    let (resolver, promise) = promise();
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let promise = promise.clone();
            create_task(async move { promise.wait().await.copied() })
        })
        .collect();
    yield_now().await;
    resolver.set_result(7).unwrap();
    assert!(gather(tasks).await.into_iter().all(|result| result.unwrap() == Ok(7)));
    assert_eq!((&promise).await, Ok(&7), "and once more");
}

#[test]
fn a_second_result_is_refused_and_comes_back() {
    let (resolver, promise) = promise();
    let other = resolver.clone();
    assert_eq!(resolver.set_result("first"), Ok(()));
    assert_eq!(other.set_result("second"), Err("second"));
    assert!(other.is_set());
    assert_eq!(promise.result(), Some(&"first"));
}

#[test]
fn a_result_that_is_asked_for_too_early_is_none() {
    let (resolver, promise) = promise::<u8>();
    assert_eq!((promise.result(), promise.is_done(), resolver.is_set()), (None, false, false));
}

#[test]
fn waiters_are_woken_in_the_order_in_which_they_came_and_once() {
    let (resolver, promise) = promise();
    let (mut first, mut second) = (by_hand(promise.wait()), by_hand(promise.wait()));
    second.pending();
    first.pending();
    resolver.set_result(1).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    drop(resolver);
    assert_eq!((first.wakes(), second.wakes()), (0, 0));
    assert_eq!((first.ready(), second.ready()), (Ok(&1), Ok(&1)));
}

#[test]
fn a_resolver_that_vanishes_breaks_the_promise_instead_of_leaving_it_open() {
    let (resolver, promise) = promise::<u8>();
    let other = resolver.clone();
    let mut wait = by_hand(promise.wait());
    wait.pending();
    drop(resolver);
    wait.pending();
    drop(other);
    assert_eq!(wait.wakes(), 1);
    let error = wait.ready().unwrap_err();
    assert_eq!(error.to_string(), "the resolver was dropped without setting a result");
    assert!(promise.is_done() && promise.result().is_none());
    assert!(at_once(promise.clone().wait()).is_err());
}

#[test]
fn a_waiter_that_is_dropped_is_forgotten() {
    let (resolver, promise) = promise();
    let mut gone = by_hand(promise.wait());
    gone.pending();
    let mut wait = by_hand(promise.wait());
    wait.pending();
    drop(gone);
    drop(promise.wait());
    resolver.set_result(1).unwrap();
    assert_eq!(wait.ready(), Ok(&1));
}

#[test]
fn a_resolver_can_make_the_promise_again() {
    let (resolver, promise) = promise();
    drop(promise);
    resolver.set_result(1).unwrap();
    assert_eq!(at_once(resolver.promise().wait()), Ok(&1));
}

#[test]
fn the_result_lives_as_long_as_its_last_end() {
    let value = Rc::new(());
    let (resolver, promise) = promise();
    resolver.set_result(Rc::clone(&value)).unwrap();
    drop(promise);
    assert_eq!(Rc::strong_count(&value), 2);
    drop(resolver);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn storms_of_a_promise_leave_nobody_waiting() {
    schedules(10_000, |dice| {
        let (resolver, promise) = promise();
        let mut resolvers = vec![resolver.clone(), resolver];
        let mut waits: Vec<_> = Vec::new();
        let mut result = None;
        for value in 0..20 {
            let at = usize::try_from(dice.roll(4)).unwrap();
            match dice.roll(8) {
                0 if at < resolvers.len() => {
                    let expected = if result.is_some() { Err(value) } else { Ok(()) };
                    assert_eq!(resolvers[at].set_result(value), expected);
                    result = result.or(Some(value));
                }
                1 if at < resolvers.len() && dice.roll(3) == 0 => drop(resolvers.remove(at)),
                2 | 3 => waits.push(by_hand(promise.wait())),
                4 if at < waits.len() => drop(waits.remove(at)),
                _ if at < waits.len() => {
                    let is_done = result.is_some() || resolvers.is_empty();
                    let poll = waits[at].poll();
                    assert_eq!(poll.is_ready(), is_done);
                    if is_done {
                        drop(waits.remove(at));
                    }
                }
                _ => {}
            }
            assert_eq!(promise.is_done(), result.is_some() || resolvers.is_empty());
            assert_eq!(promise.result(), result.as_ref());
        }
    });
}

#[test]
fn a_resolver_sees_when_no_promise_is_left() {
    let (resolver, promise) = promise::<u8>();
    let other = promise.clone();
    drop(promise);
    assert!(!resolver.is_closed(), "a clone is left");
    drop(other);
    assert!(resolver.is_closed());
    // A later waiter still gets the result.
    let late = resolver.promise();
    assert!(!resolver.is_closed());
    resolver.set_result(1).unwrap();
    assert_eq!(late.result(), Some(&1));
    drop(late);
    assert!(resolver.is_closed(), "also after the result");
}

#[test]
fn closed_wakes_every_resolver_when_the_last_promise_goes() {
    let (resolver, promise) = promise::<u8>();
    let second = resolver.clone();
    let (mut one, mut two) = (by_hand(resolver.closed()), by_hand(second.closed()));
    one.pending();
    two.pending();
    drop(promise.clone());
    assert_eq!((one.wakes(), two.wakes()), (0, 0));
    drop(promise);
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    one.ready();
    // A new promise came before the second one looked.
    let promise = resolver.promise();
    two.pending();
    drop(promise);
    assert_eq!(two.wakes(), 1);
    two.ready();
    at_once(second.closed());
}

#[test]
fn a_closed_that_is_dropped_is_forgotten() {
    let (resolver, promise) = promise::<u8>();
    let (mut gone, mut stays) = (by_hand(resolver.closed()), by_hand(resolver.closed()));
    gone.pending();
    stays.pending();
    drop(gone);
    drop(promise);
    assert_eq!(stays.wakes(), 1);
    stays.ready();
}

#[oneloop::test]
async fn a_client_that_is_cancelled_ends_the_work_for_it() {
    let (resolver, promise) = promise::<u8>();
    let client = create_task(async move { promise.wait().await.copied() });
    let worker = create_task(async move { resolver.closed().await });
    yield_now().await;
    assert!(!worker.is_finished());
    client.cancel();
    worker.await.unwrap();
}
