//! `Condition`: waits until the value in a lock has changed.

use std::fmt::{self, Debug, Formatter};
use std::future::poll_fn;

use super::lock::LockGuard;
use super::wait_queue::WaitQueue;
use crate::runtime;

/// Waits, with a [`Lock`](super::Lock) released meanwhile, for a notification that the value in the
/// lock has changed.
///
/// `wait` takes the guard of a lock and returns it: whenever it returns, the lock is held. If its
/// future is dropped earlier, the lock is not held, or is released, and there is no guard to claim
/// otherwise.
///
/// Waiters are notified first come, first served. Notifications are not stored, so check the value
/// first, while the lock is held; [`wait_for`](Self::wait_for) and [`wait_while`](Self::wait_while)
/// do this. If a waiter notified by [`notify_one`](Self::notify_one) or [`notify`](Self::notify) is
/// dropped before it has the lock again, it passes the notification on.
///
/// As with std's `Condvar`, a condition does not know its lock, and notifying does not need the
/// lock. Use a condition with one lock only: with several, a notification may reach a waiter whose
/// value has not changed.
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
    /// Creates a condition without waiters.
    pub const fn new() -> Self {
        Self { waiters: WaitQueue::new() }
    }

    /// Releases the lock, waits for a notification, and locks the lock again, behind the tasks that
    /// wait for it by then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the lock released. A notification meant for this waiter alone
    /// goes to the next one.
    pub async fn wait<'a, T>(&self, guard: LockGuard<'a, T>) -> LockGuard<'a, T> {
        let lock = LockGuard::lock(&guard);
        let mut wait = self.waiters.wait();
        let mut guard = Some(guard);
        let is_ones_own = poll_fn(|cx| {
            let poll = wait.poll_unless(cx, || false);
            // Released only now that this waiter is in the line, so that it misses no change of the
            // value.
            drop(guard.take());
            poll
        })
        .await;
        let notification = Notification { condition: self, is_ones_own };
        let guard = lock.lock().await;
        notification.use_up();
        guard
    }

    /// Waits until `is_so` returns `true` for the value. Returns at once if it already does.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`wait`](Self::wait).
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

    /// Waits as long as `is_so` returns `true` for the value. This is std's form of
    /// [`wait_for`](Self::wait_for).
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`wait`](Self::wait).
    pub async fn wait_while<'a, T>(
        &self,
        guard: LockGuard<'a, T>,
        mut is_so: impl FnMut(&mut T) -> bool,
    ) -> LockGuard<'a, T> {
        self.wait_for(guard, |value| !is_so(value)).await
    }

    /// Notifies the task that has waited longest. Returns `false` if there is no waiter.
    pub fn notify_one(&self) -> bool {
        self.waiters.wake_one()
    }

    /// Notifies up to `count` waiters, in order, and returns how many were notified.
    pub fn notify(&self, count: usize) -> usize {
        self.waiters.wake(count)
    }

    /// Notifies all waiters and returns how many there were.
    pub fn notify_all(&self) -> usize {
        self.waiters.wake_all()
    }

    /// The number of waiters that have not been notified.
    pub fn n_waiting(&self) -> usize {
        self.waiters.len()
    }
}

impl Debug for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").field("n_waiting", &self.n_waiting()).finish()
    }
}

/// A notification that its waiter cannot use before it has the lock again.
struct Notification<'a> {
    condition: &'a Condition,
    /// Whether the notification was meant for this waiter alone.
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
