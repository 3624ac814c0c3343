//! Makes temporary files and directories.

use std::env;
use std::fmt;
use std::io;
use std::mem;
use std::panic::Location;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::name::{new_dir, new_file};
use super::{Doomed, TempDir, TempFile};
use crate::fs::File;
use crate::fs::job::Job;

/// Makes a file with an unguessable name, accessible to this user only, and opens it for reading
/// and writing. It is removed when the [`TempFile`] is dropped. This is Python's
/// `tempfile.NamedTemporaryFile`.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, no file is left behind.
///
/// # Errors
///
/// An error if the directory is missing, may not be written, or is full, or if the prefix or suffix
/// contains a `/`.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let file = fs::temp_file().suffix(".csv").await?;
///     file.write_all(b"a,b\n1,2\n").await?;
///     let path = file.path().to_owned();
///     assert_eq!(fs::read_to_string(&path).await?, "a,b\n1,2\n");
///     file.close().await?;
///     assert!(!fs::try_exists(&path).await?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "NamedTemporaryFile")]
#[doc(alias = "mkstemp")]
#[track_caller]
pub fn temp_file() -> MakeTempFile {
    MakeTempFile { making: Making::new() }
}

/// Makes a directory with an unguessable name, accessible to this user only. It is removed, with
/// everything in it, when the [`TempDir`] is dropped. This is Python's
/// `tempfile.TemporaryDirectory`.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, no directory is left behind.
///
/// # Errors
///
/// Same as [`temp_file`].
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().to_owned();
///     fs::write(path.join("part-1"), "..").await?;
///     dir.close().await?;
///     assert!(!fs::try_exists(&path).await?);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "TemporaryDirectory")]
#[doc(alias = "mkdtemp")]
#[track_caller]
pub fn temp_dir() -> MakeTempDir {
    MakeTempDir { making: Making::new() }
}

/// The future of [`temp_file`].
#[must_use = "futures do nothing unless awaited"]
pub struct MakeTempFile {
    making: Making<TempFile>,
}

/// The future of [`temp_dir`].
#[must_use = "futures do nothing unless awaited"]
pub struct MakeTempDir {
    making: Making<TempDir>,
}

/// The stages that files and directories have in common.
struct Making<T: Send + 'static> {
    stage: Stage<T>,
}

enum Stage<T: Send + 'static> {
    New(Wishes),
    Working(Job<T>),
    Over,
}

struct Wishes {
    /// `None` stands for the system's directory.
    dir: Option<PathBuf>,
    prefix: String,
    suffix: String,
    place: &'static Location<'static>,
}

impl<T: Send + 'static> Making<T> {
    #[track_caller]
    fn new() -> Self {
        let (prefix, suffix) = ("tmp-".to_owned(), String::new());
        Self { stage: Stage::New(Wishes { dir: None, prefix, suffix, place: Location::caller() }) }
    }

    #[track_caller]
    fn wish(&mut self, wish: impl FnOnce(&mut Wishes)) {
        match &mut self.stage {
            Stage::New(wishes) => wish(wishes),
            Stage::Working(_) | Stage::Over => panic!("it is too late: it was polled already"),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        make: fn(Wishes) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let mut job = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(wishes) => {
                let dir = wishes.dir.clone().unwrap_or_else(env::temp_dir);
                let (place, dir) = (Some(wishes.place), Some(dir.into()));
                Job::at(place, "make a temporary file in", dir, move || make(wishes))
            }
            Stage::Working(job) => job,
            Stage::Over => panic!("a future of `fs` was polled after it was ready"),
        };
        let polled = Pin::new(&mut job).poll(cx);
        if polled.is_pending() {
            self.stage = Stage::Working(job);
        }
        polled
    }
}

impl Wishes {
    fn make_file(self) -> io::Result<TempFile> {
        let dir = self.dir.unwrap_or_else(env::temp_dir);
        let (file, path) = new_file(&dir, &self.prefix, &self.suffix, 0o600)?;
        let doomed = Doomed::file(path.clone(), self.place);
        Ok(TempFile::new(File::named(file, path), doomed))
    }

    fn make_dir(self) -> io::Result<TempDir> {
        let dir = self.dir.unwrap_or_else(env::temp_dir);
        let path = new_dir(&dir, &self.prefix, &self.suffix)?;
        Ok(TempDir::new(Doomed::dir(path, self.place)))
    }
}

impl Future for MakeTempFile {
    type Output = io::Result<TempFile>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.making.poll(cx, Wishes::make_file)
    }
}

impl Future for MakeTempDir {
    type Output = io::Result<TempDir>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.making.poll(cx, Wishes::make_dir)
    }
}

impl MakeTempFile {
    /// Uses this directory instead of the system's, which is `TMPDIR` from the environment, or
    /// `/tmp`.
    pub fn inside(mut self, dir: impl Into<PathBuf>) -> Self {
        self.making.wish(|wishes| wishes.dir = Some(dir.into()));
        self
    }

    /// Sets the beginning of the name. The default is `tmp-`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.making.wish(|wishes| wishes.prefix = prefix.into());
        self
    }

    /// Sets the end of the name, such as `.txt`.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.making.wish(|wishes| wishes.suffix = suffix.into());
        self
    }
}

impl MakeTempDir {
    /// Uses this directory instead of the system's, which is `TMPDIR` from the environment, or
    /// `/tmp`.
    pub fn inside(mut self, dir: impl Into<PathBuf>) -> Self {
        self.making.wish(|wishes| wishes.dir = Some(dir.into()));
        self
    }

    /// Sets the beginning of the name. The default is `tmp-`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.making.wish(|wishes| wishes.prefix = prefix.into());
        self
    }

    /// Sets the end of the name.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.making.wish(|wishes| wishes.suffix = suffix.into());
        self
    }
}

impl fmt::Debug for MakeTempFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeTempFile").finish_non_exhaustive()
    }
}

impl fmt::Debug for MakeTempDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MakeTempDir").finish_non_exhaustive()
    }
}
