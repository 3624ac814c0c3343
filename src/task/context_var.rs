//! `ContextVar`: a variable that each task has for itself, and hands on to the tasks it creates.

use std::fmt;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::runtime::{self, Value, VarId, Vars};

/// A variable that each task has for itself: the request that is served, the user, the log's prefix; asyncio's
/// `contextvars.ContextVar`.
///
/// A task starts with a copy of its creator's values. What it sets is seen by itself and by the tasks that it creates from then
/// on, and neither by its creator nor by the tasks that it has created before. So are calls by
/// [`call_soon`](super::call_soon) and [`call_later`](super::call_later). The members of a [`gather`](super::gather) belong to one
/// task, and share its values; [`scope`](ContextVar::scope) gives a future values of its own.
///
/// Copying costs the same however many variables are set, and nothing if none is. Main keeps its values from one
/// [`Runtime::run`](crate::Runtime::run) to the next; a task that is created between two runs starts without any.
///
/// A value need not be `Send`; one that is may go along to other threads ([`threadsafe`](ContextVar::threadsafe)). Values are dropped after their last task has ended; where no task runs, so that a `drop` that
/// calls `set` panics, which is reported as [unhandled](crate::Builder::on_unhandled).
///
/// # Examples
///
/// ```
/// use oneloop::{create_task, task::ContextVar};
///
/// static REQUEST: ContextVar<u32> = ContextVar::new("request");
///
/// async fn log(message: &str) -> String {
///     format!("{}: {message}", REQUEST.get().unwrap_or(0))
/// }
///
/// oneloop::run(async {
///     let tasks: Vec<_> = (1..=2)
///         .map(|number| {
///             create_task(async move {
///                 REQUEST.set(number);
///                 create_task(log("done")).await.unwrap()
///             })
///         })
///         .collect();
///     for (task, line) in tasks.into_iter().zip(["1: done", "2: done"]) {
///         assert_eq!(task.await.unwrap(), line);
///     }
///     assert_eq!(REQUEST.get(), None);
/// });
/// ```
///
/// A variable is known by its address, so it has to be a `static`:
///
/// ```compile_fail,E0597
/// let local = oneloop::task::ContextVar::<u32>::new("local");
/// local.get();
/// ```
#[doc(alias = "task_local")]
#[doc(alias = "LocalKey")]
pub struct ContextVar<T: 'static> {
    name: &'static str,
    /// Makes of a value what a context holds. The variable has no value itself, so it may be used from all threads.
    wrap: fn(T) -> Value,
}

