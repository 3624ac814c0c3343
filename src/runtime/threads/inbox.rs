//! The inbox: the mail that other threads send to a loop, and how they wake the loop when it
//! sleeps.
//!
//! One mutex holds the wakes and cancellations, and another one the calls, so a flood of calls does
//! not hold up wakes. One atomic says whether there is any mail, and whether the loop sleeps:
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
//! Only the first call that waits is announced. The loop remembers that there are calls, and takes
//! all of them once it has made the calls that it took before. So under a flood the loop and the
//! senders seldom meet at the lock, and the number of waiting calls does not add to the cost of a
//! turn.
//!
//! Nothing here knows what a key means, or which thread reads it. `sync` is `std::sync`, or loom's
//! in `tests/loom`.

use std::collections::HashSet;
use std::hash::Hash;
use std::mem;
use std::task::Waker;

use super::calls::{Call, Calls};
use super::sync::{
    AtomicBool, AtomicU8, Mutex, MutexGuard, Ordering, PoisonError, Thread, yield_now,
};
use crate::runtime::data::key::{TaskNumber, WakerKey};

const EMPTY: u8 = 0;
const NOTIFIED: u8 = 1;
const PARKED: u8 = 2;

/// From this length on, a list of wakes or cancellations drops duplicates before it grows.
const DEDUPLICATE_FROM: usize = 64;

/// After this many unread letters, their sender lets other threads use its core.
///
/// The loop may wait for this core, or for a lock that a sender held when it lost its core. Without
/// this, a few threads that flood a loop on two cores make it late by tens of milliseconds, by one
/// time slice after the other. A sender that does this more often makes little progress on a busy
/// machine, because each time may cost it a time slice of 3 ms.
const GIVE_WAY_EVERY: usize = 1024;

/// A task to cancel. This is not a call, because a handle names only the slot: the loop has to read
/// it before the task's handle gives the slot up. So it does not wait behind calls either.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cancel {
    pub(crate) slot: u32,
    /// Only the task of this number, where the sender is not the task's handle.
    pub(crate) number: Option<TaskNumber>,
    pub(crate) handle_was_dropped: bool,
}

/// What the loop reads at once. Calls wait for the look around: [`Inbox::take_calls`].
#[derive(Default)]
pub(crate) struct Mail {
    pub(crate) wakes: Vec<WakerKey>,
    pub(crate) cancels: Vec<Cancel>,
    /// How many were sent, with the duplicates.
    sent: usize,
}

pub(crate) struct Inbox {
    state: AtomicU8,
    shared: Mutex<Shared>,
    /// Whether calls wait. It changes only while `calls` is locked.
    has_calls: AtomicBool,
    calls: Mutex<Sent>,
}

