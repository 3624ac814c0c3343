//! Sockets of the other Unix kernels.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::sys::sockets::AsSocket;

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
