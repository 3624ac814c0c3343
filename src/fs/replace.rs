//! Replaces a file atomically.

use std::fmt;
use std::fs::{self, File as StdFile, Metadata};
use std::io::{self, ErrorKind, Write};
use std::panic::Location;
use std::path::{Path, PathBuf, absolute};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::error::cannot;
use super::feed::{Feed, Target};
use super::steps::Unwatched;
use super::temp::{Doomed, new_file};
use crate::sys::errors::too_many_links;
use crate::sys::files::give_to_owner;

/// Replaces a file atomically with one that has these contents. Other programs that open it see the
/// old contents or the new ones, even after a crash or a loss of power, and a full disk leaves the
/// old file as it is. The file is created if it does not exist.
///
/// The contents go to a temporary file in the same directory, which is synced and then renamed;
/// finally the directory is synced. The temporary file is removed if anything fails. The new file
/// has the permissions of the old one and, if the process may set it, its owner. A newly created
/// file has the permissions that [`write`](fn@super::write) gives. A symbolic link stays, and its
/// target is replaced or created. Other hard links of the old file keep the old contents.
///
/// # Cancel safety
///
/// The file is either replaced or not. The temporary file is removed.
///
/// # Errors
///
/// An error if something other than a regular file exists at the path; if its directory may not be
/// written; or if the disk is full ([`StorageFull`](ErrorKind::StorageFull)). If only the directory
/// could not be synced, the error says so, and the file was replaced.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("settings");
///     fs::write_replace(&path, "color = green\n").await?;
///     fs::write_replace(&path, "color = blue\n").await?;
///     assert_eq!(fs::read_to_string(&path).await?, "color = blue\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn write_replace<C: AsRef<[u8]>>(path: impl AsRef<Path>, contents: C) -> ReplaceFile<C> {
    let path = path.as_ref().to_owned();
    let replacement = Replacement { path, place: Location::caller(), made: None };
    ReplaceFile { feed: Feed::new(contents, replacement), watch: None }
}

/// The future of [`write_replace`].
#[must_use = "futures do nothing unless awaited"]
pub struct ReplaceFile<C, P = Unwatched> {
    feed: Feed<C, Replacement>,
    watch: Option<P>,
}

impl<C: AsRef<[u8]>> ReplaceFile<C> {
    /// Calls `watch` after each step of 1 MiB, with the number of bytes written and the total. The
    /// call happens in the task that awaits this future.
    pub fn progress<P: FnMut(u64, u64)>(self, watch: P) -> ReplaceFile<C, P> {
        ReplaceFile { feed: self.feed, watch: Some(watch) }
    }
}

impl<C: AsRef<[u8]>, P: FnMut(u64, u64)> Future for ReplaceFile<C, P> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { feed, watch } = &mut *self;
        feed.poll(cx, watch)
    }
}

// Nothing in it is pinned.
impl<C, P> Unpin for ReplaceFile<C, P> {}

struct Replacement {
    path: PathBuf,
    place: &'static Location<'static>,
    /// What the first step has found and made.
    made: Option<Made>,
}

struct Made {
    /// Where the new file goes: the path with its symbolic links resolved.
    target: PathBuf,
    /// The metadata of the old file, if it exists.
    old: Option<Metadata>,
    temp: Doomed,
}

impl Replacement {
    fn try_open(&mut self) -> io::Result<StdFile> {
        let (target, old) = match fs::metadata(&self.path) {
            Ok(old) => (fs::canonicalize(&self.path)?, Some(old)),
            // The working directory may have changed by the last step.
            Err(error) if error.kind() == ErrorKind::NotFound => (end_of_links(&self.path)?, None),
            Err(error) => return Err(error),
        };
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
        }
        // A user that may not read the old file must not be able to read the new one.
        let mode = if old.is_some() { 0o600 } else { 0o666 };
        let Some(name) = target.file_name() else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it names no file"));
        };
        let name: String = name.to_string_lossy().chars().take(NAME_MAX).collect();
        let (file, temp) = new_file(directory(&target), &format!(".{name}."), ".tmp", mode)?;
        let temp = Doomed::file(temp, self.place);
        self.made = Some(Made { target, old, temp });
        Ok(file)
    }
}

impl Target for Replacement {
    fn operation(&self) -> (&'static str, &Path) {
        ("replace", &self.path)
    }

    fn open(&mut self) -> io::Result<StdFile> {
        self.try_open().map_err(|error| cannot("replace", &self.path, &error))
    }

    fn write(&mut self, mut file: &StdFile, data: &[u8]) -> io::Result<()> {
        file.write_all(data).map_err(|error| cannot("replace", &self.path, &error))
    }

    fn finish(self, file: StdFile) -> io::Result<()> {
        let Some(made) = self.made else { unreachable!("it was opened before it is finished") };
        let path = &self.path;
        made.take_name(&file).map_err(|error| cannot("replace", path, &error))
    }
}

impl Made {
    fn take_name(self, file: &StdFile) -> io::Result<()> {
        if let Some(old) = &self.old {
            // The contents are more important than the owner.
            give_to_owner(file, old, &file.metadata()?);
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(self.temp.path(), &self.target)?;
        self.temp.spare();
        let synced = StdFile::open(directory(&self.target)).and_then(|dir| dir.sync_all());
        synced.map_err(|error| {
            let what = "it was replaced, but that may not survive a loss of power";
            io::Error::new(error.kind(), format!("{what}: {error}"))
        })
    }
}

/// The number of symbolic links that Linux follows.
const LINKS_MAX: usize = 40;

/// Returns where to create a file that does not exist yet: the path, or its target if it is a
/// symbolic link.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = absolute(path)?;
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            // A relative target is resolved from the directory of the link.
            Ok(next) => path = directory(&path).join(next),
            // It is not a link, or does not exist.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(too_many_links())
}

/// The directory of a file with an absolute path.
fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// How many characters of the file's own name the temporary name begins with: the length of names
/// is limited.
const NAME_MAX: usize = 50;

impl<C, P> fmt::Debug for ReplaceFile<C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaceFile").finish_non_exhaustive()
    }
}
