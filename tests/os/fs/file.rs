//! `File`: reading, writing, the position, metadata.

use std::fs;
use std::io::{ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use oneloop::fs::{self as ours, File, FileTimes, Permissions};
use oneloop::{create_task, gather};

use super::{bytes, run};

#[test]
fn what_is_written_is_read_again() -> Result<()> {
    run(async |dir| {
        let file = File::create_new(dir.join("x")).await?;
        file.write_all(b"hello ").await?;
        assert_eq!(file.write(b"world").await?, 5);
        assert_eq!(file.write(b"").await?, 0);
        assert_eq!(fs::read(dir.join("x"))?, b"hello world");
        file.rewind().await?;
        let mut buf = [0; 5];
        file.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"hello");
        assert_eq!(file.read(&mut []).await?, 0);
        let mut rest = "rest:".to_owned();
        assert_eq!(file.read_to_string(&mut rest).await?, 6);
        assert_eq!(rest, "rest: world");
        assert_eq!(file.read(&mut buf).await?, 0);
        Ok(())
    })
}

#[test]
fn a_large_file_goes_through_in_chunks() -> Result<()> {
    run(async |dir| {
        let data = bytes(2_000_003);
        let file = File::create_new(dir.join("x")).await?;
        assert_eq!(file.write(&data).await?, 512 * 1024);
        file.rewind().await?;
        file.write_all(&data).await?;
        file.rewind().await?;
        let mut buf = vec![0; data.len()];
        assert_eq!(file.read(&mut buf).await?, 512 * 1024);
        file.rewind().await?;
        file.read_exact(&mut buf).await?;
        assert!(buf == data);
        file.rewind().await?;
        let mut buf = b"before".to_vec();
        assert_eq!(file.read_to_end(&mut buf).await?, data.len());
        assert!(buf[6..] == data);
        Ok(())
    })
}

#[test]
fn small_reads_in_a_row_see_all_that_is_there() -> Result<()> {
    run(async |dir| {
        let data = bytes(300_000);
        fs::write(dir.join("x"), &data)?;
        let file = File::open(dir.join("x")).await?;
        let mut all = Vec::new();
        for len in (1..).map(|turn| turn * 7 % 1000 + 1) {
            let mut buf = vec![0; len];
            let len = file.read(&mut buf).await?;
            if len == 0 {
                break;
            }
            all.extend_from_slice(&buf[..len]);
            assert_eq!(file.stream_position().await?, all.len() as u64);
        }
        assert!(all == data);
        Ok(())
    })
}

#[test]
fn the_position_is_that_of_what_was_read_although_more_was_read_ahead() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(100_000))?;
        let file = File::options().read(true).write(true).open(dir.join("x")).await?;
        let mut buf = [0; 10];
        for _ in 0..3 {
            file.read_exact(&mut buf).await?;
        }
        // The descriptor's own position shows that it was read ahead.
        let mut same = fs::File::from(file.as_fd().try_clone_to_owned()?);
        assert!(same.stream_position()? > 30);
        assert_eq!(file.stream_position().await?, 30);
        assert_eq!(file.seek(SeekFrom::Current(-5)).await?, 25);
        assert_eq!(same.stream_position()?, 25);
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 25);

        file.read_exact(&mut buf).await?;
        file.read_exact(&mut buf).await?;
        file.write_all(b"here").await?;
        assert_eq!(file.stream_position().await?, 59);
        let mut four = [0; 4];
        file.read_exact_at(&mut four, 55).await?;
        assert_eq!(&four, b"here");
        Ok(())
    })
}

#[test]
fn what_was_read_ahead_is_read_anew_after_a_write() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), vec![b'a'; 50_000])?;
        let file = File::options().read(true).write(true).open(dir.join("x")).await?;
        let mut buf = [0; 10];
        file.read_exact(&mut buf).await?;
        file.read_exact(&mut buf).await?;
        file.write_all_at(b"new", 21).await?;
        file.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"anewaaaaaa");
        file.set_len(32).await?;
        assert_eq!(file.read(&mut buf).await?, 2);
        assert_eq!(file.read(&mut buf).await?, 0);
        Ok(())
    })
}

