//! Operations that are not awaited to their end: nothing is lost, and no error is silent.

use std::fs;
use std::io::{ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures::AsyncWriteExt;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oneloop::Unhandled;
use oneloop::fs::File;
use oneloop::thread::to_thread;
use oneloop::{create_task, sleep, timeout, yield_now};

use super::{LIMIT, bytes, pipe, poll_once, run};

/// Drops a read after a thread has read `text` from the pipe for it.
async fn abandon_a_read(file: &File, other: &mut fs::File, text: &[u8]) -> Result<()> {
    let mut buf = [0; 16];
    let mut read = pin!(file.read(&mut buf));
    assert!(poll_once(&mut read).await.is_pending());
    other.write_all(text)?;
    while poll(&mut [PollFd::new(other.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO)? > 0 {
        yield_now().await;
    }
    Ok(())
}

/// Drops a write of more than the pipe holds, while a thread continues it. Only the first byte has
/// been read.
async fn abandon_a_write(file: &File, mut other: fs::File, data: &[u8]) -> Result<fs::File> {
    let mut write = Box::pin(file.write(data));
    assert!(poll_once(&mut write.as_mut()).await.is_pending());
    let first = data[0];
    to_thread(move || {
        let mut byte = [0];
        other.read_exact(&mut byte)?;
        assert_eq!(byte, [first]);
        Ok(other)
    })
    .await
}

/// Drops a call while a thread works with the file for it. The thread continues until the returned
/// sender is dropped.
async fn abandon_some_work(file: &File) -> Sender<()> {
    let ((said, told), (gate, waiting)) = (channel(), channel::<()>());
    let mut work = Box::pin(file.with_std(move |_| {
        said.send(()).expect("the test waits for it");
        waiting.recv().ok();
        Ok(())
    }));
    while told.try_recv().is_err() {
        assert!(poll_once(&mut work.as_mut()).await.is_pending());
        yield_now().await;
    }
    gate
}

#[test]
fn what_an_abandoned_read_has_read_is_given_to_the_next() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        abandon_a_read(&file, &mut other, b"hello").await?;
        let (mut two, mut buf) = ([0; 2], [0; 16]);
        assert_eq!(file.read(&mut two).await?, 2);
        assert_eq!(&two, b"he");
        assert_eq!(file.read(&mut buf).await?, 3);
        assert_eq!(&buf[..3], b"llo");
        Ok(())
    })
}

#[test]
fn what_an_abandoned_read_has_read_is_there_after_a_write() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        abandon_a_read(&file, &mut other, b"first").await?;
        file.write_all(b"second").await?;
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 5);
        assert_eq!(file.read(&mut buf).await?, 6);
        assert_eq!(&buf[..6], b"second");
        Ok(())
    })
}

#[test]
fn the_next_operation_waits_for_an_abandoned_one() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        let gate = abandon_some_work(&file).await;
        let file = Rc::new(file);
        let writing = Rc::clone(&file);
        let write = create_task(async move { writing.write_all(b"second").await });
        sleep(Duration::from_millis(5)).await;
        assert!(!write.is_finished());
        other.write_all(b"first")?;
        drop(gate);
        write.await??;
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 11);
        assert_eq!(&buf[..11], b"firstsecond");
        Ok(())
    })
}

#[test]
fn an_abandoned_write_is_done_to_its_end() -> Result<()> {
    run(async |dir| {
        let (file, other) = pipe(dir).await?;
        let data = bytes(300_000);
        let mut other = abandon_a_write(&file, other, &data).await?;
        let reader = thread::spawn(move || {
            let mut buf = vec![0; 300_003];
            other.read_exact(&mut buf).unwrap();
            buf
        });
        timeout(LIMIT, file.write_all(b"next")).await??;
        let read = reader.join().unwrap();
        assert!(read[..299_999] == data[1..]);
        assert_eq!(&read[299_999..], b"next");
        Ok(())
    })
}

#[test]
fn dropping_a_file_does_not_stop_its_write() -> Result<()> {
    run(async |dir| {
        let (file, other) = pipe(dir).await?;
        let data = bytes(300_000);
        let mut other = abandon_a_write(&file, other, &data).await?;
        drop(file);
        let mut buf = vec![0; 299_999];
        other.read_exact(&mut buf)?;
        assert!(buf == data[1..]);
        Ok(())
    })
}

#[test]
fn the_error_of_an_abandoned_operation_is_that_of_the_next() -> Result<()> {
    run(async |dir| {
        let (both, reader) = pipe(dir).await?;
        let file = File::options().write(true).open(dir.join("pipe")).await?;
        drop(both);
        let data = bytes(300_000);
        drop(abandon_a_write(&file, reader, &data).await?);
        let error = file.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let expected = format!("cannot write `{}`: ", dir.join("pipe").display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        file.flush().await
    })
}

#[test]
fn what_did_not_begin_is_not_done() -> Result<()> {
    run(async |dir| {
        let (file, _other) = pipe(dir).await?;
        let gate = abandon_some_work(&file).await;
        for never in [b"never", b"later"] {
            assert!(poll_once(&mut pin!(file.write_all(never))).await.is_pending());
        }
        drop(gate);
        file.write_all(b"b").await?;
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 1);
        assert_eq!(buf[0], b'b');
        Ok(())
    })
}

