//! `wait`: waits for the first task of a list, the first that fails, or all.

use std::any::Any;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{MayFail, Task};
use crate::runtime::{Timer, Watch, When, nanos};

/// Waits for the tasks in a list. Removes those that have ended from the list and returns them.
/// Asyncio's `wait`.
///
/// `until` is one of [`FirstCompleted`], [`FirstError`] and [`All`]. The result has every task that
/// has ended by then, so it may have more than `until` asked for. Both the result and the remaining
/// list keep the original order. Awaiting a returned task gives its output at once.
///
/// `wait` never cancels a task. For an empty list it returns an empty list after the other tasks
/// have had a turn (asyncio raises `ValueError`). This makes `while !tasks.is_empty()` the natural
/// loop around it. Each call looks at the whole list, however: to take the results of many tasks
/// one by one, use a [`TaskSet`](crate::TaskSet).
///
/// [`Wait::timeout`] sets a time limit. When it expires, the wait returns the tasks that have ended
/// and leaves the others in the list.
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, the list is unchanged.
///
/// # Panics
///
/// Panics when polled outside a loop, when polled after it was ready, and if a task belongs to
/// another thread's loop.
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
    Wait { tasks, is_enough: U::is_enough, stage: Stage::New, timeout: None, timer: None }
}

/// When [`wait`] ends: [`FirstCompleted`], [`FirstError`] or [`All`].
///
/// # Examples
///
/// A function that works with any of the three:
///
/// ```
/// use oneloop::task::{All, FirstCompleted, Task, WaitUntil};
///
/// async fn sum_of<U: WaitUntil<u32>>(mut tasks: Vec<Task<u32>>, until: U) -> u32 {
///     let mut sum = 0;
///     for task in oneloop::wait(&mut tasks, until).await {
///         sum += task.await.unwrap();
///     }
///     sum
/// }
///
/// oneloop::run(async {
///     let tasks = || [1, 2].map(|n| oneloop::create_task(async move { n })).into();
///     assert_eq!(sum_of(tasks(), All).await, 3);
///     assert!(sum_of(tasks(), FirstCompleted).await > 0);
/// });
/// ```
pub trait WaitUntil<T>: sealed::Sealed {
    /// Whether the end of this task completes the wait.
    #[doc(hidden)]
    fn is_enough(ended: &Task<T>) -> bool;
}

/// Makes [`wait`] end when one task has ended, in any way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "FIRST_COMPLETED")]
pub struct FirstCompleted;

/// Makes [`wait`] end when one task has ended with an `Err` or a panic, or when all tasks have
/// ended. A cancelled task does not count as an error.
///
/// Asyncio's `FIRST_EXCEPTION`. The tasks must give a `Result` or `()`:
///
/// ```compile_fail,E0277
/// async fn first(tasks: &mut Vec<oneloop::Task<u64>>) {
///     oneloop::wait(tasks, oneloop::task::FirstError).await; // a number is no error
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "FIRST_EXCEPTION")]
pub struct FirstError;

/// Makes [`wait`] end when all tasks have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "ALL_COMPLETED")]
pub struct All;

mod sealed {
    #[expect(unnameable_types, reason = "so that other crates cannot implement it")]
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

impl<T: MayFail + 'static> WaitUntil<T> for FirstError {
    fn is_enough(ended: &Task<T>) -> bool {
        let is_error = |output: &dyn Any| output.downcast_ref().is_some_and(T::has_failed);
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
    timeout: Option<Duration>,
    timer: Option<Timer>,
}

enum Stage {
    New,
    /// The list is empty, so the wait only gives other tasks a turn.
    Yielding,
    /// Each task is watched under its index in the list.
    Waiting {
        watch: Watch,
        is_left: Vec<bool>,
        left: usize,
    },
    Ready,
}

impl<T> Wait<'_, T> {
    /// Limits the wait to `duration`, counted from the first poll. When it expires, the wait
    /// returns the tasks that have ended, perhaps none, and leaves the others in the list.
    /// Asyncio's `wait(tasks, timeout=..)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::task::All;
    /// use std::time::Duration;
    ///
    /// oneloop::Builder::new().virtual_time(true).run(async {
    ///     let second = Duration::from_secs(1);
    ///     let sleeps = [1, 9].map(|n| oneloop::create_task(oneloop::sleep(n * second)));
    ///     let mut pending = Vec::from(sleeps);
    ///     let done = oneloop::wait(&mut pending, All).timeout(5 * second).await;
    ///     assert_eq!((done.len(), pending.len()), (1, 1));
    /// });
    /// ```
    pub fn timeout(mut self, duration: Duration) -> Self {
        self.timeout = Some(duration);
        self
    }

    /// Ready when the time limit expires.
    fn poll_timeout(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(duration) = self.timeout else { return Poll::Pending };
        Timer::poll_in(&mut self.timer, When::After(nanos(duration)), cx, "`wait`")
    }

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

    /// Ready when enough tasks have ended.
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
        // Checked before the timer, so that tasks ending exactly at the time limit count.
        if self.poll_ended(cx).is_pending() {
            ready!(self.poll_timeout(cx));
            self.timer = None;
        }
        Poll::Ready(self.take_ended())
    }
}

impl<T> fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
