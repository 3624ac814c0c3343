//! What the children and the body of a group may end with.

use std::convert::Infallible;

use super::GroupError;
use crate::task::outcome::Never;

/// The output of a child of a [group](crate::task_group) whose errors are `E`: `Result<T, E>`, `()`, `!`, or a plain value.
///
/// Numbers, strings, options, collections, tuples and other types of the standard library are plain values. A value of
/// another type goes into `Ok(..)`.
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
    /// What the child's [`Task`](crate::Task) gives.
    type Value;

    /// As a `Result`.
    ///
    /// # Errors
    ///
    /// That of the child, which is the group's then.
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

/// The output of the body of a [group](crate::task_group), which decides what the group gives: `Result<T, E>` gives
/// `Result<T, GroupError<E>>`; `()`, and a plain value like those of [children](GroupOutcome), give themselves, and then no child may
/// fail.
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
    /// What success gives.
    type Value;
    /// The group's errors.
    type Error;
    /// What the group gives.
    type Joined;

    /// As a `Result`.
    ///
    /// # Errors
    ///
    /// That of the body.
    fn into_result(self) -> Result<Self::Value, Self::Error>;

    /// Puts the group's output together.
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
