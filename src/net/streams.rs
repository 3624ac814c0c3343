//! Turns a connection into a `StreamReader` and a `StreamWriter`.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use super::TcpStream;
use super::connection::{Addr, ByteStream, read, shutdown, write};
use super::send_file::copy;
use crate::io::{
    Chunk, StreamReader, StreamWriter, Transport, WriterControl, give_chunk, no_address, take_chunk,
};
use crate::runtime::{Direction, OwnProcess, Place, own_process};

impl TcpStream {
    /// Splits the connection into a buffered reader and writer, like the pair that asyncio's
    /// `open_connection` returns.
    ///
    /// Closing the writer closes the connection; dropping it ends only its direction. See
    /// [`StreamWriter`].
    #[track_caller]
    pub fn into_streams(self) -> (StreamReader, StreamWriter) {
        streams(self, Location::caller()).0
    }
}

/// Splits a connection, recording `place` as the place of creation. Also returns a handle that
/// closes the connection from outside.
pub(super) fn streams<S: ByteStream + 'static>(
    stream: S,
    place: Place,
) -> ((StreamReader, StreamWriter), Control) {
    let peer = stream.peer_addr().map(Addr::ip).map_err(|error| error.kind());
    let connection = Rc::new(Connection {
        stream: RefCell::new(Some(Rc::new(stream))),
        is_at_end: Cell::new(false),
        process: own_process(),
    });
    let to_close = Rc::downgrade(&connection);
    let write = WriteEnd { connection: Rc::clone(&connection), peer };
    let writer = StreamWriter::of(Box::pin(write), place);
    let control = Control { writer: writer.control(), connection: to_close };
    ((StreamReader::new(ReadEnd { connection }), writer), control)
}

/// Closes a connection whose ends belong to other code. It keeps nothing open.
#[derive(Clone)]
pub(super) struct Control {
    writer: WriterControl,
    connection: Weak<dyn Closing>,
}

impl Control {
    /// Notes that a server accepted the connection.
    pub(super) fn set_served(&self) {
        self.writer.set_served();
    }

    /// Makes the reader see the end, and closes the connection once all written data has been sent.
    pub(super) fn close(&self) {
        if !self.writer.close() {
            if let Some(connection) = self.connection.upgrade() {
                connection.end_reading();
            }
        }
    }

    /// Whether the writer is gone and the loop is still sending its remaining data.
    pub(super) fn is_sending(&self) -> bool {
        self.writer.is_leaving()
    }

    /// Ready once the loop is not, or no longer, sending the writer's remaining data.
    pub(super) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.writer.poll_left(cx)
    }

    /// Closes at once; unsent data is lost.
    pub(super) fn abort(&self) {
        self.writer.abort();
        if let Some(connection) = self.connection.upgrade() {
            connection.abort();
        }
    }
}

/// A connection of either kind.
trait Closing {
    fn end_reading(&self);
    fn abort(&self);
}

/// State shared by the two ends.
struct Connection<S: ByteStream> {
    /// `None` once it is closed. Users clone the `Rc`, so that nothing is borrowed while they use
    /// it.
    stream: RefCell<Option<Rc<S>>>,
    /// Reads return the end.
    is_at_end: Cell<bool>,
    /// A forked child leaves the connection to its parent.
    process: OwnProcess,
}

struct ReadEnd<S: ByteStream> {
    connection: Rc<Connection<S>>,
}

struct WriteEnd<S: ByteStream> {
    connection: Rc<Connection<S>>,
    /// `None` if it is not an IP address.
    peer: Result<Option<SocketAddr>, ErrorKind>,
}

impl<S: ByteStream> Connection<S> {
    fn stream(&self) -> Option<Rc<S>> {
        self.stream.borrow().clone()
    }

    fn take(&self) -> Option<Rc<S>> {
        self.stream.borrow_mut().take()
    }

    /// Closes both directions, and wakes a waiting read.
    fn close(&self) {
        // Data that a forked child reads is lost to its parent.
        if let Some(stream) = self.take().filter(|_| self.process.is_current()) {
            discard_unread(&*stream);
        }
    }
}

