//! Reports. Each goes to the hook of the loop that runs on this thread, when it looks around, or to
//! the log if there is no hook.

use std::cell::Cell;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use super::cleanup_error::CleanupError;
use super::kind::UnhandledKind;
use super::unhandled::{Unhandled, panic_message};
use crate::runtime::context::{discard, drop_caught, with, with_loop};
use crate::runtime::data::failed_cleanup::FailedCleanup;
use crate::runtime::data::key::RunNumber;
use crate::runtime::data::log::log_line::{Level, log_about};
use crate::runtime::data::record::{BoxedError, Payload, Peer, Place, TaskLabel};
use crate::runtime::postponed::Report;
use crate::runtime::threads::registry;

thread_local! {
    /// The loop for which this thread works, if the thread has no loop of its own.
    static EMPLOYER: Cell<Option<RunNumber>> = const { Cell::new(None) };
}

/// Makes this thread work for the loop `run`, so that reports of its calls go to that loop.
pub(crate) fn work_for(run: RunNumber) {
    EMPLOYER.set(Some(run));
}

/// The loop that runs on this thread or, without one, the loop for which the thread works.
pub(crate) fn home() -> Option<RunNumber> {
    with(|state| state.run_number()).or_else(|| EMPLOYER.get())
}

/// Like [`report_unhandled`], for the loop `home`, from any thread. The report is made where that
/// loop runs; here if it has ended.
fn report_for(home: Option<RunNumber>, make: impl FnOnce() -> Unhandled + Send + 'static) {
    match home.filter(|&run| with_loop(run, |_| ()).is_err()) {
        Some(run) => {
            let mailed = Mailed(Some(make));
            registry::send_home(run, move || drop(mailed));
        }
        None => report_unhandled(make()),
    }
}

/// Reports when it is dropped: in its loop or, if that refuses mail, on the sender's thread.
struct Mailed<F: FnOnce() -> Unhandled>(Option<F>);

impl<F: FnOnce() -> Unhandled> Drop for Mailed<F> {
    fn drop(&mut self) {
        if let Some(make) = self.0.take() {
            report_unhandled(make());
        }
    }
}

/// Defers a report to the look around of the loop that runs here, so that a hook never runs inside
/// the code that caused the report. Where no loop runs, the report is delivered at once.
pub(crate) fn report_unhandled(unhandled: Unhandled) {
    let mut unhandled = Some(unhandled);
    with(|state| {
        if let Some(unhandled) = unhandled.take() {
            state.postponed.report(Report::Unhandled(unhandled));
        }
    });
    if let Some(unhandled) = unhandled {
        tell(unhandled);
    }
}

/// Tells the hook or, without one, the log.
pub(in crate::runtime) fn tell(unhandled: Unhandled) {
    // A forked child drops its copy of its parent's loop. The parent still does the loop's work, so
    // there is nothing to report.
    if with(|state| state.owner.is_disowned) == Some(true) {
        if let Some(payload) = drop_caught(unhandled) {
            discard(payload);
        }
        return;
    }
    if unhandled.is_failure() {
        let line = unhandled.to_string();
        with(|state| state.failures.as_ref().map(|failures| failures.borrow_mut().add(line)));
    }
    let hook = with(|state| state.on_unhandled.clone()).flatten();
    match hook {
        // Peers disconnect all the time, so this is only a debug line.
        _ if unhandled.is_lost_peer() => write(&unhandled),
        None => write(&unhandled),
        Some(hook) => {
            let call = AssertUnwindSafe(|| hook(&unhandled));
            if let Err(payload) = panic::catch_unwind(call) {
                let why = panic_message(&*payload).to_owned();
                discard(payload);
                let line = format!(
                    "the hook of `Builder::on_unhandled` panicked ({why}) when it was told: {unhandled}"
                );
                log_about(Level::Error, (why, unhandled.about()), &line);
            }
            if let Some(payload) = drop_caught(hook) {
                discard(payload);
            }
        }
    }
    if let Some(payload) = drop_caught(unhandled) {
        discard(payload);
    }
}

fn write(unhandled: &Unhandled) {
    log_about(unhandled.level(), unhandled.about(), &unhandled.to_string());
}

