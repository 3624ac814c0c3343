//! One value, once.

use std::rc::Rc;
use std::task::Poll;

use oneloop::create_task;
use oneloop::sync::oneshot;

use super::harness::{CountedWaker, at_once, by_hand, schedules};

#[test]
fn a_value_that_was_sent_is_received_at_once() {
    let (sender, receiver) = oneshot::channel();
    sender.send(1).unwrap();
    assert_eq!(at_once(receiver), Ok(1));
}

#[oneloop::test]
async fn a_receiver_that_waits_is_woken_by_the_value() {
    let (sender, receiver) = oneshot::channel();
    let task = create_task(receiver);
    oneloop::yield_now().await;
    sender.send("value").unwrap();
    assert_eq!(task.await.unwrap(), Ok("value"));
}

#[test]
fn a_sender_that_is_dropped_wakes_the_receiver_with_an_error() {
    let (sender, receiver) = oneshot::channel::<u8>();
    let mut receiver = by_hand(receiver);
    receiver.pending();
    drop(sender);
    assert_eq!(receiver.wakes(), 1);
    let error = receiver.ready().unwrap_err();
    assert_eq!(error.to_string(), "this channel has no sender any more");
}

#[test]
fn a_receiver_that_is_gone_gives_the_value_back() {
    let (sender, receiver) = oneshot::channel();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(1), Err(1));
}

#[test]
fn a_closed_receiver_refuses_a_value_but_keeps_one_that_was_sent() {
    let (sender, mut receiver) = oneshot::channel();
    receiver.close();
    assert_eq!(sender.send(1), Err(1));
    assert!(receiver.try_recv().unwrap_err().is_closed());

    let (sender, mut receiver) = oneshot::channel();
    sender.send(2).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(2));
    assert!(at_once(receiver).is_err());
}

#[test]
fn a_receiver_that_closes_while_it_waits_learns_so_itself() {
    let (sender, mut receiver) = oneshot::channel::<u8>();
    by_hand(&mut receiver).pending();
    receiver.close();
    assert!(at_once(receiver).is_err());
    drop(sender);
}

#[test]
fn try_recv_tells_not_yet_from_never() {
    let (sender, mut receiver) = oneshot::channel();
    let error = receiver.try_recv().unwrap_err();
    assert!(error.is_empty() && !error.is_closed());
    assert_eq!(error.to_string(), "nothing is in this channel yet");
    sender.send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(receiver.try_recv().unwrap_err().is_closed(), "it was received");
}

#[test]
fn closed_is_woken_by_a_receiver_that_goes_or_closes() {
    for closes in [true, false] {
        let (mut sender, receiver) = oneshot::channel::<u8>();
        let mut receiver = Some(receiver);
        let mut closed = by_hand(sender.closed());
        closed.pending();
        if closes {
            receiver.as_mut().unwrap().close();
        } else {
            receiver = None;
        }
        assert_eq!(closed.wakes(), 1);
        closed.ready();
        drop(receiver);
    }
}

#[test]
fn awaited_by_reference_and_given_up_it_loses_nothing() {
    let (sender, mut receiver) = oneshot::channel();
    by_hand(&mut receiver).pending();
    sender.send(1).unwrap();
    assert_eq!(at_once(receiver), Ok(1));
}

#[test]
fn a_value_that_nobody_receives_is_dropped_with_the_receiver() {
    let value = Rc::new(());
    let (sender, receiver) = oneshot::channel();
    sender.send(Rc::clone(&value)).unwrap();
    assert_eq!(Rc::strong_count(&value), 2);
    drop(receiver);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn the_latest_waker_counts() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = by_hand(receiver);
    receiver.pending();
    let other = CountedWaker::new();
    assert!(receiver.poll_with(&other.waker).is_pending());
    sender.send(1).unwrap();
    assert_eq!((receiver.wakes(), other.take()), (0, 1));
}

/// Both ends are used in every order: the value arrives once, or comes back.
#[test]
fn storms_of_a_oneshot_lose_no_value() {
    schedules(10_000, |dice| {
        let value = Rc::new(());
        let (sender, receiver) = oneshot::channel();
        let (mut sender, mut receiver) = (Some(sender), Some(receiver));
        let wakers = [CountedWaker::new(), CountedWaker::new()];
        let (mut waits, mut is_closed, mut is_sent) = (None, false, false);
        for _ in 0..8 {
            match dice.roll(8) {
                0 => drop(receiver.take()),
                1 => drop(sender.take()),
                2 | 3 => {
                    let Some(sender) = sender.take() else { continue };
                    let result = sender.send(Rc::clone(&value));
                    is_sent = result.is_ok();
                    assert_eq!(is_sent, receiver.is_some() && !is_closed);
                }
                4 => {
                    if let Some(receiver) = &mut receiver {
                        receiver.close();
                        is_closed = true;
                    }
                }
                _ => {
                    let Some(waiting) = &mut receiver else { continue };
                    let waker = usize::from(dice.roll(2) == 0);
                    let poll = by_hand(waiting).poll_with(&wakers[waker].waker);
                    assert_eq!(poll.is_ready(), sender.is_none() || is_closed);
                    waits = poll.is_pending().then_some(waker);
                    if let Poll::Ready(result) = poll {
                        assert_eq!(result.is_ok(), is_sent);
                        receiver = None;
                    }
                }
            }
            if let (None, Some(_), Some(waker)) = (&sender, &receiver, waits.take()) {
                assert_eq!(wakers[waker].count(), 1, "the latest waker is woken when it is over");
            }
            for waker in &wakers {
                waker.take();
            }
        }
        drop((sender, receiver));
        assert_eq!(Rc::strong_count(&value), 1);
    });
}
