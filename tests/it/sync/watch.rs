//! The latest value, and notifications of its changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;

use oneloop::create_task;
use oneloop::sync::watch;

use super::harness::{CountedWaker, at_once, by_hand, schedules};

#[test]
fn the_initial_value_counts_as_seen() {
    let (sender, mut receiver) = watch::channel(1);
    assert!(!receiver.has_changed());
    by_hand(receiver.changed()).pending();
    assert_eq!((*receiver.borrow(), *sender.borrow()), (1, 1));
}

#[test]
fn a_receiver_that_subscribes_has_seen_the_value_of_that_moment() {
    let (sender, _receiver) = watch::channel(0);
    sender.send(1);
    let mut late = sender.subscribe();
    assert!(!late.has_changed());
    by_hand(late.changed()).pending();
    sender.send(2);
    at_once(late.changed()).unwrap();
    assert_eq!(*late.borrow(), 2);
}

#[test]
fn only_the_latest_value_is_seen() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1);
    sender.send(2);
    at_once(receiver.changed()).unwrap();
    assert_eq!(*receiver.borrow(), 2);
    by_hand(receiver.changed()).pending();
}

#[test]
fn a_look_without_update_does_not_count_as_seen() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1);
    assert_eq!(*receiver.borrow(), 1);
    assert!(receiver.has_changed());
    assert_eq!(*receiver.borrow_and_update(), 1);
    assert!(!receiver.has_changed());
}

#[test]
fn the_last_value_is_seen_before_the_end() {
    let (sender, mut receiver) = watch::channel(0);
    sender.send(1);
    drop(sender);
    assert!(receiver.is_closed());
    at_once(receiver.changed()).unwrap();
    let error = at_once(receiver.changed()).unwrap_err();
    assert_eq!(error.to_string(), "this channel has no sender any more");
    assert_eq!(*receiver.borrow(), 1);
}

#[test]
fn receivers_that_wait_are_woken_by_a_value_and_by_the_end() {
    let (sender, mut first) = watch::channel(0);
    let mut second = first.clone();
    let (mut one, mut two) = (by_hand(first.changed()), by_hand(second.changed()));
    one.pending();
    two.pending();
    sender.send(1);
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    one.ready().unwrap();
    two.ready().unwrap();
    drop(two);
    let mut two = by_hand(second.changed());
    two.pending();
    let other = sender.clone();
    drop(sender);
    two.pending();
    drop(other);
    assert_eq!(two.wakes(), 1);
    assert!(two.ready().is_err());
}

#[test]
fn a_changed_that_is_dropped_has_seen_nothing() {
    let (sender, mut receiver) = watch::channel(0);
    let mut changed = by_hand(receiver.changed());
    changed.pending();
    sender.send(1);
    assert_eq!(changed.wakes(), 1);
    drop(changed);
    assert!(receiver.has_changed());
    at_once(receiver.changed()).unwrap();
}

#[test]
fn a_value_that_somebody_holds_is_no_obstacle_to_the_next() {
    let (sender, mut receiver) = watch::channel("old".to_owned());
    let held = receiver.borrow();
    sender.send("new".to_owned());
    sender.send_modify(|value| value.push('!'));
    assert_eq!(*held, "old");
    assert_eq!(*receiver.borrow_and_update(), "new!");
    assert_eq!(format!("{held} {held:?}"), "old \"old\"");
}

#[test]
fn a_change_may_use_the_channel_and_a_panic_changes_nothing() {
    let (sender, receiver) = watch::channel(vec![1]);
    sender.send_modify(|value| {
        assert_eq!(*receiver.borrow(), [1]);
        sender.send(vec![7]);
        value.push(2);
    });
    assert_eq!(*receiver.borrow(), [1, 2]);
    let fails = || {
        sender.send_modify(|value| {
            value.clear();
            panic!("half way");
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
    assert_eq!(*receiver.borrow(), [1, 2]);
}

#[test]
fn send_if_modified_is_no_news_unless_it_says_so() {
    let (sender, mut receiver) = watch::channel(1);
    let raise = |to: i32| {
        sender.send_if_modified(|value| {
            let is_higher = to > *value;
            *value = to;
            is_higher
        })
    };
    assert!(!raise(0) && !receiver.has_changed());
    assert_eq!(*receiver.borrow(), 1);
    assert!(raise(2));
    assert_eq!(*receiver.borrow_and_update(), 2);
}

#[oneloop::test]
async fn wait_for_looks_at_the_current_value_first() {
    let (sender, mut receiver) = watch::channel(1);
    assert_eq!(*receiver.wait_for(|&value| value == 1).await.unwrap(), 1);
    let task =
        create_task(async move { receiver.wait_for(|&value| value > 2).await.map(|value| *value) });
    for value in 2..5 {
        oneloop::yield_now().await;
        sender.send(value);
    }
    assert_eq!(task.await.unwrap(), Ok(3), "it ran before 4 was sent");
    let mut receiver = sender.subscribe();
    drop(sender);
    assert!(receiver.wait_for(|_| false).await.is_err());
}

#[test]
fn closed_waits_for_the_last_receiver_to_go_and_values_are_stored_all_the_same() {
    let (sender, receiver) = watch::channel(0);
    let other = receiver.clone();
    let mut closed = by_hand(sender.closed());
    closed.pending();
    drop(receiver);
    closed.pending();
    assert!(!sender.is_closed());
    drop(other);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    drop(closed);
    assert!(sender.is_closed() && sender.receiver_count() == 0);
    sender.send(5);
    assert_eq!(*sender.subscribe().borrow(), 5);
}

#[test]
fn a_value_that_was_replaced_is_dropped() {
    let first = Rc::new(());
    let (sender, receiver) = watch::channel(Rc::clone(&first));
    let held = receiver.borrow();
    sender.send(Rc::new(()));
    assert_eq!(Rc::strong_count(&first), 2);
    drop(held);
    assert_eq!(Rc::strong_count(&first), 1);
}

#[test]
fn storms_of_a_watch_miss_no_news() {
    schedules(10_000, |dice| {
        let (sender, receiver) = watch::channel(0);
        let mut sender = Some(sender);
        // Each receiver with its waker, the version that it has seen, and whether it was polled
        // since the last value.
        let mut receivers: Vec<_> =
            (0..3).map(|_| (receiver.clone(), CountedWaker::new(), 0)).collect();
        let mut latest = 0;
        for value in 1..30 {
            let (receiver, waker, seen) = &mut receivers[usize::try_from(dice.roll(3)).unwrap()];
            match dice.roll(6) {
                0 => {
                    if let Some(sender) = &sender {
                        sender.send(value);
                        latest = value;
                    }
                }
                1 if dice.roll(8) == 0 => sender = None,
                2 => {
                    *receiver = receiver.clone();
                    assert_eq!(*receiver.borrow(), latest);
                }
                _ => {
                    let poll = by_hand(receiver.changed()).poll_with(&waker.waker);
                    match poll {
                        Poll::Ready(Ok(())) => assert!(*seen < latest),
                        Poll::Ready(Err(_)) => assert!(sender.is_none() && *seen == latest),
                        Poll::Pending => assert!(sender.is_some() && *seen == latest),
                    }
                    *seen = latest;
                }
            }
            // Each wait was dropped after its poll.
            assert!(receivers.iter().all(|(_, waker, _)| waker.count() == 0));
        }
    });
}
