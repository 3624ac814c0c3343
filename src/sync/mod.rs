//! Locks, events, semaphores, queues: how tasks of one loop wait for each other.
//!
//! Everything here is for one thread: shared through `Rc` or by reference, without atomics, and not `Send`. It needs no running
//! loop: it can be created anywhere, kept in a `const` thread-local, and awaited on any executor of its thread.
//!
//! What all of them keep:
//!
//! - **First come, first served.** Waiters are served in the order in which they were first polled.
//! - **Direct hand-over.** What a waiter was given is its own from that moment, although it has not run yet: nobody who comes later can
//!   take it. So whoever releases a lock and locks it again at once goes behind those who wait.
//! - **Safe to cancel in every state.** A waiter that is dropped leaves the line; one that had been given something and did not know
//!   yet passes it on.
//! - **Nobody starves.** What is ready does not wait, but after 128 such operations in one poll the task lets others run first.
//!   [`unconstrained`](crate::task::unconstrained) lifts that. On an executor without a oneloop there is no such limit.
//! - **No time limits of their own**: put [`timeout`](crate::timeout) around the wait.
//!
//! | to | take |
//! |---|---|
//! | use a value one at a time, also across an `await` | [`Lock`]; [`RwLock`] if most only read |
//! | do something at most so many at a time | [`Semaphore`]; [`CapacityLimiter`] to see by whom, and to change how many |
//! | wait until something has happened | [`Event`]; [`Condition`] if it is about a value in a lock |
//! | wait until all are there | [`Barrier`] |
//! | make something once, when it is first needed | [`OnceCell`] |
//! | hand items from task to task | [`Queue`], [`channel`](mod@channel), [`oneshot`], [`broadcast`], [`watch`] |
//! | have many tasks await one result | [`promise`] |
//! | build something else | [`WaitQueue`] |
//!
//! Between two `await`s nothing else runs, so a `Cell` or `RefCell` often does. Between threads none of this works; what is made
//! for it, such as async-channel, flume, futures-channel or tokio's `sync`, runs on this loop as on any other.
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
pub use capacity_limiter::{Borrower, CapacityLimiter, OwnedToken, Token};
#[doc(inline)]
pub use channel::{Receiver, Sender, channel, unbounded_channel};
pub use condition::Condition;
pub use event::Event;
pub use lock::{Lock, LockGuard, OwnedLockGuard};
pub use once_cell::OnceCell;
pub use promise::{BrokenPromise, Promise, PromiseWait, Resolver, promise};
#[doc(inline)]
pub use queue::{LifoQueue, PriorityQueue, PutError, Queue};
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{OwnedPermit, Permit, Semaphore};
pub use wait_queue::{Wait, WaitQueue};

pub(crate) use wait_list::{WaitKey, WaitList};
pub(crate) use waker_cell::WakerCell;
