//! The promises of Trio's memory channels, and further ones of these channels.

use std::cell::RefCell;
use std::rc::Rc;

use futures::StreamExt;
use oneloop::sync::{channel, unbounded_channel};
use oneloop::{create_task, gather, yield_now};

use super::harness::{at_once, by_hand};

#[test]
fn items_come_in_the_order_in_which_they_were_sent() {
    let (sender, receiver) = channel(3);
    for item in 0..3 {
        at_once(sender.send(item)).unwrap();
    }
    for item in 0..3 {
        assert_eq!(at_once(receiver.recv()), Some(item));
    }
    assert!(receiver.try_recv().unwrap_err().is_empty());
}

#[test]
fn a_full_channel_gives_the_item_back() {
    let (sender, _receiver) = channel(1);
    sender.try_send("a").unwrap();
    let error = sender.try_send("b").unwrap_err();
    assert!(error.is_full() && !error.is_closed());
    assert_eq!(error.to_string(), "there is no room in this channel");
    assert_eq!(error.into_inner(), "b");
    by_hand(sender.send("b")).pending();
}

#[test]
fn receivers_drain_and_then_end_when_the_last_sender_is_gone() {
    let (sender, receiver) = channel(2);
    let other = sender.clone();
    sender.try_send(1).unwrap();
    drop(sender);
    other.try_send(2).unwrap();
    assert!(!receiver.is_closed());
    drop(other);
    assert!(receiver.is_closed());
    assert_eq!(at_once(receiver.recv()), Some(1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert!(receiver.try_recv().unwrap_err().is_closed());
    assert_eq!(at_once(receiver.recv()), None);
}

#[test]
fn a_receiver_that_waits_is_told_that_the_last_sender_is_gone() {
    for capacity in [0, 1] {
        let (sender, receiver) = channel::<u8>(capacity);
        let mut recv = by_hand(receiver.recv());
        recv.pending();
        drop(sender);
        assert_eq!(recv.wakes(), 1);
        assert_eq!(recv.ready(), None);
    }
}

#[test]
fn senders_get_their_items_back_when_the_last_receiver_is_gone() {
    for capacity in [0, 1] {
        let (sender, receiver) = channel(capacity);
        let other = receiver.clone();
        while capacity > 0 && sender.try_send(0).is_ok() {}
        let mut send = by_hand(sender.send(1));
        send.pending();
        drop(receiver);
        assert!(!sender.is_closed());
        send.pending();
        drop(other);
        assert!(sender.is_closed());
        assert_eq!(send.wakes(), 1);
        let error = send.ready().unwrap_err();
        assert_eq!(error.to_string(), "this channel has no receiver any more");
        assert_eq!(error.into_inner(), 1);
        let error = sender.try_send(2).unwrap_err();
        assert!(error.is_closed() && error.into_inner() == 2);
    }
}

#[test]
fn what_nobody_can_receive_any_more_is_dropped_at_once() {
    let (sender, receiver) = channel(4);
    let item = Rc::new(());
    sender.try_send(Rc::clone(&item)).unwrap();
    drop(receiver);
    assert_eq!(Rc::strong_count(&item), 1);
    assert!(sender.is_closed());
}

#[test]
fn closed_waits_for_the_last_receiver_to_go() {
    let (sender, receiver) = channel::<u8>(1);
    let mut closed = [by_hand(sender.closed()), by_hand(sender.closed())];
    closed[0].pending();
    closed[1].pending();
    drop(receiver);
    for closed in &mut closed {
        assert_eq!(closed.wakes(), 1);
        closed.ready();
    }
}

#[test]
fn either_end_closes_the_channel_for_all() {
    for closes_sender in [true, false] {
        let (sender, receiver) = channel(1);
        sender.try_send(1).unwrap();
        let mut send = by_hand(sender.send(2));
        send.pending();
        if closes_sender {
            sender.close();
        } else {
            receiver.close();
        }
        assert_eq!(send.ready().unwrap_err().into_inner(), 2);
        at_once(sender.closed());
        assert_eq!(at_once(receiver.recv()), Some(1));
        assert_eq!(at_once(receiver.recv()), None);
    }
}

#[oneloop::test]
async fn each_item_goes_to_one_receiver() {
    let (sender, receiver) = channel(2);
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let receiver = receiver.clone();
            create_task(async move { receiver.collect::<Vec<u32>>().await })
        })
        .collect();
    drop(receiver);
    for item in 0..30 {
        sender.send(item).await.unwrap();
    }
    drop(sender);
    let mut got: Vec<_> = gather(receivers).await.into_iter().flat_map(Result::unwrap).collect();
    got.sort_unstable();
    assert_eq!(got, (0..30).collect::<Vec<_>>());
}

#[test]
fn statistics_tell_what_is_buffered_who_waits_and_how_many_ends_are_open() {
    let (sender, receiver) = channel(2);
    let (second, third) = (sender.clone(), receiver.clone());
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    let mut send = by_hand(second.send(3));
    send.pending();
    let seen = receiver.statistics();
    assert_eq!((seen.buffered, seen.peak, seen.capacity), (2, 2, Some(2)));
    assert_eq!((seen.senders, seen.receivers), (2, 2));
    assert_eq!((seen.waiting_senders, seen.waiting_receivers), (1, 0));
    drop((send, third));
    receiver.try_recv().unwrap();
    receiver.try_recv().unwrap();
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    let seen = sender.statistics();
    assert_eq!((seen.buffered, seen.peak, seen.receivers), (0, 2, 1));
    assert_eq!((seen.waiting_senders, seen.waiting_receivers), (0, 1));
}

