//! Sockets of Linux and Android.

use std::fs::File;
use std::io;
use std::os::unix::net::SocketAddr;

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use self::own::{SocketAddrExt as _, sendfile};
use crate::sys::sockets::AsSocket;

#[cfg(target_os = "linux")]
mod own {
    pub(super) use std::os::linux::net::SocketAddrExt;

    pub(super) use nix::sys::sendfile::sendfile64 as sendfile;
}

#[cfg(target_os = "android")]
mod own {
    pub(super) use std::os::android::net::SocketAddrExt;

    pub(super) use nix::sys::sendfile::sendfile;
}

/// Makes a socket in non-blocking mode that closes on `exec`, in one call.
pub(crate) fn new_socket(domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), Some(protocol))
}

/// Whether the kernel says that the socket listens.
pub(crate) fn is_listening(socket: &impl AsSocket) -> bool {
    SockRef::from(socket).is_listener().unwrap_or(false)
}

/// Restricts the socket to this interface, or to none.
pub(crate) fn bind_device(socket: &SockRef<'_>, interface: Option<&[u8]>) -> io::Result<()> {
    socket.bind_device(interface)
}

/// Copies from a file to a socket inside the kernel. Returns the number of bytes, 0 at the end of
/// the file, or `None` if the kernel cannot.
pub(crate) fn copy_file(
    socket: &impl AsSocket,
    file: &File,
    offset: u64,
    count: usize,
) -> io::Result<Option<usize>> {
    let Ok(mut offset) = offset.try_into() else { return Ok(None) };
    match sendfile(socket, file, Some(&mut offset), count) {
        Ok(sent) => Ok(Some(sent)),
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The abstract name of the address, if it has one.
pub(crate) fn abstract_name(addr: &SocketAddr) -> Option<&[u8]> {
    addr.as_abstract_name()
}
