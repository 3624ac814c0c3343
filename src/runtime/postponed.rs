//! Work that waits for the look around: mail of other threads, and reports.
//!
//! No other code runs between two `await`s of a task. So the drop of a handle, a `cancel` or a poll
//! only queues calls and reports here, and [`deliver`] runs them between two rounds. The current
//! task may hold a lock or a `RefCell` that a call wants as well.
//!
//! A turn makes a limited number of calls. So a sender that floods the loop, or a call that sends
//! itself again, delays timers and sockets by a round at most. A wake runs no code, but a turn also
//! reads a limited number of wakes: a thread may wake a million tasks at once. Cancellations are
//! rare, and the loop reads them all.

use std::collections::VecDeque;
use std::{mem, vec};

use super::context::{discard, drop_caught, with};
use super::data::clock;
use super::data::failed_cleanup::FailedCleanup;
use super::data::job::BoxedJob;
use super::data::key::WakerKey;
use super::data::log::log_line::{Level, log_line};
use super::data::record::{CancelReason, ErrorReporter, Payload, TaskLabel};
use super::deferred::guard;
use super::report::reports::tell;
use super::report::unhandled::Unhandled;
use super::state::State;
use super::threads::calls::{Call, Calls};
use super::threads::inbox::{Cancel, Mail};

/// The most calls from other threads that one turn makes.
const CALLS_MAX: usize = 64;

/// The most wakes from other threads that one turn reads. The slots are seldom in the cache, so a
/// thousand wakes take up to 100 us.
const WAKES_MAX: usize = 1024;

/// How many generations of reports, each left by hooks in the one before, are told at once. The
/// rest waits for the next run.
const GENERATIONS_MAX: u32 = 64;

/// The work for the next look arounds.
#[derive(Default)]
pub(super) struct Postponed {
    /// Wakes that the loop has taken from its inbox, but not read. Meanwhile later wakes stay
    /// there.
    wakes: vec::IntoIter<WakerKey>,
    /// Calls that the loop has taken from its inbox.
    calls: Calls,
    /// Whether more calls wait in the inbox. They stay there until the loop has made `calls`.
    has_more: bool,
    /// Whether there is any of these.
    has_mail: bool,
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

    /// Takes the calls that the loop can no longer make at its end.
    pub(super) fn take_calls(&mut self) -> Calls {
        self.has_more = false;
        let calls = mem::take(&mut self.calls);
        self.note_mail();
        calls
    }

    pub(super) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.has_mail && self.reports.is_empty()
    }

    /// Some mail came, or was read.
    fn note_mail(&mut self) {
        self.has_mail = self.has_wakes() || self.has_calls() || self.has_more;
    }

    fn has_wakes(&self) -> bool {
        self.wakes.len() > 0
    }
}

impl State {
    /// Takes the mail out of the inbox.
    #[cold]
    pub(super) fn read_mail(&mut self) {
        let (wakes, cancels) = if self.postponed.has_wakes() {
            (None, self.inbox().collect_cancels())
        } else {
            let Mail { wakes, cancels, .. } = self.inbox().collect();
            (Some(wakes), cancels)
        };
        for Cancel { slot, number, handle_was_dropped } in cancels {
            let is_meant = number.is_none_or(|number| self.tasks.number_is(slot, number));
            let reason = if handle_was_dropped {
                CancelReason::HandleDropped
            } else {
                CancelReason::Requested
            };
            if is_meant {
                self.cancel(slot, reason);
            }
        }
        if let Some(wakes) = wakes {
            self.read_wakes(wakes.into_iter());
        }
        if self.inbox().has_calls() {
            self.postponed.has_more = true;
        }
        self.postponed.note_mail();
    }

    fn read_wakes(&mut self, mut wakes: vec::IntoIter<WakerKey>) {
        for key in wakes.by_ref().take(WAKES_MAX) {
            self.wake_key(key);
        }
        // A list that has been read gives its memory back.
        if wakes.len() > 0 {
            self.postponed.wakes = wakes;
        }
    }

