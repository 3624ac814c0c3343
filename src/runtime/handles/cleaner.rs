//! Cleaning: how the loop accepts cleanups, runs them, and cuts them off.
//!
//! A cleanup that may begin gets a cleaner: a task of its own, which polls it with the cleanup's
//! owner as the current task. The cleaner then runs the next cleanup that waited for this one. No
//! code has the cleaner's handle, so no `cancel` reaches it. Only the time limit cuts it off.

use std::any::Any;
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::timer::Timer;
use crate::runtime::context::{self, drop_caught, with, with_loop};
use crate::runtime::data::cleanups::{Begun, BoxedCleanup, Cleanups, NewCleanup, Origin};
use crate::runtime::data::clock::When;
use crate::runtime::data::ended::Failure;
use crate::runtime::data::failed_cleanup::{CleanupCause, FailedCleanup, KEPT_MAX};
use crate::runtime::data::job;
use crate::runtime::data::key::{self, HandleKey, NO_SLOT};
use crate::runtime::data::record::{CancelReason, Ending, Payload, Place, TaskLabel};
use crate::runtime::data::tasks::MAIN;
use crate::runtime::report::reports::{report_unhandled, why_hurried};
use crate::runtime::report::unhandled::{TooLate, Unhandled};
use crate::runtime::scope;
use crate::runtime::state::State;
use crate::runtime::threads::registry;

/// The most cleanups without a wait that one poll runs, before other tasks have their turn.
const CLEANUPS_MAX: usize = 64;

/// Reports a cleanup that cannot run, because its guard was dropped where its loop does not run.
/// The report goes to the hook of its own loop, as long as that loop exists.
pub(crate) fn report_skipped(guard: HandleKey, place: Place) {
    let report = Skipped(place);
    if with_loop(guard.run, |_| ()).is_err() {
        registry::send_home(guard.run, move || drop(report));
    }
}

/// Reports when it is dropped: in its own loop or, if that has gone, here.
struct Skipped(Place);

impl Drop for Skipped {
    fn drop(&mut self) {
        report_unhandled(Unhandled::skipped(self.0));
    }
}

/// Reports a cleanup that was cut off, because its time was up or for the reason `why_hurried`.
fn report_cut_off(owner: Option<&TaskLabel>, origin: Origin, why_hurried: Option<&'static str>) {
    match origin {
        Origin::Guard(place) => report_unhandled(Unhandled::cut_off(owner, place, why_hurried)),
        Origin::Call(place) => report_unhandled(Unhandled::wait_cut_off(place, why_hurried)),
        Origin::Elsewhere => {}
    }
}

impl State {
    /// The task that reports name for a cleanup that is left now.
    pub(super) fn label_of_cleanup(&self) -> TaskLabel {
        let child = self.cleaning.dropped_child.clone();
        child.unwrap_or_else(|| self.tasks.label(self.cleanup_owner()))
    }

    /// The task to which a guard that is dropped now leaves its cleanup.
    pub(super) fn cleanup_owner(&self) -> u32 {
        if self.current == NO_SLOT { MAIN } else { self.current }
    }

    /// Why the current task may not leave a cleanup, or `None` if it may.
    pub(super) fn refuses_cleanup(&self) -> Option<TooLate> {
        let owner = self.cleanup_owner();
        let over = if self.cleaning.is_over {
            TooLate::LoopOver
        } else if !self.tasks.may_clean(owner)
            || self.cleanup != NO_SLOT && !self.cleaning.may_nest(owner, self.cleanup)
        {
            TooLate::TaskOver
        } else {
            return None;
        };
        Some(self.cleaning.why_hurried.map_or(over, TooLate::Hurried))
    }

