//! Classes of errors, by their numbers.

use std::io;

use nix::errno::Errno;

use super::os;

/// How long an error of `accept` matters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Trouble {
    /// The connection at the front of the queue had already failed. The next one may be fine.
    OfOneConnection,
    /// The process or the system has no room for another connection now. Unknown errors count as
    /// this: a server that retries once a second in vain does less harm than one that stops for
    /// good.
    Passing,
    /// The socket will never accept again, or it is used where its loop does not run.
    Lasting,
}

/// Classifies an error of `accept`. Linux returns a new connection's network errors from it, and
/// asks callers to treat them as connections that never came; accept(2) has the list. `EPERM` comes
/// from a firewall. Some errors mean either this or that the socket does not listen; the socket
/// itself tells which.
pub(crate) fn trouble(error: &io::Error, is_listening: impl FnOnce() -> bool) -> Trouble {
    let Some(code) = errno(error) else { return Trouble::Lasting };
    if matches!(code, Errno::EBADF | Errno::EFAULT | Errno::ENOTSOCK) {
        return Trouble::Lasting;
    }
    if matches!(code, Errno::EINVAL | Errno::EOPNOTSUPP) {
        return if is_listening() { Trouble::OfOneConnection } else { Trouble::Lasting };
    }
    let is_of_one = matches!(
        code,
        Errno::ECONNABORTED
            | Errno::ECONNRESET
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::ENOPROTOOPT
            | Errno::EPERM
            | Errno::EPROTO
            | Errno::EPROTONOSUPPORT
            | Errno::ESOCKTNOSUPPORT
            | Errno::ETIMEDOUT
    );
    if is_of_one || os::is_of_one_connection(code) {
        Trouble::OfOneConnection
    } else {
        Trouble::Passing
    }
}

/// Whether a non-blocking `connect` has begun and goes on by itself.
pub(crate) fn is_connecting(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::EINPROGRESS | Errno::EINTR))
}

/// Whether the host is known to be down. The standard library has no kind for this error.
pub(crate) fn is_host_down(error: &io::Error) -> bool {
    errno(error) == Some(Errno::EHOSTDOWN)
}

/// Whether a datagram could not be sent because the socket has no peer.
pub(crate) fn has_no_peer(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::EDESTADDRREQ | Errno::ENOTCONN))
}

/// Whether this machine lacks the family of an address.
pub(crate) fn lacks_family(error: &io::Error) -> bool {
    let missing = [Errno::EAFNOSUPPORT, Errno::EPFNOSUPPORT, Errno::EPROTONOSUPPORT];
    errno(error).is_some_and(|code| missing.contains(&code))
}

/// The error of a path with more symbolic links than the kernel follows.
pub(crate) fn too_many_links() -> io::Error {
    Errno::ELOOP.into()
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}
