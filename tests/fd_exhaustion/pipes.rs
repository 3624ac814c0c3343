//! Pipes and other descriptors, where none are left.

use std::env;
use std::fs::{self, File};
use std::io::Result;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;

use oneloop::io::{AsyncFd, add_reader, add_writer, pipe};
use oneloop::{create_task, yield_now};

use super::{hoard, in_child};

/// Pipes and descriptors of all kinds, made, used, refused and dropped in every way.
async fn pipes_and_descriptors(fifo: &Path) -> Result<()> {
    let (sender, receiver) = pipe::pipe()?;
    let reader = create_task(async move { receiver.read(&mut [0; 8]).await });
    yield_now().await;
    sender.write_all(b"x").await?;
    assert_eq!(reader.await??, 1);
    sender.closed().await?;
    let sender = pipe::Sender::from_owned_fd(sender.into_blocking_fd()?)?;
    thread::spawn(move || drop(sender)).join().expect("no panic");
    assert!(pipe::Receiver::from_owned_fd(File::open(env::current_exe()?)?).is_err());
    assert!(pipe::try_open_sender(fifo).is_err());
    let receiver = pipe::open_receiver(fifo)?;
    let cancelled = create_task(async move { receiver.read(&mut [0; 8]).await });
    let _sender = pipe::open_sender(fifo).await?;
    cancelled.cancel();
    assert!(cancelled.await.is_err());
    assert!(pipe::open_receiver("/dev/null").is_err());

    let (ours, theirs) = StdUnixStream::pair()?;
    let _callbacks = (add_reader(&ours, || {})?, add_writer(&ours, || {})?);
    let fd = AsyncFd::new(&ours)?;
    assert!(AsyncFd::new(&ours).is_err());
    fd.writable().await?;
    drop(fd);
    let theirs = AsyncFd::new(AsyncFd::new(theirs)?.into_inner()?)?;
    thread::spawn(move || drop(theirs)).join().expect("no panic");
    assert!(AsyncFd::new(File::open("/dev/null")?).is_err());
    Ok(())
}

fn fifo() -> Result<PathBuf> {
    let path = env::temp_dir().join(format!("oneloop-fd-exhaustion-{}", process::id()));
    pipe::create_fifo(&path, 0o600)?;
    Ok(path)
}

#[test]
fn pipes_and_descriptors_of_all_kinds_leave_none_behind() -> Result<()> {
    in_child("pipes::pipes_and_descriptors_of_all_kinds_leave_none_behind", || {
        let fifo = fifo()?;
        oneloop::run(async {
            // The first round makes the things that the loop keeps.
            pipes_and_descriptors(&fifo).await?;
            yield_now().await;
            let before = hoard().len();
            for _ in 0..30 {
                pipes_and_descriptors(&fifo).await?;
            }
            yield_now().await;
            assert_eq!(hoard().len(), before);
            fs::remove_file(&fifo)
        })
    })
}

#[test]
fn pipes_and_callbacks_without_descriptors_are_errors_that_say_so() -> Result<()> {
    in_child("pipes::pipes_and_callbacks_without_descriptors_are_errors_that_say_so", || {
        let fifo = fifo()?;
        oneloop::run(async {
            let (sender, receiver) = pipe::pipe()?;
            let (ours, theirs) = StdUnixStream::pair()?;
            let hoard = hoard();
            let errors = [
                pipe::pipe().err(),
                pipe::open_receiver(&fifo).err(),
                pipe::open_sender(&fifo).await.err(),
                add_reader(&ours, || {}).err(),
            ];
            for error in errors {
                let error = error.map_or_else(String::new, |error| error.to_string());
                assert!(error.contains("open files"), "{error}");
            }
            // Operations that need no new descriptor work.
            let _registered = (AsyncFd::new(&ours)?, AsyncFd::new(&theirs)?);
            sender.write_all(b"x").await?;
            receiver.read_exact(&mut [0; 1]).await?;
            drop(hoard);
            pipe::pipe()?;
            fs::remove_file(&fifo)
        })
    })
}
