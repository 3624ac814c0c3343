//! Linux and Android.

#[cfg(feature = "net")]
pub(super) mod sockets;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use mio::Interest;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::{major, makedev};
use nix::sys::stat::{FileStat, fstat};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

// Clocks.

/// The time by the real clock, in nanoseconds. This reads `CLOCK_MONOTONIC` directly: `Instant`
/// measures the same clock, but converting it into nanoseconds takes as long as reading it.
pub(crate) fn real_now() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// The time by the real clock, or up to some milliseconds less, at a fraction of the cost.
pub(crate) fn rough_now() -> u64 {
    read(ClockId::CLOCK_MONOTONIC_COARSE)
}

/// The processor time that this thread has used, in nanoseconds.
pub(crate) fn thread_time() -> Option<u64> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(nanos)
}

#[inline]
fn read(clock: ClockId) -> u64 {
    match clock_gettime(clock) {
        Ok(time) => nanos(time),
        Err(error) => panic!("the operating system has no monotonic clock: {error}"),
    }
}

#[inline]
fn nanos(time: TimeSpec) -> u64 {
    #[expect(clippy::cast_sign_loss, reason = "these clocks begin at 0")]
    let (secs, nanos) = (time.tv_sec() as u64, time.tv_nsec() as u64);
    secs * 1_000_000_000 + nanos
}

// Edges.

/// Whether the reactor is told of urgent data, which makes a read short while more is there.
pub(crate) const TELLS_OF_URGENT_DATA: bool = true;

/// The events that a stream is registered for, urgent data among them.
pub(crate) const STREAM: Interest =
    Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);

// Errors.

pub(super) fn is_of_one_connection(code: Errno) -> bool {
    code == Errno::ENONET
}

// Descriptors.

/// Opens the descriptor's file once more, with `options`, in non-blocking mode. That gives an open
/// file with its own mode. Where such a path merely duplicates a descriptor, the mode would be
/// shared.
pub(crate) fn reopen(fd: BorrowedFd<'_>, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let file = options.custom_flags(flags.bits()).open(path)?;
    let (wanted, opened) = (fstat(fd)?, fstat(&file)?);
    let identity = |stat: &FileStat| (stat.st_dev, stat.st_ino, stat.st_rdev);
    // The multiplexer of pseudo terminals: opening it creates a new terminal under the same name.
    let is_multiplexer = wanted.st_rdev == makedev(5, 2);
    if identity(&opened) != identity(&wanted) || is_multiplexer {
        return Err(Errno::ENOENT.into());
    }
    Ok(file)
}

/// Whether it is a device like `/dev/null`, which is always ready.
pub(crate) fn is_memory(stat: &FileStat) -> bool {
    major(stat.st_rdev) == 1
}
