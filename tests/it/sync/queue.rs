//! The promises of asyncio's queues, and further ones of these queues.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::any::Any;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use oneloop::sync::queue::{BaseQueue, Order};
use oneloop::sync::{LifoQueue, PriorityQueue, Queue};
use oneloop::{create_task, gather, sleep, time, timeout, yield_now};

use super::harness::{ByHand, CountedWaker, at_once, by_hand};

const SECOND: Duration = Duration::from_secs(1);

fn filled<O: Order<u32>>(queue: &BaseQueue<u32, O>, items: impl IntoIterator<Item = u32>) {
    for item in items {
        queue.try_put(item).unwrap();
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map_or_else(|| panic.downcast_ref::<&str>().unwrap(), String::as_str)
}

fn drain<O: Order<u32>>(queue: &BaseQueue<u32, O>) -> Vec<u32> {
    iter::from_fn(|| queue.try_get().ok()).collect()
}

// Order and size.

#[test]
fn items_come_first_in_first_out() {
    let queue = Queue::unbounded();
    filled(&queue, [1, 3, 2]);
    assert_eq!(drain(&queue), [1, 3, 2]);
}

#[test]
fn the_youngest_item_of_a_lifo_queue_comes_first() {
    let queue = LifoQueue::unbounded();
    filled(&queue, [1, 3, 2]);
    assert_eq!(drain(&queue), [2, 3, 1]);
}

#[test]
fn the_smallest_item_of_a_priority_queue_comes_first() {
    let queue = PriorityQueue::unbounded();
    filled(&queue, [1, 3, 2]);
    assert_eq!(drain(&queue), [1, 2, 3]);
}

#[test]
fn a_woken_getter_takes_the_smallest_item_that_is_there_when_it_runs() {
    let queue = PriorityQueue::unbounded();
    let mut get = by_hand(queue.get());
    get.pending();
    filled(&queue, [5, 1]);
    assert_eq!(get.ready(), Some(1));
}

#[test]
fn a_queue_is_full_at_its_capacity() {
    let queue = Queue::new(2);
    assert_eq!((queue.capacity(), queue.len(), queue.is_full()), (Some(2), 0, false));
    filled(&queue, [1]);
    assert!(!queue.is_full() && !queue.is_empty());
    filled(&queue, [2]);
    assert!(queue.is_full());
    let error = queue.try_put(3).unwrap_err();
    assert!(error.is_full() && !error.is_closed());
    assert_eq!((error.to_string().as_str(), error.into_inner()), ("the queue is full", 3));
}

#[test]
fn an_unbounded_queue_is_never_full() {
    let queue = Queue::unbounded();
    filled(&queue, 0..10_000);
    assert_eq!((queue.capacity(), queue.len(), queue.is_full()), (None, 10_000, false));
}

#[test]
fn to_get_nothing_at_once_is_an_error() {
    let error = Queue::<u32>::new(1).try_get().unwrap_err();
    assert!(error.is_empty() && !error.is_closed());
    assert_eq!(error.to_string(), "the queue is empty");
}

#[test]
fn a_capacity_of_zero_is_refused_with_what_to_do() {
    let panic = catch_unwind(|| Queue::<u32>::new(0)).unwrap_err();
    let message = message_of(&*panic);
    assert!(message.contains("unbounded()") && message.contains("channel(0)"), "{message}");
}

// Waiting.

#[oneloop::test(virtual_time)]
async fn get_waits_for_an_item() {
    let queue = Rc::new(Queue::unbounded());
    let putter = Rc::clone(&queue);
    create_task(async move {
        sleep(SECOND).await;
        putter.put(1).await.unwrap();
    })
    .detach();
    let start = time::now();
    assert_eq!(queue.get().await, Some(1));
    assert_eq!(time::now() - start, SECOND);
}

#[oneloop::test(virtual_time)]
async fn put_waits_for_room() {
    let queue = Rc::new(Queue::new(1));
    let putter = Rc::clone(&queue);
    let putter = create_task(async move {
        putter.put(1).await.unwrap();
        putter.put(2).await.unwrap();
        time::now()
    });
    let start = time::now();
    sleep(SECOND).await;
    assert_eq!(queue.get().await, Some(1));
    assert_eq!(putter.await.unwrap() - start, SECOND);
    assert_eq!(queue.get().await, Some(2));
}

#[test]
fn getters_are_served_in_the_order_of_their_first_polls() {
    let queue = Queue::unbounded();
    let mut getters: Vec<_> = (0..3).map(|_| by_hand(queue.get())).collect();
    for at in [1, 0, 2] {
        getters[at].pending();
    }
    filled(&queue, [10]);
    assert_eq!(getters.iter().map(ByHand::wakes).collect::<Vec<_>>(), [0, 1, 0]);
    filled(&queue, [20]);
    assert_eq!(getters.iter().map(ByHand::wakes).collect::<Vec<_>>(), [1, 0, 0]);
}

#[test]
fn putters_are_served_in_the_order_of_their_first_polls() {
    let queue = Queue::new(1);
    filled(&queue, [0]);
    let mut putters: Vec<_> = (0..2).map(|item| by_hand(queue.put(item))).collect();
    putters[1].pending();
    putters[0].pending();
    assert_eq!(queue.try_get(), Ok(0));
    assert_eq!((putters[0].wakes(), putters[1].wakes()), (0, 1));
}

#[test]
fn nobody_takes_an_item_that_a_woken_getter_was_promised() {
    let queue = Queue::unbounded();
    let mut get = by_hand(queue.get());
    get.pending();
    filled(&queue, [1]);
    assert_eq!(queue.len(), 1);
    assert!(queue.try_get().unwrap_err().is_empty());
    by_hand(queue.get()).pending();
    assert_eq!(get.ready(), Some(1));
}

#[test]
fn nobody_takes_room_that_a_woken_putter_was_promised() {
    let queue = Queue::new(1);
    filled(&queue, [1]);
    let mut put = by_hand(queue.put(2));
    put.pending();
    assert_eq!(queue.try_get(), Ok(1));
    assert!(queue.is_full() && queue.is_empty());
    assert!(queue.try_put(3).unwrap_err().is_full());
    put.ready().unwrap();
    assert_eq!(queue.try_get(), Ok(2));
}

// Cancelling.

#[test]
fn a_getter_that_is_dropped_after_its_wake_passes_the_item_on() {
    let queue = Queue::unbounded();
    let (mut first, mut second) = (by_hand(queue.get()), by_hand(queue.get()));
    first.pending();
    second.pending();
    filled(&queue, [1]);
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.ready(), Some(1));
}

