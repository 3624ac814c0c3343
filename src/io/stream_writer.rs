//! `StreamWriter`: bytes into a stream, sent by the loop.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::backlog::Phase;
use super::outgoing::{Outgoing, TOGETHER};
use super::transport::{Plain, Transport};
use super::writer_control::LargeWrite;
use crate::runtime::{Place, poll_budget};

/// Writes to a stream: what does not go out at once is sent by the loop. Asyncio's `StreamWriter`.
///
/// [`write`](Self::write) does not wait: it sends what the kernel takes now, and a task of the loop sends the rest. Of several writes to a
/// connection between two `await`s that wait, the first goes out at once and the others together: when the task's poll has ended, at
/// [`drain`](Self::drain), or at 64 KiB. So that memory does
/// not grow while a peer reads slowly, [`drain`](Self::drain) waits while much is left, or [`write_all`](Self::write_all) does both.
///
/// It is made of anything that implements [`AsyncWrite`]; connections give one together with the
/// [`StreamReader`](super::StreamReader), as [`TcpStream::into_streams`](crate::net::TcpStream::into_streams). It belongs to its thread.
///
/// After an error of the stream, what waits and what is written later is dropped; [`drain`](Self::drain) and the other methods that wait
/// give the error, each time. What the peer has sent can still be read. An error by which data was lost, and which nobody was given, is
/// reported when the writer is dropped ([`Builder::on_unhandled`](crate::Builder::on_unhandled)).
///
/// Dropping it leaves what is not sent yet to the loop, which sends it and then ends this direction, as [`write_eof`](Self::write_eof)
/// does; the connection is closed when its reader is gone too. No task waits for that: a [`timeout`](crate::timeout()) around the
/// writer returns on time. The end of [`run`](crate::run) waits, and so does
/// [`Server::shutdown`](crate::net::Server::shutdown). All dropped writers send side by side, each for as long as
/// [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout) allows, 5 s by default. Then the connection is reset, so that the peer
/// does not take what it has for all there is, and the loss is
/// [reported](crate::Builder::on_unhandled): "peer 192.0.2.1:80 did not take the last 4096 bytes within 5 s; the connection was reset".
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
    /// A writer to `target`.
    ///
    /// What `target` keeps in a buffer of its own is flushed with each write. [`close`](Self::close) and
    /// [`write_eof`](Self::write_eof) close it.
    #[track_caller]
    pub fn new(target: impl AsyncWrite + 'static) -> Self {
        Self::of(Box::pin(Plain::of(target)), Location::caller())
    }

    /// A writer to a connection, made by the code at `place`.
    pub(crate) fn of(transport: Pin<Box<dyn Transport>>, place: Place) -> Self {
        Self { outgoing: Outgoing::new(transport, place) }
    }

    pub(super) fn outgoing(&self) -> &Rc<Outgoing> {
        &self.outgoing
    }

    /// Writes `data`, without waiting: what the kernel does not take now is copied and sent by the loop.
    ///
    /// After the connection was lost or closed, it is dropped; [`drain`](Self::drain) says so.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Self::write_eof).
    #[track_caller]
    pub fn write(&mut self, data: impl AsRef<[u8]>) {
        self.check_eof();
        self.outgoing.write(data.as_ref());
    }

    /// Writes each of `lines`, as [`write`](Self::write) would, but together. It adds no newlines, in spite of the name.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Self::write_eof).
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

    /// Waits while more is left to be sent than the high-water mark, until no more is left than the low-water mark.
    ///
    /// It counts as an operation even if it need not wait: a loop of `write` and `drain` lets others run.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing: the loop goes on sending.
    ///
    /// # Errors
    ///
    /// That of an earlier write, such as `BrokenPipe` or `ConnectionReset`; `BrokenPipe` too if something was written after
    /// [`close`](Self::close).
    pub async fn drain(&mut self) -> io::Result<()> {
        self.outgoing.send_together();
        poll_fn(poll_budget).await;
        poll_fn(|cx| self.outgoing.poll_drained(cx)).await
    }

    /// Writes all of `data`: [`write`](Self::write) and [`drain`](Self::drain). Much data is not copied, but sent as the peer reads it.
    ///
    /// # Cancel safety
    ///
    /// As much as the high-water mark allows is taken as a whole and sent, even if this is dropped before it is ready. Of more data, a
    /// part may have been sent when this is dropped. Then the writer ends with a reset of the connection, however it ends, so
    /// that the peer does not take the part for all; [`wait_closed`](Self::wait_closed) gives `ConnectionAborted`.
    ///
    /// # Errors
    ///
    /// As [`drain`](Self::drain); `BrokenPipe` after [`write_eof`](Self::write_eof).
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

    /// Waits until the stream has taken all that was written.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing: the loop goes on sending.
    ///
    /// # Errors
    ///
    /// As [`drain`](Self::drain).
    pub async fn flush(&mut self) -> io::Result<()> {
        self.outgoing.send_together();
        poll_fn(poll_budget).await;
        poll_fn(|cx| self.outgoing.poll_flushed(cx)).await
    }

    /// Ends this direction when all has been sent: the peer reads the end, and can still be read from.
    #[doc(alias = "shutdown")]
    pub fn write_eof(&mut self) {
        self.outgoing.advance(Phase::Ending);
    }

    /// Whether [`write_eof`](Self::write_eof) can end one direction alone: always, for what a writer can be made of now.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// Closes both directions of the connection when all has been sent: its reader sees the end as well. This waits for nothing;
    /// [`wait_closed`](Self::wait_closed) does.
    pub fn close(&mut self) {
        self.outgoing.advance(Phase::Closing);
    }

    /// Whether it is closed or about to be, or the connection is lost.
    pub fn is_closing(&self) -> bool {
        self.outgoing.send_together();
        self.outgoing.backlog().is_closing()
    }

    /// Waits until all has been sent and the connection is closed. It [closes](Self::close) it, if that has not been done.
    ///
    /// A peer that does not read can make it wait without end: use [`timeout`](crate::timeout), and [`abort`](Self::abort).
    ///
    /// # Cancel safety
    ///
    /// It goes on being closed.
    ///
    /// # Errors
    ///
    /// As [`drain`](Self::drain): not all could be sent.
    pub async fn wait_closed(&mut self) -> io::Result<()> {
        self.close();
        poll_fn(|cx| self.outgoing.poll_phase(cx, Phase::Closed)).await
    }

    /// Closes the connection at once. What was not sent is dropped, and a TCP peer sees a reset.
    pub fn abort(&mut self) {
        self.outgoing.abort();
    }

    /// The address of the peer, which is known also after the end of the connection.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it is no IP connection. `NotConnected` if it had ended before the writer was made.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.outgoing.with_transport(|transport| transport.peer_addr());
        addr.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it is no IP connection. `NotConnected` if it is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.outgoing.with_transport(|transport| transport.local_addr());
        addr.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))
    }

    /// Lends the connection's descriptor to `f`: for options that are not here, as with `SockRef` of the crate socket2, or to ask who
    /// the peer is. Asyncio's `get_extra_info("socket")`.
    ///
    /// Reading, writing and closing are this writer's and its reader's own: what `f` takes from there, they do not get.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the writer was made of something else than a connection. `NotConnected` if it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::{StreamReader, StreamWriter};
    /// use std::time::Duration;
    ///
    /// async fn handle(_reader: StreamReader, mut writer: StreamWriter) -> std::io::Result<()> {
    ///     let times = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    ///     writer.with_fd(|fd| socket2::SockRef::from(&fd).set_tcp_keepalive(&times))??;
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
    pub fn with_fd<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> io::Result<R> {
        self.outgoing.send_together();
        let (mut f, mut result) = (Some(f), None);
        let mut lend = |fd: BorrowedFd<'_>| result = f.take().map(|f| f(fd));
        let lent = self.outgoing.with_transport(|transport| transport.with_fd(&mut lend));
        lent.unwrap_or_else(|| Err(ErrorKind::NotConnected.into()))?;
        result.ok_or_else(|| ErrorKind::NotConnected.into())
    }

    /// How many bytes wait to be sent; asyncio's `transport.get_write_buffer_size`.
    pub fn write_buffer_size(&self) -> usize {
        self.outgoing.send_together();
        self.outgoing.backlog().len()
    }

    /// The low-water mark and the high-water mark, in bytes: 16 KiB and 64 KiB unless said otherwise.
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        self.outgoing.backlog().limits()
    }

    /// Sets with how many bytes to be sent [`drain`](Self::drain) begins to wait, and with how many it stops.
    ///
    /// # Panics
    ///
    /// If `low` is more than `high`.
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
            return Poll::Ready(Ok(0));
        }
        self.outgoing.send_together();
        self.outgoing.poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.send_together();
        self.outgoing.poll_flushed(cx)
    }

    /// Ends this direction, as [`StreamWriter::write_eof`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.advance(Phase::Ending);
        ready!(self.outgoing.poll_phase(cx, Phase::Ended))?;
        Poll::Ready(Ok(()))
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // A forked child leaves it to its parent to send the rest and to end the stream.
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
