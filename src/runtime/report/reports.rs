//! Reports: each goes to the hook of the loop that runs on this thread, in its look-around, or, without one, to the log.

use std::io;
use std::panic::{self, AssertUnwindSafe};

use super::unhandled::Unhandled;
use crate::runtime::context::{discard, with};
use crate::runtime::data::log_line::{Level, log_line};
use crate::runtime::data::record::{Payload, Place, TaskLabel};
use crate::runtime::postponed::Report;
use crate::runtime::state::State;

/// Hands a report to the look-around of the loop that runs here; a hook never runs inside the code that had something to
/// report. Where no loop runs, it is told at once.
pub(crate) fn report_unhandled(unhandled: &Unhandled) {
    let report = |state: &mut State| state.postponed.report(Report::Unhandled(unhandled.clone()));
    if with(report).is_none() {
        tell(unhandled);
    }
}

/// Tells the hook or, without one, the log.
pub(in crate::runtime) fn tell(unhandled: &Unhandled) {
    let report = || match with(|state| state.on_unhandled.clone()).flatten() {
        Some(hook) => hook(unhandled),
        None => log_line(Level::Error, &unhandled.to_string()),
    };
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(report)) {
        discard(payload);
        let line = format!("the hook for what is unhandled panicked itself; {unhandled}");
        let write = || log_line(Level::Error, &line);
        // A logger that panics as well leaves nobody to tell.
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(write)) {
            discard(payload);
        }
    }
}

/// Reports the panic of a task whose handle, on another thread, has gone.
pub(crate) fn report_task_panic(name: String, place: Place, payload: Payload) {
    let task = TaskLabel { name: Some(name), number: 0, place };
    report_unhandled(&Unhandled::panic(Some(&task), &*payload));
    discard(payload);
}

/// Reports the panic of a call on another thread, which nobody awaits.
pub(crate) fn report_call_panic(place: Place, payload: Payload) {
    report_unhandled(&Unhandled::call_panic(place, &*payload));
    discard(payload);
}

/// Reports a call on another thread for whose end the loop cannot wait any longer.
pub(crate) fn report_call_cut_off(place: Place) {
    report_unhandled(&Unhandled::call_cut_off(place, why_hurried()));
}

/// As [`report_call_cut_off`], for an `operation` that is done for the user, at `place` if that is known.
pub(crate) fn report_operation_cut_off(
    place: Option<Place>,
    operation: String,
    remedy: &'static str,
) {
    let why = why_hurried().unwrap_or(remedy);
    report_unhandled(&Unhandled::operation_cut_off(place, operation, why));
}

/// Reports the error of an operation that went on when nobody awaited it. From any thread.
pub(crate) fn report_operation_error(error: &io::Error) {
    report_unhandled(&Unhandled::operation_error(error.to_string()));
}

/// Reports that not all could be sent that was written to the `StreamWriter` made at `place`, which is gone.
pub(crate) fn report_unsent(place: Place, message: String) {
    report_unhandled(&Unhandled::unsent(place, message));
}

/// Why nothing is to be awaited any more, if somebody wants that.
pub(crate) fn why_hurried() -> Option<&'static str> {
    with(|state| state.cleaning.why_hurried).flatten()
}
