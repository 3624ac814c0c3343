//! The permitted outputs of a task whose output is never taken.

use std::convert::Infallible;
use std::error::Error;

use crate::runtime::{BoxedError, BoxedJob, output_of};

/// The output of a future that may or may not fail: `()`, `Result<T, E>`, or `!` for a future that
/// never ends.
///
/// It lets [`Task::detach`](crate::Task::detach) report an error that would otherwise be lost, and
/// reject an output that would be lost unseen.
///
/// # Nested results
///
/// Only the outer `Err` counts. In `Ok(Err(..))` the inner result is a value like any other, so its
/// error is lost in silence: in a detached task, in the handler of a server and in a cleanup.
/// Futures that wrap the output of another one, such as [`timeout`](crate::timeout) and
/// [`Task`](crate::Task), end with a nested result if the inner future may fail. Flatten it with
/// `?`. The errors of this crate convert into [`std::io::Error`], and into boxed errors:
///
/// ```
/// use oneloop::{Builder, create_task, timeout, yield_now};
/// use std::{cell::RefCell, io, rc::Rc, time::Duration};
///
/// async fn upload() -> io::Result<()> {
///     Err(io::Error::other("the disk is full"))
/// }
///
/// let reports = Rc::new(RefCell::new(Vec::new()));
/// let log = Rc::clone(&reports);
/// Builder::new().on_unhandled(move |report| log.borrow_mut().push(report.to_string())).run(async {
///     let limit = Duration::from_secs(1);
///     // Not `create_task(timeout(limit, upload())).detach()`, which loses the error of `upload`.
///     create_task(async move { timeout(limit, upload()).await? }).detach();
///     yield_now().await;
/// });
/// assert_eq!(reports.borrow().len(), 1);
/// assert!(reports.borrow()[0].contains("the disk is full"));
/// ```
///
/// # Examples
///
/// A function that accepts any future that may fail:
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
// Nested results are not told apart. An impl for them would overlap with the one for `Result<T, E>`
// unless the compiler knew that `T` is no result, which only specialization can express. A second,
// ambiguous impl, as `ShieldOutput` has it, rejects them, but it needs a bound of its own.
// Functions that are generic over any `Outcome` would no longer compile.
#[diagnostic::on_unimplemented(
    message = "this cannot end with `{Self}`, because no code would see it",
    label = "ends with `{Self}`",
    note = "a future that is not awaited, such as the handler of a server or a detached task, ends with `()` or with `Result<T, E>`",
    note = "to drop the value of a task, drop the task's handle, or end its future with `;`"
)]
pub trait Outcome {
    /// The value on success.
    type Value;
    /// The error on failure.
    type Error;

    /// Converts the output into a `Result`.
    ///
    /// # Errors
    ///
    /// Returns the error, if the outcome is one.
    fn into_result(self) -> Result<Self::Value, Self::Error>;

    /// Whether the outcome is an error.
    fn is_error(&self) -> bool;
}

/// The output of tasks among which [`wait`](super::wait) can find the [first
/// error](super::FirstError). Implemented for the same types as [`Outcome`].
#[diagnostic::on_unimplemented(
    message = "`FirstError` cannot tell whether `{Self}` is an error",
    label = "tasks that give `{Self}` do not fail",
    note = "`wait` with `FirstError` takes tasks that give a `Result<T, E>`; for others there are `FirstCompleted` and `All`"
)]
pub trait MayFail {
    /// Whether the output is an error.
    #[doc(hidden)]
    fn has_failed(&self) -> bool;
}

// Implemented type by type: with a blanket implementation, the compiler would report that `Outcome`
// is missing.
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

/// An error that can be reported when no code receives it. Tasks passed to
/// [`Task::detach`](crate::Task::detach), the handlers of a [server](crate::start_server) and
/// [cleanups](crate::with_cleanup) may fail with it.
///
/// It is implemented for every type that converts into a `Box<dyn Error>` (errors, `String`,
/// `&str`, `anyhow::Error`), and for boxed errors that are `Send`. Convert a type that is only
/// `Display` with `map_err(|error| error.to_string())`, or better, implement [`Error`] for it.
///
/// `How` is inferred. It only keeps the implementations apart.
#[diagnostic::on_unimplemented(
    message = "an error of type `{Self}` cannot be reported",
    note = "implement `std::error::Error` for it, or turn it into a text: `map_err(|error| error.to_string())`"
)]
pub trait Reportable<How> {
    /// The error that a report carries.
    fn into_boxed(self) -> Box<dyn Error>;
}

/// Marks errors that become reportable by conversion.
#[derive(Debug)]
#[expect(unnameable_types, reason = "it is inferred")]
pub enum ByConversion {}

/// Marks errors that are boxed already.
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

/// The error of a task, if its output is an error.
pub(crate) fn reportable_error<T, How>(job: BoxedJob) -> Option<BoxedError>
where
    T: Outcome<Error: Reportable<How>> + 'static,
{
    output_of::<T>(job).into_result().err().map(Reportable::into_boxed)
}

/// The type `!`, which stable Rust accepts only as the return type of a function.
pub(super) type Never = <fn() -> ! as Returns>::Output;

/// Names the return type of a function.
#[expect(unnameable_types, reason = "it serves only to name `!` in the impl below")]
pub trait Returns {
    /// The return type.
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// In edition 2024, `async { loop { .. } }` has the output `!`.
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
