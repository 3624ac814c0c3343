//! `UnixStream::send_file`.

use std::io;
use std::ops::RangeBounds;

use super::UnixStream;
use crate::io::{AsFile, bounds, send_file};
use crate::net::connection::ByteStream;
use crate::net::send_file::Direct;

impl UnixStream {
    /// Sends a part of `file`, or all of it (`..`), like
    /// [`TcpStream::send_file`](crate::net::TcpStream::send_file).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if dropped before it is ready, it has sent an unknown part of the file.
    ///
    /// # Errors
    ///
    /// The errors of [`TcpStream::send_file`](crate::net::TcpStream::send_file).
    #[doc(alias = "sendfile")]
    pub async fn send_file(
        &self,
        file: impl AsFile,
        range: impl RangeBounds<u64>,
    ) -> io::Result<u64> {
        send_file(Direct(self.registration()), file, bounds(&range)).await
    }
}
