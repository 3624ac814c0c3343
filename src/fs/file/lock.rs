//! Keeping other processes out of a file, by `flock(2)`.

use std::fmt;
use std::fs::File as StdFile;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::File;
use crate::runtime::OwnProcess;
use crate::time::sleep;

/// The first pause between two attempts to get a lock, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Keeps others out of a [`File`] until it is dropped; made by [`File::lock`] and its kin.
///
/// The lock is advice: it keeps out only those who ask for a lock too. It keeps out other processes, other open files, and
/// further requests on the same `File` or on a [clone](File::try_clone) of it. It lives on when the `File` is dropped.
///
/// A forked child that drops its copy of the guard leaves the lock to its parent.
#[must_use = "dropped, it gives the lock back"]
pub struct FileLock {
    locks: Arc<Locks>,
}

impl File {
    /// Waits until there is no lock on the file, and locks it.
    ///
    /// A task that has a lock on the file already, by this `File` or a clone, waits for itself.
    ///
    /// It asks again and again, every 50 ms at the last, since a call that waits would keep a thread which the holder of
    /// the lock may need. So whoever asks first need not be the first to get it. To wait not for ever, use
    /// [`timeout`](crate::timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has locked nothing.
    ///
    /// # Errors
    ///
    /// If the file system knows no locks, or the process has no descriptors left: a lock has one of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::fs::{self, File};
    ///
    /// oneloop::run(async {
    ///     let dir = fs::temp_dir().await?;
    ///     let path = dir.path().join("lock");
    ///     let file = File::create(&path).await?;
    ///     let lock = file.lock().await?;
    ///     let other = File::open(&path).await?;
    ///     assert!(other.try_lock().await?.is_none());
    ///     drop(lock);
    ///     assert!(other.try_lock().await?.is_some());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "flock")]
    pub async fn lock(&self) -> io::Result<FileLock> {
        self.get_lock(FlockArg::LockExclusiveNonblock).await
    }

    /// Like [`lock`](Self::lock), but others may have such a lock too: for those who only read.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub async fn lock_shared(&self) -> io::Result<FileLock> {
        self.get_lock(FlockArg::LockSharedNonblock).await
    }

    /// Locks the file, unless there is a lock on it already, in this program or another: then `None`.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub async fn try_lock(&self) -> io::Result<Option<FileLock>> {
        self.ask_for_lock(FlockArg::LockExclusiveNonblock).await
    }

    /// As [`try_lock`](Self::try_lock), but others may have such a lock too.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock).
    pub async fn try_lock_shared(&self) -> io::Result<Option<FileLock>> {
        self.ask_for_lock(FlockArg::LockSharedNonblock).await
    }

    async fn get_lock(&self, kind: FlockArg) -> io::Result<FileLock> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lock) = self.ask_for_lock(kind).await? {
                return Ok(lock);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn ask_for_lock(&self, kind: FlockArg) -> io::Result<Option<FileLock>> {
        let locks = Arc::clone(&self.shared.locks);
        let ask = move |file: &StdFile, _: &mut _| {
            let is_ours = locks.lock().ask(file, kind)?;
            // Not `then_some`: a guard that is made is one that is dropped.
            Ok(is_ours.then(|| FileLock { locks }))
        };
        self.operate("lock", ask).await
    }
}

/// The lock on one open file. The kernel has one for each, whatever number of descriptors leads to it: a second request changes
/// that lock instead of waiting for it, and the first release ends it for all.
#[derive(Default)]
pub(super) struct Locks(Mutex<Option<Held>>);

struct Held {
    lock: Flock<OwnedFd>,
    is_shared: bool,
    /// How many guards there are.
    guards: usize,
    /// A forked child shares the lock with its parent.
    process: OwnProcess,
}

impl Locks {
    fn lock(&self) -> Asking<'_> {
        // Nothing panics while it is locked.
        Asking(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Asking<'a>(MutexGuard<'a, Option<Held>>);

impl Asking<'_> {
    /// Whether the caller has the lock now, for one guard more. Never waits.
    fn ask(&mut self, file: &StdFile, kind: FlockArg) -> io::Result<bool> {
        let is_shared = matches!(kind, FlockArg::LockSharedNonblock);
        if let Some(held) = &mut *self.0 {
            held.process.check(
                "the lock on this open file belongs to",
                "open the file anew in the child, which then has a lock of its own",
            )?;
            let is_granted = held.is_shared && is_shared;
            held.guards += usize::from(is_granted);
            return Ok(is_granted);
        }
        let Some(lock) = try_flock(OwnedFd::from(file.try_clone()?), kind)? else {
            return Ok(false);
        };
        *self.0 = Some(Held { lock, is_shared, guards: 1, process: OwnProcess::current() });
        Ok(true)
    }

    /// A guard is gone.
    fn release(&mut self) {
        let Some(held) = &mut *self.0 else { return };
        held.guards -= 1;
        if held.guards > 0 {
            return;
        }
        if let Some(Held { lock, process, .. }) = self.0.take() {
            if !process.is_current() {
                close_without_unlocking(lock);
            }
        }
    }
}

fn try_flock(mut fd: OwnedFd, kind: FlockArg) -> io::Result<Option<Flock<OwnedFd>>> {
    loop {
        fd = match Flock::lock(fd, kind) {
            Ok(lock) => return Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
            Err((fd, Errno::EINTR)) => fd,
            Err((_, errno)) => return Err(errno.into()),
        };
    }
}

/// Dropped, it would release the lock for all who share the open file.
fn close_without_unlocking(lock: Flock<OwnedFd>) {
    let mut lock = ManuallyDrop::new(lock);
    // Where no descriptor is left to take its place, this one stays open.
    if let Ok(other) = StdFile::open("/") {
        let shared = mem::replace(&mut **lock, other.into());
        drop(shared);
        drop(ManuallyDrop::into_inner(lock));
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        self.locks.lock().release();
    }
}

impl fmt::Debug for FileLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLock").finish_non_exhaustive()
    }
}
