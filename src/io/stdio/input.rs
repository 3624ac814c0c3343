//! Standard input that the process has read but no caller has taken yet. All handles and loops
//! share it, so that nothing is lost when a handle or a future is dropped.

use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::blocking;
use super::channel::Standard;
use super::waiters::{WaiterId, Waiters};
use crate::io::buffer::Buffer;
use crate::io::newlines::Newlines;

/// The most bytes read at once.
pub(super) const READ_MAX: usize = 64 * 1024;

static INPUT: LazyLock<Mutex<Input>> = LazyLock::new(Mutex::default);

#[derive(Default)]
pub(super) struct Input {
    ahead: Buffer,
    newlines: Newlines,
    /// A thread is about to read, or reading.
    is_reading: bool,
    /// How the thread's read ended, if not with data: at the end of the input, or with an error.
    /// The first caller to see it takes it.
    end: Option<io::Result<()>>,
    waiters: Waiters,
}

/// Locks the input. No user code and no blocking call runs while it is locked.
pub(super) fn input() -> MutexGuard<'static, Input> {
    INPUT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Input {
    pub(super) fn len(&self) -> usize {
        self.ahead.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> &[u8] {
        self.newlines.consume(len);
        self.ahead.take(len)
    }

    /// Returns the length of the first line, including its newline, if the newline has arrived.
    pub(super) fn line_len(&mut self) -> Option<usize> {
        self.newlines.first(self.ahead.data()).map(|newline| newline + 1)
    }

    /// Appends the bytes that `read` reads, at most `want`. Returns 0 at the end.
    pub(super) fn fill(
        &mut self,
        want: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let room = self.ahead.room();
        let len = room.len().min(want);
        let filled = read(&mut room[..len])?;
        self.ahead.filled(filled);
        Ok(filled)
    }

    /// Releases unneeded memory, for a pause between reads.
    pub(super) fn park(&mut self) {
        self.ahead.park();
    }
}

/// Takes a caller's part of the input, or returns `None` if there is not enough. The flag says that
/// no more input will come.
pub(super) trait Take<R>: FnMut(&mut Input, bool) -> io::Result<Option<R>> {}

impl<R, F: FnMut(&mut Input, bool) -> io::Result<Option<R>>> Take<R> for F {}

/// Takes from the input; or has a thread read `want` bytes, and waits for it.
pub(super) fn poll_blocking<R>(
    id: WaiterId,
    cx: &Context<'_>,
    want: usize,
    take: &mut impl Take<R>,
) -> Poll<io::Result<R>> {
    let waker = cx.waker().clone();
    let mut input = input();
    if let Some(taken) = take(&mut input, false)? {
        return Poll::Ready(Ok(taken));
    }
    if let Some(end) = input.end.take() {
        end?;
        if let Some(taken) = take(&mut input, true)? {
            return Poll::Ready(Ok(taken));
        }
    }
    if !input.is_reading {
        blocking::call(Standard::Input, move || read(want))?;
        input.is_reading = true;
    }
    input.park();
    let former = input.waiters.wait(id, waker);
    drop(input);
    drop(former);
    Poll::Pending
}

/// Runs on a thread of its own.
fn read(want: usize) {
    let mut chunk = vec![0; want.min(READ_MAX)];
    let result = blocking::read_some(Standard::Input, &mut chunk);
    let mut input = input();
    input.is_reading = false;
    match result {
        Ok(0) => input.end = Some(Ok(())),
        Ok(len) => input.ahead.append(&chunk[..len]),
        Err(error) => input.end = Some(Err(error)),
    }
    let waiting = input.waiters.take();
    drop(input);
    for (_, waker) in waiting {
        waker.wake();
    }
}

/// A caller that may wait in [`poll_blocking`], until this is dropped.
pub(super) struct Waiting {
    pub(super) id: WaiterId,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self { id: WaiterId::new() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let former = input().waiters.forget(self.id);
        drop(former);
    }
}
