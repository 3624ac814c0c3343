//! Receiving, one datagram at a time.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::net::UdpSocket as StdSocket;
use std::os::fd::AsFd as _;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use futures::StreamExt as _;
use oneloop::net::UdpSocket;
use oneloop::{create_task, timeout, yield_now};

use super::{ANY_PORT, connected_with_std, failure, nobody, run, with_std, would_block};

#[test]
fn datagrams_keep_their_edges_and_say_who_has_sent_them() -> Result<()> {
    run(async {
        let (socket, first) = with_std().await?;
        let second = StdSocket::bind(ANY_PORT)?;
        let to = socket.local_addr()?;
        first.send_to(b"one", to)?;
        second.send_to(b"twenty", to)?;
        first.send_to(b"three", to)?;
        let mut buf = [0; 64];
        assert_eq!(socket.recv_from(&mut buf).await?, (3, first.local_addr()?));
        assert_eq!(&buf[..3], b"one");
        assert_eq!(socket.recv_from(&mut buf).await?, (6, second.local_addr()?));
        assert_eq!(&buf[..6], b"twenty");
        assert_eq!(socket.recv(&mut buf).await?, 5);
        assert_eq!(&buf[..5], b"three");
        assert!(would_block(socket.try_recv_from(&mut buf)));
        Ok(())
    })
}

#[test]
fn an_empty_datagram_is_a_real_one() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        peer.send_to(b"", socket.local_addr()?)?;
        peer.send_to(b"", socket.local_addr()?)?;
        peer.send_to(b"end", socket.local_addr()?)?;
        let mut buf = [0; 8];
        assert_eq!(socket.recv_from(&mut buf).await?, (0, peer.local_addr()?));
        assert_eq!(socket.try_recv(&mut buf)?, 0);
        assert_eq!(socket.recv(&mut buf).await?, 3);

        assert_eq!(socket.send_to(b"", peer.local_addr()?).await?, 0);
        assert_eq!(peer.recv_from(&mut buf)?, (0, socket.local_addr()?));
        Ok(())
    })
}

#[test]
fn a_buffer_that_is_too_small_cuts_one_datagram_and_no_other() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        for text in [&b"0123456789"[..], b"next", b"nothing", b"last"] {
            peer.send_to(text, socket.local_addr()?)?;
        }
        let mut buf = [0; 4];
        assert_eq!(socket.recv(&mut buf).await?, 4);
        assert_eq!(&buf, b"0123");
        assert_eq!(socket.recv(&mut buf).await?, 4);
        assert_eq!(&buf, b"next");
        assert_eq!(socket.recv(&mut []).await?, 0, "an empty buffer takes one too");
        assert_eq!(socket.recv(&mut buf).await?, 4);
        assert_eq!(&buf, b"last");
        Ok(())
    })
}

#[test]
fn a_receiver_waits_for_a_datagram() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let to = socket.local_addr()?;
        let receiver = create_task(async move {
            let mut buf = [0; 8];
            let (len, _from) = socket.recv_from(&mut buf).await?;
            Result::Ok(buf[..len].to_vec())
        });
        yield_now().await;
        assert!(!receiver.is_finished());
        thread::spawn(move || peer.send_to(b"late", to)).join().expect("it does not panic")?;
        assert_eq!(receiver.await??, b"late");
        Ok(())
    })
}

#[test]
fn a_receive_that_is_given_up_takes_nothing() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let mut buf = [0; 8];
        for _ in 0..3 {
            assert!(timeout(Duration::ZERO, socket.recv_from(&mut buf)).await.is_err());
        }
        peer.send_to(b"here", socket.local_addr()?)?;
        assert_eq!(socket.recv(&mut buf).await?, 4);
        Ok(())
    })
}

#[test]
fn two_receivers_get_a_datagram_each() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let receive = async || {
            let mut buf = [0; 8];
            let len = socket.recv(&mut buf).await?;
            Result::Ok(buf[..len].to_vec())
        };
        let send = async {
            yield_now().await;
            peer.send_to(b"a", socket.local_addr()?)?;
            peer.send_to(b"b", socket.local_addr()?)?;
            Ok(())
        };
        let (one, two, ()) = oneloop::try_gather!(receive(), receive(), send).await?;
        assert_eq!([one, two].concat(), b"ab");
        Ok(())
    })
}

#[test]
fn peeking_leaves_the_datagram() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        peer.send(b"look")?;
        let mut buf = [0; 8];
        for _ in 0..2 {
            assert_eq!(socket.peek_from(&mut buf).await?, (4, peer.local_addr()?));
            assert_eq!(socket.peek(&mut buf).await?, 4);
        }
        let peeked = poll_fn(|cx| socket.poll_peek_from(cx, &mut buf)).await?;
        assert_eq!(peeked, (4, peer.local_addr()?));
        assert_eq!(socket.recv(&mut buf).await?, 4);
        assert!(would_block(socket.try_recv(&mut buf)));
        Ok(())
    })
}

