//! Reads and writes a standard descriptor without changing the mode that it shares with others.
//!
//! | descriptor | method |
//! |---|---|
//! | a pipe, a named pipe, a terminal | it is reopened in non-blocking mode, which gives an open file of our own |
//! | a socket, which cannot be reopened | each call is itself non-blocking |
//! | a file, or a device like `/dev/null`, for writing | small data is written at once, as `println!` does; for more, a thread waits |
//! | a file for reading, or anything that cannot be reopened, such as another user's terminal | a thread waits |
//! | closed, or open for the other direction only | reads find the end, and writes are discarded, as in the standard library |

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::stat::{SFlag, fstat};
use socket2::SockRef;

use crate::io::descriptor::{self, Descriptor};
use crate::runtime::{Direction, Interests, Moved, Registration};
use crate::sys::descriptors::FdSource;
use crate::sys::reopen::{is_memory, reopen};

/// One of the three standard descriptors.
#[derive(Clone, Copy)]
pub(super) enum Standard {
    Input,
    Output,
    Error,
}

pub(super) enum Channel {
    /// The loop waits.
    Waited(Registration<Descriptor>),
    /// The loop waits, and each call is itself non-blocking.
    Socket(Registration<Descriptor>),
    /// A thread waits.
    Blocking,
    /// A thread waits, except for a small write, which takes less time than starting a thread.
    File,
    Closed,
}

impl Standard {
    /// The name of its handle's type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Input => "Stdin",
            Self::Output => "Stdout",
            Self::Error => "Stderr",
        }
    }

    pub(super) fn with_fd<R>(self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
        match self {
            Self::Input => f(io::stdin().as_fd()),
            Self::Output => f(io::stdout().as_fd()),
            Self::Error => f(io::stderr().as_fd()),
        }
    }

    fn direction(self) -> Direction {
        match self {
            Self::Input => Direction::Read,
            Self::Output | Self::Error => Direction::Write,
        }
    }
}

impl Channel {
    /// Determines the kind of the descriptor at this moment.
    pub(super) fn open(standard: Standard) -> io::Result<Self> {
        standard.with_fd(|fd| {
            if !is_open(fd, standard.direction())? {
                return Ok(Self::Closed);
            }
            let stat = fstat(fd)?;
            let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
            if kind == SFlag::S_IFSOCK {
                let file = fd.try_clone_to_owned().map(File::from);
                return Self::register(file, standard, Self::Socket);
            }
            if kind == SFlag::S_IFIFO || fd.is_terminal() {
                return Self::register(open_anew(fd, standard), standard, Self::Waited);
            }
            let is_file = kind == SFlag::S_IFREG || kind == SFlag::S_IFCHR && is_memory(&stat);
            let is_written = matches!(standard.direction(), Direction::Write);
            Ok(if is_file && is_written { Self::File } else { Self::Blocking })
        })
    }

    /// Registers the file, or lets a thread wait if the kernel refuses: a thread needs no further
    /// descriptor and no further rights.
    fn register(
        file: io::Result<File>,
        standard: Standard,
        channel: impl FnOnce(Registration<Descriptor>) -> Self,
    ) -> io::Result<Self> {
        let interests = match standard.direction() {
            Direction::Read => Interests::Read,
            Direction::Write => Interests::Write,
        };
        let register = |file| Registration::new(FdSource(file), interests, standard.name());
        match file.and_then(register) {
            Ok(registration) => {
                registration.set_outside();
                Ok(channel(registration))
            }
            Err(error) if error.raw_os_error().is_some() => Ok(Self::Blocking),
            // No loop runs here.
            Err(error) => Err(error),
        }
    }
}

fn is_open(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    let mode = match descriptor::flags(fd) {
        Ok(flags) => flags & OFlag::O_ACCMODE,
        Err(error) if error.raw_os_error() == Some(Errno::EBADF as i32) => return Ok(false),
        Err(error) => return Err(error),
    };
    // A pipe reopened for the opposite direction would take data that belongs to its reader.
    Ok(match direction {
        Direction::Read => mode != OFlag::O_WRONLY,
        Direction::Write => mode != OFlag::O_RDONLY,
    })
}

/// Opens the descriptor's file once more, which gives an open file with its own mode.
fn open_anew(fd: BorrowedFd<'_>, standard: Standard) -> io::Result<File> {
    let mut options = OpenOptions::new();
    match standard.direction() {
        Direction::Read => options.read(true),
        Direction::Write => options.write(true),
    };
    reopen(fd, &mut options)
}

/// Reads from a socket in either mode. If others share the socket and read from it between the
/// check and the read, the read may block.
pub(super) fn read_socket(io: &Descriptor, buf: &mut [u8]) -> io::Result<Moved<usize>> {
    if descriptor::is_ready(&io.0, Direction::Read)? {
        descriptor::read(io, buf)
    } else {
        Err(ErrorKind::WouldBlock.into())
    }
}

/// Writes to a socket in either mode.
pub(super) fn write_socket(io: &Descriptor, buf: &[u8]) -> io::Result<Moved<usize>> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    Ok(Moved { value: SockRef::from(&io.0).send_with_flags(buf, flags)?, is_short: false })
}
