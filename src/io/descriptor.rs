//! What all that stands on a bare descriptor asks of it and does with it. It must not know who reads or writes it.

use std::fs::{File, FileType};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::runtime::{Direction, FdSource, Moved};

/// A descriptor that the loop waits for, with the methods of the standard library to read and write it.
pub(super) type Descriptor = FdSource<File>;

/// Prepares what can be waited for: a pipe, a socket or a character device that is open for `direction`. In non-blocking mode
/// afterwards.
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

/// Says what a registration is refused for, where the kernel's word for it explains nothing.
pub(super) fn explain(error: io::Error, what: &str) -> io::Error {
    let message = match error.raw_os_error().map(Errno::from_raw) {
        // Of epoll, for regular files and for devices that never make anybody wait, such as /dev/null.
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

/// Sets or clears `O_NONBLOCK`, for all who share what the descriptor stands for.
pub(super) fn set_nonblocking(fd: impl AsFd, nonblocking: bool) -> io::Result<()> {
    let former = flags(&fd)?;
    let mut flags = former;
    flags.set(OFlag::O_NONBLOCK, nonblocking);
    if flags != former {
        fcntl(fd, FcntlArg::F_SETFL(flags))?;
    }
    Ok(())
}

/// Whether the other side has gone, for good or for now.
pub(super) fn has_hung_up(fd: impl AsFd) -> io::Result<bool> {
    Ok(state(fd, PollFlags::empty())?.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
}

/// Whether an operation in this direction would not have to wait, as the kernel sees it now.
pub(super) fn is_ready(fd: impl AsFd, direction: Direction) -> io::Result<bool> {
    let wanted = match direction {
        Direction::Read => PollFlags::POLLIN,
        Direction::Write => PollFlags::POLLOUT,
    };
    // The end and an error are something to be found, too.
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

// Only an operation that says `WouldBlock` has emptied a pipe or a device: what was written in pieces is read in pieces.

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

/// The most that [`append`] reads at once.
const APPEND_MAX: u64 = 64 * 1024;

/// Appends what is there to `buf`; whether that was the end. What was read before an error is in `buf` too.
pub(super) fn append(io: &Descriptor, buf: &mut Vec<u8>) -> io::Result<Moved<bool>> {
    let len = (&io.0).take(APPEND_MAX).read_to_end(buf)?;
    Ok(Moved { value: (len as u64) < APPEND_MAX, is_short: false })
}
