//! Other programs: children and foreign peers.
//!
//! This is a separate binary. Until a child has executed its program, it has all descriptors of
//! this process, so a descriptor that a test closes here may stay open for a moment.
#![cfg(all(feature = "fs", feature = "net", feature = "process"))]
#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

mod directories;
mod pipes;
mod process;
mod server;
mod tcp;
mod unix;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longer than any test here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `test` on a new loop.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(PATIENCE, test))?
}

/// A directory for one test. Its drop removes it with its contents.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("oneloop-programs-{}-{number}", id()));
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

/// Runs `script`, whose output the test reads. Returns `None` if there is no Python here.
fn python(script: &str, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<Option<Child>> {
    let started =
        Command::new("python3").args(["-c", script]).args(args).stdout(Stdio::piped()).spawn();
    match started {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            #[expect(
                clippy::print_stderr,
                reason = "a test that did not run must not look as if it had"
            )]
            {
                eprintln!("SKIPPED: python3 is not installed");
            }
            Ok(None)
        }
        child => child.map(Some),
    }
}