    /// Accepts a cleanup of the current task. If another cleanup runs as that task, the new one is
    /// its child, and that one ends after it.
    pub(super) fn accept_cleanup(
        &mut self,
        future: BoxedCleanup,
        origin: Origin,
        starts_at_once: bool,
    ) {
        let owner = self.cleanup_owner();
        let child = self.cleaning.dropped_child.clone();
        let parent = (self.cleanup != NO_SLOT).then_some(self.cleanup);
        // Cleanups that leave one another share one limit.
        let limit = self.clock.now().saturating_add(self.cleaning.timeout);
        self.cleaning.accepted += 1;
        let ticket = self.cleaning.accepted;
        let wait = self.cleaning.waits.collect();
        if self.cleaning.of_tasks.get(owner).is_none() {
            self.cleaning.of_tasks.insert(owner, Cleanups::default());
            self.tasks.set_has_cleanups(owner, true);
        }
        let Some(cleanups) = self.cleaning.of_tasks.get_mut(owner) else { return };
        let deadline = parent.map(|parent| cleanups.deadline(parent, || limit));
        let path = scope::path();
        let new = NewCleanup {
            future,
            origin,
            child,
            ticket,
            path,
            starts_at_once,
            parent,
            deadline,
            wait,
        };
        let (index, may_begin) = cleanups.add(new);
        if may_begin {
            self.start_cleaner(owner, index);
        }
    }

    /// Creates a task that runs the cleanup `index` of `owner`.
    fn start_cleaner(&mut self, owner: u32, index: u32) {
        let Some(cleanups) = self.cleaning.of_tasks.get_mut(owner) else { return };
        let place = cleanups.place(index).unwrap_or_else(Location::caller);
        let job = job::boxed(Cleaner { owner, ready: vec![index], current: None });
        let cleaner = self.tasks.create_cleaner(job, place, owner);
        cleanups.set_cleaner(index, cleaner);
        self.queue(cleaner);
    }

    fn begin_cleanup(&mut self, owner: u32, index: u32) -> Option<Begun> {
        let clock = &self.clock;
        let cleanups = self.cleaning.of_tasks.get_mut(owner)?;
        cleanups.begin(index, |deadline| deadline <= clock.now())
    }

    /// The future of a cleanup is gone. Returns the next cleanups for its cleaner, which is the
    /// current task. As long as the owner has time for cleanups, that is one at most, and others
    /// get cleaners of their own.
    fn finish_cleanup(&mut self, owner: u32, index: u32) -> Vec<u32> {
        let cleaner = self.current;
        let Some(cleanups) = self.cleaning.of_tasks.get_mut(owner) else { return Vec::new() };
        let finished = cleanups.finish(index);
        let is_empty = cleanups.is_empty();
        let mut ready = finished.ready;
        if self.tasks.may_clean(owner) && ready.len() > 1 {
            for index in ready.split_off(1) {
                self.start_cleaner(owner, index);
            }
        }
        if let Some(cleanups) = self.cleaning.of_tasks.get_mut(owner) {
            for &index in &ready {
                cleanups.set_cleaner(index, cleaner);
            }
        }
        for wait in finished.waits {
            self.tell_wait(wait);
        }
        if ready.is_empty() {
            self.tasks.orphan(cleaner);
        }
        if is_empty {
            self.end_cleaning(owner);
        }
        ready
    }

    /// Tells `wait` that one of the things that it waits for has ended.
    pub(super) fn tell_wait(&mut self, wait: u32) {
        let waiter = self.cleaning.waits.tell(wait);
        self.wake(waiter);
    }

    fn end_cleaning(&mut self, owner: u32) {
        let Some(cleanups) = self.cleaning.of_tasks.remove(owner) else { return };
        self.tasks.set_has_cleanups(owner, false);
        // The drop of the owner's output may leave cleanups. If they were the cleaner's, their own
        // cleaner could get the slot of the owner, and the two would own each other.
        self.current = NO_SLOT;
        if let Some(ending) = cleanups.ending {
            let child = self.tasks.child(owner);
            self.pass_on_failures(owner, &ending, cleanups.failed);
            self.finish(owner, ending);
            if let Some(child) = child {
                self.tell_group(child);
            }
        }
    }

    /// Keeps a cleanup's failure for the code that will learn how `owner` has ended. Leaves it in
    /// `failed` if no such code exists, or if that code gets an output, which has no room for a
    /// failure.
    fn keep_failure(&mut self, owner: u32, failed: &mut Option<FailedCleanup>) {
        let Some(cleanups) = self.cleaning.of_tasks.get_mut(owner) else { return };
        let is_awaited = match cleanups.ending {
            Some(Ending::Cancelled | Ending::Panicked(_)) => self.tasks.has_handle(owner),
            Some(Ending::Failed) => self.tasks.child(owner).is_some(),
            Some(Ending::Done(_) | Ending::DoneUnseen) | None => false,
        };
        if is_awaited && cleanups.failed.len() < KEPT_MAX {
            cleanups.failed.extend(failed.take());
        }
    }

