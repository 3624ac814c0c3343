//! Files when the process has no descriptors left, may not write more, or has lost its working
//! directory, or when the disk is full.
//!
//! Each test works in a separate process, because these states affect the whole process.

#![cfg(feature = "fs")]

use std::env;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::iter::{repeat_n, repeat_with};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use oneloop::fs::{self as ours, File, temp_dir, temp_file};
use oneloop::thread::to_thread;
use oneloop::{Builder, gather, sleep, timeout};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// How many may work at a time.
const THREADS: usize = 4;

const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

/// Runs this binary's test `name` in a child, by a shell that first runs `first`.
fn child(name: &str, shell: &[&str], first: &str) -> Result<Output> {
    Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", &format!(r#"{first} && exec "$0" "$@""#)])
        .arg(env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
}

/// Runs `test`, the body of the test called `name`, in a process that a shell starts after `first`.
fn in_child(name: &str, first: &str, test: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    if env::var_os(IN_CHILD).is_some() {
        return with_dir(test);
    }
    check(&child(name, &["sh"], first)?);
    Ok(())
}

fn check(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{}", said[0]);
}

fn with_dir(test: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    Builder::new().blocking_threads(THREADS).run(async {
        let dir = temp_dir().await?;
        timeout(LIMIT, test(dir.path())).await??;
        dir.close().await
    })
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    fs::read_dir(dir)?.map(|entry| entry.map(name)).collect()
}

/// The number of descriptors.
fn descriptors() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}

/// Takes all remaining descriptors.
fn hoard() -> Vec<fs::File> {
    repeat_with(|| fs::File::open("/dev/null")).map_while(Result::ok).collect()
}

#[test]
fn without_descriptors_each_way_to_open_is_an_error_and_nothing_leaks() -> Result<()> {
    let name = "without_descriptors_each_way_to_open_is_an_error_and_nothing_leaks";
    in_child(name, "ulimit -n 64", async |dir| {
        let path = dir.join("x");
        ours::write(&path, "x").await?;
        let file = File::open(&path).await?;
        let before = descriptors()?;
        let hoard = hoard();
        let errors = [
            File::open(&path).await.err(),
            ours::read(&path).await.err(),
            ours::write(&path, "y").await.err(),
            ours::append(&path, "y").await.err(),
            ours::copy(&path, dir.join("y")).await.err(),
            ours::write_replace(&path, "y").await.err(),
            ours::read_dir(dir).await.err(),
            temp_file().await.err(),
            file.try_clone().await.err(),
            file.lock().await.err(),
        ];
        for error in errors {
            let said = error.map_or_else(String::new, |error| error.to_string());
            assert!(said.starts_with("cannot ") && said.contains("open files"), "{said}");
        }
        drop(hoard);
        assert_eq!(descriptors()?, before);
        assert_eq!(names(dir)?, ["x"]);
        assert_eq!(ours::read(&path).await?, b"x");
        Ok(())
    })
}

#[test]
fn a_file_may_not_grow_beyond_the_limit_of_the_process() -> Result<()> {
    let name = "a_file_may_not_grow_beyond_the_limit_of_the_process";
    // In blocks of 512 bytes. Without the signal, which would end the process.
    in_child(name, "ulimit -f 200 && trap '' XFSZ", async |dir| {
        let path = dir.join("x");
        let large = vec![7; 300_000];
        let is_too_large = |error: &Error| error.kind() == ErrorKind::FileTooLarge;
        let refused = |done: Result<()>| done.is_err_and(|error| is_too_large(&error));

        ours::write(&path, "old").await?;
        assert!(refused(ours::write_replace(&path, &large).await));
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(names(dir)?, ["x"], "the temporary file is gone");

        assert!(refused(ours::write(&path, &large).await));
        assert_eq!(fs::metadata(&path)?.len(), 102_400, "what had room");
        let file = File::create(dir.join("y")).await?;
        assert_eq!(file.write(&large).await?, 102_400);
        assert!(refused(file.flush().await), "why it was not all");
        assert!(refused(file.write_all(&large).await));
        assert!(refused(file.set_len(200_000).await));
        file.flush().await?;
        file.rewind().await?;
        assert!(refused(file.write_all(&large).await), "also when some of it was written");
        Ok(())
    })
}

