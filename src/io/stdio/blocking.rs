//! Blocking calls that a thread makes because the descriptor cannot be waited for.
//!
//! They do not use the threads of [`to_thread`](crate::thread::to_thread), but their own: a read of
//! a terminal may never return, and must delay neither other calls nor the end of the loop.

use std::io;
use std::os::fd::BorrowedFd;
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};

use super::channel::Standard;

/// Makes a call on a new, detached thread.
pub(super) fn call(standard: Standard, call: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let name = format!("oneloop-{}", standard.name().to_lowercase());
    let spawned = thread::Builder::new().name(name).spawn(call);
    spawned.map(drop).map_err(|error| {
        let message = format!("cannot start a thread for {}: {error}", standard.name());
        io::Error::new(error.kind(), message)
    })
}

/// Reads into `buf`, blocking for as long as it takes.
pub(super) fn read_some(standard: Standard, buf: &mut [u8]) -> io::Result<usize> {
    let read = |fd: BorrowedFd<'_>| insist(fd, PollFlags::POLLIN, |fd| read(fd, buf));
    match standard.with_fd(read) {
        // Closed in the meantime.
        Err(Errno::EBADF) => Ok(0),
        result => Ok(result?),
    }
}

/// Writes all of `data`, blocking for as long as it takes.
pub(super) fn write_all(standard: Standard, data: &[u8]) -> io::Result<()> {
    let mut rest = data;
    while !rest.is_empty() {
        let write = |fd: BorrowedFd<'_>| insist(fd, PollFlags::POLLOUT, |fd| write(fd, rest));
        match standard.with_fd(write) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(Errno::EBADF) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Repeats an operation that a signal interrupts, and waits for `event` if other code has set
/// non-blocking mode.
fn insist<R>(
    fd: BorrowedFd<'_>,
    event: PollFlags,
    mut operation: impl FnMut(BorrowedFd<'_>) -> nix::Result<R>,
) -> nix::Result<R> {
    loop {
        match operation(fd) {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // Whether the wait was interrupted does not matter: the operation itself tells.
                poll(&mut [PollFd::new(fd, event)], PollTimeout::NONE).ok();
            }
            result => return result,
        }
    }
}
