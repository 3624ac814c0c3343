//! Copying a file.

use std::fmt;
use std::fs::{self, File as StdFile, OpenOptions as StdOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::{cannot, cannot_to};
use super::steps::{Step, Steps, Unwatched, Work};

/// So much is copied in one step.
const STEP: u64 = 8 * 1024 * 1024;

/// Copies the contents of a file, and its permissions, and says how many bytes it was. A file that is at `to` is
/// overwritten; of a symbolic link, what it leads to.
///
/// The kernel copies, where it can, without bringing the data here.
///
/// # Cancel safety
///
/// Not cancel safe: `to` may be empty, or end too early.
///
/// # Errors
///
/// If there is no `from`, or it is no regular file; if `to` may not be written, or is `from` itself
/// ([`InvalidInput`](ErrorKind::InvalidInput)); [`StorageFull`](ErrorKind::StorageFull).
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
    /// Calls `watch` after each step of 8 MiB, with how many bytes were copied, and of how many. It is called by whoever
    /// awaits this, in its task.
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
    /// What the system says.
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
        // Opening it would empty it.
        let is_same = |to: fs::Metadata| (to.dev(), to.ino()) == (metadata.dev(), metadata.ino());
        if fs::metadata(&self.to).is_ok_and(is_same) {
            return Err(invalid("they are the same file"));
        }
        let mode = metadata.mode() & 0o7777;
        let mut options = StdOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        let to = options.open(&self.to).map_err(|error| cannot("open", &self.to, &error))?;
        // The mode counts only for a file that was made, and less the umask.
        if to.metadata()?.is_file() {
            to.set_permissions(Permissions::from_mode(mode))?;
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
