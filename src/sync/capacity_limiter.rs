//! `CapacityLimiter`: a semaphore that knows who has what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Debug, Formatter};
use std::marker::PhantomData;
use std::rc::Rc;

use super::permits::Permits;
use crate::runtime::TaskId;

/// A limit of how many may do something at a time, which can be changed, and which knows who is doing it.
///
/// Each borrower, usually a task, has one token at most: who asks for a second one while it has the first would wait for itself,
/// and panics instead. The total can be changed while tokens are out, also to fewer than are out: then nobody gets one until
/// enough of them are back.
///
/// Fair: who waits is served first come, first served, and tokens are handed over directly.
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
    borrowers: RefCell<BTreeMap<Borrower, Role>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Waits,
    Has,
}

impl CapacityLimiter {
    /// The largest total: `isize::MAX`.
    pub const MAX_TOTAL: usize = Permits::MAX;

    /// A limiter with `total` tokens; with none, everybody waits until there are more.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_TOTAL`](Self::MAX_TOTAL).
    #[track_caller]
    pub const fn new(total: usize) -> Self {
        check(total);
        Self {
            permits: Permits::new(total),
            total: Cell::new(total),
            borrowers: RefCell::new(BTreeMap::new()),
        }
    }

    /// Waits for a token for the current task. At once if there is one and nobody waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the place in the line up. A token that was handed over meanwhile goes to the next one.
    ///
    /// # Panics
    ///
    /// If this task has a token of this limiter already, or waits for one; or if there is no current task.
    pub async fn acquire(&self) -> Token<'_> {
        self.acquire_on_behalf_of(Borrower::current_task()).await
    }

    /// As [`acquire`](Self::acquire), for a borrower that need not be the current task.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// If the borrower has a token of this limiter already, or waits for one.
    pub async fn acquire_on_behalf_of(&self, borrower: Borrower) -> Token<'_> {
        let mut loan = Loan::open(self, borrower);
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        loan.begin();
        Token { loan }
    }

    /// As [`acquire`](Self::acquire), with a token that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Rc<Self>) -> OwnedToken {
        self.acquire_owned_on_behalf_of(Borrower::current_task()).await
    }

    /// As [`acquire_on_behalf_of`](Self::acquire_on_behalf_of), with a token that borrows nothing.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// As for [`acquire_on_behalf_of`](Self::acquire_on_behalf_of).
    pub async fn acquire_owned_on_behalf_of(self: Rc<Self>, borrower: Borrower) -> OwnedToken {
        let mut loan = Loan::open(Rc::clone(&self), borrower);
        if !self.permits.acquire_at_once(1) {
            self.permits.acquire(1).await;
        }
        loan.begin();
        OwnedToken { loan }
    }

    /// A token for the current task, if there is one and nobody waits.
    ///
    /// # Panics
    ///
    /// As for [`acquire`](Self::acquire).
    #[track_caller]
    pub fn try_acquire(&self) -> Option<Token<'_>> {
        self.try_acquire_on_behalf_of(Borrower::current_task())
    }

    /// A token for `borrower`, if there is one and nobody waits.
    ///
    /// # Panics
    ///
    /// As for [`acquire_on_behalf_of`](Self::acquire_on_behalf_of).
    #[track_caller]
    pub fn try_acquire_on_behalf_of(&self, borrower: Borrower) -> Option<Token<'_>> {
        let mut loan = Loan::open(self, borrower);
        self.permits.try_acquire(1).then(|| {
            loan.begin();
            Token { loan }
        })
    }

    /// How many may have a token at a time.
    pub fn total(&self) -> usize {
        self.total.get()
    }

    /// Changes how many may have a token at a time. New tokens go to those who wait, in their order.
    ///
    /// With fewer than are out, nobody loses any; those that come back are not given out again until the new total is kept.
    ///
    /// # Panics
    ///
    /// If they are more than [`MAX_TOTAL`](Self::MAX_TOTAL). The total stays then.
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

    /// How many tokens are out, handed-over ones included; more than the total if that was lowered.
    pub fn borrowed(&self) -> usize {
        // The balance is the total less those that are out.
        let out = 0_isize.saturating_add_unsigned(self.total()) - self.permits.balance();
        out.unsigned_abs()
    }

    /// How many are there to be taken at this moment.
    pub fn available(&self) -> usize {
        self.permits.available()
    }

    /// How many wait.
    pub fn n_waiting(&self) -> usize {
        self.permits.waiting()
    }

    /// Who has a token at this moment, in the order in which they were created.
    pub fn borrowers(&self) -> Vec<Borrower> {
        let borrowers = self.borrowers.borrow();
        let has_one = borrowers.iter().filter(|&(_, role)| *role == Role::Has);
        has_one.map(|(borrower, _)| *borrower).collect()
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

/// Who has a token of a [`CapacityLimiter`]: a task, or something else that was given a key of its own.
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
    /// Counted on each thread, so it stays on its own.
    Other(u64, PhantomData<*const ()>),
}

impl Borrower {
    /// One that is equal to no other.
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
    /// If no task is.
    #[track_caller]
    pub fn current_task() -> Self {
        let Some(task) = TaskId::current() else {
            panic!(
                "there is no current task that could borrow: call this inside one, or borrow on behalf of `Borrower::new()`"
            );
        };
        Self(Who::Task(task))
    }

    /// The task's name, while there is such a task; otherwise something with the number.
    pub fn name(&self) -> String {
        match self.0 {
            Who::Task(task) => {
                task.label().map_or_else(|| format!("task {}", task.number()), |label| label.name())
            }
            Who::Other(number, _) => format!("borrower {number}"),
        }
    }
}

/// The limiter's record of a borrower, from its first poll on until its token is back.
struct Loan<L: AsRef<CapacityLimiter>> {
    limiter: L,
    borrower: Borrower,
}

impl<L: AsRef<CapacityLimiter>> Loan<L> {
    #[track_caller]
    fn open(limiter: L, borrower: Borrower) -> Self {
        let former = match limiter.as_ref().borrowers.borrow_mut().entry(borrower) {
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
        self.limiter.as_ref().borrowers.borrow_mut().insert(self.borrower, Role::Has);
    }
}

impl<L: AsRef<CapacityLimiter>> Drop for Loan<L> {
    fn drop(&mut self) {
        let limiter = self.limiter.as_ref();
        let role = limiter.borrowers.borrow_mut().remove(&self.borrower);
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

/// A token of a [`CapacityLimiter`], given back when it is dropped.
#[must_use = "a token that is dropped at once is given back at once"]
pub struct Token<'a> {
    loan: Loan<&'a CapacityLimiter>,
}

impl Token<'_> {
    /// Who has it.
    pub fn borrower(&self) -> Borrower {
        self.loan.borrower
    }
}

impl Debug for Token<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("borrower", &self.borrower()).finish()
    }
}

/// A token of a [`CapacityLimiter`] that borrows nothing, given back when it is dropped.
#[must_use = "a token that is dropped at once is given back at once"]
pub struct OwnedToken {
    loan: Loan<Rc<CapacityLimiter>>,
}

impl OwnedToken {
    /// Who has it.
    pub fn borrower(&self) -> Borrower {
        self.loan.borrower
    }
}

impl Debug for OwnedToken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedToken").field("borrower", &self.borrower()).finish()
    }
}
