//! Bad input and faults: each is an error of the right kind, which names the path.

use std::cell::RefCell;
use std::fs;
use std::future::Future;
use std::io::{Error, ErrorKind, Result, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use oneloop::fs::{self as ours, File, symlink, temp_dir};
use oneloop::{Unhandled, create_task, sleep, timeout};

use super::{bytes, run};

fn check(error: &Error, kind: ErrorKind, path: &Path) {
    assert_eq!(error.kind(), kind, "{error}");
    let said = error.to_string();
    assert!(
        said.starts_with("cannot ") && said.contains(&format!("`{}`", path.display())),
        "{said}"
    );
}

#[test]
fn a_missing_file_is_not_found_whatever_is_done_with_it() -> Result<()> {
    run(async |dir| {
        let path = dir.join("missing");
        let errors = [
            File::open(&path).await.err(),
            ours::read(&path).await.err(),
            ours::read_to_string(&path).await.err(),
            ours::copy(&path, dir.join("x")).await.err(),
            ours::rename(&path, dir.join("x")).await.err(),
            ours::remove_file(&path).await.err(),
            ours::remove_dir(&path).await.err(),
            ours::remove_dir_all(&path).await.err(),
            ours::read_dir(&path).await.err(),
            ours::metadata(&path).await.err(),
            ours::symlink_metadata(&path).await.err(),
            ours::canonicalize(&path).await.err(),
            ours::hard_link(&path, dir.join("x")).await.err(),
            ours::read_link(&path).await.err(),
            ours::set_permissions(&path, fs::metadata(dir)?.permissions()).await.err(),
        ];
        for error in errors {
            check(&error.unwrap(), ErrorKind::NotFound, &path);
        }
        let below = path.join("x");
        let errors = [
            ours::write(&below, "x").await.err(),
            ours::append(&below, "x").await.err(),
            ours::create_dir(&below).await.err(),
            symlink("x", &below).await.err(),
        ];
        for error in errors {
            check(&error.unwrap(), ErrorKind::NotFound, &below);
        }
        assert!(super::names(dir).is_empty());
        Ok(())
    })
}

#[test]
fn a_full_disk_is_an_error_of_its_own_kind() -> Result<()> {
    run(async |dir| {
        let full = Path::new("/dev/full");
        check(&ours::write(full, "x").await.unwrap_err(), ErrorKind::StorageFull, full);
        check(&ours::append(full, "x").await.unwrap_err(), ErrorKind::StorageFull, full);
        fs::write(dir.join("x"), "x")?;
        let error = ours::copy(dir.join("x"), full).await.unwrap_err();
        check(&error, ErrorKind::StorageFull, full);
        let file = File::options().write(true).open(full).await?;
        check(&file.write(b"x").await.unwrap_err(), ErrorKind::StorageFull, full);
        check(&file.write_all(b"x").await.unwrap_err(), ErrorKind::StorageFull, full);
        check(&file.write_all_at(b"x", 3).await.unwrap_err(), ErrorKind::StorageFull, full);
        file.flush().await?;
        file.close().await
    })
}

#[test]
fn a_directory_is_no_file_and_a_file_no_directory() -> Result<()> {
    run(async |dir| {
        check(&ours::read(dir).await.unwrap_err(), ErrorKind::IsADirectory, dir);
        check(&ours::write(dir, "x").await.unwrap_err(), ErrorKind::IsADirectory, dir);
        check(&ours::copy(dir, dir.join("x")).await.unwrap_err(), ErrorKind::InvalidInput, dir);
        let file = File::open(dir).await?;
        check(&file.read(&mut [0; 8]).await.unwrap_err(), ErrorKind::IsADirectory, dir);
        let path = dir.join("file");
        fs::write(&path, "x")?;
        check(&ours::read_dir(&path).await.unwrap_err(), ErrorKind::NotADirectory, &path);
        let below = path.join("x");
        check(&File::open(&below).await.unwrap_err(), ErrorKind::NotADirectory, &below);
        Ok(())
    })
}

#[test]
fn what_a_file_was_not_opened_for_is_an_error() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        fs::write(&path, bytes(100))?;
        let read_only = File::open(&path).await?;
        let write_only = File::create(dir.join("y")).await?;
        let mut buf = [0; 8];
        for error in [
            read_only.write(b"x").await.err(),
            read_only.write_at(b"x", 0).await.err(),
            read_only.set_len(3).await.err(),
        ] {
            assert!(error.unwrap().to_string().contains(path.to_str().unwrap()));
        }
        assert!(write_only.read(&mut buf).await.is_err());
        assert!(write_only.read_at(&mut buf, 0).await.is_err());
        assert_eq!(read_only.read(&mut buf).await?, 8, "it is still usable");
        let nothing = File::options().open(&path).await.unwrap_err();
        check(&nothing, ErrorKind::InvalidInput, &path);
        let exists = File::create_new(&path).await.unwrap_err();
        check(&exists, ErrorKind::AlreadyExists, &path);
        let error = read_only.read_exact(&mut [0; 200]).await.unwrap_err();
        check(&error, ErrorKind::UnexpectedEof, &path);
        Ok(())
    })
}

