//! Locks of open files, with `flock(2)`.

use std::fs::File;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Exclusive,
    Shared,
}

/// A lock on an open file. Dropping it releases the lock for all that share the open file.
pub(crate) struct Lock(Flock<OwnedFd>);

impl Lock {
    /// Returns `None` if another open file has the lock. Never waits.
    pub(crate) fn try_take(file: &File, kind: Kind) -> io::Result<Option<Self>> {
        let kind = match kind {
            Kind::Exclusive => FlockArg::LockExclusiveNonblock,
            Kind::Shared => FlockArg::LockSharedNonblock,
        };
        let mut fd = OwnedFd::from(file.try_clone()?);
        loop {
            fd = match Flock::lock(fd, kind) {
                Ok(lock) => return Ok(Some(Self(lock))),
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((fd, Errno::EINTR)) => fd,
                Err((_, errno)) => return Err(errno.into()),
            };
        }
    }

    /// Closes this descriptor and releases nothing.
    pub(crate) fn close_without_unlocking(self) {
        let mut lock = ManuallyDrop::new(self.0);
        // If no descriptor is left to replace it, this one stays open.
        if let Ok(other) = File::open("/") {
            let shared = mem::replace(&mut **lock, other.into());
            drop(shared);
            drop(ManuallyDrop::into_inner(lock));
        }
    }
}
