//! `TcpListener`.

use std::collections::HashSet;
use std::io::{ErrorKind, Read as _, Result};
use std::net::{self, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, select};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::{create_task, yield_now};
use socket2::SockRef;

use super::{ANY_PORT, failure, run};

#[test]
fn bind_takes_names_and_addresses_of_any_form() -> Result<()> {
    run(async {
        let ports = [
            TcpListener::bind("127.0.0.1:0").await?.local_addr()?,
            TcpListener::bind(String::from("localhost:0")).await?.local_addr()?,
            TcpListener::bind(("localhost", 0)).await?.local_addr()?,
            TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?,
            TcpListener::bind(SocketAddr::from(ANY_PORT)).await?.local_addr()?,
            TcpListener::bind(&[SocketAddr::from(ANY_PORT)][..]).await?.local_addr()?,
        ];
        assert!(ports.iter().all(|addr| addr.ip().is_loopback() && addr.port() != 0), "{ports:?}");
        Ok(())
    })
}

#[test]
fn ipv6_works_with_and_without_brackets() -> Result<()> {
    if net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return Ok(());
    }
    run(async {
        let bracketed = TcpListener::bind("[::1]:0").await?;
        let client = TcpStream::connect(bracketed.local_addr()?).await?;
        let (_server, addr) = bracketed.accept().await?;
        assert_eq!(addr, client.local_addr()?);
        assert!(TcpListener::bind(("::1", 0)).await?.local_addr()?.is_ipv6());
        Ok(())
    })
}

#[test]
fn a_malformed_address_is_named_in_the_error() -> Result<()> {
    run(async {
        for text in ["", "nonsense", "127.0.0.1", ":80", "localhost:99999", "localhost:http"] {
            let error = failure(TcpListener::bind(text).await);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&format!("`{text}`")), "{error}");
            assert!(error.to_string().contains("host:port"), "{error}");
            let same = failure(TcpStream::connect(text).await);
            assert_eq!(same.to_string(), error.to_string());
        }
        let empty = failure(TcpListener::bind(Vec::new()).await);
        assert_eq!(empty.kind(), ErrorKind::InvalidInput);
        assert!(empty.to_string().contains("empty"), "{empty}");
        Ok(())
    })
}

#[test]
fn a_host_that_cannot_be_found_is_named_in_the_error() -> Result<()> {
    run(async {
        // Such a name does not need a resolver.
        let error = failure(TcpListener::bind(("no\0host", 80)).await);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("no\0host"), "{error}");
        Ok(())
    })
}

#[test]
fn a_port_in_use_is_named_in_the_error() -> Result<()> {
    run(async {
        let first = TcpListener::bind(ANY_PORT).await?;
        let addr = first.local_addr()?;
        let error = failure(TcpListener::bind(addr).await);
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        Ok(())
    })
}

#[test]
fn bind_takes_the_first_address_that_works() -> Result<()> {
    run(async {
        let first = TcpListener::bind(ANY_PORT).await?;
        let addrs = vec![first.local_addr()?, ANY_PORT.into()];
        assert_ne!(TcpListener::bind(addrs).await?.local_addr()?, first.local_addr()?);
        Ok(())
    })
}

/// A port on which a connection lingers after its listener has gone.
async fn port_with_a_past() -> Result<SocketAddr> {
    let listener = TcpListener::bind(ANY_PORT).await?;
    let addr = listener.local_addr()?;
    let client = TcpStream::connect(addr).await?;
    let (server, _addr) = listener.accept().await?;
    // The side that closes first lingers.
    drop((server, listener));
    assert_eq!(client.read(&mut [0; 8]).await?, 0);
    Ok(addr)
}

#[test]
fn a_port_can_be_taken_again_while_old_connections_linger() -> Result<()> {
    run(async {
        let strict = TcpListener::builder().reuse_address(false);
        let addr = port_with_a_past().await?;
        assert_eq!(failure(strict.bind(addr).await).kind(), ErrorKind::AddrInUse);
        // Another test may get the free port meanwhile, but not again and again.
        for _ in 0..20 {
            if TcpListener::bind(port_with_a_past().await?).await.is_ok() {
                return Ok(());
            }
        }
        panic!("the port cannot be taken again");
    })
}

#[test]
fn a_port_is_shared_only_if_all_say_so() -> Result<()> {
    run(async {
        let shared = || TcpListener::builder().reuse_port(true);
        let first = shared().bind(ANY_PORT).await?;
        let addr = first.local_addr()?;
        let second = shared().bind(addr).await?;
        assert_eq!(second.local_addr()?, addr);
        assert_eq!(failure(TcpListener::bind(addr).await).kind(), ErrorKind::AddrInUse);
        Ok(())
    })
}

#[test]
fn connections_beyond_the_backlog_must_wait() -> Result<()> {
    run(async {
        let listener = TcpListener::builder().backlog(0).bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        // Linux lets one connection more wait than the backlog allows, and does not answer the next
        // one.
        let _waiting = net::TcpStream::connect(addr)?;
        let refused = net::TcpStream::connect_timeout(&addr, Duration::from_millis(20));
        assert_eq!(failure(refused).kind(), ErrorKind::TimedOut);

        let roomy = TcpListener::bind(ANY_PORT).await?;
        let connect = |_| net::TcpStream::connect(roomy.local_addr()?);
        let _all: Vec<_> = (0..100).map(connect).collect::<Result<_>>()?;
        Ok(())
    })
}