#[test]
fn links_in_a_circle_are_an_error() -> Result<()> {
    run(async |dir| {
        let (a, b) = (dir.join("a"), dir.join("b"));
        symlink("b", &a).await?;
        symlink("a", &b).await?;
        for error in [
            File::open(&a).await.err(),
            ours::metadata(&a).await.err(),
            ours::canonicalize(&a).await.err(),
            ours::try_exists(&a).await.err(),
            ours::write_replace(&a, "x").await.err(),
        ] {
            let said = error.unwrap().to_string();
            assert!(
                said.contains("symbolic links") && said.contains(a.to_str().unwrap()),
                "{said}"
            );
        }
        assert_eq!(super::names(dir).len(), 2);
        Ok(())
    })
}

#[test]
fn what_may_not_be_done_is_denied() -> Result<()> {
    run(async |dir| {
        // This is forbidden even to root.
        let path = Path::new("/proc/version");
        check(&ours::remove_file(path).await.unwrap_err(), ErrorKind::PermissionDenied, path);
        if fs::metadata(dir)?.uid() == 0 {
            return Ok(());
        }
        let path = dir.join("x");
        super::write_with_mode(&path, "x", 0o000)?;
        check(&File::open(&path).await.unwrap_err(), ErrorKind::PermissionDenied, &path);
        check(&ours::read(&path).await.unwrap_err(), ErrorKind::PermissionDenied, &path);
        Ok(())
    })
}

#[test]
fn a_name_with_a_zero_or_without_end_is_an_error() -> Result<()> {
    run(async |dir| {
        let zero = dir.join("a\0b");
        assert_eq!(File::open(&zero).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(ours::read_dir(&zero).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let long = dir.join("x".repeat(300));
        let error = ours::write(&long, "x").await.unwrap_err();
        assert!(error.to_string().contains("name too long"), "{error}");
        assert_eq!(ours::read("").await.unwrap_err().kind(), ErrorKind::NotFound);
        Ok(())
    })
}

#[test]
fn a_file_that_is_removed_is_read_to_its_end() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        let data = bytes(9_000_000);
        fs::write(&path, &data)?;
        let read = ours::read(&path).progress(|_, _| drop(fs::remove_file(&path))).await?;
        assert!(read == data);
        assert!(!path.exists());
        Ok(())
    })
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_ends_there() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        fs::write(&path, bytes(9_000_000))?;
        let cut =
            |_, _| fs::File::options().write(true).open(&path).unwrap().set_len(8_500_000).unwrap();
        assert_eq!(ours::read(&path).progress(cut).await?.len(), 8_500_000);
        Ok(())
    })
}

