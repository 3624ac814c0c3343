//! The context variables of the task that runs now, as the rest of the crate uses them.

use std::mem;

use super::context::{with, with_loop};
use super::key::{NO_SLOT, RunNumber};
use super::state::State;
use super::vars::{Value, Values, VarId, Vars};

/// `None`: it is not set, or no task runs.
pub(crate) fn var(var: VarId) -> Option<Value> {
    with(|state| state.vars.get(state.current, var)).flatten()
}

/// Sets a variable of the task that runs now, and drops its former value. `false`: no task runs.
#[must_use]
pub(crate) fn set_var(var: VarId, value: Value) -> bool {
    let mut value = Some(value);
    let former = with(|state| {
        if state.current == NO_SLOT {
            return None;
        }
        state.vars.set(state.current, var, value.take()?)
    });
    // The former value is dropped here, and the new one if no task runs: while the state is free.
    drop(former);
    value.is_none()
}

/// A copy of the context of the task that runs now; empty if none does.
pub(crate) fn copy_vars() -> Values {
    with(|state| state.vars.copy(state.current)).unwrap_or_default()
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
