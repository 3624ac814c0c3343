//! `read_dir`: lists a directory.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirEntry as StdEntry, FileType, Metadata, ReadDir as StdReadDir};
use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::error::cannot;
use super::job::Job;
use crate::runtime;

/// How many entries are read at a time.
const BATCH: usize = 256;

/// Lists the entries of a directory, except `.` and `..`, in no particular order.
///
/// Entries that are made or removed meanwhile may be in the list or not.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Errors
///
/// An error if the directory does not exist or may not be read, or if the process has no
/// descriptors left.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     fs::write(dir.path().join("a"), "").await?;
///     fs::create_dir(dir.path().join("b")).await?;
///
///     let mut names = Vec::new();
///     let mut entries = fs::read_dir(dir.path()).await?;
///     while let Some(entry) = entries.next().await {
///         let entry = entry?;
///         names.push((entry.file_name(), entry.file_type()?.is_dir()));
///     }
///     names.sort();
///     assert_eq!(names, [("a".into(), false), ("b".into(), true)]);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "listdir")]
#[doc(alias = "scandir")]
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path: Arc<Path> = path.as_ref().into();
    let listed = Arc::clone(&path);
    let batch = Job::new("list", Arc::clone(&path), move || {
        let rest = fs::read_dir(&listed).map_err(|error| cannot("list", &listed, &error))?;
        Ok(Batch::read(rest, &listed))
    });
    let Batch { entries, rest } = batch.await?;
    Ok(ReadDir { path, entries, rest: rest.map(Rest::Here) })
}

/// The entries of a directory; see [`read_dir`]. A few hundred are read at a time.
#[must_use = "streams do nothing unless polled"]
pub struct ReadDir {
    path: Arc<Path>,
    entries: VecDeque<io::Result<DirEntry>>,
    /// `None` if these are the last entries.
    rest: Option<Rest>,
}

enum Rest {
    Here(StdReadDir),
    /// A thread is reading the next entries.
    Away(Job<Batch>),
}

struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    rest: Option<StdReadDir>,
}

impl Batch {
    fn read(mut rest: StdReadDir, path: &Path) -> Self {
        let mut entries = VecDeque::new();
        while entries.len() < BATCH {
            match rest.next() {
                Some(Ok(entry)) => entries.push_back(Ok(DirEntry::new(entry))),
                Some(Err(error)) => entries.push_back(Err(cannot("list", path, &error))),
                None => return Self { entries, rest: None },
            }
        }
        Self { entries, rest: Some(rest) }
    }
}

impl ReadDir {
    /// Returns the next entry, or `None` when there are no more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// An error if the rest of the directory cannot be read.
    #[doc(alias = "next_entry")]
    pub async fn next(&mut self) -> Option<io::Result<DirEntry>> {
        poll_fn(|cx| self.poll_entry(cx)).await
    }

    fn poll_entry(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<DirEntry>>> {
        ready!(runtime::poll_budget(cx));
        loop {
            if let Some(entry) = self.entries.pop_front() {
                return Poll::Ready(Some(entry));
            }
            let mut job = match self.rest.take() {
                None => return Poll::Ready(None),
                Some(Rest::Here(rest)) => {
                    let path = Arc::clone(&self.path);
                    let listed = Arc::clone(&path);
                    Job::new("list", listed, move || Ok(Batch::read(rest, &path)))
                }
                Some(Rest::Away(job)) => job,
            };
            match Pin::new(&mut job).poll(cx) {
                Poll::Ready(Ok(Batch { entries, rest })) => {
                    self.entries = entries;
                    self.rest = rest.map(Rest::Here);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => {
                    self.rest = Some(Rest::Away(job));
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Stream for ReadDir {
    type Item = io::Result<DirEntry>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_entry(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.entries.len();
        (len, self.rest.is_none().then_some(len))
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").field("path", &self.path).finish_non_exhaustive()
    }
}

/// An entry of a directory, made by [`ReadDir`]. The directory stays open as long as one of its
/// entries exists.
pub struct DirEntry {
    pub(super) entry: Arc<StdEntry>,
    file_type: io::Result<FileType>,
}

impl DirEntry {
    fn new(entry: StdEntry) -> Self {
        // Most file systems report the type with the name. Otherwise the system must be asked, and
        // this code runs on a thread.
        let file_type = entry.file_type();
        Self { entry: Arc::new(entry), file_type }
    }

    /// Returns the path: the one given to [`read_dir`], and the name.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// Returns the name, without the path.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// Returns whether the entry is a file, a directory, a symbolic link or something else. This is
    /// already known, so it does not wait.
    ///
    /// # Errors
    ///
    /// An error if the system did not report the type with the name, and the entry was gone when it
    /// was asked.
    pub fn file_type(&self) -> io::Result<FileType> {
        self.file_type
            .as_ref()
            .copied()
            .map_err(|error| cannot("read the metadata of", &self.path(), error))
    }

    /// Returns the metadata of the entry. Symbolic links are not followed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// An error if the entry is gone.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.entry);
        Job::new("read the metadata of", entry.path(), move || {
            let cannot = |error| cannot("read the metadata of", &entry.path(), &error);
            entry.metadata().map_err(cannot)
        })
        .await
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}
