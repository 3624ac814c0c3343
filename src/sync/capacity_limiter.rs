//! `CapacityLimiter`: a semaphore that knows its borrowers.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::rc::Rc;

use super::permits::Permits;
use crate::runtime::{TaskId, trim_map};

/// An adjustable limit on how many borrowers may do something at a time, which knows them by name.
///
/// Each borrower, usually a task, has at most one token. Asking for a second one while it holds the
/// first would make it wait for itself, so this panics instead. The total can be changed while
/// tokens are borrowed, even to less than are borrowed: in that case no token is given out until
/// enough have come back.
///
/// The limiter is fair: waiters are served first come, first served, and tokens are handed over
/// directly.
///
/// This is Trio's `CapacityLimiter`.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
///
/// use oneloop::sync::CapacityLimiter;
/// use oneloop::{create_task, sleep, yield_now};
///
/// oneloop::run(async {
///     let limiter = Rc::new(CapacityLimiter::new(2));
///     for name in ["first", "second", "third"] {
///         let limiter = Rc::clone(&limiter);
///         let work = async move {
///             let _token = limiter.acquire().await;
///             sleep(Duration::from_millis(1)).await;
///         };
///         create_task(work).named(name).detach();
///     }
///     yield_now().await;
///
///     let borrowers: Vec<_> = limiter.borrowers().iter().map(|borrower| borrower.name()).collect();
///     assert_eq!(borrowers, ["first", "second"]);
///     assert_eq!(limiter.n_waiting(), 1);
///
///     limiter.set_total(3);
///     assert_eq!((limiter.borrowed(), limiter.n_waiting()), (3, 0));
/// });
/// ```
pub struct CapacityLimiter {
    permits: Permits,
    total: Cell<usize>,
    /// Made for the first borrower, because a map cannot be made in a `const`.
    borrowers: RefCell<Option<HashMap<Borrower, Role>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Waits,
    Has,
}

impl CapacityLimiter {
    /// The largest total: `isize::MAX`.
    pub const MAX_TOTAL: usize = Permits::MAX;

    /// Creates a limiter with `total` tokens. With 0 tokens, all borrowers wait until there are
    /// more.
    ///
    /// # Panics
    ///
    /// Panics if `total` is more than [`MAX_TOTAL`](Self::MAX_TOTAL).
    #[track_caller]
    pub const fn new(total: usize) -> Self {
        check(total);
        Self {
            permits: Permits::new(total),
            total: Cell::new(total),
            borrowers: RefCell::new(None),
        }
    }

    /// Acquires a token for the current task, waiting for one if necessary. Returns at once if one
    /// is available and no task waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up its place in the line. A token that was handed over meanwhile
    /// goes to the next waiter.
    ///
    /// # Panics
    ///
    /// Panics if this task already has a token of this limiter or waits for one, or if there is no
    /// current task.
    pub async fn acquire(&self) -> CapacityPermit<'_> {
        self.acquire_on_behalf_of(Borrower::current_task()).await
    }

    /// Like [`acquire`](Self::acquire), but for a borrower that need not be the current task.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// Panics if the borrower already has a token of this limiter or waits for one.
    pub async fn acquire_on_behalf_of(&self, borrower: Borrower) -> CapacityPermit<'_> {
        let mut loan = Loan::open(self, borrower);
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        loan.begin();
        CapacityPermit { loan }
    }

    /// Like [`acquire`](Self::acquire), but with a token that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Rc<Self>) -> OwnedCapacityPermit {
        self.acquire_owned_on_behalf_of(Borrower::current_task()).await
    }

    /// Like [`acquire_on_behalf_of`](Self::acquire_on_behalf_of), but with a token that borrows
    /// nothing.
    ///
    /// # Cancel safety
    ///
    /// The same as that of [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`acquire_on_behalf_of`](Self::acquire_on_behalf_of).
    pub async fn acquire_owned_on_behalf_of(
        self: Rc<Self>,
        borrower: Borrower,
    ) -> OwnedCapacityPermit {
        let mut loan = Loan::open(Rc::clone(&self), borrower);
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        loan.begin();
        OwnedCapacityPermit { loan }
    }

    /// Acquires a token for the current task if one is available and no task waits.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`acquire`](Self::acquire).
    #[track_caller]
    pub fn try_acquire(&self) -> Option<CapacityPermit<'_>> {
        self.try_acquire_on_behalf_of(Borrower::current_task())
    }

    /// Acquires a token for `borrower` if one is available and no task waits.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`acquire_on_behalf_of`](Self::acquire_on_behalf_of).
    #[track_caller]
    pub fn try_acquire_on_behalf_of(&self, borrower: Borrower) -> Option<CapacityPermit<'_>> {
        let mut loan = Loan::open(self, borrower);
        self.permits.try_acquire(1).then(|| {
            loan.begin();
            CapacityPermit { loan }
        })
    }

    /// The number of tokens that may be borrowed at a time.
    pub fn total(&self) -> usize {
        self.total.get()
    }

    /// Changes the number of tokens that may be borrowed at a time. New tokens go to the waiters,
    /// in order.
    ///
    /// If the new total is less than the number of borrowed tokens, all borrowers keep theirs.
    /// Tokens that come back are not given out again until the new total is met.
    ///
    /// # Panics
    ///
    /// Panics if `total` is more than [`MAX_TOTAL`](Self::MAX_TOTAL). In this case the total does
    /// not change.
    #[track_caller]
    pub fn set_total(&self, total: usize) {
        check(total);
        let former = self.total.replace(total);
        if total < former {
            self.permits.withdraw(former - total);
        } else {
            self.permits.release(total - former);
        }
    }

    /// The number of borrowed tokens, including handed-over ones. More than the total if that was
    /// lowered.
    pub fn borrowed(&self) -> usize {
        // The balance is the total minus the borrowed tokens.
        let out = 0_isize.saturating_add_unsigned(self.total()) - self.permits.balance();
        out.unsigned_abs()
    }

    /// The number of tokens that are available right now.
    pub fn available(&self) -> usize {
        self.permits.available()
    }

    /// The number of waiters.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// The borrowers that have a token right now, in the order in which they were created.
    pub fn borrowers(&self) -> Vec<Borrower> {
        let borrowers = self.borrowers.borrow();
        let has_one = borrowers.iter().flatten().filter(|&(_, role)| *role == Role::Has);
        let mut have_one: Vec<Borrower> = has_one.map(|(borrower, _)| *borrower).collect();
        have_one.sort_unstable();
        have_one
    }

    fn roles(&self) -> RefMut<'_, HashMap<Borrower, Role>> {
        RefMut::map(self.borrowers.borrow_mut(), Option::get_or_insert_default)
    }
}