    /// Reads a share of the wakes that are left.
    fn read_more_wakes(&mut self) {
        if self.postponed.has_wakes() {
            let wakes = mem::take(&mut self.postponed.wakes);
            self.read_wakes(wakes);
            if !self.postponed.has_wakes() {
                self.postponed.wakes = self.inbox().take_wakes().into_iter();
            }
        }
    }

    fn next_call(&mut self) -> Option<Call> {
        if self.postponed.calls.is_empty() && mem::take(&mut self.postponed.has_more) {
            self.postponed.calls = self.inbox().take_calls();
        }
        self.postponed.calls.pop()
    }
}

/// Does the postponed work after a round of `polls`: tells every report, reads some of the wakes,
/// and makes some of the calls.
pub(super) fn deliver(polls: u32) {
    if with(|state| state.postponed.is_empty()).unwrap_or(true) {
        return;
    }
    tell_generation();
    with(State::read_more_wakes);
    make_calls(polls);
    with(|state| state.postponed.note_mail());
}

fn make_calls(polls: u32) {
    let limit = with(|state| calls_at_once(state.queue.len(), polls)).unwrap_or(0);
    for made in 0..limit {
        let next = |state: &mut State| {
            if made > 0 && state.pace.is_round_over(clock::real_now) {
                return None;
            }
            let call = state.next_call()?;
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
    use std::cell::RefCell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::{Poll, Waker};
    use std::thread;

    use super::*;
    use crate::{create_task, run, yield_now};

    #[test]
    fn where_tasks_wait_no_more_calls_are_made_than_tasks_were_polled() {
        assert_eq!(calls_at_once(0, 0), CALLS_MAX, "an idle loop");
        assert_eq!(calls_at_once(60, 0), 4);
        assert_eq!(calls_at_once(1000, 7), 7);
        assert_eq!(calls_at_once(1000, 0), 1, "senders do not starve either");
        assert_eq!(calls_at_once(0, 200), CALLS_MAX);
    }

    fn wake_on_another_thread(wakers: &[Waker]) {
        let wakers = wakers.to_vec();
        thread::spawn(move || wakers.iter().for_each(Waker::wake_by_ref)).join().unwrap();
    }

    #[test]
    fn a_turn_reads_at_most_1024_wakes_and_none_is_lost() {
        const TASKS: usize = 3 * WAKES_MAX;
        run(async {
            let polled: Rc<RefCell<Vec<(usize, Waker)>>> = Rc::default();
            for number in 0..TASKS {
                let polled = Rc::clone(&polled);
                create_task(poll_fn(move |cx| {
                    polled.borrow_mut().push((number, cx.waker().clone()));
                    Poll::<()>::Pending
                }))
                .detach();
            }
            while polled.borrow().len() < TASKS {
                yield_now().await;
            }
            let wakers: Vec<_> = polled.take().into_iter().map(|(_, waker)| waker).collect();
            wake_on_another_thread(&wakers);
            let queued = |read: fn(&mut State)| {
                with(|state| {
                    read(state);
                    state.queue.len()
                })
            };
            assert_eq!(queued(State::read_inbox), Some(WAKES_MAX));
            // These wait in the inbox until the first ones have been read.
            wake_on_another_thread(&wakers[..5]);
            assert_eq!(queued(State::read_inbox), Some(WAKES_MAX));
            assert_eq!(queued(State::read_more_wakes), Some(2 * WAKES_MAX));
            while polled.borrow().len() < TASKS {
                yield_now().await;
            }
            assert!(polled.borrow().iter().map(|&(number, _)| number).take(TASKS).eq(0..TASKS));
            while with(|state| state.is_busy()) == Some(true) {
                yield_now().await;
            }
            wake_on_another_thread(&wakers[..1]);
            let before = polled.borrow().len();
            while polled.borrow().len() == before {
                yield_now().await;
            }
        });
    }
}
