//! The permitted outputs of a group's children and body.

use std::convert::Infallible;

use super::GroupError;
use crate::task::outcome::Never;

/// The output of a child of a [group](crate::task_group) with error type `E`: `Result<T, E>`, `()`,
/// `!`, or a plain value.
///
/// Plain values are numbers, strings, options, collections, tuples and other standard library
/// types. Wrap a value of any other type in `Ok(..)`.
///
/// # Examples
///
/// ```
/// struct Page(&'static str);
///
/// oneloop::run(oneloop::task_group(async |group| -> std::io::Result<()> {
///     let length = group.create_task(async { "text".len() });
///     let page = group.create_task(async { Ok(Page("text")) });
///     assert_eq!(length.await?, page.await?.0.len());
///     Ok(())
/// }))?;
/// # std::io::Result::Ok(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a child of this task group cannot end with `{Self}`",
    label = "ends with `{Self}`",
    note = "a child ends with `Result<T, E>`, where `E` is the group's error, with `()`, or with a plain value of the standard library",
    note = "wrap a value of another type in `Ok(..)`"
)]
pub trait GroupOutcome<E> {
    /// The output of the child's [`Task`](crate::Task).
    type Value;

    /// Converts the output into a `Result`.
    ///
    /// # Errors
    ///
    /// Returns the child's error, which goes to the group.
    fn into_group_result(self) -> Result<Self::Value, E>;
}

impl<E> GroupOutcome<E> for () {
    type Value = ();

    fn into_group_result(self) -> Result<(), E> {
        Ok(())
    }
}

impl<E> GroupOutcome<E> for Never {
    type Value = Self;

    fn into_group_result(self) -> Result<Self, E> {
        match self {}
    }
}

impl<T, E> GroupOutcome<E> for Result<T, E> {
    type Value = T;

    fn into_group_result(self) -> Self {
        self
    }
}

/// The output of the body of a [group](crate::task_group). It decides the output of the group.
///
/// `Result<T, E>` becomes `Result<T, GroupError<E>>`. `()` and plain values, the
/// same types as for [children](GroupOutcome), stay as they are, and then no child may fail.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let sum = oneloop::task_group(async |group| {
///         let (a, b) = (group.create_task(async { 40 }), group.create_task(async { 2 }));
///         a.await.unwrap() + b.await.unwrap()
///     });
///     assert_eq!(sum.await, 42);
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "the body of a task group cannot end with `{Self}`",
    label = "ends with `{Self}`",
    note = "the body ends with `Result<T, E>`, with `()`, or with a plain value of the standard library",
    note = "wrap a value of another type in `Ok(..)`, and name the error type: `async |group| -> io::Result<_> {{ .. }}`"
)]
pub trait Body {
    /// The value on success.
    type Value;
    /// The type of the group's errors.
    type Error;
    /// The output of the group.
    type Joined;

    /// Converts the output into a `Result`.
    ///
    /// # Errors
    ///
    /// Returns the body's error.
    fn into_result(self) -> Result<Self::Value, Self::Error>;

    /// Makes the group's output.
    #[doc(hidden)]
    fn joined(result: Result<Self::Value, GroupError<Self::Error>>) -> Self::Joined;
}

impl Body for () {
    type Value = ();
    type Error = Infallible;
    type Joined = ();

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }

    fn joined(result: Result<(), GroupError<Infallible>>) {
        result.unwrap_or_else(|error| match error.into_first() {});
    }
}

impl Body for Never {
    type Value = Self;
    type Error = Infallible;
    type Joined = Self;

    fn into_result(self) -> Result<Self, Infallible> {
        match self {}
    }

    fn joined(result: Result<Self, GroupError<Infallible>>) -> Self {
        result.unwrap_or_else(|error| match error.into_first() {})
    }
}

impl<T, E> Body for Result<T, E> {
    type Value = T;
    type Error = E;
    type Joined = Result<T, GroupError<E>>;

    fn into_result(self) -> Self {
        self
    }

    fn joined(result: Result<T, GroupError<E>>) -> Self::Joined {
        result
    }
}
