//! `send_file`: from a file to a socket, inside the kernel where it can.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::{Bound, Range, RangeBounds};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::uio::pread;

use super::connection::{ByteStream, Socket, write};
use super::{TcpStream, UnixStream};
use crate::runtime::{Direction, Moved, Registration};
use crate::task::yield_now;

/// How much goes at a time, and so how much of a file is read from a disk, at most, while nothing else can run.
const CHUNK: usize = 256 * 1024;

impl TcpStream {
    /// Sends a part of `file`, or all of it (`..`), waiting for room as need be; returns how many bytes were sent. That is less than the range has if
    /// the file ends before, and 0 if it does not even reach the range. Asyncio's `loop.sendfile`.
    ///
    /// The range counts from the beginning of the file; the file's own position is neither used nor changed. The kernel copies the bytes itself
    /// (`sendfile`, on Linux); where it cannot, for a file of a kind that it does not know or on other systems, they are read and written in
    /// chunks of 256 KiB. Either way a chunk that is not in memory is read from the disk meanwhile, and the loop with it is held up for so long;
    /// from a slow disk, let [`to_thread`](crate::thread::to_thread) read it.
    ///
    /// What other tasks write to this stream meanwhile comes between two chunks.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it has sent an unknown part.
    ///
    /// # Errors
    ///
    /// A [`SendFileError`] inside, which says how much was sent: those of the connection, as `BrokenPipe` when the peer is gone; those of the
    /// file, as for one without positions, like a pipe. On another thread than the loop's.
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
        file: impl AsFd,
        range: impl RangeBounds<u64>,
    ) -> io::Result<u64> {
        let (start, end) = bounds(&range);
        send(self.registration(), file, start..end, Way::Native).await
    }
}

impl UnixStream {
    /// Sends a part of `file`, or all of it (`..`), as [`TcpStream::send_file`] does.
    ///
    /// # Cancel safety
    ///
    /// None: dropped before it is ready, it has sent an unknown part.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::send_file`].
    #[doc(alias = "sendfile")]
    pub async fn send_file(
        &self,
        file: impl AsFd,
        range: impl RangeBounds<u64>,
    ) -> io::Result<u64> {
        let (start, end) = bounds(&range);
        send(self.registration(), file, start..end, Way::Native).await
    }
}

/// From the first byte to the one behind the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

/// Sends what `file` has in `range`.
async fn send(
    registration: &Registration<impl Socket + AsFd>,
    file: impl AsFd,
    range: Range<u64>,
    mut way: Way,
) -> io::Result<u64> {
    let Range { start, end } = range;
    let mut at = start;
    while at < end {
        let before = at;
        let count = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        let chunk = Chunk { file: file.as_fd(), at, count };
        let result = match &mut way {
            Way::Native => {
                let sent = registration.when_ready(Direction::Write, |io| native(io, &chunk)).await;
                sent.map(|sent| sent.map(|sent| at += sent as u64))
            }
            Way::Copying(buf) => copy(registration, &chunk, buf, &mut at).await.map(Some),
        };
        match result {
            Ok(Some(())) if at == before => break,
            // A chunk takes as long as a task may run; a peer that is quick would let many follow.
            Ok(Some(())) => yield_now().await,
            Ok(None) => way = Way::Copying(Vec::new()),
            Err(cause) => return Err(SendFileError { sent: at - start, cause }.into()),
        }
    }
    Ok(at - start)
}

enum Way {
    Native,
    /// With a buffer for a chunk.
    Copying(Vec<u8>),
}

/// What goes at a time.
struct Chunk<'a> {
    file: BorrowedFd<'a>,
    at: u64,
    count: usize,
}

impl Chunk<'_> {
    /// As the type that a system call wants.
    fn offset<T: TryFrom<u64>>(&self) -> io::Result<T> {
        T::try_from(self.at).map_err(|_| {
            io::Error::new(ErrorKind::InvalidInput, format!("no file has an offset of {}", self.at))
        })
    }
}

/// How many bytes the kernel has taken from the file; 0 at its end. `None`: it cannot.
#[cfg(target_os = "linux")]
fn native(io: &impl AsFd, chunk: &Chunk<'_>) -> io::Result<Moved<Option<usize>>> {
    use nix::sys::sendfile::sendfile64;

    let mut offset = chunk.offset()?;
    let value = match sendfile64(io, chunk.file, Some(&mut offset), chunk.count) {
        Ok(sent) => Some(sent),
        Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => None,
        Err(Errno::ESPIPE) => return Err(no_positions()),
        Err(error) => return Err(error.into()),
    };
    // Less than asked for may be the end of the file as well.
    Ok(Moved { value, is_short: false })
}

/// Other systems have calls of their own, with rules of their own for what a part of a chunk means.
#[cfg(not(target_os = "linux"))]
fn native(_io: &impl AsFd, _chunk: &Chunk<'_>) -> io::Result<Moved<Option<usize>>> {
    Ok(Moved { value: None, is_short: false })
}

/// Reads a chunk and writes all of it, counting in `at` what is written: nothing at the end of the file.
async fn copy(
    registration: &Registration<impl Socket>,
    chunk: &Chunk<'_>,
    buf: &mut Vec<u8>,
    at: &mut u64,
) -> io::Result<()> {
    let mut rest = read(chunk, buf)?;
    while !rest.is_empty() {
        match registration.when_ready(Direction::Write, |io| write(io, rest)).await? {
            0 => return Err(ErrorKind::WriteZero.into()),
            written => {
                rest = &rest[written..];
                *at += written as u64;
            }
        }
    }
    Ok(())
}

fn read<'a>(chunk: &Chunk<'_>, buf: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    buf.resize(chunk.count, 0);
    let len = loop {
        match pread(chunk.file, buf, chunk.offset()?) {
            Err(Errno::EINTR) => {}
            Err(Errno::ESPIPE) => return Err(no_positions()),
            result => break result?,
        }
    };
    Ok(&buf[..len])
}

fn no_positions() -> io::Error {
    io::Error::new(
        ErrorKind::NotSeekable,
        "it has no positions to read from: pass a file, and read a pipe or a socket yourself",
    )
}

/// A file was not sent to its end. It is inside the `io::Error` that [`TcpStream::send_file`] and [`UnixStream::send_file`] give.
#[derive(Debug)]
pub struct SendFileError {
    sent: u64,
    cause: io::Error,
}

impl SendFileError {
    /// How many bytes went to the kernel before. The peer need not have got them.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

impl fmt::Display for SendFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file was not sent further than {} bytes: {}", self.sent, self.cause)
    }
}

impl Error for SendFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<SendFileError> for io::Error {
    fn from(error: SendFileError) -> Self {
        Self::new(error.cause.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener};
    use std::{env, process, thread};

    use super::*;
    use crate::runtime::run;

    /// Sends a file by both ways to a peer that reads all, and gives what that has read.
    fn send_and_read(name: &str, bytes: &[u8], range: Range<u64>, way: Way) -> Vec<u8> {
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
            let sent = send(stream.registration(), &file, range, way).await.unwrap();
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
            let native = send_and_read("native", &bytes, start..end, Way::Native);
            let copied = send_and_read("copied", &bytes, start..end, Way::Copying(Vec::new()));
            let end = bytes.len().min(usize::try_from(end).unwrap());
            assert!(native == bytes[usize::try_from(start).unwrap()..end]);
            assert!(copied == native);
        }
    }
}
