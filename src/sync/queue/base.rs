//! `BaseQueue`: what the queues of all orders do.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};

use super::super::buffer::Buffer;
use super::super::store::{Fifo, Lifo, Order, Smallest};
use super::super::watchers::Watchers;
use super::error::{TryGetError, TryPutError};
use super::futures::{Get, Put, QueueStream};

/// A queue: first in, first out; asyncio's `Queue`. The methods are those of [`BaseQueue`].
///
/// # Examples
///
/// The program from Python's documentation: three workers share twenty jobs.
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

/// A queue from which the youngest item is taken first; asyncio's `LifoQueue`.
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

/// A queue from which the smallest item is taken first, and of equal ones the oldest; asyncio's `PriorityQueue`.
///
/// For the largest first, put [`Reverse`](std::cmp::Reverse) items in. Pairs of a priority and something else compare by the
/// something else too, where the priorities are equal.
///
/// A comparison may use the queue it is made for. What it puts in comes in afterwards; to get something, it finds the queue empty.
/// If it panics, no item is lost, but those that are there may come in another order.
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

/// A queue of one of three orders: [`Queue`], [`LifoQueue`], [`PriorityQueue`].
///
/// Tasks share it by reference or in an `Rc`. It has no ends: whoever has it can put and get. For a channel that ends with its
/// senders, see [`channel`](fn@crate::sync::channel).
///
/// Those who wait are served first come, first served, and directly: an item that was put for a waiting [`get`](Self::get) is its own, and
/// [`try_get`](Self::try_get) cannot take it first, as asyncio's `get_nowait` can. The same holds for room. Which item it is, is
/// decided when the getter runs: the first in the order of the queue.
///
/// It is for one thread:
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
    /// How many items are done with: taken and `task_done`, or handed out by `close_now`.
    done: Cell<u64>,
    /// How often all items were done with.
    rounds: Cell<u64>,
    joins: Watchers,
}

impl<T, O: Order<T>> BaseQueue<T, O> {
    /// A queue for up to `capacity` items: with more, [`put`](Self::put) waits.
    ///
    /// asyncio's queues have no limit unless told so; here one says [`unbounded`](Self::unbounded).
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a queue of capacity 0 could never hold an item: use `unbounded()` for no limit, or `sync::channel(0)` to hand items over"
        );
        Self::with_capacity(capacity)
    }

    /// A queue without a limit: [`put`](Self::put) never waits. If items come faster than they go, it takes all memory.
    pub fn unbounded() -> Self {
        Self::with_capacity(usize::MAX)
    }

    fn with_capacity(capacity: usize) -> Self {
        let buffer = Buffer::new(capacity);
        Self { buffer, done: Cell::new(0), rounds: Cell::new(0), joins: Watchers::new() }
    }

    /// Puts an item in; waits while the queue is full.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready, it has not put, and the item is dropped with it. To keep the item, wait with
    /// [`try_put`](Self::try_put), which gives it back.
    ///
    /// # Errors
    ///
    /// [`PutError`](super::PutError) with the item, if the queue is closed, also while this waits.
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

    /// Puts an item in, if there is room that nobody waits for; asyncio's `put_nowait`.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item, if the queue is full or closed.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.buffer.try_put(item).map_err(|(item, refusal)| TryPutError { item, refusal })
    }

    /// Takes the next item out; waits while there is none. `None`: the queue is closed and drained.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it was ready, it has taken nothing. An item that was meant for it is there for the next one.
    pub fn get(&self) -> Get<'_, T, O> {
        Get::new(&self.buffer)
    }

    /// Takes the next item out, if there is one that nobody waits for; asyncio's `get_nowait`.
    ///
    /// # Errors
    ///
    /// [`TryGetError`], if there is none now, or the queue is closed and drained.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, TryGetError> {
        let is_closed = || self.buffer.is_drained();
        self.buffer.try_get().ok_or_else(|| TryGetError { is_closed: is_closed() })
    }

    /// The items as a `Stream`, which ends when the queue is closed and drained.
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

    /// How many items are there; asyncio's `qsize`. Those that a woken [`get`](Self::get) is about to take count.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether no item is there.
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a [`put`](Self::put) would wait for room. Room that a woken `put` is about to use is none.
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.buffer.is_full()
    }

    /// How many items there may be; `None` for no limit.
    #[doc(alias = "maxsize")]
    pub fn capacity(&self) -> Option<usize> {
        Some(self.buffer.capacity()).filter(|&capacity| capacity != usize::MAX)
    }

    /// Says that the work on an item that was taken is done, for [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// If it is called more often than items were put. The queue goes on as before.
    #[track_caller]
    pub fn task_done(&self) {
        assert!(
            self.unfinished() > 0,
            "`task_done` was called more often than items were put: call it once for each item that `get` gave"
        );
        self.finish(1);
    }

    /// Waits until each item that was put is done with: taken, and [`task_done`](Self::task_done) called for it. Ready at once if
    /// nothing was put.
    ///
    /// It needs to be so at one moment. What is put after that, before this runs again, is not waited for.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn join(&self) {
        let start = self.rounds.get();
        let is_done = || (self.unfinished() == 0 || self.rounds.get() != start).then_some(());
        self.joins.until(is_done).await;
    }

    /// Closes the queue: nothing can be put any more, also by those who wait in [`put`](Self::put). What is there can still be
    /// taken; then [`get`](Self::get) gives `None`. Closing twice does nothing.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.buffer.close();
    }

    /// Closes the queue and takes all items out, those included that a woken [`get`](Self::get) had not taken yet; asyncio's
    /// `shutdown(immediate=True)`.
    ///
    /// They count as done, so [`join`](Self::join) waits only for items that were taken before. They come in the order of the
    /// queue; those of a [`PriorityQueue`] in no order.
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
        // Items may have been called done before they were taken.
        self.finish(count.min(self.unfinished()));
        items
    }

    /// Whether the queue was closed. There may be items left.
    #[doc(alias = "is_shutdown")]
    pub fn is_closed(&self) -> bool {
        self.buffer.is_closed()
    }

    /// How many items were put and are not done with.
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
