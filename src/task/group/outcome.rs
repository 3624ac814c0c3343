//! What the children and the body of a group may end with.

use std::convert::Infallible;

use super::GroupError;
use crate::task::Outcome;
use crate::task::outcome::Never;

/// The output of a child of a [group](crate::task_group) whose errors are `E`: `()`, `!`, or `Result<T, E>`.
#[diagnostic::on_unimplemented(
    message = "a child of a task group cannot end with `{Self}`",
    label = "ends with `{Self}`",
    note = "a child ends with `()` or with `Result<T, E>`, where `E` is the group's error: wrap a value in `Ok(..)`"
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

/// The output of the body of a [group](crate::task_group), which decides what the group gives: `()` gives `()`, and
/// `Result<T, E>` gives `Result<T, GroupError<E>>`.
#[diagnostic::on_unimplemented(
    message = "the body of a task group cannot end with `{Self}`",
    label = "ends with `{Self}`",
    note = "the body ends with `()` or with `Result<T, E>`: wrap a value in `Ok(..)`, and name the error type: `async |group| -> io::Result<_> {{ .. }}`"
)]
pub trait Body: Outcome {
    /// What the group gives.
    type Joined;

    /// Puts the group's output together.
    #[doc(hidden)]
    fn joined(result: Result<Self::Value, GroupError<Self::Error>>) -> Self::Joined;
}

impl Body for () {
    type Joined = ();

    fn joined(result: Result<(), GroupError<Infallible>>) {
        result.unwrap_or_else(|error| match error.into_first() {});
    }
}

impl Body for Never {
    type Joined = Self;

    fn joined(result: Result<Self, GroupError<Infallible>>) -> Self {
        result.unwrap_or_else(|error| match error.into_first() {})
    }
}

impl<T, E> Body for Result<T, E> {
    type Joined = Result<T, GroupError<E>>;

    fn joined(result: Result<T, GroupError<E>>) -> Self::Joined {
        result
    }
}