#[test]
fn accept_gives_the_peers_address_in_the_order_of_the_connections() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let clients = [TcpStream::connect(addr).await?, TcpStream::connect(addr).await?];
        for client in &clients {
            let (server, addr) = listener.accept().await?;
            assert_eq!(addr, client.local_addr()?);
            assert_eq!(server.peer_addr()?, addr);
            assert_eq!(server.local_addr()?, client.peer_addr()?);
        }
        Ok(())
    })
}

#[test]
fn an_accept_that_is_dropped_loses_no_connection() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        for _ in 0..100 {
            let accept = pin!(listener.accept());
            let Either::Right(((), _accept)) = select(accept, pin!(yield_now())).await else {
                panic!("nobody has connected");
            };
        }
        let _client = net::TcpStream::connect(listener.local_addr()?)?;
        // It waits, is woken, and is dropped before the next poll.
        let mut accept = Box::pin(listener.accept());
        if let Either::Left(_) = select(&mut accept, pin!(yield_now())).await {
            return Ok(());
        }
        drop(accept);
        listener.accept().await?;
        Ok(())
    })
}

#[test]
fn several_tasks_accept_from_one_listener() -> Result<()> {
    run(async {
        let listener = Rc::new(TcpListener::bind(ANY_PORT).await?);
        let accept = || {
            let listener = listener.clone();
            create_task(async move { listener.accept().await.map(|(_stream, addr)| addr) })
        };
        let tasks = [accept(), accept(), accept()];
        yield_now().await;
        let connect = || net::TcpStream::connect(listener.local_addr()?);
        let clients = [connect()?, connect()?, connect()?];
        let mut addrs = HashSet::new();
        for task in tasks {
            addrs.insert(task.await??);
        }
        assert_eq!(addrs, clients.iter().map(net::TcpStream::local_addr).collect::<Result<_>>()?);
        Ok(())
    })
}

#[test]
fn incoming_gives_connections_without_end() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let connect = || net::TcpStream::connect(listener.local_addr()?);
        let clients = [connect()?, connect()?, connect()?];
        let mut incoming = listener.incoming();
        // Accepts by the method, as a `Stream`, and as a `Stream` that waits.
        let first = incoming.next().await.transpose()?;
        let second = StreamExt::next(&mut incoming).await.transpose()?;
        let third = StreamExt::next(&mut incoming).await.transpose()?;
        for (server, client) in [first, second, third].into_iter().zip(&clients) {
            assert_eq!(server.map(|s| s.peer_addr()).transpose()?, Some(client.local_addr()?));
        }
        let waiting = pin!(StreamExt::next(&mut incoming));
        let connect = async {
            yield_now().await;
            connect()
        };
        let (server, client) = oneloop::gather!(waiting, connect).await;
        assert_eq!(
            server.transpose()?.map(|s| s.peer_addr()).transpose()?,
            Some(client?.local_addr()?)
        );
        Ok(())
    })
}

#[test]
fn a_connection_that_was_reset_in_the_backlog_does_no_harm() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let rude = net::TcpStream::connect(addr)?;
        SockRef::from(&rude).set_linger(Some(Duration::ZERO))?;
        let rude_addr = rude.local_addr()?;
        drop(rude);
        let polite = net::TcpStream::connect(addr)?;
        // Linux returns the dead connection nevertheless; other systems skip it.
        let (mut stream, mut from) = listener.accept().await?;
        if from == rude_addr {
            assert_eq!(failure(stream.read(&mut [0; 8]).await).kind(), ErrorKind::ConnectionReset);
            (stream, from) = listener.accept().await?;
        }
        assert_eq!(from, polite.local_addr()?);
        assert_eq!(failure(stream.try_read(&mut [0; 8])).kind(), ErrorKind::WouldBlock);
        Ok(())
    })
}

#[test]
fn a_dropped_listener_resets_who_waits_in_the_backlog() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let mut client = net::TcpStream::connect(listener.local_addr()?)?;
        drop(listener);
        assert_eq!(failure(client.read(&mut [0; 8])).kind(), ErrorKind::ConnectionReset);
        Ok(())
    })
}

#[test]
fn a_listener_goes_to_the_standard_library_and_back() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let listener = listener.into_std()?;
        let _first = net::TcpStream::connect(addr)?;
        // In blocking mode.
        listener.accept()?;
        let listener = TcpListener::from_std(listener)?;
        let second = net::TcpStream::connect(addr)?;
        let (_stream, from) = listener.accept().await?;
        assert_eq!(from, second.local_addr()?);
        Ok(())
    })
}

#[test]
fn from_std_needs_a_loop() -> Result<()> {
    let error = failure(TcpListener::from_std(net::TcpListener::bind(ANY_PORT)?));
    assert!(error.to_string().contains("oneloop::run"), "{error}");
    Ok(())
}
