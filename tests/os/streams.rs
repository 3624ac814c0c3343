//! Streams: what a `StreamReader` reads, what a `StreamWriter` sends, and what becomes of a connection.
//!
//! Each test runs under a time limit, so that a lost wake is a failure and not a hang.

mod connections;
mod reader;
mod separators;
mod writer;

use std::collections::VecDeque;
use std::io::{self, Result};
use std::net::{self, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use oneloop::io::{AsyncRead, StreamReader, StreamWriter};
use oneloop::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(10);
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Runs `test` on a loop of its own.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

/// Both ends of a connection, as streams.
async fn pair() -> Result<((StreamReader, StreamWriter), (StreamReader, StreamWriter))> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, _addr) = listener.accept().await?;
    Ok((client.into_streams(), server.into_streams()))
}

/// One end of a connection as streams, the other with the standard library, in blocking mode: what it does is done at once.
fn pair_with_std() -> Result<((StreamReader, StreamWriter), net::TcpStream)> {
    let listener = net::TcpListener::bind(ANY_PORT)?;
    let peer = net::TcpStream::connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(LIMIT))?;
    let (stream, _addr) = listener.accept()?;
    Ok((TcpStream::from_std(stream)?.into_streams(), peer))
}

/// What a scripted stream does in one read.
enum Act {
    Give(Vec<u8>),
    /// Nothing is there yet, but soon.
    Wait,
    Fail(io::Error),
}

/// A stream that does what it is told, and then ends.
struct Script(VecDeque<Act>);

impl Script {
    fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self(acts.into_iter().collect())
    }

    /// Gives these pieces, one for each read.
    fn pieces(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        Self::of(pieces.into_iter().map(|piece| Act::Give(piece.as_ref().to_vec())))
    }

    /// Gives `data` byte by byte, and lets the reader wait for each.
    fn trickle(data: &[u8]) -> Self {
        Self::of(data.iter().flat_map(|&byte| [Act::Wait, Act::Give(vec![byte])]))
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize>> {
        match self.0.pop_front() {
            None => Poll::Ready(Ok(0)),
            Some(Act::Fail(error)) => Poll::Ready(Err(error)),
            Some(Act::Wait) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Act::Give(mut data)) => {
                let rest = data.split_off(data.len().min(buf.len()));
                buf[..data.len()].copy_from_slice(&data);
                if !rest.is_empty() {
                    self.0.push_front(Act::Give(rest));
                }
                Poll::Ready(Ok(data.len()))
            }
        }
    }
}
