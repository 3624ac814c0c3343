//! `task::Builder`: the options of a task.

use std::panic::Location;

use super::{Context, Group, GroupOutcome, Task};
use crate::runtime::{self, Runtime};

/// Options for a new task.
///
/// # Examples
///
/// ```
/// use oneloop::task;
///
/// oneloop::run(async {
///     let task = task::Builder::new().name("cache").eager(true).create_task(async { "hit" });
///     assert!(task.is_finished(), "it did not have to wait, so it never was in the run queue");
///     assert_eq!(task.await.unwrap(), "hit");
/// });
/// ```
#[derive(Debug, Default, Clone)]
#[must_use = "a builder does nothing until `create_task`"]
pub struct Builder {
    name: Option<String>,
    eager: bool,
    context: Option<Context>,
}

impl Builder {
    /// Returns a builder with the defaults of [`create_task`](crate::create_task).
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the task's name, for messages and listings.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Polls the task immediately, inside `create_task`, as the current task. It joins the run
    /// queue only if it has to wait. Asyncio's `eager_start`.
    ///
    /// This saves a trip through the run queue when tasks often find what they need at once. It
    /// changes the order: the task runs before the rest of its creator. At most 64 eager tasks
    /// start inside one another; further ones wait for their turn.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::task::Builder;
    /// use std::cell::Cell;
    /// use std::rc::Rc;
    ///
    /// oneloop::run(async {
    ///     let cached = Rc::new(Cell::new(Some("value")));
    ///     let cache = Rc::clone(&cached);
    ///     let look_up = async move { cache.take() };
    ///     let task = Builder::new().eager(true).create_task(look_up);
    ///     assert_eq!(cached.get(), None, "it has run already");
    ///     assert_eq!(task.await.unwrap(), Some("value"));
    /// });
    /// ```
    pub fn eager(mut self, eager: bool) -> Self {
        self.eager = eager;
        self
    }

    /// Runs the task in `context` instead of a copy of its creator's context. Asyncio's `context=`.
    ///
    /// The context is not copied: all holders of it see the values that the task sets.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::task::{Builder, Context, ContextVar};
    ///
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    ///
    /// oneloop::run(async {
    ///     let context = Context::current();
    ///     let login = async { USER.set("ada") };
    ///     Builder::new().context(context.clone()).create_task(login).await.unwrap();
    ///     assert_eq!(context.get(&USER), Some("ada"));
    ///     assert_eq!(USER.get(), None);
    /// });
    /// ```
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Creates the task.
    ///
    /// # Panics
    ///
    /// Panics if no loop runs on this thread.
    #[must_use = "await the task for its output, or call `detach` to let it run by itself"]
    #[track_caller]
    #[doc(alias = "spawn")]
    pub fn create_task<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let _chosen = self.context.map(|context| runtime::choose_vars(context.into_vars()));
        Task::of(runtime::create(future, self.name, self.eager))
    }

    /// Creates a child of `group`, like [`Group::create_task`].
    ///
    /// A child starts with the group's next poll, so [`eager`](Self::eager) has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::task::Builder;
    ///
    /// oneloop::run(oneloop::task_group(async |group| {
    ///     let name = Builder::new()
    ///         .name("child")
    ///         .create_task_in(&group, async { oneloop::current_task().unwrap().name() });
    ///     assert_eq!(name.await.unwrap(), "child");
    /// }));
    /// ```
    #[track_caller]
    pub fn create_task_in<'env, E, F, V>(self, group: &Group<'env, E>, future: F) -> Task<V>
    where
        F: Future<Output: GroupOutcome<E, Value = V>> + 'env,
        V: 'static,
    {
        let _chosen = self.context.map(|context| runtime::choose_vars(context.into_vars()));
        let task = group.create_task(future);
        match self.name {
            Some(name) => task.named(name),
            None => task,
        }
    }

    /// Creates a task on a `runtime` that is not currently running, like [`Runtime::create_task`].
    ///
    /// The task starts in the next run or turn, even if it is [`eager`](Self::eager).
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::task::Builder;
    ///
    /// let mut runtime = oneloop::Runtime::new()?;
    /// let task = Builder::new().name("early").create_task_on(&runtime, async { 42 });
    /// assert_eq!(task.name(), "early");
    /// assert_eq!(runtime.run(task).unwrap(), 42);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use = "await the task for its output, or call `detach` to let it run by itself"]
    #[track_caller]
    pub fn create_task_on<F>(self, runtime: &Runtime, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let place = Location::caller();
        let handle = runtime.inside(|| {
            let _chosen = self.context.map(|context| runtime::choose_vars(context.into_vars()));
            runtime::create_at(place, future, self.name, false)
        });
        runtime.tell_host();
        Task::of(handle)
    }
}