#[test]
fn an_item_whose_getter_was_dropped_stays_in_its_place() {
    let queue = Queue::unbounded();
    let mut get = by_hand(queue.get());
    get.pending();
    filled(&queue, [1, 2]);
    drop(get);
    assert_eq!(drain(&queue), [1, 2]);
}

#[test]
fn a_putter_that_is_dropped_after_its_wake_passes_the_room_on() {
    let queue = Queue::new(1);
    filled(&queue, [1]);
    let (mut first, mut second) = (by_hand(queue.put(2)), by_hand(queue.put(3)));
    first.pending();
    second.pending();
    assert_eq!(queue.try_get(), Ok(1));
    drop(first);
    assert_eq!(second.wakes(), 1);
    second.ready().unwrap();
    assert_eq!(drain(&queue), [3], "what was dropped was not put");
}

#[test]
fn a_waiter_that_is_dropped_while_it_waits_is_forgotten() {
    let queue = Queue::new(1);
    for _ in 0..100 {
        by_hand(queue.get()).pending();
    }
    filled(&queue, [1]);
    assert_eq!(queue.try_get(), Ok(1));
    filled(&queue, [2]);
    for _ in 0..100 {
        by_hand(queue.put(3)).pending();
    }
    assert_eq!(drain(&queue), [2]);
    filled(&queue, [4]);
}

#[test]
fn a_future_that_was_never_polled_leaves_no_trace() {
    let queue = Queue::new(1);
    drop(queue.put(1));
    drop(queue.get());
    assert!(queue.is_empty());
    filled(&queue, [2]);
    assert_eq!(queue.try_get(), Ok(2));
}

