//! What the process has read of its standard input and nobody has taken yet. There is one for all handles and loops, so that nothing is
//! lost when a handle or a future goes.

use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::blocking;
use super::channel::Standard;
use super::waiters::{WaiterId, Waiters};
use crate::io::buffer::Buffer;
use crate::io::newlines::Newlines;

/// How much is read at once, at most.
pub(super) const READ_MAX: usize = 64 * 1024;

static INPUT: LazyLock<Mutex<Input>> = LazyLock::new(Mutex::default);

#[derive(Default)]
pub(super) struct Input {
    ahead: Buffer,
    newlines: Newlines,
    /// A thread is about to read.
    is_reading: bool,
    /// How the thread has ended, other than with data: at the end of the input, or with an error. Whoever sees it first takes it.
    end: Option<io::Result<()>>,
    waiters: Waiters,
}

/// No user code runs while it is locked, and no call that waits.
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

    /// The length of the first line, with its end, if that has come.
    pub(super) fn line_len(&mut self) -> Option<usize> {
        self.newlines.first(self.ahead.data()).map(|newline| newline + 1)
    }

    /// Appends what `read` reads, `want` bytes at most. 0: it was the end.
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

    /// Nobody reads on at once: keeps no more memory than needed.
    pub(super) fn park(&mut self) {
        self.ahead.park();
    }
}

/// What somebody wants of the input: `None` if there is not enough of it. The flag says that no more will come.
pub(super) trait Take<R>: FnMut(&mut Input, bool) -> io::Result<Option<R>> {}

impl<R, F: FnMut(&mut Input, bool) -> io::Result<Option<R>>> Take<R> for F {}

/// Takes, or lets a thread read `want` bytes and waits for it.
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

/// On a thread of its own.
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

/// Somebody who may wait in [`poll_blocking`], until dropped.
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
