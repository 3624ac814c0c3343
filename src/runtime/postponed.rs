//! User code that waits for the look around: calls that other threads have sent, and reports.
//!
//! No other code runs between two `await`s of a task. So the drop of a handle, a `cancel` or a poll
//! only queues calls and reports here, and [`deliver`] runs them between two rounds. The current
//! task may hold a lock or a `RefCell` that a call wants as well.
//!
//! A turn makes a limited number of calls. So a sender that floods the loop, or a call that sends
//! itself again, delays timers and sockets by a round at most.

use std::collections::VecDeque;
use std::mem;

use super::context::{discard, drop_caught, with};
use super::data::clock;
use super::data::failed_cleanup::FailedCleanup;
use super::data::job::BoxedJob;
use super::data::log::log_line::{Level, log_line};
use super::data::record::{ErrorReporter, Payload, TaskLabel};
use super::deferred::guard;
use super::report::reports::tell;
use super::report::unhandled::Unhandled;
use super::state::State;
use super::threads::inbox::Call;

/// The most calls from other threads that one turn makes.
const CALLS_MAX: usize = 64;

/// How many generations of reports, each left by hooks in the one before, are told at once. The
/// rest waits for the next run.
const GENERATIONS_MAX: u32 = 64;

/// The work for the next look arounds.
#[derive(Default)]
pub(super) struct Postponed {
    calls: VecDeque<Call>,
    reports: VecDeque<Report>,
}

/// A report for the hook or the log.
pub(super) enum Report {
    Unhandled(Unhandled),
    /// The output of a detached task, which may contain an error to report.
    Error {
        job: BoxedJob,
        report: ErrorReporter,
        task: TaskLabel,
    },
    Panic {
        payload: Payload,
        task: TaskLabel,
    },
    /// The failure of a cleanup that no handle and no group has taken.
    Cleanup(FailedCleanup),
    /// A line for the log.
    Warning(String),
}

impl Postponed {
    pub(super) fn report(&mut self, report: Report) {
        self.reports.push_back(report);
    }

    pub(super) fn add_calls(&mut self, calls: Vec<Call>) {
        self.calls.extend(calls);
    }

    /// Takes the calls that the loop can no longer make at its end.
    pub(super) fn take_calls(&mut self) -> impl Iterator<Item = Call> + use<> {
        mem::take(&mut self.calls).into_iter()
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.reports.is_empty()
    }
}

/// Runs the postponed work after a round of `polls`: every report, and some of the calls.
pub(super) fn deliver(polls: u32) {
    if with(|state| state.postponed.is_empty()).unwrap_or(true) {
        return;
    }
    tell_generation();
    make_calls(polls);
}

fn make_calls(polls: u32) {
    let limit = with(|state| calls_at_once(state.queue.len(), polls)).unwrap_or(0);
    for made in 0..limit {
        let next = |state: &mut State| {
            if made > 0 && state.pace.is_round_over(clock::real_now) {
                return None;
            }
            let call = state.postponed.calls.pop_front()?;
            state.pace.note_call();
            Some(call)
        };
        let Some(call) = with(next).flatten() else { return };
        guard(None, call);
    }
}

/// How many calls a turn makes. Most calls queue a task. If tasks are queued already, a turn makes
/// at most as many calls as tasks were polled. Otherwise senders could make the run queue, and with
/// it every delay, longer and longer.
fn calls_at_once(queued: usize, polls: u32) -> usize {
    CALLS_MAX.saturating_sub(queued).max(polls as usize).clamp(1, CALLS_MAX)
}

/// Tells all reports, including those that hooks leave meanwhile, up to the limit of generations.
pub(super) fn deliver_reports() {
    for _ in 0..GENERATIONS_MAX {
        if tell_generation() == 0 {
            return;
        }
    }
}

/// Tells the last reports, at the end of the loop. If hooks keep leaving reports, the rest goes to
/// the log.
pub(super) fn deliver_last() {
    deliver_reports();
    let hook = with(|state| state.on_unhandled.take());
    if let Some(payload) = drop_caught(hook) {
        discard(payload);
    }
    deliver_reports();
}

/// Tells the present reports. Returns their number.
fn tell_generation() -> usize {
    if with(|state| state.postponed.reports.is_empty()).unwrap_or(true) {
        return 0;
    }
    let reports = with(|state| mem::take(&mut state.postponed.reports)).unwrap_or_default();
    let len = reports.len();
    for report in reports {
        match report {
            Report::Unhandled(unhandled) => tell(unhandled),
            Report::Error { job, report, task } => guard(Some(&task), || {
                if let Some(error) = report(job) {
                    tell(Unhandled::task_error(&task, error));
                }
            }),
            Report::Panic { payload, task } => {
                tell(Unhandled::panic(Some(&task), &*payload));
                discard(payload);
            }
            Report::Cleanup(failed) => tell(Unhandled::failed_cleanup(failed)),
            Report::Warning(line) => guard(None, || log_line(Level::Warn, &line)),
        }
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tasks_wait_no_more_calls_are_made_than_tasks_were_polled() {
        assert_eq!(calls_at_once(0, 0), CALLS_MAX, "an idle loop");
        assert_eq!(calls_at_once(60, 0), 4);
        assert_eq!(calls_at_once(1000, 7), 7);
        assert_eq!(calls_at_once(1000, 0), 1, "senders do not starve either");
        assert_eq!(calls_at_once(0, 200), CALLS_MAX);
    }
}