#[test]
fn without_a_working_directory_relative_paths_lead_nowhere() -> Result<()> {
    let name = "without_a_working_directory_relative_paths_lead_nowhere";
    let first = r#"gone=$(mktemp -d) && cd "$gone" && rmdir "$gone""#;
    in_child(name, first, async |dir| {
        let errors = [
            File::open("x").await.err(),
            ours::write("x", "x").await.err(),
            ours::write_replace("x", "x").await.err(),
            ours::canonicalize(".").await.err(),
            ours::create_dir_all("a/b").await.err(),
            temp_dir().inside("x").await.err(),
        ];
        for error in errors {
            let Some(error) = error else { panic!("there is no such directory") };
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().starts_with("cannot "), "{error}");
        }
        ours::write(dir.join("x"), "x").await?;
        assert_eq!(ours::read_to_string(dir.join("x")).await?, "x");
        Ok(())
    })
}

/// This needs root, to mount the disk.
#[test]
fn a_full_disk_loses_nothing_that_was_there() -> Result<()> {
    let name = "a_full_disk_loses_nothing_that_was_there";
    if env::var_os(IN_CHILD).is_none() {
        // A small disk, which disappears with the process.
        let disk = "mount -t tmpfs -o size=1m none /mnt && export TMPDIR=/mnt";
        let unshare = ["unshare", "--mount", "sh"];
        let may_mount = Command::new(unshare[0]).args(&unshare[1..]).args(["-c", disk]).status();
        if may_mount.is_ok_and(|status| status.success()) {
            check(&child(name, &unshare, disk)?);
        }
        return Ok(());
    }
    with_dir(async |dir| {
        let path = dir.join("x");
        let large = vec![7; 2_000_000];
        let is_full =
            |done: Result<()>| done.is_err_and(|error| error.kind() == ErrorKind::StorageFull);
        ours::write(&path, "old").await?;
        assert!(is_full(ours::write_replace(&path, &large).await));
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(names(dir)?, ["x"]);

        let file = File::create(dir.join("y")).await?;
        assert!(is_full(file.write_all(&large).await));
        assert!(is_full(ours::append(&path, &large).await));
        ours::remove_file(dir.join("y")).await?;
        drop(file);
        ours::write_replace(&path, "new").await?;
        assert_eq!(fs::read(&path)?, b"new");
        Ok(())
    })
}

#[test]
fn operations_that_are_given_up_leak_no_descriptors_and_no_files() -> Result<()> {
    let name = "operations_that_are_given_up_leak_no_descriptors_and_no_files";
    in_child(name, "ulimit -n 256", async |dir| {
        let path = dir.join("x");
        ours::write(&path, vec![7; 100_000]).await?;
        // The loop makes its own when it first waits.
        sleep(Duration::from_millis(1)).await;
        let before = descriptors()?;
        for turn in 0..60 {
            let pause = Duration::from_micros(turn * 4);
            drop(timeout(pause, ours::read(&path)).await);
            drop(timeout(pause, File::open(&path)).await);
            drop(timeout(pause, ours::copy(&path, dir.join("y"))).await);
            drop(timeout(pause, ours::write_replace(&path, "z")).await);
            drop(timeout(pause, ours::read_dir(dir)).await);
            drop(timeout(pause, temp_file().inside(dir)).await);
        }
        // Threads that are at work now finish: once all have met, they make nothing more, and only
        // remove files.
        let meeting = Arc::new(Barrier::new(THREADS));
        gather(repeat_n(meeting, THREADS).map(|meeting| to_thread(move || meeting.wait()))).await;
        for _ in 0..5000 {
            let is_clean = names(dir)?.iter().all(|name| name == "x" || name == "y");
            if is_clean && descriptors()? <= before {
                return Ok(());
            }
            sleep(Duration::from_millis(2)).await;
        }
        panic!("{} descriptors, {before} before; {:?}", descriptors()?, names(dir)?);
    })
}
