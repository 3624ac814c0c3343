//! Lines to standard error that never wait. If there is no room for a line, it is lost, and a later
//! line says so.
//!
//! `eprintln!` would wait for the reader of a full pipe, and for other threads that wait for it. It
//! also panics if it cannot write. This file does not change the mode of the descriptor, because
//! other processes share it.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, PIPE_BUF};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;
use socket2::SockRef;

/// A longer line is cut. A pipe accepts this many bytes as a whole or not at all.
const LINE_MAX: usize = if PIPE_BUF < 512 { 512 } else { PIPE_BUF };

/// Replaces the rest of a line that is cut.
const CUT: &str = " ...";

/// Lost lines that no later line has mentioned yet.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The last line was written in part.
static IS_TORN: AtomicBool = AtomicBool::new(false);

/// Writes `line` and a line break, if this is possible without waiting.
pub(super) fn write_line(line: &str) {
    let lost = LOST.swap(0, Ordering::Relaxed);
    if lost > 0 {
        let notice = format!("oneloop: {lost} lines are lost, because standard error was full");
        if !try_write(&notice) {
            LOST.fetch_add(lost + 1, Ordering::Relaxed);
            return;
        }
    }
    if !try_write(line) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns `false` if nothing was written because there was no room. Other errors are ignored,
/// because there is nowhere to report them.
fn try_write(line: &str) -> bool {
    let start = if IS_TORN.swap(false, Ordering::Relaxed) { "\n" } else { "" };
    let line = format!("{start}{}\n", cut(line));
    let stderr = io::stderr();
    let mut rest = line.as_bytes();
    let result = without_waiting(stderr.as_fd(), |write| {
        while !rest.is_empty() {
            match write(rest) {
                Ok(0) => return Err(Errno::EAGAIN),
                Ok(written) => rest = &rest[written..],
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    });
    let is_partial = !rest.is_empty() && rest.len() < line.len();
    if is_partial || !start.is_empty() && rest.len() == line.len() {
        IS_TORN.store(true, Ordering::Relaxed);
    }
    is_partial || !matches!(result, Err(Errno::EAGAIN))
}

/// Calls `f` with a writer to `stderr` that returns `EAGAIN` instead of waiting.
fn without_waiting<R>(
    stderr: BorrowedFd<'_>,
    f: impl FnOnce(&mut dyn FnMut(&[u8]) -> nix::Result<usize>) -> nix::Result<R>,
) -> nix::Result<R> {
    let kind = fstat(stderr).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT)?;
    if kind == SFlag::S_IFSOCK {
        let socket = SockRef::from(&stderr);
        return f(&mut |data| {
            socket.send_with_flags(data, MSG_DONTWAIT).map_err(|error| errno(&error))
        });
    }
    if kind != SFlag::S_IFIFO && !io::stderr().is_terminal() {
        return f(&mut |data| write(stderr, data));
    }
    match reopened(stderr) {
        Ok(file) => f(&mut |data| write(&file, data)),
        // The pipe has no reader.
        Err(error) if errno(&error) == Errno::ENXIO => Err(Errno::EPIPE),
        Err(_) => f(&mut |data| {
            let mut fds = [PollFd::new(stderr, PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::ZERO)? {
                0 => Err(Errno::EAGAIN),
                _ => write(stderr, &data[..data.len().min(LINE_MAX)]),
            }
        }),
    }
}

/// The same pipe or terminal with a mode of its own, in which writes do not wait.
///
/// A poll before each write is not enough: another writer may take the room in between.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reopened(stderr: BorrowedFd<'_>) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;

    use nix::libc::{O_NOCTTY, O_NONBLOCK};

    let file =
        File::options().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open("/proc/self/fd/2")?;
    let (one, other) = (fstat(stderr)?, fstat(&file)?);
    let is_same =
        (one.st_dev, one.st_ino, one.st_rdev) == (other.st_dev, other.st_ino, other.st_rdev);
    if is_same { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Elsewhere an opened descriptor shares its mode with the original.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reopened(_: BorrowedFd<'_>) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// As much of the line as fits, with a break before and after it.
fn cut(line: &str) -> String {
    let room = LINE_MAX - "\n\n".len();
    if line.len() <= room {
        return line.to_owned();
    }
    let mut end = room - CUT.len();
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "ü".repeat(LINE_MAX);
        let line = cut(&long);
        assert!(line.len() <= LINE_MAX - 2 && line.ends_with("ü ..."), "{}", line.len());
    }
}