#[test]
fn whoever_leaves_the_line_lets_the_next_one_through() -> Result<()> {
    run(async |dir| {
        let (file, _other) = pipe(dir).await?;
        let file = Rc::new(file);
        let begin = |byte: u8| {
            let file = Rc::clone(&file);
            create_task(async move { file.write_all(&[byte]).await })
        };
        let gate = abandon_some_work(&file).await;
        let tasks: Vec<_> = (b'a'..=b'e').map(begin).collect();
        yield_now().await;
        for index in [0, 2, 4] {
            tasks[index].cancel();
        }
        drop(gate);
        let mut done = 0;
        for task in tasks {
            done += u32::from(task.await.is_ok());
        }
        assert_eq!(done, 2);
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 2);
        assert_eq!(&buf[..2], b"bd");
        Ok(())
    })
}

/// Once at each moment of the operation.
#[test]
fn reads_given_up_at_any_moment_lose_nothing() -> Result<()> {
    run(async |dir| {
        let data = bytes(100_000);
        fs::write(dir.join("x"), &data)?;
        let file = File::open(dir.join("x")).await?;
        let mut all = Vec::new();
        for turn in 0.. {
            let mut buf = [0; 997];
            let pause = Duration::from_micros(turn % 60);
            let Ok(len) = timeout(pause, file.read(&mut buf)).await else { continue };
            let len = len?;
            if len == 0 {
                break;
            }
            all.extend_from_slice(&buf[..len]);
        }
        assert!(all == data);
        Ok(())
    })
}

#[test]
fn an_abandoned_seek_is_done_before_the_next_read() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(1000))?;
        let file = File::open(dir.join("x")).await?;
        let mut buf = [0; 10];
        let mut same = fs::File::from(file.as_fd().try_clone_to_owned()?);
        // So that something was read ahead.
        file.read_exact(&mut buf).await?;
        file.read_exact(&mut buf).await?;
        {
            let mut seek = pin!(file.seek(SeekFrom::Start(100)));
            while poll_once(&mut seek).await.is_pending() && same.stream_position()? != 100 {
                sleep(Duration::from_micros(100)).await;
            }
        }
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 100);
        Ok(())
    })
}

#[test]
fn data_of_a_pipe_that_nobody_has_read_do_not_get_lost_on_the_way_out() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        abandon_a_read(&file, &mut other, b"hello").await?;
        let error = file.into_std().await.unwrap_err();
        assert!(error.to_string().contains("would be lost"), "{error}");
        Ok(())
    })
}

/// The reports while `main` runs, and until its loop has ended.
fn reports(main: impl Future<Output = Result<()>>) -> Result<Vec<String>> {
    let reports = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let reports = Arc::clone(&reports);
        move |unhandled: &Unhandled| {
            reports.lock().expect("nobody panics").push(unhandled.to_string());
        }
    };
    oneloop::Builder::new().on_unhandled(hook).run(main)?;
    let reports = reports.lock().expect("nobody panics").clone();
    Ok(reports)
}

#[test]
fn an_error_of_a_file_that_goes_on_another_thread_is_reported_to_its_loop() -> Result<()> {
    let reports = reports(async {
        let mut file = File::options().write(true).open("/dev/full").await?;
        assert_eq!(AsyncWriteExt::write(&mut file, b"x").await?, 1);
        // First a thread outside of the pool, then one of the pool.
        thread::spawn(move || drop(file)).join().unwrap();
        yield_now().await;
        let mut file = File::options().write(true).open("/dev/full").await?;
        assert_eq!(AsyncWriteExt::write(&mut file, b"x").await?, 1);
        to_thread(move || drop(file)).await;
        Ok(())
    })?;
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(
        reports.iter().all(|report| report.contains("cannot write `/dev/full`")),
        "{reports:?}"
    );
    Ok(())
}

#[test]
fn an_error_that_no_operation_follows_is_reported() -> Result<()> {
    let reports = reports(async {
        let mut file = File::options().write(true).open("/dev/full").await?;
        assert_eq!(AsyncWriteExt::write(&mut file, b"x").await?, 1);
        Ok(())
    })?;
    let said = reports.join("\n");
    assert!(
        said.contains("an operation failed, and nobody awaits it: cannot write `/dev/full`"),
        "{said}"
    );
    assert_eq!(reports.len(), 1, "{said}");
    Ok(())
}
