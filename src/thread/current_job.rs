//! The job that runs on the current thread, for code that asks about it.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::job::{Job, Ran};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Job>>> = const { RefCell::new(None) };
}

/// Runs `job` as the current job of this thread.
pub(super) fn run(job: &Arc<Job>) -> Ran {
    CURRENT.set(Some(Arc::clone(job)));
    let ran = job.run();
    CURRENT.set(None);
    ran
}

/// Returns whether the task that awaited the current call has stopped waiting for it, because of a
/// timeout, a cancel, or the end of the loop. Returns `false` where no call of
/// [`to_thread`](super::to_thread) runs.
///
/// A long call can check this from time to time and return early: its result will not be seen.
///
/// # Examples
///
/// ```
/// use oneloop::thread::{is_cancelled, to_thread};
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let search = to_thread(|| {
///         while !is_cancelled() {
///             std::thread::sleep(Duration::from_millis(1));
///         }
///     });
///     assert!(oneloop::timeout(Duration::from_millis(5), search).await.is_err());
/// }); // `run` has waited for the thread
/// ```
pub fn is_cancelled() -> bool {
    // While the thread ends, no call runs that could have been cancelled.
    CURRENT
        .try_with(|current| current.borrow().as_ref().is_some_and(|job| job.is_cancelled()))
        .unwrap_or(false)
}

/// Like [`is_cancelled`], for code that uses `?`. This is Trio's `from_thread.check_cancelled`.
///
/// # Errors
///
/// [`CallCancelled`] if no task waits for the call any more.
///
/// # Examples
///
/// ```
/// use oneloop::thread::{check_cancelled, to_thread};
///
/// fn sum(numbers: &[u64]) -> std::io::Result<u64> {
///     let mut sum = 0;
///     for chunk in numbers.chunks(4096) {
///         check_cancelled()?;
///         sum += chunk.iter().sum::<u64>();
///     }
///     Ok(sum)
/// }
///
/// oneloop::run(async {
///     assert_eq!(to_thread(|| sum(&[1, 2, 3])).await?, 6);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub fn check_cancelled() -> Result<(), CallCancelled> {
    if is_cancelled() { Err(CallCancelled(())) } else { Ok(()) }
}

/// An error: no task waits for this call any more. See [`check_cancelled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallCancelled(());

impl fmt::Display for CallCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this call is no longer awaited")
    }
}

impl Error for CallCancelled {}

impl From<CallCancelled> for io::Error {
    fn from(error: CallCancelled) -> Self {
        Self::other(error)
    }
}
