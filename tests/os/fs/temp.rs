//! Temporary files and directories.

use std::cell::Cell;
use std::fs;
use std::future::pending;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use oneloop::fs::{temp_dir, temp_file, write};
use oneloop::{create_task, sleep, timeout, yield_now};

use super::{names, poll_once, run};

#[test]
fn they_are_for_their_owner_alone_and_have_names_of_their_own() -> Result<()> {
    run(async |dir| {
        let a = temp_dir().inside(dir).await?;
        let b = temp_dir().inside(dir).prefix("pre").suffix("post").await?;
        let c = temp_file().inside(dir).suffix(".txt").await?;
        assert_eq!(fs::metadata(a.path())?.permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(c.path())?.permissions().mode() & 0o777, 0o600);
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (a, b, c) = (name(a.path()), name(b.path()), name(c.path()));
        assert!(a.starts_with("tmp-") && a.len() == 20, "{a}");
        assert!(b.starts_with("pre") && b.ends_with("post"), "{b}");
        assert!(c.ends_with("xt") && a != c, "{c}");
        Ok(())
    })
}

#[test]
fn they_are_removed_when_they_are_dropped() -> Result<()> {
    run(async |dir| {
        let task = {
            let dir = dir.to_owned();
            create_task(async move {
                let inner = temp_dir().inside(&dir).await?;
                write(inner.path().join("x"), "x").await?;
                fs::create_dir(inner.path().join("sub"))?;
                let _file = temp_file().inside(&dir).await?;
                assert_eq!(names(&dir).len(), 2);
                Result::Ok(())
            })
        };
        task.await??;
        assert!(names(dir).is_empty(), "when the task has ended, they are gone");
        Ok(())
    })
}

#[test]
fn a_timeout_waits_until_they_are_removed() -> Result<()> {
    run(async |dir| {
        let are_made = Cell::new(false);
        // Removing a file that is abandoned while it is made may take longer.
        for pause in (0..).map(|turn| Duration::from_millis(5 << turn)) {
            let work = async {
                let _dir = temp_dir().inside(dir).await.unwrap();
                let _file = temp_file().inside(dir).await.unwrap();
                are_made.set(true);
                pending::<()>().await;
            };
            assert!(timeout(pause, work).await.is_err());
            if are_made.get() {
                break;
            }
        }
        assert!(names(dir).is_empty());
        Ok(())
    })
}

#[test]
fn they_are_removed_at_the_end_of_the_loop() -> Result<()> {
    let dir = oneloop::run(temp_dir())?.keep();
    oneloop::run(async {
        let inner = temp_dir().inside(&dir).await?;
        let path = inner.path().join("x");
        let task = create_task(async move {
            write(inner.path().join("x"), "x").await.unwrap();
            pending::<()>().await;
        });
        while !path.exists() {
            yield_now().await;
        }
        assert_eq!(names(&dir).len(), 1);
        drop(task);
        Result::Ok(())
    })?;
    assert!(names(&dir).is_empty());
    fs::remove_dir(dir)
}

#[test]
fn they_are_removed_where_no_loop_runs() -> Result<()> {
    let outlives = oneloop::run(temp_dir())?;
    let path = outlives.path().to_owned();
    fs::write(path.join("x"), "x")?;
    drop(outlives);
    assert!(!path.exists());
    let elsewhere = oneloop::run(async { Result::Ok((temp_dir().await?, temp_file().await?)) })?;
    let paths = [elsewhere.0.path().to_owned(), elsewhere.1.path().to_owned()];
    thread::spawn(move || drop(elsewhere)).join().unwrap();
    assert!(paths.iter().all(|path| !path.exists()));
    Ok(())
}

#[test]
fn given_up_while_they_are_made_they_leave_nothing_behind() -> Result<()> {
    run(async |dir| {
        for turn in 0..40 {
            let pause = Duration::from_micros(turn * 5);
            drop(timeout(pause, temp_dir().inside(dir)).await);
            drop(timeout(pause, temp_file().inside(dir)).await);
        }
        {
            let mut making = pin!(temp_dir().inside(dir));
            if poll_once(&mut making).await.is_pending() {
                while names(dir).is_empty() {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            // It exists, and was not taken.
        }
        // Threads that are at work now finish.
        while !names(dir).is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    })
}

#[test]
fn they_can_be_kept_and_closed() -> Result<()> {
    run(async |dir| {
        let kept = temp_dir().inside(dir).await?.keep();
        assert!(kept.is_dir());
        let (file, path) = temp_file().inside(dir).await?.keep();
        file.write_all(b"x").await?;
        assert_eq!(fs::read(path)?, b"x");
        let closed = temp_dir().inside(dir).await?;
        closed.close().await?;
        let gone = temp_file().inside(dir).await?;
        fs::remove_file(gone.path())?;
        gone.close().await?;
        assert_eq!(names(dir).len(), 2);
        Ok(())
    })
}

#[test]
fn one_that_cannot_be_removed_is_reported() -> Result<()> {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let reports = Arc::clone(&reported);
    let hook = move |unhandled: &oneloop::Unhandled| {
        reports.lock().unwrap().push(unhandled.to_string());
    };
    let dir = oneloop::Builder::new().on_unhandled(hook).run(async {
        let dir = temp_dir().await?;
        let file = temp_file().inside(dir.path()).await?;
        // A directory has replaced the file.
        fs::remove_file(file.path())?;
        fs::create_dir(file.path())?;
        drop(file);
        yield_now().await;
        Result::Ok(dir)
    })?;
    let reported = reported.lock().unwrap().join("\n");
    assert!(reported.contains("cannot remove the temporary `"), "{reported}");
    drop(dir);
    Ok(())
}

#[test]
fn a_prefix_does_not_lead_elsewhere() -> Result<()> {
    run(async |dir| {
        for prefix in ["../", "/tmp/x"] {
            let error = temp_dir().inside(dir).prefix(prefix).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = temp_file().inside(dir).suffix(prefix).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        Ok(())
    })
}

#[test]
fn a_directory_that_is_missing_is_an_error_with_its_path() -> Result<()> {
    run(async |dir| {
        for error in [
            temp_dir().inside(dir.join("missing")).await.err(),
            temp_file().inside(dir.join("missing")).await.err(),
        ] {
            let error = error.unwrap();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains("missing`"), "{error}");
        }
        Ok(())
    })
}
