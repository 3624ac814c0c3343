//! The effect of each operation of a `TcpStream`.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Result, Write as _};
use std::net::Shutdown;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use oneloop::yield_now;
use socket2::SockRef;

use super::{failure, pair, pair_with_std, read_to_end, run, waits};

#[test]
fn what_is_written_is_read() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        assert_eq!(client.write(b"hello").await?, 5);
        let mut buf = [0; 16];
        assert_eq!(server.read(&mut buf).await?, 5);
        assert_eq!(&buf[..5], b"hello");
        server.write_all(b"and back").await?;
        client.read_exact(&mut buf[..8]).await?;
        assert_eq!(&buf[..8], b"and back");
        Ok(())
    })
}

#[test]
fn read_exact_waits_for_all_of_it() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 6];
        let mut read = Box::pin(stream.read_exact(&mut buf));
        for part in [b"ab", b"cd"] {
            peer.write_all(part)?;
            assert!(waits(&mut read).await);
            yield_now().await;
        }
        peer.write_all(b"ef")?;
        read.await?;
        assert_eq!(&buf, b"abcdef");
        Ok(())
    })
}

#[test]
fn read_exact_says_how_much_came_before_the_end() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(b"abc")?;
        drop(peer);
        let error = failure(stream.read_exact(&mut [0; 8]).await);
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(error.to_string(), "the connection ended after 3 of 8 bytes");
        Ok(())
    })
}

#[test]
fn vectored_reads_and_writes_fill_the_buffers_in_order() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let bufs = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(client.write_vectored(&bufs).await?, 7);
        let (mut first, mut second) = ([0; 3], [0; 8]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(server.read_vectored(&mut bufs).await?, 7);
        assert_eq!((&first, &second[..4]), (b"one", &b" two"[..]));
        Ok(())
    })
}

#[test]
fn peek_leaves_the_data_where_it_is() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 8];
        let mut peeking = Box::pin(stream.peek(&mut buf));
        assert!(waits(&mut peeking).await);
        peer.write_all(b"abc")?;
        assert_eq!(peeking.await?, 3);
        assert_eq!(stream.peek(&mut buf[..2]).await?, 2);
        assert_eq!(stream.peek(&mut buf).await?, 3);
        assert_eq!(stream.read(&mut buf).await?, 3);
        assert_eq!(&buf[..3], b"abc");
        assert_eq!(failure(stream.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
        Ok(())
    })
}

#[test]
fn try_read_never_waits() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 8];
        assert_eq!(failure(stream.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
        peer.write_all(b"abc")?;
        stream.readable().await?;
        assert_eq!(stream.try_read(&mut buf)?, 3);
        assert_eq!(failure(stream.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
        drop(peer);
        stream.readable().await?;
        assert_eq!(stream.try_read(&mut buf)?, 0);
        Ok(())
    })
}

#[test]
fn try_write_never_waits() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        stream.writable().await?;
        let lots = vec![1; 65536];
        let full = loop {
            match stream.try_write(&lots) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let mut writable = Box::pin(stream.writable());
        assert!(waits(&mut writable).await);
        peer.set_nonblocking(true)?;
        let mut buf = vec![0; 1 << 20];
        loop {
            while (&peer).read(&mut buf).is_ok() {}
            if let Either::Left((done, _)) = select(&mut writable, pin!(yield_now())).await {
                done?;
                break;
            }
        }
        assert!(stream.try_write(b"more")? > 0);
        Ok(())
    })
}

#[test]
fn a_readable_that_waits_sees_data_and_a_fresh_one_may_be_wrong() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        // A new stream counts as ready: only an operation can tell.
        stream.readable().await?;
        assert_eq!(failure(stream.try_read(&mut [0; 8])).kind(), ErrorKind::WouldBlock);
        let mut readable = Box::pin(stream.readable());
        assert!(waits(&mut readable).await);
        peer.write_all(b"x")?;
        readable.await?;
        stream.readable().await?;
        assert_eq!(stream.try_read(&mut [0; 8])?, 1);
        Ok(())
    })
}

