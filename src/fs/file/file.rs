//! `File`: opening and closing, what is known of it, handing it over.

use std::fmt;
use std::fs::{File as StdFile, FileTimes, Metadata, Permissions};
use std::io::{self, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::close;

use super::cursor::Cursor;
use super::operation::run;
use super::shared::{Named, Shared, Turn};
use crate::fs::OpenOptions;
use crate::fs::job::Job;

/// An open file.
///
/// Each operation is done on a thread of the [pool](crate::thread::to_thread), and the loop goes on meanwhile. All take
/// `&self`, so tasks may share a file through a reference or an `Rc`: its operations are done one after another, in the
/// order in which they were first polled, and none begins inside another; [`write_all`](Self::write_all) of a line is
/// never cut in two. Only [`read_at`](Self::read_at) runs beside everything else.
///
/// Written data are with the system when a write is ready: others see them, and they survive the process. They survive a
/// loss of power after [`sync_all`](Self::sync_all). Only what is written through the *trait*
/// [`AsyncWrite`](crate::io::AsyncWrite) is on its way when the write is ready, until `flush`; it arrives also when the
/// file is dropped.
///
/// Whoever reads it from front to back in small pieces is read ahead for (regular files, up to 256 KiB), which makes the
/// pieces cheap. So the descriptor's own position, seen through [`AsFd`], may be further on than what was read; `seek`,
/// `write`, [`into_std`](Self::into_std), [`try_clone`](Self::try_clone) and [`with_std`](Self::with_std) first set it
/// right.
///
/// A file belongs to no loop: it is `Send` and `Sync`, and is used with the pool of the loop on which its methods are
/// called. Dropping it closes it, as soon as an operation that runs has ended; [`close`](Self::close) also tells of
/// errors.
///
/// # Cancel safety
///
/// The future of an operation that is dropped while it waits for its turn, or for a thread, does nothing. If a thread is
/// at work, that goes on to its end, and the next operation begins after it: what was read then is not lost but given to
/// the next read, and an error is that of the next operation. An error that no operation follows is reported
/// ([`Builder::on_unhandled`](crate::Builder::on_unhandled)).
///
/// # Examples
///
/// ```
/// use oneloop::fs::{self, File};
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("numbers");
///     let file = File::create(&path).await?;
///     file.write_all(b"one two three").await?;
///     file.sync_all().await?;
///
///     let file = File::open(&path).await?;
///     let mut word = [0; 3];
///     file.read_exact(&mut word).await?;
///     assert_eq!(&word, b"one");
///     let mut rest = String::new();
///     file.read_to_string(&mut rest).await?;
///     assert_eq!(rest, " two three");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct File {
    pub(super) shared: Arc<Shared>,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no open file behind.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open_at(None, path.as_ref()).await
    }

    /// Opens a file for writing: makes it if it is not there, and empties it if it is.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no open file behind; but an empty one, if a thread has begun.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open_at(None, path.as_ref())
            .await
    }

    /// Makes a file that is not there yet, and opens it for reading and writing.
    ///
    /// # Cancel safety
    ///
    /// As [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is something at the path; and as [`OpenOptions::open`].
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open_at(None, path.as_ref())
            .await
    }

    /// All other ways to open a file.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes a file of the standard library over. It needs no loop.
    pub fn from_std(file: StdFile) -> Self {
        Self { shared: Shared::new(file, Named::nameless(), Cursor::default(), Arc::default()) }
    }

    pub(in crate::fs) fn named(file: StdFile, path: PathBuf) -> Self {
        Self { shared: Shared::new(file, Named::new(path), Cursor::default(), Arc::default()) }
    }

    /// Gives the file of the standard library, at the position that was reached, after the operations before have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it closes the file.
    ///
    /// # Errors
    ///
    /// If an operation that nobody awaited has failed.
    pub async fn into_std(self) -> io::Result<StdFile> {
        let mut turn = Turn::wait(&self.shared).await?;
        if turn.cursor.has_unread() {
            let settled = run(turn, |file, cursor| cursor.settle(file)).await;
            ((), turn) = settled.map_err(|error| self.shared.named.cannot("hand over", &error))?;
        }
        self.hand_over(turn)
    }

    /// As [`into_std`](Self::into_std), where nothing can be awaited: an operation that is under way is an error. It needs no loop.
    pub(crate) fn into_std_now(self) -> io::Result<StdFile> {
        let mut turn = Turn::now(&self.shared)?;
        let settled = turn.work(|file, cursor| cursor.settle(file));
        settled.map_err(|error| self.shared.named.cannot("hand over", &error))?;
        self.hand_over(turn)
    }

    /// Gives the file, whose position was set right.
    fn hand_over(self, turn: Turn) -> io::Result<StdFile> {
        if turn.cursor.has_unread() {
            let unread = io::Error::other("data that were read from it would be lost: read them");
            return Err(self.shared.named.cannot("hand over", &unread));
        }
        // A thread that reads for somebody who is gone may still have it: then the two share it.
        match self.take(turn) {
            Ok(file) => Ok(file),
            Err(shared) => shared.file.try_clone(),
        }
    }

    /// Closes the file on a thread, and tells of what dropping it cannot: an operation that nobody awaited has failed, or
    /// the system could not write what it had taken, as it may be on a network. It does not [sync](Self::sync_all).
    ///
    /// # Cancel safety
    ///
    /// The file is closed in any case.
    ///
    /// # Errors
    ///
    /// Those of `close(2)`, and of operations that nobody has awaited.
    pub async fn close(self) -> io::Result<()> {
        let turn = Turn::wait(&self.shared).await?;
        let named = self.shared.named.clone();
        let Ok(file) = self.take(turn) else { return Ok(()) };
        let path = named.shared_path();
        let close = move || close(file).map_err(|error| named.cannot("close", &error.into()));
        Job::at(None, "close", path, close).await
    }

    /// Ends the turn, and takes the file out if nobody else has it.
    fn take(self, turn: Turn) -> Result<StdFile, Arc<Shared>> {
        drop(turn);
        Arc::try_unwrap(self.shared).map(|shared| shared.file)
    }

    /// Another descriptor of the same open file: both have one position. They no longer read ahead, and their operations
    /// know nothing of each other.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no descriptor behind.
    ///
    /// # Errors
    ///
    /// If the process has no descriptors left.
    pub async fn try_clone(&self) -> io::Result<Self> {
        let clone = self.operate("duplicate", |file, cursor| {
            cursor.settle(file)?;
            let clone = file.try_clone()?;
            cursor.never_ahead();
            Ok(clone)
        });
        let (clone, named) = (clone.await?, self.shared.named.clone());
        let locks = Arc::clone(&self.shared.locks);
        let mut cursor = Cursor::default();
        cursor.never_ahead();
        Ok(Self { shared: Shared::new(clone, named, cursor, locks) })
    }

    /// Calls `f` with the file on a thread of the pool, in its turn: for what has no method here.
    ///
    /// # Cancel safety
    ///
    /// Once a thread has begun, `f` runs to its end.
    ///
    /// # Errors
    ///
    /// Those of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::fs;
    /// use std::os::unix::fs::MetadataExt;
    ///
    /// oneloop::run(async {
    ///     let file = fs::temp_file().await?;
    ///     let links = file.with_std(|file| Ok(file.metadata()?.nlink())).await?;
    ///     assert_eq!(links, 1);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn with_std<R, F>(&self, f: F) -> io::Result<R>
    where
        R: Send + 'static,
        F: FnOnce(&StdFile) -> io::Result<R> + Send + 'static,
    {
        self.operate("use", |file, cursor| {
            cursor.settle(file)?;
            f(file)
        })
        .await
    }

    /// The path with which it was opened, if it was opened here.
    pub fn path(&self) -> Option<&Path> {
        self.shared.named.path()
    }

    /// What the system knows of the file.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// Those of `fstat(2)`.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.operate("read the metadata of", |file, _| file.metadata()).await
    }

    /// Sets who may do what with the file.
    ///
    /// # Cancel safety
    ///
    /// They are set or not.
    ///
    /// # Errors
    ///
    /// If it belongs to somebody else.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.operate("set the permissions of", |file, _| file.set_permissions(permissions)).await
    }

    /// Sets the times of the last access and change.
    ///
    /// # Cancel safety
    ///
    /// They are set or not.
    ///
    /// # Errors
    ///
    /// If it belongs to somebody else.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.operate("set the times of", move |file, _| file.set_times(times)).await
    }

    /// Cuts the file off at `len`, or extends it with zeros. The position stays.
    ///
    /// # Cancel safety
    ///
    /// It is done or not.
    ///
    /// # Errors
    ///
    /// If it is not open for writing, the disk is full, or the file may not be so large.
    #[doc(alias = "truncate")]
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate("set the length of", move |file, cursor| {
            cursor.settle(file)?;
            file.set_len(len)
        })
        .await
    }

    /// Waits until all that was written, and the metadata, are on the disk: they survive a loss of power. A file that was
    /// made or renamed has to be found again too: for that, sync its directory, as
    /// [`write_replace`](crate::fs::write_replace) does.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If the disk could not take the data. The kernel tells that once, and may have dropped them: to try again is of no
    /// use.
    #[doc(alias = "fsync")]
    pub async fn sync_all(&self) -> io::Result<()> {
        self.operate("sync", |file, _| file.sync_all()).await
    }

    /// As [`sync_all`](Self::sync_all), without metadata that are not needed to read the data, such as the times.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    #[doc(alias = "fdatasync")]
    pub async fn sync_data(&self) -> io::Result<()> {
        self.operate("sync", |file, _| file.sync_data()).await
    }

    /// Moves the position, and gives the new one, in bytes from the beginning. It may lie behind the end: a write there
    /// fills the gap with zeros.
    ///
    /// # Cancel safety
    ///
    /// It is moved or not.
    ///
    /// # Errors
    ///
    /// If it would lie before the beginning, or the file has no positions, as a pipe.
    pub async fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        self.operate("seek in", move |file, cursor| cursor.seek(file, to)).await
    }

    /// Moves the position to the beginning.
    ///
    /// # Cancel safety
    ///
    /// It is moved or not.
    ///
    /// # Errors
    ///
    /// As [`seek`](Self::seek).
    pub async fn rewind(&self) -> io::Result<()> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// The position, in bytes from the beginning.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// If the file has no positions, as a pipe.
    #[doc(alias = "tell")]
    pub async fn stream_position(&self) -> io::Result<u64> {
        self.operate("seek in", |file, cursor| cursor.position(file)).await
    }

    /// Waits for the turn, does `work` on a thread, and names the file in the error.
    pub(super) async fn operate<R, F>(&self, doing: &'static str, work: F) -> io::Result<R>
    where
        R: Send + 'static,
        F: FnOnce(&StdFile, &mut Cursor) -> io::Result<R> + Send + 'static,
    {
        let turn = Turn::wait(&self.shared).await?;
        let named = self.shared.named.clone();
        let work = move |file: &StdFile, cursor: &mut Cursor| {
            work(file, cursor).map_err(|error| named.cannot(doing, &error))
        };
        let (result, _turn) = run(turn, work).await?;
        Ok(result)
    }
}

impl From<StdFile> for File {
    fn from(file: StdFile) -> Self {
        Self::from_std(file)
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::from_std(fd.into())
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.file.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.file.as_raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("File");
        debug.field("fd", &self.as_raw_fd());
        if let Some(path) = self.path() {
            debug.field("path", &path);
        }
        debug.finish_non_exhaustive()
    }
}