    /// `owner` is about to end. Its failures go to its group or its handle, if these still exist,
    /// and otherwise into reports.
    fn pass_on_failures(&mut self, owner: u32, ending: &Ending, failed: Vec<FailedCleanup>) {
        if failed.is_empty() {
            return;
        }
        let child = self.tasks.child(owner);
        if !matches!(ending, Ending::Failed) && self.tasks.has_handle(owner) {
            self.cleaning.failed_of_tasks.insert(owner, failed);
        } else if let (Ending::Failed, Some(child)) = (ending, child) {
            self.cleaning.add_failed_of_child(child, failed);
        } else {
            self.report_failed_cleanups(failed);
        }
    }

    /// Takes the reason why a task has no output, for its handle, together with the failures of its
    /// cleanups.
    pub(super) fn take_failure(&mut self, slot: u32) -> Failure {
        let cleanups = self.cleaning.failed_of_tasks.remove(slot).unwrap_or_default();
        Failure { cleanups, ..self.tasks.take_failure(slot) }
    }

    /// Allows the task in `slot` no more cleanups. Drops the ones that it has left, and all that
    /// these have left.
    pub(crate) fn cut_off(&mut self, slot: u32) {
        self.tasks.hurry(slot);
        let Some(cleanups) = self.cleaning.of_tasks.get(slot) else { return };
        for cleaner in cleanups.cleaners() {
            self.cancel(cleaner, CancelReason::Requested);
        }
    }

    /// Like [`State::cut_off`], for all tasks. Cuts errands off too.
    pub(crate) fn cut_off_all(&mut self) {
        self.cleaning.is_over = true;
        self.cut_off_errands();
        for owner in self.cleaning.of_tasks.slots() {
            self.cut_off(owner);
        }
    }
}

/// Runs cleanups of one task, one after another.
struct Cleaner {
    owner: u32,
    /// The cleanups to run. The last one is current, or comes next. There is more than one only
    /// when they are cut off.
    ready: Vec<u32>,
    current: Option<Current>,
}

struct Current {
    future: BoxedCleanup,
    origin: Origin,
    /// The task that reports name, if it is not the owner.
    child: Option<TaskLabel>,
    /// Armed when the cleanup has to wait.
    limit: Option<Timer>,
}

impl Current {
    fn new(begun: Begun) -> Self {
        let Begun { future, origin, child } = begun;
        Self { future, origin, child, limit: None }
    }
}

impl Cleaner {
    /// Polls a cleanup as its owner, and reports its failure. Ready when the cleanup is over.
    fn poll_current(&mut self, index: u32, cx: &mut Context<'_>) -> Poll<()> {
        let owner = self.owner;
        if self.current.is_none() {
            let begun = with(|state| state.begin_cleanup(owner, index)).flatten();
            self.current = begun.map(Current::new);
        }
        let Some(Current { future, origin, child, limit }) = &mut self.current else {
            return Poll::Ready(());
        };
        let poll = AssertUnwindSafe(|| future.as_mut().poll(cx));
        match as_owner(owner, index, || panic::catch_unwind(poll)) {
            Ok(Poll::Pending) if *origin == Origin::Elsewhere => return Poll::Pending,
            Ok(Poll::Pending) => {
                ready!(poll_limit(limit, owner, index, cx));
                report_cut_off(label_of(child.clone(), owner).as_ref(), *origin, None);
            }
            Ok(Poll::Ready(None)) => {}
            Ok(Poll::Ready(Some(error))) => {
                fail(owner, child.clone(), *origin, CleanupCause::Error(error));
            }
            Err(payload) => fail(owner, child.clone(), *origin, CleanupCause::Panic(payload)),
        }
        self.drop_current(index);
        Poll::Ready(())
    }

    fn drop_current(&mut self, index: u32) {
        let owner = self.owner;
        let Some(Current { future, origin, child, .. }) = self.current.take() else { return };
        if let Some(payload) = as_owner(owner, index, || drop_caught(future)) {
            fail(owner, child, origin, CleanupCause::Panic(payload));
        }
    }

