//! `Lines`: a reader's lines, as strings.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::StreamReader;
use super::stream_reader::text;

/// The lines of a [`StreamReader`]; see [`StreamReader::lines`]. Also a [`Stream`].
///
/// Each line comes without its `\n` or `\r\n`. A line that is not UTF-8 yields an error of kind
/// `InvalidData` that contains its bytes ([`FromUtf8Error`](std::string::FromUtf8Error)), and the
/// next line follows. After any other error there are no more lines.
/// [`into_reader`](Self::into_reader) returns the reader with all unread bytes.
///
/// # Examples
///
/// ```
/// use oneloop::io::StreamReader;
///
/// oneloop::run(async {
///     let mut lines = StreamReader::new(&b"one\r\ntwo\n\nlast"[..]).lines();
///     for expected in ["one", "two", "", "last"] {
///         assert_eq!(lines.next().await.unwrap()?, expected);
///     }
///     assert!(lines.next().await.is_none());
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Lines {
    reader: StreamReader,
    has_failed: bool,
}

impl Lines {
    pub(super) fn of(reader: StreamReader) -> Self {
        Self { reader, has_failed: false }
    }

    /// Returns the next line, or `None` at the end and after an error of the stream.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has read nothing.
    pub async fn next(&mut self) -> Option<io::Result<String>> {
        poll_fn(|cx| self.poll_line(cx)).await
    }

    /// Returns the reader, with all unread bytes.
    pub fn into_reader(self) -> StreamReader {
        self.reader
    }

    fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<String>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        let len = match ready!(self.reader.poll_line(cx)) {
            Ok(0) => return Poll::Ready(None),
            Ok(len) => len,
            Err(error) => {
                self.has_failed = true;
                return Poll::Ready(Some(Err(error)));
            }
        };
        let line = self.reader.take_line(len);
        let line = match line.strip_suffix(b"\n") {
            Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
            None => line,
        };
        Poll::Ready(Some(text(line.to_vec())))
    }
}

impl Stream for Lines {
    type Item = io::Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_line(cx)
    }
}