#[test]
fn a_named_pipe_without_another_end_holds_up_nobody() -> Result<()> {
    run(async |dir| {
        let path = dir.join("pipe");
        mkfifo(&path, Mode::S_IRWXU)?;
        let opening = {
            let path = path.clone();
            create_task(async move { File::open(&path).await })
        };
        sleep(Duration::from_millis(3)).await;
        assert!(!opening.is_finished());
        assert!(timeout(Duration::from_millis(3), File::open(&path)).await.is_err());
        // The other end, for all waiting calls.
        let mut other = fs::OpenOptions::new().read(true).write(true).open(&path)?;
        let file = opening.await??;
        other.write_all(b"hello")?;
        let mut buf = [0; 5];
        file.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"hello");
        let error = file.seek(SeekFrom::Start(0)).await.unwrap_err();
        check(&error, ErrorKind::NotSeekable, &path);
        assert!(file.read_at(&mut buf, 0).await.is_err());
        drop(other);
        assert_eq!(file.read(&mut buf).await?, 0);
        Ok(())
    })
}

/// The report at the end of a loop about an operation on a named pipe whose other end stays closed.
///
/// A call that no thread has begun is taken back without a report. On a busy machine a thread may
/// take a while, so the time grows.
fn reported<F: Future>(mut operation: impl FnMut(PathBuf) -> F) -> Result<Vec<Unhandled>> {
    let mut reports = Vec::new();
    let mut time = Duration::from_millis(10);
    while reports.is_empty() && time < Duration::from_secs(10) {
        reports = reported_after(time, &mut operation)?;
        time *= 2;
    }
    Ok(reports)
}

fn reported_after<F: Future>(
    time: Duration,
    operation: &mut impl FnMut(PathBuf) -> F,
) -> Result<Vec<Unhandled>> {
    let dir = oneloop::run(async { temp_dir().await })?;
    let path = dir.path().join("pipe");
    mkfifo(&path, Mode::S_IRWXU)?;
    let reports = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&reports);
    let builder = oneloop::Builder::new()
        .cleanup_timeout(Duration::from_millis(5))
        .on_unhandled(move |unhandled| seen.borrow_mut().push(unhandled.clone()));
    builder.run(async {
        assert!(timeout(time, operation(path.clone())).await.is_err());
    });
    fs::OpenOptions::new().read(true).write(true).open(&path)?;
    Ok(reports.take())
}

#[test]
fn a_read_that_is_cut_off_is_reported_with_path_place_and_remedy() -> Result<()> {
    let mut line = 0;
    let reports = reported(|path| {
        line = line!() + 1;
        ours::read(path)
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let report = &reports[0];
    assert!(report.is_call() && !report.is_panic());
    let place = report.place().expect("it is known");
    assert_eq!((place.file(), place.line()), (file!(), line));
    let text = report.to_string();
    assert!(text.starts_with("a call on another thread, to read `/"), "{text}");
    assert!(text.contains("/pipe`, made at tests/os/fs/faults.rs:"), "{text}");
    assert!(text.contains("`io::pipe::open_receiver`"), "{text}");
    assert!(!text.contains("check_cancelled") && !text.contains("src/"), "{text}");
    Ok(())
}

#[test]
fn an_open_that_is_cut_off_is_reported_with_path_and_place() -> Result<()> {
    let reports = reported(|path| File::options().read(true).open(path))?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].place().expect("it is known").file(), file!());
    assert!(reports[0].to_string().contains(", to open `/"), "{reports:?}");
    Ok(())
}

#[test]
fn what_is_cut_off_is_reported_without_a_place_that_nobody_knows() -> Result<()> {
    let reports = reported(async |path| File::open(path).await)?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].is_call() && reports[0].place().is_none(), "{reports:?}");
    let text = reports[0].to_string();
    assert!(text.contains("/pipe`, was cut off: its thread goes on"), "{text}");
    Ok(())
}
