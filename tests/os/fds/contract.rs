//! The promises of `AsyncFd`, whatever its descriptor is: modes, readiness, refusals, threads.

use std::fs::File;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use oneloop::io::{AsyncFd, Interest};
use oneloop::{Runtime, create_task, select, yield_now};

fn is_nonblocking(fd: impl AsFd) -> bool {
    let flags = fcntl(fd, FcntlArg::F_GETFL).expect("it is open");
    OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
}

fn would_block<T>(result: Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[oneloop::test]
async fn the_mode_is_given_back_with_the_descriptor() -> Result<()> {
    let (socket, _peer) = UnixStream::pair()?;
    assert!(!is_nonblocking(AsyncFd::watch(socket.as_fd(), Interest::Both)?));
    let fd = AsyncFd::new(socket)?;
    assert!(is_nonblocking(&fd));
    let socket = fd.into_inner()?;
    assert!(!is_nonblocking(&socket));

    socket.set_nonblocking(true)?;
    let socket = AsyncFd::new(socket)?.into_inner()?;
    assert!(is_nonblocking(&socket), "that was not our doing");
    Ok(())
}

#[oneloop::test]
async fn what_is_dropped_does_not_make_its_duplicate_block() -> Result<()> {
    let (reader, mut peer) = UnixStream::pair()?;
    let writer = AsyncFd::with_interest(reader.try_clone()?, Interest::Write)?;
    let reader = AsyncFd::with_interest(reader, Interest::Read)?;
    drop(writer);
    assert!(would_block(reader.try_read_with(|mut socket| socket.read(&mut [0; 8]))));
    peer.write_all(b"x")?;
    reader.read_with(|mut socket| socket.read(&mut [0; 8])).await?;
    Ok(())
}

#[oneloop::test]
async fn readable_says_what_is_the_case_whoever_has_read() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let fd = AsyncFd::watch(&ours, Interest::Both)?;
    for _ in 0..3 {
        theirs.write_all(b"abc")?;
        fd.readable().await?;
        (&ours).read_exact(&mut [0; 1])?;
        fd.readable().await?; // there is more
        (&ours).read_exact(&mut [0; 2])?;
        select! {
            _ = fd.readable() => panic!("all of it was read"),
            () = yield_now() => {}
        }
        fd.writable().await?;
    }
    drop(theirs);
    fd.readable().await?;
    fd.readable().await
}

#[oneloop::test]
async fn writable_waits_for_room() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let ours = AsyncFd::new(ours)?;
    let mut written = 0;
    while let Ok(more) = ours.try_write_with(|mut socket| socket.write(&[0; 4096])) {
        written += more;
    }
    select! {
        _ = ours.writable() => panic!("there is no room"),
        () = yield_now() => {}
    }
    theirs.read_exact(&mut vec![0; written])?;
    ours.writable().await?;
    ours.try_write_with(|mut socket| socket.write(b"x"))?;
    Ok(())
}

#[oneloop::test]
async fn an_operation_is_tried_at_once_and_again_at_each_event_until_it_does_something()
-> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let ours = AsyncFd::new(ours)?;
    theirs.write_all(b"x")?;
    ours.read_with(|mut socket| socket.read(&mut [0; 8])).await?;
    let mut tries = 0;
    let read = async {
        ours.read_with(|mut socket| {
            tries += 1;
            socket.read(&mut [0; 8])
        })
        .await
    };
    let write = async {
        for _ in 0..10 {
            yield_now().await;
        }
        theirs.write_all(b"abc").unwrap();
    };
    let (read, ()) = oneloop::gather!(read, write).await;
    assert_eq!(read?, 3);
    assert_eq!(tries, 2);
    // No other operation gets its error.
    let error = ours.read_with(|_| Err::<(), _>(Error::other("no"))).await.unwrap_err();
    assert_eq!(error.to_string(), "no");
    assert!(would_block(ours.try_read_with(|mut socket| socket.read(&mut [0; 8]))));
    Ok(())
}

#[oneloop::test]
async fn a_future_by_hand_polls_for_readiness() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let ours = AsyncFd::new(ours)?;
    poll_fn(|cx| ours.poll_writable(cx)).await?;
    let first = poll_fn(|cx| Poll::Ready(ours.poll_readable(cx))).await;
    assert!(first.is_pending());
    theirs.write_all(b"x")?;
    poll_fn(|cx| ours.poll_readable(cx)).await
}

