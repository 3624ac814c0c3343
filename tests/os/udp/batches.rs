//! `recv_batch` and `send_batch`. The feature `udp-batch` changes how they work, but nothing in
//! these tests.

use std::io::{ErrorKind, Result};
use std::net::UdpSocket as StdSocket;
use std::time::Duration;

use nix::libc;
use oneloop::net::{Batch, Datagram, UdpSocket};
use oneloop::{timeout, yield_now};

use super::{ANY_PORT, connected_with_std, failure, nobody, run, with_std, would_block};

#[test]
fn a_batch_has_what_was_there_in_its_order() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let other = StdSocket::bind(ANY_PORT)?;
        for (sender, text) in [(&peer, "one"), (&other, ""), (&peer, "three"), (&other, "four")] {
            sender.send_to(text.as_bytes(), socket.local_addr()?)?;
        }
        let mut batch = Batch::new(8, 16);
        assert_eq!((batch.capacity(), batch.is_empty()), (8, true));
        assert_eq!(socket.recv_batch(&mut batch).await?, 4);
        assert_eq!((batch.len(), batch.is_empty()), (4, false));
        let (ours, theirs) = (peer.local_addr()?, other.local_addr()?);
        let expected = [
            Datagram::new(b"one", ours),
            Datagram::new(b"", theirs),
            Datagram::new(b"three", ours),
            Datagram::new(b"four", theirs),
        ];
        assert_eq!(batch.iter().collect::<Vec<_>>(), expected);
        assert_eq!(batch.iter().len(), 4);
        assert!((&batch).into_iter().all(|datagram| !datagram.is_truncated()));

        // The former ones are gone, even if nothing new arrives.
        assert!(would_block(socket.try_recv_batch(&mut batch)));
        assert_eq!(batch.len(), 0);
        Ok(())
    })
}

#[test]
fn a_full_batch_leaves_the_rest_for_the_next() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        for number in 0..10 {
            peer.send_to(&[number], socket.local_addr()?)?;
        }
        let mut batch = Batch::new(4, 1);
        let mut numbers = Vec::new();
        for expected in [4, 4, 2] {
            assert_eq!(socket.recv_batch(&mut batch).await?, expected);
            numbers.extend(batch.iter().map(|datagram| datagram.bytes()[0]));
        }
        assert!(numbers.into_iter().eq(0..10));
        Ok(())
    })
}

#[test]
fn a_batch_waits_for_its_first_datagram() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let mut batch = Batch::new(4, 16);
        for _ in 0..2 {
            assert!(timeout(Duration::ZERO, socket.recv_batch(&mut batch)).await.is_err());
        }
        let send = async {
            yield_now().await;
            peer.send_to(b"late", socket.local_addr()?)
        };
        let (received, _sent) = oneloop::try_gather!(socket.recv_batch(&mut batch), send).await?;
        assert_eq!(received, 1);
        assert_eq!(batch.iter().next().map(|datagram| datagram.bytes()), Some(&b"late"[..]));
        Ok(())
    })
}

#[test]
fn what_is_too_long_for_a_batch_says_so() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        for text in ["123", "1234", "12345"] {
            peer.send_to(text.as_bytes(), socket.local_addr()?)?;
        }
        let mut batch = Batch::new(4, 4);
        socket.recv_batch(&mut batch).await?;
        let seen: Vec<_> = batch
            .iter()
            .map(|datagram| (datagram.bytes().len(), datagram.is_truncated()))
            .collect();
        assert_eq!(seen, [(3, false), (4, false), (4, true)]);
        Ok(())
    })
}

#[test]
fn a_batch_for_nothing_tells_how_many_have_come() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        peer.send_to(b"x", socket.local_addr()?)?;
        peer.send_to(b"", socket.local_addr()?)?;
        let mut batch = Batch::new(4, 0);
        assert_eq!(socket.recv_batch(&mut batch).await?, 2);
        let truncated: Vec<_> = batch.iter().map(|datagram| datagram.is_truncated()).collect();
        assert_eq!(truncated, [true, false]);
        Ok(())
    })
}

#[test]
#[should_panic(expected = "a batch of 0 datagrams")]
fn a_batch_without_room_is_refused() {
    drop(Batch::new(0, 1500));
}

#[test]
fn sixty_four_are_sent_at_once_and_the_rest_by_the_next_calls() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let numbers: Vec<_> = (0..150_u8).map(|number| [number]).collect();
        let to = peer.local_addr()?;
        let datagrams: Vec<_> = numbers.iter().map(|bytes| Datagram::new(bytes, to)).collect();
        let mut rest = &datagrams[..];
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let sent = socket.send_batch(rest).await?;
            rest = &rest[sent..];
            parts.push(sent);
        }
        assert_eq!(parts, [64, 64, 22]);
        let mut buf = [0; 8];
        for number in 0..150 {
            assert_eq!(peer.recv(&mut buf)?, 1);
            assert_eq!(buf[0], number);
        }
        assert_eq!(socket.send_batch(&[]).await?, 0);
        assert_eq!(socket.try_send_batch(&[])?, 0);
        Ok(())
    })
}

