//! Datagrams in batches: `recv_batch`, `send_batch`, and their buffers.
//!
//! There are two implementations with the same semantics: `one_by_one` works everywhere, and `mmsg`
//! makes one system call for a whole batch, on Linux with the feature `udp-batch`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::slice;

use super::UdpSocket;
use super::mmsg as way;
use super::socket::whole;
use crate::runtime::{Direction, poll_no_bytes};

/// The most datagrams that one call sends. It takes some tens of microseconds; then other tasks get
/// a turn.
const SENT_AT_ONCE: usize = 64;

/// The most datagrams that one call receives, which is also the kernel's limit.
const RECEIVED_AT_ONCE: usize = 1024;

impl UdpSocket {
    /// Receives the available datagrams, as many as `batch` has room for, waiting for the first one
    /// if there is none. They replace the former contents of `batch`. Returns their number.
    ///
    /// On Linux with the feature `udp-batch`, this is one system call (`recvmmsg`); otherwise one
    /// for each datagram.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`recv_from`](Self::recv_from). An error after the first datagram is returned
    /// by the next call with this batch.
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

    /// Like [`recv_batch`](Self::recv_batch), but does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there are no datagrams; otherwise the errors of
    /// [`recv_batch`](Self::recv_batch).
    pub fn try_recv_batch(&self, batch: &mut Batch) -> io::Result<usize> {
        batch.begin()?;
        self.registration.try_io(Direction::Read, |io| whole(way::receive(io, batch)))
    }

    /// Sends the first of the datagrams, as many as the kernel accepts but at most 64, waiting
    /// until it accepts one. Returns the number sent. Call it again with the rest until all are
    /// sent. On a connected socket, each datagram must be for its peer.
    ///
    /// On Linux with the feature `udp-batch`, this is one system call (`sendmmsg`); otherwise one
    /// for each datagram.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`send_to`](UdpSocket::send_to), for the first datagram. If a later datagram
    /// fails, the batch ends before it. Its error is returned once it is the first.
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
        let Some(part) = self.sendable(datagrams)? else {
            return poll_fn(poll_no_bytes).await;
        };
        self.registration.when_ready(Direction::Write, |io| whole(way::send(io, part))).await
    }

    /// Like [`send_batch`](Self::send_batch), but does not wait.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the kernel accepts none; otherwise the errors of
    /// [`send_batch`](Self::send_batch).
    pub fn try_send_batch(&self, datagrams: &[Datagram<'_>]) -> io::Result<usize> {
        let Some(part) = self.sendable(datagrams)? else { return Ok(0) };
        self.registration.try_io(Direction::Write, |io| whole(way::send(io, part)))
    }

    /// Returns the part of `datagrams` that one call may send.
    fn sendable<'a>(&self, datagrams: &'a [Datagram<'a>]) -> io::Result<Option<Outgoing<'a>>> {
        let Some(first) = datagrams.first() else { return Ok(None) };
        let part = &datagrams[..datagrams.len().min(SENT_AT_ONCE)];
        if !self.check_peer(first.addr)? {
            return Ok(Some(Outgoing { datagrams: part, to_peer: false }));
        }
        // The first goes to the peer, so comparing the others with it is enough. One that differs
        // is the next call's error.
        let peer = (first.addr.ip(), first.addr.port());
        let is_other = |other: &Datagram<'_>| (other.addr.ip(), other.addr.port()) != peer;
        let end = part.iter().position(is_other).unwrap_or(part.len());
        Ok(Some(Outgoing { datagrams: &part[..end], to_peer: true }))
    }
}

/// The datagrams that one call sends.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) datagrams: &'a [Datagram<'a>],
    /// The socket is connected to their destination.
    pub(super) to_peer: bool,
}

/// A datagram of a batch: its bytes, and its sender or receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    bytes: &'a [u8],
    addr: SocketAddr,
    is_truncated: bool,
}

impl<'a> Datagram<'a> {
    /// Creates a datagram to send to `addr`.
    pub fn new(bytes: &'a [u8], addr: SocketAddr) -> Self {
        Self { bytes, addr, is_truncated: false }
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the address of its sender, or of its receiver.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it was longer than the batch allows, so that its end was cut off.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

/// Reusable buffers for datagrams that are received together; see [`UdpSocket::recv_batch`].
pub struct Batch {
    /// The slots, one after the other.
    buf: Box<[u8]>,
    /// The size of a slot: one byte more than a datagram may have. A datagram that fills its slot
    /// is too long.
    slot: usize,
    received: Vec<Received>,
    /// The error that followed the last call's datagrams.
    failure: Option<io::Error>,
}

/// A batch that is being filled.
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
    /// Creates a batch with room for `count` datagrams of at most `size` bytes. Longer datagrams
    /// are cut off and [say so](Datagram::is_truncated). 65 535 bytes are enough for every
    /// datagram, and 1500 for a single Ethernet packet.
    ///
    /// # Panics
    ///
    /// Panics if `count` is 0 or greater than 1024.
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

    /// Returns the datagrams in the order in which they arrived.
    pub fn iter(&self) -> BatchIter<'_> {
        BatchIter { slots: self.buf.chunks_exact(self.slot), received: self.received.iter() }
    }

    /// Returns the number of datagrams received.
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether there are no datagrams.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Returns the number of datagrams that there is room for.
    pub fn capacity(&self) -> usize {
        self.buf.len() / self.slot
    }

    /// Prepares for a call: discards the last call's datagrams, and returns the error that followed
    /// them.
    fn begin(&mut self) -> io::Result<()> {
        self.received.clear();
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Returns the slots, to be filled from the first on.
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
