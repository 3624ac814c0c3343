//! Writes to standard error that do not wait. The mode of the descriptor does not change, because
//! other processes share it.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal as _};
use std::os::fd::AsFd as _;

use nix::libc::{ENXIO, EPIPE, MSG_DONTWAIT, PIPE_BUF};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::write;
use socket2::SockRef;

use super::reopen::reopen;

/// A pipe accepts this many bytes as a whole or not at all.
pub(crate) const WHOLE_MAX: usize = if PIPE_BUF < 512 { 512 } else { PIPE_BUF };

/// Calls `f` with a writer to standard error that returns `WouldBlock` instead of waiting.
pub(crate) fn without_waiting<R>(
    f: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<usize>) -> io::Result<R>,
) -> io::Result<R> {
    let stderr = io::stderr();
    let stderr = stderr.as_fd();
    let kind = fstat(stderr).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT)?;
    if kind == SFlag::S_IFSOCK {
        let socket = SockRef::from(&stderr);
        return f(&mut |data| socket.send_with_flags(data, MSG_DONTWAIT));
    }
    if kind != SFlag::S_IFIFO && !io::stderr().is_terminal() {
        return f(&mut |data| Ok(write(stderr, data)?));
    }
    // A poll before each write is not enough: another writer may take the room in between.
    match reopen(stderr, OpenOptions::new().write(true)) {
        Ok(file) => f(&mut |data| Ok(write(&file, data)?)),
        // The pipe has no reader.
        Err(error) if error.raw_os_error() == Some(ENXIO) => {
            Err(io::Error::from_raw_os_error(EPIPE))
        }
        Err(_) => f(&mut |data| {
            let mut fds = [PollFd::new(stderr, PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::ZERO)? {
                0 => Err(ErrorKind::WouldBlock.into()),
                _ => Ok(write(stderr, &data[..data.len().min(WHOLE_MAX)])?),
            }
        }),
    }
}
