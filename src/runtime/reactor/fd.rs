//! Any descriptor as a source: what mio has no type of its own for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mio::event::Source;
use mio::unix::{SourceFd, pipe};
use mio::{Interest, Registry, Token};

/// Makes a source of what owns a descriptor.
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

/// The end to read from and the end to write to of a new pipe: non-blocking, and closed on exec from their birth, also on
/// systems that need more than one call for it, which mio knows.
pub(crate) fn pipe_ends() -> io::Result<(OwnedFd, OwnedFd)> {
    let (sender, receiver) = pipe::new()?;
    Ok((receiver.into(), sender.into()))
}
