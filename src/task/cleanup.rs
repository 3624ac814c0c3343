//! `with_cleanup`: async work that must happen at the end, however the end comes about.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;

use super::to_its_end::ToItsEnd;
use super::{Outcome, Reportable};
use crate::runtime::{self, BoxedCleanup, BoxedError, HandleKey, Place};

/// Guards `value`: when the guard is dropped, the async function `cleanup` receives the value and
/// runs to its end.
///
/// It does not matter how the guard is dropped: at the end of its scope, by `return` or `?`, by a
/// [`timeout`](crate::timeout), a [`cancel`](crate::Task::cancel), a lost
/// [`select!`](crate::select!), a panic, or the end of [`run`](crate::run). Python has `async with`
/// and `await` in `finally` for this; Rust's `drop` cannot await.
///
/// The cleanup belongs to the task that is current at the drop. It runs beside that task, with that
/// task as [`current_task`](crate::current_task). The task ends when its cleanups have ended: the
/// code that awaits it, its [group](crate::task_group) and `run` all wait for them.
/// [`timeout`](crate::timeout), [`move_on_after`](crate::move_on_after) and
/// [`CancelToken::run_until_cancelled`](crate::CancelToken::run_until_cancelled) also wait for the
/// cleanups of the future they dropped; [`select!`](crate::select!) and the races do not. The value
/// and the function are owned, because they may outlive the caller. A `cancel` never reaches a
/// cleanup.
///
/// # Order
///
/// Cleanups of one scope run one after another, in the order in which their guards were dropped, as
/// nested `async with` blocks end in Python. Cleanups of different members of a
/// [`gather!`](crate::gather!), a [group](crate::task_group) or a [`select!`](crate::select!) run
/// side by side, and before the cleanups of the code around it. If another crate's combinator polls
/// several futures, all of them count as one scope.
///
/// # Limits
///
/// Each cleanup may take [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout), 5 seconds
/// by default, including the cleanups that it leaves in turn. After that it is dropped. A chain of
/// 100,000 cleanups that leave one another ends too.
///
/// # Failures
///
/// An error or a panic in the cleanup does not change the task's result:
///
/// - If the task was cancelled or panicked, the code that awaits it finds the failure in
///   [`JoinError::cleanup_errors`](crate::JoinError::cleanup_errors).
/// - If it is a child that failed, the group's error has it
///   ([`TaskError::cleanup_errors`](crate::task::TaskError::cleanup_errors)).
/// - Otherwise it is [reported](crate::Builder::on_unhandled): when the task has an output or goes
///   on, when no code awaits it, and for main.
///
/// A cleanup that was cut off is always reported. A guard that is dropped on another thread, or
/// after the loop, drops its value without a cleanup, which is reported too.
///
/// Modelled on Python's `finally`. The time limit follows Trio's advice for shielded clean-up.
///
/// # Panics
///
/// Panics if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use oneloop::net::TcpStream;
/// use std::time::Duration;
///
/// async fn fetch(stream: TcpStream) -> std::io::Result<Vec<u8>> {
///     let stream = oneloop::with_cleanup(stream, async |stream| stream.write_all(b"QUIT\r\n").await);
///     let mut reply = vec![0; 512];
///     let len = stream.read(&mut reply).await?; // whether it fails, is cancelled, or takes too long
///     reply.truncate(len);
///     Ok(reply)
/// }
///
/// # oneloop::run(async {
/// # let listener = oneloop::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let stream = TcpStream::connect(listener.local_addr()?).await?;
/// # let (peer, _) = listener.accept().await?;
/// let late = oneloop::timeout(Duration::from_millis(1), fetch(stream)).await;
/// assert!(late.is_err()); // and by now the peer was told
/// # let mut told = [0; 6];
/// # peer.read_exact(&mut told).await?;
/// # assert_eq!(&told, b"QUIT\r\n");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
#[doc(alias = "AsyncDrop")]
#[doc(alias = "finally")]
#[doc(alias = "defer")]
pub fn with_cleanup<T, R, C, How>(value: T, cleanup: C) -> Cleanup<T, R>
where
    T: 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    C: AsyncFnOnce(T) -> R + 'static,
{
    let Some(key) = runtime::keep_maker(Box::new(cleanup)) else {
        runtime::no_loop("`with_cleanup`")
    };
    let guarded = Guarded {
        value,
        key,
        call: call::<T, R, C>,
        error_of: error_of::<R, How>,
        make_cleanup: make_cleanup::<T, R, C, How>,
    };
    Cleanup { guarded: Some(guarded), place: Location::caller() }
}

type BoxedOutput<R> = Pin<Box<dyn Future<Output = R>>>;

/// Calls the function stored in `maker`.
fn call<T, R, C>(maker: Box<dyn Any>, value: T) -> BoxedOutput<R>
where
    T: 'static,
    R: 'static,
    C: AsyncFnOnce(T) -> R + 'static,
{
    let cleanup = maker.downcast::<C>().expect("a guard's key leads to its own function");
    Box::pin(async move { cleanup(value).await })
}

/// Like [`call`], but the future gives the error's message, for the report.
fn make_cleanup<T, R, C, How>(maker: Box<dyn Any>, value: T) -> BoxedCleanup
where
    T: 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    C: AsyncFnOnce(T) -> R + 'static,
{
    let cleanup = maker.downcast::<C>().expect("a guard's key leads to its own function");
    Box::pin(async move { error_of(cleanup(value).await) })
}