impl<S: ByteStream> Closing for Connection<S> {
    fn end_reading(&self) {
        self.is_at_end.set(true);
        if let Some(stream) = self.stream().filter(|_| self.process.is_current()) {
            // This wakes a waiting read. If it fails because the connection has ended, no read is
            // waiting.
            shutdown(stream.registration().io(), Shutdown::Read).ok();
        }
    }

    fn abort(&self) {
        if let Some(stream) = self.take().filter(|_| self.process.is_current()) {
            stream.reset_when_closed();
        }
    }
}

impl<S: ByteStream> Drop for Connection<S> {
    fn drop(&mut self) {
        self.close();
    }
}

/// How many buffers of unread data are discarded at most.
const DISCARDS_MAX: u32 = 4;

/// Discards unread data. Closing a socket that holds unread data makes the kernel reset the
/// connection, and the peer may then lose the data that was sent to it last.
fn discard_unread(stream: &impl ByteStream) {
    let mut chunk = take_chunk();
    for _ in 0..DISCARDS_MAX {
        // Bypasses the registration, which may not have heard of the latest data yet.
        match read(stream.registration().io(), &mut chunk) {
            Ok(moved) if moved.value == chunk.len() => {}
            _ => break,
        }
    }
    give_chunk(chunk);
}

fn is_closed() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, "the connection is closed")
}

impl<S: ByteStream> AsyncRead for ReadEnd<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.connection.stream().filter(|_| !self.connection.is_at_end.get());
        let Some(stream) = stream else { return Poll::Ready(Ok(0)) };
        stream.registration().poll_io(Direction::Read, cx, |io| read(io, buf))
    }
}

impl<S: ByteStream> AsyncWrite for WriteEnd<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = self.connection.stream() else { return Poll::Ready(Err(is_closed())) };
        stream.registration().poll_io(Direction::Write, cx, |io| write(io, data))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.connection.stream();
        let shutdown = |stream: Rc<S>| shutdown(stream.registration().io(), Shutdown::Write);
        Poll::Ready(stream.map_or(Ok(()), shutdown))
    }
}

impl<S: ByteStream> Transport for WriteEnd<S> {
    fn try_write(self: Pin<&mut Self>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Some(stream) = self.connection.stream() else { return Poll::Ready(Err(is_closed())) };
        match stream.registration().try_io(Direction::Write, |io| write(io, data)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn combines(&self) -> bool {
        true
    }

    fn poll_copy(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        chunk: &Chunk<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        let Some(stream) = self.connection.stream() else { return Poll::Ready(Err(is_closed())) };
        stream.registration().poll_io(Direction::Write, cx, |io| copy(io, chunk))
    }

    fn poll_close_both(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.close();
        Poll::Ready(Ok(()))
    }

    fn abort(self: Pin<&mut Self>) {
        self.connection.abort();
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer?.ok_or_else(no_address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        let stream = self.connection.stream().ok_or_else(is_closed)?;
        stream.local_addr()?.ip().ok_or_else(no_address)
    }

    fn with_socket(&self, f: &mut dyn FnMut(SockRef<'_>)) -> io::Result<()> {
        let stream = self.connection.stream().ok_or_else(is_closed)?;
        f(SockRef::from(stream.registration().io()));
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::future::poll_fn;

    use super::*;
    use crate::net::UnixStream;
    use crate::runtime::run;

    #[test]
    fn the_kernel_copies_files_for_writers_too() {
        run(async {
            let (stream, _peer) = UnixStream::pair().unwrap();
            let connection = Rc::new(Connection {
                stream: RefCell::new(Some(Rc::new(stream))),
                is_at_end: Cell::new(false),
                process: own_process(),
            });
            let mut end = WriteEnd { connection, peer: Ok(None) };
            let file = File::open("Cargo.toml").unwrap();
            let chunk = Chunk { file: &file, at: 0, count: 9 };
            let copied = poll_fn(|cx| Pin::new(&mut end).poll_copy(cx, &chunk)).await;
            assert_eq!(copied.unwrap(), Some(9));
        });
    }
}
