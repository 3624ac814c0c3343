//! The effect of each operation of a stream, the wakes, and streams on other threads.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Result, Write as _};
use std::net::Shutdown;
use std::os::unix::net as std_net;
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use oneloop::net::{UnixListener, UnixStream};
use oneloop::{create_task, gather, time, timeout, yield_now};

use super::{Directory, LIMIT, failure, run, waits};

/// Both ends of a connection. One of them is the standard library's, in blocking mode.
fn pair_with_std() -> Result<(UnixStream, std_net::UnixStream)> {
    let (stream, peer) = std_net::UnixStream::pair()?;
    Ok((UnixStream::from_std(stream)?, peer))
}

#[test]
fn a_client_and_a_server_talk_through_a_path() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::bind(&path)?;
        assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
        let client = UnixStream::connect(&path).await?;
        let (server, addr) = listener.accept().await?;
        assert!(addr.is_unnamed());
        assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
        assert_eq!(server.local_addr()?.as_pathname(), Some(&*path));
        client.write_all(b"ping").await?;
        let mut buf = [0; 8];
        assert_eq!(server.read(&mut buf).await?, 4);
        server.write_all(b"pong").await?;
        client.read_exact(&mut buf[..4]).await?;
        assert_eq!(&buf[..4], b"pong");
        Ok(())
    })
}

#[test]
fn megabytes_go_both_ways_at_once() -> Result<()> {
    run(async {
        let (here, there) = UnixStream::pair()?;
        let data: Vec<u8> = (0..4_u32 << 20).map(|n| (n % 251) as u8).collect();
        let receive = async |stream: &UnixStream| {
            let mut all = vec![0; data.len()];
            stream.read_exact(&mut all).await?;
            assert!(all == data);
            Result::Ok(())
        };
        let (a, b, c, d) =
            gather!(here.write_all(&data), there.write_all(&data), receive(&here), receive(&there))
                .await;
        a.and(b).and(c).and(d)
    })
}

#[test]
fn a_short_read_does_not_mean_that_no_more_is_there() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 64];
        peer.write_all(b"one")?;
        assert_eq!(stream.read(&mut buf).await?, 3);
        peer.write_all(b"two")?;
        // No event has been taken in since, so the kernel has to be asked.
        assert_eq!(stream.try_read(&mut buf)?, 3);
        assert_eq!(&buf[..3], b"two");
        assert_eq!(failure(stream.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
        Ok(())
    })
}

#[test]
fn half_close_lets_the_answer_come() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        stream.write_all(b"question").await?;
        stream.shutdown(Shutdown::Write)?;
        let mut heard = String::new();
        peer.read_to_string(&mut heard)?;
        assert_eq!(heard, "question");
        peer.write_all(b"answer")?;
        drop(peer);
        let mut buf = [0; 6];
        stream.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"answer");
        assert_eq!(stream.read(&mut buf).await?, 0);
        stream.shutdown(Shutdown::Both)
    })
}

#[test]
fn a_peer_that_goes_without_reading_resets_the_connection() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        stream.write_all(b"unread").await?;
        drop(peer);
        assert_eq!(failure(stream.read(&mut [0; 8]).await).kind(), ErrorKind::ConnectionReset);
        assert_eq!(failure(stream.write(b"x").await).kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn an_end_before_the_buffer_is_full_says_how_much_came() -> Result<()> {
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
fn nothing_is_read_into_nothing_without_waiting() -> Result<()> {
    run(async {
        let (stream, _peer) = pair_with_std()?;
        assert_eq!(stream.read(&mut []).await?, 0);
        assert_eq!(stream.try_read(&mut [])?, 0);
        assert_eq!(stream.read_vectored(&mut [IoSliceMut::new(&mut [])]).await?, 0);
        Ok(())
    })
}

#[test]
fn vectored_reads_and_writes_use_all_buffers() -> Result<()> {
    run(async {
        let (here, there) = UnixStream::pair()?;
        let sent = here.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cdef")]).await?;
        assert_eq!(sent, 6);
        let (mut first, mut second) = ([0; 3], [0; 8]);
        let bufs = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(there.read_vectored(bufs).await?, 6);
        assert_eq!((&first, &second[..3]), (b"abc", &b"def"[..]));
        Ok(())
    })
}

#[test]
fn a_full_socket_makes_writers_wait_until_there_is_room() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let chunk = [7; 4096];
        let mut filled = 0;
        while let Ok(len) = stream.try_write(&chunk) {
            filled += len;
        }
        let mut write = pin!(stream.write_all(b"more"));
        assert!(waits(&mut write).await);
        let reader = thread::spawn(move || {
            let mut all = vec![0; filled + 4];
            peer.read_exact(&mut all)?;
            Result::Ok(all)
        });
        write.await?;
        stream.writable().await?;
        let all = reader.join().expect("it does not panic")?;
        assert_eq!(&all[filled..], b"more");
        Ok(())
    })
}

