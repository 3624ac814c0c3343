//! What becomes of a child whose handle is dropped: it ends too, asked at first and then not, and
//! is waited for; or it goes on by itself.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::reaper::{Exited, Reaper, Target};
use super::table::ChildKey;
use super::tree;
use crate::runtime::{BoxedError, ClockHold, Handle, Place, leave_end};
use crate::time::{now, sleep, timeout_at};

/// Of the end of who is no child of ours, nothing tells: so long it is waited for until somebody
/// looks again, at first and at most.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// What a handle knows of its child, for the day on which it is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) home: Handle,
    pub(super) key: ChildKey,
    /// Otherwise it goes on.
    pub(super) kills: bool,
    pub(super) target: Target,
    pub(super) grace: Duration,
    /// Where it was started.
    pub(super) place: Place,
}

impl Ending {
    /// The handle was dropped, on whatever thread.
    pub(super) fn begin(self) {
        let Self { home, .. } = self;
        if home.check_here("Child", "").is_ok() {
            self.begin_here();
        } else {
            // If the loop has ended, it has done what there is to do.
            home.call_soon_threadsafe(move || self.begin_here()).ok();
        }
    }

    fn begin_here(self) {
        // An error says that this is a forked process, which has no children.
        let Ok(reaper) = Reaper::of(self.home) else { return };
        if !self.kills || reaper.is_over(self.key) {
            reaper.let_go(self.key);
            return;
        }
        // Its grace begins with the signal, whatever else is cleaned up before.
        let unfinished = Unfinished { ending: self, deadline: now().checked_add(self.grace) };
        if self.grace.is_zero() {
            self.kill(&reaper);
        } else {
            // It may have forbidden us to signal it, and then it is its own affair when it ends.
            reaper.signal(self.key, self.target, Signal::SIGTERM).ok();
            // One that is stopped gets the signal only when it goes on.
            reaper.signal(self.key, self.target, Signal::SIGCONT).ok();
        }
        leave_end(Box::pin(unfinished.wait()), self.place);
    }

    /// Waits until the child has ended and, if it leads a group, all others in that.
    async fn over(&self) -> io::Result<()> {
        Exited::new(self.home, self.key).await?;
        let Some(group) = Reaper::of(self.home)?.group(self.key) else { return Ok(()) };
        // They may take their time, as the child may.
        let _hold = ClockHold::new();
        let mut pause = PAUSE_MIN;
        // Where nobody can be seen, nobody is waited for.
        while let Some(members) = tree::members(group).filter(|members| !members.is_empty()) {
            // The next look at all processes is for those whom these have started meanwhile.
            while members.iter().any(|&member| tree::is_member(member, group)) {
                sleep(pause).await;
                pause = PAUSE_MAX.min(pause * 2);
            }
        }
        Ok(())
    }

    fn kill(&self, reaper: &Reaper) {
        reaper.signal(self.key, self.target, Signal::SIGKILL).ok();
    }
}

/// A child that has been told to end.
struct Unfinished {
    ending: Ending,
    /// When its grace is over; `None` if never.
    deadline: Option<Instant>,
}

impl Unfinished {
    /// Waits until it has ended, and kills it when its grace is over. An error of the cleanup is
    /// none that could be helped.
    async fn wait(self) -> Option<BoxedError> {
        let Self { ending: ending @ Ending { home, key, grace, .. }, deadline } = &self;
        let (home, key) = (*home, *key);
        match deadline {
            _ if grace.is_zero() => {}
            Some(deadline) if timeout_at(*deadline, ending.over()).await.is_err() => {}
            Some(_) => return None,
            None => return ending.over().await.err().map(BoxedError::from),
        }
        if let Ok(reaper) = Reaper::of(home) {
            ending.kill(&reaper);
        }
        Exited::new(home, key).await.err().map(BoxedError::from)
    }
}

/// The child has ended, or there is no more time for it. Nor is there for who is left in its group,
/// such as one that was started while the others were looked for.
impl Drop for Unfinished {
    fn drop(&mut self) {
        let Self { ending, .. } = self;
        if let Ok(reaper) = Reaper::of(ending.home) {
            ending.kill(&reaper);
            reaper.let_go(ending.key);
        }
    }
}
