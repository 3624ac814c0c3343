//! Blocking work, done on a thread of the pool.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::error::{cannot, cannot_to};
use crate::runtime::{self, Place};
use crate::thread::{Call, Operation, blocking_pool};

/// A call to the operating system cannot be stopped.
const REMEDY: &str = "the operating system has not answered; if it is a named pipe, it waits until somebody opens the other end: use \
                      `io::pipe::open_receiver` or `open_sender`; if it is a slow disk, raise `Builder::cleanup_timeout`";

/// A call to the operating system. It is taken back if it is dropped before a thread has begun it.
///
/// It is like the future of [`to_thread`](crate::thread::to_thread), but a missing loop or thread
/// is an error.
pub(super) struct Job<R: Send + 'static> {
    call: Call<io::Result<R>>,
}

impl<R: Send + 'static> Job<R> {
    /// The description and the path go into the report of a call that takes too long.
    pub(super) fn new(
        doing: &'static str,
        path: impl Into<Arc<Path>>,
        call: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Self {
        Self::at(None, doing, Some(path.into()), call)
    }

    /// Like [`Job::new`], with the place where the user asked for it, and for a file whose path may
    /// be unknown.
    pub(super) fn at(
        place: Option<Place>,
        doing: &'static str,
        path: Option<Arc<Path>>,
        call: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Self {
        Self { call: Call::of(Operation { doing, path, place, remedy: REMEDY }, call) }
    }
}

impl<R: Send + 'static> Future for Job<R> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        check_loop()?;
        self.call.poll(cx, "`fs`", blocking_pool).map(|result| result?)
    }
}

/// Checks that a loop, and so a pool, exists here.
pub(super) fn check_loop() -> io::Result<()> {
    if runtime::has_loop() {
        return Ok(());
    }
    Err(io::Error::other("`fs` needs a running event loop: use it inside `oneloop::run`"))
}

/// Does `call` with a path, which its error then names.
pub(super) async fn with_path<R, F>(
    path: impl AsRef<Path>,
    doing: &'static str,
    call: F,
) -> io::Result<R>
where
    R: Send + 'static,
    F: FnOnce(&Path) -> io::Result<R> + Send + 'static,
{
    with_path_at(None, path.as_ref(), doing, call).await
}

/// Like [`with_path`], on behalf of the code at `place`.
pub(super) fn with_path_at<R, F>(
    place: Option<Place>,
    path: &Path,
    doing: &'static str,
    call: F,
) -> Job<R>
where
    R: Send + 'static,
    F: FnOnce(&Path) -> io::Result<R> + Send + 'static,
{
    let path: Arc<Path> = path.into();
    let named = Some(Arc::clone(&path));
    Job::at(place, doing, named, move || call(&path).map_err(|error| cannot(doing, &path, &error)))
}

/// Like [`with_path`], with two paths.
pub(super) async fn with_paths<R, F>(
    from: PathBuf,
    to: PathBuf,
    doing: &'static str,
    call: F,
) -> io::Result<R>
where
    R: Send + 'static,
    F: FnOnce(&Path, &Path) -> io::Result<R> + Send + 'static,
{
    let path = Arc::from(from.as_path());
    let call = move || call(&from, &to).map_err(|error| cannot_to(doing, &from, &to, &error));
    Job::at(None, doing, Some(path), call).await
}
