//! The inbox: the mail that other threads send to a loop, and how they wake the loop when it
//! sleeps.
//!
//! One mutex holds the mail. One atomic says whether there is any, and whether the loop sleeps:
//!
//! ```text
//!              send, 1              send, 1 (repeated)
//!   EMPTY ----------------> NOTIFIED <---+
//!     ^  ^  2 collect          |  |______|
//!     |  +---------------------+
//!     | 4 woken     3 try_park
//!   PARKED <------ EMPTY;   PARKED -- send, 5: wakes the thread --> NOTIFIED
//! ```
//!
//! 1. A sender puts its mail in, then swaps NOTIFIED in.
//! 2. The loop swaps EMPTY in, then takes the mail. Mail that arrives between the two is found at
//!    once, and announced once too often, never too seldom.
//! 3. The loop sleeps only if it could change EMPTY to PARKED, so earlier mail keeps it awake.
//! 4. The loop woke by itself.
//! 5. Only the sender that finds PARKED pays for waking the thread.
//!
//! Nothing here knows what a key means, or which thread reads it. `sync` is `std::sync`, or loom's
//! in `tests/loom`.

use std::collections::HashSet;
use std::mem;
use std::task::Waker;

use super::sync::{AtomicU8, Mutex, MutexGuard, Ordering, PoisonError, Thread};
use crate::runtime::data::key::WakerKey;

const EMPTY: u8 = 0;
const NOTIFIED: u8 = 1;
const PARKED: u8 = 2;

/// A call to make on the loop's thread.
pub(crate) type Call = Box<dyn FnOnce() + Send>;

/// From this length on, the list of wakes drops duplicates before it grows.
const DEDUPLICATE_FROM: usize = 64;

/// A task to cancel. This is not a call, because it names only the slot: the loop has to read it
/// before the task's handle gives the slot up.
pub(crate) struct Cancel {
    pub(crate) slot: u32,
    pub(crate) handle_was_dropped: bool,
}

#[derive(Default)]
pub(crate) struct Mail {
    pub(crate) wakes: Vec<WakerKey>,
    pub(crate) cancels: Vec<Cancel>,
    pub(crate) calls: Vec<Call>,
}

pub(crate) struct Inbox {
    state: AtomicU8,
    shared: Mutex<Shared>,
}