#[oneloop::test(virtual_time)]
async fn a_get_that_timed_out_loses_no_item() {
    let queue = Rc::new(Queue::new(1));
    let putter = Rc::clone(&queue);
    create_task(async move {
        for item in 0..10 {
            sleep(SECOND).await;
            putter.put(item).await.unwrap();
        }
        putter.close();
    })
    .detach();
    let mut got = Vec::new();
    loop {
        match timeout(SECOND, queue.get()).await {
            Ok(Some(item)) => got.push(item),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!(got, (0..10).collect::<Vec<_>>());
}

#[test]
fn the_latest_waker_counts() {
    let queue = Queue::unbounded();
    let mut get = by_hand(queue.get());
    get.pending();
    let other = CountedWaker::new();
    assert!(get.poll_with(&other.waker).is_pending());
    filled(&queue, [1]);
    assert_eq!((get.wakes(), other.take()), (0, 1));
    assert_eq!(get.ready(), Some(1));
}

// join and task_done.

#[oneloop::test]
async fn join_returns_when_each_item_is_done() {
    let queue = Rc::new(Queue::unbounded());
    filled(&queue, 0..100);
    let sums = [0; 2].map(|_| {
        let queue = Rc::clone(&queue);
        create_task(async move {
            let mut sum = 0;
            while let Some(item) = queue.get().await {
                sum += item;
                yield_now().await;
                queue.task_done();
            }
            sum
        })
    });
    queue.join().await;
    assert!(queue.is_empty());
    queue.close();
    let sums = gather(sums).await;
    assert_eq!(sums.into_iter().map(Result::unwrap).sum::<u32>(), (0..100).sum());
}

#[test]
fn join_of_an_empty_queue_returns_at_once() {
    let queue = Queue::<u32>::new(1);
    at_once(queue.join());
    at_once(queue.join());
}

#[test]
fn join_waits_for_items_that_were_taken_and_are_not_done() {
    let queue = Queue::new(1);
    filled(&queue, [1]);
    assert_eq!(queue.try_get(), Ok(1));
    let mut join = by_hand(queue.join());
    join.pending();
    queue.task_done();
    assert_eq!(join.wakes(), 1);
    join.ready();
}

#[test]
fn a_join_that_was_woken_is_over_whatever_is_put_after_that() {
    let queue = Queue::new(2);
    filled(&queue, [1]);
    let mut join = by_hand(queue.join());
    join.pending();
    queue.task_done();
    filled(&queue, [2]);
    join.ready();
    by_hand(queue.join()).pending();
}

#[test]
fn task_done_too_often_panics_and_changes_nothing() {
    let queue = Queue::new(1);
    filled(&queue, [1]);
    queue.task_done();
    let panic = catch_unwind(AssertUnwindSafe(|| queue.task_done())).unwrap_err();
    let message = message_of(&*panic);
    assert!(message.contains("once for each item that `get` gave"), "{message}");
    at_once(queue.join());
    assert_eq!(queue.try_get(), Ok(1));
    filled(&queue, [2]);
    by_hand(queue.join()).pending();
}

// Closing.

#[test]
fn a_closed_queue_refuses_items_and_gives_them_back() {
    let queue = Queue::new(1);
    queue.close();
    assert!(queue.is_closed());
    let error = queue.try_put(1).unwrap_err();
    assert!(error.is_closed() && !error.is_full());
    assert_eq!((error.to_string().as_str(), error.into_inner()), ("the queue is closed", 1));
    let error = at_once(queue.put(2)).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.into_inner()), ("the queue is closed", 2));
}

#[test]
fn a_closed_queue_drains_and_then_ends() {
    let queue = Queue::new(3);
    filled(&queue, [1, 2, 3]);
    queue.close();
    queue.close();
    assert_eq!(at_once(queue.get()), Some(1));
    assert_eq!(drain(&queue), [2, 3]);
    assert_eq!(at_once(queue.get()), None);
    let error = queue.try_get().unwrap_err();
    assert!(error.is_closed());
    assert_eq!(error.to_string(), "the queue is closed and drained");
}

