//! `split` and `into_split`.

use std::io::{Error, Read as _, Result, Write as _};
use std::thread;

use oneloop::create_task;
use oneloop::net::ReuniteError;

use super::{pair, pair_with_std, run, waits};

#[test]
fn one_task_reads_while_another_writes() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let (mut read, mut write) = client.into_split();
        let (mut server_read, mut server_write) = server.split();
        let reader = create_task(async move {
            let mut buf = [0; 4];
            read.read_exact(&mut buf).await?;
            Result::Ok((buf, read))
        });
        let writer = create_task(async move { write.write_all(b"ping").await.map(|()| write) });
        let mut buf = [0; 8];
        assert_eq!(server_read.read(&mut buf).await?, 4);
        assert_eq!(server_write.write(b"pong").await?, 4);
        let (answer, read) = reader.await??;
        assert_eq!(&answer, b"pong");
        let client = read.reunite(writer.await??).map_err(Error::other)?;
        assert_eq!(client.peer_addr()?, server.local_addr()?);
        Ok(())
    })
}

#[test]
fn dropping_the_write_half_closes_its_side_only() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (mut read, mut write) = stream.into_split();
        write.write_all(b"the end").await?;
        drop(write);
        let mut heard = String::new();
        peer.read_to_string(&mut heard)?;
        assert_eq!(heard, "the end");
        peer.write_all(b"not yet")?;
        let mut buf = [0; 7];
        read.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"not yet");
        Ok(())
    })
}

#[test]
fn dropping_the_read_half_closes_nothing() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (read, mut write) = stream.into_split();
        drop(read);
        peer.write_all(b"into the void")?;
        write.write_all(b"still here").await?;
        let mut buf = [0; 10];
        peer.read_exact(&mut buf)?;
        assert_eq!(&buf, b"still here");
        Ok(())
    })
}

#[test]
fn a_write_half_that_forgets_leaves_its_side_open() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        let (read, write) = stream.into_split();
        write.forget();
        peer.set_nonblocking(true)?;
        assert!((&peer).read(&mut [0; 1]).is_err(), "the end is not there");
        drop(read);
        peer.set_nonblocking(false)?;
        assert_eq!((&peer).read(&mut [0; 1])?, 0);
        Ok(())
    })
}

#[test]
fn shutdown_of_a_half_is_seen_by_the_peer() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        {
            let (_read, mut write) = stream.split();
            write.shutdown()?;
        }
        assert_eq!(peer.read(&mut [0; 1])?, 0);
        Ok(())
    })
}

#[test]
fn dropping_borrowed_halves_closes_nothing() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        {
            let (_read, _write) = stream.split();
        }
        stream.write_all(b"x").await?;
        assert_eq!(peer.read(&mut [0; 8])?, 1);
        Ok(())
    })
}

#[test]
fn halves_of_different_streams_do_not_reunite() -> Result<()> {
    run(async {
        let (client, server) = pair().await?;
        let client_addr = client.local_addr()?;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let error = client_read.reunite(server_write).expect_err("they are strangers");
        assert!(error.to_string().contains("different streams"));
        // Both halves come back, and neither side was closed.
        let ReuniteError(client_read, server_write) = error;
        let client = client_read.reunite(client_write).map_err(Error::other)?;
        let server = server_read.reunite(server_write).map_err(Error::other)?;
        client.write_all(b"x").await?;
        assert_eq!(server.read(&mut [0; 8]).await?, 1);
        assert_eq!(client.local_addr()?, client_addr);
        Ok(())
    })
}

#[test]
fn both_halves_of_one_task_wait_at_once() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (mut read, mut write) = stream.into_split();
        let lots = vec![7; 4 << 20];
        let mut buf = [0; 8];
        let mut reading = Box::pin(read.read(&mut buf));
        let mut writing = Box::pin(write.write_all(&lots));
        assert!(waits(&mut reading).await);
        assert!(waits(&mut writing).await);
        let reader = thread::spawn(move || {
            let mut all = vec![0; 4 << 20];
            peer.read_exact(&mut all)?;
            peer.write_all(b"done")?;
            Result::Ok(all)
        });
        let (read, written) = oneloop::gather!(reading, writing).await;
        written?;
        assert_eq!(read?, 4);
        assert!(reader.join().expect("it does not panic")? == lots);
        Ok(())
    })
}
