//! The files that `send_file` accepts. The layer `fs` implements the trait for its own files.

use std::fs::File;
use std::rc::Rc;
use std::sync::Arc;

/// A file to send: [`std::fs::File`], [`fs::File`](crate::fs::File),
/// [`fs::TempFile`](crate::fs::TempFile), or a reference, `Box`, `Rc` or `Arc` of one of them.
///
/// On Unix, a descriptor becomes one by `std::fs::File::from(OwnedFd)`. Other crates cannot
/// implement this trait.
///
/// # Examples
///
/// ```
/// use oneloop::fs;
/// use oneloop::io::{self, AsFile, StreamReader, StreamWriter};
///
/// async fn send_page(writer: &mut StreamWriter, page: impl AsFile) -> io::Result<()> {
///     writer.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
///     writer.send_file(page, ..).await?;
///     Ok(())
/// }
///
/// oneloop::run(async {
///     let page = fs::temp_file().await?;
///     page.write_all(b"<p>hello").await?;
///     let (one, other) = io::duplex(64 * 1024);
///     let mut writer = StreamWriter::new(one);
///     send_page(&mut writer, &page).await?;
///     send_page(&mut writer, std::fs::File::open("Cargo.toml")?).await?;
///     writer.close();
///     let page = StreamReader::new(other).read_to_string().await?;
///     assert!(page.contains("<p>hello") && page.contains("[package]"));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a file that oneloop can send",
    label = "pass a `File` of std or of `oneloop::fs`, or a reference to one"
)]
pub trait AsFile {
    /// Returns the file.
    #[doc(hidden)]
    fn as_file(&self, sealed: Sealed) -> &File;
}

/// Keeps implementations of [`AsFile`] inside this crate.
#[doc(hidden)]
#[expect(unnameable_types, reason = "other crates must not name it")]
#[derive(Debug)]
pub struct Sealed(());

/// Returns the file of the standard library.
pub(super) fn std_file(file: &impl AsFile) -> &File {
    file.as_file(Sealed(()))
}

impl AsFile for File {
    fn as_file(&self, _sealed: Sealed) -> &File {
        self
    }
}

impl<T: AsFile + ?Sized> AsFile for &T {
    fn as_file(&self, sealed: Sealed) -> &File {
        (**self).as_file(sealed)
    }
}

impl<T: AsFile + ?Sized> AsFile for &mut T {
    fn as_file(&self, sealed: Sealed) -> &File {
        (**self).as_file(sealed)
    }
}

impl<T: AsFile + ?Sized> AsFile for Box<T> {
    fn as_file(&self, sealed: Sealed) -> &File {
        (**self).as_file(sealed)
    }
}

impl<T: AsFile + ?Sized> AsFile for Rc<T> {
    fn as_file(&self, sealed: Sealed) -> &File {
        (**self).as_file(sealed)
    }
}

impl<T: AsFile + ?Sized> AsFile for Arc<T> {
    fn as_file(&self, sealed: Sealed) -> &File {
        (**self).as_file(sealed)
    }
}
