//! Locks, events, semaphores and queues: how the tasks of one loop wait for each other.
//!
//! Everything here is for one thread: shared through `Rc` or by reference, without atomics, and not
//! `Send`. No running loop is needed: you can create these types anywhere, keep them in a `const`
//! thread-local, and await them on any executor of their thread.
//!
//! All of them have these properties:
//!
//! - **First come, first served.** Waiters are served in the order in which they were first polled.
//! - **Direct hand-over.** A grant belongs to its waiter from the moment it is made, although the
//!   waiter has not run yet: no later task can take it. So a task that releases a lock and locks it
//!   again at once goes behind the waiters.
//! - **Cancel-safe in every state.** A waiter that is dropped leaves the line. If it was granted
//!   something that it has not seen yet, it passes that on.
//! - **No starvation.** Operations that are ready do not wait, but after 128 of them in one poll
//!   the task lets other tasks run first. [`unconstrained`](crate::task::unconstrained) lifts this
//!   limit. On an executor without a oneloop there is no such limit.
//! - **No time limits of their own.** Put a [`timeout`](crate::timeout) around the wait.
//!
//! | to | use |
//! |---|---|
//! | give tasks exclusive use of a value, even across an `await` | [`Lock`]; [`RwLock`] if most only read |
//! | limit how many tasks do something at a time | [`Semaphore`]; [`CapacityLimiter`] to see which tasks, and to change the limit |
//! | wait until something has happened | [`Event`]; [`Condition`] for a value in a lock |
//! | wait until all tasks have arrived | [`Barrier`] |
//! | create a value once, when it is first needed | [`OnceCell`] |
//! | pass items from task to task | [`Queue`], [`channel`](mod@channel), [`oneshot`], [`broadcast`], [`watch`] |
//! | let many tasks await one result | [`promise`] |
//! | build something else | [`WaitQueue`] |
//!
//! No other task runs between two `await`s, so a `Cell` or `RefCell` is often enough. None of this
//! works between threads. Primitives made for threads, such as async-channel, flume,
//! futures-channel or tokio's `sync`, work on this loop as on any other.
//!
//! # Examples
//!
//! ```
//! use oneloop::sync::{Event, Queue};
//!
//! oneloop::run(async {
//!     let (queue, done) = (Queue::new(2), Event::new());
//!     let produce = async {
//!         for n in 1..=5 {
//!             queue.put(n).await.unwrap(); // waits while two are in it
//!         }
//!         queue.close();
//!     };
//!     let consume = async {
//!         let mut sum = 0;
//!         while let Some(n) = queue.get().await {
//!             sum += n;
//!         }
//!         done.set();
//!         sum
//!     };
//!     let ((), sum, ()) = oneloop::gather!(produce, consume, done.wait()).await;
//!     assert_eq!(sum, 15);
//! });
//! ```

mod barrier;
pub mod broadcast;
mod buffer;
mod capacity_limiter;
pub mod channel;
mod condition;
mod count;
mod error;
mod event;
mod line;
mod lock;
mod once_cell;
pub mod oneshot;
mod permits;
mod promise;
pub mod queue;
mod rw_lock;
mod semaphore;
mod store;
mod wait_list;
mod wait_queue;
mod waker_cell;
pub mod watch;
mod watchers;

pub use barrier::{Barrier, BrokenBarrier};
pub use capacity_limiter::{Borrower, CapacityLimiter, CapacityPermit, OwnedCapacityPermit};
#[doc(inline)]
pub use channel::{Receiver, Sender, channel, unbounded_channel};
pub use condition::Condition;
pub use event::Event;
pub use lock::{Lock, LockGuard, OwnedLockGuard};
pub use once_cell::OnceCell;
pub use promise::{BrokenPromise, Promise, PromiseResolver, PromiseWait, promise};
#[doc(inline)]
pub use queue::{LifoQueue, PriorityQueue, PutError, Queue};
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{OwnedPermit, Permit, Semaphore};
pub use wait_queue::{WaitQueue, WaitQueueWait};

pub(crate) use wait_list::{WaitKey, WaitList};
pub(crate) use waker_cell::WakerCell;
