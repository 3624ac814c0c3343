//! Directories, names, links, metadata.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use futures::{Stream as _, TryStreamExt as _};
use oneloop::fs::{
    Permissions, canonicalize, create_dir, create_dir_all, hard_link, metadata, read_dir,
    read_link, remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink,
    symlink_metadata, try_exists, write,
};

use super::{names, poll_once, run};

#[test]
fn directories_are_made_and_removed() -> Result<()> {
    run(async |dir| {
        create_dir(dir.join("a")).await?;
        assert_eq!(create_dir(dir.join("a")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
        create_dir_all(dir.join("a")).await?;
        create_dir_all(dir.join("b/c/d")).await?;
        let error = remove_dir(dir.join("b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DirectoryNotEmpty);
        remove_dir(dir.join("a")).await?;
        write(dir.join("b/c/x"), "x").await?;
        fs::create_dir(dir.join("kept"))?;
        symlink(dir.join("kept"), dir.join("b/link")).await?;
        write(dir.join("kept/x"), "x").await?;
        remove_dir_all(dir.join("b")).await?;
        assert_eq!(names(dir), [Path::new("kept")]);
        assert_eq!(names(&dir.join("kept")), [Path::new("x")]);
        Ok(())
    })
}

#[test]
fn a_directory_lists_each_entry_once() -> Result<()> {
    run(async |dir| {
        assert!(read_dir(dir).await?.next().await.is_none());
        let all: BTreeSet<_> = (0..1000).map(|number| format!("file-{number}")).collect();
        for name in &all {
            fs::write(dir.join(name), "")?;
        }
        let mut listed = BTreeSet::new();
        let mut entries = read_dir(dir).await?;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            assert_eq!(entry.path(), dir.join(entry.file_name()));
            assert!(listed.insert(entry.file_name().into_string().unwrap()));
        }
        assert_eq!(listed, all);
        assert!(entries.next().await.is_none(), "also when asked again");
        Ok(())
    })
}

#[test]
fn a_directory_is_a_stream_too() -> Result<()> {
    run(async |dir| {
        for name in ["a", "b", "c"] {
            fs::write(dir.join(name), name)?;
        }
        let entries = read_dir(dir).await?;
        assert_eq!(entries.size_hint(), (3, Some(3)));
        let lens: Vec<u64> =
            entries.and_then(async |entry| Ok(entry.metadata().await?.len())).try_collect().await?;
        assert_eq!(lens, [1, 1, 1]);
        Ok(())
    })
}

#[test]
fn asking_for_an_entry_can_be_given_up() -> Result<()> {
    run(async |dir| {
        for number in 0..600 {
            fs::write(dir.join(number.to_string()), "")?;
        }
        let mut entries = read_dir(dir).await?;
        let mut count = 0;
        loop {
            {
                let mut next = pin!(entries.next());
                match poll_once(&mut next).await {
                    Poll::Ready(Some(entry)) => {
                        entry?;
                        count += 1;
                        continue;
                    }
                    Poll::Ready(None) => break,
                    Poll::Pending => {}
                }
            }
            oneloop::yield_now().await;
        }
        assert_eq!(count, 600);
        Ok(())
    })
}

#[test]
fn an_entry_tells_what_it_is() -> Result<()> {
    run(async |dir| {
        fs::write(dir.join("file"), "12345")?;
        fs::create_dir(dir.join("dir"))?;
        symlink("file", dir.join("link")).await?;
        let mut entries = read_dir(dir).await?;
        while let Some(entry) = entries.next().await.transpose()? {
            let file_type = entry.file_type()?;
            let is = [file_type.is_file(), file_type.is_dir(), file_type.is_symlink()];
            match entry.file_name().to_str() {
                Some("file") => assert_eq!(is, [true, false, false]),
                Some("dir") => assert_eq!(is, [false, true, false]),
                Some("link") => assert_eq!(is, [false, false, true]),
                other => panic!("{other:?}"),
            }
            let metadata = entry.metadata().await?;
            assert_eq!(metadata.file_type(), file_type, "of a link itself");
            assert_eq!(metadata.ino(), entry.ino());
        }
        let gone = read_dir(dir).await?.next().await.transpose()?.unwrap();
        fs::remove_dir_all(dir)?;
        let error = gone.metadata().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(gone.path().to_str().unwrap()), "{error}");
        Ok(())
    })
}

#[test]
fn names_change() -> Result<()> {
    run(async |dir| {
        let (a, b) = (dir.join("a"), dir.join("b"));
        fs::write(&a, "a")?;
        fs::write(&b, "b")?;
        rename(&a, &b).await?;
        assert_eq!(names(dir), [Path::new("b")]);
        assert_eq!(fs::read(&b)?, b"a");
        hard_link(&b, &a).await?;
        assert_eq!(fs::metadata(&a)?.nlink(), 2);
        remove_file(&b).await?;
        assert_eq!(fs::read(&a)?, b"a");
        let error = rename(&b, dir.join("c")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let said = error.to_string();
        let expected =
            format!("cannot rename `{}` to `{}`: ", b.display(), dir.join("c").display());
        assert!(said.starts_with(&expected), "{said}");
        Ok(())
    })
}

#[test]
fn links_are_made_and_followed() -> Result<()> {
    run(async |dir| {
        let link = dir.join("link");
        symlink("target", &link).await?;
        assert_eq!(read_link(&link).await?, Path::new("target"));
        assert!(!try_exists(&link).await?, "it leads nowhere");
        assert!(symlink_metadata(&link).await?.is_symlink());
        fs::create_dir(dir.join("target"))?;
        assert!(metadata(&link).await?.is_dir());
        assert!(try_exists(&link).await?);
        let full = fs::canonicalize(dir)?.join("target");
        assert_eq!(canonicalize(link.join("../link/.")).await?, full);
        let error = symlink("x", &link).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(read_link(dir).await.is_err());
        Ok(())
    })
}

#[test]
fn permissions_are_set() -> Result<()> {
    run(async |dir| {
        let path = dir.join("x");
        fs::write(&path, "")?;
        set_permissions(&path, Permissions::from_mode(0o741)).await?;
        assert_eq!(metadata(&path).await?.permissions().mode() & 0o777, 0o741);
        Ok(())
    })
}
