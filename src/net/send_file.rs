//! `send_file`: sends a file to a socket, inside the kernel where possible.

use std::io;
use std::ops::RangeBounds;

use super::TcpStream;
use super::connection::{ByteStream, Socket, write_some};
use crate::io::{AsFile, Chunk, FileTarget, bounds, explain_positions, send_file};
use crate::runtime::{Direction, Moved, Registration};
use crate::sys::sockets::{AsSocket, copy_file};

impl TcpStream {
    /// Sends a part of `file`, or all of it (`..`), waiting for room as necessary. Returns the
    /// number of bytes sent. That is less than the length of the range if the file ends first, and
    /// 0 if the file ends before the range starts. Asyncio's `loop.sendfile`.
    ///
    /// The range counts from the beginning of the file; the file's own position is neither used nor
    /// changed. The kernel copies the bytes itself (`sendfile`, on Linux). Where it cannot, for an
    /// unsupported kind of file or on other systems, the bytes are read and written in chunks of
    /// 256 KiB. Either way, a chunk that is not in memory is read from disk, which blocks the loop
    /// for that time. For a slow disk, let [`to_thread`](crate::thread::to_thread) read the file.
    ///
    /// If other tasks write to this stream in the meantime, their data goes between two chunks.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has sent an unknown part of the file.
    ///
    /// # Errors
    ///
    /// All errors contain a [`SendFileError`](crate::io::SendFileError), which says how much was
    /// sent. The cause is an error of the connection, such as `BrokenPipe` once the peer is gone,
    /// or an error of the file, for example because it has no positions, like a pipe. Also fails on
    /// another thread than the loop's.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::net::{TcpListener, TcpStream};
    /// use std::fs::File;
    ///
    /// oneloop::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (server, _addr) = listener.accept().await?;
    ///
    ///     let file = File::open("Cargo.toml")?;
    ///     assert_eq!(server.send_file(&file, 0..9).await?, 9);
    ///     let mut start = [0; 9];
    ///     client.read_exact(&mut start).await?;
    ///     assert_eq!(&start, b"[package]");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "sendfile")]
    pub async fn send_file(
        &self,
        file: impl AsFile,
        range: impl RangeBounds<u64>,
    ) -> io::Result<u64> {
        send_file(Direct(self.registration()), file, bounds(&range)).await
    }
}

/// A socket with no queued data.
pub(super) struct Direct<'a, S: Socket>(pub(super) &'a Registration<S>);

impl<S: Socket> FileTarget for Direct<'_, S> {
    async fn copy(&self, chunk: &Chunk<'_>) -> io::Result<Option<usize>> {
        self.0.when_ready(Direction::Write, |io| copy(io, chunk)).await
    }

    async fn write(&self, data: &[u8]) -> io::Result<usize> {
        write_some(self.0, data).await
    }
}

/// Returns the number of bytes that the kernel took from the file, 0 at its end, or `None` if the
/// kernel cannot copy.
pub(super) fn copy(io: &impl AsSocket, chunk: &Chunk<'_>) -> io::Result<Moved<Option<usize>>> {
    let value = copy_file(io, chunk.file, chunk.at, chunk.count).map_err(explain_positions)?;
    // A short copy may also mean the end of the file.
    Ok(Moved { value, is_short: false })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};
    use std::ops::Range;
    use std::{env, process, thread};

    use super::*;
    use crate::runtime::run;

    /// A socket for which the kernel cannot copy.
    struct Copying<'a, S: Socket>(Direct<'a, S>);

    impl<S: Socket> FileTarget for Copying<'_, S> {
        async fn copy(&self, _chunk: &Chunk<'_>) -> io::Result<Option<usize>> {
            Ok(None)
        }

        async fn write(&self, data: &[u8]) -> io::Result<usize> {
            self.0.write(data).await
        }
    }

    /// Sends a file in one of the two ways to a peer that reads everything. Returns the bytes that
    /// the peer read.
    fn send_and_read(name: &str, bytes: &[u8], range: Range<u64>, is_native: bool) -> Vec<u8> {
        let path = env::temp_dir().join(format!("oneloop-{}-{name}", process::id()));
        fs::write(&path, bytes).unwrap();
        let file = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let mut all = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
            all
        });
        run(async {
            let stream = TcpStream::connect(addr).await.unwrap();
            let direct = Direct(stream.registration());
            let sent = if is_native {
                send_file(direct, &file, range).await.unwrap()
            } else {
                send_file(Copying(direct), &file, range).await.unwrap()
            };
            drop(stream);
            let all = peer.join().unwrap();
            assert_eq!(sent, all.len() as u64);
            all
        })
    }

    #[test]
    fn both_ways_send_the_same() {
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|number| (number % 251) as u8).collect();
        for (start, end) in
            [(0, u64::MAX), (1, 1_999_999), (300_000, 300_001), (2_000_000, 3_000_000)]
        {
            let native = send_and_read("native", &bytes, start..end, true);
            let copied = send_and_read("copied", &bytes, start..end, false);
            let end = usize::try_from(end).map_or(bytes.len(), |end| end.min(bytes.len()));
            assert!(native == bytes[usize::try_from(start).unwrap()..end]);
            assert!(copied == native);
        }
    }
}
