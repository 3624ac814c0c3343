//! `StreamWriter`: writes bytes to a stream; the loop sends them.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;
use socket2::SockRef;

use super::backlog::Phase;
use super::foreign::foreign_write;
use super::outgoing::{Outgoing, TOGETHER};
use super::transport::{Plain, Transport};
use super::writer_control::LargeWrite;
use crate::runtime::{Place, poll_budget, poll_no_bytes};

/// Writes to a stream; the loop sends any bytes that do not go out at once. Asyncio's
/// `StreamWriter`.
///
/// [`write`](Self::write) does not wait: it sends what the kernel accepts now, and a task of the
/// loop sends the rest. If a task writes to a connection several times between two `await`s that
/// wait, the first write goes out at once. The others go out together when the task's poll ends, at
/// [`drain`](Self::drain), or when they reach 64 KiB. To keep memory from growing while a peer
/// reads slowly, call [`drain`](Self::drain), which waits while much data is left, or
/// [`write_all`](Self::write_all), which does both.
///
/// A writer can be made from anything that implements [`AsyncWrite`]. Connections provide one
/// together with the [`StreamReader`](super::StreamReader), as
/// [`TcpStream::into_streams`](crate::net::TcpStream::into_streams) does. A writer belongs to its
/// thread.
///
/// After an error of the stream, queued data and all later writes are dropped.
/// [`drain`](Self::drain) and the other waiting methods return the error, each time. Data that the
/// peer has sent can still be read. If an error lost data and no method has returned it, it is
/// reported when the writer is dropped ([`Builder::on_unhandled`](crate::Builder::on_unhandled)).
///
/// Dropping the writer leaves unsent data to the loop, which sends it and then ends this direction,
/// as [`write_eof`](Self::write_eof) does. The connection closes once its reader is gone too. No
/// task waits for this: a [`timeout`](crate::timeout()) around the writer returns on time. The end
/// of [`run`](crate::run) does wait, and so does
/// [`Server::shutdown`](crate::net::Server::shutdown). All dropped writers send concurrently, each
/// for at most [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout), 5 s by default. After
/// that, the connection is reset, so that the peer does not mistake a part for the whole, and the
/// loss is [reported](crate::Builder::on_unhandled): "peer 192.0.2.1:80 did not take the last 4096
/// bytes within 5 s; the connection was reset".
///
/// # Examples
///
/// ```
/// use oneloop::net::{TcpListener, TcpStream};
///
/// oneloop::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _addr) = listener.accept().await?;
///
///     let (_, mut writer) = client.into_streams();
///     writer.write("hello\n");
///     writer.writelines(["my name ", "is Ada\n"]);
///     writer.drain().await?;
///     writer.close();
///
///     let (mut reader, _writer) = server.into_streams();
///     assert_eq!(reader.readline().await?, b"hello\n");
///     assert_eq!(reader.readline().await?, b"my name is Ada\n");
///     assert_eq!(reader.readline().await?, b"");
///     writer.wait_closed().await
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "BufWriter")]
#[doc(alias = "AsyncWriteExt")]
pub struct StreamWriter {
    outgoing: Rc<Outgoing>,
}

impl StreamWriter {
    /// Creates a writer to `target`.
    ///
    /// Each write also flushes `target`'s own buffer. [`close`](Self::close) and
    /// [`write_eof`](Self::write_eof) close `target`.
    #[track_caller]
    pub fn new(target: impl AsyncWrite + 'static) -> Self {
        Self::of(Box::pin(Plain::of(target)), Location::caller())
    }

    /// Creates a writer to a connection, recording `place` as its place of creation.
    pub(crate) fn of(transport: Pin<Box<dyn Transport>>, place: Place) -> Self {
        Self { outgoing: Outgoing::new(transport, place) }
    }

    pub(super) fn outgoing(&self) -> &Rc<Outgoing> {
        &self.outgoing
    }

    /// Writes `data` without waiting. The bytes that the kernel does not accept now are copied, and
    /// the loop sends them.
    ///
    /// After the connection was lost or closed, `data` is dropped, and [`drain`](Self::drain)
    /// returns an error.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof).
    #[track_caller]
    pub fn write(&mut self, data: impl AsRef<[u8]>) {
        self.check_eof();
        self.outgoing.write(data.as_ref());
    }

    /// Writes each of `lines`, like [`write`](Self::write), but sends them together. Despite its
    /// name, it adds no newlines.
    ///
    /// # Panics
    ///
    /// Panics after [`write_eof`](Self::write_eof).
    #[track_caller]
    pub fn writelines(&mut self, lines: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        self.check_eof();
        for line in lines {
            self.outgoing.queue(line.as_ref());
            if self.outgoing.backlog().len() > TOGETHER {
                self.outgoing.drive_now();
            }
        }
        self.outgoing.drive_now();
    }

