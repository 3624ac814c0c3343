//! `Group::start`: a child that says when it is ready.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::{Group, GroupOutcome};
use crate::runtime;
use crate::task::Task;

/// With this a child that was [started](Group::start) says that it is ready.
#[must_use = "whoever has started the child waits for `set`"]
pub struct Ready<V> {
    place: Rc<Place<V>>,
}

/// Where the value is handed over.
struct Place<V> {
    value: Cell<Option<V>>,
    is_set: Cell<bool>,
    starter: RefCell<Option<Waker>>,
}

impl<V> Ready<V> {
    /// Says that the child is ready, with a value for whoever has started it.
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

/// Why a child that was [started](Group::start) did not become ready.
///
/// It converts into an [`io::Error`] if the group's errors are such.
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

    /// Whether the child ended without having said that it is ready.
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
    let task = group.create_task_at(created_at, {
        let (place, early_error) = (Rc::clone(&place), Rc::clone(&early_error));
        async move {
            let outcome = child(Ready { place: Rc::clone(&place) }).await;
            match outcome.into_group_result() {
                Ok(_value) => Ok(()),
                Err(error) if place.is_set.get() => Err(error),
                Err(error) => {
                    early_error.set(Some(error));
                    Ok(())
                }
            }
        }
    });
    // Until it is ready, the child goes with whoever waits for it.
    let mut task = task.cancel_on_drop();
    let ended = poll_fn(|cx| {
        if let Some(value) = place.value.take() {
            return Poll::Ready(Err(value));
        }
        let waker = cx.waker().clone();
        let former = place.starter.replace(Some(waker));
        drop(former);
        Pin::new(&mut task).poll(cx).map(Ok)
    });
    let cause = match ended.await {
        Err(value) => return Ok(detach(task.into_inner(), value)),
        // It may have become ready and ended in one poll.
        Ok(Ok(())) => match (place.value.take(), early_error.take()) {
            (Some(value), _) => return Ok(value),
            (None, Some(error)) => Cause::Failed(error),
            (None, None) => Cause::NeverReady,
        },
        Ok(Err(_)) => match place.value.take() {
            Some(value) => return Ok(value),
            None => Cause::Cancelled,
        },
    };
    Err(StartError { cause })
}

fn detach<V>(task: Task<()>, value: V) -> V {
    drop(task);
    value
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