#[test]
fn an_empty_buffer_needs_no_data() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        assert_eq!(stream.read(&mut []).await?, 0);
        assert_eq!(stream.try_read(&mut [])?, 0);
        assert_eq!(stream.read_vectored(&mut []).await?, 0);
        assert_eq!(stream.peek(&mut []).await?, 0);
        assert_eq!(stream.write(&[]).await?, 0);
        assert_eq!(stream.try_write(&[])?, 0);
        stream.read_exact(&mut []).await?;
        stream.write_all(&[]).await?;
        // This also holds once it is known that there is no data.
        assert_eq!(failure(stream.try_read(&mut [0; 8])).kind(), ErrorKind::WouldBlock);
        assert_eq!(stream.read(&mut []).await?, 0);
        assert_eq!(stream.try_read(&mut [])?, 0);
        peer.write_all(b"x")?;
        stream.readable().await?;
        assert_eq!(stream.try_read(&mut [])?, 0);
        assert_eq!(stream.try_read(&mut [0; 8])?, 1, "the empty read has not made it forget");
        Ok(())
    })
}

#[test]
fn data_after_a_short_read_wakes_again() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 100];
        for len in [1, 99, 100, 7, 100, 100, 1] {
            peer.write_all(&vec![9; len])?;
            assert_eq!(stream.read(&mut buf).await?, len);
        }
        // More than a full buffer: the rest needs no new event.
        peer.write_all(&[9; 250])?;
        for len in [100, 100, 50] {
            assert_eq!(stream.read(&mut buf).await?, len);
        }
        let mut read = Box::pin(stream.read(&mut buf));
        assert!(waits(&mut read).await);
        peer.write_all(b"x")?;
        assert_eq!(read.await?, 1);
        Ok(())
    })
}

#[test]
fn an_urgent_byte_does_not_hide_what_follows_it() -> Result<()> {
    for looks_between in [false, true] {
        run(async {
            let (stream, mut peer) = pair_with_std()?;
            let mut buf = [0; 100];
            assert_eq!(failure(stream.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
            peer.write_all(b"before")?;
            if looks_between {
                // The event for the data arrives before the urgent byte.
                stream.readable().await?;
            }
            SockRef::from(&peer).send_out_of_band(b"!")?;
            peer.write_all(b"after")?;
            peer.shutdown(Shutdown::Write)?;
            // The kernel removes the urgent byte, and ends a read before its place.
            assert_eq!(read_to_end(&stream).await?, b"beforeafter");
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn urgent_bytes_again_and_again_stop_nothing() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 100];
        for round in 0..50 {
            peer.write_all(b"a")?;
            SockRef::from(&peer).send_out_of_band(b"!")?;
            peer.write_all(b"b")?;
            let mut got = Vec::new();
            while got.len() < 2 {
                let len = stream.read(&mut buf).await?;
                got.extend_from_slice(&buf[..len]);
            }
            assert_eq!(got, b"ab", "in round {round}");
        }
        Ok(())
    })
}

#[test]
fn the_end_comes_after_all_data_and_stays() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(&[5; 1000])?;
        drop(peer);
        let mut buf = [0; 300];
        for len in [300, 300, 300, 100, 0, 0] {
            assert_eq!(stream.read(&mut buf).await?, len);
        }
        assert_eq!(stream.try_read(&mut buf)?, 0);
        Ok(())
    })
}

#[test]
fn the_end_wakes_who_has_read_all() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 8];
        peer.write_all(b"x")?;
        assert_eq!(stream.read(&mut buf).await?, 1);
        let mut read = Box::pin(stream.read(&mut buf));
        assert!(waits(&mut read).await);
        drop(peer);
        assert_eq!(read.await?, 0);
        Ok(())
    })
}

