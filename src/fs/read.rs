//! Reads a whole file.

use std::fmt;
use std::fs::File as StdFile;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::cannot;
use super::steps::{Step, Steps, Unwatched, Work};

/// How many bytes one step reads.
const STEP: u64 = 8 * 1024 * 1024;

/// Reads a whole file.
///
/// This also works for files whose length the system does not report, such as those in `/proc`.
/// Data that others write to the file meanwhile may be included or not.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// Same as [`File::open`](super::File::open). Also an error if the file is a directory, or is too
/// large ([`OutOfMemory`](ErrorKind::OutOfMemory)).
///
/// # Examples
///
/// ```
/// use oneloop::fs;
/// use std::cell::Cell;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("data");
///     fs::write(&path, vec![7; 100_000]).await?;
///     assert_eq!(fs::read(&path).await?.len(), 100_000);
///
///     let percent = Cell::new(0);
///     fs::read(&path).progress(|done, total| percent.set(100 * done / total)).await?;
///     assert_eq!(percent.get(), 100);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> ReadFile {
    ReadFile { steps: Steps::new(Reading::new(path.as_ref())), watch: None }
}

/// Reads a whole text file in UTF-8.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// Same as [`read`], and [`InvalidData`](ErrorKind::InvalidData) if the file is not UTF-8.
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> ReadFileToString {
    let reading = ReadingText(Reading::new(path.as_ref()));
    ReadFileToString { steps: Steps::new(reading), watch: None }
}

/// The future of [`read`].
#[must_use = "futures do nothing unless awaited"]
pub struct ReadFile<P = Unwatched> {
    steps: Steps<Reading>,
    watch: Option<P>,
}

/// The future of [`read_to_string`].
#[must_use = "futures do nothing unless awaited"]
pub struct ReadFileToString<P = Unwatched> {
    steps: Steps<ReadingText>,
    watch: Option<P>,
}

impl ReadFile {
    /// Calls `watch` after each step of 8 MiB, with the number of bytes read and the total. The
    /// call happens in the task that awaits this future.
    pub fn progress<P: FnMut(u64, u64)>(self, watch: P) -> ReadFile<P> {
        ReadFile { steps: self.steps, watch: Some(watch) }
    }
}

impl ReadFileToString {
    /// Same as [`ReadFile::progress`].
    pub fn progress<P: FnMut(u64, u64)>(self, watch: P) -> ReadFileToString<P> {
        ReadFileToString { steps: self.steps, watch: Some(watch) }
    }
}

impl<P: FnMut(u64, u64)> Future for ReadFile<P> {
    type Output = io::Result<Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { steps, watch } = &mut *self;
        steps.poll(cx, |_| {}, watch)
    }
}

impl<P: FnMut(u64, u64)> Future for ReadFileToString<P> {
    type Output = io::Result<String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { steps, watch } = &mut *self;
        steps.poll(cx, |_| {}, watch)
    }
}

// Nothing in them is pinned.
impl<P> Unpin for ReadFile<P> {}
impl<P> Unpin for ReadFileToString<P> {}

struct Reading {
    path: PathBuf,
    /// `None` until the first step.
    file: Option<StdFile>,
    data: Vec<u8>,
    /// The length that the system reports.
    len: u64,
}

impl Reading {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, data: Vec::new(), len: 0 }
    }

    fn open(&mut self) -> io::Result<StdFile> {
        let file = StdFile::open(&self.path).map_err(|error| cannot("open", &self.path, &error))?;
        self.len = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(file)
    }

    /// Reads on, and returns whether the end was reached.
    fn read(&mut self, file: &StdFile) -> io::Result<bool> {
        if self.data.is_empty() {
            let len = usize::try_from(self.len).map_err(|_| ErrorKind::OutOfMemory)?;
            self.data.try_reserve_exact(len)?;
        }
        let len = file.take(STEP).read_to_end(&mut self.data)?;
        Ok((len as u64) < STEP)
    }
}

impl Work for Reading {
    type Output = Vec<u8>;

    fn step(mut self) -> io::Result<Step<Self>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        if self.read(&file).map_err(|error| cannot("read", &self.path, &error))? {
            let len = self.data.len() as u64;
            return Ok(Step::Over(self.data, len));
        }
        self.file = Some(file);
        Ok(Step::Next(self))
    }

    fn operation(&self) -> (&'static str, &Path) {
        ("read", &self.path)
    }

    fn progress(&self) -> (u64, u64) {
        let done = self.data.len() as u64;
        (done, self.len.max(done))
    }
}

struct ReadingText(Reading);

impl Work for ReadingText {
    type Output = String;

    fn step(self) -> io::Result<Step<Self>> {
        let path = self.0.path.clone();
        match self.0.step()? {
            Step::Next(reading) => Ok(Step::Next(Self(reading))),
            Step::Over(data, len) => match String::from_utf8(data) {
                Ok(text) => Ok(Step::Over(text, len)),
                Err(error) => {
                    let error = io::Error::new(ErrorKind::InvalidData, error.utf8_error());
                    Err(cannot("read", &path, &error))
                }
            },
        }
    }

    fn operation(&self) -> (&'static str, &Path) {
        self.0.operation()
    }

    fn progress(&self) -> (u64, u64) {
        self.0.progress()
    }
}

impl<P> fmt::Debug for ReadFile<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadFile").finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for ReadFileToString<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadFileToString").finish_non_exhaustive()
    }
}
