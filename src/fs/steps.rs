//! Work on whole files, in steps. After each step the loop may report progress, stop the work, or
//! let other jobs have the thread.

use std::io;
use std::mem;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::job::Job;
use crate::runtime::Place;

/// Blocking work that is done in steps. It is dropped on a thread, except between steps.
pub(super) trait Work: Send + Sized + 'static {
    type Output: Send + 'static;

    /// Does the next step.
    fn step(self) -> io::Result<Step<Self>>;

    /// Describes the operation and its file, for error messages.
    fn operation(&self) -> (&'static str, &Path);

    /// The number of bytes done, and the total.
    fn progress(&self) -> (u64, u64);
}

/// The outcome of a step.
pub(super) enum Step<W: Work> {
    Next(W),
    /// It was the last step. The number is the total of bytes done.
    Over(W::Output, u64),
}

/// Work, and its current stage.
pub(super) struct Steps<W: Work> {
    stage: Stage<W>,
    /// Where the user asked for it.
    place: Place,
}

enum Stage<W: Work> {
    Resting(W),
    Working(Job<Step<W>>),
    Over,
}

/// The type of a progress callback when there is none.
pub(super) type Unwatched = fn(u64, u64);

impl<W: Work> Steps<W> {
    #[track_caller]
    pub(super) fn new(work: W) -> Self {
        Self { stage: Stage::Resting(work), place: Location::caller() }
    }

    /// Goes through all steps. Before each, `prepare` may add what the step needs; after each,
    /// `watch` is told the progress.
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
