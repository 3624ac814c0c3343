//! The context variables of the task that runs now, for the rest of the crate. On a thread without
//! a loop, a call that a task has sent there takes the place of the task.

use std::cell::Cell;
use std::mem;

use crate::runtime::context::{drop_caught, with, with_loop};
use crate::runtime::data::key::{NO_SLOT, RunNumber};
use crate::runtime::data::record::Payload;
use crate::runtime::data::vars::{ThreadsafeValues, Value, Values, VarId, Vars};
use crate::runtime::state::State;

thread_local! {
    /// The context of the call that runs on this thread, which has no loop.
    static OF_CALL: Cell<Option<Values>> = const { Cell::new(None) };
}

/// The value of a variable. Returns `None` if it is not set, or if neither a task nor a call runs.
pub(crate) fn var(var: VarId) -> Option<Value> {
    match with(|state| state.vars.get(state.current, var)) {
        Some(value) => value,
        None => with_vars_of_call(|vars| vars.get(var)).flatten(),
    }
}

/// Sets a variable of the task or call that runs now, and drops the former value. Returns `false`
/// if none runs.
#[must_use]
pub(crate) fn set_var(var: VarId, value: Value) -> bool {
    let mut value = Some(value);
    let of_task = with(|state| {
        if state.current == NO_SLOT {
            return None;
        }
        state.vars.set(state.current, var, value.take()?)
    });
    let former = match of_task {
        Some(former) => former,
        None => with_vars_of_call(|vars| vars.set(var, value.take()?)).flatten(),
    };
    // Drops the former value, or the new one if nothing runs, while the state is free.
    drop(former);
    value.is_none()
}

/// A copy of the context of the task or call that runs now, or an empty one if none does.
pub(crate) fn copy_vars() -> Values {
    match with(|state| state.vars.copy(state.current)) {
        Some(values) => values,
        None => with_vars_of_call(|vars| vars.clone()).unwrap_or_default(),
    }
}

/// A copy of the values that may go to another thread.
pub(crate) fn copy_threadsafe_vars() -> ThreadsafeValues {
    let copy = |state: &mut State| {
        if state.vars.is_used() {
            state.vars.copy(state.current).threadsafe()
        } else {
            ThreadsafeValues::default()
        }
    };
    match with(copy) {
        Some(values) => values,
        None => with_vars_of_call(|vars| vars.threadsafe()).unwrap_or_default(),
    }
}

/// Calls `f`, which must not panic, with a context of its own, on a thread without a loop. If the
/// drop of a value panics, also returns the payload.
pub(crate) fn with_vars<R>(vars: ThreadsafeValues, f: impl FnOnce() -> R) -> (R, Option<Payload>) {
    OF_CALL.set(Some(vars.into()));
    let result = f();
    let vars = OF_CALL.take();
    (result, drop_caught(vars))
}

/// Calls `f`, which must not run user code. Returns `None` if no call runs here.
fn with_vars_of_call<R>(f: impl FnOnce(&mut Values) -> R) -> Option<R> {
    // Access fails only while the thread ends, when no call runs.
    OF_CALL
        .try_with(|of_call| {
            let mut vars = of_call.take()?;
            let result = f(&mut vars);
            of_call.set(Some(vars));
            Some(result)
        })
        .ok()
        .flatten()
}

/// Until this is dropped, a chosen context waits for the next task.
#[must_use]
pub(crate) struct ChosenVars(());

/// Makes the next new task run in `vars` instead of a copy of its creator's context.
pub(crate) fn choose_vars(vars: Vars) -> ChosenVars {
    let mut vars = Some(vars);
    // If no loop runs, the creation of the task reports that.
    let former = with(|state| state.vars.choose(vars.take()));
    drop(former);
    ChosenVars(())
}

impl Drop for ChosenVars {
    /// Clears the choice, which is still there if a closing loop has refused the task.
    fn drop(&mut self) {
        let refused = with(|state| state.vars.choose(None));
        drop(refused);
    }
}

/// While this exists, the task that runs now has another context.
pub(crate) struct EnteredVars<'a> {
    /// Holds the task's own context meanwhile.
    vars: &'a mut Vars,
    run: RunNumber,
    slot: u32,
}

/// Makes `vars` the context of the task that runs now. Returns `None` if no task runs.
#[must_use]
pub(crate) fn enter_vars(vars: &mut Vars) -> Option<EnteredVars<'_>> {
    let entered = with(|state| {
        let (run, slot) = (state.run_number(), state.current);
        (slot != NO_SLOT).then(|| {
            swap(state, slot, vars);
            (run, slot)
        })
    });
    let (run, slot) = entered.flatten()?;
    Some(EnteredVars { vars, run, slot })
}

impl Drop for EnteredVars<'_> {
    fn drop(&mut self) {
        let Self { run, slot, vars } = self;
        // This exists only during a step of the task, when its loop runs here.
        with_loop(*run, |state| swap(state, *slot, vars)).ok();
    }
}

fn swap(state: &mut State, slot: u32, vars: &mut Vars) {
    *vars = state.vars.replace(slot, mem::take(vars));
}