    /// Waits if more data is queued than the high-water mark, until no more is queued than the
    /// low-water mark.
    ///
    /// A call counts as an operation even if it does not wait, so a loop of `write` and `drain`
    /// lets other tasks run.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing: the loop goes on sending.
    ///
    /// # Errors
    ///
    /// The error of an earlier write, such as `BrokenPipe` or `ConnectionReset`. Also `BrokenPipe`
    /// if data was written after [`close`](Self::close).
    ///
    /// # Examples
    ///
    /// A producer that is not faster than its peer:
    ///
    /// ```
    /// use oneloop::io::{StreamReader, StreamWriter, duplex};
    ///
    /// oneloop::run(async {
    ///     let (one, other) = duplex(1024);
    ///     let produce = async move {
    ///         let mut writer = StreamWriter::new(one);
    ///         for _ in 0..1000 {
    ///             writer.write([0; 1000]);
    ///             writer.drain().await?; // without it, all of the data would be queued
    ///         }
    ///         std::io::Result::Ok(())
    ///     };
    ///     let consume = async { StreamReader::new(other).read_to_end().await };
    ///     let ((), data) = oneloop::try_gather!(produce, consume).await?;
    ///     assert_eq!(data.len(), 1_000_000);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn drain(&mut self) -> io::Result<()> {
        self.outgoing.send_together();
        poll_fn(poll_budget).await;
        poll_fn(|cx| self.outgoing.poll_drained(cx)).await
    }

    /// Writes all of `data`: [`write`](Self::write) followed by [`drain`](Self::drain). Large data
    /// is not copied, but sent as the peer reads it.
    ///
    /// # Cancel safety
    ///
    /// Data up to the high-water mark is accepted as a whole and sent, even if this is dropped
    /// before it is ready. For larger data, a part may have been sent when this is dropped. In that
    /// case the writer always ends by resetting the connection, so that the peer does not mistake
    /// the part for the whole, and [`wait_closed`](Self::wait_closed) returns `ConnectionAborted`.
    ///
    /// # Errors
    ///
    /// The errors of [`drain`](Self::drain); `BrokenPipe` after [`write_eof`](Self::write_eof).
    pub async fn write_all(&mut self, data: impl AsRef<[u8]>) -> io::Result<()> {
        let mut rest = data.as_ref();
        let (_, high) = self.outgoing.backlog().limits();
        if rest.len() <= high && !self.is_at_eof() {
            self.outgoing.write(rest);
        } else {
            self.outgoing.send_together();
            let end = LargeWrite::begin(&self.outgoing);
            while !rest.is_empty() {
                let len = poll_fn(|cx| self.outgoing.poll_write(cx, rest)).await?;
                rest = &rest[len..];
            }
            self.outgoing.drive_now();
            end.complete();
        }
        self.drain().await
    }

    /// Waits until the stream has accepted all written data.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing: the loop goes on sending.
    ///
    /// # Errors
    ///
    /// The errors of [`drain`](Self::drain).
    pub async fn flush(&mut self) -> io::Result<()> {
        self.outgoing.send_together();
        poll_fn(poll_budget).await;
        poll_fn(|cx| self.outgoing.poll_flushed(cx)).await
    }

    /// Ends this direction once all data has been sent: the peer reads the end of the stream. Its
    /// data can still be read.
    #[doc(alias = "shutdown")]
    pub fn write_eof(&mut self) {
        self.outgoing.advance(Phase::Ending);
    }

    /// Whether [`write_eof`](Self::write_eof) can end one direction alone. Always `true` for
    /// everything that a writer can currently be made from.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// Closes both directions of the connection once all data has been sent; the connection's
    /// reader sees the end as well. This does not wait; [`wait_closed`](Self::wait_closed) does.
    pub fn close(&mut self) {
        self.outgoing.advance(Phase::Closing);
    }

    /// Whether the writer is closed or about to be closed, or the connection is lost.
    pub fn is_closing(&self) -> bool {
        self.outgoing.send_together();
        self.outgoing.backlog().is_closing()
    }

    /// Waits until all data has been sent and the connection is closed. [Closes](Self::close) it
    /// first if necessary.
    ///
    /// A peer that does not read can delay this forever: use [`timeout`](crate::timeout) and
    /// [`abort`](Self::abort).
    ///
    /// # Cancel safety
    ///
    /// Dropping it does not stop the closing.
    ///
    /// # Errors
    ///
    /// The errors of [`drain`](Self::drain), if some data could not be sent.
    pub async fn wait_closed(&mut self) -> io::Result<()> {
        self.close();
        poll_fn(|cx| self.outgoing.poll_phase(cx, Phase::Closed)).await
    }

    /// Closes the connection at once. Unsent data is dropped, and a TCP peer sees a reset.
    pub fn abort(&mut self) {
        self.outgoing.abort();
    }

    /// Returns the peer's address, which remains known after the connection has ended.
    ///
    /// # Errors
    ///
    /// `Unsupported` if this is not an IP connection. `NotConnected` if the connection had ended
    /// before the writer was created.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.outgoing.with_transport(|transport| transport.peer_addr());
        addr.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))
    }

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// `Unsupported` if this is not an IP connection. `NotConnected` if it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.outgoing.with_transport(|transport| transport.local_addr());
        addr.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))
    }

    /// Lends the connection's socket to `f`, to set options that this type does not offer, or to
    /// find out who the peer is. Asyncio's `get_extra_info("socket")`.
    ///
    /// The socket is a [`SockRef`] of the crate `socket2`, version 0.6. On Unix it implements
    /// `AsFd`, for other crates that take descriptors. Leave reading, writing and closing to this
    /// writer and its reader: bytes that `f` takes from the socket do not reach them.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the writer was not made from a connection. `NotConnected` if it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::{StreamReader, StreamWriter};
    /// use std::time::Duration;
    ///
    /// async fn handle(_reader: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
    ///     let times = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    ///     writer.with_socket(|socket| socket.set_tcp_keepalive(&times))??;
    ///     writer.write("ready\n");
    ///     Ok(())
    /// }
    ///
    /// oneloop::run(async {
    ///     let server = oneloop::start_server(handle, "127.0.0.1:0").await?;
    ///     let (mut reader, _writer) = oneloop::open_connection(server.local_addrs()[0]).await?;
    ///     assert_eq!(reader.readline().await?, b"ready\n");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "get_extra_info")]
    pub fn with_socket<R>(&self, f: impl FnOnce(SockRef<'_>) -> R) -> io::Result<R> {
        self.outgoing.send_together();
        let (mut f, mut result) = (Some(f), None);
        let mut lend = |socket: SockRef<'_>| result = f.take().map(|f| f(socket));
        let lent = self.outgoing.with_transport(|transport| transport.with_socket(&mut lend));
        lent.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))?;
        result.ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// Returns the number of bytes waiting to be sent; asyncio's `transport.get_write_buffer_size`.
    pub fn write_buffer_size(&self) -> usize {
        self.outgoing.send_together();
        self.outgoing.backlog().len()
    }

    /// Returns the low-water mark and the high-water mark, in bytes. The defaults are 16 KiB and 64
    /// KiB.
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        self.outgoing.backlog().limits()
    }

    /// Sets the number of queued bytes above which [`drain`](Self::drain) starts to wait (`high`),
    /// and the number at which it stops (`low`).
    ///
    /// # Panics
    ///
    /// Panics if `low` is greater than `high`.
    #[track_caller]
    pub fn set_write_buffer_limits(&mut self, high: usize, low: usize) {
        assert!(
            low <= high,
            "the low-water mark {low} must not be above the high-water mark {high}"
        );
        self.outgoing.set_limits(high, low);
    }

    fn is_at_eof(&self) -> bool {
        matches!(self.outgoing.phase(), Phase::Ending | Phase::Ended)
    }

    #[track_caller]
    fn check_eof(&self) {
        assert!(!self.is_at_eof(), "nothing can be written after `write_eof`");
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return poll_no_bytes(cx);
        }
        self.outgoing.send_together();
        self.outgoing.poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.send_together();
        ready!(poll_budget(cx));
        self.outgoing.poll_flushed(cx)
    }

    /// Ends this direction, like [`StreamWriter::write_eof`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(poll_budget(cx));
        self.outgoing.advance(Phase::Ending);
        ready!(self.outgoing.poll_phase(cx, Phase::Ended))?;
        Poll::Ready(Ok(()))
    }
}

foreign_write!(vectored: false, [] StreamWriter);

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // In a forked child, the parent sends the rest and ends the stream.
        if !self.outgoing.is_inherited() {
            Rc::clone(&self.outgoing).leave();
        }
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("phase", &self.outgoing.phase())
            .field("write_buffer_size", &self.outgoing.backlog().len())
            .finish_non_exhaustive()
    }
}
