//! `thread::channel`: items from threads to a loop, and the other way round.

use std::collections::BTreeMap;
use std::hint;
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;

use futures::StreamExt as _;
use oneloop::thread::{channel, to_thread};
use oneloop::{create_task, gather, sleep, timeout, yield_now};

use super::{MS, poll_once};

#[oneloop::test]
async fn a_thread_feeds_the_loop_in_order() {
    let (sender, mut receiver) = channel(4);
    let produce = to_thread(move || (0..1000).for_each(|n| sender.send(n).unwrap()));
    let consume = async {
        let mut all = Vec::new();
        while let Some(n) = receiver.recv().await {
            assert!(receiver.len() <= 4, "no more than there is room for");
            all.push(n);
        }
        all
    };
    let ((), all) = gather!(produce, consume).await;
    assert!(all.into_iter().eq(0..1000));
}

#[oneloop::test]
async fn it_is_full_exactly_at_its_capacity() {
    for capacity in 1..5 {
        let (sender, mut receiver) = channel(capacity);
        assert_eq!(sender.capacity(), Some(capacity));
        for n in 0..capacity {
            sender.try_send(n).unwrap();
        }
        for n in 0..20 {
            let error = sender.try_send(100).unwrap_err();
            assert!(error.is_full());
            assert_eq!((error.into_inner(), sender.len()), (100, capacity));
            assert_eq!(receiver.recv().await, Some(n));
            assert_eq!(receiver.len(), capacity - 1, "also while the receiver has taken more");
            sender.try_send(n + capacity).unwrap();
        }
    }
}

#[oneloop::test]
async fn without_a_limit_nobody_waits() {
    let (sender, mut receiver) = channel(usize::MAX);
    assert_eq!((sender.capacity(), receiver.capacity()), (None, None));
    for n in 0..10_000 {
        sender.try_send(n).unwrap();
    }
    drop(sender);
    assert_eq!(receiver.len(), 10_000);
    let all = receiver.by_ref().collect::<Vec<_>>().await;
    assert!(all.into_iter().eq(0..10_000));
    assert!(receiver.is_empty() && receiver.is_closed());
}

#[oneloop::test]
async fn the_receiver_gets_what_is_left_when_the_senders_are_gone() {
    let (sender, mut receiver) = channel(4);
    let other = sender.clone();
    sender.try_send(1).unwrap();
    drop(sender);
    assert!(!receiver.is_closed());
    other.try_send(2).unwrap();
    drop(other);
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.next().await, Some(2));
    assert!(receiver.try_recv().unwrap_err().is_closed());
    assert_eq!(receiver.recv().await, None);
    assert_eq!(receiver.recv().await, None);
}

#[oneloop::test]
async fn a_receiver_that_waits_learns_that_the_last_sender_is_gone() {
    let (sender, mut receiver) = channel::<u8>(1);
    assert!(receiver.try_recv().unwrap_err().is_empty());
    let mut recv = receiver.recv();
    assert!(poll_once(&mut recv).await.is_pending());
    to_thread(move || drop(sender)).await;
    assert_eq!(recv.await, None);
}

#[test]
fn senders_get_their_items_back_when_the_receiver_is_gone() {
    let (sender, receiver) = channel(1);
    sender.send(1).unwrap();
    let waiting: Vec<_> = (0..3)
        .map(|n| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(n).unwrap_err().into_inner())
        })
        .collect();
    // Some already wait by now, and the others come too late. All get the same result.
    thread::sleep(MS);
    drop(receiver);
    for (n, thread) in waiting.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), n);
    }
    assert!(sender.is_closed());
    assert!(sender.try_send(7).unwrap_err().is_closed());
    assert!(sender.send_timeout(8, MS).unwrap_err().is_closed());
}

#[oneloop::test]
async fn a_closed_channel_takes_no_more_and_gives_what_it_has() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let other = sender.clone();
    let late = create_task(async move { other.send_async(2).await });
    yield_now().await;
    receiver.close();
    assert_eq!(late.await.unwrap().unwrap_err().into_inner(), 2);
    assert_eq!(receiver.recv().await, Some(1));
    assert_eq!(receiver.recv().await, None);
}

