//! A `UdpSocket`'s datagrams as a stream.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::UdpSocket;

/// The longest datagram of IPv4 and IPv6, apart from jumbograms.
const LONGEST: usize = 64 * 1024;

/// The datagrams of a [`UdpSocket`] and their senders, one after the other; see
/// [`UdpSocket::datagrams`].
///
/// No datagram is truncated. The stream yields what asyncio passes to a `DatagramProtocol` through
/// `datagram_received` and `error_received`.
#[must_use = "streams do nothing unless polled"]
pub struct Datagrams<'a> {
    socket: &'a UdpSocket,
    buf: Box<[u8]>,
}

impl<'a> Datagrams<'a> {
    pub(super) fn new(socket: &'a UdpSocket) -> Self {
        Self { socket, buf: vec![0; LONGEST].into_boxed_slice() }
    }

    /// Returns the next datagram. Never `None`; after an error, the stream goes on.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    pub async fn next(&mut self) -> Option<io::Result<(Vec<u8>, SocketAddr)>> {
        let received = self.socket.recv_from(&mut self.buf).await;
        Some(received.map(|(len, from)| (self.buf[..len].to_vec(), from)))
    }
}

impl Stream for Datagrams<'_> {
    type Item = io::Result<(Vec<u8>, SocketAddr)>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { socket, buf } = &mut *self;
        let received = socket.poll_recv_from(cx, buf);
        received.map(|received| Some(received.map(|(len, from)| (buf[..len].to_vec(), from))))
    }
}

impl fmt::Debug for Datagrams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Datagrams").field(&self.socket).finish()
    }
}
