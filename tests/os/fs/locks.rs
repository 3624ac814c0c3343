//! Locks on files.

use std::fs;
use std::io::Result;
use std::rc::Rc;
use std::time::Duration;

use oneloop::fs::File;
use oneloop::{create_task, timeout};

use super::run;

#[test]
fn a_lock_keeps_others_out_until_it_is_dropped() -> Result<()> {
    run(async |dir| {
        let path = dir.join("lock");
        fs::write(&path, "")?;
        let (a, b) = (File::open(&path).await?, Rc::new(File::open(&path).await?));
        let lock = a.lock().await?;
        assert!(b.try_lock().await?.is_none());
        assert!(b.try_lock_shared().await?.is_none());
        let waiting = Rc::clone(&b);
        let waiting = create_task(async move { waiting.lock().await });
        assert!(timeout(Duration::from_millis(3), b.lock()).await.is_err());
        drop(a);
        assert!(b.try_lock().await?.is_none(), "the lock lives longer than the file");
        drop(lock);
        let lock = waiting.await??;
        assert!(File::open(&path).await?.try_lock().await?.is_none());
        drop(lock);
        Ok(())
    })
}

#[test]
fn readers_share_a_lock() -> Result<()> {
    run(async |dir| {
        let path = dir.join("lock");
        fs::write(&path, "")?;
        let (a, b) = (File::open(&path).await?, File::open(&path).await?);
        let (first, second) = (a.lock_shared().await?, b.try_lock_shared().await?);
        assert!(second.is_some());
        assert!(File::open(&path).await?.try_lock().await?.is_none());
        drop((first, second));
        assert!(a.try_lock().await?.is_some());
        Ok(())
    })
}

/// To the kernel, the descriptors of one open file have one lock: a second request would change it
/// instead of waiting for it.
#[test]
fn a_lock_keeps_out_the_clones_of_its_own_file() -> Result<()> {
    run(async |dir| {
        let path = dir.join("lock");
        fs::write(&path, "")?;
        let file = File::open(&path).await?;
        let (clone, other) = (Rc::new(file.try_clone().await?), File::open(&path).await?);
        let lock = file.lock().await?;
        for same in [&file, &clone] {
            assert!(same.try_lock().await?.is_none());
            assert!(same.try_lock_shared().await?.is_none());
        }
        let waiting = Rc::clone(&clone);
        let waiting = create_task(async move { waiting.lock().await });
        assert!(timeout(Duration::from_millis(3), clone.lock()).await.is_err());
        assert!(other.try_lock().await?.is_none());
        drop(lock);
        let lock = waiting.await??;
        assert!(other.try_lock().await?.is_none(), "the clone has it now");
        drop((file, clone));
        assert!(other.try_lock().await?.is_none(), "the lock lives longer than its files");
        drop(lock);
        assert!(other.try_lock().await?.is_some());
        Ok(())
    })
}

#[test]
fn readers_of_one_open_file_keep_writers_out_until_the_last_has_gone() -> Result<()> {
    run(async |dir| {
        let path = dir.join("lock");
        fs::write(&path, "")?;
        let file = File::open(&path).await?;
        let (clone, other) = (file.try_clone().await?, File::open(&path).await?);
        let (first, second) = (file.lock_shared().await?, clone.lock_shared().await?);
        let third = file.try_lock_shared().await?;
        assert!(file.try_lock().await?.is_none(), "it would take the lock of the others away");
        drop(first);
        drop(third);
        assert!(other.try_lock().await?.is_none());
        assert!(other.try_lock_shared().await?.is_some());
        drop(second);
        assert!(other.try_lock().await?.is_some());
        Ok(())
    })
}

/// None of them occupies a thread while it waits, so there is one for the holder of the lock.
#[test]
fn many_who_wait_for_a_lock_take_no_threads() -> Result<()> {
    run(async |dir| {
        let path = dir.join("lock");
        fs::write(&path, "")?;
        let holder = File::options().write(true).open(&path).await?;
        let lock = holder.lock().await?;
        let wait = || {
            let path = path.clone();
            create_task(async move { File::open(&path).await?.lock().await.map(drop) })
        };
        let tasks: Vec<_> = (0..200).map(|_| wait()).collect();
        oneloop::sleep(Duration::from_millis(3)).await;
        holder.write_all(b"done").await?;
        drop(lock);
        for task in tasks {
            task.cancel();
        }
        Ok(())
    })
}
