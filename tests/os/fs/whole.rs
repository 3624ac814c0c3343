//! Whole files: `read`, `write`, `append`, `copy`.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use oneloop::fs::{append, copy, read, read_to_string, symlink, write};
use oneloop::{create_task, gather, sleep, yield_now};

use super::{bytes, poll_once, run, write_with_mode};

const MIB: usize = 1024 * 1024;

#[test]
fn files_of_all_sizes_are_read_and_written() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        for len in [0, 1, 4095, 4096, MIB, MIB + 1, 8 * MIB] {
            let data = bytes(len);
            write(&path, &data).await?;
            assert_eq!(fs::metadata(&path)?.len(), len as u64);
            assert!(fs::read(&path)? == data, "written: {len}");
            assert!(read(&path).await? == data, "read: {len}");
        }
        Ok(())
    })
}

#[test]
fn contents_may_be_of_many_types() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        let local = "borrowed".to_owned();
        write(&path, &local).await?;
        write(&path, local.as_bytes()).await?;
        assert_eq!(read_to_string(&path).await?, "borrowed");
        write(path.to_str().unwrap(), b"an array").await?;
        write(path.clone(), vec![b'x'; 3]).await?;
        append(&path, local).await?;
        assert_eq!(read_to_string(path).await?, "xxxborrowed");
        Ok(())
    })
}

#[test]
fn files_whose_length_is_a_lie_are_read_to_the_end() -> Result<()> {
    run(async |_| {
        assert_eq!(fs::metadata("/proc/self/maps")?.len(), 0);
        let maps = read_to_string("/proc/self/maps").await?;
        assert!(maps.len() > 1000 && maps.ends_with('\n'), "{maps}");
        // Its length is 4096 bytes according to the system, but it has fewer.
        let path = "/sys/kernel/mm/transparent_hugepage/enabled";
        if fs::metadata(path).is_ok() {
            assert_eq!(read(path).await?, fs::read(path)?);
        }
        assert_eq!(read("/dev/null").await?, b"");
        Ok(())
    })
}

#[test]
fn progress_comes_after_each_step_and_ends_with_all() -> Result<()> {
    run(async |dir| {
        let (path, copied) = (dir.join("x"), dir.join("y"));
        let data = bytes(8 * MIB + 1);
        let total = data.len() as u64;
        // Not `Send`: it is called where it was made.
        let seen = Rc::new(RefCell::new(Vec::new()));
        let watch = || {
            let seen = Rc::clone(&seen);
            move |done: u64, of: u64| seen.borrow_mut().push((done, of))
        };
        let taken = || seen.borrow_mut().split_off(0);

        write(&path, &data).progress(watch()).await?;
        let steps = taken();
        assert_eq!(steps.len(), 9);
        assert_eq!(steps[0], (MIB as u64, total));
        assert_eq!(steps[8], (total, total));

        assert!(read(&path).progress(watch()).await? == data);
        let mib = |count: u64| (count * MIB as u64, total);
        assert_eq!(taken(), [mib(8), (total, total)]);

        assert_eq!(copy(&path, &copied).progress(watch()).await?, total);
        assert_eq!(taken(), [mib(8), (total, total)]);
        assert!(fs::read(&copied)? == data);

        write(&path, "").progress(watch()).await?;
        assert_eq!(read_to_string(&path).progress(watch()).await?, "");
        copy(&path, &copied).progress(watch()).await?;
        assert_eq!(taken(), [(0, 0); 3]);
        Ok(())
    })
}

#[test]
fn the_loop_goes_on_between_and_during_the_steps() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        write(&path, bytes(4 * MIB)).await?;
        let turns = create_task(async {
            let mut turns = 0_u32;
            loop {
                sleep(Duration::from_micros(100)).await;
                turns += 1;
                if turns == 5 {
                    return;
                }
            }
        });
        while !turns.is_finished() {
            read(&path).await?;
        }
        Ok(())
    })
}

#[test]
fn text_that_is_not_utf8_is_an_error_with_the_path() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        write(&path, b"abc\xff").await?;
        let error = read_to_string(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let said = error.to_string();
        assert!(said.contains(path.to_str().unwrap()) && said.contains("utf-8"), "{said}");
        Ok(())
    })
}

