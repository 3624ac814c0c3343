//! An operation of a file: the work that a thread does during the turn, and its fate if its future
//! is dropped.
//!
//! ```text
//!                3 awaited
//!            +---------------> Done ----------> Over
//!   Running -+                   |
//!            +-- 2 dropped --> Abandoned ... its error is kept for the next operation
//! ```
//!
//! The turn travels with the work: the awaiting code gets it back together with the result, and may
//! continue with it. The thread ends the turn of an abandoned operation as soon as the work is
//! done. No operation therefore begins before the previous one has ended, awaited or not.

use std::fs::File as StdFile;
use std::io;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use super::cursor::Cursor;
use super::shared::Turn;
use crate::fs::job::Job;
use crate::task::{Builder, ToItsEnd};

/// Does `work` on a thread.
pub(super) fn run<R, F>(turn: Turn, work: F) -> Running<R>
where
    R: Send + 'static,
    F: FnOnce(&StdFile, &mut Cursor) -> io::Result<R> + Send + 'static,
{
    let answer = Arc::new(Answer { stage: Mutex::new(Stage::Running) });
    let duty = Duty { turn: Some(turn), answer: Arc::clone(&answer) };
    Running { job: duty.into_job(work), answer }
}

/// Does `work` on a thread without being awaited. The work is done even if the file is dropped or
/// the loop ends.
pub(super) fn run_to_end<F>(turn: Turn, work: F)
where
    F: FnOnce(&StdFile, &mut Cursor) -> io::Result<()> + Send + 'static,
{
    let shared = Arc::clone(turn.shared());
    let answer = Arc::new(Answer { stage: Mutex::new(Stage::Unattended) });
    let job = Duty { turn: Some(turn), answer }.into_job(work);
    let job = async move {
        // Without a thread, the duty itself reports that the work was not done.
        job.await.ok();
        // If the file is gone, the error is reported here, where the loop is.
        drop(shared);
    };
    // The task is eager, so it is dropped after its first poll at the earliest.
    let job = ToItsEnd::new(job, |()| None, Location::caller());
    drop(Builder::new().name("file").eager(true).create_task(job));
}

/// Like [`run_to_end`], but the work may be left out when the loop ends.
pub(super) fn run_unattended<F>(turn: Turn, work: F)
where
    F: FnOnce(&StdFile, &mut Cursor) -> io::Result<()> + Send + 'static,
{
    let shared = Arc::clone(turn.shared());
    let answer = Arc::new(Answer { stage: Mutex::new(Stage::Abandoned) });
    let job = Duty { turn: Some(turn), answer }.into_job(work);
    let job = async move {
        if let Err(no_thread) = job.await {
            shared.keep_failure(no_thread);
        }
    };
    drop(Builder::new().name("file").eager(true).create_task(job));
}

/// The future of [`run`]: the result, and the turn. An error ends the turn.
pub(super) struct Running<R> {
    job: Job<()>,
    answer: Arc<Answer<R>>,
}

struct Answer<R> {
    stage: Mutex<Stage<R>>,
}

enum Stage<R> {
    Running,
    /// The future is gone: the work need not be done if it has not begun.
    Abandoned,
    /// The work is not awaited, and must be done nevertheless.
    Unattended,
    Done(io::Result<R>, Turn),
    Over,
}

impl<R> Answer<R> {
    fn lock(&self) -> MutexGuard<'_, Stage<R>> {
        // Nothing panics under the lock.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, stage: Stage<R>) -> Stage<R> {
        mem::replace(&mut self.lock(), stage)
    }
}

impl<R> Future for Running<R> {
    type Output = io::Result<(R, Turn)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(Pin::new(&mut self.job).poll(cx))?;
        let Stage::Done(result, turn) = self.answer.replace(Stage::Over) else {
            unreachable!("the job leaves its result before it ends, and is polled no more")
        };
        Poll::Ready(result.map(|value| (value, turn)))
    }
}

impl<R> Drop for Running<R> {
    fn drop(&mut self) {
        if let Stage::Done(Err(error), turn) = self.answer.replace(Stage::Abandoned) {
            turn.shared().keep_failure(error);
        }
    }
}

/// What a thread owes to the waiter: a result, and the turn.
struct Duty<R> {
    /// `None` once it is fulfilled.
    turn: Option<Turn>,
    answer: Arc<Answer<R>>,
}

impl<R: Send + 'static> Duty<R> {
    fn into_job<F>(self, work: F) -> Job<()>
    where
        F: FnOnce(&StdFile, &mut Cursor) -> io::Result<R> + Send + 'static,
    {
        let path = self.turn.as_ref().and_then(|turn| turn.shared().named.shared_path());
        Job::at(None, "read, write or change", path, move || {
            self.fulfil(work);
            Ok(())
        })
    }
}

impl<R> Duty<R> {
    fn fulfil(mut self, work: impl FnOnce(&StdFile, &mut Cursor) -> io::Result<R>) {
        let Some(mut turn) = self.turn.take() else { return };
        let result = turn.work(work);
        self.end(result, turn);
    }

    fn end(&self, result: io::Result<R>, turn: Turn) {
        let mut stage = self.answer.lock();
        if let Stage::Running = *stage {
            *stage = Stage::Done(result, turn);
            return;
        }
        drop(stage);
        if let Err(error) = result {
            turn.shared().keep_failure(error);
        }
    }
}

impl<R> Drop for Duty<R> {
    fn drop(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        if let Stage::Unattended = *self.answer.lock() {
            let undone = io::Error::other("the event loop has ended, or could start no thread");
            turn.shared().keep_failure(turn.shared().named.cannot("write", &undone));
        }
    }
}
