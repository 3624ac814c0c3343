//! `Semaphore`: so many at a time.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::mem;
use std::rc::Rc;

use super::permits::Permits;

/// A number of permits: so many may do something at a time.
///
/// A permit is a guard, released when it is dropped; so none is released twice, as `asyncio.BoundedSemaphore` has to check.
///
/// Fair: who waits is served first come, first served, and permits are handed over directly. While somebody waits nobody
/// goes past, not even one who wants fewer: a large request at the front is not starved by small ones.
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
/// It stays on its thread:
///
/// ```compile_fail
/// fn assert_send<T: Send>() {}
/// assert_send::<oneloop::sync::Semaphore>();
/// ```
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    permits: Permits,
    /// How many there are, held or not.
    total: Cell<usize>,
}

impl Semaphore {
    /// The most permits that a semaphore can have: `isize::MAX`.
    pub const MAX_PERMITS: usize = Permits::MAX;

    /// A semaphore with `permits` permits; with none, everybody waits until some are [added](Self::add_permits).
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        assert!(
            permits <= Self::MAX_PERMITS,
            "too many permits: `Semaphore::MAX_PERMITS` is the most that a semaphore can have"
        );
        Self { permits: Permits::new(permits), total: Cell::new(permits) }
    }

    /// Waits for a permit. At once if there is one and nobody waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the place in the line up. A permit that was handed over meanwhile goes to the next one.
    pub async fn acquire(&self) -> Permit<'_> {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        Permit { semaphore: self, count: 1 }
    }

    /// Waits until `count` permits are there at once, and takes them as one.
    ///
    /// Those who come later wait behind it, also if there are enough for them.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// If `count` is more than [`MAX_PERMITS`](Self::MAX_PERMITS), which would wait for ever.
    pub async fn acquire_many(&self, count: usize) -> Permit<'_> {
        check(count);
        if !self.permits.acquire_at_once(count) {
            self.permits.acquire(count).await;
        }
        Permit { semaphore: self, count }
    }

    /// As [`acquire`](Self::acquire), with a permit that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Rc<Self>) -> OwnedPermit {
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        OwnedPermit { semaphore: self, count: 1 }
    }

    /// As [`acquire_many`](Self::acquire_many), with a permit that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    pub async fn acquire_many_owned(self: Rc<Self>, count: usize) -> OwnedPermit {
        check(count);
        if !self.permits.acquire_at_once(count) {
            self.permits.acquire(count).await;
        }
        OwnedPermit { semaphore: self, count }
    }

    /// Takes a permit if there is one and nobody waits.
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire_many(1)
    }

    /// Takes `count` permits if they are there and nobody waits.
    pub fn try_acquire_many(&self, count: usize) -> Option<Permit<'_>> {
        // Not `then_some`: a permit that is made is released.
        self.permits.try_acquire(count).then(|| Permit { semaphore: self, count })
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that borrows nothing.
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedPermit> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that borrows nothing.
    pub fn try_acquire_many_owned(self: Rc<Self>, count: usize) -> Option<OwnedPermit> {
        self.permits.try_acquire(count).then(|| OwnedPermit { semaphore: self, count })
    }

    /// Adds new permits. They go to those who wait, in their order, as far as they reach.
    ///
    /// To take permits away, acquire and [`forget`](Permit::forget) them.
    ///
    /// # Panics
    ///
    /// If more than [`MAX_PERMITS`](Self::MAX_PERMITS) would exist, those that are held included. None is added then.
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

    /// How many could be taken at this moment, if nobody waits.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Whether [`acquire`](Self::acquire) would wait: no permit is available, or others wait. asyncio's `locked()`.
    pub fn is_locked(&self) -> bool {
        self.permits.available() == 0 || self.permits.waiting() > 0
    }

    /// How many wait.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }
}

impl Semaphore {
    /// `count` permits will not come back.
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

/// Permits of a [`Semaphore`], released when it is dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is released at once"]
#[doc(alias = "SemaphorePermit")]
#[doc(alias = "release")]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

impl Permit<'_> {
    /// How many permits it stands for.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does not release them: the semaphore has so many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.count));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

/// Permits of a [`Semaphore`] that borrow nothing, released when it is dropped.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is released at once"]
#[doc(alias = "OwnedSemaphorePermit")]
pub struct OwnedPermit {
    semaphore: Rc<Semaphore>,
    count: usize,
}

impl OwnedPermit {
    /// How many permits it stands for.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does not release them: the semaphore has so many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.forget(mem::take(&mut self.count));
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}
