//! Any descriptor as a source, for kinds that mio has no type for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::event::Source;
use mio::unix::{SourceFd, pipe};
use mio::{Interest, Registry, Token};

/// Makes a source of an owner of a descriptor.
#[derive(Debug)]
pub(crate) struct FdSource<T>(pub(crate) T);

impl<T: AsFd> Source for FdSource<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).deregister(registry)
    }
}

/// Makes a pipe and returns its receiving and its sending end, non-blocking and close-on-exec. mio
/// knows how to do that on systems that need several calls for it.
pub(crate) fn pipe_ends() -> io::Result<(OwnedFd, OwnedFd)> {
    let (sender, receiver) = pipe::new()?;
    Ok((receiver.into(), sender.into()))
}
