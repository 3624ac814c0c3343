//! `RwLock`: access for many readers or one writer.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::{Deref, DerefMut};

use super::permits::Permits;

/// A reader takes one permit, and a writer takes all of them.
const ALL: usize = Permits::MAX;

/// A value that either many tasks may read at a time or one task may write, even across an `await`.
///
/// The lock is fair: waiters are served first come, first served, and the lock is handed over
/// directly. Readers next to each other in the line enter together. A reader that arrives while a
/// writer waits goes behind it, so writers do not starve. For this reason, a task that is already
/// reading should not wait to read once more.
///
/// A panic while the lock is held releases it and does not poison it.
///
/// # Examples
///
/// ```
/// use oneloop::sync::RwLock;
///
/// oneloop::run(async {
///     let config = RwLock::new("old".to_owned());
///     {
///         let (one, another) = oneloop::gather!(config.read(), config.read()).await;
///         assert_eq!(*one, *another);
///         assert!(config.try_write().is_none());
///     }
///     config.write().await.replace_range(.., "new");
///     assert_eq!(*config.read().await, "new");
/// });
/// ```
pub struct RwLock<T> {
    permits: Permits,
    value: RefCell<T>,
}

impl<T> RwLock<T> {
    /// Creates an unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { permits: Permits::new(ALL), value: RefCell::new(value) }
    }

    /// Locks for reading, waiting until no task writes and earlier waiters have been served.
    /// Returns at once if no task writes or waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line. A lock that was handed over meanwhile
    /// goes to the next waiter.
    pub async fn read(&self) -> ReadGuard<'_, T> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        self.read_guard()
    }

    /// Locks for writing, waiting until no task reads or writes and earlier waiters have been
    /// served. Returns at once if the lock is free.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`read`](Self::read).
    pub async fn write(&self) -> WriteGuard<'_, T> {
        if !self.permits.acquire_at_once(ALL) {
            self.permits.acquire(ALL).await;
        }
        self.write_guard()
    }

    /// Locks for reading if that is possible without waiting. Returns `None` if other tasks wait.
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.permits.try_acquire(1).then(|| self.read_guard())
    }

    /// Locks for writing if that is possible without waiting.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.permits.try_acquire(ALL).then(|| self.write_guard())
    }

    /// The number of tasks that wait to read or write.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The value. Exclusive access makes locking unnecessary.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Consumes the lock and returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    fn read_guard(&self) -> ReadGuard<'_, T> {
        let held = Held { lock: self, permits: 1 };
        ReadGuard { value: self.value.borrow(), _held: held }
    }

    fn write_guard(&self) -> WriteGuard<'_, T> {
        let held = Held { lock: self, permits: ALL };
        WriteGuard { value: self.value.borrow_mut(), held }
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Debug> Debug for RwLock<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        // Locked during this call, because formatting a value is foreign code.
        match self.try_read() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.field("n_waiting", &self.n_waiting()).finish()
    }
}

/// Releases this many permits when dropped.
struct Held<'a, T> {
    lock: &'a RwLock<T>,
    permits: usize,
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.lock.permits.release(self.permits);
    }
}

/// The guard of [`RwLock::read`]. The value may be read until it is dropped.
#[must_use = "a guard that is dropped at once releases the lock"]
#[doc(alias = "RwLockReadGuard")]
pub struct ReadGuard<'a, T> {
    // Fields are dropped in this order, so the value is free before the next waiter is woken.
    value: Ref<'a, T>,
    _held: Held<'a, T>,
}

/// The guard of [`RwLock::write`]. The value may be read and written until it is dropped.
#[must_use = "a guard that is dropped at once releases the lock"]
#[doc(alias = "RwLockWriteGuard")]
pub struct WriteGuard<'a, T> {
    value: RefMut<'a, T>,
    held: Held<'a, T>,
}

impl<'a, T> WriteGuard<'a, T> {
    /// Turns the writer into a reader, without letting another writer in between. Readers that are
    /// next in the line enter too.
    pub fn downgrade(guard: Self) -> ReadGuard<'a, T> {
        let Self { value, mut held } = guard;
        drop(value);
        held.permits = 1;
        let lock = held.lock;
        let guard = ReadGuard { value: lock.value.borrow(), _held: held };
        lock.permits.release(ALL - 1);
        guard
    }
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Debug> Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl<T: Display> Display for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&**self, f)
    }
}

impl<T: Debug> Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl<T: Display> Display for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&**self, f)
    }
}
