//! Operations on no bytes are ready at once, so they take budget: a loop over them lets others run.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use oneloop::create_task;
use oneloop::fs::{File, temp_dir};
use oneloop::io::{AsyncFd, DuplexStream, StreamReader, StreamWriter, duplex, pipe, stdin, stdout};
use oneloop::net::{TcpListener, TcpStream, UdpSocket, UnixStream};

/// Repeats `operation`, which is always ready, until another task has had its turn.
async fn check<T>(name: &str, mut operation: impl AsyncFnMut() -> io::Result<T>) {
    let other = create_task(async {});
    for done in 0.. {
        if other.is_finished() {
            return;
        }
        assert!(done <= 128, "{name} lets no other task run");
        operation().await.unwrap();
    }
}

/// Checks the operations of futures-io's traits.
async fn check_traits(name: &str, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    check(&format!("{name}, `poll_read`"), async || stream.read(&mut []).await).await;
    check(&format!("{name}, `poll_read_vectored`"), async || {
        let bufs = &mut [IoSliceMut::new(&mut [])];
        poll_fn(|cx| Pin::new(&mut stream).poll_read_vectored(cx, bufs)).await
    })
    .await;
    check(&format!("{name}, `poll_write`"), async || stream.write(&[]).await).await;
    check(&format!("{name}, `poll_write_vectored`"), async || {
        stream.write_vectored(&[IoSlice::new(&[])]).await
    })
    .await;
}

/// Checks each inherent method of a type.
macro_rules! check_own {
    ($name:literal, $stream:ident: $($method:ident($arg:expr)),+) => {
        $(check(
            concat!($name, ", `", stringify!($method), "`"),
            async || $stream.$method($arg).await.map(|_| ()),
        ).await;)+
    };
}

#[oneloop::test]
async fn on_a_duplex_stream() {
    let (stream, _peer): (DuplexStream, _) = duplex(16);
    check_own!("`DuplexStream`", stream: read(&mut []), read_exact(&mut []), write(&[]), write_all(&[]));
    check_traits("`DuplexStream`", stream).await;
}

#[oneloop::test]
async fn on_streams_of_the_network() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let stream = TcpStream::connect(listener.local_addr()?).await?;
    check_own!("`TcpStream`", stream: read(&mut []), read_exact(&mut []), peek(&mut []));
    check_own!("`TcpStream`", stream: read_vectored(&mut []), write(&[]), write_all(&[]));
    check_own!("`TcpStream`", stream: write_vectored(&[]));
    check_traits("`TcpStream`", stream).await;
    let (stream, _peer) = UnixStream::pair()?;
    check_own!("`UnixStream`", stream: read(&mut []), read_exact(&mut []));
    check_own!("`UnixStream`", stream: read_vectored(&mut []), write(&[]), write_all(&[]));
    check_traits("`UnixStream`", stream).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    check_own!("`UdpSocket`", socket: send_batch(&[]));
    Ok(())
}

#[oneloop::test]
async fn on_pipes_and_descriptors() -> io::Result<()> {
    let (sender, mut receiver) = pipe::pipe()?;
    check_own!("a pipe", receiver: read(&mut []), read_exact(&mut []), read_vectored(&mut []));
    check_own!("a pipe", sender: write(&[]), write_all(&[]), write_vectored(&[]));
    check("a pipe, `poll_read`", async || AsyncReadExt::read(&mut receiver, &mut []).await).await;
    let (fd, _peer) = StdStream::pair()?;
    fd.set_nonblocking(true)?;
    check_traits("`AsyncFd`", AsyncFd::new(fd)?).await;
    Ok(())
}

#[oneloop::test]
async fn on_buffered_streams() -> io::Result<()> {
    let (near, _far) = duplex(16);
    let (mut reader, mut writer): (StreamReader, StreamWriter) = near.into_streams();
    check_own!("`StreamReader`", reader: read(&mut []), read_exact(&mut []), readexactly(0));
    check_own!("`StreamReader`", reader: read_some(0));
    check_own!("`StreamWriter`", writer: write_all(&[]));
    check("`StreamWriter`, `poll_write`", async || AsyncWriteExt::write(&mut writer, &[]).await)
        .await;
    check("`StreamWriter`, `poll_flush`", async || AsyncWriteExt::flush(&mut writer).await).await;
    check("`StreamWriter`, `poll_close`", async || AsyncWriteExt::close(&mut writer).await).await;
    Ok(())
}

#[oneloop::test]
async fn on_a_full_reader() -> io::Result<()> {
    let (near, far) = duplex(16);
    let (reader, _writer) = near.into_streams();
    let mut reader = reader.with_limit(1);
    far.write_all(b"abc").await?;
    reader.read_more().await?;
    check("`read_more` over the limit", async || {
        assert!(reader.read_more().await.is_err());
        Ok(())
    })
    .await;
    Ok(())
}

#[oneloop::test]
async fn on_standard_streams() {
    let (stdin, mut stdout) = (stdin(), stdout());
    check_own!("`Stdin`", stdin: read(&mut []));
    check_own!("`Stdout`", stdout: write(&[]), write_all(&[]));
    check("`Stdout`, `poll_write`", async || AsyncWriteExt::write(&mut stdout, &[]).await).await;
    check("`Stdout`, `poll_flush`", async || AsyncWriteExt::flush(&mut stdout).await).await;
}

#[oneloop::test]
async fn on_a_file() -> io::Result<()> {
    let dir = temp_dir().await?;
    let file = File::create(dir.path().join("x")).await?;
    check_own!("`File`", file: read(&mut []), read_exact(&mut []), write(&[]), write_all(&[]));
    check("`File::read_exact_at`", async || file.read_exact_at(&mut [], 0).await).await;
    check("`File::write_all_at`", async || file.write_all_at(&[], 0).await).await;
    check("`File::flush`", async || file.flush().await).await;
    check_traits("`File`", &file).await;
    check("`File`, `poll_flush`", async || AsyncWriteExt::flush(&mut &file).await).await;
    Ok(())
}
