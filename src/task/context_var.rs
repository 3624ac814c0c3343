//! `ContextVar`: a variable with a separate value in each task, passed on to the tasks it creates.

use std::fmt;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::runtime::{self, Value, VarId, Vars};

/// A variable with a separate value in each task, such as the request being served, the user, or a
/// log prefix. Asyncio's `contextvars.ContextVar`.
///
/// A task starts with a copy of its creator's values. A value that it sets is visible to itself and
/// to the tasks it creates afterwards, but not to its creator or to tasks it created earlier. The
/// same holds for calls made by [`call_soon`](super::call_soon) and
/// [`call_later`](super::call_later). The members of a [`gather`](super::gather) belong to one task
/// and share its values; [`scope`](ContextVar::scope) gives a future separate values.
///
/// The cost of copying does not depend on the number of variables that are set, and is zero if none
/// is. Main keeps its values from one [`Runtime::run`](crate::Runtime::run) to the next. A task
/// that is created between two runs starts without any.
///
/// A value need not be `Send`. A `Send` value can also go to other threads; see
/// [`threadsafe`](ContextVar::threadsafe). Values are dropped after their last task has ended,
/// outside any task. A `drop` that calls `set` therefore panics, which is reported as
/// [unhandled](crate::Builder::on_unhandled).
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
/// A variable is identified by its address, so it has to be a `static`:
///
/// ```compile_fail,E0597
/// let local = oneloop::task::ContextVar::<u32>::new("local");
/// local.get();
/// ```
#[doc(alias = "task_local")]
#[doc(alias = "LocalKey")]
pub struct ContextVar<T: 'static> {
    name: &'static str,
    /// Converts a value into the form that a context holds. The variable itself has no value, so
    /// all threads may use it.
    wrap: fn(T) -> Value,
}

impl<T: 'static> ContextVar<T> {
    /// Creates a variable. The name is for messages.
    pub const fn new(name: &'static str) -> Self {
        Self { name, wrap: Value::local }
    }

    /// Passes the variable's value on to other threads: to the calls a task makes there
    /// ([`to_thread`](crate::thread::to_thread)) and to the tasks it creates on other loops
    /// ([`Handle::create_task_threadsafe`](crate::Handle::create_task_threadsafe)).
    ///
    /// Values that such a call sets, of this variable or another, are visible only to the call
    /// itself. In asyncio every variable behaves this way. Here, a value that is visible on other
    /// threads has to be `Send` and `Sync`.
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
    /// use std::rc::Rc;
    ///
    /// static USER: oneloop::ContextVar<Rc<str>> = oneloop::ContextVar::new("user").threadsafe();
    /// ```
    #[must_use]
    pub const fn threadsafe(self) -> Self
    where
        T: Send + Sync,
    {
        Self { name: self.name, wrap: Value::threadsafe }
    }

    /// The variable's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a clone of the running task's value, or `None` if it has none or no task runs. In a
    /// [call on another thread](crate::thread::to_thread), returns the call's value.
    pub fn get(&'static self) -> Option<T>
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Calls `f` with the running task's value. Returns `None` if it has none or no task runs.
    ///
    /// `f` may set the variable: it still sees the value from before the call.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let value = runtime::var(self.id())?;
        value.downcast_ref().map(f)
    }

    /// Sets the variable for the running task and for the tasks it creates from now on. In a [call
    /// on another thread](crate::thread::to_thread), sets it for that call.
    ///
    /// # Panics
    ///
    /// Panics if neither a task nor such a call is running.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        let is_set = runtime::set_var(self.id(), (self.wrap)(value));
        assert!(is_set, "{}", self.no_task("set"));
    }

    /// Runs `future` with the variable set to `value`, in a separate context: values that it sets
    /// are not visible outside.
    ///
    /// The context begins as a copy of the context of the task that first polls the future. It does
    /// not see values that the task sets later. The future remains part of that task, and the tasks
    /// it creates start with its values. Its `drop` also runs in its context. A
    /// [cleanup](crate::with_cleanup) that it leaves belongs to the task and has the task's values.
    ///
    /// # Cancel safety
    ///
    /// The same as that of `future`.
    ///
    /// # Panics
    ///
    /// Panics when polled outside a task.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::{gather, task::ContextVar};
    ///
    /// static USER: ContextVar<&str> = ContextVar::new("user");
    ///
    /// oneloop::run(async {
    ///     USER.set("guest");
    ///     let greet = async || {
    ///         oneloop::yield_now().await;
    ///         format!("hello {}", USER.get().unwrap())
    ///     };
    ///     let greetings = gather(["ada", "alan"].map(|user| USER.scope(user, greet()))).await;
    ///     assert_eq!(greetings, ["hello ada", "hello alan"]);
    ///     assert_eq!(greet().await, "hello guest");
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
    /// It stays on its thread, like the values:
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
        // `None` once the future is ready.
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

/// The context of a scope while the scope is not running.
enum ScopeVars {
    New { var: VarId, value: Value },
    Copied(Vars),
}

impl ScopeVars {
    /// Creates the context on first use.
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
            // Drop the future while its values are still in place.
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
