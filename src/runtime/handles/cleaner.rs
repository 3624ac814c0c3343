//! Cleaning: how cleanups come to their task, how they are run, and how somebody waits for them.
//!
//! A task that has left cleanups gets a cleaner: a task of its own, which polls them one after another with their owner as
//! the current task. Nobody has its handle, so no `cancel` reaches it; only the limit of time cuts it off.

use std::any::Any;
use std::future::poll_fn;
use std::mem;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::Duration;

use super::timer::Timer;
use crate::runtime::context::{self, candidate, drop_caught, with, with_loop};
use crate::runtime::data::cleanups::{BoxedCleanup, Cleanup, Cleanups, Origin};
use crate::runtime::data::clock::When;
use crate::runtime::data::job;
use crate::runtime::data::key::{self, HandleKey, NO_SLOT};
use crate::runtime::data::record::{CancelReason, Payload, Place, TaskLabel};
use crate::runtime::data::tasks::MAIN;
use crate::runtime::data::waiter::Waiter;
use crate::runtime::event_loop::PollMain;
use crate::runtime::report::reports::{report_unhandled, why_hurried};
use crate::runtime::report::unhandled::{TooLate, Unhandled};
use crate::runtime::state::State;
use crate::runtime::threads::registry;

/// So many cleanups that need not wait are done in one poll; then others have their turn.
const CLEANUPS_MAX: usize = 64;

/// Leaves a cleanup to the current task of this thread's loop; to main where none is current. It is dropped, and that is
/// reported, where no loop can run it any more.
pub(crate) fn leave_cleanup(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Guard(place));
}

/// As [`leave_cleanup`], for a future that waits for the call on another thread made at `place`: what is reported is the call.
pub(crate) fn leave_call(future: BoxedCleanup, place: Place) {
    leave(future, Origin::Call(place));
}

fn leave(future: BoxedCleanup, origin: Origin) {
    let mut future = Some(future);
    let refused = with(|state| {
        let owner = state.cleanup_owner();
        if state.cleaning.is_over || !state.tasks.may_clean(owner) {
            let over = if state.cleaning.is_over { TooLate::LoopOver } else { TooLate::TaskOver };
            let over = state.cleaning.why_hurried.map_or(over, TooLate::Hurried);
            return Some((state.tasks.label(owner), over));
        }
        if let Some(future) = future.take() {
            state.accept_cleanup(owner, future, origin);
        }
        None
    });
    if let Some(payload) = drop_caught(future.take()) {
        report_and_discard(None, payload);
    }
    match (origin, refused) {
        (_, Some(None)) | (Origin::Elsewhere, _) => {}
        (Origin::Guard(place), Some(Some((owner, over)))) => {
            report_unhandled(&Unhandled::too_late(Some(&owner), place, over));
        }
        (Origin::Guard(place), None) => report_skipped(place),
        (Origin::Call(place), _) => {
            report_unhandled(&Unhandled::wait_cut_off(place, why_hurried()));
        }
    }
}

/// Leaves to the current task that it waits for cleanups of somebody else, who is no more. Where it may not wait, they have
/// no time left either.
pub(crate) fn leave_wait(left: LeftCleanups) {
    let wait = OwnWait { left };
    let wait = async move {
        poll_fn(|cx| wait.left.poll_done(cx)).await;
        None
    };
    leave(Box::pin(wait), Origin::Elsewhere);
}

/// Leaves to the current task that it waits for `future`, which limits its time and reports its failures itself.
pub(crate) fn leave_wait_for(future: impl Future<Output = ()> + 'static) {
    let wait = async move {
        future.await;
        None
    };
    leave(Box::pin(wait), Origin::Elsewhere);
}

/// Those that the current task has left until now and that have not been done.
pub(crate) fn left_cleanups() -> Option<LeftCleanups> {
    with(|state| state.left_cleanups(state.cleanup_owner())).flatten()
}

/// Drops the cleanups that main has left, which calls this, and all errands, soon; main may leave no more. The reports say
/// `why`, as a clause.
pub(crate) fn cut_off_cleanups(why: &'static str) {
    with(|state| {
        state.cleaning.why_hurried = Some(why);
        state.cut_off(state.cleanup_owner());
        state.cut_off_errands();
    });
}

/// Leaves to main what the layers above have to wait for when the loop ends.
pub(crate) fn close_locals() {
    for local in with(|state| state.locals.all()).unwrap_or_default() {
        if let Some(future) = local.close() {
            leave(future, Origin::Elsewhere);
        }
    }
}