#[test]
fn closing_wakes_putters_that_wait_and_they_get_their_items_back() {
    let queue = Queue::new(1);
    filled(&queue, [1]);
    let (mut promised, mut waiting) = (by_hand(queue.put(2)), by_hand(queue.put(3)));
    promised.pending();
    waiting.pending();
    assert_eq!(queue.try_get(), Ok(1));
    queue.close();
    assert_eq!((promised.wakes(), waiting.wakes()), (1, 1));
    assert_eq!(promised.ready().unwrap_err().into_inner(), 2);
    assert_eq!(waiting.ready().unwrap_err().into_inner(), 3);
}

#[test]
fn closing_wakes_getters_that_wait_for_nothing() {
    let queue = Queue::<u32>::new(1);
    let mut get = by_hand(queue.get());
    get.pending();
    queue.close();
    assert_eq!(get.wakes(), 1);
    assert_eq!(get.ready(), None);
}

#[test]
fn a_getter_of_a_closed_queue_waits_while_an_item_may_come_back() {
    let queue = Queue::new(1);
    let (mut first, mut second) = (by_hand(queue.get()), by_hand(queue.get()));
    first.pending();
    second.pending();
    filled(&queue, [1]);
    queue.close();
    second.pending();
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.ready(), Some(1));
}

#[test]
fn the_last_item_of_a_closed_queue_sends_the_other_getters_away() {
    let queue = Queue::new(1);
    let (mut first, mut second) = (by_hand(queue.get()), by_hand(queue.get()));
    first.pending();
    second.pending();
    filled(&queue, [1]);
    queue.close();
    assert_eq!(first.ready(), Some(1));
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.ready(), None);
}

#[test]
fn close_now_returns_the_items_and_join_waits_for_those_that_were_taken() {
    let queue = Queue::new(3);
    filled(&queue, [1, 2, 3]);
    assert_eq!(queue.try_get(), Ok(1));
    let mut join = by_hand(queue.join());
    join.pending();
    assert_eq!(queue.close_now(), [2, 3]);
    join.pending();
    queue.task_done();
    join.ready();
    assert!(queue.try_get().unwrap_err().is_closed());
}

#[test]
fn close_now_returns_also_what_a_woken_getter_had_not_taken() {
    let queue = Queue::new(1);
    let mut get = by_hand(queue.get());
    get.pending();
    filled(&queue, [1]);
    assert_eq!(queue.close_now(), [1]);
    assert_eq!(get.ready(), None);
    at_once(queue.join());
}

#[test]
fn close_now_of_a_lifo_queue_returns_the_youngest_first() {
    let queue = LifoQueue::new(3);
    filled(&queue, [1, 2, 3]);
    assert_eq!(queue.close_now(), [3, 2, 1]);
}

#[oneloop::test]
async fn the_stream_of_a_queue_ends_when_it_is_closed_and_drained() {
    let queue = Rc::new(Queue::new(1));
    let putter = Rc::clone(&queue);
    create_task(async move {
        for item in 0..5 {
            putter.put(item).await.unwrap();
        }
        putter.close();
    })
    .detach();
    assert_eq!(queue.stream().collect::<Vec<_>>().await, [0, 1, 2, 3, 4]);
}

#[test]
fn a_stream_keeps_its_place_in_the_line_until_it_is_dropped() {
    let queue = Queue::unbounded();
    let mut stream = queue.stream();
    by_hand(stream.next()).pending();
    let mut get = by_hand(queue.get());
    get.pending();
    filled(&queue, [1]);
    assert_eq!(get.wakes(), 0);
    drop(stream);
    assert_eq!(get.wakes(), 1);
    assert_eq!(get.ready(), Some(1));
}

#[test]
fn items_that_were_called_done_before_they_were_taken_are_done_once() {
    let queue = Queue::unbounded();
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    queue.task_done();
    assert_eq!(queue.close_now(), [1, 2]);
    at_once(queue.join());
}
