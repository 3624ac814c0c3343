//! `BaseQueue`: the behaviour common to queues of all orders.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};

use super::super::buffer::Buffer;
use super::super::store::{Fifo, Lifo, Order, Smallest};
use super::super::watchers::Watchers;
use super::error::{TryGetError, TryPutError};
use super::futures::{Get, Put, QueueStream};

/// A first-in, first-out queue. Asyncio's `Queue`. [`BaseQueue`] has its methods.
///
/// # Examples
///
/// The program from Python's documentation, in which three workers share twenty jobs:
///
/// ```
/// use oneloop::sync::Queue;
/// use oneloop::{create_task, sleep, time};
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// async fn worker(queue: Rc<Queue<Duration>>) {
///     // Until the queue is closed and drained.
///     while let Some(sleep_for) = queue.get().await {
///         sleep(sleep_for).await;
///         queue.task_done();
///     }
/// }
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let queue = Rc::new(Queue::unbounded());
///     let mut total = Duration::ZERO;
///     for n in 1..=20 {
///         let sleep_for = Duration::from_millis(50 * n);
///         total += sleep_for;
///         queue.try_put(sleep_for).unwrap();
///     }
///
///     let workers: Vec<_> = (0..3).map(|_| create_task(worker(queue.clone()))).collect();
///     let start = time::now();
///     queue.join().await;
///     let took = time::now() - start;
///     assert!(took > total / 3 && took < total / 2, "the workers slept beside each other");
///
///     queue.close();
///     for worker in workers {
///         worker.await.unwrap();
///     }
/// });
/// ```
pub type Queue<T> = BaseQueue<T, Fifo<T>>;

/// A queue that returns the youngest item first. Asyncio's `LifoQueue`.
///
/// # Examples
///
/// ```
/// let stack = oneloop::sync::LifoQueue::new(3);
/// for item in ["first", "second", "third"] {
///     stack.try_put(item).unwrap();
/// }
/// assert_eq!(stack.try_get(), Ok("third"));
/// ```
pub type LifoQueue<T> = BaseQueue<T, Lifo<T>>;

/// A queue that returns the smallest item first, and the oldest of equal items. Asyncio's
/// `PriorityQueue`.
///
/// To get the largest item first, wrap items in [`Reverse`](std::cmp::Reverse). Pairs of a priority
/// and a second value compare by the second value when their priorities are equal.
///
/// A comparison may use the queue for which it is made. An item it puts comes in afterwards. To a
/// `get` inside the comparison the queue looks empty. If a comparison panics, no item is lost, but
/// the order of the remaining items may change.
///
/// # Examples
///
/// ```
/// let jobs = oneloop::sync::PriorityQueue::unbounded();
/// for job in [(3, "sweep the floor"), (1, "put out the fire"), (2, "feed the cat")] {
///     jobs.try_put(job).unwrap();
/// }
/// assert_eq!(jobs.try_get(), Ok((1, "put out the fire")));
/// ```
pub type PriorityQueue<T> = BaseQueue<T, Smallest<T>>;

/// A queue with one of three orders: [`Queue`], [`LifoQueue`] or [`PriorityQueue`].
///
/// Tasks share it by reference or in an `Rc`. It has no separate ends: all holders can put and get.
/// For a channel that ends with its senders, see [`channel`](fn@crate::sync::channel).
///
/// Waiters are served directly, first come, first served. An item that was put for a waiting
/// [`get`](Self::get) belongs to that `get`; [`try_get`](Self::try_get) cannot take it first,
/// unlike asyncio's `get_nowait`. The same holds for room. Which item the waiter gets is decided
/// when it runs: the first in the order of the queue.
///
/// A queue is for use on one thread:
///
/// ```compile_fail,E0277
/// let queue = oneloop::sync::Queue::<u8>::unbounded();
/// std::thread::spawn(move || queue.try_put(1));
/// ```
///
/// ```compile_fail,E0277
/// let queue = oneloop::sync::PriorityQueue::<u8>::unbounded();
/// std::thread::scope(|scope| scope.spawn(|| queue.try_put(1)));
/// ```
pub struct BaseQueue<T, O: Order<T>> {
    buffer: Buffer<T, O>,
    /// The number of finished items: taken and `task_done`, or returned by `close_now`.
    done: Cell<u64>,
    /// How many times all items were finished.
    rounds: Cell<u64>,
    joins: Watchers,
}

