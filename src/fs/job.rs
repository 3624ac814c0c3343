//! What blocks, done on a thread of the pool.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::{cannot, cannot_to};
use crate::runtime;
use crate::thread::{Call, blocking_pool};

/// A call to the operating system; taken back if it is dropped before a thread has begun with it.
///
/// As the future of [`to_thread`](crate::thread::to_thread), but without a loop or a thread it is an error.
pub(super) struct Job<R: Send + 'static> {
    call: Call<io::Result<R>>,
}

impl<R: Send + 'static> Job<R> {
    pub(super) fn new(call: impl FnOnce() -> io::Result<R> + Send + 'static) -> Self {
        Self { call: Call::new(call) }
    }
}

impl<R: Send + 'static> Future for Job<R> {
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        check_loop()?;
        self.call.poll(cx, "`fs`", blocking_pool).map(|result| result?)
    }
}

/// There is a loop here, and so a pool.
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
    let path = path.as_ref().to_owned();
    Job::new(move || call(&path).map_err(|error| cannot(doing, &path, &error))).await
}

/// As [`with_path`], with two of them.
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
    let call = move || call(&from, &to).map_err(|error| cannot_to(doing, &from, &to, &error));
    Job::new(call).await
}
