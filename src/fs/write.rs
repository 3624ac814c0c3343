//! Writes a whole file.

use std::fmt;
use std::fs::{File as StdFile, OpenOptions as StdOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::cannot;
use super::feed::{Feed, Target};
use super::steps::Unwatched;

/// Writes a whole file. Creates it if it does not exist, and replaces its contents if it does.
///
/// Other programs see the file while it is being written, and if the disk is full, the old contents
/// are lost. Use [`write_replace`](super::write_replace) where that matters.
///
/// # Cancel safety
///
/// Not cancel safe: the file may be empty, or end in the middle of `contents`.
///
/// # Errors
///
/// Same as [`File::create`](super::File::create), and [`StorageFull`](io::ErrorKind::StorageFull)
/// if the disk is full.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("data");
///     fs::write(&path, vec![7; 3_000_000]).progress(|done, total| println!("{done} of {total}")).await?;
///     assert_eq!(fs::metadata(&path).await?.len(), 3_000_000);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn write<C: AsRef<[u8]>>(path: impl AsRef<Path>, contents: C) -> WriteFile<C> {
    let mut options = StdOptions::new();
    options.write(true).create(true).truncate(true);
    WriteFile::new(path.as_ref(), options, contents)
}

/// Appends `contents` to the end of a file, and creates the file if it does not exist.
///
/// Contents of up to 1 MiB are written in one piece, even if others write to the file.
///
/// # Cancel safety
///
/// Not cancel safe: a part of `contents` may have been written.
///
/// # Errors
///
/// Same as [`OpenOptions::open`](super::OpenOptions::open), and
/// [`StorageFull`](io::ErrorKind::StorageFull) if the disk is full.
#[track_caller]
pub fn append<C: AsRef<[u8]>>(path: impl AsRef<Path>, contents: C) -> WriteFile<C> {
    let mut options = StdOptions::new();
    options.append(true).create(true);
    WriteFile::new(path.as_ref(), options, contents)
}

/// The future of [`write`](fn@write) and [`append`].
#[must_use = "futures do nothing unless awaited"]
pub struct WriteFile<C, P = Unwatched> {
    feed: Feed<C, Plain>,
    watch: Option<P>,
}

impl<C: AsRef<[u8]>> WriteFile<C> {
    #[track_caller]
    fn new(path: &Path, options: StdOptions, contents: C) -> Self {
        let target = Plain { path: path.to_owned(), options };
        Self { feed: Feed::new(contents, target), watch: None }
    }

    /// Calls `watch` after each step of 1 MiB, with the number of bytes written and the total. The
    /// call happens in the task that awaits this future.
    pub fn progress<P: FnMut(u64, u64)>(self, watch: P) -> WriteFile<C, P> {
        WriteFile { feed: self.feed, watch: Some(watch) }
    }
}

impl<C: AsRef<[u8]>, P: FnMut(u64, u64)> Future for WriteFile<C, P> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { feed, watch } = &mut *self;
        feed.poll(cx, watch)
    }
}

// Nothing in it is pinned.
impl<C, P> Unpin for WriteFile<C, P> {}

struct Plain {
    path: PathBuf,
    options: StdOptions,
}

impl Target for Plain {
    fn operation(&self) -> (&'static str, &Path) {
        ("write", &self.path)
    }

    fn open(&mut self) -> io::Result<StdFile> {
        self.options.open(&self.path).map_err(|error| cannot("open", &self.path, &error))
    }

    fn write(&mut self, mut file: &StdFile, data: &[u8]) -> io::Result<()> {
        file.write_all(data).map_err(|error| cannot("write", &self.path, &error))
    }

    fn finish(self, file: StdFile) -> io::Result<()> {
        drop(file);
        Ok(())
    }
}

impl<C, P> fmt::Debug for WriteFile<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteFile").finish_non_exhaustive()
    }
}