#[test]
fn what_is_left_is_dropped_with_the_receiver() {
    let item = Arc::new(());
    let (sender, mut receiver) = channel(4);
    for _ in 0..3 {
        sender.send(Arc::clone(&item)).unwrap();
    }
    drop(receiver.try_recv());
    sender.send(Arc::clone(&item)).unwrap();
    assert_eq!(Arc::strong_count(&item), 4, "one of each kind of place");
    drop(receiver);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[oneloop::test]
async fn a_blocked_sender_goes_on_when_there_is_room() {
    let (sender, mut receiver) = channel(1);
    let (said, told) = mpsc::channel();
    let blocked = create_task(to_thread(move || {
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        said.send(()).unwrap();
        sender.send(3).unwrap();
    }));
    sleep(MS).await;
    assert!(told.try_recv().is_err());
    assert_eq!(receiver.recv().await, Some(1));
    to_thread(move || told.recv().unwrap()).await;
    assert_eq!(receiver.recv().await, Some(2));
    assert_eq!(receiver.recv().await, Some(3));
    blocked.await.unwrap();
}

#[test]
fn a_send_with_a_limit_gives_its_item_back_in_time() {
    let (sender, mut receiver) = channel(1);
    sender.send_timeout(1, MS).unwrap();
    assert_eq!(sender.send_timeout(2, MS).unwrap_err().into_inner(), 2);
    assert_eq!(receiver.recv_blocking(), Some(1));
    sender.send_timeout(3, MS).unwrap();
    drop(sender);
    assert_eq!((receiver.recv_blocking(), receiver.recv_blocking()), (Some(3), None));
}

#[test]
fn to_block_a_loop_is_an_error_that_says_what_to_do() {
    let said = |f: fn()| {
        let caught = panic::catch_unwind(|| oneloop::run(async move { f() }));
        *caught.unwrap_err().downcast::<String>().unwrap()
    };
    let message = said(|| channel(1).0.send(1).unwrap());
    assert!(message.contains("`send` blocks the thread") && message.contains("`send_async`"));
    let message = said(|| channel(1).0.send_timeout(1, MS).unwrap());
    assert!(message.contains("`send_timeout` blocks"));
    let message = said(|| assert!(channel::<u8>(1).1.recv_blocking().is_none()));
    assert!(message.contains("`recv_blocking` blocks") && message.contains("use `recv` here"));
}

#[test]
#[should_panic(expected = "make it with a capacity of 1 or more")]
fn a_channel_without_room_is_refused() {
    drop(channel::<u8>(0));
}

#[oneloop::test]
async fn a_send_that_is_dropped_has_not_sent_and_passes_its_room_on() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let (mut first, mut second) = (sender.send_async(1), sender.send_async(2));
    assert!(poll_once(&mut first).await.is_pending());
    assert!(poll_once(&mut second).await.is_pending());
    assert_eq!(receiver.recv().await, Some(0), "this calls the first");
    drop(first);
    second.await.unwrap();
    assert_eq!(receiver.recv().await, Some(2));
    assert!(sender.is_empty());
}

