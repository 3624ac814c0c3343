//! `Unblocked`: a signal that this thread accepts while it has a listener. This module knows
//! nothing of loops.
//!
//! A program inherits the set of blocked signals from the one that started it, and a blocked signal
//! reaches no handler. The thread of a loop therefore unblocks the signals that the loop listens
//! for, and blocks them again afterwards.

use std::cell::RefCell;
use std::thread::{self, ThreadId};

use nix::sys::signal::{SigSet, Signal};

use super::SignalKind;

thread_local! {
    /// At most one entry for each signal.
    static OPENED: RefCell<Vec<Opened>> = const { RefCell::new(Vec::new()) };
}

/// A signal that loops of this thread listen for.
struct Opened {
    kind: SignalKind,
    loops: usize,
    /// It was blocked before.
    was_blocked: bool,
}

/// While one of these exists, its signal is not blocked on the thread that made it.
///
/// A signal without a name stays as it is: no safe call can change it alone.
pub(super) struct Unblocked {
    kind: SignalKind,
    thread: ThreadId,
}

impl Unblocked {
    /// From now on the signal arrives, and at once if it is pending, so its handler has to be
    /// installed.
    pub(super) fn new(kind: SignalKind) -> Self {
        open(kind, 1);
        Self { kind, thread: thread::current().id() }
    }

    /// Like [`Unblocked::new`], after other code may have blocked the signal again.
    pub(super) fn renew(&self) {
        if self.thread == thread::current().id() {
            open(self.kind, 0);
        }
    }
}

/// If it is dropped on another thread, the signal stays unblocked on its own thread.
impl Drop for Unblocked {
    fn drop(&mut self) {
        if self.thread == thread::current().id() {
            close(self.kind);
        }
    }
}

fn open(kind: SignalKind, more: usize) {
    let was_blocked = unblock(kind);
    with_opened(|all| match all.iter_mut().find(|opened| opened.kind == kind) {
        Some(opened) => {
            opened.loops += more;
            opened.was_blocked |= was_blocked;
        }
        None => all.push(Opened { kind, loops: more, was_blocked }),
    });
}

fn close(kind: SignalKind) {
    let closed = with_opened(|all| {
        let index = all.iter().position(|opened| opened.kind == kind)?;
        all[index].loops -= 1;
        (all[index].loops == 0).then(|| all.swap_remove(index))
    });
    if closed.flatten().is_some_and(|closed| closed.was_blocked) {
        if let Some(set) = set_of(kind) {
            // The call has no error except for a wrong argument.
            set.thread_block().ok();
        }
    }
}

/// `None` if the thread is ending, and takes no signals any more.
fn with_opened<R>(f: impl FnOnce(&mut Vec<Opened>) -> R) -> Option<R> {
    OPENED.try_with(|all| f(&mut all.borrow_mut())).ok()
}

/// Returns whether it was blocked.
fn unblock(kind: SignalKind) -> bool {
    let Some(set) = set_of(kind) else { return false };
    let is_blocked =
        SigSet::thread_get_mask().is_ok_and(|mask| mask.iter().any(|s| set.contains(s)));
    is_blocked && set.thread_unblock().is_ok()
}

fn set_of(kind: SignalKind) -> Option<SigSet> {
    let signal = Signal::try_from(kind.as_raw()).ok()?;
    Some(SigSet::from(signal))
}
