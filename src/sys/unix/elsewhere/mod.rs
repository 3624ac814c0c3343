//! The other Unix kernels, by what all of them have.

#[cfg(feature = "net")]
pub(super) mod sockets;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Instant;

use mio::Interest;
use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::clock::instant_now;

// Clocks.

/// The time by the real clock, in nanoseconds.
pub(crate) fn real_now() -> u64 {
    /// Leaves room below, so that moments before the first use, which a program may hold, have
    /// numbers too.
    const FIRST: u64 = 1 << 60;
    static START: OnceLock<Instant> = OnceLock::new();
    let since = instant_now().saturating_duration_since(*START.get_or_init(instant_now));
    FIRST + u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - FIRST)
}

/// The time by the real clock.
pub(crate) fn rough_now() -> u64 {
    real_now()
}

/// The processor time that this thread has used, in nanoseconds. Not known here.
pub(crate) fn thread_time() -> Option<u64> {
    None
}

// Edges.

/// Whether the reactor is told of urgent data, which makes a read short while more is there.
pub(crate) const TELLS_OF_URGENT_DATA: bool = false;

/// The events that a stream is registered for.
pub(crate) const STREAM: Interest = Interest::READABLE.add(Interest::WRITABLE);

// Errors.

pub(super) fn is_of_one_connection(_code: Errno) -> bool {
    false
}

// Descriptors.

/// Opens the descriptor's file once more. Here, an opened descriptor shares its mode with the
/// original.
pub(crate) fn reopen(_fd: BorrowedFd<'_>, _options: &mut OpenOptions) -> io::Result<File> {
    Err(Errno::ENOTSUP.into())
}

/// Whether it is a device like `/dev/null`, which is always ready. Not known here.
pub(crate) fn is_memory(_stat: &FileStat) -> bool {
    false
}