/// Counts its wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn who_waits_is_woken_in_order_and_passes_on_what_it_does_not_use() {
    let (sender, mut receiver) = channel(1);
    sender.send(0).unwrap();
    let wakes: [Arc<Wakes>; 3] = Default::default();
    let wakers = wakes.clone().map(Waker::from);
    let count = || wakes.each_ref().map(|wakes| wakes.0.load(Ordering::SeqCst));
    let mut sends = [1, 2, 3].map(|n| Box::pin(sender.send_async(n)));
    for (send, waker) in sends.iter_mut().zip(&wakers) {
        assert!(send.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(count(), [1, 0, 0]);
    let [first, second, third] = sends;
    drop(first);
    assert_eq!(count(), [1, 1, 0], "the second in its place");
    sender.send(7).unwrap();
    let mut second = second;
    let poll = second.as_mut().poll(&mut Context::from_waker(&wakers[1]));
    assert!(poll.is_pending(), "it was overtaken, and waits again");
    assert_eq!(receiver.try_recv(), Ok(7));
    assert_eq!(count(), [1, 2, 0], "before the third, which came later");
    drop(second);
    drop(third);
    assert_eq!(count(), [1, 2, 1]);
    sender.send(8).unwrap();
    assert_eq!(receiver.try_recv(), Ok(8));
}

#[test]
fn many_items_wake_the_receiver_once() {
    let (sender, mut receiver) = channel(100);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut recv = pin!(receiver.recv());
    assert!(recv.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for n in 0..100 {
        sender.send(n).unwrap();
    }
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert!(recv.poll(&mut Context::from_waker(&waker)).is_ready());
}

#[oneloop::test]
async fn a_receiver_that_always_finds_items_lets_others_run() {
    let (sender, mut receiver) = channel(usize::MAX);
    for n in 0..1000 {
        sender.try_send(n).unwrap();
    }
    drop(sender);
    let receive = create_task(async move { while receiver.recv().await.is_some() {} });
    let mut turns = 0;
    while !receive.is_finished() {
        turns += 1;
        yield_now().await;
    }
    assert!(turns > 3, "{turns}");
}

/// Threads and tasks of several loops send, with and without limits, to a task that receives and
/// sometimes stops waiting.
#[test]
fn a_storm_of_senders_loses_and_doubles_nothing() {
    for capacity in [1, 2, 7, 64] {
        let (sender, mut receiver) = channel(capacity);
        let threads: Vec<_> = (0..4_u32)
            .map(|number| {
                let sender = sender.clone();
                thread::spawn(move || match number {
                    0 => (0..500).for_each(|n| sender.send((number, n)).unwrap()),
                    1 => oneloop::run(async {
                        for n in 0..500 {
                            sender.send_async((number, n)).await.unwrap();
                        }
                    }),
                    2 => oneloop::run(async {
                        for n in 0..500 {
                            // Abandoned at any time, and tried again.
                            while timeout(MS / 20, sender.send_async((number, n))).await.is_err() {}
                        }
                    }),
                    _ => {
                        for n in 0..500 {
                            let mut item = (number, n);
                            while let Err(error) = sender.send_timeout(item, MS / 20) {
                                item = error.into_inner();
                            }
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let all = oneloop::run(async {
            let mut all = BTreeMap::<u32, Vec<u32>>::new();
            loop {
                match timeout(MS / 10, receiver.recv()).await {
                    Ok(Some((number, n))) => all.entry(number).or_default().push(n),
                    Ok(None) => return all,
                    Err(_) => {}
                }
            }
        });
        assert_eq!(all.len(), 4);
        for (number, items) in all {
            assert!(items.into_iter().eq(0..500), "sender {number} with capacity {capacity}");
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

/// The receiver makes room at the very moment when the sender finds none.
#[test]
fn a_sender_does_not_wait_where_there_is_room() {
    let (sender, mut receiver) = channel(1);
    let sends = thread::spawn(move || (0..10_000).for_each(|n| sender.send(n).unwrap()));
    for n in 0..10_000 {
        let mut spins = 0;
        let item = loop {
            match receiver.try_recv() {
                Ok(item) => break item,
                // The sender needs a processor too, and there may be only one.
                Err(_) if spins == 1000 => {
                    spins = 0;
                    thread::yield_now();
                }
                Err(_) => spins += 1,
            }
            hint::spin_loop();
        };
        assert_eq!(item, n);
    }
    sends.join().unwrap();
}

/// The receiver is dropped at any time. Each item was received, was dropped with it, or came back.
#[test]
fn a_receiver_that_goes_loses_nothing() {
    for round in 0..50 {
        let item = Arc::new(());
        let (sender, mut receiver) = channel(3);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (sender, item) = (sender.clone(), Arc::clone(&item));
                thread::spawn(move || while sender.send(Arc::clone(&item)).is_ok() {})
            })
            .collect();
        for _ in 0..round {
            assert!(receiver.recv_blocking().is_some());
        }
        drop(receiver);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&item), 1);
    }
}
