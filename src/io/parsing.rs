//! What a `StreamReader` has for parsers: the bytes as they come, in its own buffer.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::StreamReader;

impl StreamReader {
    /// Reads what is there, at most `max` bytes, waiting for the first of them if need be; nothing is the end. The bytes lie in the
    /// reader's buffer, so they are not copied.
    ///
    /// Asyncio's `read(n)`. With a `max` of 0 it returns nothing, without waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// Those of the stream.
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

    /// Reads more into the [buffer](Self::buffer), behind what is there, and waits for it; returns how many bytes came. 0 is the
    /// end.
    ///
    /// It is for parsers: look at the buffer, read more as long as the message is incomplete, then [`consume`](Self::consume) it.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has read nothing.
    ///
    /// # Errors
    ///
    /// [`LimitOverrun`] if more bytes than the limit are in the buffer already: nothing is read. Those of the stream.
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
        self.check_limit(self.buffer().len())?;
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// Takes `len` bytes off the front of the [buffer](Self::buffer), as if they had been read.
    ///
    /// # Panics
    ///
    /// If fewer are in the buffer.
    #[track_caller]
    pub fn consume(&mut self, len: usize) {
        let buffered = self.buffer().len();
        assert!(len <= buffered, "{len} bytes cannot be consumed: the buffer has {buffered}");
        self.take(len);
    }

    /// How many bytes are there, `max` at most; 0 at the end.
    fn poll_some(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<usize>> {
        ready!(self.poll_served(cx));
        if max > 0 && self.buffer().is_empty() {
            ready!(self.poll_fill(cx))?;
        }
        Poll::Ready(Ok(self.buffer().len().min(max)))
    }
}
