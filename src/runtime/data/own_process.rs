//! `OwnProcess`: which process made a thing. After `fork` the child has a copy of the thing, and shares with its parent the
//! connection, the file or the lock that stands behind it.

use std::io;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process in which the first loop was made, as far as is known; 0: none was.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// The process that made a thing. A drop in any other process leaves alone what the two share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OwnProcess(u32);

impl OwnProcess {
    /// The process that calls this. It costs a system call.
    pub(crate) fn current() -> Self {
        Self(process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }

    /// A loop is made here. Costs nothing but the first time.
    pub(crate) fn note_first() {
        if FIRST.load(Ordering::Relaxed) == 0 {
            FIRST.store(process::id(), Ordering::Relaxed);
        }
    }

    /// Whether this process is a fork of the one in which the first loop was made. It says so once.
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
