//! `GroupError`: all that went wrong in a group.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;

use crate::runtime::{TaskId, TaskLabel};

/// The errors of a [group](crate::task_group): at least one, in the order in which they came, that of the body last. Python's
/// `ExceptionGroup`.
///
/// It converts into an [`io::Error`] if its errors are such; the kind is that of the first.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// oneloop::run(async {
///     let result = oneloop::task_group(async |group| -> io::Result<()> {
///         group.create_task(async { Err::<(), _>(io::Error::other("no route")) }).named("fetch");
///         std::future::pending().await
///     })
///     .await;
///     let error = result.unwrap_err();
///     assert_eq!(error.first().error().to_string(), "no route");
///     assert_eq!(error.first().task_name(), "fetch");
/// });
/// ```
#[doc(alias = "ExceptionGroup")]
pub struct GroupError<E> {
    /// Never empty.
    errors: Vec<TaskError<E>>,
}

/// One error of a [`GroupError`], and whose it is.
pub struct TaskError<E> {
    error: E,
    name: String,
    place: &'static Location<'static>,
}

impl<E> TaskError<E> {
    pub(super) fn new(error: E, task: &TaskLabel) -> Self {
        Self { error, name: task.name(), place: task.place }
    }

    /// As the error of the current task. `None`: there is none, which cannot be where a task fails.
    pub(super) fn of_current(error: E) -> Option<Self> {
        let label = TaskId::current().and_then(TaskId::label)?;
        Some(Self::new(error, &label))
    }

    /// The error.
    pub fn error(&self) -> &E {
        &self.error
    }

    /// The error alone.
    pub fn into_error(self) -> E {
        self.error
    }

    /// The name of the task that failed; for the body, of the task that awaited the group.
    pub fn task_name(&self) -> &str {
        &self.name
    }

    /// Where that task was created.
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }
}

impl<E> GroupError<E> {
    /// `None`: there are no errors.
    pub(super) fn of(errors: Vec<TaskError<E>>) -> Option<Self> {
        if errors.is_empty() { None } else { Some(Self { errors }) }
    }

    /// The errors, in the order in which they came, that of the body last.
    pub fn errors(&self) -> &[TaskError<E>] {
        &self.errors
    }

    /// The one that made the group stop.
    pub fn first(&self) -> &TaskError<E> {
        &self.errors[0]
    }

    /// The first error alone. The others are dropped.
    pub fn into_first(mut self) -> E {
        self.errors.swap_remove(0).error
    }

    /// All errors.
    pub fn into_errors(self) -> Vec<TaskError<E>> {
        self.errors
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, name, place } = self;
        write!(f, "{error} (in task `{name}`, created at {place})")
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug> fmt::Debug for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, name, place } = self;
        write!(f, "{error:?} (in task `{name}`, created at {place})")
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupError")?;
        self.errors.fmt(f)
    }
}

impl<E: fmt::Debug + fmt::Display> Error for TaskError<E> {}

impl<E: fmt::Debug + fmt::Display> Error for GroupError<E> {}

impl From<GroupError<Self>> for io::Error {
    fn from(error: GroupError<Self>) -> Self {
        Self::new(error.first().error.kind(), error)
    }
}
