//! Flags for descriptors that come and go through Unix sockets.

pub(crate) use kind::{RECEIVE, SEND, close_on_exec};

#[cfg(not(target_vendor = "apple"))]
mod kind {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::net::{RecvFlags, SendFlags};

    /// No SIGPIPE.
    pub(crate) const SEND: SendFlags = SendFlags::NOSIGNAL;

    /// Started programs do not inherit received descriptors.
    pub(crate) const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;

    /// Does nothing: [`RECEIVE`] does it.
    #[expect(clippy::unnecessary_wraps, reason = "on Apple's systems it can fail")]
    pub(crate) fn close_on_exec(_fds: &[OwnedFd]) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(target_vendor = "apple")]
mod kind {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::net::{RecvFlags, SendFlags};

    /// An option of the socket prevents SIGPIPE here, and the standard library sets it.
    pub(crate) const SEND: SendFlags = SendFlags::empty();

    pub(crate) const RECEIVE: RecvFlags = RecvFlags::empty();

    /// Keeps started programs from inheriting received descriptors. A child that is started before
    /// this inherits them: the kernel has no single step.
    pub(crate) fn close_on_exec(fds: &[OwnedFd]) -> io::Result<()> {
        for fd in fds {
            fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        }
        Ok(())
    }
}
