//! Descriptors and threads: nothing remains of sockets and look-ups, however they end.
//!
//! This is a separate process, so that no other test changes its descriptors and threads.

#![cfg(all(feature = "net", target_os = "linux"))]

use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use oneloop::net::{Batch, Datagram, TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host};
use oneloop::{Builder, timeout, yield_now};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const SOON: Duration = Duration::from_millis(300);

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("this is Linux").count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("this is Linux").count()
}

fn fails<T>(result: Result<T>) -> Result<()> {
    result.map_or_else(|_| Ok(()), |_| Err(Error::other("it should have failed")))
}

/// Connections that are made, refused, abandoned half way, or lose a race.
async fn connects() -> Result<()> {
    let refusing = TcpSocket::new_v4()?;
    refusing.bind(SocketAddr::from(ANY_PORT))?;
    let refused = refusing.local_addr()?;
    let full = TcpListener::builder().backlog(0).bind(ANY_PORT).await?;
    let stalled = full.local_addr()?;
    let _waiting = StdStream::connect(stalled)?;
    let listener = TcpListener::bind(ANY_PORT).await?;
    let alive = listener.local_addr()?;

    TcpStream::connect(&[refused, stalled, alive][..]).await?;
    TcpStream::connector().delay(Duration::ZERO).connect(&[stalled, alive, alive][..]).await?;
    fails(TcpStream::connect(&[refused, refused][..]).await)?;
    fails(TcpSocket::new_v4()?.connect(refused).await)?;
    fails(TcpListener::bind(alive).await)?;
    let given_up = TcpStream::connect(vec![stalled, stalled]);
    fails(timeout(SOON, given_up).await.unwrap_or(Err(ErrorKind::TimedOut.into())))
}

/// Datagrams that are sent, refused, or awaited in vain.
async fn datagrams() -> Result<()> {
    let socket = UdpSocket::bind(ANY_PORT).await?;
    let addr = socket.local_addr()?;
    fails(UdpSocket::bind(addr).await)?;
    let client = UdpSocket::builder().connect(addr).await?;
    client.send(b"hello").await?;
    socket.recv_from(&mut [0; 8]).await?;
    client.send_batch(&[Datagram::new(b"a", addr), Datagram::new(b"b", addr)]).await?;
    let mut batch = Batch::new(4, 8);
    assert_eq!(socket.recv_batch(&mut batch).await?, 2);
    assert!(timeout(SOON, socket.recv_batch(&mut batch)).await.is_err());
    drop(socket);
    client.send(b"anybody?").await?;
    fails(client.recv(&mut [0; 8]).await)?;
    drop(client.into_std()?);
    Ok(())
}

/// Files that are sent whole, in part, and to a peer that is gone.
async fn files() -> Result<()> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let stream = TcpStream::connect(listener.local_addr()?).await?;
    let (peer, _addr) = listener.accept().await?;
    let file = File::open("/proc/self/exe")?;
    stream.send_file(&file, ..10_000).await?;
    assert!(timeout(SOON, stream.send_file(&file, ..)).await.is_err());
    drop(peer);
    fails(stream.send_file(&file, ..).await)
}

async fn names() -> Result<()> {
    let listener = TcpListener::bind("localhost:0").await?;
    TcpStream::connect(("localhost", listener.local_addr()?.port())).await?;
    fails(lookup_host("no host:80").await)?;
    // Abandoned as soon as it has begun.
    let mut begun = Box::pin(lookup_host("localhost:80"));
    assert!(poll_fn(|cx| Poll::Ready(begun.as_mut().poll(cx).is_pending())).await);
    yield_now().await;
    Ok(())
}

#[test]
fn no_descriptor_and_no_thread_is_left() -> Result<()> {
    let repeat = |count| {
        for _ in 0..count {
            // Time jumps when no task is runnable, but not for threads: names are looked up in real
            // time.
            Builder::new().virtual_time(true).run(async {
                connects().await?;
                datagrams().await?;
                files().await
            })?;
            oneloop::run(names())?;
        }
        Result::Ok(())
    };
    let at_first = threads();
    // A thread whose look-up is not awaited may still be at work.
    let settle = || {
        for _ in 0..10_000 {
            if threads() == at_first {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        (descriptors(), threads())
    };
    repeat(1)?;
    let before = settle();
    assert_eq!(before.1, at_first);
    repeat(5)?;
    assert_eq!(settle(), before);
    Ok(())
}
