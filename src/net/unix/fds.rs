//! Sends descriptors through Unix sockets.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, recvmsg, sendmsg,
};

use super::{UnixDatagram, UnixStream};
use crate::net::connection::ByteStream;
use crate::runtime::{Direction, Moved, Registration, poll_budget, poll_no_bytes};
use crate::sys::edges::EventSource;
use crate::sys::passing::{RECEIVE, SEND, close_on_exec};

/// The most descriptors sent at once, a limit of Linux. A receive always offers room for this many,
/// so that none is lost.
const FDS_MAX: usize = 253;

/// Space for the descriptors, and for other data that the kernel may add, such as the sender's
/// credentials.
const SPACE: usize = cmsg_space!(ScmRights(FDS_MAX)) + 256;

impl UnixStream {
    /// Sends as much of `buf` as the kernel accepts, and the descriptors `fds` with its first byte.
    /// Returns the number of bytes sent. The peer can then use the descriptors as if it had opened
    /// them; they stay open here.
    ///
    /// At least one byte has to go along, and at most 253 descriptors can be sent at once.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an empty `buf` or too many descriptors; otherwise the errors of
    /// [`write`](Self::write).
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
            poll_fn(poll_budget).await;
            let what = "descriptors travel with data: send at least one byte along";
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        send(self.registration(), self.as_fd(), buf, fds).await
    }

    /// Like [`read`](Self::read), but also returns the descriptors that came with the data. Each
    /// closes when dropped, and programs that this process executes do not inherit it.
    ///
    /// A plain `read` closes the descriptors that come with the data.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read). Also fails if the process has no room for the
    /// descriptors; they are then lost, together with the data.
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
            return poll_fn(poll_no_bytes).await.map(|len| (len, Vec::new()));
        }
        recv(self.registration(), self.as_fd(), buf).await
    }
}

impl UnixDatagram {
    /// Sends a message to the socket that this one is connected to, together with the descriptors
    /// `fds`, at most 253.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for too many descriptors; otherwise the errors of [`send`](Self::send).
    pub async fn send_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        send(self.registration(), self.as_fd(), buf, fds).await
    }

    /// Receives a message and the descriptors that came with it; see [`UnixStream::recv_fds`].
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`recv`](Self::recv). Also fails if the process has no room for the
    /// descriptors; they are then lost, together with the message.
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
        // The buffer has room for the maximum checked above.
        control.push(SendAncillaryMessage::ScmRights(fds));
        let value = sendmsg(socket, &[IoSlice::new(buf)], &mut control, SEND)?;
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
        let received = recvmsg(socket, bufs, &mut control, RECEIVE)?;
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                fds.extend(some);
            }
        }
        close_on_exec(&fds)?;
        if received.flags.contains(ReturnFlags::CTRUNC) {
            let what =
                "descriptors came and there was no room for them in this process: they are lost";
            return Err(io::Error::other(what));
        }
        Ok(Moved { value: (received.bytes, fds), is_short: false })
    };
    registration.when_ready(Direction::Read, recv).await
}