/// So often is it asked whether there is still something to wait for.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Waits while the drop of what the layers above keep would block this thread; once `hurry` is ready, they have no time left.
///
/// They wait for other threads, and not by the loop's clock, which may be virtual: so it is no part of the loop's turns.
pub(crate) fn await_locals(hurry: &mut PollMain<'_>) {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if hurry(&mut cx).is_ready() {
            with(|state| state.cleaning.timeout = 0);
            return;
        }
        let locals = with(|state| state.locals.all()).unwrap_or_default();
        if !locals.iter().any(|local| local.is_busy()) {
            return;
        }
        thread::sleep(ASK_AGAIN);
    }
}

/// Nobody else waits for these.
struct OwnWait {
    left: LeftCleanups,
}

impl Drop for OwnWait {
    fn drop(&mut self) {
        let LeftCleanups { owner, .. } = self.left;
        let cut_off = |state: &mut State| {
            if self.left.is_waiting(state) {
                state.cut_off(owner.slot);
            }
        };
        with_loop(owner.run, cut_off).ok();
    }
}

/// Its time was up, unless somebody is in a hurry.
fn report_cut_off(owner: Option<&TaskLabel>, origin: Origin, why_hurried: Option<&'static str>) {
    match origin {
        Origin::Guard(place) => report_unhandled(&Unhandled::cut_off(owner, place, why_hurried)),
        Origin::Call(place) => report_unhandled(&Unhandled::wait_cut_off(place, why_hurried)),
        Origin::Elsewhere => {}
    }
}

/// Says that a cleanup cannot run, because its guard went where its loop does not run.
pub(crate) fn report_skipped(place: Place) {
    report_unhandled(&Unhandled::skipped(place));
}

/// Reports the error of a cleanup that the current task has awaited itself.
pub(crate) fn report_cleanup_error(error: String) {
    let owner = with(|state| state.tasks.label(state.cleanup_owner()));
    report_unhandled(&Unhandled::cleanup_error(owner.as_ref(), error));
}

impl State {
    /// To whom a guard that is dropped now leaves its cleanup.
    fn cleanup_owner(&self) -> u32 {
        match (self.cleaner, self.current) {
            (NO_SLOT, NO_SLOT) => MAIN,
            (NO_SLOT, current) => current,
            (cleaner, _) => cleaner,
        }
    }

    fn accept_cleanup(&mut self, owner: u32, future: BoxedCleanup, origin: Origin) {
        let before = self.cleaning.accepted;
        self.cleaning.accepted += 1;
        if self.cleaning.of_tasks.get(owner).is_none() {
            let job = job::boxed(Cleaner { owner, current: None, nested: None });
            let place = origin.place().unwrap_or_else(Location::caller);
            let cleaner = self.tasks.create_cleaner(job, place, owner);
            self.cleaning.of_tasks.insert(owner, Cleanups::new(cleaner, before));
            self.tasks.set_has_cleanups(owner, true);
            self.queue(cleaner);
        }
        if let Some(cleanups) = self.cleaning.of_tasks.get_mut(owner) {
            cleanups.push(Cleanup { future, origin, ticket: before + 1 });
        }
    }

    /// The next cleanup of `owner`; if there is none, the owner ends, in case it waits for that.
    fn next_cleanup(&mut self, owner: u32) -> Option<Cleanup> {
        let next = self.cleaning.of_tasks.get_mut(owner)?.queue.pop_front();
        if next.is_none() {
            self.end_cleaning(owner);
        }
        next
    }

    fn end_cleaning(&mut self, owner: u32) {
        let Some(mut cleanups) = self.cleaning.of_tasks.remove(owner) else { return };
        for waiter in cleanups.finish(u64::MAX) {
            self.wake(waiter);
        }
        self.tasks.set_has_cleanups(owner, false);
        // The cleaner ends too. What the owner's output leaves when it is dropped now is no affair of either.
        self.tasks.orphan(cleanups.cleaner);
        self.current = NO_SLOT;
        if let Some(ending) = cleanups.ending {
            let child = self.tasks.child(owner);
            self.finish(owner, ending);
            if let Some(child) = child {
                self.tell_group(child);
            }
        }
    }

    fn cleanup_is_done(&mut self, owner: u32, ticket: u64) {
        let cleanups = self.cleaning.of_tasks.get_mut(owner);
        for waiter in cleanups.map_or_else(Vec::new, |cleanups| cleanups.finish(ticket)) {
            self.wake(waiter);
        }
    }

