//! The files of sockets: which are replaced, which stay, and which go with their socket.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read as _, Result};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net as std_net;

use oneloop::net::{UnixDatagram, UnixListener, UnixStream};

use super::{Directory, failure, run};

#[test]
fn the_file_goes_with_the_listener() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::bind(&path)?;
        assert!(fs::symlink_metadata(&path)?.file_type().is_socket());
        drop(listener);
        assert!(!path.exists());
        Ok(())
    })
}

#[test]
fn the_file_stays_if_so_asked_or_if_the_listener_goes_on_elsewhere() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        drop(UnixListener::builder().remove_on_drop(false).bind(&path)?);
        assert!(path.exists());

        let listener = UnixListener::bind(&path)?.into_std()?;
        assert!(path.exists());
        let mut client = std_net::UnixStream::connect(&path)?;
        drop(listener.accept()?);
        assert_eq!(client.read(&mut [0; 1])?, 0);
        drop(UnixListener::from_std(listener)?);
        assert!(path.exists(), "it was made by somebody else");
        Ok(())
    })
}

#[test]
fn a_file_that_has_become_another_one_stays() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let first = UnixListener::bind(&path)?;
        fs::rename(&path, directory.path("moved"))?;
        let second = UnixListener::bind(&path)?;
        drop(first);
        UnixStream::connect(&path).await?;
        fs::remove_file(&path)?;
        drop(second);

        let third = UnixListener::bind(&path)?;
        fs::remove_file(&path)?;
        File::create(&path)?;
        drop(third);
        assert!(path.exists());
        Ok(())
    })
}

#[test]
fn a_stale_socket_is_replaced() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        // As a killed process leaves it.
        drop(std_net::UnixListener::bind(&path)?);
        let listener = UnixListener::bind(&path)?;
        let _client = UnixStream::connect(&path).await?;
        listener.accept().await?;
        Ok(())
    })
}

#[test]
fn a_stale_socket_stays_if_so_asked() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        drop(std_net::UnixListener::bind(&path)?);
        let error = failure(UnixListener::builder().remove_stale(false).bind(&path));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
        Ok(())
    })
}

#[test]
fn a_socket_in_use_is_not_taken_away_from_who_uses_it() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let first = UnixListener::bind(&path)?;
        let error = failure(UnixListener::bind(&path));
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        // The check was a connection that ends at once. After that, everything is as before.
        let (probe, _addr) = first.accept().await?;
        assert_eq!(probe.read(&mut [0; 1]).await?, 0);
        let _client = UnixStream::connect(&path).await?;
        first.accept().await?;

        // The same if it is of another kind, or its backlog is full.
        assert_eq!(failure(UnixDatagram::bind(&path)).kind(), ErrorKind::AddrInUse);
        let full = directory.path("full");
        let full_listener = UnixListener::builder().backlog(0).bind(&full)?;
        let _waiting = std_net::UnixStream::connect(&full)?;
        assert_eq!(failure(UnixListener::bind(&full)).kind(), ErrorKind::AddrInUse);
        drop(full_listener);
        Ok(())
    })
}

#[test]
fn a_file_that_is_no_socket_is_never_touched() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let (file, link, folder) =
            (directory.path("file"), directory.path("link"), directory.path("folder"));
        fs::write(&file, "precious")?;
        symlink(&file, &link)?;
        fs::create_dir(&folder)?;
        for path in [&file, &link, &folder] {
            for error in [failure(UnixListener::bind(path)), failure(UnixDatagram::bind(path))] {
                assert_eq!(error.kind(), ErrorKind::AddrInUse);
                let message = error.to_string();
                assert!(message.contains(&*path.to_string_lossy()), "{message}");
                assert!(message.contains("no socket"), "{message}");
            }
        }
        assert_eq!(fs::read(&file)?, b"precious");
        Ok(())
    })
}

#[test]
fn paths_at_which_no_socket_can_be_are_named() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let missing = directory.path("missing/socket");
        let error = failure(UnixListener::bind(&missing));
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("missing/socket"), "{error}");
        let long = directory.path(&"x".repeat(200));
        assert_eq!(failure(UnixListener::bind(&long)).kind(), ErrorKind::InvalidInput);
        assert_eq!(failure(UnixListener::bind("")).kind(), ErrorKind::InvalidInput);
        assert_eq!(failure(UnixListener::bind("a\0b")).kind(), ErrorKind::InvalidInput);
        let (unnamed, _other) = std_net::UnixStream::pair()?;
        let error = failure(UnixListener::bind_addr(&unnamed.local_addr()?));
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    })
}

#[test]
fn the_mode_is_that_which_was_asked_for() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        for mode in [0o600, 0o666, 0o640] {
            let _listener = UnixListener::builder().mode(mode).bind(&path)?;
            assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, mode);
        }
        Ok(())
    })
}

#[test]
fn a_datagram_socket_has_the_same_rules() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        drop(std_net::UnixDatagram::bind(&path)?);
        let socket = UnixDatagram::bind(&path)?;
        assert_eq!(failure(UnixDatagram::bind(&path)).kind(), ErrorKind::AddrInUse);
        drop(socket);
        assert!(!path.exists());
        let socket = UnixDatagram::bind(&path)?.into_std()?;
        drop(UnixDatagram::from_std(socket)?);
        assert!(path.exists());
        Ok(())
    })
}

#[test]
fn a_directory_that_may_not_be_written_is_an_error_with_the_path() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        fs::set_permissions(&directory, Permissions::from_mode(0o500))?;
        let bound = UnixListener::bind(&path);
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        // The superuser may.
        if let Err(error) = bound {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
        }
        Ok(())
    })
}
