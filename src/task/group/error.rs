//! `GroupError`: every error of a group.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::slice;
use std::vec;

use crate::runtime::{CleanupError, TaskId, TaskLabel};
use crate::task::JoinError;
use crate::task::join_error::write_cleanups;

/// The errors of a [group](crate::task_group): at least one, in the order in which they occurred,
/// with the body's error last. Python's `ExceptionGroup`.
///
/// It converts into an [`io::Error`] if its errors are `io::Error`s; the kind is that of the first.
/// Like any error, it converts into a `Box<dyn Error>`. So `?` works on an inner group's error in a
/// function, child or body that returns either error type. For your own error type, write `impl
/// From<GroupError<MyError>> for MyError`. Alternatively, use `GroupError<MyError>` as the error
/// type of the outer group: both `MyError` and the inner group's error convert into it, and
/// [`flatten`](GroupError::flatten) merges them.
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

/// One error of a [`GroupError`], with the task it came from.
pub struct TaskError<E> {
    error: E,
    name: String,
    place: &'static Location<'static>,
    cleanups: Vec<CleanupError>,
}

impl<E> TaskError<E> {
    pub(super) fn new(error: E, task: &TaskLabel) -> Self {
        Self { error, name: task.name(), place: task.place, cleanups: Vec::new() }
    }

    pub(super) fn add_cleanups(&mut self, cleanups: impl IntoIterator<Item = CleanupError>) {
        self.cleanups.extend(cleanups);
    }

    /// Attributes the error to the current task. Returns `None` if there is none, which cannot
    /// happen where a task fails.
    pub(super) fn of_current(error: E) -> Option<Self> {
        let label = TaskId::current().and_then(TaskId::label)?;
        Some(Self::new(error, &label))
    }

    /// The error.
    pub fn error(&self) -> &E {
        &self.error
    }

    /// The error without the task's name and place.
    pub fn into_error(self) -> E {
        self.error
    }

    /// The name of the task that failed; for the body, of the task that awaited the group.
    pub fn task_name(&self) -> &str {
        &self.name
    }

    /// Where the task that [`task_name`](Self::task_name) names was created.
    pub fn place(&self) -> &'static Location<'static> {
        self.place
    }

    /// The failures of the child's [cleanups](crate::with_cleanup) after the child had failed, in
    /// the order in which they occurred.
    ///
    /// The cleanups of the body are not here: they belong to the task that awaits the group.
    pub fn cleanup_errors(&self) -> &[CleanupError] {
        &self.cleanups
    }
}

impl<E> GroupError<E> {
    /// Returns `None` if there are no errors.
    pub(super) fn of(errors: Vec<TaskError<E>>) -> Option<Self> {
        if errors.is_empty() { None } else { Some(Self { errors }) }
    }

    /// The errors in the order in which they occurred, with the body's error last.
    pub fn errors(&self) -> &[TaskError<E>] {
        &self.errors
    }

    /// Iterates over [`errors`](Self::errors).
    pub fn iter(&self) -> slice::Iter<'_, TaskError<E>> {
        self.errors.iter()
    }

    /// The error that made the group stop.
    pub fn first(&self) -> &TaskError<E> {
        &self.errors[0]
    }

    /// The first error, without its task. The others are dropped.
    pub fn into_first(mut self) -> E {
        self.errors.swap_remove(0).error
    }

    /// All errors. Iterating over a `GroupError`, or over a reference to one, yields the same
    /// errors.
    pub fn into_errors(self) -> Vec<TaskError<E>> {
        self.errors
    }
}

