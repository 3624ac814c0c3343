//! Named pipes.

use std::env;
use std::fs;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use oneloop::io::pipe;
use oneloop::yield_now;

/// A path, whose file is removed when this is dropped.
struct Free(PathBuf);

impl Free {
    fn path() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("oneloop-pipe-{}-{number}", process::id());
        Self(env::temp_dir().join(name))
    }

    fn fifo() -> Result<Self> {
        let free = Self::path();
        pipe::create_fifo(&free, 0o600)?;
        Ok(free)
    }
}

impl AsRef<Path> for Free {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[oneloop::test]
async fn a_named_pipe_is_made_with_its_mode_and_only_once() -> Result<()> {
    let path = Free::fifo()?;
    let metadata = fs::metadata(&path)?;
    assert!(metadata.file_type().is_fifo());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let error = pipe::create_fifo(&path, 0o600).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("oneloop-pipe-"), "{error}");
    let error = pipe::create_fifo(&path, 0o1_000_000).unwrap_err();
    assert_eq!(error.to_string(), "0o1000000 is no mode");
    Ok(())
}

#[oneloop::test]
async fn a_writer_that_comes_and_goes_without_a_word_is_the_end() -> Result<()> {
    let path = Free::fifo()?;
    let receiver = pipe::open_receiver(&path)?;
    drop(pipe::try_open_sender(&path)?);
    assert_eq!(receiver.read(&mut [0; 8]).await?, 0);
    Ok(())
}

#[oneloop::test]
async fn a_receiver_opened_anew_serves_one_writer_after_the_other() -> Result<()> {
    let path = Free::fifo()?;
    let mut receiver = pipe::open_receiver(&path)?;
    for round in 0..3_u8 {
        let sender = pipe::try_open_sender(&path)?;
        sender.write_all(&[round]).await?;
        drop(sender);
        let mut said = Vec::new();
        receiver.read_to_end(&mut said).await?;
        assert_eq!(said, [round]);
        let next = pipe::open_receiver(&path)?;
        receiver = next;
    }
    Ok(())
}

#[oneloop::test]
async fn a_sender_may_get_another_reader() -> Result<()> {
    let path = Free::fifo()?;
    let receiver = pipe::open_receiver(&path)?;
    let sender = pipe::try_open_sender(&path)?;
    drop(receiver);
    sender.closed().await?;
    let receiver = pipe::open_receiver(&path)?;
    oneloop::select! {
        _ = sender.closed() => panic!("there is a reader again"),
        () = yield_now() => {}
    }
    sender.write_all(b"x").await?;
    receiver.read_exact(&mut [0; 1]).await?;
    drop(receiver);
    sender.closed().await
}

#[oneloop::test]
async fn what_is_no_named_pipe_is_refused_with_its_path() -> Result<()> {
    let path = Free::path();
    let missing = [
        pipe::open_receiver(&path).unwrap_err(),
        pipe::open_sender(&path).await.unwrap_err(),
        pipe::try_open_sender(&path).unwrap_err(),
    ];
    for error in missing {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("oneloop-pipe-"), "{error}");
    }
    fs::write(&path, "not a pipe")?;
    let files = [
        pipe::open_receiver(&path).unwrap_err(),
        pipe::open_sender(&path).await.unwrap_err(),
        pipe::open_receiver("/dev/null").unwrap_err(),
    ];
    for error in files {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("is no named pipe"), "{error}");
    }
    assert_eq!(fs::read(&path)?, b"not a pipe");
    Ok(())
}