#[test]
fn a_file_that_grows_is_read_on() -> Result<()> {
    run(async |dir| {
        let mut log = fs::File::create(dir.join("log"))?;
        let file = File::open(dir.join("log")).await?;
        let mut text = String::new();
        for line in ["one\n", "two\n", "three\n"] {
            assert_eq!(file.read(&mut [0; 8]).await?, 0);
            log.write_all(line.as_bytes())?;
            file.read_to_string(&mut text).await?;
        }
        assert_eq!(text, "one\ntwo\nthree\n");
        Ok(())
    })
}

#[test]
fn seeking_is_as_in_the_standard_library() -> Result<()> {
    run(async |dir| {
        let file = File::create_new(dir.join("x")).await?;
        assert_eq!(file.seek(SeekFrom::Start(10)).await?, 10);
        file.write_all(b"end").await?;
        assert_eq!(fs::read(dir.join("x"))?, b"\0\0\0\0\0\0\0\0\0\0end");
        assert_eq!(file.seek(SeekFrom::End(-3)).await?, 10);
        assert_eq!(file.seek(SeekFrom::Current(2)).await?, 12);
        let error = file.seek(SeekFrom::Current(-100)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(file.stream_position().await?, 12);
        for huge in [SeekFrom::Current(i64::MIN), SeekFrom::End(i64::MIN)] {
            assert!(file.seek(huge).await.is_err());
        }
        Ok(())
    })
}

#[test]
fn positioned_operations_leave_the_position_alone() -> Result<()> {
    run(async |dir| {
        let file = File::create_new(dir.join("x")).await?;
        file.write_all(b"0123456789").await?;
        file.seek(SeekFrom::Start(2)).await?;
        assert_eq!(file.write_at(b"XY", 5).await?, 2);
        let (mut a, mut b, mut c) = ([0; 3], [0; 3], [0; 9]);
        let (first, second, third) =
            gather!(file.read_at(&mut a, 4), file.read_at(&mut b, 9), file.read_at(&mut c, 10))
                .await;
        assert_eq!((first?, second?, third?), (3, 1, 0));
        assert_eq!((&a, b[0]), (b"4XY", b'9'));
        let error = file.read_exact_at(&mut c, 5).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert_eq!(file.stream_position().await?, 2);
        Ok(())
    })
}

#[test]
fn a_large_file_is_read_and_written_at_a_position_in_chunks() -> Result<()> {
    run(async |dir| {
        let data = bytes(1_500_000);
        let file = File::create_new(dir.join("x")).await?;
        file.write_all_at(&data, 100).await?;
        let mut buf = vec![0; data.len()];
        file.read_exact_at(&mut buf, 100).await?;
        assert!(buf == data);
        Ok(())
    })
}

/// Each line is in one piece, however many tasks write.
#[test]
fn tasks_that_share_a_file_take_turns() -> Result<()> {
    run(async |dir| {
        let file = Rc::new(File::create(dir.join("log")).await?);
        let write = |number: usize| {
            let file = Rc::clone(&file);
            // Longer than a chunk, so they could mix.
            let line = format!("{}\n", number.to_string().repeat(600_000));
            create_task(async move { file.write_all(line.as_bytes()).await })
        };
        let tasks: Vec<_> = (0..4).map(write).collect();
        for task in tasks {
            task.await??;
        }
        let log = fs::read_to_string(dir.join("log"))?;
        let lines: Vec<_> = log.lines().map(|line| (line.len(), &line[..1])).collect();
        let first = |number| (600_000, number);
        assert_eq!(lines, [first("0"), first("1"), first("2"), first("3")], "in their order");
        for line in log.lines() {
            assert!(line.bytes().all(|byte| byte == line.as_bytes()[0]));
        }
        Ok(())
    })
}

#[test]
fn appending_goes_to_the_end_whoever_else_writes() -> Result<()> {
    run(async |dir| {
        let open = || File::options().append(true).create(true).open(dir.join("log"));
        let (a, b) = (open().await?, open().await?);
        a.write_all(b"a1 ").await?;
        b.write_all(b"b1 ").await?;
        a.write_all(b"a2 ").await?;
        assert_eq!(fs::read(dir.join("log"))?, b"a1 b1 a2 ");
        Ok(())
    })
}

#[test]
fn what_is_known_of_a_file_can_be_asked_and_set() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        let file = File::options().write(true).create_new(true).mode(0o640).open(&path).await?;
        assert_eq!(file.path(), Some(&*path));
        assert_eq!(file.metadata().await?.permissions().mode() & 0o777, 0o640);
        file.set_permissions(Permissions::from_mode(0o600)).await?;
        file.set_len(1234).await?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        file.set_times(FileTimes::new().set_modified(time)).await?;
        let metadata = fs::metadata(&path)?;
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(metadata.len(), 1234);
        assert_eq!(metadata.modified()?, time);
        file.sync_data().await?;
        file.sync_all().await?;
        assert!(format!("{file:?}").contains("path"));
        Ok(())
    })
}

