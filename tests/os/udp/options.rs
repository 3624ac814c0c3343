//! Options.

use std::io::Result;
use std::net::UdpSocket as StdSocket;

use oneloop::net::UdpSocket;

use super::{ANY_PORT, failure, run, with_std};

#[test]
fn options_are_those_of_the_kernel() -> Result<()> {
    run(async {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            let socket = UdpSocket::bind(addr).await?;
            assert!(!socket.broadcast()?);
            socket.set_broadcast(true)?;
            assert!(socket.broadcast()?);
            socket.set_ttl(17)?;
            assert_eq!(socket.ttl()?, 17);
            socket.set_tos(0b1011_1000)?;
            assert_eq!(socket.tos()?, 0b1011_1000);
            assert!(socket.take_error()?.is_none());
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.set_multicast_ttl_v4(3)?;
        assert_eq!(socket.multicast_ttl_v4()?, 3);
        socket.set_multicast_loop_v4(false)?;
        assert!(!socket.multicast_loop_v4()?);
        let socket = UdpSocket::bind("[::1]:0").await?;
        socket.set_multicast_hops_v6(3)?;
        assert_eq!(socket.multicast_hops_v6()?, 3);
        socket.set_multicast_loop_v6(false)?;
        assert!(!socket.multicast_loop_v6()?);
        Ok(())
    })
}

#[test]
fn options_of_the_builder_are_set_before_the_address() -> Result<()> {
    run(async {
        let shared = UdpSocket::builder().reuse_port(true);
        let first = shared.clone().bind(ANY_PORT).await?;
        let addr = first.local_addr()?;
        let second = shared.bind(addr).await?;
        assert_eq!(second.local_addr()?, addr);
        assert!(failure(UdpSocket::bind(addr).await).to_string().contains("in use"));

        for _ in 0..20 {
            let socket = UdpSocket::builder()
                .broadcast(true)
                .recv_buffer_size(20_000)
                .send_buffer_size(30_000)
                .only_v6(true)
                .bind("[::]:0")
                .await?;
            assert!(socket.broadcast()?);
            assert!(socket.recv_buffer_size()? >= 20_000);
            assert!(socket.send_buffer_size()? >= 30_000);
            // The same port is free for IPv4, unless another program has it there.
            if StdSocket::bind(("0.0.0.0", socket.local_addr()?.port())).is_ok() {
                return Ok(());
            }
        }
        panic!("it is never free for IPv4");
    })
}

#[test]
fn without_only_v6_datagrams_of_ipv4_come_too() -> Result<()> {
    run(async {
        let (_unused, peer) = with_std().await?;
        let socket = UdpSocket::builder().only_v6(false).bind("[::]:0").await?;
        peer.send_to(b"four", ("127.0.0.1", socket.local_addr()?.port()))?;
        let (len, from) = socket.recv_from(&mut [0; 8]).await?;
        assert_eq!(len, 4);
        assert_eq!(from.ip().to_string(), "::ffff:127.0.0.1");
        // It can be answered there.
        socket.send_to(b"back", from).await?;
        assert_eq!(peer.recv(&mut [0; 8])?, 4);
        Ok(())
    })
}

#[test]
fn an_interface_that_is_not_there_is_named() -> Result<()> {
    run(async {
        let builder = UdpSocket::builder().device("nonesuch0");
        let error = failure(builder.bind(ANY_PORT).await);
        assert!(error.to_string().contains("nonesuch0"), "{error}");
        let socket = UdpSocket::builder().device("lo").bind(ANY_PORT).await;
        // If this is allowed at all, it works.
        assert!(socket.is_ok() || failure(socket).to_string().contains("permitted"));
        Ok(())
    })
}

#[test]
fn nobody_broadcasts_by_accident() -> Result<()> {
    run(async {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        let error = failure(socket.send_to(b"all", "255.255.255.255:9").await);
        assert!(error.to_string().contains("ermission"), "{error}");
        Ok(())
    })
}