#[test]
fn a_read_that_waits_is_woken_and_one_that_is_dropped_loses_nothing() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let mut buf = [0; 8];
        {
            let mut read = pin!(stream.read(&mut buf));
            assert!(waits(&mut read).await);
        }
        let stream = Rc::new(stream);
        let reading = Rc::clone(&stream);
        let reader = create_task(async move {
            reading.readable().await?;
            let mut buf = [0; 8];
            reading.read(&mut buf).await
        });
        yield_now().await;
        peer.write_all(b"late")?;
        assert_eq!(reader.await??, 4);
        Ok(())
    })
}

#[test]
fn halves_go_to_different_tasks_and_come_together_again() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        {
            let (mut read, mut write) = stream.split();
            write.write_all(b"hello").await?;
            peer.read_exact(&mut [0; 5])?;
            peer.write_all(b"you")?;
            let mut buf = [0; 3];
            read.read_exact(&mut buf).await?;
            assert!(read.peer_addr()?.is_unnamed());
        }
        let (mut read, write) = stream.into_split();
        let reader =
            create_task(async move { read.read(&mut [0; 8]).await.map(|len| (len, read)) });
        yield_now().await;
        peer.write_all(b"xyz")?;
        let (len, read) = reader.await??;
        assert_eq!(len, 3);
        let stream = read.reunite(write).expect("they belong together");
        let (_read, write) = stream.into_split();
        drop(write);
        assert_eq!(peer.read(&mut [0; 1])?, 0, "the end of that side");
        Ok(())
    })
}

#[test]
fn streams_and_halves_serve_the_traits_of_futures_io() -> Result<()> {
    // Only here, because the traits have a `split` too.
    use futures::{AsyncReadExt, AsyncWriteExt};

    run(async {
        let (here, there) = UnixStream::pair()?;
        let (mut read, mut write) = there.into_split();
        AsyncWriteExt::write_all(&mut &here, b"by reference").await?;
        AsyncWriteExt::close(&mut &here).await?;
        let mut heard = String::new();
        AsyncReadExt::read_to_string(&mut read, &mut heard).await?;
        assert_eq!(heard, "by reference");
        AsyncWriteExt::write_all(&mut write, b"by half").await?;
        AsyncWriteExt::close(&mut write).await?;
        heard.clear();
        let mut here = here;
        AsyncReadExt::read_to_string(&mut here, &mut heard).await?;
        assert_eq!(heard, "by half");
        Ok(())
    })
}

#[test]
fn a_stream_moves_to_another_loop_by_way_of_std() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = stream.into_std()?;
        let elsewhere = thread::spawn(move || {
            oneloop::run(async {
                let stream = UnixStream::from_std(stream)?;
                stream.write_all(b"from there").await
            })
        });
        elsewhere.join().expect("it does not panic")?;
        let mut heard = String::new();
        peer.read_to_string(&mut heard)?;
        assert_eq!(heard, "from there");
        Ok(())
    })
}

#[test]
fn elsewhere_a_stream_gives_an_error_and_may_be_dropped() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let elsewhere = thread::spawn(move || failure(stream.try_write(b"x")).to_string());
        let message = elsewhere.join().expect("it does not panic");
        assert!(message.contains("UnixStream") && message.contains("into_std"), "{message}");
        assert_eq!(peer.read(&mut [0; 1])?, 0, "dropping it there closed it");
        Ok(())
    })
}

