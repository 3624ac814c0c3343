//! `Event`: set, cleared, and who continues.

use oneloop::sync::Event;
use oneloop::{create_task, timeout, yield_now};
use std::rc::Rc;
use std::time::Duration;

use super::super::tasks::Log;
use super::harness::{at_once, by_hand};

#[test]
fn set_then_clear_before_the_waiters_run_still_wakes_them() {
    let event = Event::new();
    let (mut before, mut after) = (by_hand(event.wait()), by_hand(event.wait()));
    before.pending();
    event.set();
    event.clear();
    assert_eq!(before.wakes(), 1);
    after.pending();
    before.ready();
    after.pending();
    assert_eq!((after.wakes(), event.n_waiting()), (0, 1));
}

#[test]
fn wait_on_a_set_event_returns_without_yielding() {
    let event = Event::new();
    event.set();
    at_once(event.wait());
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
    by_hand(event.wait()).pending();
}

#[oneloop::test(virtual_time)]
async fn all_who_wait_go_on_in_the_order_in_which_they_came() {
    let (event, log) = (Rc::new(Event::new()), Log::new());
    let tasks: Vec<_> = (0..5)
        .map(|n| {
            let (event, log) = (Rc::clone(&event), log.clone());
            create_task(async move {
                event.wait().await;
                log.push(n);
            })
        })
        .collect();
    yield_now().await;
    event.set();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(log.take(), [0, 1, 2, 3, 4]);
}

#[test]
fn setting_it_twice_wakes_once() {
    let event = Event::new();
    let mut waiter = by_hand(event.wait());
    waiter.pending();
    event.set();
    event.set();
    assert_eq!(waiter.wakes(), 1);
    waiter.ready();
}

#[oneloop::test(virtual_time)]
async fn a_wait_that_is_cancelled_leaves_no_trace() {
    let event = Event::new();
    timeout(Duration::from_secs(1), event.wait()).await.unwrap_err();
    assert_eq!(event.n_waiting(), 0);
    let mut woken = by_hand(event.wait());
    woken.pending();
    event.set();
    drop(woken);
    assert_eq!(format!("{event:?}"), "Event { is_set: true, n_waiting: 0 }");
}
