//! `Lock`: exclusive access for one task at a time, even across an `await`.

use std::cell::{RefCell, RefMut};
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::permits::Permits;

const OUT: &str = "an owned guard has the value, so the lock is not free";

/// A value that one task at a time may use, even across an `await`.
///
/// If nothing is awaited while the value is in use, a `Cell` or `RefCell` is enough: no other task
/// runs between two `await`s. A lock is for operations of several steps, each of which waits, such
/// as a request and its reply on one connection.
///
/// The lock is fair: waiters are served first come, first served, and the lock is handed over
/// directly. A task that releases the lock and locks it again at once goes behind the waiters. A
/// future of [`lock`](Self::lock) that was handed the lock holds it from then on: poll it or drop
/// it, but do not set it aside, as a `select!` by reference can do.
///
/// The lock is not reentrant: a task that locks it twice waits for itself forever. A panic while
/// the lock is held releases it and does not poison it. Cancelling can leave the value half changed
/// just as a panic can, so code that locks has to keep the value sound across each `await` anyway.
///
/// This is `asyncio.Lock` together with the data it protects.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// use oneloop::sync::Lock;
/// use oneloop::{create_task, gather, sleep};
///
/// oneloop::run(async {
///     let account = Rc::new(Lock::new(100));
///     let withdrawals = (0..5).map(|_| {
///         let account = Rc::clone(&account);
///         create_task(async move {
///             let mut balance = account.lock().await;
///             if *balance >= 30 {
///                 sleep(Duration::from_millis(1)).await; // no other task comes between
///                 *balance -= 30;
///             }
///         })
///     });
///     gather(withdrawals).await;
///     assert_eq!(*account.lock().await, 10);
/// });
/// ```
///
/// A lock stays on its thread:
///
/// ```compile_fail
/// fn assert_send<T: Send>() {}
/// assert_send::<oneloop::sync::Lock<u8>>();
/// ```
#[doc(alias = "Mutex")]
pub struct Lock<T> {
    permits: Permits,
    /// `None` while an owned guard has the value.
    value: RefCell<Option<T>>,
}

impl<T> Lock<T> {
    /// Creates an unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { permits: Permits::new(1), value: RefCell::new(Some(value)) }
    }

    /// Locks the lock, waiting until it is free and earlier waiters have been served. Returns at
    /// once if it is free.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line. A lock that was handed over meanwhile
    /// goes to the next waiter.
    #[doc(alias = "acquire")]
    pub async fn lock(&self) -> LockGuard<'_, T> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        self.guard()
    }

    /// Locks the lock if that is possible without waiting. Returns `None` if other tasks wait.
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| self.guard())
    }

    /// Like [`lock`](Self::lock), but with a guard that borrows nothing.
    ///
    /// The guard holds the value itself, and puts it back when dropped.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`lock`](Self::lock).
    pub async fn lock_owned(self: Rc<Self>) -> OwnedLockGuard<T> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        OwnedLockGuard::new(self)
    }

    /// Like [`try_lock`](Self::try_lock), but with a guard that borrows nothing.
    pub fn try_lock_owned(self: Rc<Self>) -> Option<OwnedLockGuard<T>> {
        self.permits.try_acquire(1).then(|| OwnedLockGuard::new(self))
    }

    /// Whether the lock is held, or was handed over to a waiter.
    pub fn is_locked(&self) -> bool {
        self.permits.available() == 0
    }

    /// The number of waiters.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value. Exclusive access makes locking unnecessary.
    #[expect(clippy::missing_panics_doc, reason = "an owned guard keeps its lock in an `Rc`")]
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().as_mut().expect(OUT)
    }

    /// Consumes the lock and returns the value.
    #[expect(clippy::missing_panics_doc, reason = "an owned guard keeps its lock in an `Rc`")]
    pub fn into_inner(self) -> T {
        self.value.into_inner().expect(OUT)
    }

    /// Makes the guard of a lock that has been acquired.
    fn guard(&self) -> LockGuard<'_, T> {
        let held = Held(self);
        let value = RefMut::map(self.value.borrow_mut(), |value| value.as_mut().expect(OUT));
        LockGuard { value, held }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Debug> Debug for Lock<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Lock");
        // Locked during this call, because formatting a value is foreign code.
        match self.try_lock() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.field("n_waiting", &self.n_waiting()).finish()
    }
}

/// The guard of [`Lock::lock`]. It gives access to the value, and releases the lock when dropped.
#[must_use = "a guard that is dropped at once releases the lock"]
#[doc(alias = "MutexGuard")]
#[doc(alias = "release")]
pub struct LockGuard<'a, T> {
    // Fields are dropped in this order, so the value is free before the next waiter is woken.
    value: RefMut<'a, T>,
    held: Held<'a, T>,
}

/// Hands the lock to the next waiter when dropped.
struct Held<'a, T>(&'a Lock<T>);

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.0.permits.release(1);
    }
}

impl<'a, T> LockGuard<'a, T> {
    /// The lock of this guard.
    #[doc(alias = "mutex")]
    pub fn lock(guard: &Self) -> &'a Lock<T> {
        guard.held.0
    }
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Debug> Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl<T: Display> Display for LockGuard<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&**self, f)
    }
}

/// The guard of [`Lock::lock_owned`]. It releases the lock when dropped.
#[must_use = "a guard that is dropped at once releases the lock"]
#[doc(alias = "OwnedMutexGuard")]
pub struct OwnedLockGuard<T> {
    lock: Rc<Lock<T>>,
    /// `None` only while the value is being put back.
    value: Option<T>,
}

impl<T> OwnedLockGuard<T> {
    /// Makes the guard of `lock`, which has been acquired.
    fn new(lock: Rc<Lock<T>>) -> Self {
        let value = lock.value.take();
        Self { lock, value }
    }

    /// The lock of this guard.
    #[doc(alias = "mutex")]
    pub fn lock(guard: &Self) -> &Rc<Lock<T>> {
        &guard.lock
    }
}

impl<T> Drop for OwnedLockGuard<T> {
    fn drop(&mut self) {
        // The place is empty, so this assignment drops no value.
        *self.lock.value.borrow_mut() = self.value.take();
        self.lock.permits.release(1);
    }
}

impl<T> Deref for OwnedLockGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(OUT)
    }
}

impl<T> DerefMut for OwnedLockGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(OUT)
    }
}

impl<T: Debug> Debug for OwnedLockGuard<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl<T: Display> Display for OwnedLockGuard<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&**self, f)
    }
}
