//! Methods of `StreamReader` for parsers, which work on the bytes in the reader's own buffer.

use crate::runtime::{poll_budget, poll_no_bytes};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::StreamReader;

impl StreamReader {
    /// Reads the available bytes, at most `max`, waiting for the first byte if there is none.
    /// Returns an empty slice at the end. The bytes are a slice of the reader's buffer, so they are
    /// not copied.
    ///
    /// Asyncio's `read(n)`. If `max` is 0, it returns an empty slice without waiting.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Any error of the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::io::StreamReader;
    ///
    /// oneloop::run(async {
    ///     let mut reader = StreamReader::new(&b"as it comes"[..]);
    ///     let mut pieces = Vec::new();
    ///     loop {
    ///         match reader.read_some(5).await? {
    ///             b"" => break,
    ///             piece => pieces.push(piece.to_vec()),
    ///         }
    ///     }
    ///     assert_eq!(pieces, [&b"as it"[..], b" come", b"s"]);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn read_some(&mut self, max: usize) -> io::Result<&[u8]> {
        let len = poll_fn(|cx| self.poll_some(cx, max)).await?;
        Ok(self.take(len))
    }

    /// Reads more bytes into the [buffer](Self::buffer), after those already there, waiting until
    /// some arrive. Returns how many arrived: 0 at the end.
    ///
    /// It is meant for parsers: look at the buffer, read more as long as the message is incomplete,
    /// then [`consume`](Self::consume) the message.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// [`LimitOverrun`](super::LimitOverrun) if the buffer already holds more bytes than the limit;
    /// nothing is read. Any error of the stream.
    ///
    /// # Examples
    ///
    /// A message that begins with its length:
    ///
    /// ```
    /// use oneloop::io::{IncompleteRead, StreamReader};
    /// use std::io::Result;
    ///
    /// async fn message(reader: &mut StreamReader) -> Result<Vec<u8>> {
    ///     loop {
    ///         if let Some((&len, rest)) = reader.buffer().split_first() {
    ///             if let Some(message) = rest.get(..len.into()) {
    ///                 let message = message.to_vec();
    ///                 reader.consume(1 + message.len());
    ///                 return Ok(message);
    ///             }
    ///         }
    ///         if reader.read_more().await? == 0 {
    ///             return Err(IncompleteRead::new(reader.buffer(), None).into());
    ///         }
    ///     }
    /// }
    ///
    /// oneloop::run(async {
    ///     let mut reader = StreamReader::new(&b"\x03one\x03two\x05thr"[..]);
    ///     assert_eq!(message(&mut reader).await?, b"one");
    ///     assert_eq!(message(&mut reader).await?, b"two");
    ///     let error = message(&mut reader).await.unwrap_err();
    ///     assert_eq!(IncompleteRead::of(&error).unwrap().partial, b"\x05thr");
    ///     Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn read_more(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            if let Err(error) = self.check_limit(self.buffer().len()) {
                // A caller may try again and again.
                ready!(poll_budget(cx));
                return Poll::Ready(Err(error));
            }
            self.poll_fill(cx)
        })
        .await
    }

    /// Removes `len` bytes from the front of the [buffer](Self::buffer), as if they had been read.
    ///
    /// # Panics
    ///
    /// Panics if the buffer holds fewer than `len` bytes.
    #[track_caller]
    pub fn consume(&mut self, len: usize) {
        let buffered = self.buffer().len();
        assert!(len <= buffered, "{len} bytes cannot be consumed: the buffer has {buffered}");
        self.take(len);
    }

    /// Ready with the number of available bytes, at most `max`; 0 at the end.
    fn poll_some(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<usize>> {
        if max == 0 {
            return poll_no_bytes(cx);
        }
        ready!(self.poll_served(cx));
        if self.buffer().is_empty() {
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(self.buffer().len().min(max)))
    }
}
