//! Operations on a bare descriptor, shared by all types that are built on one. This file must not
//! know who reads or writes it.

use std::fs::{File, FileType};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::runtime::{Direction, Moved};
use crate::sys::descriptors::FdSource;

/// A descriptor that the loop waits for, read and written with the standard library's methods.
pub(super) type Descriptor = FdSource<File>;

/// Prepares a descriptor that can be waited for, which must be a pipe, a socket or a character
/// device open for `direction`. Sets it to non-blocking mode.
pub(super) fn prepare(fd: OwnedFd, direction: Direction) -> io::Result<File> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    if !(kind.is_fifo() || kind.is_socket() || kind.is_char_device()) {
        return Err(io::Error::new(ErrorKind::InvalidInput, unfit(kind)));
    }
    let flags = flags(&file)?;
    let (is_open, verb) = match (direction, flags & OFlag::O_ACCMODE) {
        (Direction::Read, mode) => (mode != OFlag::O_WRONLY, "reading"),
        (Direction::Write, mode) => (mode != OFlag::O_RDONLY, "writing"),
    };
    if !is_open {
        let message = format!("this descriptor is not open for {verb}");
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    }
    set_nonblocking(&file, true)?;
    Ok(file)
}

fn unfit(kind: FileType) -> &'static str {
    if kind.is_file() {
        "a regular file is always ready, so there is nothing to wait for: use `fs::File`"
    } else if kind.is_dir() {
        "this is a directory: use `fs::read_dir`"
    } else {
        "an event loop can wait for pipes, sockets and character devices only: use `fs::File`"
    }
}

pub(super) fn flags(fd: impl AsFd) -> io::Result<OFlag> {
    Ok(OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?))
}

/// Explains why a registration was refused, where the kernel's own message explains nothing.
pub(super) fn explain(error: io::Error, what: &str) -> io::Error {
    let message = match error.raw_os_error().map(Errno::from_raw) {
        // epoll returns this for regular files, and for devices that are always ready, such as
        // /dev/null.
        Some(Errno::EPERM) => {
            "what it stands for is always ready, so there is nothing to wait for: use `fs::File`"
        }
        Some(Errno::EEXIST) => {
            "the descriptor is registered already: share what holds it, or duplicate it with `try_clone`"
        }
        _ => return error,
    };
    io::Error::new(ErrorKind::InvalidInput, format!("cannot make a {what}: {message}"))
}

/// Sets or clears `O_NONBLOCK`, for everyone who shares the open file.
pub(super) fn set_nonblocking(fd: impl AsFd, nonblocking: bool) -> io::Result<()> {
    let former = flags(&fd)?;
    let mut flags = former;
    flags.set(OFlag::O_NONBLOCK, nonblocking);
    if flags != former {
        fcntl(fd, FcntlArg::F_SETFL(flags))?;
    }
    Ok(())
}

/// Whether the other side has hung up, for good or for now.
pub(super) fn has_hung_up(fd: impl AsFd) -> io::Result<bool> {
    Ok(state(fd, PollFlags::empty())?.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
}

/// Whether an operation in this direction would complete without waiting, according to the kernel
/// right now.
pub(super) fn is_ready(fd: impl AsFd, direction: Direction) -> io::Result<bool> {
    let wanted = match direction {
        Direction::Read => PollFlags::POLLIN,
        Direction::Write => PollFlags::POLLOUT,
    };
    // The end of the stream and errors count as readiness too.
    Ok(!state(fd, wanted)?.is_empty())
}

fn state(fd: impl AsFd, wanted: PollFlags) -> io::Result<PollFlags> {
    let mut asked = [PollFd::new(fd.as_fd(), wanted)];
    poll(&mut asked, PollTimeout::ZERO)?;
    let found = asked[0].revents().unwrap_or(PollFlags::empty());
    if found.contains(PollFlags::POLLNVAL) {
        return Err(Errno::EBADF.into());
    }
    Ok(found)
}

// Only `WouldBlock` shows that a pipe or device is drained: data written in pieces is read in
// pieces.

pub(super) fn read(io: &Descriptor, buf: &mut [u8]) -> io::Result<Moved<usize>> {
    Ok(Moved { value: (&io.0).read(buf)?, is_short: false })
}

pub(super) fn read_vectored(
    io: &Descriptor,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<Moved<usize>> {
    Ok(Moved { value: (&io.0).read_vectored(bufs)?, is_short: false })
}

pub(super) fn write(io: &Descriptor, buf: &[u8]) -> io::Result<Moved<usize>> {
    Ok(Moved { value: (&io.0).write(buf)?, is_short: false })
}

pub(super) fn write_vectored(io: &Descriptor, bufs: &[IoSlice<'_>]) -> io::Result<Moved<usize>> {
    Ok(Moved { value: (&io.0).write_vectored(bufs)?, is_short: false })
}

/// The most bytes that [`append`] reads at once.
const APPEND_MAX: u64 = 64 * 1024;

/// Appends the available bytes to `buf`, and returns whether the end was reached. Bytes read before
/// an error stay in `buf`.
pub(super) fn append(io: &Descriptor, buf: &mut Vec<u8>) -> io::Result<Moved<bool>> {
    let len = (&io.0).take(APPEND_MAX).read_to_end(buf)?;
    Ok(Moved { value: (len as u64) < APPEND_MAX, is_short: false })
}
