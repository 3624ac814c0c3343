//! What happens to a child whose handle is dropped: it is asked to end, then killed, and waited
//! for; or it goes on by itself.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::reaper::{Exited, Reaper, Target};
use super::table::ChildKey;
use super::tree;
use crate::runtime::{BoxedError, ClockHold, Handle, Place, leave_end};
use crate::time::{now, sleep, timeout_at};

/// The pauses between two looks at a process that is not our child, whose end the system does not
/// report: the first one, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// What a handle knows of its child, for when it is dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) home: Handle,
    pub(super) key: ChildKey,
    /// If false, the child goes on.
    pub(super) kills: bool,
    pub(super) target: Target,
    pub(super) grace: Duration,
    /// Where the child was started.
    pub(super) place: Place,
}

impl Ending {
    /// The handle was dropped, on any thread.
    pub(super) fn begin(self) {
        let Self { home, .. } = self;
        if home.check_here("Child", "").is_ok() {
            self.begin_here();
        } else {
            // If the loop has ended, it has already ended the child.
            home.call_soon_threadsafe(move || self.begin_here()).ok();
        }
    }

    fn begin_here(self) {
        // An error means that this is a forked process, which has no children.
        let Ok(reaper) = Reaper::of(self.home) else { return };
        if !self.kills || reaper.is_over(self.key) {
            reaper.let_go(self.key);
            return;
        }
        // The grace period begins with the signal, whatever other cleanups come first.
        let unfinished = Unfinished { ending: self, deadline: now().checked_add(self.grace) };
        if self.grace.is_zero() {
            self.kill(&reaper);
        } else {
            // The child may have denied us the right to signal it. It then ends when it likes.
            reaper.signal(self.key, self.target, Signal::SIGTERM).ok();
            // A stopped process gets the signal only when it continues.
            reaper.signal(self.key, self.target, Signal::SIGCONT).ok();
        }
        leave_end(Box::pin(unfinished.wait()), self.place);
    }

    /// Waits until the child and, if it leads a group, all other members have ended.
    async fn over(&self) -> io::Result<()> {
        Exited::new(self.home, self.key).await?;
        let Some(group) = Reaper::of(self.home)?.group(self.key) else { return Ok(()) };
        // Like the child, they may take their time.
        let _hold = ClockHold::new();
        let mut pause = PAUSE_MIN;
        // Where members cannot be seen, they are not waited for.
        while let Some(members) = tree::members(group).filter(|members| !members.is_empty()) {
            // The next look at all processes finds members that these have started meanwhile.
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
    /// The end of its grace period; `None` if there is no end.
    deadline: Option<Instant>,
}

impl Unfinished {
    /// Waits until the child has ended, and kills it after its grace period.
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

/// The child has ended, or its time is up. Either way, kill the rest of its group, such as a
/// process that was started while the others were looked for.
impl Drop for Unfinished {
    fn drop(&mut self) {
        let Self { ending, .. } = self;
        if let Ok(reaper) = Reaper::of(ending.home) {
            ending.kill(&reaper);
            reaper.let_go(ending.key);
        }
    }
}
