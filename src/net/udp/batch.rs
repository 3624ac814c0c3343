//! Datagrams in batches: `recv_batch`, `send_batch`, and the buffers for them.
//!
//! Two ways lead to the kernel, with the same semantics: `one_by_one` everywhere; `mmsg`, one system call for all, on Linux with the feature
//! `udp-batch`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::slice;

use super::UdpSocket;
#[cfg(all(feature = "udp-batch", target_os = "linux"))]
use super::mmsg as way;
#[cfg(not(all(feature = "udp-batch", target_os = "linux")))]
use super::one_by_one as way;
use super::socket::whole;
use crate::runtime::Direction;

/// How many datagrams one call sends at most: some tens of microseconds, then others have their turn.
const SENT_AT_ONCE: usize = 64;

/// The most that one call receives, which is also what the kernel takes at once.
const RECEIVED_AT_ONCE: usize = 1024;

impl UdpSocket {
    /// Receives the datagrams that are there, as many as `batch` has room for, waiting for the first one if need be. They are in
    /// `batch` then, whose former ones have gone; returns how many.
    ///
    /// With the feature `udp-batch`, on Linux, it is one system call (`recvmmsg`); otherwise one for each datagram.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from). An error behind the first datagram waits for the next call with this batch.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::{Batch, Datagram, UdpSocket};
    ///
    /// oneloop::run(async {
    ///     let server = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let client = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let to = server.local_addr()?;
    ///     let sent = client.send_batch(&[Datagram::new(b"one", to), Datagram::new(b"two", to)]).await?;
    ///     assert_eq!(sent, 2);
    ///
    ///     let mut batch = Batch::new(64, 1500);
    ///     assert_eq!(server.recv_batch(&mut batch).await?, 2);
    ///     for datagram in &batch {
    ///         println!("{} bytes from {}", datagram.bytes().len(), datagram.addr());
    ///     }
    ///     // What was received can be sent: back to where it came from.
    ///     let echo: Vec<_> = batch.iter().collect();
    ///     server.send_batch(&echo).await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "recvmmsg")]
    pub async fn recv_batch(&self, batch: &mut Batch) -> io::Result<usize> {
        batch.begin()?;
        self.registration.when_ready(Direction::Read, |io| whole(way::receive(io, batch))).await
    }

    /// As [`recv_batch`](Self::recv_batch), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing; and as [`recv_batch`](Self::recv_batch).
    pub fn try_recv_batch(&self, batch: &mut Batch) -> io::Result<usize> {
        batch.begin()?;
        self.registration.try_io(Direction::Read, |io| whole(way::receive(io, batch)))
    }

    /// Sends the first of the datagrams, as many as the kernel takes and 64 at most, waiting until it takes one; returns how many.
    /// Called with the rest, again, until all are sent. On a connected socket, each has to be for its peer.
    ///
    /// With the feature `udp-batch`, on Linux, it is one system call (`sendmmsg`); otherwise one for each datagram.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// As [`send_to`](UdpSocket::send_to), for the first datagram. An error of a later one ends the batch before it, and is seen
    /// when that one is the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::{Datagram, UdpSocket};
    ///
    /// async fn send_all(socket: &UdpSocket, mut datagrams: &[Datagram<'_>]) -> std::io::Result<()> {
    ///     while !datagrams.is_empty() {
    ///         let sent = socket.send_batch(datagrams).await?;
    ///         datagrams = &datagrams[sent..];
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "sendmmsg")]
    pub async fn send_batch(&self, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
        let Some(part) = self.sendable(datagrams)? else { return Ok(0) };
        self.registration.when_ready(Direction::Write, |io| whole(way::send(io, part))).await
    }

    /// As [`send_batch`](Self::send_batch), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the kernel takes nothing; and as [`send_batch`](Self::send_batch).
    pub fn try_send_batch(&self, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
        let Some(part) = self.sendable(datagrams)? else { return Ok(0) };
        self.registration.try_io(Direction::Write, |io| whole(way::send(io, part)))
    }

    /// What one call may send of them.
    fn sendable<'a>(&self, datagrams: &'a [Datagram<'a>]) -> io::Result<Option<Outgoing<'a>>> {
        let Some(first) = datagrams.first() else { return Ok(None) };
        let part = &datagrams[..datagrams.len().min(SENT_AT_ONCE)];
        if !self.check_peer(first.addr)? {
            return Ok(Some(Outgoing { datagrams: part, to_peer: false }));
        }
        // The first goes to the peer, so it is enough to compare the others with it. One that differs is the next call's error.
        let peer = (first.addr.ip(), first.addr.port());
        let is_other = |other: &Datagram<'_>| (other.addr.ip(), other.addr.port()) != peer;
        let end = part.iter().position(is_other).unwrap_or(part.len());
        Ok(Some(Outgoing { datagrams: &part[..end], to_peer: true }))
    }
}

