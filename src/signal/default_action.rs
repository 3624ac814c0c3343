//! The effect of a signal that is no longer listened for. This module knows nothing of loops.
//!
//! signal-hook installs a handler and never removes it, after which the signal would do nothing.
//! The first listener therefore leaves an action of its own for good, which has the system's
//! default effect while there is no listener.

use std::fs;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::low_level::{self, emulate_default_handler, signal_name};
use signal_hook::{SigId, flag};

use super::SignalKind;

/// One entry for each signal that was ever listened for, so at most as many as there are signals.
static HANDLED: Mutex<Vec<Handled>> = Mutex::new(Vec::new());

struct Handled {
    kind: SignalKind,
    listeners: usize,
    /// How many of the listeners belong to the program, and not to the run that cancels main.
    claims: usize,
    /// Read by the handler: if set, the default action happens.
    is_unheard: Arc<AtomicBool>,
    /// Another part of the process handled or ignored the signal before the first listener.
    was_taken: bool,
    insists: bool,
    /// Sets `is_unheard` when the signal comes, so that the next one has its default effect.
    arming: Option<Handler>,
}

/// A handler that is removed on drop.
pub(super) struct Handler(pub(super) SigId);

impl Drop for Handler {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}

/// While one of these exists, the default action of its signal does not happen.
pub(super) struct Held(SignalKind);

/// Prepares the process for listening to a signal. Called before our first handler is installed.
pub(super) fn prepare(kind: SignalKind) -> io::Result<()> {
    let mut handled = lock();
    if handled.iter().any(|handled| handled.kind == kind) {
        return Ok(());
    }
    let is_unheard = Arc::new(AtomicBool::new(true));
    let has_name = signal_name(kind.as_raw()).is_some();
    let was_taken = has_name && is_taken(kind);
    if has_name && !was_taken {
        flag::register_conditional_default(kind.as_raw(), Arc::clone(&is_unheard))?;
    }
    let (listeners, claims) = (0, 0);
    let (insists, arming) = (false, None);
    handled.push(Handled { kind, listeners, claims, is_unheard, was_taken, insists, arming });
    Ok(())
}

/// Whether the signal has its default effect without a listener: no other code handles it, and it
/// is not ignored.
pub(super) fn has_default(kind: SignalKind) -> bool {
    let handled = lock();
    let prepared = handled.iter().find(|handled| handled.kind == kind);
    !prepared.map_or_else(|| is_taken(kind), |handled| handled.was_taken)
}

/// Ends the process as the signal does by default.
pub(super) fn end_process(kind: SignalKind) -> ! {
    // It returns for signals that end no process.
    let _unreachable = emulate_default_handler(kind.as_raw());
    process::abort()
}

impl Held {
    /// The signal must be prepared.
    pub(super) fn new(kind: SignalKind) -> Self {
        count(kind, |listeners| listeners + 1);
        Self(kind)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        count(self.0, |listeners| listeners - 1);
    }
}

fn count(kind: SignalKind, change: impl FnOnce(usize) -> usize) {
    with_handled(kind, |handled| {
        handled.listeners = change(handled.listeners);
        handled.disarm();
    });
}

/// While one of these exists, the program itself listens for the signal, so the signal does not
/// cancel main. The signal must be prepared.
pub(super) struct Claim(SignalKind);

impl Claim {
    /// The second value says whether this is the only claim.
    pub(super) fn new(kind: SignalKind) -> (Self, bool) {
        let claim = |handled: &mut Handled| {
            handled.claims += 1;
            handled.arming = None;
            handled.disarm();
            handled.claims == 1
        };
        (Self(kind), with_handled(kind, claim).unwrap_or(false))
    }

    /// Whether there is any claim.
    pub(super) fn exists(kind: SignalKind) -> bool {
        with_handled(kind, |handled| handled.claims > 0).unwrap_or(false)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        with_handled(self.0, |handled| {
            handled.claims -= 1;
            handled.arm();
        });
    }
}

/// While this exists, a signal that comes before the last one was [`seen`](Self::seen) has its
/// default effect, because the loop is stuck. In asyncio, too, the second Ctrl-C raises
/// `KeyboardInterrupt` wherever the program is.
///
/// This does not apply while the program itself listens for the signal. There is at most one per
/// signal.
pub(super) struct Insisting(SignalKind);

impl Insisting {
    pub(super) fn new(kind: SignalKind) -> Self {
        with_handled(kind, |handled| {
            handled.insists = true;
            handled.arm();
        });
        Self(kind)
    }

    pub(super) fn seen(&self) {
        with_handled(self.0, |handled| handled.disarm());
    }
}

impl Drop for Insisting {
    fn drop(&mut self) {
        with_handled(self.0, |handled| {
            handled.insists = false;
            handled.arming = None;
            handled.disarm();
        });
    }
}

impl Handled {
    /// Its handler runs after the one that reads the flag. If it cannot be installed, the program
    /// only loses the way out of a stuck loop.
    fn arm(&mut self) {
        if self.insists && self.claims == 0 {
            let arming = flag::register(self.kind.as_raw(), Arc::clone(&self.is_unheard));
            self.arming = arming.ok().map(Handler);
        }
    }

    fn disarm(&self) {
        self.is_unheard.store(self.listeners == 0, Ordering::SeqCst);
    }
}

fn with_handled<R>(kind: SignalKind, f: impl FnOnce(&mut Handled) -> R) -> Option<R> {
    lock().iter_mut().find(|handled| handled.kind == kind).map(f)
}

fn lock() -> MutexGuard<'static, Vec<Handled>> {
    HANDLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether other code handles the signal, or it is ignored. On Linux, `/proc` says so. Elsewhere no
/// safe call does.
fn is_taken(kind: SignalKind) -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return false };
    // Only the numbers of signals have a bit.
    let bit = kind.as_raw().checked_sub(1).and_then(|bit| u32::try_from(bit).ok());
    let has = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.zip(bit)
            .and_then(|(mask, bit)| mask.checked_shr(bit))
            .is_some_and(|mask| mask & 1 == 1)
    };
    has("SigCgt:") || has("SigIgn:")
}