#[track_caller]
const fn check(total: usize) {
    assert!(
        total <= CapacityLimiter::MAX_TOTAL,
        "the total is too large: `CapacityLimiter::MAX_TOTAL` is the most that a limiter can have"
    );
}

impl Debug for CapacityLimiter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapacityLimiter")
            .field("total", &self.total())
            .field("borrowed", &self.borrowed())
            .field("n_waiting", &self.n_waiting())
            .finish()
    }
}

/// The holder of a token of a [`CapacityLimiter`]: a task, or anything else that was given a key of
/// its own.
///
/// ```
/// use oneloop::sync::{Borrower, CapacityLimiter};
///
/// let limiter = CapacityLimiter::new(1);
/// let connection = Borrower::new();
/// let token = limiter.try_acquire_on_behalf_of(connection).unwrap();
/// assert_eq!(limiter.borrowers(), [connection]);
/// assert!(limiter.try_acquire_on_behalf_of(Borrower::new()).is_none());
/// drop(token);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Borrower(Who);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
enum Who {
    Task(TaskId),
    /// Counted separately on each thread, so it stays on its thread.
    Other(u64, PhantomData<*const ()>),
}

impl Borrower {
    /// Creates a borrower that is not equal to any other.
    #[expect(clippy::new_without_default, reason = "a default would not be equal to another")]
    pub fn new() -> Self {
        thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });
        let number = COUNT.replace(COUNT.get() + 1);
        Self(Who::Other(number, PhantomData))
    }

    /// The task that is being polled.
    ///
    /// # Panics
    ///
    /// Panics if no task is being polled.
    #[track_caller]
    pub fn current_task() -> Self {
        let Some(task) = TaskId::current() else {
            panic!(
                "there is no current task that could borrow: call this inside one, or borrow on behalf of `Borrower::new()`"
            );
        };
        Self(Who::Task(task))
    }

    /// The task's name while the task exists. Otherwise a text with its number.
    pub fn name(&self) -> String {
        match self.0 {
            Who::Task(task) => {
                task.label().map_or_else(|| format!("task {}", task.number()), |label| label.name())
            }
            Who::Other(number, _) => format!("borrower {number}"),
        }
    }
}

/// The limiter's record of a borrower, from its first poll until its token is returned.
struct Loan<L: AsRef<CapacityLimiter>> {
    limiter: L,
    borrower: Borrower,
}

impl<L: AsRef<CapacityLimiter>> Loan<L> {
    #[track_caller]
    fn open(limiter: L, borrower: Borrower) -> Self {
        let former = match limiter.as_ref().roles().entry(borrower) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(Role::Waits);
                None
            }
        };
        if let Some(role) = former {
            let name = borrower.name();
            let does = if role == Role::Has { "has a token of" } else { "waits for a token of" };
            panic!(
                "`{name}` {does} this `CapacityLimiter` already: a second one needs a `Borrower` of its own (see `acquire_on_behalf_of`)"
            );
        }
        Self { limiter, borrower }
    }

    fn begin(&mut self) {
        self.limiter.as_ref().roles().insert(self.borrower, Role::Has);
    }
}

impl<L: AsRef<CapacityLimiter>> Drop for Loan<L> {
    fn drop(&mut self) {
        let limiter = self.limiter.as_ref();
        let mut roles = limiter.roles();
        let role = roles.remove(&self.borrower);
        trim_map(&mut roles);
        drop(roles);
        if role == Some(Role::Has) {
            limiter.permits.release(1);
        }
    }
}

impl AsRef<Self> for CapacityLimiter {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A token of a [`CapacityLimiter`], returned when this is dropped.
#[must_use = "a token that is dropped at once is given back at once"]
pub struct CapacityPermit<'a> {
    loan: Loan<&'a CapacityLimiter>,
}

impl CapacityPermit<'_> {
    /// The borrower that holds the token.
    pub fn borrower(&self) -> Borrower {
        self.loan.borrower
    }
}

impl Debug for CapacityPermit<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapacityPermit").field("borrower", &self.borrower()).finish()
    }
}

/// A token of a [`CapacityLimiter`], returned when this is dropped. It borrows nothing.
#[must_use = "a token that is dropped at once is given back at once"]
pub struct OwnedCapacityPermit {
    loan: Loan<Rc<CapacityLimiter>>,
}

impl OwnedCapacityPermit {
    /// The borrower that holds the token.
    pub fn borrower(&self) -> Borrower {
        self.loan.borrower
    }
}

impl Debug for OwnedCapacityPermit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedCapacityPermit").field("borrower", &self.borrower()).finish()
    }
}
