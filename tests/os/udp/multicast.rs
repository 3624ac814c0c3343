//! Multicast, on the loopback interface.

use std::io::Result;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use oneloop::net::UdpSocket;

use super::{failure, run, would_block};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 42, 98);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 0, 0x4298);
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

async fn member() -> Result<UdpSocket> {
    UdpSocket::builder().reuse_address(true).bind("0.0.0.0:0").await
}

#[test]
fn all_members_get_what_is_sent_to_their_group() -> Result<()> {
    run(async {
        let first = member().await?;
        let port = first.local_addr()?.port();
        let second = UdpSocket::builder().reuse_address(true).bind(("0.0.0.0", port)).await?;
        first.join_multicast_v4(GROUP, HERE)?;
        second.join_multicast_v4(GROUP, HERE)?;

        let sender = UdpSocket::bind("127.0.0.1:0").await?;
        sender.set_multicast_interface_v4(HERE)?;
        sender.send_to(b"all", (GROUP, port)).await?;
        let mut buf = [0; 8];
        for member in [&first, &second] {
            assert_eq!(member.recv_from(&mut buf).await?, (3, sender.local_addr()?));
        }

        // A system delivers a group with a member to all its sockets, so all have to leave.
        first.leave_multicast_v4(GROUP, HERE)?;
        second.leave_multicast_v4(GROUP, HERE)?;
        sender.send_to(b"nobody", (GROUP, port)).await?;
        assert!(would_block(first.try_recv(&mut buf)));
        Ok(())
    })
}

#[test]
fn ipv6_has_groups_too() -> Result<()> {
    run(async {
        let member = UdpSocket::builder().only_v6(true).bind("[::]:0").await?;
        // On Linux, the loopback interface is the first one.
        member.join_multicast_v6(GROUP_V6, 1)?;
        failure(member.join_multicast_v6(GROUP_V6, 1));
        member.set_multicast_interface_v6(1)?;
        let to = SocketAddr::from((GROUP_V6, member.local_addr()?.port()));
        let mut buf = [0; 8];
        // The loopback interface need not have a route for groups.
        if member.send_to(b"all", to).await.is_ok() {
            assert_eq!(member.recv(&mut buf).await?, 3);
        }
        member.leave_multicast_v6(GROUP_V6, 1)?;
        failure(member.leave_multicast_v6(GROUP_V6, 1));
        Ok(())
    })
}

#[test]
fn what_is_no_group_cannot_be_joined_nor_left() -> Result<()> {
    run(async {
        let socket = member().await?;
        failure(socket.join_multicast_v4(Ipv4Addr::new(10, 0, 0, 1), HERE));
        // A separate group, because other tests run at the same time.
        let group = Ipv4Addr::new(239, 255, 42, 99);
        failure(socket.leave_multicast_v4(group, HERE));
        socket.join_multicast_v4(group, HERE)?;
        failure(socket.join_multicast_v4(group, HERE));
        socket.leave_multicast_v4(group, HERE)
    })
}
