//! Batches with one system call for each datagram: what works everywhere.

use std::io::{self, ErrorKind};

use mio::net::UdpSocket as Socket;

use super::batch::{Batch, Outgoing, Received, Slots};
use super::socket::send as send_to_peer;

/// Receives until the batch is full or nothing is left; at least one.
pub(super) fn receive(io: &Socket, batch: &mut Batch) -> io::Result<usize> {
    let Slots { free, received, failure } = batch.slots();
    for slot in free {
        match io.recv_from(slot) {
            Ok((len, from)) => received.push(Received { len, from }),
            Err(error) if received.is_empty() => return Err(error),
            Err(error) => {
                // What is there is not to be lost, nor is the error; a mere end is no error.
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

/// Sends until the kernel refuses one; at least one.
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
            // It will be the first of the next batch, and refused again, if the reason lasts.
            Err(_) => break,
        }
    }
    Ok(sent)
}
