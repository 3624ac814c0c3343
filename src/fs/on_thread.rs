//! A single call to the operating system, done on a thread.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{cannot, cannot_to};
use crate::runtime;
use crate::thread::to_thread;

/// Does `call` on a thread of the pool.
pub(super) async fn on_thread<R, F>(call: F) -> io::Result<R>
where
    R: Send + 'static,
    F: FnOnce() -> io::Result<R> + Send + 'static,
{
    check_loop()?;
    to_thread(call).await
}

/// There is a loop here, and so a pool.
pub(super) fn check_loop() -> io::Result<()> {
    if runtime::is_virtual().is_some() {
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
    on_thread(move || call(&path).map_err(|error| cannot(doing, &path, &error))).await
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
    on_thread(move || call(&from, &to).map_err(|error| cannot_to(doing, &from, &to, &error))).await
}
