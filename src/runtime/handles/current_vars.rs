//! The context variables of the task that runs now, as the rest of the crate uses them; or those of a call that a task has
//! handed to a thread without a loop.

use std::cell::Cell;
use std::mem;

use crate::runtime::context::{drop_caught, with, with_loop};
use crate::runtime::data::key::{NO_SLOT, RunNumber};
use crate::runtime::data::record::Payload;
use crate::runtime::data::vars::{ThreadsafeValues, Value, Values, VarId, Vars};
use crate::runtime::state::State;

thread_local! {
    /// Of the call that runs on this thread, which has no loop.
    static OF_CALL: Cell<Option<Values>> = const { Cell::new(None) };
}

/// `None`: it is not set, or neither a task nor a call runs.
pub(crate) fn var(var: VarId) -> Option<Value> {
    match with(|state| state.vars.get(state.current, var)) {
        Some(value) => value,
        None => with_vars_of_call(|vars| vars.get(var)).flatten(),
    }
}

/// Sets a variable of the task or call that runs now, and drops its former value. `false`: none runs.
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
    // The former value is dropped here, and the new one if nothing runs: while the state is free.
    drop(former);
    value.is_none()
}

/// A copy of the context of the task or call that runs now; empty if none does.
pub(crate) fn copy_vars() -> Values {
    match with(|state| state.vars.copy(state.current)) {
        Some(values) => values,
        None => with_vars_of_call(|vars| vars.clone()).unwrap_or_default(),
    }
}

/// Of those, the ones that may go to another thread.
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

/// Calls `f`, which must not panic, with a context of its own, on a thread without a loop. Gives the payload of a panic in the
/// drop of a value.
pub(crate) fn with_vars<R>(vars: ThreadsafeValues, f: impl FnOnce() -> R) -> (R, Option<Payload>) {
    OF_CALL.set(Some(vars.into()));
    let result = f();
    let vars = OF_CALL.take();
    (result, drop_caught(vars))
}

/// Calls `f`, which must not run user code. `None`: no call runs here.
fn with_vars_of_call<R>(f: impl FnOnce(&mut Values) -> R) -> Option<R> {
    // A thread that ends runs no call.
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

/// Until this is dropped, the next task runs in a context that was chosen for it.
#[must_use]
pub(crate) struct ChosenVars(());

/// Makes the task that is created next run in `vars`, and not in a copy of its creator's context.
pub(crate) fn choose_vars(vars: Vars) -> ChosenVars {
    let mut vars = Some(vars);
    // Where no loop runs, the creation says so.
    let former = with(|state| state.vars.choose(vars.take()));
    drop(former);
    ChosenVars(())
}

impl Drop for ChosenVars {
    /// The choice is still there if a closing loop has refused the task.
    fn drop(&mut self) {
        let refused = with(|state| state.vars.choose(None));
        drop(refused);
    }
}

/// Another context for the task that runs now, until dropped.
pub(crate) struct EnteredVars<'a> {
    /// The task's own context meanwhile.
    vars: &'a mut Vars,
    run: RunNumber,
    slot: u32,
}

/// Makes `vars` the context of the task that runs now. `None`: there is none.
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
        // Inside a step of a task its loop runs here.
        with_loop(*run, |state| swap(state, *slot, vars)).ok();
    }
}

fn swap(state: &mut State, slot: u32, vars: &mut Vars) {
    *vars = state.vars.replace(slot, mem::take(vars));
}