#[test]
fn readable_waits_and_takes_nothing() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let mut buf = [0; 8];
        assert!(would_block(socket.try_recv(&mut buf)));
        let mut readable = pin!(socket.readable());
        let is_pending = poll_fn(|cx| Poll::Ready(readable.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending);
        peer.send_to(b"x", socket.local_addr()?)?;
        readable.await?;
        poll_fn(|cx| socket.poll_readable(cx)).await?;
        assert_eq!(socket.try_recv(&mut buf)?, 1);
        Ok(())
    })
}

#[test]
fn polls_receive_as_methods_do() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        let mut buf = [0; 8];
        let is_pending =
            poll_fn(|cx| Poll::Ready(socket.poll_recv_from(cx, &mut buf).is_pending()));
        assert!(is_pending.await);
        peer.send(b"one")?;
        peer.send(b"four")?;
        let received = poll_fn(|cx| socket.poll_recv_from(cx, &mut buf)).await?;
        assert_eq!(received, (3, peer.local_addr()?));
        assert_eq!(poll_fn(|cx| socket.poll_recv(cx, &mut buf)).await?, 4);
        Ok(())
    })
}

#[test]
fn a_system_call_of_ones_own_waits_as_the_methods_do() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let raw = StdSocket::from(socket.as_fd().try_clone_to_owned()?);
        let mut buf = [0; 8];
        assert!(would_block(socket.try_recv_with(|_| raw.recv(&mut buf))));
        let calls = Cell::new(0);
        let receive = socket.recv_with(|_| {
            calls.set(calls.get() + 1);
            raw.recv_from(&mut buf)
        });
        let send = async {
            yield_now().await;
            peer.send_to(b"x", socket.local_addr()?)
        };
        let (received, _sent) = oneloop::try_gather!(receive, send).await?;
        assert_eq!(received, (1, peer.local_addr()?));
        assert_eq!(calls.get(), 1, "it was not called before something came");

        socket.send_with(|socket| socket.try_send_to(b"y", peer.local_addr()?)).await?;
        assert_eq!(socket.try_send_with(|_| raw.send_to(b"yy", peer.local_addr()?))?, 2);
        assert_eq!((peer.recv(&mut buf)?, peer.recv(&mut buf)?), (1, 2));
        Ok(())
    })
}

#[test]
fn the_stream_of_datagrams_cuts_nothing() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let longest = vec![7; 65_507];
        peer.send_to(&longest, socket.local_addr()?)?;
        peer.send_to(b"", socket.local_addr()?)?;
        peer.send_to(b"end", socket.local_addr()?)?;
        let mut datagrams = socket.datagrams();
        let from = peer.local_addr()?;
        let (first, addr) = datagrams.next().await.expect("it has no end")?;
        assert!(first == longest && addr == from);
        // As a `Stream`.
        let mut rest = Pin::new(&mut datagrams).take(2);
        assert_eq!(rest.next().await.expect("it has no end")?, (Vec::new(), from));
        assert_eq!(rest.next().await.expect("it has no end")?, (b"end".to_vec(), from));
        Ok(())
    })
}

#[test]
fn a_refusal_is_an_error_of_one_datagram_and_the_socket_goes_on() -> Result<()> {
    run(async {
        let nobody = nobody()?;
        let addr = nobody.addr;
        let socket = UdpSocket::builder().connect(addr).await?;
        for _ in 0..3 {
            socket.send(b"anybody?").await?;
            let error = failure(socket.recv(&mut [0; 8]).await);
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        // The same in the stream of datagrams.
        socket.send(b"anybody?").await?;
        let mut datagrams = socket.datagrams();
        let refused = datagrams.next().await.expect("it has no end");
        assert_eq!(failure(refused).kind(), ErrorKind::ConnectionRefused);

        drop(nobody);
        let peer = StdSocket::bind(addr)?;
        socket.send(b"now?").await?;
        let mut buf = [0; 8];
        assert_eq!(peer.recv_from(&mut buf)?, (4, socket.local_addr()?));
        peer.send_to(b"yes", socket.local_addr()?)?;
        assert_eq!(datagrams.next().await.expect("it has no end")?.0, b"yes");
        Ok(())
    })
}

#[test]
fn a_refusal_wakes_who_waits_for_a_datagram() -> Result<()> {
    run(async {
        let nobody = nobody()?;
        let socket = UdpSocket::builder().connect(nobody.addr).await?;
        let mut buf = [0; 8];
        let receive = socket.recv(&mut buf);
        let send = async {
            yield_now().await;
            socket.send(b"anybody?").await
        };
        let (received, len) = oneloop::gather!(receive, send).await;
        assert_eq!(len?, 8);
        assert_eq!(failure(received).kind(), ErrorKind::ConnectionRefused);
        assert!(socket.take_error()?.is_none(), "it has been given once");
        Ok(())
    })
}
