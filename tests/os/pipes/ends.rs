//! The two ends of a pipe: data, the end, room, hang-ups.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Result};
use std::rc::Rc;
use std::thread;

use futures::{AsyncReadExt, AsyncWriteExt};
use oneloop::io::pipe::{self, Receiver, Sender};
use oneloop::{Runtime, create_task, gather, yield_now};

/// Writes until the pipe is full. Returns the number of bytes.
fn fill(sender: &Sender) -> Result<usize> {
    let mut filled = 0;
    loop {
        match sender.try_write(&[b'x'; 4096]) {
            Ok(written) => filled += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(filled),
            Err(error) => return Err(error),
        }
    }
}

#[oneloop::test]
async fn what_is_written_is_read_and_then_comes_the_end() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    assert_eq!(sender.write(b"hello").await?, 5);
    sender.write_all(b" to you").await?;
    let mut buf = [0; 64];
    assert_eq!(receiver.read(&mut buf).await?, 12);
    assert_eq!(&buf[..12], b"hello to you");
    sender.write_all(b"the rest").await?;
    drop(sender);
    receiver.read_exact(&mut buf[..8]).await?;
    assert_eq!(&buf[..8], b"the rest");
    for _ in 0..3 {
        assert_eq!(receiver.read(&mut buf).await?, 0);
        assert_eq!(receiver.try_read(&mut buf)?, 0);
    }
    Ok(())
}

#[oneloop::test]
async fn a_read_waits_for_data_and_for_the_end() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let reader = create_task(async move {
        let mut buf = [0; 8];
        let first = receiver.read(&mut buf).await?;
        let second = receiver.read(&mut buf).await?;
        Result::Ok((first, second))
    });
    yield_now().await;
    sender.write_all(b"abc").await?;
    drop(sender);
    assert_eq!(reader.await??, (3, 0));
    Ok(())
}

#[oneloop::test]
async fn a_short_read_does_not_mean_that_the_pipe_is_empty() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    sender.write_all(b"one").await?;
    let mut buf = [0; 64];
    assert_eq!(receiver.read(&mut buf).await?, 3);
    // No edge may come for these, because the pipe was ready all the time.
    sender.write_all(b"two").await?;
    assert_eq!(receiver.try_read(&mut buf)?, 3);
    Ok(())
}

#[oneloop::test]
async fn a_full_pipe_makes_the_writer_wait_and_nothing_is_lost() -> Result<()> {
    const LEN: usize = 1 << 20;
    let data: Vec<u8> = (0..=250).cycle().take(LEN).collect();
    let (sender, receiver) = pipe::pipe()?;
    let writing = async {
        sender.write_all(&data).await?;
        drop(sender);
        Result::Ok(())
    };
    let mut read = Vec::new();
    let (written, len) = gather!(writing, receiver.read_to_end(&mut read)).await;
    written?;
    assert_eq!(len?, LEN);
    assert!(read == data);
    Ok(())
}

#[oneloop::test]
async fn read_to_end_appends_and_keeps_what_it_has_when_it_is_dropped() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let mut text = b"> ".to_vec();
    sender.write_all(b"first").await?;
    oneloop::select! {
        _ = receiver.read_to_end(&mut text) => panic!("the sender lives"),
        () = yield_now() => {}
    }
    assert_eq!(text, b"> first");
    sender.write_all(b" second").await?;
    drop(sender);
    assert_eq!(receiver.read_to_end(&mut text).await?, 7);
    assert_eq!(text, b"> first second");
    assert_eq!(receiver.read_to_end(&mut text).await?, 0);
    Ok(())
}

#[oneloop::test]
async fn nothing_is_there_and_nothing_fits() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let mut buf = [0; 8192];
    assert_eq!(receiver.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(receiver.try_read(&mut [])?, 0);
    assert_eq!(receiver.read(&mut []).await?, 0);
    receiver.read_exact(&mut []).await?;
    assert_eq!(receiver.read_vectored(&mut []).await?, 0);
    assert_eq!(sender.write(&[]).await?, 0);
    sender.write_all(&[]).await?;

    let filled = fill(&sender)?;
    assert!(filled >= 4096, "{filled}");
    let writing = sender.write(b"more");
    let reading = async {
        yield_now().await;
        let mut read = 0;
        while read < filled {
            read += receiver.read(&mut buf).await?;
        }
        Result::Ok(())
    };
    let (written, read) = gather!(writing, reading).await;
    assert_eq!(written?, 4);
    read?;
    Ok(())
}

#[oneloop::test]
async fn readable_and_writable_tell_when() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    sender.writable().await?;
    assert!(receiver.try_read(&mut [0]).is_err());
    fill(&sender)?;
    gather!(
        async {
            sender.writable().await.unwrap();
            sender.try_write(b"x").unwrap();
        },
        async {
            receiver.readable().await.unwrap();
            let mut all = vec![0; 1 << 20];
            receiver.try_read(&mut all).unwrap();
        }
    )
    .await;
    Ok(())
}

