//! The state that a [`File`](super::File) shares with its threads, and the turn of one operation.

use std::fs::File as StdFile;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use super::cursor::Cursor;
use super::lock::Locks;
use super::turns::{Place, Side, Turns};
use crate::fs::error::cannot;
use crate::fs::job::check_loop;
use crate::runtime::{self, RunNumber};

pub(super) struct Shared {
    pub(super) file: StdFile,
    pub(super) named: Named,
    /// The locks of the open file, shared with its clones.
    pub(super) locks: Arc<Locks>,
    turns: Turns<Cursor>,
    failure: Failure,
}

/// The name of the file in messages.
#[derive(Debug, Clone)]
pub(super) struct Named(Option<Arc<Path>>);

impl Named {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Some(path.into()))
    }

    /// The name of a file that came without its path.
    pub(super) fn nameless() -> Self {
        Self(None)
    }

    pub(super) fn shared_path(&self) -> Option<Arc<Path>> {
        self.0.clone()
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Returns an error such as "cannot read `x`: ..".
    pub(super) fn cannot(&self, doing: &str, error: &io::Error) -> io::Error {
        match &self.0 {
            Some(path) => cannot(doing, path, error),
            None => io::Error::new(error.kind(), format!("cannot {doing} a file: {error}")),
        }
    }
}

impl Shared {
    pub(super) fn new(file: StdFile, named: Named, cursor: Cursor, locks: Arc<Locks>) -> Arc<Self> {
        let failure = Failure(Mutex::new(None));
        Arc::new(Self { file, named, locks, turns: Turns::new(cursor), failure })
    }

    /// Keeps an error that nothing awaits, for the next operation. The first error is kept, because
    /// it is the cause.
    pub(super) fn keep_failure(&self, error: io::Error) {
        let mut kept = self.failure.lock();
        if kept.is_none() {
            *kept = Some((runtime::home(), error));
        } else {
            drop(kept);
            runtime::report_operation_error(runtime::home(), error);
        }
    }
}

/// The error of an operation that was not awaited, and the loop that began it.
struct Failure(Mutex<Option<(Option<RunNumber>, io::Error)>>);

impl Failure {
    fn lock(&self) -> MutexGuard<'_, Option<(Option<RunNumber>, io::Error)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Failure {
    fn drop(&mut self) {
        let kept = self.lock().take();
        if let Some((home, error)) = kept {
            runtime::report_operation_error(home, error);
        }
    }
}

/// The right to run an operation, until it is dropped.
pub(super) struct Turn {
    shared: Arc<Shared>,
    pub(super) cursor: Cursor,
}

impl Turn {
    /// Waits in line for the turn.
    pub(super) fn wait(shared: &Arc<Shared>) -> WaitTurn<'_> {
        WaitTurn { shared, place: Place::default() }
    }

    /// Polls for the turn, for traits whose callers may stop polling without notice.
    pub(super) fn poll(
        shared: &Arc<Shared>,
        side: Side,
        cx: &Context<'_>,
    ) -> Poll<io::Result<Self>> {
        let cursor = ready!(shared.turns.poll_free(side, cx));
        Poll::Ready(Self { shared: Arc::clone(shared), cursor }.checked())
    }

    /// Takes the turn if it is free, where nothing can be awaited or no loop runs.
    pub(super) fn now(shared: &Arc<Shared>) -> io::Result<Self> {
        match shared.turns.poll_free(Side::Read, &Context::from_waker(Waker::noop())) {
            Poll::Ready(cursor) => Self { shared: Arc::clone(shared), cursor }.without_failure(),
            Poll::Pending => {
                let busy = "an operation on it is under way: wait for its end first, with `flush` or `into_std`";
                let busy = io::Error::new(ErrorKind::ResourceBusy, busy);
                Err(shared.named.cannot("hand over", &busy))
            }
        }
    }

    pub(super) fn checked(self) -> io::Result<Self> {
        check_loop()?;
        self.without_failure()
    }

    /// An operation that was not awaited passes its error on to the next one.
    fn without_failure(self) -> io::Result<Self> {
        let failure = self.shared.failure.lock().take();
        failure.map_or(Ok(self), |(_, error)| Err(error))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Does `work` on this thread.
    pub(super) fn work<R>(
        &mut self,
        work: impl FnOnce(&StdFile, &mut Cursor) -> io::Result<R>,
    ) -> io::Result<R> {
        work(&self.shared.file, &mut self.cursor)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.turns.release(mem::take(&mut self.cursor));
    }
}

/// The future of [`Turn::wait`].
pub(super) struct WaitTurn<'a> {
    shared: &'a Arc<Shared>,
    place: Place,
}

impl Future for WaitTurn<'_> {
    type Output = io::Result<Turn>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared;
        let cursor = ready!(shared.turns.poll_take(&mut self.place, cx));
        Poll::Ready(Turn { shared: Arc::clone(shared), cursor }.checked())
    }
}

impl Drop for WaitTurn<'_> {
    fn drop(&mut self) {
        self.shared.turns.leave(&mut self.place);
    }
}
