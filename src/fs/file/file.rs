//! `File`: opening, closing, metadata, and conversion to and from the standard library.

use std::fmt;
use std::fs::{File as StdFile, FileTimes, Metadata, Permissions};
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cursor::Cursor;
use super::operation::run;
use super::shared::{Named, Shared, Turn};
use crate::fs::OpenOptions;
use crate::fs::job::Job;
use crate::io::{AsFile, Sealed};
use crate::sys::files::close;

/// An open file.
///
/// Each operation runs on a thread of the [pool](crate::thread::to_thread), and the loop goes on
/// meanwhile. All operations take `&self`, so tasks may share a file through a reference or an
/// `Rc`. Operations run one after another, in the order in which they were first polled, and none
/// begins inside another: a line written with [`write_all`](Self::write_all) is never split. Only
/// [`read_at`](Self::read_at) runs alongside everything else.
///
/// When a write is ready, the system has the data: other processes see it, and it survives the end
/// of this process. It survives a loss of power after [`sync_all`](Self::sync_all). Data written
/// through the *trait* [`AsyncWrite`](crate::io::AsyncWrite) is different: it is still on its way
/// when the write is ready, until `flush`. It also arrives if the file is dropped.
///
/// A regular file that is read from front to back in small pieces is read ahead, up to 256 KiB,
/// which makes the pieces cheap. The position that the system keeps for the file may therefore be
/// past the data that was returned. `seek`, `write`, [`into_std`](Self::into_std),
/// [`try_clone`](Self::try_clone) and [`with_std`](Self::with_std) first correct it.
///
/// A file belongs to no loop. It is `Send` and `Sync`, and uses the pool of the loop on which its
/// methods are called. Dropping it closes it as soon as a running operation has ended;
/// [`close`](Self::close) also returns errors.
///
/// # Cancel safety
///
/// An operation whose future is dropped while it waits for its turn, or for a thread, does nothing.
/// If a thread is already at work, it finishes, and the next operation begins after that. Data read
/// this way is not lost: the next read returns it. An error becomes the error of the next
/// operation. An error that no operation follows is reported
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
    /// If the future is dropped before it is ready, no open file is left behind.
    ///
    /// # Errors
    ///
    /// Same as [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open_at(None, path.as_ref()).await
    }

    /// Opens a file for writing. Creates it if it does not exist, and truncates it if it does.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no open file is left behind, but an empty one
    /// may be if a thread has begun.
    ///
    /// # Errors
    ///
    /// Same as [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open_at(None, path.as_ref())
            .await
    }

    /// Creates a file that does not exist yet, and opens it for reading and writing.
    ///
    /// # Cancel safety
    ///
    /// Same as [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something exists at the path; otherwise
    /// the same as [`OpenOptions::open`].
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open_at(None, path.as_ref())
            .await
    }

    /// Returns options for all other ways to open a file.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Wraps a file of the standard library. This needs no loop.
    pub fn from_std(file: StdFile) -> Self {
        Self { shared: Shared::new(file, Named::nameless(), Cursor::default(), Arc::default()) }
    }

    pub(in crate::fs) fn named(file: StdFile, path: PathBuf) -> Self {
        Self { shared: Shared::new(file, Named::new(path), Cursor::default(), Arc::default()) }
    }

    /// Returns the file of the standard library, at the current position, after the earlier
    /// operations have ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the file is closed.
    ///
    /// # Errors
    ///
    /// The error of an earlier operation that was not awaited.
    pub async fn into_std(self) -> io::Result<StdFile> {
        let mut turn = Turn::wait(&self.shared).await?;
        if turn.cursor.has_unread() {
            let settled = run(turn, |file, cursor| cursor.settle(file)).await;
            ((), turn) = settled.map_err(|error| self.shared.named.cannot("hand over", &error))?;
        }
        self.hand_over(turn)
    }

    /// Like [`into_std`](Self::into_std), where nothing can be awaited: a running operation is an
    /// error. This needs no loop.
    pub(crate) fn into_std_now(self) -> io::Result<StdFile> {
        let mut turn = Turn::now(&self.shared)?;
        let settled = turn.work(|file, cursor| cursor.settle(file));
        settled.map_err(|error| self.shared.named.cannot("hand over", &error))?;
        self.hand_over(turn)
    }

    /// Returns the file, whose position has been corrected.
    fn hand_over(self, turn: Turn) -> io::Result<StdFile> {
        if turn.cursor.has_unread() {
            let unread = io::Error::other("data that were read from it would be lost: read them");
            return Err(self.shared.named.cannot("hand over", &unread));
        }
        // A thread that reads for a dropped future may still hold the file. The two then share it.
        match self.take(turn) {
            Ok(file) => Ok(file),
            Err(shared) => shared.file.try_clone(),
        }
    }

    /// Closes the file on a thread, and returns errors that a drop cannot: the failure of an
    /// operation that was not awaited, or of the system to write data that it had accepted, for
    /// example on a network file system. It does not [sync](Self::sync_all).
    ///
    /// # Cancel safety
    ///
    /// The file is closed in any case.
    ///
    /// # Errors
    ///
    /// Any error from `close(2)`, and the errors of operations that were not awaited.
    pub async fn close(self) -> io::Result<()> {
        let turn = Turn::wait(&self.shared).await?;
        let named = self.shared.named.clone();
        let Ok(file) = self.take(turn) else { return Ok(()) };
        let path = named.shared_path();
        let close = move || close(file).map_err(|error| named.cannot("close", &error));
        Job::at(None, "close", path, close).await
    }

    /// Ends the turn, and takes the file out unless it is still shared.
    fn take(self, turn: Turn) -> Result<StdFile, Arc<Shared>> {
        drop(turn);
        Arc::try_unwrap(self.shared).map(|shared| shared.file)
    }

    /// Returns another descriptor of the same open file. Both share one position. They no longer
    /// read ahead, and their operations are not ordered with each other.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no descriptor is left behind.
    ///
    /// # Errors
    ///
    /// An error if the process has no descriptors left.
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

    /// Calls `f` with the file on a thread of the pool, in its turn. Use this for operations that
    /// have no method here.
    ///
    /// # Cancel safety
    ///
    /// Once a thread has begun, `f` runs to its end.
    ///
    /// # Errors
    ///
    /// Any error that `f` returns.
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

    /// Returns the path with which the file was opened, if it was opened by this crate.
    pub fn path(&self) -> Option<&Path> {
        self.shared.named.path()
    }

    /// Returns the metadata of the file.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// Any error from `fstat(2)`.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.operate("read the metadata of", |file, _| file.metadata()).await
    }

    /// Sets the permissions of the file.
    ///
    /// # Cancel safety
    ///
    /// The permissions are either set or not.
    ///
    /// # Errors
    ///
    /// An error if the file belongs to another user.
    pub async fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.operate("set the permissions of", |file, _| file.set_permissions(permissions)).await
    }

    /// Sets the times of the last access and the last change.
    ///
    /// # Cancel safety
    ///
    /// The times are either set or not.
    ///
    /// # Errors
    ///
    /// An error if the file belongs to another user.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.operate("set the times of", move |file, _| file.set_times(times)).await
    }

    /// Truncates the file to `len` bytes, or extends it with zeros. The position does not change.
    ///
    /// # Cancel safety
    ///
    /// The length is either set or not.
    ///
    /// # Errors
    ///
    /// An error if the file is not open for writing, if the disk is full, or if the file may not be
    /// so large.
    #[doc(alias = "truncate")]
    pub async fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate("set the length of", move |file, cursor| {
            cursor.settle(file)?;
            file.set_len(len)
        })
        .await
    }

    /// Waits until all written data and the metadata are on the disk, where they survive a loss of
    /// power. A file that was created or renamed must also be found again: sync its directory for
    /// that, as [`write_replace`](crate::fs::write_replace) does.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// An error if the disk could not store the data. The kernel reports that once, and may have
    /// dropped the data, so there is no use in trying again.
    #[doc(alias = "fsync")]
    pub async fn sync_all(&self) -> io::Result<()> {
        self.operate("sync", |file, _| file.sync_all()).await
    }

    /// Like [`sync_all`](Self::sync_all), without metadata that is not needed to read the data,
    /// such as the times.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// Same as [`sync_all`](Self::sync_all).
    #[doc(alias = "fdatasync")]
    pub async fn sync_data(&self) -> io::Result<()> {
        self.operate("sync", |file, _| file.sync_data()).await
    }

    /// Moves the position, and returns the new one, in bytes from the beginning. It may be past the
    /// end: a write there fills the gap with zeros.
    ///
    /// # Cancel safety
    ///
    /// The position is either moved or not.
    ///
    /// # Errors
    ///
    /// An error if the new position would be before the beginning, or if the file cannot seek, such
    /// as a pipe.
    pub async fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        self.operate("seek in", move |file, cursor| cursor.seek(file, to)).await
    }

    /// Moves the position to the beginning.
    ///
    /// # Cancel safety
    ///
    /// The position is either moved or not.
    ///
    /// # Errors
    ///
    /// Same as [`seek`](Self::seek).
    pub async fn rewind(&self) -> io::Result<()> {
        self.seek(SeekFrom::Start(0)).await.map(drop)
    }

    /// Returns the position, in bytes from the beginning.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// An error if the file cannot seek, such as a pipe.
    #[doc(alias = "tell")]
    pub async fn stream_position(&self) -> io::Result<u64> {
        self.operate("seek in", |file, cursor| cursor.position(file)).await
    }

    /// Waits for the turn, does `work` on a thread, and names the file in an error.
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

impl File {
    /// Returns the file itself, whose position may be ahead of this one's.
    pub(in crate::fs) fn inner(&self) -> &StdFile {
        &self.shared.file
    }
}

impl AsFile for File {
    fn as_file(&self, _sealed: Sealed) -> &StdFile {
        &self.shared.file
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("File");
        debug.field("file", &self.shared.file);
        if let Some(path) = self.path() {
            debug.field("path", &path);
        }
        debug.finish_non_exhaustive()
    }
}
