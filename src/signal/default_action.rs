//! What a signal does where nobody listens for it any more. Knows nothing of loops.
//!
//! signal-hook puts a handler in place and never takes it away: from then on the signal would do nothing. So the first
//! listener leaves an action of its own there for good, which does what the system would have done while nobody listens.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::flag;
use signal_hook::low_level::signal_name;

use super::SignalKind;

/// Of each signal that somebody has listened for; so at most as many as there are signals.
static HANDLED: Mutex<Vec<Handled>> = Mutex::new(Vec::new());

struct Handled {
    kind: SignalKind,
    listeners: usize,
    /// Read by the handler: the default action happens.
    is_unheard: Arc<AtomicBool>,
}

/// While one of these lives, the default action of its signal does not happen.
pub(super) struct Held(SignalKind);

/// Prepares the process for listening to a signal: to be called before the first handler of ours is there.
pub(super) fn prepare(kind: SignalKind) -> io::Result<()> {
    let mut handled = lock();
    if handled.iter().any(|handled| handled.kind == kind) {
        return Ok(());
    }
    let is_unheard = Arc::new(AtomicBool::new(true));
    if signal_name(kind.as_raw()).is_some() && !is_taken(kind) {
        flag::register_conditional_default(kind.as_raw(), Arc::clone(&is_unheard))?;
    }
    handled.push(Handled { kind, listeners: 0, is_unheard });
    Ok(())
}

impl Held {
    /// Of a signal that is prepared.
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
    let mut handled = lock();
    if let Some(handled) = handled.iter_mut().find(|handled| handled.kind == kind) {
        handled.listeners = change(handled.listeners);
        handled.is_unheard.store(handled.listeners == 0, Ordering::SeqCst);
    }
}

fn lock() -> MutexGuard<'static, Vec<Handled>> {
    HANDLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether somebody else handles the signal, or it is ignored. Linux tells; elsewhere there is no safe call that does.
fn is_taken(kind: SignalKind) -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return false };
    let has = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (kind.as_raw() - 1) & 1 == 1)
    };
    has("SigCgt:") || has("SigIgn:")
}