#[test]
fn a_reset_wakes_the_reader_with_an_error() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        let mut buf = [0; 8];
        let mut read = Box::pin(stream.read(&mut buf));
        assert!(waits(&mut read).await);
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        assert_eq!(failure(read.await).kind(), ErrorKind::ConnectionReset);
        assert_eq!(failure(stream.write(b"hello?").await).kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn a_reset_wakes_the_writer_with_an_error() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        let lots = vec![0; 16 << 20];
        let mut write = Box::pin(stream.write_all(&lots));
        assert!(waits(&mut write).await);
        // Closing with unread data resets the connection.
        drop(peer);
        let kind = failure(write.await).kind();
        assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind), "{kind}");
        Ok(())
    })
}

#[test]
fn shutdown_closes_one_side_or_both() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        stream.write_all(b"last words").await?;
        stream.shutdown(Shutdown::Write)?;
        stream.shutdown(Shutdown::Write)?;
        let mut heard = String::new();
        peer.read_to_string(&mut heard)?;
        assert_eq!(heard, "last words");
        assert_eq!(failure(stream.write(b"one more").await).kind(), ErrorKind::BrokenPipe);
        // The other direction is still open.
        peer.write_all(b"answer")?;
        let mut buf = [0; 8];
        assert_eq!(stream.read(&mut buf).await?, 6);

        let mut read = Box::pin(stream.read(&mut buf));
        assert!(waits(&mut read).await);
        stream.shutdown(Shutdown::Read)?;
        assert_eq!(read.await?, 0);
        stream.shutdown(Shutdown::Both)?;
        Ok(())
    })
}

#[test]
fn shutdown_after_the_end_of_the_connection_is_no_error() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        assert_eq!(failure(stream.read(&mut [0; 8]).await).kind(), ErrorKind::ConnectionReset);
        stream.shutdown(Shutdown::Write)?;
        stream.shutdown(Shutdown::Both)?;
        Ok(())
    })
}

#[test]
fn a_peer_that_has_closed_its_side_still_gets_its_answer() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(b"question")?;
        peer.shutdown(Shutdown::Write)?;
        assert_eq!(read_to_end(&stream).await?, b"question");
        stream.write_all(b"answer").await?;
        drop(stream);
        let mut answer = String::new();
        peer.read_to_string(&mut answer)?;
        assert_eq!(answer, "answer");
        Ok(())
    })
}

#[test]
fn options_are_what_they_were_set_to() -> Result<()> {
    run(async {
        let (stream, server) = pair().await?;
        assert_eq!(stream.peer_addr()?, server.local_addr()?);
        assert_eq!(stream.local_addr()?, server.peer_addr()?);
        for on in [true, false] {
            stream.set_nodelay(on)?;
            assert_eq!(stream.nodelay()?, on);
            stream.set_keepalive(on)?;
            assert_eq!(stream.keepalive()?, on);
        }
        stream.set_ttl(42)?;
        assert_eq!(stream.ttl()?, 42);
        for linger in [Some(Duration::ZERO), Some(Duration::from_secs(2)), None] {
            stream.set_linger(linger)?;
            assert_eq!(stream.linger()?, linger);
        }
        assert!(stream.take_error()?.is_none());
        assert!(format!("{stream:?}").contains(&stream.local_addr()?.port().to_string()));
        Ok(())
    })
}

#[test]
fn a_linger_of_zero_resets_the_connection() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        stream.set_linger(Some(Duration::ZERO))?;
        drop(stream);
        assert_eq!(failure(peer.read(&mut [0; 8])).kind(), ErrorKind::ConnectionReset);
        Ok(())
    })
}

#[test]
fn dropping_a_stream_sends_what_was_written() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let data = vec![3; 100_000];
        stream.write_all(&data).await?;
        drop(stream);
        let mut all = Vec::new();
        peer.read_to_end(&mut all)?;
        assert!(all == data);
        Ok(())
    })
}
