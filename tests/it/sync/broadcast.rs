//! Every receiver gets every item, or learns how many it has missed.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::panic::catch_unwind;
use std::rc::Rc;
use std::task::Poll;

use futures::StreamExt;
use futures::stream::Next;
use oneloop::sync::broadcast::{self, Receiver, Sender};
use oneloop::{create_task, gather};

use super::super::tasks::Dice;
use super::harness::{CountedWaker, at_once, by_hand, schedules};

#[oneloop::test]
async fn every_receiver_gets_every_item_sent_after_it_subscribed() {
    let (sender, first) = broadcast::channel(8);
    assert_eq!(sender.send(1).unwrap(), 1);
    let receivers = [first, sender.subscribe(), sender.subscribe()];
    assert_eq!(sender.send(2).unwrap(), 3);
    let tasks =
        receivers.map(|receiver| create_task(receiver.map(Result::unwrap).collect::<Vec<u32>>()));
    oneloop::yield_now().await;
    sender.clone().send(3).unwrap();
    drop(sender);
    let got: Vec<_> = gather(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(got, [vec![1, 2, 3], vec![2, 3], vec![2, 3]]);
}

#[test]
fn a_slow_receiver_is_told_once_how_many_it_missed_and_goes_on_with_the_oldest() {
    let (sender, mut slow) = broadcast::channel(2);
    for item in 0..5 {
        sender.send(item).unwrap();
    }
    assert_eq!((slow.len(), sender.len()), (5, 2));
    let error = at_once(slow.recv()).unwrap_err();
    assert_eq!((error.lagged(), error.is_closed()), (Some(3), false));
    assert_eq!(error.to_string(), "the receiver was too slow and has missed 3 items");
    assert_eq!(at_once(slow.recv()), Ok(3));
    assert_eq!(slow.try_recv(), Ok(4));
    assert!(slow.try_recv().unwrap_err().is_empty());
}

#[test]
fn try_recv_tells_of_a_lag_too() {
    let (sender, mut slow) = broadcast::channel(1);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    let error = slow.try_recv().unwrap_err();
    assert_eq!((error.lagged(), error.is_empty(), error.is_closed()), (Some(1), false, false));
    assert_eq!(slow.try_recv(), Ok(2));
}

#[test]
fn what_is_left_is_received_after_the_last_sender_is_gone() {
    let (sender, mut receiver) = broadcast::channel(2);
    sender.send(1).unwrap();
    drop(sender);
    assert_eq!(at_once(receiver.recv()), Ok(1));
    let error = at_once(receiver.recv()).unwrap_err();
    assert!(error.is_closed() && error.lagged().is_none());
    assert!(receiver.try_recv().unwrap_err().is_closed());
    assert_eq!(at_once(StreamExt::next(&mut receiver)), None);
    assert_eq!(at_once(receiver.next()), None);
}

#[test]
fn a_receiver_that_waits_is_told_that_the_last_sender_is_gone() {
    let (sender, mut receiver) = broadcast::channel::<u8>(1);
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    let other = sender.clone();
    drop(sender);
    recv.pending();
    drop(other);
    assert_eq!(recv.wakes(), 1);
    assert!(recv.ready().unwrap_err().is_closed());
}

#[test]
fn without_a_receiver_the_item_comes_back() {
    let (sender, receiver) = broadcast::channel(1);
    drop(receiver);
    at_once(sender.closed());
    assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
    let mut receiver = sender.subscribe();
    assert_eq!(sender.send(2).unwrap(), 1);
    assert_eq!(at_once(receiver.recv()), Ok(2));
    assert_eq!(receiver.sender().receiver_count(), 1);
}

#[test]
fn all_that_wait_are_woken_in_their_order() {
    let (sender, mut first) = broadcast::channel(1);
    let (mut second, mut third) = (sender.subscribe(), sender.subscribe());
    let mut waits = [by_hand(second.recv()), by_hand(first.recv())];
    waits[0].pending();
    waits[1].pending();
    by_hand(third.recv()).pending();
    sender.send(1).unwrap();
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), Ok(1));
    }
    assert_eq!(third.try_recv(), Ok(1));
}

#[test]
fn a_capacity_of_zero_is_refused_with_what_to_do() {
    assert!(catch_unwind(|| broadcast::channel::<u8>(0)).is_err());
}

