//! The other Unix kernels, by what all of them have.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Instant;

use mio::Interest;
use nix::errno::Errno;
use nix::sys::stat::FileStat;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::clock::instant_now;
use super::sockets::AsSocket;

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

// Sockets.

/// Makes a socket in non-blocking mode that closes on `exec`.
pub(crate) fn new_socket(domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether the kernel says that the socket listens. Not every kernel tells. Here, the errors in
/// question mean that it does not.
pub(crate) fn is_listening(_socket: &impl AsSocket) -> bool {
    false
}

pub(super) fn is_of_one_connection(_code: Errno) -> bool {
    false
}

/// Restricts the socket to this interface. No kernel but Linux can.
pub(crate) fn bind_device(_socket: &SockRef<'_>, _interface: Option<&[u8]>) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Copies from a file to a socket inside the kernel. `None`: other systems have their own calls,
/// with their own rules for partly sent chunks.
pub(crate) fn copy_file(
    _socket: &impl AsSocket,
    _file: &File,
    _offset: u64,
    _count: usize,
) -> io::Result<Option<usize>> {
    Ok(None)
}

/// The abstract name of the address. Only Linux has such names.
pub(crate) fn abstract_name(_addr: &SocketAddr) -> Option<&[u8]> {
    None
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
