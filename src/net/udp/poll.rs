//! `UdpSocket` for futures written by hand, and for system calls that it has no method for: what QUIC stands on.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use super::UdpSocket;
use super::socket::{send, whole};
use crate::runtime::Direction;

/// For futures written by hand. One task at a time polls for each direction: the last one that polls is the one that is woken.
impl UdpSocket {
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.registration.poll_io(Direction::Read, cx, |io| whole(io.recv_from(buf)))
    }

    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Read, cx, |io| whole(io.recv(buf)))
    }

    /// As [`peek_from`](Self::peek_from).
    ///
    /// # Errors
    ///
    /// As [`peek_from`](Self::peek_from).
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.registration.poll_io(Direction::Read, cx, |io| whole(io.peek_from(buf)))
    }

    /// As [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |_| whole(self.send_once(buf, addr)))
    }

    /// As [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.registration.poll_io(Direction::Write, cx, |io| whole(send(io, buf)))
    }

    /// As [`readable`](Self::readable).
    ///
    /// # Errors
    ///
    /// As [`readable`](Self::readable).
    #[doc(alias = "poll_recv_ready")]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_direction(Direction::Read, cx)
    }

    /// As [`writable`](Self::writable).
    ///
    /// # Errors
    ///
    /// As [`writable`](Self::writable).
    #[doc(alias = "poll_send_ready")]
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.registration.poll_direction(Direction::Write, cx)
    }
}

/// For system calls that there is no method for, such as those that tell at which of several addresses a datagram has come in. Each has to do
/// one call that does not block and say `WouldBlock` if the kernel does; the socket waits for its readiness then.
impl UdpSocket {
    /// Calls `receive` as soon as something may be there, again each time it says `WouldBlock`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has done nothing, if that is what `WouldBlock` means to `receive`.
    ///
    /// # Errors
    ///
    /// Those of `receive`; and on another thread than the loop's.
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

    /// As [`recv_with`](Self::recv_with), for sending.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has done nothing, if that is what `WouldBlock` means to `send`.
    ///
    /// # Errors
    ///
    /// Those of `send`; and on another thread than the loop's.
    pub async fn send_with<T>(
        &self,
        mut send: impl FnMut(&Self) -> io::Result<T>,
    ) -> io::Result<T> {
        self.registration.when_ready(Direction::Write, |_| whole(send(self))).await
    }

    /// Calls `receive` if something may be there.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there; and as [`recv_with`](Self::recv_with).
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
    /// `WouldBlock` if there is none; and as [`send_with`](Self::send_with).
    pub fn try_send_with<T>(&self, mut send: impl FnMut(&Self) -> io::Result<T>) -> io::Result<T> {
        self.registration.try_io(Direction::Write, |_| whole(send(self)))
    }
}
