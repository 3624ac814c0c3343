//! `wait`: for the tasks of a list, the first, the first that fails, or all.

use std::any::Any;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{MayFail, Task};
use crate::runtime::{Timer, Watch, When, nanos};

/// Waits for tasks of a list and gives those that have ended, taken out of it; the others stay in it. Asyncio's `wait`.
///
/// `until` says when that is: [`FirstCompleted`], [`FirstError`], [`All`]. It gives all that have ended by then, so it may
/// be several, in the order of the list, and the others keep their order too. Await each for its output: it is there at once.
///
/// It never cancels a task. An empty list gives an empty one, after the other tasks have had a turn (asyncio raises `ValueError`).
/// So `while !tasks.is_empty()` is the natural loop around it. Each call looks at the whole list, though: to take the results
/// of many tasks one by one, a [`TaskSet`](crate::TaskSet) is the better place for them.
///
/// [`Wait::timeout`] sets a time limit: after it, the wait gives those that have ended by then, and leaves the others.
///
/// # Cancel safety
///
/// Dropped before it is ready, it leaves the list as it was.
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
    Wait { tasks, is_enough: U::is_enough, stage: Stage::New, timeout: None, timer: None }
}

/// When [`wait`] is to end: [`FirstCompleted`], [`FirstError`] or [`All`].
///
/// # Examples
///
/// A function that waits either way:
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
/// Asyncio's `FIRST_EXCEPTION`. The tasks give a `Result`, or `()`:
///
/// ```compile_fail,E0277
/// async fn first(tasks: &mut Vec<oneloop::Task<u64>>) {
///     oneloop::wait(tasks, oneloop::task::FirstError).await; // a number is no error
/// }
/// ```
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
    /// Waits no longer than `duration`, counted from the first poll: then it gives the tasks that have ended by then, perhaps none,
    /// and leaves the others in the list. Asyncio's `wait(tasks, timeout=..)`.
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

    /// Ready when the time limit has come.
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
        // Tasks that end with the time limit count.
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
