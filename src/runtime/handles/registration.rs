//! A registered I/O object as the rest of the crate holds it: the object, and the handle of its
//! source.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};

use super::source_handle::SourceHandle;
use crate::runtime::reactor::{Direction, Drained, EntryId, Interests};
use crate::sys::edges::{EventSource, rearm};

/// An I/O object registered with a loop's reactor. It works on the loop's thread only. It may be
/// dropped on every thread that the object may go to: it is `Send` if the object is, because the
/// rest is a key.
#[cfg_attr(
    feature = "net",
    expect(unnameable_types, reason = "it stands in a trait of `net` that is for streams alone")
)]
pub struct Registration<S: EventSource> {
    /// `None` only after `into_inner` or the drop took it.
    io: Option<S>,
    source: SourceHandle,
}

/// The result of an operation that did not fail.
pub(crate) struct Moved<T> {
    pub(crate) value: T,
    /// The operation moved less than it was offered. If the short-read rule holds, there is no more
    /// for now.
    pub(crate) is_short: bool,
}

/// A trait object, because the call costs nothing beside a system call, and the code around it is
/// compiled once for all operations.
type Operation<'a, S, T> = &'a mut dyn FnMut(&S) -> io::Result<Moved<T>>;

impl<S: EventSource> Registration<S> {
    /// Registers `io`, which is in non-blocking mode, with the loop that runs here.
    pub(crate) fn new(mut io: S, interests: Interests, what: &'static str) -> io::Result<Self> {
        let source = SourceHandle::register(&mut io, interests, what)?;
        Ok(Self { io: Some(io), source })
    }

    /// Marks the object as one that another process makes ready. Virtual time stands still while it
    /// is awaited.
    pub(crate) fn set_outside(&self) {
        self.source.set_outside();
    }

    /// Marks the entry at which the loop itself waits, so that no task is woken there.
    pub(crate) fn set_own(&self, entry: EntryId) {
        self.source.set_own(entry);
    }

    pub(crate) fn io(&self) -> &S {
        match &self.io {
            Some(io) => io,
            None => unreachable!("the object is taken out only when the registration goes"),
        }
    }

    /// Ends the registration and gives the object back.
    pub(crate) fn into_inner(mut self) -> io::Result<S> {
        if let Some(io) = &mut self.io {
            // If this fails, the drop sends the release home.
            self.source.release(io).map_err(|elsewhere| self.source.wrong_place(elsewhere))?;
        }
        match self.io.take() {
            Some(io) => Ok(io),
            None => unreachable!("the object is taken out only when the registration goes"),
        }
    }

    /// Does `operation` if the object may be ready for it. Otherwise fails with `WouldBlock`. Never
    /// waits.
    pub(crate) fn try_io<T>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        if self.source.is_ready(direction)? {
            self.attempt(direction, &mut operation)
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }

    /// Does `operation` as soon as the object is ready for it.
    pub(crate) async fn when_ready<T>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> io::Result<T> {
        let mut waiting = Waiting { source: &self.source, direction, entry: None };
        let result =
            poll_fn(|cx| self.poll_as(&mut waiting.entry, direction, cx, &mut operation)).await;
        waiting.is_over();
        result
    }

    /// Like [`Registration::when_ready`], for traits whose callers have one waker per direction.
    /// Only the last one is woken.
    pub(crate) fn poll_io<T>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<Moved<T>>,
    ) -> Poll<io::Result<T>> {
        self.poll_as(&mut Some(EntryId::POLL), direction, cx, &mut operation)
    }

    /// Waits until an operation in this direction may do something.
    pub(crate) async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut waiting = Waiting { source: &self.source, direction, entry: None };
        let result = poll_fn(|cx| self.source.poll_ready(&mut waiting.entry, direction, cx)).await;
        waiting.is_over();
        result
    }

    /// Like [`Registration::ready`], for callers with one waker per direction. Only the last one is
    /// woken.
    pub(crate) fn poll_direction(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.source.poll_ready(&mut Some(EntryId::POLL), direction, cx)
    }

    /// Like [`Registration::poll_io`], for one of several callers. Each has an entry of its own,
    /// which is `None` at first and ends with [`Registration::forget`].
    pub(crate) fn poll_as<T>(
        &self,
        entry: &mut Option<EntryId>,
        direction: Direction,
        cx: &mut Context<'_>,
        operation: Operation<'_, S, T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.source.poll_ready(entry, direction, cx))?;
            match self.attempt(direction, operation) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Does the operation now, and notes what the result implies for the object's readiness.
    fn attempt<T>(&self, direction: Direction, operation: Operation<'_, S, T>) -> io::Result<T> {
        loop {
            match operation(self.io()) {
                Ok(Moved { value, is_short }) => {
                    if is_short {
                        self.source.drained(direction, Drained::Short)?;
                    }
                    return Ok(value);
                }
                Err(error) => {
                    if error.kind() == ErrorKind::WouldBlock {
                        rearm(self.io());
                    }
                    self.source.failed(direction, error)?;
                }
            }
        }
    }

    /// Removes the entry of a waiter that waits no longer.
    /// An operation has found that the object is not ready, or has made it so.
    pub(crate) fn clear_ready(&self, direction: Direction) -> io::Result<()> {
        rearm(self.io());
        self.source.drained(direction, Drained::WouldBlock)
    }

    pub(crate) fn forget(&self, direction: Direction, entry: EntryId) {
        self.source.forget(direction, entry);
    }
}

impl<S: EventSource> Drop for Registration<S> {
    fn drop(&mut self) {
        let Some(mut io) = self.io.take() else { return };
        if self.source.release(&mut io).is_err() {
            // This is another thread, or between two runs. Closing the object at once lets the peer
            // see it, and takes it out of the reactor too. The key goes home.
            drop(io);
            self.source.send_release_home();
        }
    }
}

/// A future that waits for a direction. Its drop removes its entry.
struct Waiting<'a> {
    source: &'a SourceHandle,
    direction: Direction,
    entry: Option<EntryId>,
}

impl Waiting<'_> {
    /// The source was ready. Only an edge makes it so, and the edge has taken the entry.
    fn is_over(&mut self) {
        self.entry = None;
    }
}

impl Drop for Waiting<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            self.source.forget(self.direction, entry);
        }
    }
}

impl<S: EventSource + fmt::Debug> fmt::Debug for Registration<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.io(), f)
    }
}
