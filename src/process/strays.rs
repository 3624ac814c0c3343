//! Strays: processes that became children of this one because their own parent has ended. The
//! system gives them to the process with the id 1, such as the first one of a container, and no
//! other process can reap them.
//!
//! A stray cannot be told from a child that other code of the program has started and will wait
//! for. So a loop reaps a stray only some time after its end.

use std::collections::HashSet;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::tree;
use crate::runtime::{Timer, When, nanos};

/// How long an ended child is left to other code. The limit is at most twice as long.
const AGE: Duration = Duration::from_secs(1);

/// The children of all loops of the process that were not reaped. Empty unless the process has the
/// id 1.
static OURS: Mutex<Option<HashSet<Pid>>> = Mutex::new(None);

/// Records a started child that a loop reaps.
pub(super) fn claim(child: Pid) {
    if is_first_process() {
        ours().get_or_insert_default().insert(child);
    }
}

/// The child was reaped, or is lost.
pub(super) fn disclaim(child: Pid) {
    if let Some(ours) = &mut *ours() {
        ours.remove(&child);
    }
}

fn ours() -> MutexGuard<'static, Option<HashSet<Pid>>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_first_process() -> bool {
    process::id() == 1
}

/// What a loop knows of strays.
#[derive(Default)]
pub(super) struct Strays {
    /// Runs until the next look at them.
    timer: Option<Timer>,
    /// Strays that had ended at the last look.
    ended: HashSet<Pid>,
}

impl Strays {
    /// Called when a child of the process may have ended, or when it is time to look.
    pub(super) fn look(&mut self, cx: &Context<'_>) {
        if !is_first_process() {
            return;
        }
        if self.timer.as_ref().is_some_and(|timer| timer.poll(cx, TIMER).is_pending()) {
            return;
        }
        if self.timer.take().is_some() {
            self.reap();
            if self.ended.is_empty() {
                return;
            }
        }
        self.timer = Timer::arm(When::After(nanos(AGE)), cx, TIMER);
    }

    /// Reaps the strays that had already ended at the last look.
    fn reap(&mut self) {
        let mut ended: HashSet<Pid> = tree::ended_children().into_iter().flatten().collect();
        if let Some(ours) = &*ours() {
            ended.retain(|child| !ours.contains(child));
        }
        // An error means that other code has reaped it first.
        ended.retain(|&child| {
            !self.ended.contains(&child) || waitpid(child, Some(WaitPidFlag::WNOHANG)).is_err()
        });
        self.ended = ended;
    }
}

const TIMER: &str = "the reaper of strays";