    /// Allows the task in `slot` no more cleanups, and drops those that it has, with all that these have left.
    pub(crate) fn cut_off(&mut self, slot: u32) {
        let mut owner = slot;
        loop {
            self.tasks.hurry(owner);
            let Some(cleanups) = self.cleaning.of_tasks.get(owner) else { return };
            owner = cleanups.cleaner;
            self.cancel(owner, CancelReason::Requested);
        }
    }

    /// As [`State::cut_off`], for all tasks; errands are cut off too.
    pub(crate) fn cut_off_all(&mut self) {
        self.cleaning.is_over = true;
        self.cut_off_errands();
        for owner in self.cleaning.of_tasks.slots() {
            self.cut_off(owner);
        }
    }
}

/// Runs the cleanups of one task.
struct Cleaner {
    /// [`NO_SLOT`] when all is done.
    owner: u32,
    current: Option<Current>,
    nested: Option<Nested>,
}

/// Cleanups that the last cleanup has left in its turn: they belong to the cleaner, and come before the next.
struct Nested {
    left: LeftCleanups,
    /// That of the last cleanup, which is not done before.
    ticket: u64,
}

struct Current {
    cleanup: Cleanup,
    /// Armed when the cleanup has to wait.
    limit: Option<Timer>,
}

impl Cleaner {
    /// Polls the current cleanup, as its owner, and reports what becomes of it. Ready when it is over.
    fn poll_current(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let owner = self.owner;
        let Some(Current { cleanup, limit }) = &mut self.current else { return Poll::Ready(()) };
        let poll = AssertUnwindSafe(|| cleanup.future.as_mut().poll(cx));
        match as_owner(owner, || panic::catch_unwind(poll)) {
            Ok(Poll::Pending) if cleanup.origin == Origin::Elsewhere => return Poll::Pending,
            Ok(Poll::Pending) => {
                ready!(poll_limit(limit, cx));
                report_cut_off(label(owner).as_ref(), cleanup.origin, None);
            }
            Ok(Poll::Ready(None)) => {}
            Ok(Poll::Ready(Some(error))) => {
                report_unhandled(&Unhandled::cleanup_error(label(owner).as_ref(), error));
            }
            Err(payload) => report_and_discard(label(owner).as_ref(), payload),
        }
        self.drop_current();
        Poll::Ready(())
    }

    fn drop_current(&mut self) {
        let owner = self.owner;
        let Some(Current { cleanup, .. }) = self.current.take() else { return };
        let Cleanup { future, ticket, .. } = cleanup;
        if let Some(payload) = as_owner(owner, || drop_caught(future)) {
            report_and_discard(label(owner).as_ref(), payload);
        }
        let left = with(|state| {
            let left = state.left_cleanups(state.current);
            if left.is_none() {
                state.cleanup_is_done(owner, ticket);
            }
            left
        });
        self.nested = left.flatten().map(|left| Nested { left, ticket });
    }

    /// Ready when nothing is left of the last cleanup.
    fn poll_nested(&mut self, cx: &Context<'_>) -> Poll<()> {
        if let Some(Nested { left, ticket }) = &self.nested {
            ready!(left.poll_done(cx));
            with(|state| state.cleanup_is_done(self.owner, *ticket));
            self.nested = None;
        }
        Poll::Ready(())
    }
}

