//! `UdpSocket` for hand-written futures and for system calls that it has no method for, as QUIC
//! needs them.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::UdpSocket;
use super::socket::{send, whole};
use crate::runtime::Direction;

/// Methods for hand-written futures. Only one task at a time can poll in each direction: the last
/// task to poll is the one woken.
impl UdpSocket {
    /// Polls for [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// The errors of [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.registration.poll_io(Direction::Read, cx, |io| whole(io.recv_from(buf)))
    }

    /// Polls for [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// The errors of [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, |io| whole(io.recv(buf)))
    }

    /// Polls for [`peek_from`](Self::peek_from).
    ///
    /// # Errors
    ///
    /// The errors of [`peek_from`](Self::peek_from).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.registration.poll_io(Direction::Read, cx, |io| whole(io.peek_from(buf)))
    }

    /// Polls for [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// The errors of [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |_| whole(self.send_once(buf, addr)))
    }

    /// Polls for [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// The errors of [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |io| whole(send(io, buf)))
    }

    /// Polls for [`readable`](Self::readable).
    ///
    /// # Errors
    ///
    /// The errors of [`readable`](Self::readable).
    #[doc(alias = "poll_recv_ready")]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_direction(Direction::Read, cx)
    }

    /// Polls for [`writable`](Self::writable).
    ///
    /// # Errors
    ///
    /// The errors of [`writable`](Self::writable).
    #[doc(alias = "poll_send_ready")]
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_direction(Direction::Write, cx)
    }
}

/// Methods for system calls without a method of their own, such as one that tells which of several
/// local addresses a datagram arrived at. The closure must make one non-blocking call and return
/// `WouldBlock` if the kernel does; the socket then waits for readiness.
impl UdpSocket {
    /// Calls `receive` as soon as there may be a datagram, and again each time it returns
    /// `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has had no effect, provided that `receive` has none when
    /// it returns `WouldBlock`.
    ///
    /// # Errors
    ///
    /// The errors of `receive`. Also fails on another thread than the loop's.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::UdpSocket;
    /// use std::os::fd::AsFd;
    ///
    /// oneloop::run(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     socket.send_to(b"hello", socket.local_addr()?).await?;
    ///     // As a crate with a system call of its own would do it.
    ///     let raw = std::net::UdpSocket::from(socket.as_fd().try_clone_to_owned()?);
    ///     let mut buf = [0; 16];
    ///     let len = socket.recv_with(|_socket| raw.recv(&mut buf)).await?;
    ///     assert_eq!(&buf[..len], b"hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "async_io")]
    pub async fn recv_with<T>(
        &self,
        mut receive: impl FnMut(&Self) -> io::Result<T>,
    ) -> io::Result<T> {
        self.registration.when_ready(Direction::Read, |_| whole(receive(self))).await
    }

    /// Like [`recv_with`](Self::recv_with), but for sending.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has had no effect, provided that `send` has none when it
    /// returns `WouldBlock`.
    ///
    /// # Errors
    ///
    /// The errors of `send`. Also fails on another thread than the loop's.
    pub async fn send_with<T>(
        &self,
        mut send: impl FnMut(&Self) -> io::Result<T>,
    ) -> io::Result<T> {
        self.registration.when_ready(Direction::Write, |_| whole(send(self))).await
    }

    /// Calls `receive` if there may be a datagram.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; otherwise the errors of [`recv_with`](Self::recv_with).
    #[doc(alias = "try_io")]
    pub fn try_recv_with<T>(
        &self,
        mut receive: impl FnMut(&Self) -> io::Result<T>,
    ) -> io::Result<T> {
        self.registration.try_io(Direction::Read, |_| whole(receive(self)))
    }

    /// Calls `send` if there may be room.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none; otherwise the errors of [`send_with`](Self::send_with).
    pub fn try_send_with<T>(&self, mut send: impl FnMut(&Self) -> io::Result<T>) -> io::Result<T> {
        self.registration.try_io(Direction::Write, |_| whole(send(self)))
    }
}
