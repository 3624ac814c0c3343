//! `Condition`: wait until what a lock protects has changed.

use std::fmt::{self, Debug, Formatter};
use std::future::poll_fn;

use super::lock::LockGuard;
use super::wait_queue::WaitQueue;
use crate::runtime;

/// Wait, with a [`Lock`](super::Lock) released meanwhile, until somebody says that its value has changed.
///
/// `wait` takes the guard of a lock and gives it back: whenever it returns, the lock is held. If it is dropped before, the lock is not
/// held, or is released, and there is no guard that could say otherwise.
///
/// Waiters are notified first come, first served. A notification is remembered by nobody, so look at the value first, while
/// the lock is held; [`wait_for`](Self::wait_for) and [`wait_while`](Self::wait_while) do. A waiter that was notified by
/// [`notify_one`](Self::notify_one) or [`notify`](Self::notify), and is dropped before it has the lock again, passes the
/// notification on.
///
/// As with std's `Condvar`, a condition does not know its lock, and notifying does not need it. Use one with one lock:
/// with several, a notification may reach a waiter whose value has not changed.
///
/// This is `asyncio.Condition`.
///
/// # Examples
///
/// A producer and a consumer:
///
/// ```
/// use std::rc::Rc;
///
/// use oneloop::create_task;
/// use oneloop::sync::{Condition, Lock};
///
/// oneloop::run(async {
///     let shared = Rc::new((Lock::new(Vec::new()), Condition::new()));
///
///     let consumer = Rc::clone(&shared);
///     let consumer = create_task(async move {
///         let (items, is_filled) = &*consumer;
///         let mut items = is_filled.wait_for(items.lock().await, |items| items.len() == 2).await;
///         std::mem::take(&mut *items)
///     });
///
///     let (items, is_filled) = &*shared;
///     for item in ["bread", "butter"] {
///         oneloop::yield_now().await;
///         items.lock().await.push(item);
///         is_filled.notify_one();
///     }
///     assert_eq!(consumer.await.unwrap(), ["bread", "butter"]);
/// });
/// ```
#[doc(alias = "Condvar")]
#[derive(Default)]
pub struct Condition {
    waiters: WaitQueue,
}

impl Condition {
    /// A condition for which nobody waits.
    pub const fn new() -> Self {
        Self { waiters: WaitQueue::new() }
    }

    /// Releases the lock, waits until notified, and locks it again, behind those who wait for the lock then.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the lock released. A notification that this waiter alone had got goes to the next one.
    pub async fn wait<'a, T>(&self, guard: LockGuard<'a, T>) -> LockGuard<'a, T> {
        let lock = LockGuard::lock(&guard);
        let mut wait = self.waiters.wait();
        let mut guard = Some(guard);
        let is_ones_own = poll_fn(|cx| {
            let poll = wait.poll_unless(cx, || false);
            // Only now that this waiter stands in the line, so that no change of the value escapes it.
            drop(guard.take());
            poll
        })
        .await;
        let notification = Notification { condition: self, is_ones_own };
        let guard = lock.lock().await;
        notification.use_up();
        guard
    }

    /// Waits until `is_so` says yes of the value. At once if it does already.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Self::wait).
    pub async fn wait_for<'a, T>(
        &self,
        mut guard: LockGuard<'a, T>,
        mut is_so: impl FnMut(&mut T) -> bool,
    ) -> LockGuard<'a, T> {
        while !is_so(&mut guard) {
            guard = self.wait(guard).await;
        }
        poll_fn(runtime::poll_budget).await;
        guard
    }

    /// Waits as long as `is_so` says yes of the value: std's form of [`wait_for`](Self::wait_for).
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Self::wait).
    pub async fn wait_while<'a, T>(
        &self,
        guard: LockGuard<'a, T>,
        mut is_so: impl FnMut(&mut T) -> bool,
    ) -> LockGuard<'a, T> {
        self.wait_for(guard, |value| !is_so(value)).await
    }

    /// Notifies the one that has waited longest. `false`: nobody waits.
    pub fn notify_one(&self) -> bool {
        self.waiters.wake_one()
    }

    /// Notifies up to `count` of those who wait, in their order, and returns how many.
    pub fn notify(&self, count: usize) -> usize {
        self.waiters.wake(count)
    }

    /// Notifies all who wait, and returns how many.
    pub fn notify_all(&self) -> usize {
        self.waiters.wake_all()
    }

    /// How many wait and have not been notified.
    pub fn n_waiting(&self) -> usize {
        self.waiters.len()
    }
}

impl Debug for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("n_waiting", &self.n_waiting()).finish()
    }
}

/// What a waiter has got, but cannot use before it has the lock again.
struct Notification<'a> {
    condition: &'a Condition,
    /// Not one for all.
    is_ones_own: bool,
}

impl Notification<'_> {
    fn use_up(mut self) {
        self.is_ones_own = false;
    }
}

impl Drop for Notification<'_> {
    fn drop(&mut self) {
        if self.is_ones_own {
            self.condition.notify_one();
        }
    }
}