#[test]
fn without_a_loop_there_is_an_error_that_says_so() {
    let directory = Directory::new().expect("it can be made");
    let path = directory.path("socket");
    for message in
        [failure(UnixStream::pair()).to_string(), failure(UnixListener::bind(&path)).to_string()]
    {
        assert!(message.contains("oneloop::run"), "{message}");
    }
    assert!(!path.exists(), "what could not be used is not left behind");
}

#[test]
fn connecting_says_which_path_and_why_not() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let missing = directory.path("missing");
        let error = failure(UnixStream::connect(&missing).await);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(&*missing.to_string_lossy()), "{error}");

        let stale = directory.path("stale");
        drop(std_net::UnixListener::bind(&stale)?);
        let error = failure(UnixStream::connect(&stale).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

        let long = directory.path(&"x".repeat(200));
        let error = failure(UnixStream::connect(&long).await);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    })
}

#[test]
fn connecting_waits_for_room_in_the_backlog() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::builder().backlog(0).bind(&path)?;
        let mut waiting = Vec::new();
        let full = loop {
            match timeout(Duration::from_millis(5), UnixStream::connect(&path)).await {
                Ok(stream) => waiting.push(stream?),
                Err(_) => break create_task(UnixStream::connect(path.clone())),
            }
            assert!(waiting.len() < 100, "a backlog of 0 is that small");
        };
        yield_now().await;
        assert!(!full.is_finished());
        let start = time::now();
        for _ in 0..=waiting.len() {
            listener.accept().await?;
        }
        full.await??;
        assert!(time::now() - start < LIMIT / 4);
        Ok(())
    })
}

#[test]
fn incoming_gives_connections_as_they_come() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::bind(&path)?;
        let _clients = [std_net::UnixStream::connect(&path)?, std_net::UnixStream::connect(&path)?];
        let mut incoming = listener.incoming();
        for _ in 0..2 {
            incoming.next().await.expect("it has no end")?;
        }
        let mut third = pin!(incoming.next());
        assert!(waits(&mut third).await);
        Ok(())
    })
}

#[test]
fn accept_that_is_dropped_loses_no_connection() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::bind(&path)?;
        {
            let mut accept = pin!(listener.accept());
            assert!(waits(&mut accept).await);
        }
        let mut client = std_net::UnixStream::connect(&path)?;
        client.write_all(b"me")?;
        let (server, _addr) = listener.accept().await?;
        assert_eq!(server.read(&mut [0; 8]).await?, 2);
        Ok(())
    })
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_names_need_no_file_and_are_told_to_the_peer() -> Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;
    use std::process;

    run(async {
        let name = |which| format!("oneloop-test-{which}-{}", process::id());
        let addr = SocketAddr::from_abstract_name(name("listener"))?;
        let listener = UnixListener::bind_addr(&addr)?;
        assert_eq!(listener.local_addr()?.as_abstract_name(), addr.as_abstract_name());
        let error = failure(UnixListener::bind_addr(&addr));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&name("listener")), "{error}");

        let _client = UnixStream::connect_addr(&addr).await?;
        let (_server, peer) = listener.accept().await?;
        assert!(peer.is_unnamed());

        // A client with a name.
        let own = SocketAddr::from_abstract_name(name("client"))?;
        let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
        client.bind(&socket2::SockAddr::unix(format!("\0{}", name("client")))?)?;
        client.connect(&socket2::SockAddr::unix(format!("\0{}", name("listener")))?)?;
        let (server, peer) = listener.accept().await?;
        assert_eq!(peer.as_abstract_name(), own.as_abstract_name());
        assert_eq!(server.peer_addr()?.as_abstract_name(), own.as_abstract_name());

        drop(listener);
        UnixListener::bind_addr(&addr)?;
        Ok(())
    })
}

#[cfg(all(feature = "peer-cred", target_os = "linux"))]
#[test]
fn the_kernel_says_who_the_peer_is() -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    use std::{fs, process};

    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::bind(&path)?;
        let client = UnixStream::connect(&path).await?;
        let (server, _addr) = listener.accept().await?;
        let file = fs::metadata(&path)?;
        for stream in [client, server] {
            let cred = stream.peer_cred()?;
            assert_eq!(cred.pid(), Some(process::id()));
            assert_eq!((cred.uid(), cred.gid()), (file.uid(), file.gid()));
        }
        Ok(())
    })
}
