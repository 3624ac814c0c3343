//! `wait`: for the tasks of a list, the first, the first that fails, or all.

use std::any::Any;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Outcome, Task};
use crate::runtime::Watch;

/// Waits for tasks of a list and gives those that have ended, taken out of it; the others stay in it. Asyncio's `wait`.
///
/// `until` says when that is: [`FirstCompleted`], [`FirstError`], [`All`]. It gives all that have ended by then, so it may
/// be several, in the order of the list, and the others keep their order too. Await each for its output: it is there at once.
///
/// It never cancels a task. An empty list gives an empty one, after the other tasks have had a turn (asyncio raises `ValueError`).
/// So `while !tasks.is_empty()` is the natural loop around it. Each call looks at the whole list, though: to take the results
/// of many tasks one by one, a [`TaskSet`](crate::TaskSet) is the better place for them.
///
/// # Cancel safety
///
/// Dropped before it is ready, it leaves the list as it was. So `timeout(d, wait(..))` loses nothing: that is asyncio's
/// `wait` with a timeout.
///
/// # Panics
///
/// When polled where no loop runs, after it was ready, and where a task belongs to a loop of another thread.
///
/// # Examples
///
/// ```
/// use oneloop::task::FirstCompleted;
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let mut tasks: Vec<_> = [2, 1]
///         .map(|n| {
///             oneloop::create_task(async move {
///                 oneloop::sleep(Duration::from_millis(n)).await;
///                 n
///             })
///         })
///         .into();
///     let mut order = Vec::new();
///     while !tasks.is_empty() {
///         for task in oneloop::wait(&mut tasks, FirstCompleted).await {
///             order.push(task.await.unwrap());
///         }
///     }
///     assert_eq!(order, [1, 2]);
/// });
/// ```
#[doc(alias = "select_all")]
pub fn wait<T, U: WaitUntil<T>>(tasks: &mut Vec<Task<T>>, until: U) -> Wait<'_, T> {
    let _unit: U = until;
    Wait { tasks, is_enough: U::is_enough, stage: Stage::New }
}

/// When [`wait`] is to end: [`FirstCompleted`], [`FirstError`] or [`All`].
pub trait WaitUntil<T>: sealed::Sealed {
    /// Whether the end of this task is the one that is waited for.
    #[doc(hidden)]
    fn is_enough(ended: &Task<T>) -> bool;
}

/// [`wait`] until one task has ended, in whichever way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "FIRST_COMPLETED")]
pub struct FirstCompleted;

/// [`wait`] until one task has ended with an `Err` or a panic; if none does, until all have. A cancelled one is no error.
///
/// Asyncio's `FIRST_EXCEPTION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "FIRST_EXCEPTION")]
pub struct FirstError;

/// [`wait`] until all tasks have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "ALL_COMPLETED")]
pub struct All;

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else can implement it")]
    pub trait Sealed {}
    impl Sealed for super::FirstCompleted {}
    impl Sealed for super::FirstError {}
    impl Sealed for super::All {}
}

impl<T> WaitUntil<T> for FirstCompleted {
    fn is_enough(_ended: &Task<T>) -> bool {
        true
    }
}

impl<T: Outcome + 'static> WaitUntil<T> for FirstError {
    fn is_enough(ended: &Task<T>) -> bool {
        let is_error = |output: &dyn Any| output.downcast_ref().is_some_and(T::is_error);
        ended.handle().peek(is_error).unwrap_or_else(|| ended.handle().has_panicked())
    }
}

impl<T> WaitUntil<T> for All {
    fn is_enough(_ended: &Task<T>) -> bool {
        false
    }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a, T> {
    tasks: &'a mut Vec<Task<T>>,
    is_enough: fn(&Task<T>) -> bool,
    stage: Stage,
}

enum Stage {
    New,
    /// The list is empty: the others have a turn.
    Yielding,
    /// Each task is watched, at the place of its index.
    Waiting {
        watch: Watch,
        is_left: Vec<bool>,
        left: usize,
    },
    Ready,
}

impl<T> Wait<'_, T> {
    fn start(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.tasks.is_empty() {
            self.stage = Stage::Yielding;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut watch = Watch::new("`wait`");
        watch.add_all(|index| self.tasks.get(index).map(Task::handle));
        let left = self.tasks.len();
        self.stage = Stage::Waiting { watch, is_left: vec![true; left], left };
        Poll::Ready(())
    }

    /// Ready when enough has ended.
    fn poll_ended(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Stage::Waiting { watch, is_left, left } = &mut self.stage else {
            return Poll::Ready(());
        };
        let mut is_enough = false;
        loop {
            let task_at = |index: usize| is_left.get(index)?.then(|| self.tasks[index].handle());
            let Ok(Some(index)) = watch.take_ended(task_at) else { break };
            is_left[index] = false;
            *left -= 1;
            is_enough = is_enough || *left == 0 || (self.is_enough)(&self.tasks[index]);
        }
        if is_enough {
            return Poll::Ready(());
        }
        watch.wait(cx);
        Poll::Pending
    }

    fn take_ended(&mut self) -> Vec<Task<T>> {
        let mut ended = Vec::new();
        let stage = mem::replace(&mut self.stage, Stage::Ready);
        if let Stage::Waiting { is_left, .. } = &stage {
            let mut is_left = is_left.iter();
            self.tasks.retain_mut(|task| {
                let stays = is_left.next().is_none_or(|&is_left| is_left);
                if !stays {
                    ended.push(task.take());
                }
                stays
            });
        }
        ended
    }
}

impl<T> Future for Wait<'_, T> {
    type Output = Vec<Task<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.stage {
            Stage::New => ready!(self.start(cx)),
            Stage::Ready => panic!("a `wait` was polled after it was ready"),
            Stage::Yielding | Stage::Waiting { .. } => {}
        }
        ready!(self.poll_ended(cx));
        Poll::Ready(self.take_ended())
    }
}

impl<T> fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