fn error_of<R: Outcome<Error: Reportable<How>>, How>(outcome: R) -> Option<BoxedError> {
    outcome.into_result().err().map(Reportable::into_boxed)
}

/// A value `T` with a cleanup whose output is `R`. It derefs to the value. See [`with_cleanup`].
///
/// The function is stored in the loop and the guard holds only its key, so the guard is `Send` if
/// the value is.
#[must_use = "dropped, it starts the cleanup"]
pub struct Cleanup<T: 'static, R: 'static = ()> {
    /// `None` once the guard was disarmed or finished.
    guarded: Option<Guarded<T, R>>,
    place: Place,
}

struct Guarded<T, R> {
    value: T,
    key: HandleKey,
    call: fn(Box<dyn Any>, T) -> BoxedOutput<R>,
    error_of: fn(R) -> Option<BoxedError>,
    make_cleanup: fn(Box<dyn Any>, T) -> BoxedCleanup,
}

impl<T: 'static, R: 'static> Cleanup<T, R> {
    /// Runs the cleanup now, in line, and returns its output. On the success path this makes an
    /// error visible, so that `?` works on it.
    ///
    /// The returned future contains the cleanup, so it is not `Send`, unlike the guard.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped halfway, the rest goes on as a cleanup.
    ///
    /// # Panics
    ///
    /// Panics if the cleanup panics. Also panics when awaited where the guard's loop does not run:
    /// on another thread, on another loop, or after the loop's end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// oneloop::run(async {
    ///     let is_open = Rc::new(Cell::new(true));
    ///     let guard = oneloop::with_cleanup(is_open.clone(), async |is_open| is_open.set(false));
    ///     guard.finish().await;
    ///     assert!(!is_open.get());
    /// });
    /// ```
    ///
    /// A transaction that is rolled back on every path except success, where the result of its
    /// commit is checked:
    ///
    /// ```
    /// use std::io;
    ///
    /// struct Transaction {
    ///     is_good: bool,
    /// }
    ///
    /// async fn end(transaction: Transaction) -> io::Result<()> {
    ///     if transaction.is_good { Err(io::Error::other("the commit failed")) } else { Ok(()) }
    /// }
    ///
    /// async fn transfer() -> io::Result<()> {
    ///     let mut transaction = oneloop::with_cleanup(Transaction { is_good: false }, end);
    ///     // .. what may fail, by `?`
    ///     transaction.is_good = true;
    ///     transaction.finish().await?;
    ///     Ok(())
    /// }
    ///
    /// let error = oneloop::run(transfer()).unwrap_err();
    /// assert_eq!(error.to_string(), "the commit failed");
    /// ```
    pub async fn finish(mut self) -> R {
        let place = self.place;
        let Some(Guarded { value, key, call, error_of, .. }) = self.guarded.take() else {
            unreachable!("{IS_ARMED}")
        };
        let Some(maker) = runtime::take_maker(key) else {
            runtime::drop_maker(key);
            panic!(
                "the cleanup made at {place} cannot run here, because its loop does not: `finish` it inside the loop where it was made"
            );
        };
        ToItsEnd::new(call(maker, value), error_of, place).await
    }

    /// Returns the value and discards the cleanup.
    ///
    /// # Examples
    ///
    /// ```
    /// oneloop::run(async {
    ///     let guard = oneloop::with_cleanup("file", async |_| unreachable!("it was disarmed"));
    ///     assert_eq!(guard.disarm(), "file");
    /// });
    /// ```
    #[doc(alias = "into_inner")]
    pub fn disarm(mut self) -> T {
        let Some(Guarded { value, key, .. }) = self.guarded.take() else {
            unreachable!("{IS_ARMED}")
        };
        drop_maker(key);
        value
    }

    /// Returns `None` if the guard's loop does not run here. In that case the value has been
    /// dropped, and that was reported.
    fn take_cleanup(&mut self) -> Option<BoxedCleanup> {
        let Guarded { value, key, make_cleanup, .. } = self.guarded.take()?;
        let Some(maker) = runtime::take_maker(key) else {
            drop(value);
            runtime::drop_maker(key);
            runtime::report_skipped(key, self.place);
            return None;
        };
        Some(make_cleanup(maker, value))
    }
}

const IS_ARMED: &str = "a guard has its value until it goes";

/// Drops the function here, or where its loop runs.
fn drop_maker(key: HandleKey) {
    match runtime::take_maker(key) {
        Some(maker) => drop(maker),
        None => runtime::drop_maker(key),
    }
}

impl<T: 'static, R: 'static> Drop for Cleanup<T, R> {
    fn drop(&mut self) {
        let place = self.place;
        if let Some(cleanup) = self.take_cleanup() {
            runtime::leave_cleanup(cleanup, place);
        }
    }
}

impl<T: 'static, R: 'static> Deref for Cleanup<T, R> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guarded.as_ref().expect(IS_ARMED).value
    }
}

impl<T: 'static, R: 'static> DerefMut for Cleanup<T, R> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guarded.as_mut().expect(IS_ARMED).value
    }
}

impl<T: fmt::Debug + 'static, R: 'static> fmt::Debug for Cleanup<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cleanup").field(&**self).finish()
    }
}
