//! Batches with one system call each: Linux's `recvmmsg` and `sendmmsg`.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use mio::net::UdpSocket as Socket;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use super::batch::{Batch, Outgoing, Received, Slots};
use super::one_by_one;

/// Receives at least one datagram, until the batch is full or nothing is left. The kernel keeps an
/// error that comes after the first datagram.
pub(super) fn receive(io: &Socket, batch: &mut Batch) -> io::Result<usize> {
    match receive_together(io, batch) {
        Err(error) if is_missing(error) => one_by_one::receive(io, batch),
        result => Ok(result?),
    }
}

fn receive_together(io: &Socket, batch: &mut Batch) -> Result<usize, Errno> {
    // The addresses and headers serve one call only: afterwards they contain that call's lengths
    // and pointers.
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(batch.capacity(), None);
    let Slots { free, received, .. } = batch.slots();
    let mut slots: Vec<_> = free.map(|slot| [IoSliceMut::new(slot)]).collect();
    let flags = MsgFlags::MSG_DONTWAIT;
    let messages = recvmmsg(io.as_raw_fd(), &mut headers, slots.iter_mut(), flags, None)?;
    received.extend(messages.map(|message| {
        let Some(from) = message.address.as_ref().and_then(to_std) else {
            unreachable!("a datagram of UDP has a sender")
        };
        Received { len: message.bytes, from }
    }));
    Ok(received.len())
}

fn to_std(addr: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(addr) = addr.as_sockaddr_in() {
        return Some(SocketAddr::V4((*addr).into()));
    }
    addr.as_sockaddr_in6().map(|addr| SocketAddr::V6((*addr).into()))
}

/// Sends at least one datagram, until the kernel refuses one.
pub(super) fn send(io: &Socket, outgoing: Outgoing<'_>) -> io::Result<usize> {
    match send_together(io, outgoing) {
        Err(error) if is_missing(error) => one_by_one::send(io, outgoing),
        result => Ok(result?),
    }
}

fn send_together(io: &Socket, outgoing: Outgoing<'_>) -> Result<usize, Errno> {
    let Outgoing { datagrams, to_peer } = outgoing;
    let slices: Vec<_> =
        datagrams.iter().map(|datagram| [IoSlice::new(datagram.bytes())]).collect();
    let addrs: Vec<_> = datagrams
        .iter()
        .map(|datagram| (!to_peer).then(|| SockaddrStorage::from(datagram.addr())))
        .collect();
    let mut headers = MultiHeaders::preallocate(datagrams.len(), None);
    let flags = MsgFlags::MSG_DONTWAIT;
    let sent = sendmmsg(io.as_raw_fd(), &mut headers, &slices, &addrs, [], flags)?;
    Ok(sent.count())
}

/// Whether the call may be missing. A sandbox may know only the older calls, and refuse newer ones
/// with various errors. If the error means something else, the older call returns it too.
fn is_missing(error: Errno) -> bool {
    matches!(error, Errno::ENOSYS | Errno::EPERM | Errno::EOPNOTSUPP)
}
