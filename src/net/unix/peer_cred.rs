//! The credentials of a Unix socket's peer.

use std::io;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use super::UnixStream;

/// The process at the other end of a [`UnixStream`], as it was when the connection was made; see
/// [`UnixStream::peer_cred`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "UCred")]
#[doc(alias = "SO_PEERCRED")]
pub struct PeerCred {
    pid: Option<u32>,
    uid: u32,
    gid: u32,
}

impl UnixStream {
    /// Returns the peer's process, user and group. They come from the kernel, not from the peer.
    ///
    /// The process is the one that called `connect` or `listen`, or created the pair; another
    /// process may hold the socket by now.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UnixStream;
    ///
    /// oneloop::run(async {
    ///     let (here, _there) = UnixStream::pair()?;
    ///     assert_eq!(here.peer_cred()?.pid(), Some(std::process::id()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<PeerCred> {
        let cred = getsockopt(self, PeerCredentials)?;
        // The kernel returns 0 for a process that is not visible from here.
        let pid = u32::try_from(cred.pid()).ok().filter(|&pid| pid != 0);
        Ok(PeerCred { pid, uid: cred.uid(), gid: cred.gid() })
    }
}

impl PeerCred {
    /// Returns the process ID, or `None` if the process is not visible from here, for example
    /// because it is outside the container.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Returns its effective user ID.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns its effective group ID.
    pub fn gid(&self) -> u32 {
        self.gid
    }
}