/// The calls that were sent and that the loop has not taken.
struct Sent {
    /// As in [`Shared`].
    tenant: Option<u64>,
    calls: Calls,
    /// How many they are.
    count: usize,
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
        Self {
            state: AtomicU8::new(EMPTY),
            shared: Mutex::new(shared),
            has_calls: AtomicBool::new(false),
            calls: Mutex::new(Sent { tenant: None, calls: Calls::default(), count: 0 }),
        }
    }

    /// Starts the tenancy of a loop that will run on `thread`.
    pub(crate) fn open(&self, tenant: u64, thread: Thread) {
        let mut shared = self.lock();
        shared.tenant = Some(tenant);
        shared.thread = Some(thread);
        self.state.store(EMPTY, Ordering::Release);
        drop(shared);
        self.lock_calls().tenant = Some(tenant);
    }

    /// Ends the tenancy: from now on wakes vanish and calls are refused. Returns the unread mail.
    #[must_use = "dropping unread calls runs foreign code"]
    pub(crate) fn close(&self) -> (Calls, Option<Waker>) {
        let mut sent = self.lock_calls();
        sent.tenant = None;
        let calls = self.take(&mut sent);
        drop(sent);
        let mut shared = self.lock();
        shared.tenant = None;
        shared.mail = Mail::default();
        (calls, shared.unpark.take())
    }

    /// The thread of the tenant, if the tenant is still there.
    pub(crate) fn thread_of(&self, tenant: u64) -> Option<Thread> {
        let shared = self.lock();
        shared.thread.clone().filter(|_| shared.tenant == Some(tenant))
    }

    /// Sends a wake. The key itself tells whether it is stale, so this needs no tenant.
    pub(crate) fn send_wake(&self, key: WakerKey) {
        let mut shared = self.lock();
        if shared.tenant.is_none() {
            return;
        }
        let sent = shared.mail.count();
        if shared.mail.wakes.last() == Some(&key) {
            drop(shared);
        } else {
            add(&mut shared.mail.wakes, key);
            self.notify(shared);
        }
        give_way_after(sent);
    }

    /// Sends a call. Gives it back if the tenant is gone.
    pub(crate) fn send_call(&self, tenant: u64, call: Call) -> Result<(), Call> {
        let mut sent = self.lock_calls();
        if sent.tenant != Some(tenant) {
            return Err(call);
        }
        sent.calls.push(call);
        sent.count += 1;
        let count = sent.count;
        // Under the lock, because senders that find this call rely on its announcement.
        let sleeps = count == 1 && self.announce_call();
        drop(sent);
        if sleeps {
            self.end_sleep(self.lock());
        }
        give_way_after(count);
        Ok(())
    }

    /// Sends a cancellation. Returns `false` if the tenant is gone.
    pub(crate) fn send_cancel(&self, tenant: u64, cancel: Cancel) -> bool {
        let mut shared = self.lock();
        let is_there = shared.tenant == Some(tenant);
        if is_there {
            let sent = shared.mail.count();
            add(&mut shared.mail.cancels, cancel);
            self.notify(shared);
            give_way_after(sent);
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
        if self.announce_mail() {
            self.end_sleep(shared);
        }
    }

    fn announce_call(&self) -> bool {
        self.has_calls.store(true, Ordering::Relaxed);
        self.announce_mail()
    }

    /// Returns whether the loop sleeps: then the caller has to end that.
    #[must_use]
    fn announce_mail(&self) -> bool {
        self.state.swap(NOTIFIED, Ordering::AcqRel) == PARKED
    }

    #[expect(clippy::unused_self, reason = "the guard is of this inbox")]
    fn end_sleep(&self, shared: MutexGuard<'_, Shared>) {
        let (unpark, thread) = (shared.unpark.clone(), shared.thread.clone());
        // Waking a thread, or a host, is slow and foreign: no lock is held meanwhile.
        drop(shared);
        match (unpark, thread) {
            (Some(unpark), _) => unpark.wake(),
            (None, Some(thread)) => thread.unpark(),
            (None, None) => {}
        }
    }

    /// Whether there is mail, at the cost of one atomic load. Then [`collect`](Inbox::collect)
    /// takes it.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.state.load(Ordering::Acquire) == NOTIFIED
    }

    /// Takes the mail. If calls wait as well, [`has_calls`](Inbox::has_calls) tells so afterwards.
    pub(crate) fn collect(&self) -> Mail {
        self.state.swap(EMPTY, Ordering::AcqRel);
        mem::take(&mut self.lock().mail)
    }

    /// Like [`collect`](Inbox::collect), but leaves the wakes for
    /// [`take_wakes`](Inbox::take_wakes). The inbox drops duplicates among them.
    pub(crate) fn collect_cancels(&self) -> Vec<Cancel> {
        self.state.swap(EMPTY, Ordering::AcqRel);
        let mail = &mut self.lock().mail;
        mail.sent = 0;
        mem::take(&mut mail.cancels)
    }

    pub(crate) fn take_wakes(&self) -> Vec<WakerKey> {
        mem::take(&mut self.lock().mail.wakes)
    }

    /// Whether calls wait. Asked after [`collect`](Inbox::collect), it misses no call that was
    /// announced before.
    pub(crate) fn has_calls(&self) -> bool {
        // Relaxed: `collect` synchronises with the sender.
        self.has_calls.load(Ordering::Relaxed)
    }

    /// Takes all calls that wait, at the same cost however many there are.
    pub(crate) fn take_calls(&self) -> Calls {
        self.take(&mut self.lock_calls())
    }

    fn take(&self, sent: &mut Sent) -> Calls {
        self.has_calls.store(false, Ordering::Relaxed);
        sent.count = 0;
        mem::take(&mut sent.calls)
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
        // A failure means NOTIFIED, and then `has_mail` is true.
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

    /// Sets how senders end the loop's sleep, `None` being by its thread, while the loop is awake.
    /// Returns the former way.
    pub(crate) fn replace_unpark(&self, unpark: Option<Waker>) -> Option<Waker> {
        mem::replace(&mut self.lock().unpark, unpark)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Only an allocation can panic under the lock, and it leaves the lists intact.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_calls(&self) -> MutexGuard<'_, Sent> {
        // As in `lock`.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mail {
    fn count(&mut self) -> usize {
        self.sent += 1;
        self.sent
    }
}

/// Appends `item`. The list stays at most twice as long as it has different items.
fn add<T: Copy + Eq + Hash>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() && list.len() >= DEDUPLICATE_FROM {
        let mut seen = HashSet::with_capacity(list.len());
        list.retain(|item| seen.insert(*item));
    }
    list.push(item);
}

