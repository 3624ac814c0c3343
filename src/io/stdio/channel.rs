//! How a standard descriptor is read or written without changing the mode that others share.
//!
//! | it is | so |
//! |---|---|
//! | a pipe, a named pipe, a terminal | it is opened anew, in non-blocking mode: what that stands for is ours alone |
//! | a socket, which cannot be opened anew | each call says by itself that it must not wait |
//! | a file, and a device like `/dev/null`, to be written to | a little is written at once, as `println!` does; for more a thread waits |
//! | a file to be read, and what cannot be opened anew, as the terminal of another user | a thread waits |
//! | closed, or open for the other direction only | nothing is there, and what is written is thrown away, as in the standard library |

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::stat::{FileStat, SFlag, fstat};
#[cfg(any(target_os = "linux", target_os = "android"))]
use nix::sys::stat::{major, makedev};
use socket2::SockRef;

use crate::io::descriptor::{self, Descriptor};
use crate::runtime::{Direction, FdSource, Interests, Moved, Registration};

/// One of the three.
#[derive(Clone, Copy)]
pub(super) enum Standard {
    Input,
    Output,
    Error,
}

pub(super) enum Channel {
    /// The loop waits.
    Waited(Registration<Descriptor>),
    /// The loop waits, and each call says that it must not.
    Socket(Registration<Descriptor>),
    /// A thread waits.
    Blocking,
    /// A thread waits, unless it is little that is to be written: that takes less time than a thread would.
    File,
    Closed,
}

impl Standard {
    /// What its handle is called.
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
    /// Finds out what the descriptor is now.
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
                return Self::register(open_anew(fd, &stat, standard), standard, Self::Waited);
            }
            let is_file = kind == SFlag::S_IFREG || kind == SFlag::S_IFCHR && is_memory(&stat);
            let is_written = matches!(standard.direction(), Direction::Write);
            Ok(if is_file && is_written { Self::File } else { Self::Blocking })
        })
    }

    /// A thread does where the kernel refuses: it needs no descriptor, and no rights but those that the process has.
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
            Ok(registration) => Ok(channel(registration)),
            Err(error) if error.raw_os_error().is_some() => Ok(Self::Blocking),
            // No loop runs here.
            Err(error) => Err(error),
        }
    }
}

/// Whether it is a device like `/dev/null`, which never makes anybody wait.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_memory(stat: &FileStat) -> bool {
    major(stat.st_rdev) == 1
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_memory(_: &FileStat) -> bool {
    false
}

fn is_open(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    let mode = match descriptor::flags(fd) {
        Ok(flags) => flags & OFlag::O_ACCMODE,
        Err(error) if error.raw_os_error() == Some(Errno::EBADF as i32) => return Ok(false),
        Err(error) => return Err(error),
    };
    // A pipe that was opened anew the other way round would take what belongs to its reader.
    Ok(match direction {
        Direction::Read => mode != OFlag::O_WRONLY,
        Direction::Write => mode != OFlag::O_RDONLY,
    })
}

/// Opens what the descriptor stands for once more, which gives an open file with a mode of its own. Only Linux does so; where
/// such a name only duplicates the descriptor, the mode would be that of all.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_anew(fd: BorrowedFd<'_>, stat: &FileStat, standard: Standard) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    match standard.direction() {
        Direction::Read => options.read(true),
        Direction::Write => options.write(true),
    };
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let file = options.custom_flags(flags.bits()).open(path)?;
    let opened = fstat(&file)?;
    let identity = |stat: &FileStat| (stat.st_dev, stat.st_ino, stat.st_rdev);
    // The near end of a pseudo terminal: to open it makes a new one, under the same name.
    let is_multiplexer = stat.st_rdev == makedev(5, 2);
    if identity(&opened) != identity(stat) || is_multiplexer {
        return Err(Errno::ENXIO.into());
    }
    Ok(file)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_anew(_: BorrowedFd<'_>, _: &FileStat, _: Standard) -> io::Result<File> {
    Err(Errno::ENXIO.into())
}

/// Reads from a socket in whatever mode. It must not be read from between the question and the call, which others who share
/// it would do.
pub(super) fn read_socket(io: &Descriptor, buf: &mut [u8]) -> io::Result<Moved<usize>> {
    if descriptor::is_ready(&io.0, Direction::Read)? {
        descriptor::read(io, buf)
    } else {
        Err(ErrorKind::WouldBlock.into())
    }
}

/// Writes to a socket in whatever mode.
pub(super) fn write_socket(io: &Descriptor, buf: &[u8]) -> io::Result<Moved<usize>> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    Ok(Moved { value: SockRef::from(&io.0).send_with_flags(buf, flags)?, is_short: false })
}
