//! What a task whose output nobody takes may end with.

use std::convert::Infallible;
use std::error::Error;

use crate::runtime::{BoxedError, BoxedJob, output_of};

/// The output of a future that may fail, or not: `()`, `Result<T, E>`, and `!` for one that never ends.
///
/// It lets [`Task::detach`](crate::Task::detach) report an error that nobody takes, and refuse an output that would be lost
/// unseen.
///
/// # Examples
///
/// A function for whatever may fail:
///
/// ```
/// use oneloop::task::Outcome;
///
/// async fn logged<F>(future: F) -> bool
/// where
///     F: Future<Output: Outcome<Error: std::fmt::Display>>,
/// {
///     match future.await.into_result() {
///         Ok(_value) => true,
///         Err(error) => {
///             println!("failed: {error}");
///             false
///         }
///     }
/// }
///
/// oneloop::run(async {
///     assert!(logged(async {}).await);
///     assert!(!logged(async { "x".parse::<u32>() }).await);
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "this cannot end with `{Self}`, which nobody would see",
    label = "ends with `{Self}`",
    note = "what nobody awaits, as the handler of a server or a detached task, ends with `()` or with `Result<T, E>`",
    note = "to drop the value of a task, drop the task's handle, or end its future with `;`"
)]
pub trait Outcome {
    /// What success gives.
    type Value;
    /// What failure gives.
    type Error;

    /// As a `Result`.
    ///
    /// # Errors
    ///
    /// Those of the outcome.
    fn into_result(self) -> Result<Self::Value, Self::Error>;

    /// Whether it is a failure.
    fn is_error(&self) -> bool;
}

/// The output of a task among whose kind [`wait`](super::wait) can find the [first error](super::FirstError): what an
/// [`Outcome`] is.
#[diagnostic::on_unimplemented(
    message = "`FirstError` cannot tell whether `{Self}` is an error",
    label = "tasks that give `{Self}` do not fail",
    note = "`wait` with `FirstError` takes tasks that give a `Result<T, E>`; for others there are `FirstCompleted` and `All`"
)]
pub trait MayFail {
    /// Whether it is an error.
    #[doc(hidden)]
    fn has_failed(&self) -> bool;
}

// One by one: of a blanket implementation the compiler would say that `Outcome` is missing.
impl MayFail for () {
    fn has_failed(&self) -> bool {
        false
    }
}

impl<T, E> MayFail for Result<T, E> {
    fn has_failed(&self) -> bool {
        self.is_err()
    }
}

impl MayFail for Never {
    fn has_failed(&self) -> bool {
        match *self {}
    }
}

impl Outcome for () {
    type Value = ();
    type Error = Infallible;

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }

    fn is_error(&self) -> bool {
        false
    }
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }

    fn is_error(&self) -> bool {
        self.is_err()
    }
}

/// An error that can be reported when nobody sees it: what [`Task::detach`](crate::Task::detach), the handlers of a
/// [server](crate::start_server) and [cleanups](crate::with_cleanup) may fail with.
///
/// It is implemented for every type that converts into a `Box<dyn Error>`: errors, `String`, `&str`, `anyhow::Error`; and
/// for boxed errors that are `Send`. A type that only displays itself becomes one by `map_err(|error| error.to_string())`,
/// better by implementing [`Error`].
///
/// `How` is inferred; it only keeps the implementations apart.
#[diagnostic::on_unimplemented(
    message = "an error of type `{Self}` cannot be reported",
    note = "implement `std::error::Error` for it, or turn it into a text: `map_err(|error| error.to_string())`"
)]
pub trait Reportable<How> {
    /// The error that a report carries.
    fn into_boxed(self) -> Box<dyn Error>;
}

/// How errors become reportable: by their conversion.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it is inferred")]
pub enum ByConversion {}

/// How errors become reportable: they are boxed already.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it is inferred")]
pub enum Boxed {}

impl<E: Into<Box<dyn Error>>> Reportable<ByConversion> for E {
    fn into_boxed(self) -> Box<dyn Error> {
        self.into()
    }
}

impl Reportable<Boxed> for Box<dyn Error + Send + Sync> {
    fn into_boxed(self) -> Box<dyn Error> {
        self
    }
}

impl Reportable<Boxed> for Box<dyn Error + Send> {
    fn into_boxed(self) -> Box<dyn Error> {
        self
    }
}

/// The error of a task, if its output is one.
pub(crate) fn reportable_error<T, How>(job: BoxedJob) -> Option<BoxedError>
where
    T: Outcome<Error: Reportable<How>> + 'static,
{
    output_of::<T>(job).into_result().err().map(Reportable::into_boxed)
}

/// The type `!`, which stable Rust lets one write only as the return type of a function.
pub(super) type Never = <fn() -> ! as Returns>::Output;

/// Names what a function returns.
#[expect(unnameable_types, reason = "it serves only to name `!` in the impl below")]
pub trait Returns {
    /// What it returns.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// In edition 2024 `async { loop { .. } }` has the output `!`.
impl Outcome for Never {
    type Value = Self;
    type Error = Infallible;

    fn into_result(self) -> Result<Self, Infallible> {
        match self {}
    }

    fn is_error(&self) -> bool {
        match *self {}
    }
}
