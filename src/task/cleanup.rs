//! `with_cleanup`: what must be awaited at the end, however the end comes.

use std::any::Any;
use std::fmt;
use std::ops::{Deref, DerefMut};

use super::shield::Shield;
use super::{Outcome, Reportable};
use crate::runtime::{self, BoxedCleanup, HandleKey, Place};

/// Guards `value`: when the guard is dropped, the async function `cleanup` gets the value, and is awaited to its end.
///
/// However the guard is dropped: at the end of its scope, by `return` or `?`, by a [`timeout`](crate::timeout), a
/// [`cancel`](crate::Task::cancel), a lost [`select!`](crate::select!), a panic, or the end of [`run`](crate::run). It is
/// what `async with` and an `await` in `finally` are in Python, and what `drop` cannot do in Rust.
///
/// The cleanup belongs to the task that is current at the drop, and runs beside it, with it as
/// [`current_task`](crate::current_task). The task ends when its cleanups have: whoever awaits it, its
/// [group](crate::task_group) and `run` wait for them, and so do [`timeout`](crate::timeout),
/// [`move_on_after`](crate::move_on_after) and
/// [`CancelToken::run_until_cancelled`](crate::CancelToken::run_until_cancelled) for those of what they have dropped;
/// [`select!`](crate::select!) and the races do not. Value and function are owned, for they may outlive the caller. No
/// `cancel` reaches them.
///
/// # Order
///
/// Cleanups of one scope run one after another, in the order in which their guards were dropped, as nested `async with` blocks
/// end in Python. Cleanups of different members of a [`gather!`](crate::gather!), a [group](crate::task_group) or a
/// [`select!`](crate::select!) run side by side, and before those of the code around it. Where another crate's combinator polls
/// several futures, all of them count as one scope.
///
/// # Limits
///
/// Each cleanup may take [`Builder::cleanup_timeout`](crate::Builder::cleanup_timeout), 5 seconds by default, together with the
/// cleanups that it leaves in its turn. After that it is dropped. A chain of 100,000 cleanups that leave one another ends too.
///
/// An error or a panic of the cleanup changes nothing about the task's result; it is reported, as is a cleanup that was cut
/// off ([`Builder::on_unhandled`](crate::Builder::on_unhandled)). A guard that is dropped on another thread, or after the
/// loop, drops its value, and that is reported too.
///
/// From Python's `finally`; the bound is Trio's advice for shielded clean-up.
///
/// # Panics
///
/// If no loop runs on this thread.
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
pub fn with_cleanup<T, R, C, How>(value: T, cleanup: C) -> Cleanup<T>
where
    T: 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    C: AsyncFnOnce(T) -> R + 'static,
{
    let Some(key) = runtime::keep_maker(Box::new(cleanup)) else {
        runtime::no_loop("`with_cleanup`")
    };
    let guarded = Guarded { value, key, make: make_cleanup::<T, R, C, How> };
    Cleanup { guarded: Some(guarded), place: std::panic::Location::caller() }
}

/// The future of one cleanup, whose function was kept as `maker`.
fn make_cleanup<T, R, C, How>(maker: Box<dyn Any>, value: T) -> BoxedCleanup
where
    T: 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    C: AsyncFnOnce(T) -> R + 'static,
{
    let cleanup = maker.downcast::<C>().expect("a guard's key leads to its own function");
    Box::pin(async move {
        let outcome = cleanup(value).await;
        outcome.into_result().err().map(Reportable::into_boxed)
    })
}

/// A value with a cleanup; see [`with_cleanup`]. It derefs to the value.
///
/// The function lies in the loop, and the guard holds its key: it is `Send` if the value is.
#[must_use = "dropped, it starts the cleanup"]
pub struct Cleanup<T: 'static> {
    /// `None` once it was disarmed or finished.
    guarded: Option<Guarded<T>>,
    place: Place,
}

struct Guarded<T> {
    value: T,
    key: HandleKey,
    make: fn(Box<dyn Any>, T) -> BoxedCleanup,
}

impl<T: 'static> Cleanup<T> {
    /// Runs the cleanup now, in line. An error is reported, as it is for a guard that was dropped.
    ///
    /// The cleanup lies in the future that this gives, which is therefore not `Send`, unlike the guard.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, the rest goes on as a cleanup.
    ///
    /// # Panics
    ///
    /// If the cleanup panics.
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
    pub async fn finish(mut self) {
        let place = self.place;
        if let Some(cleanup) = self.take_cleanup() {
            if let Some(error) = Shield::of_cleanup(cleanup, place).await {
                runtime::report_cleanup_error(place, error);
            }
        }
    }

    /// Gives the value back; there will be no cleanup.
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

    /// `None`: the loop of the guard does not run here. Then the value has been dropped, and that was reported.
    fn take_cleanup(&mut self) -> Option<BoxedCleanup> {
        let Guarded { value, key, make } = self.guarded.take()?;
        let Some(maker) = runtime::take_maker(key) else {
            drop(value);
            runtime::drop_maker(key);
            runtime::report_skipped(key, self.place);
            return None;
        };
        Some(make(maker, value))
    }
}

const IS_ARMED: &str = "a guard has its value until it goes";

/// Here, or where its loop is.
fn drop_maker(key: HandleKey) {
    match runtime::take_maker(key) {
        Some(maker) => drop(maker),
        None => runtime::drop_maker(key),
    }
}

impl<T: 'static> Drop for Cleanup<T> {
    fn drop(&mut self) {
        let place = self.place;
        if let Some(cleanup) = self.take_cleanup() {
            runtime::leave_cleanup(cleanup, place);
        }
    }
}

impl<T: 'static> Deref for Cleanup<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guarded.as_ref().expect(IS_ARMED).value
    }
}

impl<T: 'static> DerefMut for Cleanup<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guarded.as_mut().expect(IS_ARMED).value
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Cleanup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cleanup").field(&**self).finish()
    }
}
