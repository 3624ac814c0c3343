//! `TcpStream::send_file`.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, TcpStream as StdStream};
use std::ops::RangeBounds;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, process};

use oneloop::net::{SendFileError, TcpListener, TcpStream, UnixStream};
use oneloop::thread::to_thread;
use oneloop::{create_task, yield_now};
use socket2::SockRef;

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` on a new loop, under a time limit.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

/// A file that has a name only while it is made.
pub(crate) fn file_of(bytes: &[u8]) -> Result<File> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path: PathBuf =
        env::temp_dir().join(format!("oneloop-send-file-{}-{number}", process::id()));
    fs::write(&path, bytes)?;
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

pub(crate) fn some_bytes(len: usize) -> Vec<u8> {
    let mut bytes = (0..253).collect::<Vec<u8>>().repeat(len / 253 + 1);
    bytes.truncate(len);
    bytes
}

/// A stream, and its peer of the standard library.
async fn with_std() -> Result<(TcpStream, StdStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let peer = StdStream::connect(listener.local_addr()?)?;
    peer.set_read_timeout(Some(LIMIT))?;
    Ok((listener.accept().await?.0, peer))
}

/// Reads to the end, on a thread.
fn read_all(mut peer: StdStream) -> JoinHandle<Result<Vec<u8>>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all)?;
        Ok(all)
    })
}

/// The bytes that the peer gets, and the number that `send_file` returns.
async fn sent(file: &File, range: impl RangeBounds<u64>) -> Result<(Vec<u8>, u64)> {
    let (stream, peer) = with_std().await?;
    let reader = read_all(peer);
    let sent = stream.send_file(file, range).await?;
    drop(stream);
    let got = to_thread(move || reader.join().expect("it does not panic")).await?;
    Ok((got, sent))
}

fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

fn details(error: &io::Error) -> &SendFileError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.unwrap_or_else(|| panic!("not a `SendFileError`: {error}"))
}

#[test]
fn ranges_are_those_of_rust() -> Result<()> {
    run(async {
        let file = file_of(b"0123456789")?;
        assert_eq!(sent(&file, ..).await?, (b"0123456789".to_vec(), 10));
        assert_eq!(sent(&file, 3..).await?, (b"3456789".to_vec(), 7));
        assert_eq!(sent(&file, ..3).await?, (b"012".to_vec(), 3));
        assert_eq!(sent(&file, 3..=5).await?, (b"345".to_vec(), 3));
        assert_eq!(sent(&file, 3..3).await?, (Vec::new(), 0));
        #[expect(clippy::reversed_empty_ranges, reason = "that is the test")]
        let backwards = 5..3;
        assert_eq!(sent(&file, backwards).await?, (Vec::new(), 0));
        Ok(())
    })
}

#[test]
fn a_file_that_is_shorter_than_asked_for_is_no_error() -> Result<()> {
    run(async {
        let file = file_of(b"0123456789")?;
        assert_eq!(sent(&file, 8..1000).await?, (b"89".to_vec(), 2));
        assert_eq!(sent(&file, 10..).await?, (Vec::new(), 0));
        assert_eq!(sent(&file, 1_000_000..2_000_000).await?, (Vec::new(), 0));
        assert_eq!(sent(&file, u64::MAX..).await?, (Vec::new(), 0));
        assert_eq!(sent(&file_of(b"")?, ..).await?, (Vec::new(), 0));
        Ok(())
    })
}

#[test]
fn the_position_of_the_file_is_neither_used_nor_changed() -> Result<()> {
    run(async {
        let mut file = file_of(b"0123456789")?;
        file.seek(SeekFrom::Start(4))?;
        assert_eq!(sent(&file, ..).await?.1, 10);
        assert_eq!(file.stream_position()?, 4);
        Ok(())
    })
}

#[test]
fn a_large_file_arrives_whole_while_others_have_their_turn() -> Result<()> {
    run(async {
        let bytes = some_bytes(8 << 20);
        let file = file_of(&bytes)?;
        let turns = Rc::new(Cell::new(0));
        let counted = Rc::clone(&turns);
        let other = create_task(async move {
            loop {
                counted.set(counted.get() + 1);
                yield_now().await;
            }
        });
        let (got, len) = sent(&file, ..).await?;
        other.cancel();
        assert!(got == bytes && len == bytes.len() as u64);
        let chunks = bytes.len() / (256 * 1024);
        assert!(turns.get() >= chunks, "{} turns beside {chunks} chunks", turns.get());
        Ok(())
    })
}

#[test]
fn it_waits_for_a_peer_that_does_not_read() -> Result<()> {
    run(async {
        let bytes = some_bytes(8 << 20);
        let file = file_of(&bytes)?;
        let (stream, peer) = with_std().await?;
        let sender = create_task(async move { stream.send_file(&file, ..).await });
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(!sender.is_finished(), "the kernel has room for less");
        let reader = read_all(peer);
        assert_eq!(sender.await??, bytes.len() as u64);
        let got = to_thread(move || reader.join().expect("it does not panic")).await?;
        assert!(got == bytes);
        Ok(())
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_the_kernel_cannot_send_is_read_and_written() -> Result<()> {
    run(async {
        // The kernel returns EINVAL for both.
        let (status, len) = sent(&File::open("/proc/self/status")?, ..).await?;
        assert_eq!(len, status.len() as u64);
        assert!(status.starts_with(b"Name:"), "{}", String::from_utf8_lossy(&status));
        assert!(String::from_utf8_lossy(&status).contains("Threads:"));
        assert_eq!(sent(&File::open("/dev/null")?, ..).await?, (Vec::new(), 0));
        Ok(())
    })
}

#[test]
fn what_has_no_positions_is_refused() -> Result<()> {
    run(async {
        let (stream, _peer) = with_std().await?;
        let (socket, mut other) = StdUnixStream::pair()?;
        other.write_all(b"some bytes")?;
        let error = failure(stream.send_file(File::from(OwnedFd::from(socket)), ..).await);
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
        assert!(error.to_string().contains("pipe"), "{error}");
        assert_eq!(details(&error).sent(), 0);

        let error = failure(stream.send_file(File::open(env::temp_dir())?, ..).await);
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let write_only = OpenOptions::new().write(true).open("/dev/null")?;
        failure(stream.send_file(&write_only, ..).await);
        // The stream is unchanged.
        assert_eq!(stream.send_file(file_of(b"ok")?, ..).await?, 2);
        Ok(())
    })
}

#[test]
fn a_peer_that_goes_away_is_an_error_that_says_how_much_was_sent() -> Result<()> {
    run(async {
        // More than the kernel buffers on both sides.
        let len = 1 << 30;
        let file = file_of(b"")?;
        file.set_len(len)?;
        let (stream, mut peer) = with_std().await?;
        let reader = thread::spawn(move || {
            let mut buf = vec![0; 1 << 20];
            peer.read_exact(&mut buf)?;
            // Unread data makes it reset the connection.
            SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
            Result::Ok(())
        });
        let error = failure(stream.send_file(&file, ..).await);
        to_thread(move || reader.join().expect("it does not panic")).await?;
        assert!(
            matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{error:?}"
        );
        let sent = details(&error).sent();
        assert!(((1 << 20)..len).contains(&sent), "{sent}");
        assert!(error.to_string().contains(&sent.to_string()), "{error}");
        // The next operation notices at once.
        let error = failure(stream.send_file(&file, ..).await);
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn one_that_is_given_up_leaves_the_stream_usable() -> Result<()> {
    run(async {
        let file = file_of(&some_bytes(8 << 20))?;
        let (stream, peer) = with_std().await?;
        let given_up =
            oneloop::timeout(Duration::from_millis(1), stream.send_file(&file, ..)).await;
        assert!(given_up.is_err());
        let reader = read_all(peer);
        stream.write_all(b"the end").await?;
        drop(stream);
        let got = to_thread(move || reader.join().expect("it does not panic")).await?;
        assert!(got.ends_with(b"the end"));
        Ok(())
    })
}

#[test]
fn several_at_once_lose_nothing() -> Result<()> {
    run(async {
        let len = 300_000;
        let files = [file_of(&vec![b'a'; len])?, file_of(&vec![b'b'; len])?];
        let (stream, peer) = with_std().await?;
        let reader = read_all(peer);
        let (one, two, ()) = oneloop::try_gather!(
            stream.send_file(&files[0], ..),
            stream.send_file(&files[1], ..),
            stream.write_all(&vec![b'c'; len])
        )
        .await?;
        assert_eq!((one, two), (len as u64, len as u64));
        drop(stream);
        let got = to_thread(move || reader.join().expect("it does not panic")).await?;
        assert_eq!(got.len(), 3 * len);
        let mut sorted = got;
        sorted.sort_unstable();
        let parts: Vec<_> =
            sorted.chunk_by(|a, b| a == b).map(|part| (part[0], part.len())).collect();
        assert_eq!(parts, [(b'a', len), (b'b', len), (b'c', len)]);
        Ok(())
    })
}

#[test]
fn one_file_goes_to_several_streams() -> Result<()> {
    run(async {
        let bytes = some_bytes(1 << 20);
        let file = file_of(&bytes)?;
        let both = oneloop::try_gather!(sent(&file, ..), sent(&file, 5..)).await?;
        assert!(both.0.0 == bytes && both.1.0 == bytes[5..]);
        Ok(())
    })
}

#[test]
fn unix_streams_send_files_too() -> Result<()> {
    run(async {
        let bytes = some_bytes(1 << 20);
        let file = file_of(&bytes)?;
        let (stream, peer) = UnixStream::pair()?;
        let reading = async {
            let mut got = vec![0; bytes.len() - 7];
            peer.read_exact(&mut got).await?;
            Ok(got)
        };
        let (sent, got) = oneloop::try_gather!(stream.send_file(&file, 7..), reading).await?;
        assert_eq!(sent, got.len() as u64);
        assert!(got == bytes[7..]);
        drop(peer);
        let error = failure(stream.send_file(&file, ..).await);
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(details(&error).sent(), 0);
        Ok(())
    })
}