impl<T, O: Order<T>> BaseQueue<T, O> {
    /// Creates a queue for up to `capacity` items. When it is full, [`put`](Self::put) waits.
    ///
    /// Queues in asyncio are unlimited by default. Here, use [`unbounded`](Self::unbounded).
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0.
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a queue of capacity 0 could never hold an item: use `unbounded()` for no limit, or `sync::channel(0)` to hand items over"
        );
        Self::with_capacity(capacity)
    }

    /// Creates a queue without a limit, so that [`put`](Self::put) never waits. If items arrive
    /// faster than they are taken, the queue grows until memory runs out.
    pub fn unbounded() -> Self {
        Self::with_capacity(usize::MAX)
    }

    fn with_capacity(capacity: usize) -> Self {
        let buffer = Buffer::new(capacity);
        Self { buffer, done: Cell::new(0), rounds: Cell::new(0), joins: Watchers::new() }
    }

    /// Puts an item in, waiting while the queue is full.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing is put and the item is dropped with it.
    /// To keep the item, use [`try_put`](Self::try_put), which returns it.
    ///
    /// # Errors
    ///
    /// Returns [`PutError`](super::PutError) with the item if the queue is closed, even if that
    /// happens during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::Queue;
    ///
    /// oneloop::run(async {
    ///     let queue = Queue::new(1);
    ///     queue.put("first").await.unwrap();
    ///     let (put, item) = oneloop::gather!(queue.put("second"), queue.get()).await;
    ///     assert!(put.is_ok() && item == Some("first"));
    ///
    ///     queue.close();
    ///     assert_eq!(queue.put("third").await.unwrap_err().into_inner(), "third");
    /// });
    /// ```
    pub fn put(&self, item: T) -> Put<'_, T, O> {
        Put::new(&self.buffer, item)
    }

    /// Puts an item in if there is room that no task is waiting for. Asyncio's `put_nowait`.
    ///
    /// # Errors
    ///
    /// Returns [`TryPutError`] with the item if the queue is full or closed.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.buffer.try_put(item).map_err(|(item, refusal)| TryPutError { item, refusal })
    }

    /// Takes the next item out, waiting while there is none. Returns `None` if the queue is closed
    /// and drained.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it has taken nothing. An item meant for it goes
    /// to the next waiter.
    pub fn get(&self) -> Get<'_, T, O> {
        Get::new(&self.buffer)
    }

    /// Takes the next item out if there is one that no task is waiting for. Asyncio's `get_nowait`.
    ///
    /// # Errors
    ///
    /// Returns [`TryGetError`] if there is no such item now, or if the queue is closed and drained.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, TryGetError> {
        let is_closed = || self.buffer.is_drained();
        self.buffer.try_get().ok_or_else(|| TryGetError { is_closed: is_closed() })
    }

    /// Returns the items as a `Stream`, which ends when the queue is closed and drained.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::Queue;
    ///
    /// oneloop::run(async {
    ///     let queue = Queue::unbounded();
    ///     for item in [1, 2, 3] {
    ///         queue.try_put(item).unwrap();
    ///     }
    ///     queue.close();
    ///     let mut sum = 0;
    ///     let mut items = queue.stream();
    ///     while let Some(item) = items.next().await {
    ///         sum += item;
    ///     }
    ///     assert_eq!(sum, 6);
    /// });
    /// ```
    pub fn stream(&self) -> QueueStream<'_, T, O> {
        QueueStream::new(&self.buffer)
    }

    /// The number of items in the queue, including items that a woken [`get`](Self::get) is about
    /// to take. Asyncio's `qsize`.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the queue has no items.
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a [`put`](Self::put) would wait for room. Room that a woken `put` is about to use
    /// counts as taken.
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.buffer.is_full()
    }

    /// The maximum number of items, or `None` if there is no limit.
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> Option<usize> {
        Some(self.buffer.capacity()).filter(|&capacity| capacity != usize::MAX)
    }

    /// Marks the work on one item that was taken as done, for [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// Panics if it is called more often than items were put. The queue continues as before.
    #[track_caller]
    pub fn task_done(&self) {
        assert!(
            self.unfinished() > 0,
            "`task_done` was called more often than items were put: call it once for each item that `get` gave"
        );
        self.finish(1);
    }

    /// Waits until all items that were put are finished: each was taken, and
    /// [`task_done`](Self::task_done) was called for it. Returns at once if nothing was put.
    ///
    /// It is enough that this is so at one moment. Items put after that moment, but before the
    /// waiting task runs again, do not extend the wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn join(&self) {
        let start = self.rounds.get();
        let is_done = || (self.unfinished() == 0 || self.rounds.get() != start).then_some(());
        self.joins.until(is_done).await;
    }

    /// Closes the queue: nothing more can be put, not even by tasks already waiting in
    /// [`put`](Self::put). Remaining items can still be taken; then [`get`](Self::get) returns
    /// `None`. Closing the queue twice has no effect.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.buffer.close();
    }

    /// Closes the queue and takes all items out, including items that a woken [`get`](Self::get)
    /// has not taken yet. Asyncio's `shutdown(immediate=True)`.
    ///
    /// These items count as done, so [`join`](Self::join) waits only for items that were taken
    /// earlier. They come in the order of the queue, except for a [`PriorityQueue`], which returns
    /// them in no particular order.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::Queue;
    ///
    /// oneloop::run(async {
    ///     let queue = Queue::new(8);
    ///     queue.put("unfinished").await.unwrap();
    ///     queue.put("business").await.unwrap();
    ///     assert_eq!(queue.close_now(), ["unfinished", "business"]);
    ///     queue.join().await;
    ///     assert_eq!(queue.get().await, None);
    /// });
    /// ```
    pub fn close_now(&self) -> Vec<T> {
        let items = self.buffer.close_now();
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        // `task_done` may have been called for items that were not taken yet.
        self.finish(count.min(self.unfinished()));
        items
    }

    /// Whether the queue was closed. Items may remain.
    #[doc(alias = "is_shutdown")]
    pub fn is_closed(&self) -> bool {
        self.buffer.is_closed()
    }

    /// The number of items that were put and are not finished.
    fn unfinished(&self) -> u64 {
        self.buffer.pushed() - self.done.get()
    }

    fn finish(&self, count: u64) {
        self.done.set(self.done.get() + count);
        if self.unfinished() == 0 {
            self.rounds.set(self.rounds.get() + 1);
            self.joins.wake_all();
        }
    }
}

impl<T, O: Order<T>> Debug for BaseQueue<T, O> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseQueue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
