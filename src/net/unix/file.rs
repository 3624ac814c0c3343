//! The file of a socket bound to a path: creates it, takes it over from a dead socket, and removes
//! it.

use std::ffi::OsStr;
use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::SocketAddr;
use std::path::{self, Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::sys::sockets::abstract_name;

use crate::runtime::{Level, OwnProcess, log_line};

/// How to handle the file of a socket.
#[derive(Debug, Clone)]
pub(super) struct FileOptions {
    /// The file's permissions, or `None` for those that the umask leaves.
    pub(super) mode: Option<u32>,
    pub(super) remove_stale: bool,
    pub(super) remove_on_drop: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { mode: None, remove_stale: true, remove_on_drop: true }
    }
}

/// The number of attempts, in case other processes keep creating and removing the same file.
const ATTEMPTS: u32 = 8;

/// Creates a socket at `path`. The returned `SocketFile` removes the file when dropped.
pub(super) fn bind(
    path: &Path,
    kind: Type,
    options: &FileOptions,
) -> io::Result<(Socket, Option<SocketFile>)> {
    let bind = || {
        // The standard library knows which paths cannot name a socket.
        SocketAddr::from_pathname(path)?;
        if path.as_os_str().is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the path is empty"));
        }
        let addr = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, kind, None)?;
        let mut attempts = 1..ATTEMPTS;
        loop {
            match socket.bind(&addr) {
                Err(error) if error.kind() == ErrorKind::AddrInUse && attempts.next().is_some() => {
                    clear(path, &addr, kind, options.remove_stale)?;
                }
                result => break result?,
            }
        }
        let file = options.remove_on_drop.then(|| SocketFile::at(path)).transpose()?;
        if let Some(mode) = options.mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok((socket, file))
    };
    bind().map_err(|error| with_name(&error, "cannot bind a socket to", path))
}

/// Creates a socket at `addr`. A path is bound as in [`bind`].
pub(super) fn bind_addr(
    addr: &SocketAddr,
    kind: Type,
    options: &FileOptions,
) -> io::Result<(Socket, Option<SocketFile>)> {
    match (addr.as_pathname(), abstract_name(addr)) {
        (Some(path), _) => bind(path, kind, options),
        (None, Some(name)) => {
            // The kernel's form of an abstract name: a NUL, then the name.
            let name = [b"\0", name].concat();
            let addr = SockAddr::unix(Path::new(OsStr::from_bytes(&name)))?;
            let socket = Socket::new(Domain::UNIX, kind, None)?;
            let bound = socket.bind(&addr);
            bound.map_err(|error| {
                let name = String::from_utf8_lossy(&name[1..]);
                explain(&error, &format!("cannot bind a socket to the abstract name `{name}`"))
            })?;
            Ok((socket, None))
        }
        (None, None) => {
            let what = "cannot bind a socket to an address without a name";
            Err(io::Error::new(ErrorKind::InvalidInput, what))
        }
    }
}

/// Names the path that an error is about.
pub(super) fn with_name(error: &io::Error, what: &str, path: &Path) -> io::Error {
    explain(error, &format!("{what} `{}`", path.display()))
}

/// Puts the failed operation `what` in front of `error`.
pub(super) fn explain(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Removes a file where a socket is to be created, if it belongs to a dead socket.
fn clear(path: &Path, addr: &SockAddr, kind: Type, remove_stale: bool) -> io::Result<()> {
    let in_use = |what: &str| Err(io::Error::new(ErrorKind::AddrInUse, what.to_owned()));
    let Some(found) = found(fs::symlink_metadata(path))? else { return Ok(()) };
    if !found.file_type().is_socket() {
        return in_use("there is a file that is no socket");
    }
    if !remove_stale {
        return in_use("there is a socket already, and `remove_stale` is off");
    }
    let probe = Socket::new(Domain::UNIX, kind, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(addr) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return in_use("there is a socket of somebody else already");
        }
        // This includes a socket with a full backlog, and a socket of another kind.
        _ => return in_use("somebody uses the socket there"),
    }
    // Another file may have replaced it in the meantime.
    let again = self::found(fs::symlink_metadata(path))?;
    if again.is_some_and(|again| identity(&again) == identity(&found)) {
        self::found(fs::remove_file(path))?;
    }
    Ok(())
}

/// Turns "not found" into `None`.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// The file of a socket. Dropping this removes the file, if it is still the same file and this
/// process is not a fork.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// `None`: the file stays.
    process: Option<OwnProcess>,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let identity = identity(&fs::symlink_metadata(path)?);
        // The working directory may change. If it is gone, there is nothing to remove.
        let path = path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Ok(Self { path, identity, process: Some(OwnProcess::current()) })
    }

    /// Leaves the file in place.
    pub(super) fn keep(mut self) {
        self.process = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = self.process.is_some_and(OwnProcess::is_current)
            && fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity);
        if is_ours {
            if let Err(error) = fs::remove_file(&self.path) {
                let line = format!("cannot remove the socket `{}`: {error}", self.path.display());
                log_line(Level::Warn, &line);
            }
        }
    }
}
