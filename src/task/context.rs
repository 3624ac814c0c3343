//! `Context`: the values of context variables, to be handed on.

use std::fmt;
use std::rc::Rc;

use super::ContextVar;
use crate::runtime::{self, SharedValues, Vars, with_shared};

/// The values that [context variables](ContextVar) have for a task; asyncio's `contextvars.Context`.
///
/// [`Context::current`] copies those of the running task, [`Builder::context`](super::Builder::context) runs another task
/// with them. A clone is the same context, as a clone of an `Rc` is; [`Context::copy`] makes another one.
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
/// It stays on its thread, since values may be anything:
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
    /// A context in which no variable is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the context of the running task; asyncio's `copy_context()`. An empty one where no task runs.
    ///
    /// It costs the same however many variables are set.
    #[doc(alias = "get_context")]
    pub fn current() -> Self {
        Self { values: Rc::new(runtime::copy_vars().into()) }
    }

    /// Another context, with the same values as this one has now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let values = with_shared(&self.values, |values| values.clone());
        Self { values: Rc::new(values.into()) }
    }

    /// What `var` is set to here.
    pub fn get<T: Clone>(&self, var: &'static ContextVar<T>) -> Option<T> {
        let value = with_shared(&self.values, |values| values.get(var.id()))?;
        value.downcast_ref().cloned()
    }

    /// Calls `f` in this context: it sees the values, and what it sets stays here; asyncio's `Context.run`.
    ///
    /// # Panics
    ///
    /// Where no task runs.
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
