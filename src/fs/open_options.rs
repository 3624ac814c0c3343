//! `OpenOptions`.

use std::fs::OpenOptions as StdOptions;
use std::io;
use std::panic::Location;
use std::path::Path;

use super::File;
use super::job::with_path_at;
use crate::runtime::Place;

/// Options for opening a [`File`], the same as in [`std::fs::OpenOptions`].
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
    pub(super) options: StdOptions,
}

impl OpenOptions {
    /// Returns options with nothing chosen. Choose at least one of [`read`](Self::read),
    /// [`write`](Self::write) and [`append`](Self::append).
    pub fn new() -> Self {
        Self { options: StdOptions::new() }
    }

    /// Sets whether the file may be read.
    pub fn read(mut self, read: bool) -> Self {
        self.options.read(read);
        self
    }

    /// Sets whether the file may be written, starting at the beginning.
    pub fn write(mut self, write: bool) -> Self {
        self.options.write(write);
        self
    }

    /// Sets whether each write goes to the end of the file, wherever that is by then, even if
    /// others write there.
    pub fn append(mut self, append: bool) -> Self {
        self.options.append(append);
        self
    }

    /// Sets whether the file is truncated. It has to be opened for writing.
    pub fn truncate(mut self, truncate: bool) -> Self {
        self.options.truncate(truncate);
        self
    }

    /// Sets whether the file is created if it does not exist. It has to be opened for writing.
    pub fn create(mut self, create: bool) -> Self {
        self.options.create(create);
        self
    }

    /// Sets whether the file must be created. It is an error if something exists at its path
    /// already.
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.options.create_new(create_new);
        self
    }

    /// Opens the file.
    ///
    /// Opening a named pipe waits until its other end is opened. That does not hold up other tasks,
    /// but occupies a thread of the pool meanwhile.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no open file is left behind. A file that was
    /// already created or truncated stays so.
    ///
    /// # Errors
    ///
    /// Any error from `open(2)`, with the path: the file is missing, may not be used in this way,
    /// or is a directory that was to be written, or the process has no descriptors left.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the options contradict each other.
    #[track_caller]
    pub fn open<P: AsRef<Path>>(
        &self,
        path: P,
    ) -> impl Future<Output = io::Result<File>> + Send + use<P> {
        self.open_at(Some(Location::caller()), path.as_ref())
    }

    /// Like [`OpenOptions::open`], on behalf of the code at `place`.
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