impl<T: 'static> ContextVar<T> {
    /// A variable; its name is for messages.
    pub const fn new(name: &'static str) -> Self {
        Self { name, wrap: Value::local }
    }

    /// Has the calls on other threads that a task makes ([`to_thread`](crate::thread::to_thread)) and the tasks that it creates
    /// on other loops ([`Handle::create_task_threadsafe`](crate::Handle::create_task_threadsafe)) start with its value too.
    ///
    /// What such a call sets, this variable or another, is seen by itself alone. With asyncio, every variable is like this
    /// one; here a value that others see on other threads has to be `Send` and `Sync`.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{ContextVar, thread::to_thread};
    ///
    /// static REQUEST: ContextVar<u32> = ContextVar::new("request").threadsafe();
    ///
    /// oneloop::run(async {
    ///     REQUEST.set(7);
    ///     assert_eq!(to_thread(|| REQUEST.get()).await, Some(7));
    /// });
    /// ```
    ///
    /// ```compile_fail,E0277
    ///     ///
    /// static USER: oneloop::ContextVar<Rc<str>> = oneloop::ContextVar::new("user").threadsafe();
    /// ```
    #[must_use]
    pub const fn threadsafe(self) -> Self
    where
        T: Send + Sync,
    {
        Self { name: self.name, wrap: Value::threadsafe }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A clone of the running task's value; `None` if it has none, or no task runs. In a [call on another
    /// thread](crate::thread::to_thread), the call's value.
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Calls `f` with the running task's value; `None` if it has none, or no task runs.
    ///
    /// `f` may set the variable: it sees the value that was there when it was called.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let value = runtime::var(self.id())?;
        value.downcast_ref().map(f)
    }

    /// Sets the variable for the running task, and for the tasks that it creates from now on. In a [call on another
    /// thread](crate::thread::to_thread), for that call.
    ///
    /// # Panics
    ///
    /// Where neither runs.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        let is_set = runtime::set_var(self.id(), (self.wrap)(value));
        assert!(is_set, "{}", self.no_task("set"));
    }

    /// Runs `future` with the variable set to `value`, and in a context of its own: what it sets is not seen outside.
    ///
    /// It begins with a copy of the context of the task that polls it first, and does not see what that task sets later. It stays
    /// a part of that task; the tasks that it creates start with its values. So does its `drop`. A
    /// [cleanup](crate::with_cleanup) that it leaves is the task's, and has the task's values.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    ///
    /// # Panics
    ///
    /// When polled where no task runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{gather, task::ContextVar};
    ///
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    ///
    /// oneloop::run(async {
    ///     USER.set("nobody");
    ///     let greet = async || {
    ///         oneloop::yield_now().await;
    ///         format!("hello {}", USER.get().unwrap())
    ///     };
    ///     let greetings = gather(["ada", "alan"].map(|user| USER.scope(user, greet()))).await;
    ///     assert_eq!(greetings, ["hello ada", "hello alan"]);
    ///     assert_eq!(greet().await, "hello nobody");
    /// });
    /// ```
    pub fn scope<F: IntoFuture>(&'static self, value: T, future: F) -> Scope<F::IntoFuture> {
        let vars = ScopeVars::New { var: self.id(), value: (self.wrap)(value) };
        Scope { name: self.name, vars, future: Some(future.into_future()) }
    }

    pub(super) fn id(&'static self) -> VarId {
        ptr::from_ref(self).addr()
    }

    fn no_task(&self, what: &str) -> String {
        no_task(self.name, what)
    }
}

fn no_task(name: &str, what: &str) -> String {
    format!(
        "the context variable `{name}` has values in tasks only: call `{what}` inside `oneloop::run`"
    )
}

impl<T> fmt::Debug for ContextVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContextVar").field(&self.name).finish()
    }
}

pin_project! {
    /// The future of [`ContextVar::scope`].
    ///
    /// It stays on its thread, as the values do:
    ///
    /// ```compile_fail,E0277
    /// static USER: oneloop::ContextVar<&str> = oneloop::ContextVar::new("user");
    /// let scope = USER.scope("ada", async {});
    /// std::thread::spawn(move || drop(scope));
    /// ```
    #[must_use = "futures do nothing unless awaited"]
    pub struct Scope<F> {
        name: &'static str,
        vars: ScopeVars,
        // `None` once it is ready.
        #[pin]
        future: Option<F>,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                let _entered = runtime::enter_vars(this.vars.get());
                this.future.set(None);
            }
        }
    }
}

/// The context of a scope, while it does not run.
enum ScopeVars {
    New { var: VarId, value: Value },
    Copied(Vars),
}

impl ScopeVars {
    /// Made when it is first needed.
    fn get(&mut self) -> &mut Vars {
        loop {
            match self {
                Self::Copied(vars) => return vars,
                Self::New { var, value } => {
                    let mut values = runtime::copy_vars();
                    let former = values.set(*var, value.clone());
                    *self = Self::Copied(Vars::Own(values));
                    drop(former);
                }
            }
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(_entered) = runtime::enter_vars(this.vars.get()) else {
            panic!("{}", no_task(this.name, "scope"))
        };
        let future = this.future.as_mut().as_pin_mut().expect("polled only until it is ready");
        let poll = runtime::with_budget(cx, |cx| future.poll(cx));
        if poll.is_ready() {
            // While its values are there.
            this.future.set(None);
        }
        poll
    }
}

impl<F> fmt::Debug for Scope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("variable", &self.name).finish_non_exhaustive()
    }
}