#[test]
fn a_clone_has_the_same_position() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(1000))?;
        let file = File::open(dir.join("x")).await?;
        let mut buf = [0; 10];
        file.read_exact(&mut buf).await?;
        file.read_exact(&mut buf).await?;
        let clone = file.try_clone().await?;
        for (turn, file) in [&clone, &file, &clone, &clone, &file, &file].into_iter().enumerate() {
            file.read_exact(&mut buf).await?;
            assert_eq!(usize::from(buf[0]), 20 + turn * 10);
        }
        Ok(())
    })
}

#[test]
fn a_file_comes_from_the_standard_library_and_goes_there_at_its_position() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(1000))?;
        let mut std = fs::File::open(dir.join("x"))?;
        std.seek(SeekFrom::Start(5))?;
        let file = File::from_std(std);
        assert_eq!(file.path(), None);
        let mut buf = [0; 10];
        file.read_exact(&mut buf).await?;
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 15);
        let mut std = file.into_std().await?;
        std.read_exact(&mut buf)?;
        assert_eq!(buf[0], 25);
        let file = File::from(OwnedFd::from(std));
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 35);
        file.close().await
    })
}

#[test]
fn a_file_goes_to_another_loop() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(1000))?;
        let file = File::open(dir.join("x")).await?;
        file.read_exact(&mut [0; 10]).await?;
        let elsewhere = thread::spawn(|| {
            oneloop::run(async {
                let mut buf = [0; 10];
                file.read_exact(&mut buf).await?;
                Result::Ok((buf[0], file))
            })
        });
        let (first, file) = elsewhere.join().unwrap()?;
        assert_eq!(first, 10);
        let mut buf = [0; 10];
        file.read_exact(&mut buf).await?;
        assert_eq!(buf[0], 20);
        Ok(())
    })
}

#[test]
fn without_a_loop_each_operation_is_an_error_that_says_so() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("x"), bytes(1000))?;
        let file = File::open(dir.join("x")).await?;
        let elsewhere = thread::spawn(|| {
            let mut buf = [0; 10];
            let errors = [
                error_of(file.read(&mut buf)),
                error_of(file.read_at(&mut buf, 0)),
                error_of(ours::read("/dev/null")),
                error_of(ours::write("/dev/null", "x")),
                error_of(ours::metadata("/")),
                error_of(ours::temp_dir()),
                error_of(ours::read_dir("/")),
            ];
            drop(file);
            errors
        });
        for error in elsewhere.join().unwrap() {
            assert!(error.contains("inside `oneloop::run`"), "{error}");
        }
        Ok(())
    })
}

/// The panic of a future that is polled without a loop.
fn error_of<T>(future: impl Future<Output = Result<T>>) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut cx) {
        Poll::Ready(Err(error)) => error.to_string(),
        Poll::Ready(Ok(_)) | Poll::Pending => "no error".to_owned(),
    }
}
