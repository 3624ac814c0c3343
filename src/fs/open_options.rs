//! `OpenOptions`.

use std::fs::OpenOptions as StdOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::Location;
use std::path::Path;

use super::File;
use super::job::with_path_at;
use crate::runtime::Place;

/// How to open a [`File`]: the options of [`std::fs::OpenOptions`].
///
/// # Examples
///
/// ```
/// use oneloop::fs::{self, OpenOptions};
///
/// oneloop::run(async {
///     let dir = fs::temp_dir().await?;
///     let path = dir.path().join("log");
///     for line in ["first\n", "second\n"] {
///         let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).await?;
///         log.write_all(line.as_bytes()).await?;
///     }
///     assert_eq!(fs::read_to_string(&path).await?, "first\nsecond\n");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until `open`"]
pub struct OpenOptions {
    options: StdOptions,
}

impl OpenOptions {
    /// Nothing is chosen yet; at least one of [`read`](Self::read), [`write`](Self::write) and [`append`](Self::append)
    /// has to be.
    pub fn new() -> Self {
        Self { options: StdOptions::new() }
    }

    /// Whether it may be read.
    pub fn read(mut self, read: bool) -> Self {
        self.options.read(read);
        self
    }

    /// Whether it may be written, from the beginning on.
    pub fn write(mut self, write: bool) -> Self {
        self.options.write(write);
        self
    }

    /// Whether each write goes to the end of the file, wherever that is then; also if others write there.
    pub fn append(mut self, append: bool) -> Self {
        self.options.append(append);
        self
    }

    /// Whether it is emptied. It has to be opened for writing.
    pub fn truncate(mut self, truncate: bool) -> Self {
        self.options.truncate(truncate);
        self
    }

    /// Whether it is made if it is not there. It has to be opened for writing.
    pub fn create(mut self, create: bool) -> Self {
        self.options.create(create);
        self
    }

    /// Whether it has to be made, and it is an error if there is something at its path already.
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.options.create_new(create_new);
        self
    }

    /// The permissions of a file that is made, from which the process's `umask` is taken away; `0o666` unless said
    /// otherwise.
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode(mode);
        self
    }

    /// Further flags for `open(2)`, such as `O_NOFOLLOW`. Not `O_DIRECT`, which needs aligned buffers.
    pub fn custom_flags(mut self, flags: i32) -> Self {
        self.options.custom_flags(flags);
        self
    }

    /// Opens the file.
    ///
    /// A named pipe is opened when somebody has opened its other end. That holds up nobody else, but takes a thread of
    /// the pool for as long.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it leaves no open file behind. One that was made or emptied already stays so.
    ///
    /// # Errors
    ///
    /// Those of `open(2)`, with the path: it is missing, may not be used so, is a directory that was to be written, or
    /// the process has no descriptors left. [`InvalidInput`](io::ErrorKind::InvalidInput) if the options contradict each
    /// other.
    #[track_caller]
    pub fn open<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl Future<Output = io::Result<File>> + Send + use<P> {
        self.open_at(Some(Location::caller()), path.as_ref())
    }

    /// As [`OpenOptions::open`], asked for at `place`.
    pub(super) fn open_at(
        &self,
        place: Option<Place>,
        path: &Path,
    ) -> impl Future<Output = io::Result<File>> + Send + use<> {
        let options = self.options.clone();
        let path = path.to_owned();
        async move {
            let open = move |path: &Path| options.open(path);
            let file = with_path_at(place, &path, "open", open).await?;
            Ok(File::named(file, path))
        }
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<StdOptions> for OpenOptions {
    fn from(options: StdOptions) -> Self {
        Self { options }
    }
}