#[oneloop::test]
async fn several_buffers_in_one_call() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let bufs = [IoSlice::new(b"abc"), IoSlice::new(b"def")];
    assert_eq!(sender.write_vectored(&bufs).await?, 6);
    let (mut head, mut tail) = ([0; 2], [0; 8]);
    let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
    assert_eq!(receiver.read_vectored(&mut bufs).await?, 6);
    assert_eq!((&head, &tail[..4]), (b"ab", &b"cdef"[..]));
    Ok(())
}

#[oneloop::test]
async fn an_end_before_all_was_read_says_how_much_there_was() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    sender.write_all(b"abc").await?;
    drop(sender);
    let error = receiver.read_exact(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(error.to_string(), "the pipe ended after 3 of 8 bytes");
    Ok(())
}

#[oneloop::test]
async fn a_writer_notices_that_the_reader_hangs_up() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    fill(&sender)?;
    let sender = Rc::new(sender);
    let [writing, first, second] = [(); 3].map(|()| Rc::clone(&sender));
    let writer = create_task(async move { writing.write(b"x").await });
    let first = create_task(async move { first.closed().await });
    let second = create_task(async move { second.closed().await });
    yield_now().await;
    assert!(!writer.is_finished() && !first.is_finished());
    drop(receiver);
    assert_eq!(writer.await?.unwrap_err().kind(), ErrorKind::BrokenPipe);
    first.await??;
    second.await??;
    sender.closed().await?;
    assert_eq!(sender.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    Ok(())
}

#[oneloop::test]
async fn waiting_for_the_hang_up_takes_no_room_away_from_writers() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    oneloop::select! {
        _ = sender.closed() => panic!("the reader lives"),
        () = yield_now() => {}
    }
    // Room from before is still known.
    assert_eq!(sender.try_write(b"abc")?, 3);
    receiver.read_exact(&mut [0; 3]).await?;
    assert_eq!(sender.try_write(b"abc")?, 3);
    drop(receiver);
    sender.closed().await
}

#[oneloop::test]
async fn a_hang_up_before_the_registration_is_noticed() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let fd = sender.into_owned_fd()?;
    drop(receiver);
    Sender::from_owned_fd(fd)?.closed().await
}

#[oneloop::test]
async fn dropping_a_read_or_a_write_loses_nothing() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let mut buf = [0; 4];
    for round in 0..50_u8 {
        oneloop::select! {
            _ = receiver.read(&mut buf) => panic!("nothing was written"),
            () = yield_now() => {}
        }
        sender.write_all(&[round]).await?;
        assert_eq!(receiver.read(&mut buf).await?, 1);
        assert_eq!(buf[0], round);
    }
    Ok(())
}

#[oneloop::test]
async fn the_traits_do_what_the_methods_do_and_close_closes() -> Result<()> {
    let (mut sender, mut receiver) = pipe::pipe()?;
    AsyncWriteExt::write_all(&mut sender, b"hello").await?;
    sender.flush().await?;
    sender.close().await?;
    sender.close().await?;
    let mut text = String::new();
    AsyncReadExt::read_to_string(&mut receiver, &mut text).await?;
    assert_eq!(text, "hello");

    for error in [
        sender.write(b"x").await.unwrap_err(),
        sender.try_write(b"x").unwrap_err(),
        sender.writable().await.unwrap_err(),
        sender.closed().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(error.to_string(), "this pipe::Sender has been closed");
    }
    assert_eq!(format!("{sender:?}"), "Sender { fd: None }");
    assert!(sender.into_owned_fd().is_err());
    Ok(())
}

#[test]
fn on_another_thread_and_without_a_loop_there_is_an_error() -> Result<()> {
    let error = pipe::pipe().unwrap_err();
    assert!(error.to_string().contains("needs a running event loop"), "{error}");

    let mut runtime = Runtime::new()?;
    let (sender, receiver) = runtime.run(async { pipe::pipe() })?;
    let check = |sender: &Sender, receiver: &Receiver| {
        for error in
            [sender.try_write(b"x").unwrap_err(), receiver.try_read(&mut [0; 1]).unwrap_err()]
        {
            assert!(error.to_string().contains("belongs to"), "{error}");
        }
    };
    check(&sender, &receiver);
    thread::scope(|scope| scope.spawn(|| check(&sender, &receiver)).join()).expect("no panic");
    // A drop on another thread closes it at once.
    thread::spawn(move || drop(sender)).join().expect("no panic");
    assert_eq!(runtime.run(async { receiver.read(&mut [0; 1]).await })?, 0);
    drop(runtime);
    drop(receiver);
    Ok(())
}
