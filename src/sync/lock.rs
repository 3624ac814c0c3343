//! `Lock`: one at a time, also across an `await`.

use std::cell::{RefCell, RefMut};
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::permits::Permits;

const OUT: &str = "an owned guard has the value, so the lock is not free";

/// A value that one task at a time may use, also across an `await`.
///
/// Where nothing is awaited while the value is used, a `Cell` or `RefCell` does: nothing else runs between two `await`s. A lock is for
/// what takes several steps, each of which waits, such as a request and its reply on one connection.
///
/// Fair: who waits is served first come, first served, and the lock is handed over directly. Whoever releases it and
/// locks it again at once goes behind those who wait. A future of [`lock`](Self::lock) that has been given it holds it from then on: poll
/// it or drop it, but do not keep it aside, as a `select!` by reference can.
///
/// Not reentrant: a task that locks it twice waits for itself for ever. A panic while it is locked releases it, and does not
/// poison it: what a panic can leave half done, cancelling can too, so code that locks has to keep the value sound
/// across each `await` anyway.
///
/// This is `asyncio.Lock` together with what it protects.
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
///                 sleep(Duration::from_millis(1)).await; // nobody else comes between
///                 *balance -= 30;
///             }
///         })
///     });
///     gather(withdrawals).await;
///     assert_eq!(*account.lock().await, 10);
/// });
/// ```
///
/// It stays on its thread:
///
/// ```compile_fail
/// fn assert_send<T: Send>() {}
/// assert_send::<oneloop::sync::Lock<u8>>();
/// ```
#[doc(alias = "Mutex")]
pub struct Lock<T> {
    permits: Permits,
    /// `None` while an owned guard has it.
    value: RefCell<Option<T>>,
}

impl<T> Lock<T> {
    /// A lock that is free.
    pub const fn new(value: T) -> Self {
        Self { permits: Permits::new(1), value: RefCell::new(Some(value)) }
    }

    /// Waits until the lock is free, and for those who came before. At once if it is free.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the place in the line up. A lock that was handed over meanwhile goes to the next one.
    #[doc(alias = "acquire")]
    pub async fn lock(&self) -> LockGuard<'_, T> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        self.guard()
    }

    /// Locks it if that is possible without waiting; not if others wait.
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| self.guard())
    }

    /// As [`lock`](Self::lock), with a guard that borrows nothing.
    ///
    /// The guard has the value itself, and puts it back when it is dropped.
    ///
    /// # Cancel safety
    ///
    /// As for [`lock`](Self::lock).
    pub async fn lock_owned(self: Rc<Self>) -> OwnedLockGuard<T> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        OwnedLockGuard::new(self)
    }

    /// As [`try_lock`](Self::try_lock), with a guard that borrows nothing.
    pub fn try_lock_owned(self: Rc<Self>) -> Option<OwnedLockGuard<T>> {
        self.permits.try_acquire(1).then(|| OwnedLockGuard::new(self))
    }

    /// Whether somebody has it, or it was handed over to somebody.
    pub fn is_locked(&self) -> bool {
        self.permits.available() == 0
    }

    /// How many wait for it.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value; nobody else can have it.
    #[expect(clippy::missing_panics_doc, reason = "an owned guard keeps its lock in an `Rc`")]
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut().as_mut().expect(OUT)
    }

    /// The value; nobody else can have it.
    #[expect(clippy::missing_panics_doc, reason = "an owned guard keeps its lock in an `Rc`")]
    pub fn into_inner(self) -> T {
        self.value.into_inner().expect(OUT)
    }

    /// The lock has been acquired.
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
        // Locked meanwhile, since to format a value is the code of others.
        match self.try_lock() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.field("n_waiting", &self.n_waiting()).finish()
    }
}

/// The lock is held, and the value at hand, until it is dropped: the guard of [`Lock::lock`].
#[must_use = "a guard that is dropped at once releases the lock"]
#[doc(alias = "MutexGuard")]
#[doc(alias = "release")]
pub struct LockGuard<'a, T> {
    // Fields are dropped in this order: the value is free before whoever is next is woken.
    value: RefMut<'a, T>,
    held: Held<'a, T>,
}

/// Gives the lock to the next one.
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

/// The lock is held until it is dropped: the guard of [`Lock::lock_owned`].
#[must_use = "a guard that is dropped at once releases the lock"]
#[doc(alias = "OwnedMutexGuard")]
pub struct OwnedLockGuard<T> {
    lock: Rc<Lock<T>>,
    /// `None` only while it is put back.
    value: Option<T>,
}

impl<T> OwnedLockGuard<T> {
    /// `lock` has been acquired.
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
        // There is nothing in its place that could be dropped.
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
