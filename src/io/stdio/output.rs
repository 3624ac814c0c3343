//! Pieces that a thread writes to standard output or error, one after the other.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::blocking;
use super::channel::Standard;
use super::waiters::{WaiterId, Waiters};
use crate::runtime::{BoxedCleanup, LoopLocal, hold_while_pending, local};

/// The most bytes written at once.
const WRITE_MAX: usize = 1024 * 1024;

/// Standard output and standard error. They belong to the process, so there is one of each.
static OUTPUTS: [Mutex<Output>; 2] = [const { Mutex::new(Output::new()) }; 2];

struct Output {
    /// Pieces are numbered; at most one is being written.
    started: u64,
    finished: u64,
    /// The error of a piece, until a caller has taken it.
    failure: Option<(u64, io::Error)>,
    waiters: Waiters,
}

/// Identifies a piece.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    standard: Standard,
    number: u64,
    pub(super) len: usize,
}

/// Locks an output. No user code and no blocking call runs while it is locked.
fn output(standard: Standard) -> MutexGuard<'static, Output> {
    let index = usize::from(matches!(standard, Standard::Error));
    OUTPUTS[index].lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    const fn new() -> Self {
        Self { started: 0, finished: 0, failure: None, waiters: Waiters::new() }
    }
}

/// Waits until no piece is being written. An error is that of a piece that no caller waited for.
pub(super) fn poll_idle(
    standard: Standard,
    id: WaiterId,
    cx: &Context<'_>,
) -> Poll<io::Result<()>> {
    poll_when_idle(standard, id, cx, |_| Ok(()))
}

/// Has a thread write the beginning of `data`, once no other piece is being written.
pub(super) fn poll_start(
    standard: Standard,
    id: WaiterId,
    cx: &Context<'_>,
    data: &[u8],
) -> Poll<io::Result<Piece>> {
    if local(|| FinishAtEnd).is_none() {
        let what = standard.name();
        let message = format!("a {what} needs a running event loop: use it inside `oneloop::run`");
        return Poll::Ready(Err(io::Error::other(message)));
    }
    poll_when_idle(standard, id, cx, |output| {
        let len = data.len().min(WRITE_MAX);
        let data = data[..len].to_vec();
        let number = output.started + 1;
        blocking::call(standard, move || write(standard, number, &data))?;
        output.started = number;
        Ok(Piece { standard, number, len })
    })
}

fn poll_when_idle<R>(
    standard: Standard,
    id: WaiterId,
    cx: &Context<'_>,
    then: impl FnOnce(&mut Output) -> io::Result<R>,
) -> Poll<io::Result<R>> {
    let waker = cx.waker().clone();
    let mut output = output(standard);
    if output.started == output.finished {
        if let Some((_, error)) = output.failure.take() {
            return Poll::Ready(Err(error));
        }
        return Poll::Ready(then(&mut output));
    }
    wait(output, id, waker)
}

/// Waits until a piece has been written.
pub(super) fn poll_finished(piece: Piece, id: WaiterId, cx: &Context<'_>) -> Poll<io::Result<()>> {
    let waker = cx.waker().clone();
    let mut output = output(piece.standard);
    if output.finished >= piece.number {
        let failure = output.failure.take_if(|(number, _)| *number == piece.number);
        return Poll::Ready(failure.map_or(Ok(()), |(_, error)| Err(error)));
    }
    wait(output, id, waker)
}

fn wait<R>(mut output: MutexGuard<'_, Output>, id: WaiterId, waker: Waker) -> Poll<R> {
    let former = output.waiters.wait(id, waker);
    drop(output);
    drop(former);
    Poll::Pending
}

/// Runs on a thread of its own.
fn write(standard: Standard, number: u64, data: &[u8]) {
    let result = blocking::write_all(standard, data);
    let mut output = output(standard);
    output.finished = number;
    if let Err(error) = result {
        output.failure = Some((number, error));
    }
    let waiting = output.waiters.take();
    drop(output);
    for (_, waker) in waiting {
        waker.wake();
    }
}

/// A caller that may wait here, until this is dropped.
pub(super) struct Waiting {
    standard: Standard,
    pub(super) id: WaiterId,
}

impl Waiting {
    pub(super) fn new(standard: Standard) -> Self {
        Self { standard, id: WaiterId::new() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let former = output(self.standard).waiters.forget(self.id);
        drop(former);
    }
}

/// Kept in each loop that has started a writing thread, so that the loop ends only after the data
/// has been written.
struct FinishAtEnd;

impl LoopLocal for FinishAtEnd {
    fn close(self: Rc<Self>) -> Option<BoxedCleanup> {
        Some(Box::pin(async {
            for standard in [Standard::Output, Standard::Error] {
                let (waiting, mut hold) = (Waiting::new(standard), None);
                let idle = poll_fn(|cx| {
                    hold_while_pending(&mut hold, poll_idle(standard, waiting.id, cx))
                });
                if let Err(error) = idle.await {
                    let what = format!("what was written to {} is lost: {error}", standard.name());
                    return Some(what.into());
                }
            }
            None
        }))
    }
}