#[test]
fn each_datagram_of_a_batch_goes_where_it_says() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let other = StdSocket::bind(ANY_PORT)?;
        let datagrams = [
            Datagram::new(b"a", peer.local_addr()?),
            Datagram::new(b"", other.local_addr()?),
            Datagram::new(b"ccc", peer.local_addr()?),
        ];
        assert_eq!(socket.try_send_batch(&datagrams)?, 3);
        let mut buf = [0; 8];
        assert_eq!((peer.recv(&mut buf)?, peer.recv(&mut buf)?), (1, 3));
        assert_eq!(other.recv_from(&mut buf)?, (0, socket.local_addr()?));
        Ok(())
    })
}

#[test]
fn a_datagram_that_cannot_be_sent_ends_the_batch_before_it() -> Result<()> {
    run(async {
        let (socket, peer) = with_std().await?;
        let to = peer.local_addr()?;
        let too_long = vec![0; 65_508];
        let datagrams = [
            Datagram::new(b"one", to),
            Datagram::new(b"two", to),
            Datagram::new(&too_long, to),
            Datagram::new(b"four", to),
        ];
        assert_eq!(socket.send_batch(&datagrams).await?, 2);
        let error = failure(socket.send_batch(&datagrams[2..]).await);
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(socket.send_batch(&datagrams[3..]).await?, 1);
        let mut buf = [0; 8];
        assert_eq!([peer.recv(&mut buf)?, peer.recv(&mut buf)?, peer.recv(&mut buf)?], [3, 3, 4]);
        Ok(())
    })
}

#[test]
fn a_connected_socket_sends_batches_to_its_peer_only() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        let nobody = nobody()?;
        let (ours, theirs) = (peer.local_addr()?, nobody.addr);
        let datagrams =
            [Datagram::new(b"a", ours), Datagram::new(b"b", ours), Datagram::new(b"c", theirs)];
        assert_eq!(socket.send_batch(&datagrams).await?, 2);
        let error = failure(socket.send_batch(&datagrams[2..]).await);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut buf = [0; 8];
        assert_eq!((peer.recv(&mut buf)?, peer.recv(&mut buf)?), (1, 1));
        Ok(())
    })
}

#[test]
fn a_refusal_behind_datagrams_comes_after_them() -> Result<()> {
    run(async {
        let (socket, peer) = connected_with_std().await?;
        let addr = peer.local_addr()?;
        peer.send(b"bye")?;
        drop(peer);
        let mut batch = Batch::new(4, 16);
        // The kernel reports the refusal first, or last.
        socket.send(b"anybody?").await?;
        let mut seen = Vec::new();
        for _ in 0..2 {
            match socket.recv_batch(&mut batch).await {
                Ok(len) => seen.push(format!("{len} from {addr}")),
                Err(error) => seen.push(format!("{:?}", error.kind())),
            }
        }
        seen.sort();
        assert_eq!(seen, [format!("1 from {addr}"), "ConnectionRefused".to_owned()]);

        let peer = StdSocket::bind(addr)?;
        peer.send_to(b"again", socket.local_addr()?)?;
        assert_eq!(socket.recv_batch(&mut batch).await?, 1);
        Ok(())
    })
}

#[test]
fn batches_know_both_families() -> Result<()> {
    run(async {
        let socket = UdpSocket::builder().only_v6(false).bind("[::]:0").await?;
        let port = socket.local_addr()?.port();
        let (four, six) =
            (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("[::1]:0").await?);
        four.send_to(b"four", ("127.0.0.1", port)).await?;
        six.send_to(b"six", ("::1", port)).await?;
        let mut batch = Batch::new(4, 16);
        assert_eq!(socket.recv_batch(&mut batch).await?, 2);
        let echo: Vec<_> = batch.iter().collect();
        assert_eq!(socket.send_batch(&echo).await?, 2);
        let mut buf = [0; 8];
        assert_eq!(four.recv(&mut buf).await?, 4);
        assert_eq!(six.recv(&mut buf).await?, 3);
        Ok(())
    })
}

#[test]
fn thousands_go_through_batches_and_none_is_lost() -> Result<()> {
    run(async {
        const COUNT: usize = 6400;
        let receiver = UdpSocket::bind(ANY_PORT).await?;
        let sender = UdpSocket::builder().connect(receiver.local_addr()?).await?;
        let to = receiver.local_addr()?;
        let mut batch = Batch::new(64, 8);
        let mut expected = 0;
        for first in (0..COUNT).step_by(32) {
            let numbers: Vec<_> = (first..first + 32).map(usize::to_be_bytes).collect();
            let datagrams: Vec<_> = numbers.iter().map(|bytes| Datagram::new(bytes, to)).collect();
            assert_eq!(sender.send_batch(&datagrams).await?, 32);
            while expected < first + 32 {
                receiver.recv_batch(&mut batch).await?;
                for datagram in &batch {
                    assert_eq!(datagram.bytes(), expected.to_be_bytes());
                    expected += 1;
                }
            }
        }
        assert_eq!(expected, COUNT);
        Ok(())
    })
}
