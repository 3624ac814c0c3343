//! `OwnProcess`: which process made a thing. After `fork`, the child has a copy of the thing, and
//! shares the underlying connection, file or lock with its parent.

use std::io;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process that made the first loop, or 0 as long as there was none. A fork that has noticed
/// itself puts its own number here.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// The process that made a thing. A drop in any other process does not touch the part that the two
/// share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OwnProcess(u32);

impl OwnProcess {
    /// The process that calls this. This costs a system call.
    pub(crate) fn current() -> Self {
        Self(process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }

    /// Notes that this process makes a loop. Only the first call costs a system call.
    pub(crate) fn note_first() {
        if FIRST.load(Ordering::Relaxed) == 0 {
            FIRST.store(process::id(), Ordering::Relaxed);
        }
    }

    /// Whether this process is a fork of the one that made the first loop. Returns `true` only
    /// once.
    pub(crate) fn is_new_fork() -> bool {
        let here = process::id();
        FIRST.swap(here, Ordering::Relaxed) != here
    }

    /// An error in a forked child: "`whose` process 7, and process 8 is a fork of it: `remedy`".
    pub(crate) fn check(self, whose: &str, remedy: &str) -> io::Result<()> {
        let (Self(owner), Self(here)) = (self, Self::current());
        if owner == here {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{whose} process {owner}, and process {here} is a fork of it: {remedy}"
        )))
    }
}
