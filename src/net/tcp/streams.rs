//! A `TcpStream` as a `StreamReader` and a `StreamWriter`.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};

use super::TcpStream;
use super::stream::{read, write};
use crate::io::{StreamReader, StreamWriter, Transport, give_chunk, take_chunk};
use crate::runtime::Direction;

impl TcpStream {
    /// A reader and a writer of the connection, with buffers, as asyncio's `open_connection` gives them.
    ///
    /// Closing the writer closes the connection; dropping it ends only its direction. See [`StreamWriter`].
    #[track_caller]
    pub fn into_streams(self) -> (StreamReader, StreamWriter) {
        let peer = self.peer_addr().map_err(|error| error.kind());
        let connection = Rc::new(Connection { stream: RefCell::new(Some(Rc::new(self))) });
        let write = WriteEnd { connection: Rc::clone(&connection), peer };
        let writer = StreamWriter::of(Box::pin(write), Location::caller());
        (StreamReader::new(ReadEnd { connection }), writer)
    }
}

/// What the two ends share.
struct Connection {
    /// `None` when it is closed. Whoever uses it takes a count along, so that nothing is borrowed meanwhile.
    stream: RefCell<Option<Rc<TcpStream>>>,
}

struct ReadEnd {
    connection: Rc<Connection>,
}

struct WriteEnd {
    connection: Rc<Connection>,
    peer: Result<SocketAddr, ErrorKind>,
}

impl Connection {
    fn stream(&self) -> Option<Rc<TcpStream>> {
        self.stream.borrow().clone()
    }

    fn take(&self) -> Option<Rc<TcpStream>> {
        self.stream.borrow_mut().take()
    }

    /// Closes both directions; a read that waits is woken.
    fn close(&self) {
        if let Some(stream) = self.take() {
            discard_unread(&stream);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// So many buffers of unread data are thrown away.
const DISCARDS_MAX: u32 = 4;

/// Closing a socket in which something was not read makes the kernel reset the connection, and the peer may lose what was
/// sent to it last.
fn discard_unread(stream: &TcpStream) {
    let mut chunk = take_chunk();
    for _ in 0..DISCARDS_MAX {
        // Past the registration, which may not have heard yet of what came last.
        match read(stream.io(), &mut chunk) {
            Ok(moved) if moved.value == chunk.len() => {}
            _ => break,
        }
    }
    give_chunk(chunk);
}

fn is_closed() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, "the connection is closed")
}

impl AsyncRead for ReadEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.connection.stream() else { return Poll::Ready(Ok(0)) };
        stream.registration.poll_io(Direction::Read, cx, |io| read(io, buf))
    }
}

impl AsyncWrite for WriteEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.connection.stream() else { return Poll::Ready(Err(is_closed())) };
        stream.registration.poll_io(Direction::Write, cx, |io| write(io, data))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.connection.stream();
        Poll::Ready(stream.map_or(Ok(()), |stream| stream.shutdown(Shutdown::Write)))
    }
}

impl Transport for WriteEnd {
    fn try_write(self: Pin<&mut Self>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Some(stream) = self.connection.stream() else { return Poll::Ready(Err(is_closed())) };
        match stream.try_write(data) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn poll_close_both(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.close();
        Poll::Ready(Ok(()))
    }

    fn abort(self: Pin<&mut Self>) {
        if let Some(stream) = self.connection.take() {
            // A connection that has ended already has nothing to reset.
            stream.set_linger(Some(Duration::ZERO)).ok();
        }
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer.map_err(io::Error::from)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.connection.stream().map_or_else(|| Err(is_closed()), |stream| stream.local_addr())
    }
}
