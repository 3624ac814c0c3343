//! `split_streams`: turns any stream that is read and written through one object into a reader and
//! a writer.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::{StreamReader, StreamWriter, Transport};

/// Splits `stream` into a buffered reader and writer, like
/// [`TcpStream::into_streams`](crate::net::TcpStream::into_streams). Use it for streams that cannot
/// be split otherwise, such as TLS streams.
///
/// Closing or dropping the writer closes `stream` once all data has been sent. After
/// [`close`](StreamWriter::close), the reader is at the end. `stream` is dropped when both halves
/// are gone, or at once by [`abort`](StreamWriter::abort).
///
/// A stream may have room for only one waker, so every wake-up of `stream` wakes both the reader
/// and the writer.
///
/// # Examples
///
/// ```
/// use oneloop::io::{duplex, split_streams};
///
/// oneloop::run(async {
///     let (near, far) = duplex(64);
///     let (mut reader, mut writer) = split_streams(near);
///     far.write_all(b"question\n").await?;
///     assert_eq!(reader.readline().await?, b"question\n");
///     writer.write_all("answer\n").await?;
///     let mut answer = [0; 7];
///     far.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"answer\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "split")]
#[track_caller]
pub fn split_streams<S>(stream: S) -> (StreamReader, StreamWriter)
where
    S: AsyncRead + AsyncWrite + 'static,
{
    let wakers = Arc::new(Wakers::default());
    let both = Rc::new(Both {
        stream: Cell::new(Some(Box::pin(stream))),
        waker: Waker::from(Arc::clone(&wakers)),
        wakers,
        is_ended: Cell::new(false),
        is_closed: Cell::new(false),
    });
    let reader = StreamReader::new(ReadEnd(Rc::clone(&both)));
    (reader, StreamWriter::of(Box::pin(WriteEnd(both)), Location::caller()))
}

/// State shared by the two ends.
struct Both<S> {
    /// `None` while it is lent to one end, and after an abort.
    stream: Cell<Option<Pin<Box<S>>>>,
    /// Wakes both ends.
    waker: Waker,
    wakers: Arc<Wakers>,
    /// The stream accepts no more data.
    is_ended: Cell<bool>,
    /// The stream is closed for reading too: the reader is at the end.
    is_closed: Cell<bool>,
}

/// The last waker that each end polled with.
#[derive(Default)]
struct Wakers {
    read: Mutex<Option<Waker>>,
    write: Mutex<Option<Waker>>,
}

impl<S> Both<S> {
    /// Polls the stream on behalf of the end whose waker is kept in `place`.
    fn poll<R>(
        &self,
        place: &Mutex<Option<Waker>>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        keep(place, cx.waker());
        // Nothing is borrowed while the stream runs, because it is foreign code. If it panics, it
        // is lost.
        let Some(mut stream) = self.stream.take() else { return Poll::Ready(Err(is_gone())) };
        let polled = poll(stream.as_mut(), &mut Context::from_waker(&self.waker));
        self.stream.set(Some(stream));
        polled
    }

    /// Makes the reader see the end, and wakes it if it waits.
    fn end_reading(&self) {
        self.is_closed.set(true);
        self.waker.wake_by_ref();
    }
}

fn is_gone() -> io::Error {
    io::Error::new(ErrorKind::NotConnected, "the stream is closed")
}

fn keep(place: &Mutex<Option<Waker>>, waker: &Waker) {
    if lock(place).as_ref().is_some_and(|kept| kept.will_wake(waker)) {
        return;
    }
    let clone = waker.clone();
    let former = lock(place).replace(clone);
    drop(former);
}

/// Locks `place`. Wakers are cloned, woken and dropped outside the lock.
fn lock(place: &Mutex<Option<Waker>>) -> MutexGuard<'_, Option<Waker>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        for place in [&self.read, &self.write] {
            let waker = lock(place).take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// The end that the `StreamReader` reads from.
struct ReadEnd<S>(Rc<Both<S>>);

/// The end that the `StreamWriter` writes to.
struct WriteEnd<S>(Rc<Both<S>>);

impl<S: AsyncRead> AsyncRead for ReadEnd<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let both = &self.0;
        if both.is_closed.get() {
            return Poll::Ready(Ok(0));
        }
        both.poll(&both.wakers.read, cx, |stream, cx| stream.poll_read(cx, buf))
    }
}

impl<S: AsyncWrite> AsyncWrite for WriteEnd<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(&self.0.wakers.write, cx, |stream, cx| stream.poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll(&self.0.wakers.write, cx, AsyncWrite::poll_flush)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll(&self.0.wakers.write, cx, AsyncWrite::poll_close))?;
        self.0.is_ended.set(true);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite> Transport for WriteEnd<S> {
    fn poll_close_both(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // `write_eof` may have closed it already, and not every stream can be closed twice.
        if !self.0.is_ended.get() {
            ready!(self.as_mut().poll_close(cx))?;
        }
        self.0.end_reading();
        Poll::Ready(Ok(()))
    }

    fn abort(self: Pin<&mut Self>) {
        drop(self.0.stream.take());
        self.0.end_reading();
    }
}
