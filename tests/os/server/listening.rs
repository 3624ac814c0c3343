//! Addresses at which servers listen, and at which they cannot.

use std::env;
use std::io::{ErrorKind, Result};
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process;

use nix::errno::Errno;
use oneloop::net::{TcpListener, TcpStream, UnixListener};
use oneloop::{Server, open_connection, start_server, start_unix_server, yield_now};
use socket2::{Domain, SockRef, Socket, Type};

use super::{ANY_PORT, addr_of, echo, failure, run};

fn has_ipv6() -> bool {
    net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn a_list_of_addresses_is_served_at_each_and_once() -> Result<()> {
    run(async {
        let (one, two) = (net::TcpListener::bind(ANY_PORT)?, net::TcpListener::bind(ANY_PORT)?);
        let addrs = [one.local_addr()?, two.local_addr()?];
        drop((one, two));
        let twice = [addrs[0], addrs[1], addrs[0]];
        let server = start_server(echo, &twice[..]).await?;
        assert_eq!(server.local_addrs(), addrs);
        for addr in addrs {
            TcpStream::connect(addr).await?;
        }
        Ok(())
    })
}

#[test]
fn without_a_host_all_interfaces_are_meant() -> Result<()> {
    run(async {
        for server in [start_server(echo, ":0").await?, start_server(echo, ("", 0)).await?] {
            let addrs = server.local_addrs();
            assert!(addrs[0].ip() == Ipv4Addr::UNSPECIFIED, "{addrs:?}");
            open_connection(("127.0.0.1", addrs[0].port())).await?;
            if has_ipv6() {
                assert!(addrs[1].ip() == Ipv6Addr::UNSPECIFIED, "{addrs:?}");
                open_connection(("::1", addrs[1].port())).await?;
            }
        }
        // Elsewhere this is not an address.
        for error in
            [failure(TcpListener::bind(":80").await), failure(TcpStream::connect(("", 80)).await)]
        {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("host:port"), "{error}");
        }
        Ok(())
    })
}

#[test]
fn both_families_can_have_the_same_port() -> Result<()> {
    if !has_ipv6() {
        return Ok(());
    }
    run(async {
        let free = net::TcpListener::bind(ANY_PORT)?;
        let port = free.local_addr()?.port();
        drop(free);
        let addrs = [
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        ];
        let server = start_server(echo, &addrs[..]).await?;
        assert_eq!(server.local_addrs(), addrs);
        open_connection(("127.0.0.1", port)).await?;
        open_connection(("::1", port)).await?;
        Ok(())
    })
}

/// No machine has this address: it is for examples in books (RFC 5737).
const NOT_HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn an_address_that_this_machine_does_not_have_is_done_without() -> Result<()> {
    run(async {
        let addrs = [SocketAddr::from((NOT_HERE, 0)), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let server = start_server(echo, &addrs[..]).await?;
        assert_eq!(server.local_addrs().len(), 1);
        assert!(addr_of(&server).ip().is_loopback());

        let error = failure(start_server(echo, (NOT_HERE, 0)).await);
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
        Ok(())
    })
}

#[test]
fn a_port_in_use_is_an_error_and_nothing_stays_open() -> Result<()> {
    run(async {
        let free = net::TcpListener::bind(ANY_PORT)?;
        let taken = net::TcpListener::bind(ANY_PORT)?;
        let addrs = [free.local_addr()?, taken.local_addr()?];
        drop(free);
        let error = failure(start_server(echo, &addrs[..]).await);
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addrs[1].to_string()), "{error}");
        net::TcpListener::bind(addrs[0])?;
        Ok(())
    })
}

#[test]
fn servers_that_say_so_share_a_port() -> Result<()> {
    run(async {
        let first = Server::builder().reuse_port(true).start(echo, ANY_PORT).await?;
        let addr = addr_of(&first);
        let second = Server::builder().reuse_port(true).start(echo, addr).await?;
        assert_eq!(addr_of(&second), addr);
        assert_eq!(failure(start_server(echo, addr).await).kind(), ErrorKind::AddrInUse);
        Ok(())
    })
}

#[test]
fn a_server_can_be_started_again_at_once() -> Result<()> {
    run(async {
        let mut addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for _ in 0..10 {
            let server = start_server(echo, addr).await?;
            addr = addr_of(&server);
            let (mut reader, mut writer) = open_connection(addr).await?;
            writer.write("x\n");
            assert_eq!(reader.readline().await?, b"x\n");
            server.close();
            // Its connection is still open.
        }
        Ok(())
    })
}

#[test]
fn what_is_no_address_is_said_to_be_none() -> Result<()> {
    run(async {
        for text in ["nonsense", "127.0.0.1", "127.0.0.1:port"] {
            let error = failure(start_server(echo, text).await);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(text), "{error}");
        }
        let error = failure(Server::builder().serve(echo));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("listener"), "{error}");
        Ok(())
    })
}

#[test]
fn a_path_that_cannot_be_listened_at_is_named() -> Result<()> {
    run(async {
        let error = failure(start_unix_server(echo, "/no/such/directory/socket"));
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/no/such/directory/socket"), "{error}");
        Ok(())
    })
}

#[test]
fn without_a_loop_there_is_an_error_or_a_panic_that_says_so() {
    let path = env::temp_dir().join(format!("oneloop-no-loop-{}", process::id()));
    let error = failure(start_unix_server(echo, &path));
    assert!(error.to_string().contains("oneloop::run"), "{error}");
    assert!(failure(UnixListener::bind(&path)).to_string().contains("oneloop::run"));
    assert!(!path.exists());
}

#[test]
fn a_socket_that_cannot_listen_ends_its_server_and_no_other_listener() -> Result<()> {
    run(async {
        // A launcher may pass anything.
        let datagrams = OwnedFd::from(net::UdpSocket::bind(ANY_PORT)?);
        let error = failure(TcpListener::from_std(datagrams.into())?.accept().await);
        assert_eq!(error.raw_os_error(), Some(Errno::EOPNOTSUPP as i32));

        let wrong = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            TcpListener::from_std(socket.into())
        };
        let server = Server::builder().listener(wrong()?).serve(echo)?;
        let error = failure(server.serve_forever().await);
        assert_eq!(error.raw_os_error(), Some(Errno::EINVAL as i32));
        assert!(!server.is_serving());

        let server = Server::builder().listener(wrong()?).start(echo, ANY_PORT).await?;
        for _ in 0..3 {
            yield_now().await;
        }
        let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
        writer.write("hello\n");
        assert_eq!(reader.readline().await?, b"hello\n");
        Ok(())
    })
}

#[test]
fn a_listener_that_was_shut_down_behind_its_back_says_so() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        SockRef::from(&listener).shutdown(net::Shutdown::Both)?;
        assert_eq!(failure(listener.accept().await).raw_os_error(), Some(Errno::EINVAL as i32));
        Ok(())
    })
}
