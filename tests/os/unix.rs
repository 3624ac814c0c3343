//! Unix sockets: streams, listeners and their files, datagrams, and the passing of descriptors.
//!
//! Each test runs under a time limit, so that a lost wake is a failure and not a hang.

mod datagrams;
#[cfg(feature = "fd-passing")]
mod fds;
mod files;
mod streams;

use std::env;
use std::fs;
use std::future::poll_fn;
use std::io::{self, Result};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` on a new loop.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

/// A directory for one test. Its drop removes it with its contents.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("oneloop-unix-{}-{number}", process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl AsRef<Path> for Directory {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Returns the error, which the test expects.
fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

/// Polls `future` once. Returns whether it has to wait.
async fn waits(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}
