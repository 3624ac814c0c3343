//! Copies a file.

use std::fmt;
use std::fs::{self, File as StdFile, OpenOptions as StdOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::{cannot, cannot_to};
use super::steps::{Step, Steps, Unwatched, Work};
use crate::sys::files::{is_same_file, set_mode_of};

/// How many bytes one step copies.
const STEP: u64 = 8 * 1024 * 1024;

/// Copies the contents and the permissions of a file, and returns the number of bytes copied. A
/// file at `to` is overwritten. If `to` is a symbolic link, its target is overwritten.
///
/// Where possible the kernel copies, without moving the data through this process.
///
/// # Cancel safety
///
/// Not cancel safe: `to` may be left empty or incomplete.
///
/// # Errors
///
/// An error if `from` does not exist or is not a regular file; if `to` may not be written, or is
/// the same file as `from` ([`InvalidInput`](ErrorKind::InvalidInput)); or if the disk is full
/// ([`StorageFull`](ErrorKind::StorageFull)).
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let (from, to) = (dir.path().join("a"), dir.path().join("b"));
///     fs::write(&from, vec![7; 20_000_000]).await?;
///     let mut steps = 0;
///     let len = fs::copy(&from, &to).progress(|_done, _total| steps += 1).await?;
///     assert_eq!((len, steps), (20_000_000, 3));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> CopyFile {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    CopyFile { steps: Steps::new(Copying { from, to, files: None, done: 0, len: 0 }), watch: None }
}

/// The future of [`copy`].
#[must_use = "futures do nothing unless awaited"]
pub struct CopyFile<P = Unwatched> {
    steps: Steps<Copying>,
    watch: Option<P>,
}

impl CopyFile {
    /// Calls `watch` after each step of 8 MiB, with the number of bytes copied and the total. The
    /// call happens in the task that awaits this future.
    pub fn progress<P: FnMut(u64, u64)>(self, watch: P) -> CopyFile<P> {
        CopyFile { steps: self.steps, watch: Some(watch) }
    }
}

impl<P: FnMut(u64, u64)> Future for CopyFile<P> {
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let Self { steps, watch } = &mut *self;
        steps.poll(cx, |_| {}, watch)
    }
}

// Nothing in it is pinned.
impl<P> Unpin for CopyFile<P> {}

struct Copying {
    from: PathBuf,
    to: PathBuf,
    /// `None` until the first step.
    files: Option<Files>,
    done: u64,
    /// The length that the system reports.
    len: u64,
}

struct Files {
    from: StdFile,
    to: StdFile,
}

impl Copying {
    fn open(&mut self) -> io::Result<Files> {
        let from = StdFile::open(&self.from).map_err(|error| cannot("open", &self.from, &error))?;
        let metadata = from.metadata()?;
        if !metadata.is_file() {
            return Err(invalid("it is no regular file"));
        }
        // Opening it would truncate it.
        let is_same = |to: fs::Metadata| is_same_file(&to, &metadata);
        if fs::metadata(&self.to).is_ok_and(is_same) {
            return Err(invalid("they are the same file"));
        }
        let mut options = StdOptions::new();
        options.write(true).create(true).truncate(true);
        set_mode_of(&mut options, &metadata);
        let to = options.open(&self.to).map_err(|error| cannot("open", &self.to, &error))?;
        // The mode applies only to a file that was created, and the umask reduces it.
        if to.metadata()?.is_file() {
            to.set_permissions(metadata.permissions())?;
        }
        self.len = metadata.len();
        Ok(Files { from, to })
    }

    fn copy(&mut self) -> io::Result<u64> {
        let files = match self.files.take() {
            Some(files) => files,
            None => self.open()?,
        };
        let Files { from, to } = self.files.insert(files);
        io::copy(&mut (&*from).take(STEP), to)
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

impl Work for Copying {
    type Output = u64;

    fn step(mut self) -> io::Result<Step<Self>> {
        let copied =
            self.copy().map_err(|error| cannot_to("copy", &self.from, &self.to, &error))?;
        self.done += copied;
        if copied < STEP {
            return Ok(Step::Over(self.done, self.done));
        }
        Ok(Step::Next(self))
    }

    fn operation(&self) -> (&'static str, &Path) {
        ("copy", &self.from)
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.len.max(self.done))
    }
}

impl<P> fmt::Debug for CopyFile<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyFile").finish_non_exhaustive()
    }
}
