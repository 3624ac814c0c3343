//! Operations that nobody awaits to their end: nothing is lost, and no error is silent.

use std::fs;
use std::io::{ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures::AsyncWriteExt;
use oneloop::Unhandled;
use oneloop::fs::File;
use oneloop::thread::to_thread;
use oneloop::{create_task, sleep, timeout, yield_now};

use super::{LIMIT, bytes, pipe, poll_once, run};

/// Long enough for a thread to begin.
const A_MOMENT: Duration = Duration::from_millis(5);

async fn is_given_up<T>(future: impl Future<Output = T>) -> bool {
    timeout(A_MOMENT, future).await.is_err()
}

#[test]
fn what_an_abandoned_read_has_read_is_given_to_the_next() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        let mut buf = [0; 16];
        assert!(is_given_up(file.read(&mut buf)).await);
        other.write_all(b"hello")?;
        // That the thread has it, and nobody reads.
        sleep(A_MOMENT).await;
        let mut two = [0; 2];
        assert_eq!(file.read(&mut two).await?, 2);
        assert_eq!(&two, b"he");
        assert_eq!(file.read(&mut buf).await?, 3);
        assert_eq!(&buf[..3], b"llo");
        Ok(())
    })
}

#[test]
fn the_next_operation_waits_for_an_abandoned_one() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        assert!(is_given_up(file.read(&mut [0; 16])).await);
        let file = Rc::new(file);
        let writing = Rc::clone(&file);
        let write = create_task(async move { writing.write_all(b"second").await });
        sleep(A_MOMENT).await;
        assert!(!write.is_finished());
        other.write_all(b"first")?;
        write.await??;
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 5);
        assert_eq!(file.read(&mut buf).await?, 6);
        assert_eq!(&buf[..6], b"second");
        Ok(())
    })
}

#[test]
fn an_abandoned_write_is_done_to_its_end() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        // More than a pipe takes.
        let data = bytes(300_000);
        assert!(is_given_up(file.write(&data)).await);
        let reader = thread::spawn(move || {
            let mut buf = vec![0; 300_004];
            other.read_exact(&mut buf).unwrap();
            buf
        });
        timeout(LIMIT, file.write_all(b"next")).await??;
        let read = reader.join().unwrap();
        assert!(read[..300_000] == data);
        assert_eq!(&read[300_000..], b"next");
        Ok(())
    })
}

#[test]
fn dropping_a_file_does_not_stop_its_write() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        let data = bytes(300_000);
        assert!(is_given_up(file.write(&data)).await);
        drop(file);
        let mut buf = vec![0; 300_000];
        other.read_exact(&mut buf)?;
        assert!(buf == data);
        Ok(())
    })
}

#[test]
fn the_error_of_an_abandoned_operation_is_that_of_the_next() -> Result<()> {
    run(async |dir| {
        let (both, mut reader) = pipe(dir).await?;
        let file = File::options().write(true).open(dir.join("pipe")).await?;
        drop(both);
        let data = bytes(300_000);
        let mut write = Box::pin(file.write(&data));
        assert!(poll_once(&mut write.as_mut()).await.is_pending());
        // Now it has begun, and waits for room.
        reader = to_thread(move || reader.read_exact(&mut [0; 1]).map(|()| reader)).await?;
        drop(write);
        drop(reader);
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
        let (file, mut other) = pipe(dir).await?;
        assert!(is_given_up(file.read(&mut [0; 16])).await);
        assert!(is_given_up(file.write_all(b"never")).await);
        assert!(is_given_up(file.write_all(b"neither")).await);
        other.write_all(b"a")?;
        file.write_all(b"b").await?;
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 1);
        assert_eq!(file.read(&mut buf).await?, 1);
        assert_eq!(buf[0], b'b');
        Ok(())
    })
}

#[test]
fn whoever_leaves_the_line_lets_the_next_one_through() -> Result<()> {
    run(async |dir| {
        let (file, mut other) = pipe(dir).await?;
        let file = Rc::new(file);
        let begin = |byte: u8| {
            let file = Rc::clone(&file);
            create_task(async move { file.write_all(&[byte]).await })
        };
        assert!(is_given_up(file.read(&mut [0; 16])).await);
        let tasks: Vec<_> = (b'a'..=b'e').map(begin).collect();
        yield_now().await;
        for index in [0, 2, 4] {
            tasks[index].cancel();
        }
        other.write_all(b"-")?;
        let mut done = 0;
        for task in tasks {
            done += u32::from(task.await.is_ok());
        }
        assert_eq!(done, 2);
        let mut buf = [0; 16];
        assert_eq!(file.read(&mut buf).await?, 1);
        assert_eq!(file.read(&mut buf).await?, 2);
        assert_eq!(&buf[..2], b"bd");
        Ok(())
    })
}

/// At each moment of the operation once.
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
        assert!(is_given_up(file.read(&mut [0; 16])).await);
        other.write_all(b"hello")?;
        let error = file.into_std().await.unwrap_err();
        assert!(error.to_string().contains("would be lost"), "{error}");
        Ok(())
    })
}

/// What is reported while `main` runs, and until its loop has ended.
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