impl Future for Cleaner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let owner = self.owner;
        for _ in 0..CLEANUPS_MAX {
            ready!(self.poll_nested(cx));
            if self.current.is_none() {
                let Some(cleanup) = with(|state| state.next_cleanup(owner)).flatten() else {
                    self.owner = NO_SLOT;
                    return Poll::Ready(());
                };
                self.current = Some(Current { cleanup, limit: None });
            }
            ready!(self.poll_current(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Cut off: what is left is dropped, and reported.
impl Drop for Cleaner {
    fn drop(&mut self) {
        let owner = self.owner;
        if owner == NO_SLOT {
            return;
        }
        loop {
            if let Some(current) = &self.current {
                let origin = current.cleanup.origin;
                report_cut_off(label(owner).as_ref(), origin, why_hurried());
                self.drop_current();
            }
            let Some(cleanup) = with(|state| state.next_cleanup(owner)).flatten() else { break };
            self.current = Some(Current { cleanup, limit: None });
        }
    }
}

/// Calls `f` with `owner` as the current task, for the cleaner, which is it now; what `f` leaves belongs to the cleaner. Where
/// the owner is a cleaner itself, the current task is the one that both clean up after.
fn as_owner<R>(owner: u32, f: impl FnOnce() -> R) -> R {
    let cleaner = with(|state| {
        let task = state.tasks.cleaned_task(owner);
        state.cleaner = mem::replace(&mut state.current, task);
        state.cleaner
    });
    let result = f();
    with(|state| {
        state.cleaner = NO_SLOT;
        state.current = cleaner.unwrap_or(NO_SLOT);
    });
    result
}

fn label(owner: u32) -> Option<TaskLabel> {
    with(|state| state.tasks.label(owner))
}

fn report_and_discard(owner: Option<&TaskLabel>, payload: Payload) {
    report_unhandled(&Unhandled::cleanup_panic(owner, &*payload));
    context::discard(payload);
}

/// Ready when a cleanup has had its time.
fn poll_limit(limit: &mut Option<Timer>, cx: &Context<'_>) -> Poll<()> {
    let timeout = with(|state| state.cleaning.timeout).unwrap_or(0);
    Timer::poll_in(limit, When::After(timeout), cx, "cleanup")
}

/// Cleanups that a task has left behind, to be waited for.
#[derive(Debug)]
pub(crate) struct LeftCleanups {
    owner: HandleKey,
    ticket: u64,
    id: u64,
}

/// Calls `f`, which drops something. Returns the cleanups that this has left to the current task, or that it waited for, if any.
pub(crate) fn dropping(f: impl FnOnce()) -> Option<LeftCleanups> {
    let before = with(|state| state.cleaning.left());
    f();
    with(|state| {
        let some = before.is_some_and(|before| state.cleaning.left() > before);
        if some { state.left_cleanups(state.cleanup_owner()) } else { None }
    })
    .flatten()
}

impl State {
    /// Those that the task in `slot` has left and that have not been done.
    pub(crate) fn left_cleanups(&mut self, slot: u32) -> Option<LeftCleanups> {
        let ticket = self.cleaning.of_tasks.get(slot)?.last;
        self.cleaning.waits += 1;
        let owner = HandleKey { run: self.run_number(), slot };
        Some(LeftCleanups { owner, ticket, id: self.cleaning.waits })
    }
}

impl LeftCleanups {
    /// Ready when they have been done, or cut off.
    pub(crate) fn poll_done(&self, cx: &Context<'_>) -> Poll<()> {
        let run = self.owner.run;
        let candidate = candidate(cx.waker());
        let found = with_loop(run, |state| {
            self.is_waiting(state).then(|| state.set_waiter(&candidate, |state| self.place(state)))
        });
        match found {
            Ok(Some(is_set)) => {
                if !is_set {
                    context::wait_cloned(run, cx.waker(), |state| self.place(state));
                }
                Poll::Pending
            }
            // Where its loop does not run there is nothing to wait for.
            Ok(None) | Err(_) => Poll::Ready(()),
        }
    }

    /// An entry of a later owner of the slot begins with later tickets.
    fn is_waiting(&self, state: &State) -> bool {
        let cleanups = state.cleaning.of_tasks.get(self.owner.slot);
        cleanups.is_some_and(|cleanups| cleanups.done < self.ticket)
    }

    fn place<'a>(&self, state: &'a mut State) -> Option<&'a mut Waiter> {
        let cleanups = state.cleaning.of_tasks.get_mut(self.owner.slot)?;
        Some(cleanups.waiter(self.id, self.ticket))
    }
}

impl Drop for LeftCleanups {
    fn drop(&mut self) {
        let forget = |state: &mut State| {
            // Whoever drops this may have to wait in its place.
            state.cleaning.abandoned += u64::from(self.is_waiting(state));
            if let Some(cleanups) = state.cleaning.of_tasks.get_mut(self.owner.slot) {
                let waiter = cleanups.forget(self.id);
                state.release(waiter);
            }
        };
        with_loop(self.owner.run, forget).ok();
    }
}

/// Keeps what makes a cleanup in the loop, so that its guard holds no more than a key. `None`: no loop runs here.
pub(crate) fn keep_maker(maker: Box<dyn Any>) -> Option<HandleKey> {
    let mut maker = Some(maker);
    with(|state| {
        let slot = key::slot(state.cleaning.makers.insert(Some(maker.take()?)));
        Some(HandleKey { run: state.run_number(), slot })
    })
    .flatten()
}

/// Takes it back. `None`: its loop does not run here, or has ended.
pub(crate) fn take_maker(key: HandleKey) -> Option<Box<dyn Any>> {
    let take = |state: &mut State| state.cleaning.makers.try_remove(key.slot as usize);
    with_loop(key.run, take).ok().flatten().flatten()
}

/// Drops it at home, on behalf of a guard that cannot use it.
pub(crate) fn drop_maker(key: HandleKey) {
    registry::send_home(key.run, move || drop(take_maker(key)));
}
