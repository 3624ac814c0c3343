//! Sending, one datagram at a time; peers.

use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::net::{Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::thread;

use nix::libc;
use oneloop::net::UdpSocket;

use super::{ANY_PORT, LIMIT, connected_with_std, failure, run, with_std};

#[test]
fn what_is_sent_arrives_in_one_piece() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let mut buf = vec![0; 70_000];
        for len in [0, 1, 1500, 65_507] {
            let bytes = vec![5; len];
            assert_eq!(socket.send_to(&bytes, peer.local_addr()?).await?, len);
            assert_eq!(peer.recv_from(&mut buf)?, (len, socket.local_addr()?));
            assert!(buf[..len] == bytes);
        }
        Ok(())
    })
}

#[test]
fn a_datagram_that_is_too_long_is_an_error_and_the_socket_goes_on() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let error = failure(socket.send_to(&vec![0; 65_508], peer.local_addr()?).await);
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        socket.send_to(b"short", peer.local_addr()?).await?;
        assert_eq!(peer.recv(&mut [0; 8])?, 5);
        Ok(())
    })
}

#[test]
fn a_name_can_be_sent_to() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let port = peer.local_addr()?.port();
        socket.send_to(b"one", ("localhost", port)).await?;
        socket.send_to(b"two", format!("127.0.0.1:{port}")).await?;
        let mut buf = [0; 8];
        assert_eq!((peer.recv(&mut buf)?, peer.recv(&mut buf)?), (3, 3));
        // Of several addresses, the first of the socket's family.
        let addrs = [SocketAddr::from((Ipv6Addr::LOCALHOST, port)), peer.local_addr()?];
        socket.send_to(b"three", &addrs[..]).await?;
        assert_eq!(peer.recv(&mut buf)?, 5);
        let error = failure(socket.send_to(b"four", &addrs[..1]).await);
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("[::1]"), "{error}");
        Ok(())
    })
}

#[test]
fn a_connected_socket_hears_its_peer_only() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        let stranger = StdSocket::bind(ANY_PORT)?;
        stranger.send_to(b"hey", socket.local_addr()?)?;
        peer.send(b"hello")?;
        let mut buf = [0; 8];
        assert_eq!(socket.recv_from(&mut buf).await?, (5, peer.local_addr()?));
        assert_eq!(socket.peer_addr()?, peer.local_addr()?);
        assert_eq!(socket.send(b"hi").await?, 2);
        assert_eq!(peer.recv(&mut buf)?, 2);
        Ok(())
    })
}

#[test]
fn a_connected_socket_sends_to_its_peer_by_address_and_to_nobody_else() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        let stranger = StdSocket::bind(ANY_PORT)?;
        let (ours, theirs) = (peer.local_addr()?, stranger.local_addr()?);
        socket.send_to(b"by address", ours).await?;
        assert_eq!(peer.recv(&mut [0; 16])?, 10);
        let poll = poll_fn(|cx| socket.poll_send_to(cx, b"x", theirs)).await;
        for error in [
            failure(socket.send_to(b"x", theirs).await),
            failure(socket.try_send_to(b"x", theirs)),
            failure(poll),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = error.to_string();
            assert!(message.contains(&ours.to_string()), "{message}");
            assert!(message.contains(&theirs.to_string()), "{message}");
        }
        // If the socket is connected to this address, it may.
        socket.connect(theirs).await?;
        socket.send_to(b"now", theirs).await?;
        assert_eq!(stranger.recv(&mut [0; 16])?, 3);
        Ok(())
    })
}

#[test]
fn without_a_peer_send_says_what_to_do() -> Result<()> {
    run(async {
        let socket = UdpSocket::bind(ANY_PORT).await?;
        for error in [failure(socket.send(b"x").await), failure(socket.try_send(b"x"))] {
            assert_eq!(error.kind(), ErrorKind::NotConnected);
            assert!(error.to_string().contains("`send_to`"), "{error}");
        }
        assert_eq!(failure(socket.peer_addr()).kind(), ErrorKind::NotConnected);
        Ok(())
    })
}

#[test]
fn polls_and_tries_send_as_methods_do() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        let to = peer.local_addr()?;
        socket.writable().await?;
        poll_fn(|cx| socket.poll_writable(cx)).await?;
        poll_fn(|cx| socket.poll_send(cx, b"1")).await?;
        poll_fn(|cx| socket.poll_send_to(cx, b"22", to)).await?;
        socket.try_send(b"333")?;
        socket.try_send_to(b"4444", to)?;
        for len in 1..=4 {
            assert_eq!(peer.recv(&mut [0; 8])?, len);
        }
        Ok(())
    })
}

#[test]
fn ipv6_works_too() -> Result<()> {
    run(async {
        let any = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let (one, two) = (UdpSocket::bind(any).await?, UdpSocket::bind("[::1]:0").await?);
        one.connect(two.local_addr()?).await?;
        one.send(b"six").await?;
        let mut buf = [0; 8];
        let (len, from) = two.recv_from(&mut buf).await?;
        assert_eq!((len, from), (3, one.local_addr()?));
        two.send_to(b"back", from).await?;
        assert_eq!(one.recv(&mut buf).await?, 4);
        Ok(())
    })
}

#[test]
fn sockets_come_from_the_standard_library_and_go_back() -> Result<()> {
    run(async {
        let (_unused, peer) = with_std().await?;
        let std = StdSocket::bind(ANY_PORT)?;
        std.connect(peer.local_addr()?)?;
        let socket = UdpSocket::from_std(std)?;
        let error = failure(socket.send_to(b"x", socket.local_addr()?).await);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "it is known to be connected");
        socket.send(b"one").await?;
        let std = socket.into_std()?;
        std.send(b"two")?;
        let mut buf = [0; 8];
        assert_eq!((peer.recv(&mut buf)?, peer.recv(&mut buf)?), (3, 3));

        // It blocks again.
        std.set_read_timeout(Some(LIMIT))?;
        let to = std.local_addr()?;
        let sender = thread::spawn(move || peer.send_to(b"three", to));
        assert_eq!(std.recv(&mut buf)?, 5);
        sender.join().expect("it does not panic")?;
        Ok(())
    })
}

#[test]
fn another_thread_may_only_drop_it() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let to = socket.local_addr()?;
        let thread = thread::spawn(move || {
            let here = failure(socket.try_recv(&mut [0; 8]));
            let elsewhere = oneloop::run(async { failure(socket.recv(&mut [0; 8]).await) });
            drop(socket);
            [here, elsewhere]
        });
        let errors = thread.join().expect("it does not panic");
        for error in errors {
            assert!(error.to_string().contains("UdpSocket"), "{error}");
        }
        // It is closed, so the port is free.
        drop(StdSocket::bind(to)?);
        drop(peer);
        Ok(())
    })
}

#[test]
fn a_bind_that_fails_names_the_address() -> Result<()> {
    run(async {
        let taken = UdpSocket::bind(ANY_PORT).await?.into_std()?;
        let addr = taken.local_addr()?;
        let error = failure(UdpSocket::bind(addr).await);
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        let error = failure(UdpSocket::bind("192.0.2.1:0").await);
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
        // Of several, the first that works.
        let addrs = [addr, ANY_PORT.into()];
        assert_ne!(UdpSocket::bind(&addrs[..]).await?.local_addr()?, addr);
        Ok(())
    })
}
