//! Datagrams: whole, in order, none lost, and senders that wait.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::os::unix::net as std_net;
use std::pin::pin;
use std::time::Duration;

use oneloop::net::UnixDatagram;
use oneloop::{create_task, sleep, timeout, yield_now};

use super::{Directory, failure, run, waits};

#[test]
fn messages_come_whole_in_order_and_with_their_sender() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let (here, there) = (directory.path("here"), directory.path("there"));
        let receiver = UnixDatagram::bind(&here)?;
        let sender = UnixDatagram::bind(&there)?;
        for len in [0, 1, 100, 1000] {
            assert_eq!(sender.send_to(&vec![7; len], &here).await?, len);
        }
        let mut buf = [0; 2000];
        for expected in [0, 1, 100, 1000] {
            let (len, addr) = receiver.recv_from(&mut buf).await?;
            assert_eq!((len, addr.as_pathname()), (expected, Some(&*there)));
        }
        receiver.send_to_addr(b"thanks", &sender.local_addr()?).await?;
        assert_eq!(sender.recv(&mut buf).await?, 6);
        Ok(())
    })
}

#[test]
fn what_does_not_fit_is_lost_and_the_next_one_is_not() -> Result<()> {
    run(async {
        let (here, there) = UnixDatagram::pair()?;
        here.send(b"0123456789").await?;
        here.send(b"next").await?;
        let mut buf = [0; 4];
        assert_eq!(there.recv(&mut buf).await?, 4);
        assert_eq!(&buf, b"0123");
        assert_eq!(there.recv(&mut buf).await?, 4);
        assert_eq!(&buf, b"next");
        Ok(())
    })
}

#[test]
fn a_receiver_without_messages_waits_and_is_woken() -> Result<()> {
    run(async {
        let (here, there) = UnixDatagram::pair()?;
        let mut buf = [0; 8];
        assert_eq!(failure(there.try_recv(&mut buf)).kind(), ErrorKind::WouldBlock);
        let receiver = create_task(async move {
            let mut buf = [0; 8];
            there.readable().await?;
            there.recv_from(&mut buf).await.map(|(len, _addr)| len)
        });
        yield_now().await;
        assert!(!receiver.is_finished());
        here.try_send(b"hey")?;
        assert_eq!(receiver.await??, 3);
        Ok(())
    })
}

/// `filler` sends until there is no room. `sender` sends one more, and has to wait until all are
/// received.
async fn overfill(
    filler: &UnixDatagram,
    sender: UnixDatagram,
    receiver: UnixDatagram,
    send: impl AsyncFn(&UnixDatagram, &[u8]) -> Result<usize> + Clone + 'static,
) -> Result<()> {
    let mut filled = 0_u32;
    loop {
        let mut sending = pin!(send(filler, &[1; 100]));
        if waits(&mut sending).await {
            break;
        }
        filled += 1;
        assert!(filled < 100_000, "there is a limit");
    }
    let last = create_task(async move { send(&sender, b"last").await });
    // The reactor takes in the first event of a new socket.
    sleep(Duration::from_millis(2)).await;
    assert!(!last.is_finished());
    let mut buf = [0; 200];
    for _ in 0..filled {
        assert_eq!(receiver.recv(&mut buf).await?, 100);
    }
    assert_eq!(receiver.recv(&mut buf).await?, 4);
    assert_eq!(last.await??, 4);
    Ok(())
}

#[test]
fn a_sender_waits_for_room_whoever_took_it_and_whether_it_is_connected_or_not() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("receiver");
        let receiver = UnixDatagram::bind(&path)?;
        let to = path.clone();
        let send_to = async move |socket: &UnixDatagram, buf: &[u8]| socket.send_to(buf, &to).await;
        let (filler, sender) = (UnixDatagram::unbound()?, UnixDatagram::unbound()?);
        overfill(&filler, sender, receiver, send_to).await?;

        let receiver = UnixDatagram::bind(&path)?;
        let (filler, sender) = (UnixDatagram::unbound()?, UnixDatagram::unbound()?);
        filler.connect(&path)?;
        sender.connect(&path)?;
        overfill(&filler, sender, receiver, async |socket, buf| socket.send(buf).await).await
    })
}

#[test]
fn a_sender_that_waits_for_room_does_not_spin() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("receiver");
        let _receiver = UnixDatagram::bind(&path)?;
        let sender = UnixDatagram::unbound()?;
        while sender.try_send_to(b"x", &path).is_ok() {}
        let polls = Cell::new(0);
        let mut sending = pin!(sender.send_to(b"y", &path));
        let counted = poll_fn(|cx| {
            polls.set(polls.get() + 1);
            sending.as_mut().poll(cx)
        });
        assert!(timeout(Duration::from_millis(30), counted).await.is_err());
        assert!(polls.get() < 20, "{} polls", polls.get());
        Ok(())
    })
}

#[test]
fn one_of_a_pair_waits_until_the_other_has_received() -> Result<()> {
    run(async {
        let (sender, receiver) = UnixDatagram::pair()?;
        let message = vec![7; 10_000];
        let mut filled = 0;
        while sender.try_send(&message).is_ok() {
            filled += 1;
        }
        let mut sending = pin!(sender.send(&message));
        assert!(waits(&mut sending).await);
        let mut buf = vec![0; 20_000];
        for _ in 0..filled {
            receiver.recv(&mut buf).await?;
        }
        assert_eq!(sending.await?, 10_000);
        Ok(())
    })
}

#[test]
fn trying_to_send_says_what_the_receiver_has_now() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("receiver");
        let receiver = UnixDatagram::bind(&path)?;
        let sender = UnixDatagram::unbound()?;
        let mut filled = 0;
        while sender.try_send_to(b"x", &path).is_ok() {
            filled += 1;
        }
        assert!(filled > 0);
        let error = failure(sender.try_send_to(b"x", &path));
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        receiver.try_recv(&mut [0; 1])?;
        assert_eq!(sender.try_send_to(b"x", &path)?, 1);
        Ok(())
    })
}

#[test]
fn a_receiver_that_is_not_there_is_an_error_with_the_path() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("nobody");
        let sender = UnixDatagram::unbound()?;
        let error = failure(sender.send_to(b"x", &path).await);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("nobody"), "{error}");
        drop(std_net::UnixDatagram::bind(&path)?);
        assert_eq!(failure(sender.connect(&path)).kind(), ErrorKind::ConnectionRefused);
        assert_eq!(failure(sender.send(b"x").await).kind(), ErrorKind::NotConnected);
        Ok(())
    })
}

#[test]
fn a_peer_that_goes_is_an_error_for_the_sender() -> Result<()> {
    run(async {
        let (here, there) = UnixDatagram::pair()?;
        drop(there);
        let error = failure(here.send(b"x").await);
        assert!(
            matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset),
            "{error}"
        );
        Ok(())
    })
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_serve_as_addresses() -> Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;
    use std::process;

    run(async {
        let name = format!("oneloop-test-datagram-{}", process::id());
        let addr = SocketAddr::from_abstract_name(&name)?;
        let receiver = UnixDatagram::bind_addr(&addr)?;
        let sender = UnixDatagram::unbound()?;
        sender.send_to_addr(b"one", &addr).await?;
        sender.connect_addr(&addr)?;
        assert_eq!(sender.peer_addr()?.as_abstract_name(), Some(name.as_bytes()));
        sender.send(b"two").await?;
        let mut buf = [0; 8];
        assert_eq!(receiver.recv(&mut buf).await?, 3);
        assert_eq!(receiver.recv(&mut buf).await?, 3);
        assert_eq!(&buf[..3], b"two");
        Ok(())
    })
}