impl<E> GroupError<GroupError<E>> {
    /// Replaces each inner group by its errors. Each error keeps the name and place of its own
    /// task. Failures of cleanups of the task around an inner group are added to the last of that
    /// group's errors.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{GroupError, task_group};
    ///
    /// #[derive(Debug)]
    /// struct Oops(u32);
    ///
    /// async fn inner() -> Result<(), GroupError<Oops>> {
    ///     task_group(async |group| {
    ///         group.create_task(async { Err::<(), _>(Oops(1)) });
    ///         Err(Oops(2))
    ///     })
    ///     .await
    /// }
    ///
    /// oneloop::run(async {
    ///     let outer = task_group(async |_group| -> Result<(), GroupError<Oops>> {
    ///         inner().await?;
    ///         Err(Oops(3).into())
    ///     });
    ///     let numbers = outer.await.unwrap_err().flatten().into_iter().map(|oops| oops.into_error().0);
    ///     assert!(numbers.eq([2]));
    /// });
    /// ```
    pub fn flatten(self) -> GroupError<E> {
        let flatten = |outer: TaskError<GroupError<E>>| {
            let mut errors = outer.error.errors;
            if let Some(last) = errors.last_mut() {
                last.add_cleanups(outer.cleanups);
            }
            errors
        };
        GroupError { errors: self.errors.into_iter().flat_map(flatten).collect() }
    }
}

/// Attributes the error to the running task. This makes `?` work on an `E` where a `GroupError<E>`
/// is expected.
impl<E> From<E> for GroupError<E> {
    #[track_caller]
    fn from(error: E) -> Self {
        let here = Location::caller();
        let task = TaskId::current().and_then(TaskId::label);
        let (name, place) =
            task.map_or_else(|| ("no task".to_owned(), here), |task| (task.name(), task.place));
        let error = TaskError { error, name, place, cleanups: Vec::new() };
        Self { errors: vec![error] }
    }
}

impl<E> IntoIterator for GroupError<E> {
    type Item = TaskError<E>;
    type IntoIter = vec::IntoIter<TaskError<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

impl<'a, E> IntoIterator for &'a GroupError<E> {
    type Item = &'a TaskError<E>;
    type IntoIter = slice::Iter<'a, TaskError<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.iter()
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error, name, place, cleanups } = self;
        write!(f, "{error} (in task `{name}`, created at {place}")?;
        write_cleanups(cleanups, f)?;
        f.write_str(")")
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
        let Self { error, name, place, cleanups } = self;
        write!(f, "{error:?} (in task `{name}`, created at {place}")?;
        write_cleanups(cleanups, f)?;
        f.write_str(")")
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupError")?;
        self.errors.fmt(f)
    }
}

/// The source is the error, if that is an [`io::Error`], a [`JoinError`], a boxed error, or the
/// `GroupError` of one of these.
///
/// Not every `E` is an [`Error`], so other types come by [`error`](TaskError::error) only.
impl<E: fmt::Debug + fmt::Display + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        as_error(&self.error)
    }
}

/// The source is the [first](GroupError::first) error: the error itself, where it is an
/// [`io::Error`], a [`JoinError`], a boxed error, or the `GroupError` of one of these; otherwise
/// its [`TaskError`].
impl<E: fmt::Debug + fmt::Display + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let first = self.first();
        Some(as_error(&first.error).unwrap_or(first))
    }
}

/// `E` need not be an `Error`: `String`, `Box<dyn Error>` and `anyhow::Error` are none. So the
/// usual types are tried.
fn as_error<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    fn error_of<T: Error + 'static>(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
        Some(error.downcast_ref::<T>()?)
    }
    type Find = fn(&dyn Any) -> Option<&(dyn Error + 'static)>;
    let known: [Find; 9] = [
        error_of::<io::Error>,
        error_of::<JoinError>,
        error_of::<GroupError<io::Error>>,
        error_of::<GroupError<JoinError>>,
        error_of::<GroupError<Box<dyn Error>>>,
        error_of::<GroupError<Box<dyn Error + Send + Sync>>>,
        |error| Some(&**error.downcast_ref::<Box<dyn Error>>()?),
        |error| Some(&**error.downcast_ref::<Box<dyn Error + Send>>()?),
        |error| Some(&**error.downcast_ref::<Box<dyn Error + Send + Sync>>()?),
    ];
    known.iter().find_map(|known| known(error))
}

impl From<GroupError<Self>> for io::Error {
    fn from(error: GroupError<Self>) -> Self {
        Self::new(error.first().error.kind(), error)
    }
}