    /// The cleanup is over, so the next ones take its place.
    fn finish(&mut self, index: u32) {
        let next = with(|state| state.finish_cleanup(self.owner, index));
        self.ready.pop();
        self.ready.extend(next.unwrap_or_default());
    }
}

impl Future for Cleaner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..CLEANUPS_MAX {
            let Some(&index) = self.ready.last() else { return Poll::Ready(()) };
            ready!(self.poll_current(index, cx));
            self.finish(index);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The cleaner was cut off: drops and reports its remaining cleanups.
impl Drop for Cleaner {
    fn drop(&mut self) {
        let owner = self.owner;
        while let Some(&index) = self.ready.last() {
            if self.current.is_none() {
                let begun = with(|state| state.begin_cleanup(owner, index)).flatten();
                self.current = begun.map(Current::new);
            }
            if let Some(Current { origin, child, .. }) = &self.current {
                let whose = label_of(child.clone(), owner);
                report_cut_off(whose.as_ref(), *origin, why_hurried());
                self.drop_current(index);
            }
            self.finish(index);
        }
    }
}

/// Calls `f` with `owner` as the current task in place of the cleaner. Cleanups that `f` leaves
/// belong to the cleanup `index`.
fn as_owner<R>(owner: u32, index: u32, f: impl FnOnce() -> R) -> R {
    let cleaner = with(|state| {
        state.cleanup = index;
        mem::replace(&mut state.current, owner)
    });
    let result = scope::outside(f);
    with(|state| {
        state.cleanup = NO_SLOT;
        state.current = cleaner.unwrap_or(NO_SLOT);
    });
    result
}

/// The task that reports name for the cleanup.
fn label_of(child: Option<TaskLabel>, owner: u32) -> Option<TaskLabel> {
    child.or_else(|| with(|state| state.tasks.label(owner)))
}

/// A cleanup of `owner` has failed. The failure goes to the code that awaits `owner` or, without
/// such code, to the hook.
fn fail(owner: u32, child: Option<TaskLabel>, origin: Origin, cause: CleanupCause) {
    let failed = FailedCleanup { task: label_of(child, owner), place: origin.place(), cause };
    let mut failed = Some(failed);
    with(|state| state.keep_failure(owner, &mut failed));
    if let Some(failed) = failed {
        report_unhandled(Unhandled::failed_cleanup(failed));
    }
}

pub(super) fn report_and_discard(owner: Option<&TaskLabel>, origin: Origin, payload: Payload) {
    report_unhandled(Unhandled::cleanup_panic(owner, origin.place(), &*payload));
    context::discard(payload);
}

/// Ready when the time limit of a cleanup has passed.
fn poll_limit(limit: &mut Option<Timer>, owner: u32, index: u32, cx: &Context<'_>) -> Poll<()> {
    if let Some(timer) = limit {
        return timer.poll(cx, "cleanup");
    }
    let deadline = with(|state| {
        let limit = state.clock.now().saturating_add(state.cleaning.timeout);
        let cleanups = state.cleaning.of_tasks.get_mut(owner);
        cleanups.map_or(0, |cleanups| cleanups.deadline(index, || limit))
    });
    Timer::poll_in(limit, When::At(deadline.unwrap_or(0)), cx, "cleanup")
}

/// Keeps the closure that makes a cleanup in the loop, so that its guard holds only a key. Returns
/// `None` if no loop runs here.
pub(crate) fn keep_maker(maker: Box<dyn Any>) -> Option<HandleKey> {
    let mut maker = Some(maker);
    with(|state| {
        state.note_process();
        let slot = key::slot(state.cleaning.makers.insert(Some(maker.take()?)));
        Some(HandleKey { run: state.run_number(), slot })
    })
    .flatten()
}

/// Takes the closure back. Returns `None` if its loop does not run here, or has ended.
pub(crate) fn take_maker(key: HandleKey) -> Option<Box<dyn Any>> {
    let take = |state: &mut State| state.cleaning.makers.try_remove(key.slot as usize);
    with_loop(key.run, take).ok().flatten().flatten()
}

/// Drops the closure in its own loop, for a guard that cannot use it.
pub(crate) fn drop_maker(key: HandleKey) {
    registry::send_home(key.run, move || drop(take_maker(key)));
}