#[test]
fn an_unbounded_channel_takes_everything() {
    let (sender, receiver) = unbounded_channel();
    for item in 0..1000 {
        at_once(sender.send(item)).unwrap();
    }
    assert_eq!((sender.capacity(), receiver.len(), receiver.is_empty()), (None, 1000, false));
    assert_eq!(receiver.statistics().peak, 1000);
}

// The stream.

#[test]
fn what_the_stream_was_promised_is_received_by_its_receiver_in_any_way() {
    for capacity in [0, 1] {
        let (sender, mut receiver) = channel(capacity);
        by_hand(StreamExt::next(&mut receiver)).pending();
        sender.try_send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        by_hand(StreamExt::next(&mut receiver)).pending();
        sender.try_send(2).unwrap();
        assert_eq!(at_once(receiver.recv()), Some(2));
    }
}

#[test]
fn a_receiver_that_is_dropped_passes_on_what_its_stream_was_promised() {
    let (sender, mut first) = channel(1);
    let second = first.clone();
    by_hand(StreamExt::next(&mut first)).pending();
    let mut recv = by_hand(second.recv());
    recv.pending();
    sender.try_send(1).unwrap();
    assert_eq!(recv.wakes(), 0);
    drop(first);
    assert_eq!(recv.wakes(), 1);
    assert_eq!(recv.ready(), Some(1));
}

// Rendezvous.

#[test]
fn a_rendezvous_send_is_ready_when_a_receiver_has_taken_the_item() {
    let (sender, receiver) = channel(0);
    let mut send = by_hand(sender.send(1));
    send.pending();
    assert_eq!((sender.capacity(), sender.len()), (Some(0), 0));
    assert_eq!(at_once(receiver.recv()), Some(1));
    assert_eq!(send.wakes(), 1);
    send.ready().unwrap();
}

#[test]
fn a_rendezvous_send_waits_also_for_a_receiver_that_was_there_first() {
    let (sender, receiver) = channel(0);
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    let mut send = by_hand(sender.send(1));
    send.pending();
    assert_eq!(recv.wakes(), 1);
    send.pending();
    assert_eq!(recv.ready(), Some(1));
    send.ready().unwrap();
}

#[test]
fn an_item_of_a_rendezvous_outlives_the_receiver_it_was_promised_to() {
    let (sender, receiver) = channel(0);
    let (mut first, mut second) = (by_hand(receiver.recv()), by_hand(receiver.recv()));
    first.pending();
    let mut send = by_hand(sender.send(1));
    send.pending();
    second.pending();
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.ready(), Some(1));
    send.ready().unwrap();
}

#[test]
fn nobody_takes_an_item_of_a_rendezvous_from_the_receiver_it_was_promised_to() {
    let (sender, receiver) = channel(0);
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    let mut send = by_hand(sender.send(1));
    send.pending();
    assert!(receiver.try_recv().unwrap_err().is_empty());
    assert_eq!(recv.ready(), Some(1));
}

#[test]
fn a_rendezvous_sender_that_is_dropped_takes_its_item_with_it() {
    let (sender, receiver) = channel(0);
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    let mut send = by_hand(sender.send(1));
    send.pending();
    drop(send);
    recv.pending();
    let mut send = by_hand(sender.send(2));
    send.pending();
    assert_eq!(recv.ready(), Some(2));
}

#[test]
fn try_send_to_a_rendezvous_needs_a_receiver_that_waits() {
    let (sender, receiver) = channel(0);
    assert!(sender.try_send(1).unwrap_err().is_full());
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    sender.try_send(2).unwrap();
    assert!(sender.try_send(3).unwrap_err().is_full());
    assert_eq!(recv.ready(), Some(2));
}

#[test]
fn an_item_of_try_send_whose_receiver_is_dropped_waits_for_the_next() {
    let (sender, receiver) = channel(0);
    let mut recv = by_hand(receiver.recv());
    recv.pending();
    sender.try_send(1).unwrap();
    drop(recv);
    let mut later = by_hand(sender.send(2));
    later.pending();
    assert_eq!(sender.len(), 1);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[oneloop::test]
async fn a_rendezvous_keeps_two_tasks_in_step() {
    let (sender, receiver) = channel(0);
    let log = Rc::new(RefCell::new(Vec::new()));
    let sent = Rc::clone(&log);
    let task = create_task(async move {
        for item in 0..3 {
            sender.send(item).await.unwrap();
            sent.borrow_mut().push(format!("sent {item}"));
        }
    });
    for _ in 0..5 {
        yield_now().await;
    }
    assert!(log.borrow().is_empty(), "nothing is sent before somebody receives");
    while let Some(item) = receiver.recv().await {
        log.borrow_mut().push(format!("received {item}"));
        yield_now().await;
    }
    task.await.unwrap();
    let expected: Vec<_> =
        (0..3).flat_map(|item| [format!("received {item}"), format!("sent {item}")]).collect();
    assert_eq!(*log.borrow(), expected);
}
