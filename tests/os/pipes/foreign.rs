//! Descriptors from elsewhere and for elsewhere: sockets, files.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use oneloop::io::pipe::{self, Receiver, Sender};
use oneloop::timeout;

fn is_nonblocking(fd: impl AsFd) -> bool {
    let flags = fcntl(fd, FcntlArg::F_GETFL).expect("it is open");
    OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK)
}

fn is_closed_on_exec(fd: impl AsFd) -> bool {
    let flags = fcntl(fd, FcntlArg::F_GETFD).expect("it is open");
    FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC)
}

#[oneloop::test]
async fn ends_are_closed_on_exec_and_non_blocking_until_they_are_taken_out() -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    for fd in [sender.as_fd(), receiver.as_fd()] {
        assert!(is_nonblocking(fd) && is_closed_on_exec(fd));
    }
    let number = sender.as_raw_fd();
    let sender = sender.into_owned_fd()?;
    assert_eq!(sender.as_raw_fd(), number);
    assert!(is_nonblocking(&sender));
    let sender = Sender::from_owned_fd(sender)?;
    let (sender, receiver) = (sender.into_blocking_fd()?, receiver.into_blocking_fd()?);
    for fd in [&sender, &receiver] {
        assert!(!is_nonblocking(fd) && is_closed_on_exec(fd));
    }
    // Both work like any other.
    File::from(sender).write_all(b"x")?;
    File::from(receiver).read_exact(&mut [0; 1])
}

#[oneloop::test]
async fn sockets_serve_as_pipes() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let sender = Sender::from_owned_fd(ours.try_clone()?)?;
    let receiver = Receiver::from_owned_fd(theirs)?;
    sender.write_all(b"hello").await?;
    receiver.read_exact(&mut [0; 5]).await?;
    drop(receiver);
    sender.closed().await?;
    drop(ours);
    Ok(())
}

#[oneloop::test]
async fn what_is_no_pipe_is_refused_with_the_right_name() -> Result<()> {
    let file = || File::open(env!("CARGO_MANIFEST_PATH"));
    let folder = || File::open(env!("CARGO_MANIFEST_DIR"));
    let refused = [
        (Receiver::from_owned_fd(file()?).err(), "use `fs::File`"),
        (Sender::from_owned_fd(file()?).err(), "use `fs::File`"),
        (Receiver::from_owned_fd(folder()?).err(), "use `fs::read_dir`"),
    ];
    for (error, remedy) in refused {
        let error = error.expect("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(remedy), "{error}");
    }
    Ok(())
}

#[oneloop::test]
async fn the_wrong_end_is_refused() -> Result<()> {
    let ends = || -> Result<(OwnedFd, OwnedFd)> {
        let (sender, receiver) = pipe::pipe()?;
        Ok((sender.into_owned_fd()?, receiver.into_owned_fd()?))
    };
    let (to_write, to_read) = ends()?;
    let refused = [
        (Receiver::from_owned_fd(to_write).err(), "not open for reading"),
        (Sender::from_owned_fd(to_read).err(), "not open for writing"),
    ];
    for (error, what) in refused {
        let error = error.expect("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(what), "{error}");
    }
    Ok(())
}

#[oneloop::test]
async fn devices_that_never_make_anybody_wait_are_read_and_written() -> Result<()> {
    let null = || OpenOptions::new().read(true).write(true).open("/dev/null");
    let sender = Sender::from_owned_fd(null()?)?;
    sender.write_all(&[7; 10_000]).await?;
    sender.writable().await?;
    assert_eq!(sender.try_write(b"more")?, 4);
    assert!(timeout(Duration::from_millis(1), sender.closed()).await.is_err());
    sender.into_blocking_fd()?;
    let receiver = Receiver::from_owned_fd(null()?)?;
    assert_eq!(receiver.read(&mut [0; 8]).await?, 0);

    let receiver = Receiver::from_owned_fd(File::open("/dev/zero")?)?;
    let mut buf = [7; 64];
    receiver.read_exact(&mut buf).await?;
    assert_eq!(buf, [0; 64]);
    receiver.readable().await?;
    assert_eq!(receiver.try_read(&mut buf)?, 64);
    // It never ends, and lets others run.
    let endless = async {
        while receiver.read(&mut [0; 8]).await? > 0 {}
        Result::Ok(())
    };
    assert!(timeout(Duration::from_millis(1), endless).await.is_err());
    Ok(())
}
