//! `Semaphore`: limits how many tasks do something at a time.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::mem;
use std::rc::Rc;

use super::permits::Permits;

/// A number of permits that limits how many tasks may do something at a time.
///
/// A permit is a guard that is released when dropped. So no permit is released twice, which
/// `asyncio.BoundedSemaphore` has to check at run time.
///
/// The semaphore is fair: waiters are served first come, first served, and permits are handed over
/// directly. While a task waits, no other task overtakes it, not even one that wants fewer permits:
/// small requests cannot starve a large one at the front.
///
/// This is `asyncio.Semaphore`.
///
/// # Examples
///
/// At most two requests at a time:
///
/// ```
/// use std::cell::Cell;
/// use std::time::Duration;
///
/// use oneloop::sync::Semaphore;
/// use oneloop::{gather, sleep};
///
/// oneloop::run(async {
///     let (limit, running) = (Semaphore::new(2), Cell::new(0));
///     let requests = (0..6).map(async |_| {
///         let _permit = limit.acquire().await;
///         running.set(running.get() + 1);
///         assert!(running.get() <= 2);
///         sleep(Duration::from_millis(1)).await;
///         running.set(running.get() - 1);
///     });
///     gather(requests).await;
///     assert_eq!(limit.available_permits(), 2);
/// });
/// ```
///
/// A semaphore stays on its thread:
///
/// ```compile_fail
/// fn assert_send<T: Send>() {}
/// assert_send::<oneloop::sync::Semaphore>();
/// ```
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    permits: Permits,
    /// The number of permits, held or not.
    total: Cell<usize>,
}

impl Semaphore {
    /// The maximum number of permits of a semaphore: `isize::MAX`.
    pub const MAX_PERMITS: usize = Permits::MAX;

    /// Creates a semaphore with `permits` permits. With 0 permits, all tasks wait until some are
    /// [added](Self::add_permits).
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        assert!(
            permits <= Self::MAX_PERMITS,
            "too many permits: `Semaphore::MAX_PERMITS` is the most that a semaphore can have"
        );
        Self { permits: Permits::new(permits), total: Cell::new(permits) }
    }

    /// Acquires a permit, waiting for one if necessary. Returns at once if one is available and no
    /// task waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line. A permit that was handed over meanwhile
    /// goes to the next waiter.
    pub async fn acquire(&self) -> Permit<'_> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        Permit { semaphore: self, count: 1 }
    }

    /// Waits until `count` permits are available at once, and acquires them as one.
    ///
    /// Later tasks wait behind this one, even if there are enough permits for them.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// Panics if `count` is more than [`MAX_PERMITS`](Self::MAX_PERMITS), since the wait would
    /// never end.
    pub async fn acquire_many(&self, count: usize) -> Permit<'_> {
        check(count);
        if !self.permits.acquire_at_once(count) {
            self.permits.acquire(count).await;
        }
        Permit { semaphore: self, count }
    }

    /// Like [`acquire`](Self::acquire), but with a permit that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Rc<Self>) -> OwnedPermit {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        OwnedPermit { semaphore: self, count: 1 }
    }

    /// Like [`acquire_many`](Self::acquire_many), but with a permit that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// Panics in the same case as [`acquire_many`](Self::acquire_many).
    pub async fn acquire_many_owned(self: Rc<Self>, count: usize) -> OwnedPermit {
        check(count);
        if !self.permits.acquire_at_once(count) {
            self.permits.acquire(count).await;
        }
        OwnedPermit { semaphore: self, count }
    }

    /// Acquires a permit if one is available and no task waits.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// Acquires `count` permits if they are available and no task waits.
    pub fn try_acquire_many(&self, count: usize) -> Option<Permit<'_>> {
        // Not `then_some`, which would create the permit in any case and then release it.
        self.permits.try_acquire(count).then(|| Permit { semaphore: self, count })
    }

    /// Like [`try_acquire`](Self::try_acquire), but with a permit that borrows nothing.
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedPermit> {
        self.try_acquire_many_owned(1)
    }

    /// Like [`try_acquire_many`](Self::try_acquire_many), but with a permit that borrows nothing.
    pub fn try_acquire_many_owned(self: Rc<Self>, count: usize) -> Option<OwnedPermit> {
        self.permits.try_acquire(count).then(|| OwnedPermit { semaphore: self, count })
    }

    /// Adds new permits. They go to the waiters, in order, as far as they suffice.
    ///
    /// To take permits away, acquire and [`forget`](Permit::forget) them.
    ///
    /// # Panics
    ///
    /// Panics if more than [`MAX_PERMITS`](Self::MAX_PERMITS) would exist, including permits that
    /// are held. In this case none is added.
    #[track_caller]
    #[doc(alias = "release")]
    pub fn add_permits(&self, count: usize) {
        let total = self.total.get().saturating_add(count);
        assert!(
            total <= Self::MAX_PERMITS,
            "{count} more permits do not fit: `Semaphore::MAX_PERMITS` is the most that a semaphore can have"
        );
        self.total.set(total);
        self.permits.release(count);
    }

    /// The number of permits that could be acquired right now if no task waited.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Whether [`acquire`](Self::acquire) would wait, because no permit is available or other tasks
    /// wait. Asyncio's `locked()`.
    pub fn is_locked(&self) -> bool {
        self.permits.available() == 0 || self.permits.waiting() > 0
    }

    /// The number of waiters.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }
}

impl Semaphore {
    /// Records that `count` permits will not come back.
    fn forget(&self, count: usize) {
        self.total.set(self.total.get() - count);
    }
}

fn check(count: usize) {
    assert!(
        count <= Semaphore::MAX_PERMITS,
        "{count} permits will never be there at once: `Semaphore::MAX_PERMITS` is the most that can be asked for"
    );
}

impl Debug for Semaphore {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("n_waiting", &self.n_waiting())
            .finish()
    }
}

/// Permits of a [`Semaphore`], released when this is dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is released at once"]
#[doc(alias = "SemaphorePermit")]
#[doc(alias = "release")]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

impl Permit<'_> {
    /// The number of permits that this holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Discards the permits without releasing them: the semaphore has this many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.count));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

/// Permits of a [`Semaphore`], released when this is dropped. It borrows nothing.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is released at once"]
#[doc(alias = "OwnedSemaphorePermit")]
pub struct OwnedPermit {
    semaphore: Rc<Semaphore>,
    count: usize,
}

impl OwnedPermit {
    /// The number of permits that this holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Discards the permits without releasing them: the semaphore has this many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.count));
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}
