//! `write_replace`.

use std::fs;
use std::io::{ErrorKind, Read as _, Result};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use oneloop::fs::{symlink, write_replace};
use oneloop::timeout;

use super::{bytes, names, run, write_with_mode};

#[test]
fn a_file_is_made_or_replaced() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        write_replace(&path, "old").await?;
        let mut old = fs::File::open(&path)?;
        let data = bytes(2_500_000);
        let mut steps = Vec::new();
        write_replace(&path, &data).progress(|done, total| steps.push((done, total))).await?;
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[2], (2_500_000, 2_500_000));
        assert!(fs::read(&path)? == data);
        let mut text = String::new();
        old.read_to_string(&mut text)?;
        assert_eq!(text, "old", "whoever has it open goes on reading the old one");
        assert_eq!(names(dir), [Path::new("x")]);
        Ok(())
    })
}

#[test]
fn the_permissions_stay_and_those_of_a_new_file_are_as_usual() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        write_with_mode(&path, "old", 0o640)?;
        write_replace(&path, "new").await?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o7777, 0o640);
        let (a, b) = (dir.join("a"), dir.join("b"));
        fs::write(&a, "")?;
        write_replace(&b, "").await?;
        assert_eq!(fs::metadata(&b)?.mode(), fs::metadata(&a)?.mode());
        Ok(())
    })
}

#[test]
fn the_owner_stays_if_we_may_say_so() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        if fs::metadata(dir)?.uid() != 0 {
            return Ok(());
        }
        write_with_mode(&path, "old", 0o600)?;
        chown(&path, Some(12), Some(34))?;
        write_replace(&path, "new").await?;
        let metadata = fs::metadata(&path)?;
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (12, 34, 0o600));
        Ok(())
    })
}

#[test]
fn a_symbolic_link_stays() -> Result<()> {
    run(async |dir| {
        fs::create_dir(dir.join("sub"))?;
        fs::write(dir.join("sub/target"), "old")?;
        symlink("sub/target", dir.join("link")).await?;
        write_replace(dir.join("link"), "new").await?;
        assert!(fs::symlink_metadata(dir.join("link"))?.is_symlink());
        assert_eq!(fs::read(dir.join("sub/target"))?, b"new");
        assert_eq!(names(&dir.join("sub")), [Path::new("target")]);
        Ok(())
    })
}

#[test]
fn a_symbolic_link_to_a_file_that_is_not_there_yet_stays() -> Result<()> {
    run(async |dir| {
        fs::create_dir(dir.join("sub"))?;
        symlink("sub/second", dir.join("first")).await?;
        symlink("../target", dir.join("sub/second")).await?;
        write_replace(dir.join("first"), "new").await?;
        for link in ["first", "sub/second"] {
            assert!(fs::symlink_metadata(dir.join(link))?.is_symlink(), "{link}");
            assert_eq!(fs::read(dir.join(link))?, b"new");
        }
        assert!(fs::symlink_metadata(dir.join("target"))?.is_file());
        symlink("circle", dir.join("circle")).await?;
        assert!(write_replace(dir.join("circle"), "new").await.is_err());
        assert!(fs::symlink_metadata(dir.join("circle"))?.is_symlink());
        Ok(())
    })
}

#[test]
fn what_is_no_regular_file_is_not_replaced() -> Result<()> {
    run(async |dir| {
        fs::create_dir(dir.join("sub"))?;
        for path in [dir.join("sub"), PathBuf::from("/dev/null")] {
            let error = write_replace(&path, "x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let expected = format!("cannot replace `{}`: ", path.display());
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        assert_eq!(names(dir), [Path::new("sub")]);
        let error = write_replace(dir.join("missing/x"), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        Ok(())
    })
}

#[test]
fn given_up_at_any_moment_it_leaves_the_old_file_or_the_new_one() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        let (old, new) = (bytes(10), bytes(1_500_000));
        let mut replaced = 0;
        for turn in 0..30 {
            fs::write(&path, &old)?;
            let pause = Duration::from_micros(turn * 100);
            let done = timeout(pause, write_replace(&path, &new)).await.is_ok();
            // A thread that is at work now finishes.
            while names(dir).len() > 1 {
                oneloop::sleep(Duration::from_millis(1)).await;
            }
            let found = fs::read(&path)?;
            assert!(found == new || (found == old && !done), "{}", found.len());
            replaced += u32::from(found == new);
        }
        assert!(replaced < 30);
        Ok(())
    })
}

#[test]
fn a_file_with_the_longest_name_is_replaced() -> Result<()> {
    run(async |dir| {
        for name in ["x".repeat(255), "\u{20ac}".repeat(85)] {
            let path = dir.join(&name);
            write_replace(&path, "old").await?;
            write_replace(&path, "new").await?;
            assert_eq!(fs::read(&path)?, b"new");
        }
        assert_eq!(names(dir).len(), 2);
        for path in ["", "/", ".."] {
            assert!(write_replace(path, "x").await.is_err(), "{path}");
        }
        Ok(())
    })
}

#[test]
fn a_path_without_a_directory_is_in_the_working_directory() -> Result<()> {
    run(async |_| {
        let name = format!("oneloop-test-{}", process::id());
        write_replace(&name, "x").await?;
        let read = fs::read(&name);
        fs::remove_file(&name)?;
        assert_eq!(read?, b"x");
        Ok(())
    })
}
