//! Who is at the other end of a Unix socket.

use std::io;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use super::UnixStream;

/// The process at the other end of a [`UnixStream`], as it was when the connection was made; see [`UnixStream::peer_cred`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "UCred")]
#[doc(alias = "SO_PEERCRED")]
pub struct PeerCred {
    pid: Option<u32>,
    uid: u32,
    gid: u32,
}

impl UnixStream {
    /// Which process the peer is, and whose. The kernel says so, not the peer.
    ///
    /// It is that process which called `connect`, `listen` or made the pair; another one may have the socket now.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
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
        // The kernel writes 0 for a process that cannot be seen from here.
        let pid = u32::try_from(cred.pid()).ok().filter(|&pid| pid != 0);
        Ok(PeerCred { pid, uid: cred.uid(), gid: cred.gid() })
    }
}

impl PeerCred {
    /// The process; `None` if it cannot be seen from here, being outside of the container, say.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Its effective user.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Its effective group.
    pub fn gid(&self) -> u32 {
        self.gid
    }
}