/// Counts its clones.
struct Counted(Rc<Cell<u32>>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

#[test]
fn the_last_receiver_gets_the_item_itself() {
    let (sender, mut first) = broadcast::channel(1);
    let mut second = sender.subscribe();
    let clones = Rc::new(Cell::new(0));
    assert!(sender.send(Counted(Rc::clone(&clones))).is_ok());
    drop(at_once(first.recv()));
    drop(at_once(second.recv()));
    assert_eq!((clones.get(), Rc::strong_count(&clones), sender.len()), (1, 1, 0));
}

#[test]
fn an_item_is_dropped_with_the_last_receiver_that_had_not_got_it() {
    let (sender, mut first) = broadcast::channel(4);
    let second = sender.subscribe();
    let item = Rc::new(());
    sender.send(Rc::clone(&item)).unwrap();
    drop(first.try_recv().unwrap());
    assert_eq!(Rc::strong_count(&item), 2);
    drop(second);
    assert_eq!((Rc::strong_count(&item), sender.is_empty()), (1, true));
}

/// A receiver, the items that it should get (an error as the number of missed ones), and whether it
/// waits.
struct Listener {
    receiver: Receiver<u64>,
    expected: VecDeque<u64>,
    missed: u64,
    waker: CountedWaker,
    waits: bool,
}

impl Listener {
    fn new(receiver: Receiver<u64>) -> Self {
        let waker = CountedWaker::new();
        Self { receiver, expected: VecDeque::new(), missed: 0, waker, waits: false }
    }

    fn send(&mut self, item: u64, capacity: usize) {
        self.expected.push_back(item);
        if self.expected.len() > capacity {
            self.expected.pop_front();
            self.missed += 1;
        }
        self.expect_wake();
    }

    fn expect_wake(&mut self) {
        assert_eq!(self.waker.take(), usize::from(self.waits));
        self.waits = false;
    }

    fn recv(&mut self, is_closed: bool) {
        // By the stream, whose place in the line outlives a poll.
        let poll = by_hand(self.receiver.next_stream()).poll_with(&self.waker.waker);
        let due = self.missed > 0 || !self.expected.is_empty();
        match poll {
            Poll::Ready(Some(Ok(item))) => {
                assert_eq!((self.missed, Some(item)), (0, self.expected.pop_front()));
            }
            Poll::Ready(Some(Err(error))) => {
                assert_eq!(error.lagged(), Some(mem::take(&mut self.missed)));
            }
            Poll::Ready(None) => assert!(is_closed && !due),
            Poll::Pending => assert!(!is_closed && !due),
        }
        self.waits = poll.is_pending();
    }
}

trait NextStream {
    fn next_stream(&mut self) -> Next<'_, Receiver<u64>>;
}

impl NextStream for Receiver<u64> {
    fn next_stream(&mut self) -> Next<'_, Self> {
        StreamExt::next(self)
    }
}

fn storm(dice: &mut Dice) {
    let capacity = 1 + usize::try_from(dice.roll(3)).unwrap();
    let (sender, receiver) = broadcast::channel(capacity);
    let mut sender: Option<Sender<u64>> = Some(sender);
    let mut listeners = vec![Listener::new(receiver)];
    for item in 0..40 {
        let at = usize::try_from(dice.roll(1 + listeners.len() as u64)).unwrap();
        match (dice.roll(12), &sender) {
            (0, Some(sender)) => listeners.push(Listener::new(sender.subscribe())),
            (1, _) if at < listeners.len() => drop(listeners.swap_remove(at)),
            (2, _) if dice.roll(6) == 0 => {
                sender = None;
                listeners.iter_mut().for_each(Listener::expect_wake);
            }
            (2..6, Some(sender)) => {
                assert_eq!(sender.send(item).ok(), Some(listeners.len()).filter(|&len| len > 0));
                for listener in &mut listeners {
                    listener.send(item, capacity);
                }
            }
            (6.., _) if at < listeners.len() => listeners[at].recv(sender.is_none()),
            _ => {}
        }
        if let Some(sender) = &sender {
            let slowest = listeners.iter().map(|listener| listener.expected.len()).max();
            assert_eq!(sender.len(), slowest.unwrap_or(0));
        }
    }
}

#[test]
fn storms_of_a_broadcast_lose_nothing_silently() {
    schedules(10_000, storm);
}
