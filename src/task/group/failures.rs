//! What went wrong in a group so far, and what becomes of it: an error that the group gives, a panic that goes on, or a report.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::mem;

use super::{GroupError, TaskError};
use crate::runtime::{self, Payload, TaskLabel};

pub(super) struct Failures<E> {
    /// Those of children, in the order in which they came.
    pub(super) errors: Vec<TaskError<E>>,
    pub(super) of_body: Option<TaskError<E>>,
    /// The first one, and whose it is.
    panic: Option<(Payload, TaskLabel)>,
    describe: fn(&E) -> String,
}

impl<E> Failures<E> {
    pub(super) fn new() -> Self
    where
        E: fmt::Debug + 'static,
    {
        let (errors, of_body, panic) = (Vec::new(), None, None);
        Self { errors, of_body, panic, describe: describe::<E> }
    }

    /// The first panic goes on in whoever awaits the group; others are reported.
    pub(super) fn add_panic(&mut self, payload: Payload, task: TaskLabel) {
        match self.panic {
            None => self.panic = Some((payload, task)),
            Some(_) => runtime::report_task_panic(task.name(), task.place, payload),
        }
    }

    /// Where the group has ended: all errors or, if there is one, the panic. Then the errors are reported.
    pub(super) fn take(&mut self) -> Result<Option<GroupError<E>>, Payload> {
        if let Some((payload, _)) = self.panic.take() {
            self.report();
            return Err(payload);
        }
        let mut errors = mem::take(&mut self.errors);
        errors.extend(self.of_body.take());
        Ok(GroupError::of(errors))
    }

    /// Nobody will be given what is left: reports it.
    pub(super) fn report(&mut self) {
        let errors = mem::take(&mut self.errors);
        for error in errors.into_iter().chain(self.of_body.take()) {
            let (name, place) = (error.task_name().to_owned(), error.place());
            let described = (self.describe)(error.error());
            runtime::report_task_error(name, place, described.into());
            runtime::drop_reported(error);
        }
        if let Some((payload, task)) = self.panic.take() {
            runtime::report_task_panic(task.name(), task.place, payload);
        }
    }
}

/// A text for the report: what `Display` gives for the usual errors, what `Debug` gives for others.
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