/// What is to be sent by one call.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) datagrams: &'a [Datagram<'a>],
    /// The socket is connected to where they go.
    pub(super) to_peer: bool,
}

/// A datagram of a batch: some bytes, and where they come from or go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    bytes: &'a [u8],
    addr: SocketAddr,
    is_truncated: bool,
}

impl<'a> Datagram<'a> {
    /// A datagram to be sent to `addr`.
    pub fn new(bytes: &'a [u8], addr: SocketAddr) -> Self {
        Self { bytes, addr, is_truncated: false }
    }

    /// What is in it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Who has sent it, or who is to get it.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it was longer than the batch allows, and its end has been cut off.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

/// Buffers for datagrams that are received together, to be used again and again; see [`UdpSocket::recv_batch`].
pub struct Batch {
    /// One slot after the other.
    buf: Box<[u8]>,
    /// One byte longer than a datagram may be: who fills it is too long.
    slot: usize,
    received: Vec<Received>,
    /// What came behind the datagrams of the last call.
    failure: Option<io::Error>,
}

/// A batch as it is filled.
pub(super) struct Slots<'a> {
    pub(super) free: slice::ChunksExactMut<'a, u8>,
    pub(super) received: &'a mut Vec<Received>,
    pub(super) failure: &'a mut Option<io::Error>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) len: usize,
    pub(super) from: SocketAddr,
}

impl Batch {
    /// Room for `count` datagrams of `size` bytes at most; what is longer is cut off, and [says so](Datagram::is_truncated). 65 535 bytes are enough
    /// for all, 1500 for what comes over an Ethernet in one packet.
    ///
    /// # Panics
    ///
    /// If `count` is 0 or more than 1024.
    #[track_caller]
    pub fn new(count: usize, size: usize) -> Self {
        assert!(
            (1..=RECEIVED_AT_ONCE).contains(&count),
            "a batch of {count} datagrams cannot be received: make it one of 1 to {RECEIVED_AT_ONCE}"
        );
        let slot = size.saturating_add(1);
        let buf = vec![0; slot.saturating_mul(count)].into_boxed_slice();
        Self { buf, slot, received: Vec::with_capacity(count), failure: None }
    }

    /// The datagrams, in the order in which they came.
    pub fn iter(&self) -> BatchIter<'_> {
        BatchIter { slots: self.buf.chunks_exact(self.slot), received: self.received.iter() }
    }

    /// How many datagrams there are.
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether nothing was received.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// How many datagrams it has room for.
    pub fn capacity(&self) -> usize {
        self.buf.len() / self.slot
    }

    /// Before a call: what is left of the last one goes.
    fn begin(&mut self) -> io::Result<()> {
        self.received.clear();
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The slots, to be filled from the first one on.
    pub(super) fn slots(&mut self) -> Slots<'_> {
        Slots {
            free: self.buf.chunks_exact_mut(self.slot),
            received: &mut self.received,
            failure: &mut self.failure,
        }
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Datagram<'a>;
    type IntoIter = BatchIter<'a>;

    fn into_iter(self) -> BatchIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The datagrams of a [`Batch`].
#[derive(Clone, Debug)]
pub struct BatchIter<'a> {
    slots: slice::ChunksExact<'a, u8>,
    received: slice::Iter<'a, Received>,
}

impl<'a> Iterator for BatchIter<'a> {
    type Item = Datagram<'a>;

    fn next(&mut self) -> Option<Datagram<'a>> {
        let Received { len, from } = *self.received.next()?;
        let slot = self.slots.next()?;
        let size = slot.len() - 1;
        Some(Datagram { bytes: &slot[..len.min(size)], addr: from, is_truncated: len > size })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.received.size_hint()
    }
}

impl ExactSizeIterator for BatchIter<'_> {}
