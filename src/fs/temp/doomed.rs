//! Paths that are removed on drop.

use std::fs;
use std::io::{self, ErrorKind};
use std::mem;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fs::error::cannot;
use crate::fs::job::Job;
use crate::runtime::{self, BoxedError, OwnProcess, RunNumber};

/// A path that is removed when this is dropped.
///
/// On a loop, the removal is a [cleanup](crate::with_cleanup) of the task that drops it. Where no
/// loop runs, such as on the threads of the pool, it happens at once.
#[derive(Debug)]
pub(in crate::fs) struct Doomed {
    /// Empty when there is nothing left to remove.
    path: PathBuf,
    kind: Kind,
    /// Where the user asked for it.
    place: &'static Location<'static>,
    /// A forked child leaves the removal to its parent.
    process: OwnProcess,
    /// The loop that made it.
    home: Option<RunNumber>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Dir,
}

impl Doomed {
    pub(in crate::fs) fn file(path: PathBuf, place: &'static Location<'static>) -> Self {
        Self::new(path, Kind::File, place)
    }

    pub(super) fn dir(path: PathBuf, place: &'static Location<'static>) -> Self {
        Self::new(path, Kind::Dir, place)
    }

    fn new(path: PathBuf, kind: Kind, place: &'static Location<'static>) -> Self {
        Self { path, kind, place, process: OwnProcess::current(), home: runtime::home() }
    }

    pub(in crate::fs) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the path from being removed.
    pub(in crate::fs) fn spare(mut self) -> PathBuf {
        mem::take(&mut self.path)
    }

    /// Removes the path now. If the future is dropped half way, the rest goes on.
    pub(super) async fn remove(self) -> io::Result<()> {
        let (path, kind) = (self.path.clone(), self.kind);
        let removed = Job::new("remove", path.clone(), move || remove(&path, kind)).await;
        self.spare();
        removed
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let path = mem::take(&mut self.path);
        if path.as_os_str().is_empty() || !self.process.is_current() {
            return;
        }
        let Self { kind, process, home, .. } = *self;
        let removal = Removal { path, kind, process, home, has_begun: Arc::default() };
        if runtime::has_loop() {
            runtime::leave_cleanup(Box::pin(removal.run()), self.place);
        }
    }
}

/// Removes its path: on a thread, or when it is dropped before that has begun.
struct Removal {
    path: PathBuf,
    kind: Kind,
    process: OwnProcess,
    home: Option<RunNumber>,
    has_begun: Arc<AtomicBool>,
}

impl Removal {
    /// Returns the error, if there is one.
    async fn run(self) -> Option<BoxedError> {
        let (path, kind, has_begun) = (self.path.clone(), self.kind, Arc::clone(&self.has_begun));
        let removed = Job::new("remove", path.clone(), move || {
            has_begun.store(true, Ordering::Relaxed);
            remove(&path, kind)
        });
        removed.await.err().map(BoxedError::from)
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if self.has_begun.swap(true, Ordering::Relaxed) || !self.process.is_current() {
            return;
        }
        if let Err(error) = remove(&self.path, self.kind) {
            runtime::report_operation_error(self.home, error);
        }
    }
}

fn remove(path: &Path, kind: Kind) -> io::Result<()> {
    let removed = match kind {
        Kind::File => fs::remove_file(path),
        Kind::Dir => fs::remove_dir_all(path),
    };
    match removed {
        // The path was already removed by other code.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|error| cannot("remove the temporary", path, &error)),
    }
}
