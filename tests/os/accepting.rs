//! Connections of a listener by polls, and as an owned stream.

use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::StreamExt as _;
use oneloop::io::AsyncFd;
use oneloop::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use oneloop::{create_task, fs, interval, run, time, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_listener_accepts_by_polls() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(listener.poll_accept(&mut cx).is_pending());
        let connecting = create_task(TcpStream::connect(addr));
        let accepted = timeout(PATIENCE, poll_fn(|cx| listener.poll_accept(cx))).await;
        let (_stream, peer) = accepted.unwrap().unwrap();
        assert_eq!(connecting.await.unwrap().unwrap().local_addr().unwrap(), peer);

        let dir = fs::temp_dir().await.unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let connecting = create_task(async move { UnixStream::connect(&path).await });
        timeout(PATIENCE, poll_fn(|cx| listener.poll_accept(cx))).await.unwrap().unwrap();
        connecting.await.unwrap().unwrap();
    });
}

#[test]
fn an_owned_stream_of_connections_may_be_moved_and_given_back() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = create_task(async move {
            let mut incoming = listener.into_incoming();
            for _ in 0..3 {
                incoming.next().await.unwrap().unwrap();
            }
            incoming.into_inner()
        });
        for _ in 0..3 {
            TcpStream::connect(addr).await.unwrap();
        }
        let listener = timeout(PATIENCE, server).await.unwrap().unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr);
    });
}

#[test]
fn an_operation_of_an_async_fd_can_be_polled() {
    run(async {
        let (mut one, other) = StdStream::pair().unwrap();
        let other = AsyncFd::new(other).unwrap();
        let mut buf = [0; 8];
        let mut cx = Context::from_waker(Waker::noop());
        let read = |buf: &mut [u8], cx: &mut Context<'_>| {
            other.poll_read_with(cx, |mut stream| stream.read(buf))
        };
        assert!(read(&mut buf, &mut cx).is_pending());
        one.write_all(b"hello").unwrap();
        let count = timeout(PATIENCE, poll_fn(|cx| read(&mut buf, cx))).await.unwrap().unwrap();
        assert_eq!(&buf[..count], b"hello");
        let written = poll_fn(|cx| other.poll_write_with(cx, |mut stream| stream.write(b"x")));
        assert_eq!(written.await.unwrap(), 1);
    });
}

#[test]
fn after_clear_an_operation_is_attempted_only_when_more_has_come() {
    run(async {
        let (mut one, other) = StdStream::pair().unwrap();
        let other = AsyncFd::new(other).unwrap();
        one.write_all(b"hello").unwrap();
        let mut attempts = 0;
        let mut buf = [0; 8];
        other.readable().await.unwrap();
        assert_eq!(other.try_read_with(|mut stream| stream.read(&mut buf)).unwrap(), 5);
        other.clear_read_ready().unwrap();
        let again = other.try_read_with(|mut stream| {
            attempts += 1;
            stream.read(&mut buf)
        });
        assert_eq!(again.unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(attempts, 0, "nothing has come since");
        one.write_all(b"x").unwrap();
        let count = timeout(PATIENCE, other.read_with(|mut stream| stream.read(&mut buf)));
        assert_eq!(count.await.unwrap().unwrap(), 1);
        other.clear_write_ready().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(other.poll_write_with(&mut cx, |mut stream| stream.write(b"y")).is_pending());
    });
}

#[oneloop::test(virtual_time)]
async fn an_interval_is_a_stream_of_its_ticks() {
    let period = Duration::from_secs(10);
    let start = time::now();
    let mut ticks = interval(period);
    assert_eq!(ticks.next().await.unwrap(), start);
    assert_eq!(ticks.next().await.unwrap(), start + period);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut ticks).poll_next_unpin(&mut cx).is_pending());
    // A reset forgets the tick that was waited for.
    oneloop::sleep(period / 2).await;
    ticks.reset();
    assert_eq!(ticks.next().await.unwrap(), start + period + period / 2 + period);
    assert_eq!(ticks.tick().await, start + 3 * period + period / 2);
    assert_eq!(Pin::new(&mut ticks).poll_next_unpin(&mut cx), Poll::Pending);
}