/// Reports the panic of a task whose handle, on another thread, has gone.
pub(crate) fn report_task_panic(name: String, place: Place, payload: Payload) {
    let task = TaskLabel { name: Some(name), number: 0, place, peer: None, is_call: false };
    report_unhandled(Unhandled::panic(Some(&task), &*payload));
    discard(payload);
}

/// Reports a panic in the drop of a job that has already panicked. The first panic goes to the code
/// that awaits the task, and this one cannot.
pub(crate) fn report_second_panic(task: Option<&TaskLabel>, payload: Payload) {
    report_unhandled(Unhandled::panic(task, &*payload));
    discard(payload);
}

/// Reports the panic of the call that was asked for at `place`.
pub(crate) fn report_callback_panic(place: Place, payload: Payload) {
    report_unhandled(Unhandled::callback_panic(place, &*payload));
    discard(payload);
}

/// Reports the failure of a cleanup that no code that awaits its task receives.
pub(crate) fn report_failed_cleanup(failed: FailedCleanup) {
    report_unhandled(Unhandled::failed_cleanup(failed));
}

/// Reports the failure of a cleanup if the code that it was meant for has gone.
pub(crate) fn report_unseen_cleanup(error: CleanupError) {
    report_unhandled(Unhandled::unseen_cleanup(error));
}

/// Reports the error of a task if its receiver has gone.
pub(crate) fn report_task_error(name: String, place: Place, error: BoxedError) {
    let task = TaskLabel { name: Some(name), number: 0, place, peer: None, is_call: false };
    report_unhandled(Unhandled::task_error(&task, error));
}

/// Reports the panic of a call on another thread that is not awaited, to the loop that made the
/// call.
pub(crate) fn report_call_panic(home: Option<RunNumber>, place: Place, payload: Payload) {
    report_for(home, move || {
        let unhandled = Unhandled::call_panic(place, &*payload);
        discard(payload);
        unhandled
    });
}

/// Reports the panic of code that this thread has called, to the loop for which the thread works.
pub(crate) fn report_panic(task: Option<&TaskLabel>, payload: Payload) {
    let task = task.cloned();
    report_for(home(), move || {
        let unhandled = Unhandled::panic(task.as_ref(), &*payload);
        discard(payload);
        unhandled
    });
}

/// Reports a call on another thread for whose end the loop cannot wait any longer.
pub(crate) fn report_call_cut_off(place: Place) {
    report_unhandled(Unhandled::call_cut_off(place, why_hurried()));
}

/// Like [`report_call_cut_off`], for an `operation` that is done for the user, at `place` if that
/// is known.
pub(crate) fn report_operation_cut_off(
    place: Option<Place>,
    operation: String,
    remedy: &'static str,
) {
    let why = why_hurried().unwrap_or(remedy);
    report_unhandled(Unhandled::operation_cut_off(place, operation, why));
}

/// Reports the error of an operation that continued when it was no longer awaited, to the loop that
/// began it. From any thread.
pub(crate) fn report_operation_error(home: Option<RunNumber>, error: io::Error) {
    report_for(home, move || Unhandled::operation_error(error.into()));
}

/// Reports that `listener` cannot accept connections, for now or for good.
pub(crate) fn report_accept(kind: UnhandledKind, listener: String, error: io::Error) {
    report_unhandled(Unhandled::accept(kind, listener, error));
}

/// Reports that a server cannot serve the connection that is called `name`.
pub(crate) fn report_connection_given_up(peer: Peer, name: String, error: io::Error) {
    report_unhandled(Unhandled::connection_given_up(peer, name, error));
}

/// Reports that the dropped `StreamWriter` made at `place` could not send all of its data; see
/// [`Unhandled::unsent`].
pub(crate) fn report_unsent(place: Place, message: String, served: Option<(Peer, io::Error)>) {
    report_unhandled(Unhandled::unsent(place, message, served));
}

/// Why nothing is awaited any more, if waiting was cut short.
pub(crate) fn why_hurried() -> Option<&'static str> {
    with(|state| state.cleaning.why_hurried).flatten()
}
