//! Work on whole files, in steps: after each one the loop may tell how far it is, stop it, or let other jobs have the
//! thread.

use std::io;
use std::mem;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::job::Job;
use crate::runtime::Place;

/// Blocking work that is done in steps. It is dropped on a thread, unless it rests.
pub(super) trait Work: Send + Sized + 'static {
    type Output: Send + 'static;

    /// Does the next step.
    fn step(self) -> io::Result<Step<Self>>;

    /// What is done, and with which file.
    fn operation(&self) -> (&'static str, &Path);

    /// How many bytes are done, and of how many.
    fn progress(&self) -> (u64, u64);
}

/// What comes after a step.
pub(super) enum Step<W: Work> {
    Next(W),
    /// It was the last one; so many bytes were done in all.
    Over(W::Output, u64),
}

/// Work, and how far it has come.
pub(super) struct Steps<W: Work> {
    stage: Stage<W>,
    /// Where it was asked for.
    place: Place,
}

enum Stage<W: Work> {
    Resting(W),
    Working(Job<Step<W>>),
    Over,
}

/// Is told how far the work is; the type that stands for "nobody asks".
pub(super) type Unwatched = fn(u64, u64);

impl<W: Work> Steps<W> {
    #[track_caller]
    pub(super) fn new(work: W) -> Self {
        Self { stage: Stage::Resting(work), place: Location::caller() }
    }

    /// Goes through all steps: before each, `prepare` may add what it needs; after each, `watch` is told how far it is.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut prepare: impl FnMut(&mut W),
        watch: &mut Option<impl FnMut(u64, u64)>,
    ) -> Poll<io::Result<W::Output>> {
        loop {
            let mut job = match mem::replace(&mut self.stage, Stage::Over) {
                Stage::Resting(mut work) => {
                    prepare(&mut work);
                    let (doing, path) = work.operation();
                    let path = Some(Arc::from(path));
                    Job::at(Some(self.place), doing, path, move || work.step())
                }
                Stage::Working(job) => job,
                Stage::Over => panic!("a future of `fs` was polled after it was ready"),
            };
            let Poll::Ready(step) = Pin::new(&mut job).poll(cx) else {
                self.stage = Stage::Working(job);
                return Poll::Pending;
            };
            let (done, total, output) = match step? {
                Step::Next(work) => {
                    let (done, total) = work.progress();
                    self.stage = Stage::Resting(work);
                    (done, total, None)
                }
                Step::Over(output, total) => (total, total, Some(output)),
            };
            if let Some(watch) = watch {
                watch(done, total);
            }
            if let Some(output) = output {
                return Poll::Ready(Ok(output));
            }
        }
    }
}
