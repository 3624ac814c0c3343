//! Files, with real ones in a separate directory for each test.

mod abandoned;
mod dirs;
mod faults;
mod file;
mod locks;
mod replace;
mod temp;
mod traits;
mod whole;

use std::fs;
use std::future::poll_fn;
use std::io::Result;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use oneloop::fs::{File, TempDir, temp_dir};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` on a new loop, with a directory.
fn run(test: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    oneloop::run(async {
        let dir: TempDir = temp_dir().await?;
        oneloop::timeout(LIMIT, test(dir.path())).await??;
        dir.close().await
    })
}

/// Polls it once, from the current task.
async fn poll_once<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Bytes that vary.
fn bytes(len: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..=250).collect();
    let mut bytes = pattern.repeat(len.div_ceil(pattern.len()));
    bytes.truncate(len);
    bytes
}

/// A named pipe, with both ends open in one file: a read waits until something was written.
async fn pipe(dir: &Path) -> Result<(File, fs::File)> {
    let path = dir.join("pipe");
    mkfifo(&path, Mode::S_IRWXU)?;
    let file = File::options().read(true).write(true).open(&path).await?;
    let other = fs::OpenOptions::new().read(true).write(true).open(&path)?;
    Ok((file, other))
}

/// The contents of a directory.
fn names(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("it is there");
    let mut names: Vec<_> =
        entries.flatten().map(|entry| PathBuf::from(entry.file_name())).collect();
    names.sort();
    names
}

fn write_with_mode(path: &Path, contents: &str, mode: u32) -> Result<()> {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).create(true).mode(mode).open(path)?;
    file.write_all(contents.as_bytes())
}