struct Shared {
    /// The tenant that reads this inbox, if there is one. Mail for another tenant is refused.
    tenant: Option<u64>,
    mail: Mail,
    /// The thread of the current or the last tenant.
    thread: Option<Thread>,
    /// Ends the loop's sleep if it sleeps elsewhere than in `thread::park`. See
    /// [`Inbox::set_unpark`].
    unpark: Option<Waker>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let shared = Shared { tenant: None, mail: Mail::default(), thread: None, unpark: None };
        Self { state: AtomicU8::new(EMPTY), shared: Mutex::new(shared) }
    }

    /// Starts the tenancy of a loop that will run on `thread`.
    pub(crate) fn open(&self, tenant: u64, thread: Thread) {
        let mut shared = self.lock();
        shared.tenant = Some(tenant);
        shared.thread = Some(thread);
        self.state.store(EMPTY, Ordering::Release);
    }

    /// Ends the tenancy: from now on wakes vanish and calls are refused. Returns the unread mail.
    #[must_use = "dropping unread calls runs foreign code"]
    pub(crate) fn close(&self) -> (Mail, Option<Waker>) {
        let mut shared = self.lock();
        shared.tenant = None;
        (mem::take(&mut shared.mail), shared.unpark.take())
    }

    /// The thread of the tenant, if the tenant is still there.
    pub(crate) fn thread_of(&self, tenant: u64) -> Option<Thread> {
        let shared = self.lock();
        shared.thread.clone().filter(|_| shared.tenant == Some(tenant))
    }

    /// Sends a wake. The key itself tells whether it is stale, so this needs no tenant.
    pub(crate) fn send_wake(&self, key: WakerKey) {
        let mut shared = self.lock();
        if shared.tenant.is_none() || shared.mail.wakes.last() == Some(&key) {
            return;
        }
        let wakes = &mut shared.mail.wakes;
        if wakes.len() == wakes.capacity() && wakes.len() >= DEDUPLICATE_FROM {
            let mut seen = HashSet::with_capacity(wakes.len());
            wakes.retain(|key| seen.insert(*key));
        }
        wakes.push(key);
        self.notify(shared);
    }

    /// Sends a call. Gives it back if the tenant is gone.
    pub(crate) fn send_call(&self, tenant: u64, call: Call) -> Result<(), Call> {
        let mut shared = self.lock();
        if shared.tenant != Some(tenant) {
            return Err(call);
        }
        shared.mail.calls.push(call);
        self.notify(shared);
        Ok(())
    }

    /// Sends a cancellation. Returns `false` if the tenant is gone.
    pub(crate) fn send_cancel(&self, tenant: u64, cancel: Cancel) -> bool {
        let mut shared = self.lock();
        let is_there = shared.tenant == Some(tenant);
        if is_there {
            shared.mail.cancels.push(cancel);
            self.notify(shared);
        }
        is_there
    }

    /// Wakes the loop without mail, because something else has changed.
    pub(crate) fn announce(&self) {
        self.notify(self.lock());
    }

    /// Ends a sleep of the loop, or of its host, that senders do not know of.
    pub(crate) fn wake_reader(&self) {
        let unpark = self.lock().unpark.clone();
        if let Some(unpark) = unpark {
            unpark.wake();
        }
    }

    fn notify(&self, shared: MutexGuard<'_, Shared>) {
        if self.state.swap(NOTIFIED, Ordering::AcqRel) == PARKED {
            let (unpark, thread) = (shared.unpark.clone(), shared.thread.clone());
            // Waking a thread or a host is slow, and runs foreign code, so no lock is held
            // meanwhile.
            drop(shared);
            match (unpark, thread) {
                (Some(unpark), _) => unpark.wake(),
                (None, Some(thread)) => thread.unpark(),
                (None, None) => {}
            }
        }
    }

    /// Takes the mail, if there is any. Without mail this costs one atomic load.
    #[inline]
    pub(crate) fn collect(&self) -> Option<Mail> {
        (self.state.load(Ordering::Acquire) == NOTIFIED).then(|| self.take_mail())
    }

    #[cold]
    fn take_mail(&self) -> Mail {
        self.state.swap(EMPTY, Ordering::AcqRel);
        mem::take(&mut self.lock().mail)
    }

    /// Tells senders that the loop is about to sleep. Returns `false` if there is mail, so that the
    /// loop must not sleep.
    #[must_use]
    pub(crate) fn try_park(&self) -> bool {
        self.state.compare_exchange(EMPTY, PARKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
            || self.state.load(Ordering::Acquire) == PARKED
    }

    /// Tells senders that the loop is awake.
    pub(crate) fn woken(&self) {
        if self.state.load(Ordering::Relaxed) == EMPTY {
            return;
        }
        // A failure means NOTIFIED, and then `collect` finds the mail.
        let _ = self.state.compare_exchange(PARKED, EMPTY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Sets how senders end the loop's sleep from now on. Returns the former way.
    pub(crate) fn set_unpark(&self, unpark: Waker) -> Option<Waker> {
        let former = self.lock().unpark.replace(unpark.clone());
        if self.state.load(Ordering::Acquire) == NOTIFIED {
            // A sender since `try_park` has unparked the thread, but the thread is about to sleep
            // where only `unpark` reaches it.
            unpark.wake();
        }
        former
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Only an allocation can panic under the lock, and it leaves the lists intact.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(oneloop_loom)))]
mod tests {
    use std::thread;

    use super::*;
    use crate::runtime::data::key::Serial;

    fn key(slot: u32) -> WakerKey {
        WakerKey::new(1, Serial::FIRST, slot)
    }

    #[test]
    fn wakes_keep_their_order_and_a_storm_of_wakes_does_not_grow_the_inbox() {
        let inbox = Inbox::new();
        inbox.open(7, thread::current());
        for _ in 0..100_000 {
            for slot in 0..3 {
                inbox.send_wake(key(slot));
            }
        }
        let mail = inbox.collect().unwrap();
        assert_eq!(mail.wakes[..3], [key(0), key(1), key(2)]);
        assert!(mail.wakes.capacity() <= 2 * DEDUPLICATE_FROM, "{}", mail.wakes.capacity());
        assert!(inbox.collect().is_none());
    }

    #[test]
    fn a_call_for_a_former_tenant_comes_back() {
        let inbox = Inbox::new();
        assert!(inbox.send_call(1, Box::new(|| ())).is_err(), "nobody has moved in");
        inbox.open(2, thread::current());
        assert!(inbox.send_call(1, Box::new(|| ())).is_err(), "tenant 1 is gone");
        assert!(inbox.send_call(2, Box::new(|| ())).is_ok());
        let (mail, _) = inbox.close();
        assert_eq!(mail.calls.len(), 1, "what was not read comes back at the end");
        assert!(inbox.send_call(2, Box::new(|| ())).is_err());
    }

    #[test]
    fn a_wake_after_the_end_is_not_kept_for_the_next_tenant() {
        let inbox = Inbox::new();
        inbox.send_wake(key(0));
        inbox.open(1, thread::current());
        assert!(inbox.close().0.wakes.is_empty());
        inbox.send_wake(key(0));
        inbox.open(2, thread::current());
        assert!(inbox.close().0.wakes.is_empty());
    }

    #[test]
    fn mail_keeps_the_loop_awake() {
        let inbox = Inbox::new();
        inbox.open(1, thread::current());
        assert!(inbox.try_park());
        inbox.woken();
        inbox.send_wake(key(0));
        assert!(!inbox.try_park());
        assert!(inbox.collect().is_some());
        assert!(inbox.try_park());
    }
}
