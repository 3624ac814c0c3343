//! Creates and opens named pipes.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Receiver, Sender};
use crate::time::sleep;

/// Creates a named pipe with the permissions `mode`, such as `0o600`, minus those that the
/// process's `umask` removes.
///
/// # Errors
///
/// `AlreadyExists` if `path` exists; any other error of the kernel. Each error names the path.
///
/// # Examples
///
/// ```
/// use oneloop::io::pipe;
///
/// # let path = std::env::temp_dir().join(format!("oneloop-fifo-{}", std::process::id()));
/// oneloop::run(async {
///     pipe::create_fifo(&path, 0o600)?;
///     let receiver = pipe::open_receiver(&path)?;
///     let sender = pipe::open_sender(&path).await?;
///     sender.write_all(b"hello").await?;
///     let mut text = [0; 5];
///     receiver.read_exact(&mut text).await?;
///     assert_eq!(&text, b"hello");
///     std::fs::remove_file(&path)
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "mkfifo")]
pub fn create_fifo(path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
    let path = path.as_ref();
    let bits = u16::try_from(mode)
        .map_err(|_| io::Error::new(ErrorKind::InvalidInput, format!("{mode:#o} is no mode")))?;
    let mode = Mode::from_bits_truncate(bits.into());
    mkfifo(path, mode).map_err(|errno| with_path(errno, "make the named pipe", path))
}

/// Opens a named pipe for reading, whether or not it is already open for writing.
///
/// The first read waits for a writer. The end comes when all writers are gone, and this receiver
/// stays at the end until there is another writer. To wait for another writer, open the pipe again
/// before dropping the old receiver, so that a new writer finds a reader at all times.
///
/// # Errors
///
/// `InvalidInput` if `path` is not a named pipe; any error of the kernel. Each error names the
/// path.
pub fn open_receiver(path: impl AsRef<Path>) -> io::Result<Receiver> {
    let path = path.as_ref();
    let file = open(OpenOptions::new().read(true), path)?;
    Receiver::before_writers(file)
}

/// Opens a named pipe for writing, as soon as it is open for reading.
///
/// The kernel sends no notification of that, so this function retries: after one millisecond at
/// first and then less and less often, but at least twenty times a second.
///
/// # Cancel safety
///
/// If dropped before it is ready, it has opened nothing.
///
/// # Errors
///
/// `InvalidInput` if `path` is not a named pipe; any error of the kernel. Each error names the
/// path.
pub async fn open_sender(path: impl AsRef<Path>) -> io::Result<Sender> {
    let mut pause = PAUSE_MIN;
    loop {
        match try_open_sender(path.as_ref()) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
        sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Like [`open_sender`], but does not wait.
///
/// # Errors
///
/// `WouldBlock` if the pipe is not open for reading; otherwise the errors of [`open_sender`].
pub fn try_open_sender(path: impl AsRef<Path>) -> io::Result<Sender> {
    let path = path.as_ref();
    Sender::from_owned_fd(open(OpenOptions::new().write(true), path)?)
}

/// Opens `path`, which must be a named pipe, without waiting for its other end to be opened.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match options.custom_flags(flags.bits()).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
            let message = format!(
                "no process has the named pipe {} open for reading: `open_sender` waits for one",
                path.display()
            );
            return Err(io::Error::new(ErrorKind::WouldBlock, message));
        }
        result => result.map_err(|error| with_path(error, "open the named pipe", path))?,
    };
    if file.metadata()?.file_type().is_fifo() {
        return Ok(file.into());
    }
    let message = format!("{} is no named pipe", path.display());
    Err(io::Error::new(ErrorKind::InvalidInput, message))
}

fn with_path(error: impl Into<io::Error>, to_do: &str, path: &Path) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("cannot {to_do} {}: {error}", path.display()))
}
