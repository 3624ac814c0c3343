//! `Group::start`: waits until a child reports that it is ready.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::{Group, GroupOutcome, TaskError};
use crate::runtime;
use crate::task::{CancelOnDrop, JoinError};

/// Lets a child that was [started](Group::start) report that it is ready. If the child drops it and
/// goes on, `start` waits until the child ends.
#[must_use = "the code that started the child waits for `set`"]
pub struct Ready<V> {
    place: Rc<Place<V>>,
}

/// Where the child leaves the value for its starter.
struct Place<V> {
    value: Cell<Option<V>>,
    is_set: Cell<bool>,
    starter: RefCell<Option<Waker>>,
}

impl<V> Ready<V> {
    /// Reports that the child is ready, and passes a value to its starter.
    #[doc(alias = "started")]
    pub fn set(self, value: V) {
        self.place.is_set.set(true);
        self.place.value.set(Some(value));
        let starter = self.place.starter.take();
        if let Some(starter) = starter {
            starter.wake();
        }
    }
}

impl<V> fmt::Debug for Ready<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

/// Why a child that was [started](Group::start) never became ready.
///
/// It converts into an [`io::Error`] if the group's error type is `io::Error`.
pub struct StartError<E> {
    cause: Cause<E>,
}

enum Cause<E> {
    Failed(E),
    Cancelled,
    NeverReady,
}

impl<E> StartError<E> {
    /// Whether the child failed.
    pub fn is_failed(&self) -> bool {
        matches!(self.cause, Cause::Failed(_))
    }

    /// Whether the child was cancelled, or the group took no more children.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// Whether the child ended without reporting that it was ready.
    pub fn is_never_ready(&self) -> bool {
        matches!(self.cause, Cause::NeverReady)
    }

    /// The error of the child, if it failed.
    pub fn into_error(self) -> Option<E> {
        match self.cause {
            Cause::Failed(error) => Some(error),
            Cause::Cancelled | Cause::NeverReady => None,
        }
    }
}

/// A child that is starting, as seen by its starter. Dropping this cancels the child unless it is
/// ready.
struct Starting<'a, 'env, V, E: 'static> {
    group: &'a Group<'env, E>,
    /// `None` once the child is ready.
    task: Option<CancelOnDrop<()>>,
    place: Rc<Place<V>>,
    early_error: Rc<EarlyError<E>>,
}

/// The error of a child that failed before it was ready. It goes to the starter.
type EarlyError<E> = Cell<Option<TaskError<E>>>;

pub(super) async fn start<'env, V, C, R, E>(
    group: &Group<'env, E>,
    child: C,
    created_at: runtime::Place,
) -> Result<V, StartError<E>>
where
    C: AsyncFnOnce(Ready<V>) -> R + 'env,
    R: GroupOutcome<E>,
    V: 'static,
{
    let place = Rc::new(Place {
        value: Cell::new(None),
        is_set: Cell::new(false),
        starter: RefCell::default(),
    });
    let early_error = Rc::new(Cell::new(None));
    let run = {
        let (place, early_error) = (Rc::clone(&place), Rc::clone(&early_error));
        // Inline, because a separate function would require the output to outlive the group.
        async move {
            let outcome = child(Ready { place: Rc::clone(&place) }).await;
            child_ended(outcome.into_group_result(), &place, &early_error)
        }
    };
    let task = Some(group.create_task_at(created_at, run).cancel_on_drop());
    let mut starting = Starting { group, task, place, early_error };
    let started = poll_fn(|cx| starting.poll(cx)).await;
    started.map_err(|cause| StartError { cause })
}

/// Turns a child's result into what the group sees. An early error goes to the starter instead.
fn child_ended<T, V, E>(
    result: Result<T, E>,
    place: &Place<V>,
    early_error: &EarlyError<E>,
) -> Result<(), E> {
    match result {
        Ok(_value) => Ok(()),
        Err(error) if place.is_set.get() => Err(error),
        Err(error) => {
            early_error.set(TaskError::of_current(error));
            Ok(())
        }
    }
}

impl<V, E> Starting<'_, '_, V, E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<V, Cause<E>>> {
        if let Some(value) = self.place.value.take() {
            drop(self.task.take().map(CancelOnDrop::into_inner));
            return Poll::Ready(Ok(value));
        }
        let waker = cx.waker().clone();
        let former = self.place.starter.replace(Some(waker));
        drop(former);
        let task = self.task.as_mut().expect("polled only until it is ready");
        let ended = ready!(Pin::new(task).poll(cx));
        // The child may have become ready and ended in one poll.
        if let Some(value) = self.place.value.take() {
            return Poll::Ready(Ok(value));
        }
        // The starter gets no `JoinError`.
        let ended = ended.map_err(JoinError::report_cleanups);
        Poll::Ready(Err(match (ended, self.early_error.take()) {
            (_, Some(error)) => Cause::Failed(error.into_error()),
            (Ok(()), None) => Cause::NeverReady,
            (Err(()), None) => Cause::Cancelled,
        }))
    }
}

/// Passes an early error to the group if the starter never took it.
impl<V, E> Drop for Starting<'_, '_, V, E> {
    fn drop(&mut self) {
        if let Some(error) = self.early_error.take() {
            self.group.take_over(error);
        }
    }
}

impl<E: fmt::Display> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Failed(error) => write!(f, "the child failed before it was ready: {error}"),
            Cause::Cancelled => f.write_str("the child was cancelled before it was ready"),
            Cause::NeverReady => f.write_str("the child ended without calling `Ready::set`"),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Failed(error) => f.debug_tuple("StartError").field(error).finish(),
            Cause::Cancelled => f.write_str("StartError(cancelled)"),
            Cause::NeverReady => f.write_str("StartError(never ready)"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for StartError<E> {}

impl From<StartError<Self>> for io::Error {
    fn from(error: StartError<Self>) -> Self {
        match error.cause {
            Cause::Failed(error) => error,
            Cause::Cancelled | Cause::NeverReady => Self::other(error),
        }
    }
}
