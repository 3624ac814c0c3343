//! Locks a file against other processes, with `flock(2)`.

use std::fmt;
use std::fs::File as StdFile;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::File;
use crate::runtime::OwnProcess;
use crate::sys::locks::{Kind, Lock};
use crate::time::sleep;

/// The first pause between two attempts to lock, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// A lock on a [`File`] that keeps others out until it is dropped. [`File::lock`] and its relatives
/// make it.
///
/// The lock is advisory: it only keeps out code that asks for a lock too. It keeps out other
/// processes, other open files, and further requests on the same `File` or on a
/// [clone](File::try_clone) of it. It outlives the `File`.
///
/// A forked child that drops its copy of the guard leaves the lock to its parent.
#[must_use = "dropped, it gives the lock back"]
pub struct FileLock {
    locks: Arc<Locks>,
}

impl File {
    /// Waits until no lock on the file is held, and locks it.
    ///
    /// A task that already holds a lock on the file, through this `File` or a clone, waits for
    /// itself.
    ///
    /// This asks repeatedly, at most every 50 ms, because a waiting call would occupy a thread that
    /// the holder of the lock may need. The first to ask is therefore not always the first to get
    /// the lock. Use [`timeout`](crate::timeout) to limit the wait.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped before it is ready has locked nothing.
    ///
    /// # Errors
    ///
    /// An error if the file system does not support locks, or if the process has no descriptors
    /// left: a lock uses one of its own.
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
        self.get_lock(Kind::Exclusive).await
    }

    /// Like [`lock`](Self::lock), but others may hold such a lock at the same time. This suits
    /// readers.
    ///
    /// # Cancel safety
    ///
    /// Same as [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// Same as [`lock`](Self::lock).
    pub async fn lock_shared(&self) -> io::Result<FileLock> {
        self.get_lock(Kind::Shared).await
    }

    /// Locks the file, or returns `None` if a lock on it is already held, in this program or
    /// another.
    ///
    /// # Cancel safety
    ///
    /// Same as [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// Same as [`lock`](Self::lock).
    pub async fn try_lock(&self) -> io::Result<Option<FileLock>> {
        self.ask_for_lock(Kind::Exclusive).await
    }

    /// Like [`try_lock`](Self::try_lock), but others may hold such a lock at the same time.
    ///
    /// # Cancel safety
    ///
    /// Same as [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// Same as [`lock`](Self::lock).
    pub async fn try_lock_shared(&self) -> io::Result<Option<FileLock>> {
        self.ask_for_lock(Kind::Shared).await
    }

    async fn get_lock(&self, kind: Kind) -> io::Result<FileLock> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lock) = self.ask_for_lock(kind).await? {
                return Ok(lock);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn ask_for_lock(&self, kind: Kind) -> io::Result<Option<FileLock>> {
        let locks = Arc::clone(&self.shared.locks);
        let ask = move |file: &StdFile, _: &mut _| {
            let is_ours = locks.lock().ask(file, kind)?;
            // Not `then_some`: that would make a guard even when there is no lock, and drop it.
            Ok(is_ours.then(|| FileLock { locks }))
        };
        self.operate("lock", ask).await
    }
}

/// The lock on one open file. The kernel has one lock per open file, however many descriptors lead
/// to it: a second request changes that lock instead of waiting for it, and the first release ends
/// it for all.
#[derive(Default)]
pub(super) struct Locks(Mutex<Option<Held>>);

struct Held {
    lock: Lock,
    is_shared: bool,
    /// The number of guards.
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
    /// Returns whether the caller now has the lock, with one more guard. Never waits.
    fn ask(&mut self, file: &StdFile, kind: Kind) -> io::Result<bool> {
        let is_shared = kind == Kind::Shared;
        if let Some(held) = &mut *self.0 {
            held.process.check(
                "the lock on this open file belongs to",
                "open the file anew in the child, which then has a lock of its own",
            )?;
            let is_granted = held.is_shared && is_shared;
            held.guards += usize::from(is_granted);
            return Ok(is_granted);
        }
        let Some(lock) = Lock::try_take(file, kind)? else {
            return Ok(false);
        };
        *self.0 = Some(Held { lock, is_shared, guards: 1, process: OwnProcess::current() });
        Ok(true)
    }

    /// A guard was dropped.
    fn release(&mut self) {
        let Some(held) = &mut *self.0 else { return };
        held.guards -= 1;
        if held.guards > 0 {
            return;
        }
        if let Some(Held { lock, process, .. }) = self.0.take() {
            if !process.is_current() {
                lock.close_without_unlocking();
            }
        }
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
