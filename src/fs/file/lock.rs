//! Keeping other processes out of a file, by `flock(2)`.

use std::fs::File as StdFile;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::File;
use crate::time::sleep;

/// The first pause between two attempts to get a lock, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// Keeps other processes out of a [`File`] until it is dropped; made by [`File::lock`] and its kin.
///
/// It is advice: it keeps out those who ask for a lock too, and nobody else. It belongs to the open file, which a file
/// and its [clones](File::try_clone) have in common: between these there is nothing to keep out. It lives on when the
/// `File` is dropped.
#[derive(Debug)]
#[must_use = "dropped, it gives the lock back"]
pub struct FileLock {
    _lock: Flock<StdFile>,
}

impl File {
    /// Waits until nobody else has a lock on the file, and locks it.
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

    /// As [`lock`](Self::lock), but others may have such a lock too: for those who only read.
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

    /// Locks the file, unless somebody else has a lock on it: then `None`.
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
        let ask = move |file: &StdFile, _: &mut _| loop {
            match Flock::lock(file.try_clone()?, kind) {
                Ok(lock) => return Ok(Some(FileLock { _lock: lock })),
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, Errno::EINTR)) => {}
                Err((_, errno)) => return Err(errno.into()),
            }
        };
        self.operate("lock", ask).await
    }
}
