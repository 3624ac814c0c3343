//! `TcpSocket`: options before a socket connects or listens.

use std::io::{self, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream, UdpSocket as StdUdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpSocket, TcpStream};
use socket2::SockRef;

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` on a new loop, under a time limit.
fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    oneloop::run(oneloop::timeout(LIMIT, test))?
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

#[test]
fn options_are_those_of_the_kernel_before_and_after_connecting() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(any_port()).await?;
        let socket = TcpSocket::new_v4()?;
        assert!(!socket.nodelay()?);
        socket.set_nodelay(true)?;
        socket.set_keepalive_times(Duration::from_secs(7), Duration::from_millis(2900), 5)?;
        socket.set_linger(Some(Duration::from_secs(3)))?;
        socket.set_send_buffer_size(10_000)?;
        socket.set_recv_buffer_size(20_000)?;
        socket.set_tos(0b1011_1000)?;
        socket.set_ttl(17)?;
        let stream = socket.connect(listener.local_addr()?).await?;
        assert!(stream.nodelay()?);
        assert!(stream.keepalive()?);
        assert_eq!(stream.linger()?, Some(Duration::from_secs(3)));
        assert_eq!(stream.ttl()?, 17);
        let raw = SockRef::from(&stream);
        assert_eq!(raw.tcp_keepalive_time()?, Duration::from_secs(7));
        assert_eq!(raw.tcp_keepalive_interval()?, Duration::from_secs(3), "rounded up");
        assert_eq!(raw.tcp_keepalive_retries()?, 5);
        assert_eq!(raw.tos_v4()?, 0b1011_1000);
        // Linux doubles them.
        assert!((10_000..=20_000).contains(&raw.send_buffer_size()?));
        assert!((20_000..=40_000).contains(&raw.recv_buffer_size()?));
        // A close that blocks would hold up the test.
        stream.set_linger(None)?;
        Ok(())
    })
}

#[test]
fn what_is_set_can_be_asked_for() -> Result<()> {
    for socket in [TcpSocket::new_v4()?, TcpSocket::new_v6()?] {
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nodelay(true)?;
        socket.set_keepalive(true)?;
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_tos(8)?;
        socket.set_ttl(9)?;
        assert!(socket.reuse_address()? && socket.reuse_port()?);
        assert!(socket.nodelay()? && socket.keepalive()?);
        assert_eq!(socket.linger()?, Some(Duration::ZERO));
        assert_eq!((socket.tos()?, socket.ttl()?), (8, 9));
        assert!(socket.send_buffer_size()? > 0 && socket.recv_buffer_size()? > 0);
        assert!(socket.take_error()?.is_none());
    }
    Ok(())
}

#[test]
fn a_fraction_of_a_second_is_rounded_up_and_never_becomes_zero() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(any_port()).await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        let socket = TcpSocket::new_v4()?;
        let longest = Duration::from_secs(i32::MAX as u64);
        let second = Duration::from_secs(1);
        for (asked, kept) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_nanos(1), second),
            (Duration::from_millis(500), second),
            (second, second),
            (Duration::from_millis(1001), 2 * second),
            // 2^32 seconds would be zero in the kernel's 32 bits.
            (Duration::from_secs(1 << 32), longest),
            (Duration::MAX, longest),
        ] {
            socket.set_linger(Some(asked))?;
            stream.set_linger(Some(asked))?;
            let set = (socket.linger()?, stream.linger()?);
            assert_eq!(set, (Some(kept), Some(kept)), "{asked:?}");
        }
        // A close that blocks would hold up the test.
        stream.set_linger(None)?;

        let short = Duration::from_millis(1);
        socket.set_keepalive_times(short, short, 1)?;
        let raw = SockRef::from(&socket);
        assert_eq!((raw.tcp_keepalive_time()?, raw.tcp_keepalive_interval()?), (second, second));
        Ok(())
    })
}

#[test]
fn keepalive_times_that_the_kernel_cannot_count_are_refused() -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
    for (idle, interval, retries) in [(zero, second, 1), (second, zero, 1), (second, second, 0)] {
        let error = failure(socket.set_keepalive_times(idle, interval, retries));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("above zero"), "{error}");
    }
    assert!(!socket.keepalive()?);
    Ok(())
}

#[test]
fn a_socket_is_bound_before_it_connects() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(any_port()).await?;
        let socket = TcpSocket::for_addr(any_port())?;
        assert_eq!(socket.local_addr()?.port(), 0);
        socket.bind(any_port())?;
        let bound = socket.local_addr()?;
        let stream = socket.connect(listener.local_addr()?).await?;
        assert_eq!(stream.local_addr()?, bound);
        let (_server, from) = listener.accept().await?;
        assert_eq!(from, bound);
        Ok(())
    })
}

#[test]
fn accepted_streams_take_over_what_the_listener_has() -> Result<()> {
    run(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        socket.set_keepalive(true)?;
        socket.bind(any_port())?;
        let listener = socket.listen(16)?;
        let _client = StdStream::connect(listener.local_addr()?)?;
        let (stream, _addr) = listener.accept().await?;
        assert!(stream.nodelay()? && stream.keepalive()?);
        Ok(())
    })
}

#[test]
fn small_writes_are_sent_at_once_unless_said_otherwise() -> Result<()> {
    run(async {
        for nodelay in [true, false] {
            let builder = TcpListener::builder();
            let builder = if nodelay { builder } else { builder.nodelay(false) };
            let listener = builder.bind(any_port()).await?;
            let connector = TcpStream::connector().nodelay(nodelay);
            let client = connector.connect(listener.local_addr()?).await?;
            let (server, _addr) = listener.accept().await?;
            assert_eq!((client.nodelay()?, server.nodelay()?), (nodelay, nodelay));
        }
        let listener = TcpListener::bind(any_port()).await?;
        assert!(TcpStream::connect(listener.local_addr()?).await?.nodelay()?);
        Ok(())
    })
}

#[test]
fn the_backlog_is_that_of_listen() -> Result<()> {
    // Time jumps when no task is runnable.
    oneloop::Builder::new().virtual_time(true).run(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(any_port())?;
        let listener = socket.listen(0)?;
        let addr = listener.local_addr()?;
        let _first = TcpSocket::new_v4()?.connect(addr).await?;
        let second = TcpSocket::new_v4()?.connect(addr);
        assert!(oneloop::timeout(Duration::from_secs(60), second).await.is_err());
        Ok(())
    })
}

#[test]
fn ipv6_may_leave_ipv4_alone() -> Result<()> {
    run(async {
        for _ in 0..20 {
            let socket = TcpSocket::new_v6()?;
            socket.set_only_v6(true)?;
            assert!(socket.only_v6()?);
            socket.bind("[::]:0".parse().expect("it is an address"))?;
            let listener = socket.listen(1)?;
            let port = listener.local_addr()?.port();
            let v4 = TcpSocket::new_v4()?;
            failure(v4.only_v6());
            // Another program may have this port there.
            if v4.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).is_ok() {
                return Ok(());
            }
        }
        panic!("it is never free for IPv4");
    })
}

#[test]
fn errors_name_the_address() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(any_port()).await?;
        let addr = listener.local_addr()?;
        let error = failure(TcpSocket::new_v4()?.bind(addr));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");

        let nobody = TcpSocket::new_v4()?;
        nobody.bind(any_port())?;
        let addr = nobody.local_addr()?;
        let error = failure(TcpSocket::new_v4()?.connect(addr).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");

        // The wrong family.
        let addr = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 80));
        let error = failure(TcpSocket::new_v4()?.connect(addr).await);
        assert!(error.to_string().contains("[::1]:80"), "{error}");
        Ok(())
    })
}

#[test]
fn it_takes_over_stream_sockets_and_nothing_else() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(any_port()).await?;
        let made_elsewhere =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        let socket = TcpSocket::from_std(made_elsewhere)?;
        let given_away = OwnedFd::from(socket);
        let stream = TcpSocket::from_std(given_away)?.connect(listener.local_addr()?).await?;
        assert_eq!(stream.peer_addr()?, listener.local_addr()?);

        let udp = StdUdpSocket::bind(any_port())?;
        assert!(failure(TcpSocket::from_std(udp)).to_string().contains("stream socket"));
        let (unix, _peer) = UnixStream::pair()?;
        assert!(failure(TcpSocket::from_std(unix)).to_string().contains("IPv4 or IPv6"));
        Ok(())
    })
}

#[test]
fn without_a_loop_it_can_be_made_but_not_used() -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(any_port())?;
    let error = failure(socket.listen(1));
    assert!(error.to_string().contains("`oneloop::run`"), "{error}");
    Ok(())
}

#[test]
fn an_interface_that_is_not_there_is_named() -> Result<()> {
    let error = failure(TcpSocket::new_v4()?.bind_device(Some("nonesuch0")));
    assert!(error.to_string().contains("nonesuch0"), "{error}");
    Ok(())
}

#[test]
fn its_debug_form_says_where_it_is() -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(any_port())?;
    let text = format!("{socket:?}");
    assert!(text.contains(&socket.local_addr()?.to_string()), "{text}");
    Ok(())
}
