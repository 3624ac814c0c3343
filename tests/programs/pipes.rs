//! Pipes to and from other programs, named and unnamed.

use std::io::{ErrorKind, Result};
use std::process::{Command, Stdio};
use std::time::Duration;

use oneloop::io::pipe::{self, Sender};
use oneloop::{create_task, gather, timeout, yield_now};

use super::Directory;

#[oneloop::test]
async fn the_first_read_waits_for_a_writer() -> Result<()> {
    let directory = Directory::new()?;
    let path = directory.path("pipe");
    pipe::create_fifo(&path, 0o600)?;
    let receiver = pipe::open_receiver(&path)?;
    let mut buf = [0; 8];
    assert_eq!(receiver.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    let reader = create_task(async move {
        let len = receiver.read(&mut buf).await?;
        let end = receiver.read(&mut buf).await?;
        Result::Ok((len, end))
    });
    yield_now().await;
    assert!(!reader.is_finished(), "that nobody writes yet is not the end");
    let mut shell = Command::new("sh").args(["-c", "echo hi > \"$0\""]).arg(&path).spawn()?;
    assert_eq!(reader.await??, (3, 0));
    assert!(shell.wait()?.success());
    Ok(())
}

#[oneloop::test]
async fn open_sender_waits_for_a_reader_and_try_open_sender_says_that_there_is_none() -> Result<()>
{
    let directory = Directory::new()?;
    let path = directory.path("pipe");
    pipe::create_fifo(&path, 0o600)?;
    let error = pipe::try_open_sender(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().contains("open for reading"), "{error}");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");

    let early = timeout(Duration::from_millis(5), pipe::open_sender(&path)).await;
    assert!(early.is_err());

    let for_writer = path.clone();
    let writer = create_task(async move {
        let sender = pipe::open_sender(for_writer).await?;
        sender.write_all(b"hello").await
    });
    yield_now().await;
    let mut reader = Command::new("cat").arg(&path).stdout(Stdio::piped()).spawn()?;
    let stdout = reader.stdout.take().expect("it is piped");
    let stdout = pipe::Receiver::from_owned_fd(stdout)?;
    let mut said = Vec::new();
    stdout.read_to_end(&mut said).await?;
    assert_eq!(said, b"hello");
    writer.await??;
    assert!(reader.wait()?.success());
    Ok(())
}

#[oneloop::test]
async fn children_read_and_write_the_ends_that_they_are_given() -> Result<()> {
    let (to_child, childs_in) = pipe::pipe()?;
    let (childs_out, from_child) = pipe::pipe()?;
    let mut command = Command::new("tr");
    command.args(["a-z", "A-Z"]).stdin(childs_in.into_blocking_fd()?);
    command.stdout(childs_out.into_blocking_fd()?);
    let mut child = command.spawn()?;
    // The child's ends are in the command.
    drop(command);
    let writing = async move { to_child.write_all(&b"hello ".repeat(50_000)).await };
    let mut said = Vec::new();
    let (written, read) = gather!(writing, from_child.read_to_end(&mut said)).await;
    written?;
    assert_eq!(read?, 300_000);
    assert!(said.starts_with(b"HELLO HELLO "));
    assert!(child.wait()?.success());
    Ok(())
}

#[oneloop::test]
async fn a_child_that_ends_early_breaks_the_pipe() -> Result<()> {
    let mut child = Command::new("true").stdin(Stdio::piped()).spawn()?;
    let sender = Sender::from_owned_fd(child.stdin.take().expect("it is piped"))?;
    sender.closed().await?;
    assert_eq!(sender.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    child.wait()?;
    Ok(())
}
