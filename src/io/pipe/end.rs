//! The descriptor under the end of a pipe: one that the loop waits for, or one that is always
//! ready.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::task::{Context, Poll, ready};

use nix::errno::Errno;

use crate::io::descriptor::{self, Descriptor};
use crate::runtime::{Direction, Interests, Moved, Registration, poll_budget};
use crate::sys::descriptors::FdSource;

pub(super) enum End {
    Waited(Registration<Descriptor>),
    /// A device that is always ready, such as `/dev/null`: the kernel refuses to wait for it.
    Ready(Descriptor),
}

impl End {
    /// Registers `fd`, which must be open for `direction` and of a kind that can be waited for.
    pub(super) fn adopt(
        fd: OwnedFd,
        direction: Direction,
        interests: Interests,
        what: &'static str,
    ) -> io::Result<Self> {
        let file = descriptor::prepare(fd, direction)?;
        let is_device = file.metadata()?.file_type().is_char_device();
        // A refused registration keeps its descriptor, so a spare is needed.
        let spare = if is_device { Some(file.try_clone()?) } else { None };
        match (Registration::new(FdSource(file), interests, what), spare) {
            (Ok(registration), _) => Ok(Self::Waited(registration)),
            (Err(error), Some(spare)) if is_never_waited_for(&error) => Ok(Self::of_device(spare)),
            (Err(error), _) => Err(descriptor::explain(error, what)),
        }
    }

    fn of_device(device: File) -> Self {
        Self::Ready(FdSource(device))
    }

    /// Another process is at the other end: virtual time stands still while this end waits.
    pub(super) fn set_outside(&self) {
        if let Self::Waited(registration) = self {
            registration.set_outside();
        }
    }

    pub(super) fn io(&self) -> &Descriptor {
        match self {
            Self::Waited(registration) => registration.io(),
            Self::Ready(io) => io,
        }
    }

    pub(super) fn into_inner(self) -> io::Result<Descriptor> {
        match self {
            Self::Waited(registration) => registration.into_inner(),
            Self::Ready(io) => Ok(io),
        }
    }

    pub(super) fn try_io<T>(
        &self,
        direction: Direction,
        operation: impl FnMut(&Descriptor) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        match self {
            Self::Waited(registration) => registration.try_io(direction, operation),
            Self::Ready(io) => attempt(io, operation),
        }
    }

    pub(super) async fn when_ready<T>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&Descriptor) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        match self {
            Self::Waited(registration) => registration.when_ready(direction, operation).await,
            Self::Ready(io) => poll_fn(|cx| poll_ready(io, cx, &mut operation)).await,
        }
    }

    pub(super) fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        operation: impl FnMut(&Descriptor) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        match self {
            Self::Waited(registration) => registration.poll_io(direction, cx, operation),
            Self::Ready(io) => poll_ready(io, cx, operation),
        }
    }

    pub(super) async fn ready(&self, direction: Direction) -> io::Result<()> {
        match self {
            Self::Waited(registration) => registration.ready(direction).await,
            Self::Ready(_) => {
                poll_fn(poll_budget).await;
                Ok(())
            }
        }
    }
}

/// Whether `error` is epoll's answer for a device that is always ready.
fn is_never_waited_for(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EPERM as i32)
}

/// Runs `operation` on a device. If the device refuses it, for example after it hung up, the
/// refusal is final.
fn poll_ready<T>(
    io: &Descriptor,
    cx: &mut Context<'_>,
    operation: impl FnMut(&Descriptor) -> io::Result<Moved<T>>,
) -> Poll<io::Result<T>> {
    ready!(poll_budget(cx));
    match attempt(io, operation) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

fn attempt<T>(
    io: &Descriptor,
    mut operation: impl FnMut(&Descriptor) -> io::Result<Moved<T>>,
) -> io::Result<T> {
    loop {
        match operation(io) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map(|moved| moved.value),
        }
    }
}