#[test]
fn appending_makes_the_file_and_adds_to_it() -> Result<()> {
    run(async |dir| {
        let path = dir.join("log");
        for line in ["one\n", "two\n", ""] {
            append(&path, line).await?;
        }
        assert_eq!(read_to_string(&path).await?, "one\ntwo\n");
        let lines: Vec<_> = (0..20).map(|number| format!("{number}\n").repeat(1000)).collect();
        for done in gather(lines.iter().map(|line| append(&path, line))).await {
            done?;
        }
        let log = read_to_string(&path).await?;
        assert!(lines.iter().all(|line| log.contains(line)), "none is cut by another");
        Ok(())
    })
}

#[test]
fn a_copy_has_the_contents_and_the_permissions() -> Result<()> {
    run(async |dir| {
        let (from, to) = (dir.join("from"), dir.join("to"));
        write_with_mode(&from, "#!/bin/sh\n", 0o700)?;
        write_with_mode(&to, "something longer than that", 0o600)?;
        assert_eq!(copy(&from, &to).await?, 10);
        assert_eq!(fs::read(&to)?, b"#!/bin/sh\n");
        assert_eq!(fs::metadata(&to)?.permissions().mode() & 0o777, 0o700);

        let link = dir.join("link");
        symlink("to", &link).await?;
        write(&from, "new").await?;
        copy(&from, &link).await?;
        assert!(fs::symlink_metadata(&link)?.is_symlink());
        assert_eq!(fs::read(&to)?, b"new");
        Ok(())
    })
}

#[test]
fn a_file_without_a_length_is_copied_too() -> Result<()> {
    run(async |dir| {
        let to = dir.join("maps");
        let len = copy("/proc/self/maps", &to).await?;
        assert!(len > 1000);
        assert_eq!(fs::metadata(&to)?.len(), len);
        Ok(())
    })
}

/// The standard library would leave it empty.
#[test]
fn a_file_copied_to_itself_is_an_error_and_stays() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        write(&path, "precious").await?;
        symlink("x", dir.join("link")).await?;
        fs::hard_link(&path, dir.join("hard"))?;
        for to in ["x", "link", "hard"] {
            let error = copy(&path, dir.join(to)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("the same file"), "{error}");
        }
        assert_eq!(fs::read(&path)?, b"precious");
        Ok(())
    })
}

#[test]
fn a_copy_to_a_device_leaves_its_permissions() -> Result<()> {
    run(async |dir| {
        let before = fs::metadata("/dev/null")?.mode();
        write(dir.join("x"), "x").await?;
        assert_eq!(copy(dir.join("x"), "/dev/null").await?, 1);
        assert_eq!(fs::metadata("/dev/null")?.mode(), before);
        Ok(())
    })
}

#[test]
fn a_write_that_is_given_up_stops_after_a_step() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        let data = bytes(8 * MIB);
        {
            let seen = Cell::new(0);
            let mut writing = pin!(write(&path, &data).progress(|done, _| seen.set(done)));
            while seen.get() == 0 {
                assert!(poll_once(&mut writing).await.is_pending());
                yield_now().await;
            }
        }
        // The thread that is at work now finishes: that is the second step.
        sleep(Duration::from_millis(20)).await;
        let written = fs::read(&path)?;
        assert!(written.len() <= 2 * MIB && data.starts_with(&written), "{}", written.len());
        Ok(())
    })
}

#[test]
fn many_small_files_are_read_at_once() -> Result<()> {
    run(async |dir| {
        for number in 0..200 {
            fs::write(dir.join(number.to_string()), vec![number; 4096])?;
        }
        let reads = (0..200_u8).map(|number| read(dir.join(number.to_string())));
        for (number, data) in (0..).zip(gather(reads).limit(32).await) {
            assert!(data? == vec![number; 4096]);
        }
        let (a, b) = gather!(read(dir.join("1")), read_to_string(dir.join("2"))).await;
        assert_eq!((a?.len(), b?.len()), (4096, 4096));
        Ok(())
    })
}
