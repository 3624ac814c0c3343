//! The traits of futures-io, through the adapters of the futures crate.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Result, Write as _};
use std::pin::{Pin, pin};
use std::task::Poll;

use futures::future::poll_fn;
use futures::io::{AsyncBufReadExt as _, BufReader, copy};
use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt as _, TryStreamExt as _};
use oneloop::create_task;

use super::{failure, pair, pair_with_std, run, waits};

/// Writes, flushes and closes through one side's traits, and reads everything through the other's.
async fn exchange(
    mut from: impl AsyncWriteExt + Unpin,
    mut to: impl AsyncReadExt + Unpin,
) -> Result<()> {
    from.write_all(b"through ").await?;
    assert_eq!(from.write_vectored(&[IoSlice::new(b"the "), IoSlice::new(b"traits")]).await?, 10);
    from.flush().await?;
    from.close().await?;
    let (mut first, mut second) = ([0; 4], [0; 4]);
    let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(to.read_vectored(&mut bufs).await?, 8);
    let mut rest = String::new();
    to.read_to_string(&mut rest).await?;
    assert_eq!((&first, &second, &*rest), (b"thro", b"ugh ", "the traits"));
    assert_eq!(to.read(&mut [0; 8]).await?, 0);
    Ok(())
}

#[test]
fn streams_and_references_and_halves_have_the_traits() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        exchange(&client, &server).await?;
        exchange(server, client).await?;

        let (client, server) = pair().await?;
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        exchange(client_write, server_read).await?;
        exchange(server_write, client_read).await?;

        let (client, server) = pair().await?;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        exchange(client_write, server_read).await?;
        exchange(server_write, client_read).await?;
        Ok(())
    })
}

#[test]
fn close_is_seen_by_the_peer_and_can_be_repeated() -> Result<()> {
    run(async {
        let (mut stream, mut peer) = pair_with_std()?;
        stream.close().await?;
        stream.close().await?;
        assert_eq!(peer.read(&mut [0; 8])?, 0);
        peer.write_all(b"yes")?;
        let mut buf = [0; 3];
        AsyncReadExt::read_exact(&mut stream, &mut buf).await?;
        assert_eq!(&buf, b"yes");
        Ok(())
    })
}

#[test]
fn lines_come_through_a_buffered_reader() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let lines = create_task(BufReader::new(stream).lines().try_collect::<Vec<_>>());
        for part in ["one\ntw", "o\n", "thr", "ee"] {
            peer.write_all(part.as_bytes())?;
            oneloop::yield_now().await;
        }
        drop(peer);
        assert_eq!(lines.await??, ["one", "two", "three"]);
        Ok(())
    })
}

#[test]
fn the_echo_of_a_copy_comes_back() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let echo = create_task(async move { copy(&server, &mut &server).await });
        let (mut read, mut write) = AsyncReadExt::split(client);
        let data: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let send = async {
            write.write_all(&data).await?;
            write.close().await
        };
        let receive = async {
            let mut back = vec![0; data.len()];
            read.read_exact(&mut back).await.map(|()| back)
        };
        let ((), back) = oneloop::try_gather!(send, receive).await?;
        assert!(back == data);
        assert_eq!(echo.await??, 1_000_000);
        Ok(())
    })
}

#[test]
fn a_read_that_waits_is_woken() -> Result<()> {
    run(async {
        let (mut stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 8];
        {
            let mut read = AsyncReadExt::read(&mut stream, &mut buf);
            assert!(waits(&mut read).await);
            assert!(waits(&mut read).await);
            peer.write_all(b"abc")?;
            assert_eq!(read.await?, 3);
        }
        // It is abandoned and tried again: the traits keep one waiter for each direction.
        for _ in 0..100 {
            let mut read = AsyncReadExt::read(&mut stream, &mut buf);
            assert!(waits(&mut read).await);
        }
        peer.write_all(b"d")?;
        assert_eq!(AsyncReadExt::read(&mut stream, &mut buf).await?, 1);
        drop(peer);
        assert_eq!(AsyncReadExt::read(&mut stream, &mut buf).await?, 0);
        Ok(())
    })
}

#[test]
fn the_trait_wakes_the_task_that_polled_last() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut stream = stream;
        // First polled in main, then moved to a task.
        let mut buf = [0; 8];
        let mut read = AsyncReadExt::read(&mut stream, &mut buf);
        assert!(waits(&mut read).await);
        let task = create_task(async move {
            let mut buf = [0; 8];
            AsyncReadExt::read(&mut stream, &mut buf).await
        });
        oneloop::yield_now().await;
        peer.write_all(b"abc")?;
        assert_eq!(task.await??, 3);
        Ok(())
    })
}

#[test]
fn the_waker_of_a_foreign_combinator_is_woken() -> Result<()> {
    run(async {
        let mut reads = FuturesUnordered::new();
        let mut peers = Vec::new();
        for number in 0..20_u8 {
            let (stream, peer) = pair_with_std()?;
            peers.push(peer);
            reads.push(async move {
                let mut buf = [0; 1];
                // Waits by the inherent method, then by the trait.
                stream.read_exact(&mut buf).await?;
                AsyncReadExt::read_exact(&mut &stream, &mut buf).await?;
                Result::Ok((number, buf[0]))
            });
        }
        assert!(waits(&mut reads.next()).await);
        for (peer, number) in peers.iter_mut().zip(0..20_u8).rev() {
            peer.write_all(&[0])?;
            oneloop::yield_now().await;
            assert!(waits(&mut reads.next()).await);
            peer.write_all(&[number])?;
            assert_eq!(reads.next().await.transpose()?, Some((number, number)));
        }
        Ok(())
    })
}

#[test]
fn an_empty_buffer_needs_no_data_here_either() -> Result<()> {
    run(async {
        let (stream, _peer) = pair_with_std()?;
        assert_eq!(failure(stream.try_read(&mut [0; 8])).kind(), ErrorKind::WouldBlock);
        let mut stream = pin!(stream);
        let read = poll_fn(|cx| {
            let stream: Pin<&mut _> = stream.as_mut();
            Poll::Ready(futures::AsyncRead::poll_read(stream, cx, &mut []))
        });
        assert!(matches!(read.await, Poll::Ready(Ok(0))));
        Ok(())
    })
}
