//! Descriptors that are sent through Unix sockets.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::{UnixDatagram, UnixStream};
use crate::net::connection::ByteStream;
use crate::runtime::{Direction, EventSource, Moved, Registration};

/// The most descriptors that go at once, a limit of Linux. Room for so many is always offered, so that none is lost.
const FDS_MAX: usize = 253;

/// For them, and for what else the kernel may be asked to say, such as who sends.
const SPACE: usize = cmsg_space!(ScmRights(FDS_MAX)) + 256;

impl UnixStream {
    /// Sends what the kernel takes of `buf`, and with its first byte the descriptors `fds`; returns how many bytes. The peer has
    /// them then as if it had opened them; here they stay open.
    ///
    /// At least one byte has to go along, and 253 descriptors at the most go at once.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an empty `buf` or too many descriptors; and as [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UnixStream;
    /// use std::fs::File;
    /// use std::io::Read;
    /// use std::os::fd::AsFd;
    ///
    /// oneloop::run(async {
    ///     let (here, there) = UnixStream::pair()?;
    ///     let file = File::open("/dev/zero")?;
    ///     here.send_fds(b"zero", &[file.as_fd()]).await?;
    ///
    ///     let mut buf = [0; 64];
    ///     let (len, mut fds) = there.recv_fds(&mut buf).await?;
    ///     assert_eq!(&buf[..len], b"zero");
    ///     let mut file = File::from(fds.remove(0));
    ///     let mut byte = [1];
    ///     file.read_exact(&mut byte)?;
    ///     assert_eq!(byte, [0]);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "sendmsg")]
    pub async fn send_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if buf.is_empty() {
            let what = "descriptors travel with data: send at least one byte along";
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        send(self.registration(), self.as_fd(), buf, fds).await
    }

    /// Reads as [`read`](Self::read) does, and takes the descriptors that came with the data. Each closes when it is dropped, and
    /// no program that this process executes inherits it.
    ///
    /// A plain `read` where descriptors are about to come closes them.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read). If the process has no room for the descriptors, they are lost, and the data with them.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UnixStream;
    /// use std::fs::File;
    /// use std::os::fd::AsFd;
    ///
    /// oneloop::run(async {
    ///     let (one, other) = UnixStream::pair()?;
    ///     let file = File::open("Cargo.toml")?;
    ///     one.send_fds(b"here it is", &[file.as_fd()]).await?;
    ///     let mut buf = [0; 16];
    ///     let (len, fds) = other.recv_fds(&mut buf).await?;
    ///     assert_eq!((&buf[..len], fds.len()), (&b"here it is"[..], 1));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "recvmsg")]
    pub async fn recv_fds(&self, buf: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        if buf.is_empty() {
            return Ok((0, Vec::new()));
        }
        recv(self.registration(), self.as_fd(), buf).await
    }
}

impl UnixDatagram {
    /// Sends a message to the socket that this one is connected to, and with it the descriptors `fds`, 253 at the most.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for too many descriptors; and as [`send`](Self::send).
    pub async fn send_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        send(self.registration(), self.as_fd(), buf, fds).await
    }

    /// Receives a message, and the descriptors that came with it; see [`UnixStream::recv_fds`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv). If the process has no room for the descriptors, they are lost, and the message with them.
    pub async fn recv_fds(&self, buf: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        recv(self.registration(), self.as_fd(), buf).await
    }
}

async fn send(
    registration: &Registration<impl EventSource + Send + 'static>,
    socket: BorrowedFd<'_>,
    buf: &[u8],
    fds: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    if fds.len() > FDS_MAX {
        let what = format!("{} descriptors are too many: send {FDS_MAX} at once", fds.len());
        return Err(io::Error::new(ErrorKind::InvalidInput, what));
    }
    let send = |_: &_| {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = SendAncillaryBuffer::new(&mut space);
        // It has room for as many as were allowed above.
        control.push(SendAncillaryMessage::ScmRights(fds));
        let value = sendmsg(socket, &[IoSlice::new(buf)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(Moved { value, is_short: false })
    };
    registration.when_ready(Direction::Write, send).await
}

async fn recv(
    registration: &Registration<impl EventSource + Send + 'static>,
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let recv = |_: &_| {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let bufs = &mut [IoSliceMut::new(buf)];
        let received = recvmsg(socket, bufs, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                fds.extend(some);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) {
            let what =
                "descriptors came and there was no room for them in this process: they are lost";
            return Err(io::Error::other(what));
        }
        Ok(Moved { value: (received.bytes, fds), is_short: false })
    };
    registration.when_ready(Direction::Read, recv).await
}
