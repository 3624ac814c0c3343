//! Streams: reads of a `StreamReader`, writes of a `StreamWriter`, and the connection beneath.
//!
//! Each test runs under a time limit, so that a lost wake is a failure and not a hang.

mod combining;
mod connections;
mod copying;
mod dropped_writers;
mod duplex;
mod newlines;
mod reader;
mod send_file;
mod separators;
mod split;
mod torn_writes;
mod writer;
mod writer_end;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Result};
use std::net::{self, Ipv4Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oneloop::io::{AsyncRead, AsyncWrite, StreamReader, StreamWriter};
use oneloop::net::{TcpListener, TcpStream};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Runs `test` on a new loop.
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

/// Both ends of a connection. One of them is the standard library's, in blocking mode, so its
/// operations take effect at once.
fn std_pair() -> Result<(net::TcpStream, net::TcpStream)> {
    let listener = net::TcpListener::bind(ANY_PORT)?;
    let peer = net::TcpStream::connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(LIMIT))?;
    let (stream, _addr) = listener.accept()?;
    Ok((peer, stream))
}

/// One end of a connection as streams, the other with the standard library.
fn pair_with_std() -> Result<((StreamReader, StreamWriter), net::TcpStream)> {
    let (peer, stream) = std_pair()?;
    Ok((TcpStream::from_std(stream)?.into_streams(), peer))
}

/// The result of one read of a scripted stream.
enum Act {
    Give(Vec<u8>),
    /// No data yet, but soon.
    Wait,
    Fail(io::Error),
}

/// A stream that follows its script, and then ends.
struct Script(VecDeque<Act>);

impl Script {
    fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self(acts.into_iter().collect())
    }

    /// Returns these pieces, one for each read.
    fn pieces(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        Self::of(pieces.into_iter().map(|piece| Act::Give(piece.as_ref().to_vec())))
    }

    /// Returns `data` byte by byte, and makes the reader wait for each.
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

/// The room of a sink, and its contents. The test sees it through a sink of its own.
#[derive(Default)]
struct Taken {
    data: Vec<u8>,
    /// It accepts this many more bytes.
    room: usize,
    /// The number of writes.
    writes: usize,
    flushes: usize,
    closes: usize,
    failure: Option<ErrorKind>,
    waker: Option<Waker>,
}

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Taken>>);

impl Sink {
    fn with_room(room: usize) -> Self {
        let sink = Self::default();
        sink.0.borrow_mut().room = room;
        sink
    }

    /// Accepts this many more bytes.
    fn grow(&self, room: usize) {
        let waker = {
            let mut taken = self.0.borrow_mut();
            taken.room += room;
            taken.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn fail(&self, kind: ErrorKind) {
        self.0.borrow_mut().failure = Some(kind);
        self.grow(0);
    }

    fn data(&self) -> Vec<u8> {
        self.0.borrow().data.clone()
    }
}

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        let mut taken = self.0.borrow_mut();
        if let Some(kind) = taken.failure {
            return Poll::Ready(Err(kind.into()));
        }
        if taken.room == 0 {
            taken.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = data.len().min(taken.room);
        taken.data.extend_from_slice(&data[..len]);
        taken.room -= len;
        taken.writes += 1;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.borrow_mut().flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.borrow_mut().closes += 1;
        Poll::Ready(Ok(()))
    }
}

/// Polls `future` once. Returns whether it has to wait.
async fn waits(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Lets all other tasks run as far as they can.
async fn settle() {
    for _ in 0..8 {
        oneloop::yield_now().await;
    }
}

/// Dice with a seed: the linear congruential generator of Knuth's MMIX.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}
