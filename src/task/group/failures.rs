//! The failures of a group so far. Each ends as the group's error, as a panic that continues, or as
//! a report.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};

use super::{GroupError, TaskError};
use crate::runtime::{self, CleanupError, FailedCleanup, Payload, TaskLabel};

pub(super) struct Failures<E> {
    /// The children's errors, in the order in which they occurred.
    pub(super) errors: Vec<TaskError<E>>,
    pub(super) of_body: Option<TaskError<E>>,
    /// Failed children that still have cleanups: the index of each, and of its error.
    cleaning: Vec<(usize, usize)>,
    /// The failures of such cleanups, by the index of the child's error.
    cleanups: Vec<(usize, FailedCleanup)>,
    /// The first panic, and the task it came from.
    panic: Option<(Payload, TaskLabel)>,
    describe: fn(&E) -> String,
}

impl<E> Failures<E> {
    pub(super) fn new() -> Self
    where
        E: fmt::Debug + 'static,
    {
        let (errors, of_body, panic) = (Vec::new(), None, None);
        let (cleaning, cleanups) = (Vec::new(), Vec::new());
        Self { errors, of_body, cleaning, cleanups, panic, describe: describe::<E> }
    }

    /// Records the error of a child, with the child's index if cleanups follow.
    pub(super) fn add_error(&mut self, error: TaskError<E>, cleaning: Option<usize>) {
        self.cleaning.extend(cleaning.map(|child| (child, self.errors.len())));
        self.errors.push(error);
    }

    /// Records the failures of a child's cleanups, which have ended.
    pub(super) fn add_cleanups(&mut self, child: usize, failed: Vec<FailedCleanup>) {
        let Some(at) = self.cleaning.iter().position(|(index, _)| *index == child) else { return };
        let (_, error) = self.cleaning.swap_remove(at);
        self.cleanups.extend(failed.into_iter().map(|failed| (error, failed)));
    }

    /// Records a panic. The first one continues in the task that awaits the group. Later ones are
    /// reported.
    pub(super) fn add_panic(&mut self, payload: Payload, task: TaskLabel) {
        match self.panic {
            None => self.panic = Some((payload, task)),
            Some(_) => runtime::report_task_panic(task.name(), task.place, payload),
        }
    }

    /// Called when the group has ended. Returns the first panic if there is one, and reports the
    /// errors. Otherwise returns all errors.
    pub(super) fn take(&mut self) -> Result<Option<GroupError<E>>, Payload> {
        if let Some((payload, _)) = self.panic.take() {
            self.report();
            return Err(payload);
        }
        let mut errors = mem::take(&mut self.errors);
        for (error, failed) in mem::take(&mut self.cleanups) {
            errors[error].add_cleanups([CleanupError::of(failed)]);
        }
        errors.extend(self.of_body.take());
        Ok(GroupError::of(errors))
    }

    /// Reports the remaining failures, because no code will receive them.
    pub(super) fn report(&mut self) {
        let errors = mem::take(&mut self.errors);
        for error in errors.into_iter().chain(self.of_body.take()) {
            let (name, place) = (error.task_name().to_owned(), error.place());
            let describe = AssertUnwindSafe(|| (self.describe)(error.error()));
            match panic::catch_unwind(describe) {
                Ok(described) => runtime::report_task_error(name, place, described.into()),
                Err(payload) => runtime::report_task_panic(name, place, payload),
            }
            runtime::drop_reported(error);
        }
        for (_, failed) in mem::take(&mut self.cleanups) {
            runtime::report_failed_cleanup(failed);
        }
        if let Some((payload, task)) = self.panic.take() {
            runtime::report_task_panic(task.name(), task.place, payload);
        }
    }
}

/// Formats an error for the report: with `Display` for well-known error types, otherwise with
/// `Debug`.
fn describe<E: fmt::Debug + 'static>(error: &E) -> String {
    fn display<T: fmt::Display + 'static>(error: &dyn Any) -> Option<String> {
        error.downcast_ref::<T>().map(T::to_string)
    }
    let known = [
        display::<io::Error>,
        display::<String>,
        display::<&'static str>,
        display::<Box<dyn Error>>,
        display::<Box<dyn Error + Send + Sync>>,
    ];
    known.iter().find_map(|display| display(error)).unwrap_or_else(|| format!("{error:?}"))
}
