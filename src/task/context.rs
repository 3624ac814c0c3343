//! `Context`: the values of context variables, to be passed on.

use std::fmt;
use std::rc::Rc;

use super::ContextVar;
use crate::runtime::{self, SharedValues, Vars, with_shared};

/// The values of a task's [context variables](ContextVar). Asyncio's `contextvars.Context`.
///
/// [`Context::current`] copies the values of the running task.
/// [`Builder::context`](super::Builder::context) runs another task with them. Cloning a `Context`
/// gives the same context, as with an `Rc`; [`Context::copy`] makes a separate one.
///
/// # Examples
///
/// ```
/// use oneloop::task::{Context, ContextVar};
///
/// static REQUEST: ContextVar<u32> = ContextVar::new("request");
///
/// oneloop::run(async {
///     REQUEST.set(7);
///     let context = Context::current();
///     REQUEST.set(8);
///     assert_eq!(context.get(&REQUEST), Some(7));
///     context.run(|| assert_eq!(REQUEST.get(), Some(7)));
/// });
/// ```
///
/// A context stays on its thread, because values may be of any type:
///
/// ```compile_fail,E0277
/// let context = oneloop::task::Context::new();
/// std::thread::spawn(move || drop(context));
/// ```
#[derive(Clone, Default)]
pub struct Context {
    values: SharedValues,
}

impl Context {
    /// Returns a context in which no variable is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a copy of the running task's context, or an empty context if no task runs. Asyncio's
    /// `copy_context()`.
    ///
    /// The cost does not depend on the number of variables that are set.
    #[doc(alias = "get_context")]
    pub fn current() -> Self {
        Self { values: Rc::new(runtime::copy_vars().into()) }
    }

    /// Returns a separate context with the values that this one has now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let values = with_shared(&self.values, |values| values.clone());
        Self { values: Rc::new(values.into()) }
    }

    /// The value of `var` in this context.
    pub fn get<T: Clone>(&self, var: &'static ContextVar<T>) -> Option<T> {
        let value = with_shared(&self.values, |values| values.get(var.id()))?;
        value.downcast_ref().cloned()
    }

    /// Calls `f` in this context: `f` sees its values, and values that `f` sets stay in it.
    /// Asyncio's `Context.run`.
    ///
    /// # Panics
    ///
    /// Panics if no task runs.
    #[track_caller]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        let mut vars = self.clone().into_vars();
        let Some(_entered) = runtime::enter_vars(&mut vars) else {
            panic!("a `Context` needs a running task: call `run` inside `oneloop::run`")
        };
        f()
    }

    pub(super) fn into_vars(self) -> Vars {
        Vars::Shared(self.values)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
