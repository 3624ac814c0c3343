//! `UdpSocket`, over the loopback interface.
//!
//! Each test runs under a time limit, so that a lost wake is a failure and not a hang.

mod batches;
mod multicast;
mod options;
mod receiving;
mod sending;

use std::io::{self, ErrorKind, Result};
use std::net::{self, Ipv4Addr, SocketAddr};
use std::time::Duration;

use oneloop::net::UdpSocket;

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Runs `test` on a new loop.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

/// A socket of ours, and one of the standard library, whose operations take effect at once.
async fn with_std() -> Result<(UdpSocket, net::UdpSocket)> {
    let peer = net::UdpSocket::bind(ANY_PORT)?;
    peer.set_read_timeout(Some(LIMIT))?;
    Ok((UdpSocket::bind(ANY_PORT).await?, peer))
}

/// Like `with_std`, but the two are connected to each other.
async fn connected_with_std() -> Result<(UdpSocket, net::UdpSocket)> {
    let (socket, peer) = with_std().await?;
    socket.connect(peer.local_addr()?).await?;
    peer.connect(socket.local_addr()?)?;
    Ok((socket, peer))
}

/// An address without a receiver. No other test can receive there while this lives.
struct Nobody {
    addr: SocketAddr,
    _deaf: net::UdpSocket,
}

fn nobody() -> Result<Nobody> {
    let deaf = net::UdpSocket::bind(ANY_PORT)?;
    let addr = deaf.local_addr()?;
    deaf.connect(addr)?;
    Ok(Nobody { addr, _deaf: deaf })
}

/// Returns the error, which the test expects.
fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

fn would_block<T>(result: Result<T>) -> bool {
    failure(result).kind() == ErrorKind::WouldBlock
}
