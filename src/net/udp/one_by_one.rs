//! Batches with one system call for each datagram, which works everywhere.

use std::io::{self, ErrorKind};

use mio::net::UdpSocket as Socket;

use super::batch::{Batch, Outgoing, Received, Slots};
use super::socket::send as send_to_peer;

/// Receives at least one datagram, until the batch is full or nothing is left.
pub(super) fn receive(io: &Socket, batch: &mut Batch) -> io::Result<usize> {
    let Slots { free, received, failure } = batch.slots();
    for slot in free {
        match io.recv_from(slot) {
            Ok((len, from)) => received.push(Received { len, from }),
            Err(error) if received.is_empty() => return Err(error),
            Err(error) => {
                // Neither the received datagrams nor the error may be lost; `WouldBlock` and
                // `Interrupted` merely end the batch.
                let is_end = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
                if !is_end {
                    *failure = Some(error);
                }
                break;
            }
        }
    }
    Ok(batch.len())
}

/// Sends at least one datagram, until the kernel refuses one.
pub(super) fn send(io: &Socket, outgoing: Outgoing<'_>) -> io::Result<usize> {
    let mut sent = 0;
    for datagram in outgoing.datagrams {
        let result = if outgoing.to_peer {
            send_to_peer(io, datagram.bytes())
        } else {
            io.send_to(datagram.bytes(), datagram.addr())
        };
        match result {
            Ok(_) => sent += 1,
            Err(error) if sent == 0 => return Err(error),
            // The refused datagram becomes the first of the next batch, and is refused again if the
            // reason persists.
            Err(_) => break,
        }
    }
    Ok(sent)
}