/// See [`GIVE_WAY_EVERY`].
fn give_way_after(sent: usize) {
    if sent % GIVE_WAY_EVERY == 0 {
        yield_now();
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
        let mail = inbox.collect();
        assert_eq!(mail.wakes[..3], [key(0), key(1), key(2)]);
        assert!(mail.wakes.capacity() <= 2 * DEDUPLICATE_FROM, "{}", mail.wakes.capacity());
        assert!(!inbox.has_mail());
    }

    #[test]
    fn a_call_for_a_former_tenant_comes_back() {
        let inbox = Inbox::new();
        assert!(inbox.send_call(1, Box::new(|| ())).is_err(), "nobody has moved in");
        inbox.open(2, thread::current());
        assert!(inbox.send_call(1, Box::new(|| ())).is_err(), "tenant 1 is gone");
        assert!(inbox.send_call(2, Box::new(|| ())).is_ok());
        let (mut unread, _) = inbox.close();
        assert!(unread.pop().is_some(), "an unread call comes back at the end");
        assert!(unread.pop().is_none());
        assert!(inbox.send_call(2, Box::new(|| ())).is_err());
    }

    #[test]
    fn a_storm_of_cancellations_does_not_grow_the_inbox() {
        let inbox = Inbox::new();
        inbox.open(7, thread::current());
        for number in 0..100_000 {
            let cancel = Cancel { slot: number % 3, number: None, handle_was_dropped: false };
            assert!(inbox.send_cancel(7, cancel));
        }
        let cancels = inbox.collect_cancels();
        assert_eq!(cancels[..3].iter().map(|cancel| cancel.slot).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(cancels.capacity() <= 2 * DEDUPLICATE_FROM, "{}", cancels.capacity());
    }

    #[test]
    fn calls_are_announced_once_until_the_loop_takes_them() {
        let inbox = Inbox::new();
        inbox.open(1, thread::current());
        let send = || assert!(inbox.send_call(1, Box::new(|| ())).is_ok());
        for _ in 0..2 {
            assert!(!inbox.has_calls() && !inbox.has_mail());
            send();
            assert!(inbox.has_calls() && inbox.has_mail());
            drop(inbox.collect());
            send();
            assert!(!inbox.has_mail(), "the loop knows already");
            let mut calls = inbox.take_calls();
            assert!(calls.pop().is_some() && calls.pop().is_some() && calls.pop().is_none());
        }
    }

    #[test]
    fn a_wake_after_the_end_is_not_kept_for_the_next_tenant() {
        let inbox = Inbox::new();
        for tenant in [1, 2] {
            inbox.send_wake(key(0));
            inbox.open(tenant, thread::current());
            assert!(inbox.lock().mail.wakes.is_empty());
            inbox.send_wake(key(1));
            drop(inbox.close());
            assert!(inbox.lock().mail.wakes.is_empty());
        }
    }

    #[test]
    fn mail_keeps_the_loop_awake() {
        let inbox = Inbox::new();
        inbox.open(1, thread::current());
        assert!(inbox.try_park());
        inbox.woken();
        inbox.send_wake(key(0));
        assert!(!inbox.try_park());
        assert_eq!(inbox.collect().wakes, [key(0)]);
        assert!(inbox.try_park());
    }
}
