//! Children that outlive their loop: kept for the process until another loop takes them over.

use std::process::Child as Process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::runtime::OwnProcess;

static ORPHANS: Mutex<Vec<Orphan>> = Mutex::new(Vec::new());

struct Orphan {
    process: Process,
    /// A forked process has a copy of the list, and must leave its children alone.
    parent: OwnProcess,
}

/// Leaves a child to the next loop that has children.
pub(super) fn leave(process: Process) {
    let orphan = Orphan { process, parent: OwnProcess::current() };
    lock().push(orphan);
}

/// Takes over all orphans.
pub(super) fn take() -> Vec<Process> {
    let mut orphans = lock();
    if orphans.is_empty() {
        return Vec::new();
    }
    let ours = orphans.drain(..).filter(|orphan| orphan.parent.is_current());
    ours.map(|orphan| orphan.process).collect()
}

fn lock() -> MutexGuard<'static, Vec<Orphan>> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}