#[oneloop::test]
async fn what_is_always_ready_is_refused_with_what_to_use() -> Result<()> {
    let refused = [
        AsyncFd::new(File::open(env!("CARGO_MANIFEST_PATH"))?).err(),
        AsyncFd::with_interest(File::open("/dev/null")?, Interest::Read).err(),
        AsyncFd::watch(File::open(env!("CARGO_MANIFEST_DIR"))?, Interest::Read).err(),
    ];
    for error in refused {
        let error = error.expect("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("use `fs::File`"), "{error}");
    }
    Ok(())
}

#[oneloop::test]
async fn a_refused_descriptor_keeps_its_mode() -> Result<()> {
    let file = File::open(env!("CARGO_MANIFEST_PATH"))?;
    assert!(AsyncFd::new(&file).is_err());
    assert!(!is_nonblocking(&file));
    Ok(())
}

#[oneloop::test]
async fn one_descriptor_is_registered_once_and_a_duplicate_again() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let first = AsyncFd::new(&ours)?;
    let error = AsyncFd::new(&ours).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("registered already"), "{error}");
    assert!(is_nonblocking(&ours), "the first one still needs it");
    let second = AsyncFd::new(ours.try_clone()?)?;
    theirs.write_all(b"x")?;
    first.readable().await?;
    second.readable().await?;
    drop(first);
    AsyncFd::new(&ours)?.readable().await
}

#[oneloop::test]
async fn the_direction_that_was_not_asked_for_is_an_error() -> Result<()> {
    let (ours, _theirs) = UnixStream::pair()?;
    let read = AsyncFd::with_interest(ours.try_clone()?, Interest::Read)?;
    for error in [
        read.writable().await.unwrap_err(),
        read.write_with(|mut socket| socket.write(b"x")).await.unwrap_err(),
        read.try_write_with(|mut socket| socket.write(b"x")).unwrap_err(),
        poll_fn(|cx| read.poll_writable(cx)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), "this AsyncFd is registered for reading only");
    }
    drop(read);
    let write = AsyncFd::with_interest(&ours, Interest::Write)?;
    write.writable().await?;
    let error = write.readable().await.unwrap_err();
    assert_eq!(error.to_string(), "this AsyncFd is registered for writing only");
    Ok(())
}

#[oneloop::test]
async fn it_may_hold_what_stays_on_its_thread() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let shared = Rc::new(ours);
    let fd = AsyncFd::new(Rc::clone(&shared))?;
    let reader =
        create_task(async move { fd.read_with(|socket| (&**socket).read(&mut [0; 8])).await });
    yield_now().await;
    theirs.write_all(b"abc")?;
    assert_eq!(reader.await??, 3);
    assert_eq!(Rc::strong_count(&shared), 1);
    Ok(())
}

#[oneloop::test]
async fn debug_shows_what_it_holds() -> Result<()> {
    let (ours, _theirs) = UnixStream::pair()?;
    let number = ours.as_raw_fd();
    let fd: AsyncFd<BorrowedFd<'_>> = AsyncFd::new(ours.as_fd())?;
    assert_eq!(fd.as_raw_fd(), number);
    assert!(format!("{fd:?}").contains("Both"), "{fd:?}");
    Ok(())
}

#[test]
fn on_another_thread_and_without_a_loop_there_is_an_error() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let error = AsyncFd::new(&ours).unwrap_err();
    assert!(error.to_string().contains("needs a running event loop"), "{error}");

    let mut runtime = Runtime::new()?;
    let fd = runtime.run(async { AsyncFd::new(OwnedFd::from(ours)) })?;
    let check = |fd: &AsyncFd<OwnedFd>| {
        let error = fd.try_read_with(|_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("belongs to"), "{error}");
    };
    check(&fd);
    thread::scope(|scope| scope.spawn(|| check(&fd)).join()).expect("no panic");
    // A drop on another thread closes it at once.
    thread::spawn(move || drop(fd)).join().expect("no panic");
    assert_eq!(theirs.read(&mut [0; 1])?, 0);
    runtime.run(yield_now());

    let fd = runtime.run(async { AsyncFd::new(theirs) })?;
    drop(runtime);
    let error = fd.try_read_with(|_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("has ended"), "{error}");
    Ok(())
}
