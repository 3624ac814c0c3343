//! Which loop runs on this thread: the one thread-local with state, and the only way to it.
//!
//! [`with`] lends the state to a closure that runs no user code. When the borrow has ended, it runs
//! the wakes and drops that the closure deferred. So a waker, a drop or a hook that calls back into
//! the runtime always finds the state free.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::thread::{self, Thread};

use super::data::clock::Nanos;
use super::data::key::{RunNumber, WakerKey};
use super::data::locals::LoopLocal;
use super::data::own_process::OwnProcess;
use super::data::record::Payload;
use super::data::waiter::Waiter;
use super::deferred::run_deferred;
use super::state::{Candidate, State};
use super::threads::registry;
use super::threads::waker::{Wake, Wakers};

thread_local! {
    /// The state of the running loop. Empty while the state is lent, and where no loop runs. It has
    /// no destructor, so that it can be used while the thread ends: `Entered` takes the state out.
    static CURRENT: Cell<ManuallyDrop<Option<Box<State>>>> = const { Cell::new(ManuallyDrop::new(None)) };

    /// The thread's loops that do not run now, chained by `State::next_idle`. It has no destructor
    /// either: each `Runtime` takes its own state out.
    static IDLE: Cell<ManuallyDrop<Option<Box<State>>>> = const { Cell::new(ManuallyDrop::new(None)) };
}

static WAKERS: Wakers = Wakers::new::<Current>();

/// Wakes the task of a key, wherever its loop is.
struct Current;

impl Wake for Current {
    #[cfg(all(target_pointer_width = "64", not(oneloop_boxed_wakers)))]
    fn wakers() -> &'static Wakers {
        &WAKERS
    }

    fn wake(key: WakerKey) {
        let woken = with(|state| {
            let is_here = state.run_number().index() == key.index();
            if is_here {
                state.wake_key(key);
            }
            is_here
        });
        if woken != Some(true) {
            registry::wake_remote(key);
        }
    }
}

/// Calls `f` with a context whose waker carries `key`.
pub(super) fn with_waker<R>(key: WakerKey, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
    WAKERS.lend(key, |waker| f(&mut Context::from_waker(waker)))
}

/// Lends the state of this thread's loop to `f`, which must not run user code. Returns `None` if no
/// loop runs here, or if the state is lent already, which only a global allocator or a signal
/// handler can see.
pub(crate) fn with<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    Lent::new().lend_to(f)
}

/// Like [`with`], for code that runs inside a turn, where the loop is certain to be there.
#[inline]
pub(super) fn in_loop<R>(f: impl FnOnce(&mut State) -> R) -> R {
    match with(f) {
        Some(result) => result,
        None => unreachable!("a turn of the loop runs where the loop does"),
    }
}

/// Like [`in_loop`], for the round, which runs deferred wakes and drops itself.
#[inline]
pub(super) fn in_round<R>(f: impl FnOnce(&mut State) -> R) -> R {
    match quietly(f) {
        Some(result) => result,
        None => unreachable!("a round of the loop runs where the loop does"),
    }
}

/// Like [`with`], but leaves deferred wakes and drops to the caller.
#[inline]
pub(super) fn quietly<R>(f: impl FnOnce(&mut State) -> R) -> Option<R> {
    Lent::new().state.as_mut().map(|state| f(state))
}

/// Whether a loop runs on this thread.
pub(crate) fn has_loop() -> bool {
    with(|_| ()).is_some()
}

/// The process to which this thread's loop belongs or, without one, this process.
pub(crate) fn own_process() -> OwnProcess {
    with(State::note_process).unwrap_or_else(OwnProcess::current)
}

/// Like [`with`], for the holder of a handle: `f` runs only if the handle's loop runs here.
pub(crate) fn with_loop<R>(run: RunNumber, f: impl FnOnce(&mut State) -> R) -> Result<R, NotHere> {
    Lent::of_loop(run).lend_to(f).ok_or(NotHere { run })
}

/// Like [`with_loop`], but also finds a loop of this thread between two of its runs.
pub(super) fn with_loop_of_thread<R>(
    run: RunNumber,
    f: impl FnOnce(&mut State) -> R,
) -> Result<R, NotHere> {
    let mut f = Some(f);
    match with_loop(run, |state| f.take().map(|f| f(state))) {
        Ok(Some(result)) => return Ok(result),
        Err(elsewhere) if !is_idle_here(run) => return Err(elsewhere),
        Ok(None) | Err(_) => {}
    }
    let _entered = enter(run);
    with_loop(run, |state| f.take().map(|f| f(state)))?.ok_or(NotHere { run })
}

/// Lends the state to `f` on the thread of a handle's loop: now if the loop runs here, otherwise
/// when it reads its mail. If the loop has ended, `f` is dropped.
pub(super) fn at_home(run: RunNumber, f: impl FnOnce(&mut State) + Send + 'static) {
    let mut f = Some(f);
    if with_loop(run, |state| f.take().map(|f| f(state))).is_ok() {
        return;
    }
    registry::send_home(run, move || {
        with_loop(run, |state| f.map(|f| f(state))).ok();
    });
}

/// The state while it is lent. Its drop gives the state back, after a panic too.
///
/// All code that uses the loop instantiates this, so the parts that do not depend on the closure
/// are not generic.
struct Lent {
    state: ManuallyDrop<Option<Box<State>>>,
}

impl Lent {
    #[inline]
    fn new() -> Self {
        Self { state: CURRENT.take() }
    }

    #[inline]
    fn of_loop(run: RunNumber) -> Self {
        let lent = Self::new();
        match &*lent.state {
            Some(state) if state.run_number() == run => lent,
            _ => Self { state: ManuallyDrop::new(None) },
        }
    }

    #[inline]
    fn lend_to<R>(mut self, f: impl FnOnce(&mut State) -> R) -> Option<R> {
        let Some(state) = &mut *self.state else { return None };
        let result = f(state);
        self.give_back();
        Some(result)
    }

    /// Gives the state back, and runs the wakes and drops that were deferred meanwhile.
    #[inline]
    fn give_back(self) {
        let has_deferred = match &*self.state {
            Some(state) => !state.deferred.is_empty() && !state.runs_deferred,
            None => false,
        };
        drop(self);
        if has_deferred {
            run_deferred();
        }
    }
}

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        if self.state.is_some() {
            CURRENT.set(mem::take(&mut self.state));
        }
    }
}

/// Wakes `cx`, whose task yields. Returns `false` if an earlier wake of the task is still in the
/// queue. That one comes before the wakes of other tasks, so the task has to yield once more.
pub(crate) fn wake_again(cx: &Context<'_>) -> bool {
    let Some(key) = WAKERS.key_of(cx.waker()) else { return wake_elsewhere(cx) };
    let woken = with(|state| {
        let is_here = state.run_number().index() == key.index();
        is_here.then(|| state.wake_key(key))
    });
    match woken {
        Some(Some(was_queued)) => was_queued,
        Some(None) | None => wake_elsewhere(cx),
    }
}

/// Wakes `cx` behind the tasks that the next look around wakes.
pub(crate) fn wake_after_look(cx: &Context<'_>) {
    let here = WAKERS.key_of(cx.waker()).and_then(|key| {
        with(|state| {
            let is_here = state.run_number().index() == key.index();
            is_here.then(|| state.wake_key_after_look(key))
        })
    });
    if here.flatten().is_none() {
        cx.waker().wake_by_ref();
    }
}

#[cold]
fn wake_elsewhere(cx: &Context<'_>) -> bool {
    cx.waker().wake_by_ref();
    true
}

/// Reads the key of a waker that is to be stored.
#[inline]
pub(crate) fn candidate(waker: &Waker) -> Candidate<'_> {
    Candidate { waker, key: WAKERS.key_of(waker) }
}

/// Stores `waker` as the waiter at the place `at`, for the rare waker that has to be cloned.
pub(crate) fn wait_cloned(
    run: RunNumber,
    waker: &Waker,
    at: impl Fn(&mut State) -> Option<&mut Waiter>,
) {
    let clone = waker.clone();
    let stored = with_loop(run, |state| {
        let Some(place) = at(state) else { return Some(clone) };
        let former = place.take();
        let waiter = state.foreign.store(clone);
        state.release(former);
        if let Some(place) = at(state) {
            *place = waiter;
        }
        None
    });
    drop(stored);
}

/// A handle was used where its loop does not run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NotHere {
    run: RunNumber,
}

impl NotHere {
    /// Whether the loop has ended. Otherwise it is on another thread, or between two runs.
    pub(crate) fn loop_has_ended(self) -> bool {
        registry::thread_of(self.run).is_none()
    }

    /// Says what happened to `what`, and what to do.
    pub(crate) fn message(self, what: &str, remedy: &str) -> String {
        let Some(owner) = registry::thread_of(self.run) else {
            return format!("the event loop of this {what} has ended: {remedy}");
        };
        let here = thread::current();
        if owner.id() == here.id() {
            return format!(
                "this {what} belongs to a `Runtime` of this thread that does not run now: use it inside that one's `run`"
            );
        }
        let name = |thread: &Thread| match thread.name() {
            Some(name) => format!("`{name}`"),
            None => format!("{:?}", thread.id()),
        };
        let (owner, here) = (name(&owner), name(&here));
        format!("this {what} belongs to the loop of thread {owner}, not of {here}: {remedy}")
    }
}

/// Panics because `what` was used where no loop runs, and says what to do.
#[track_caller]
pub(crate) fn no_loop(what: &str) -> ! {
    panic!("{what} needs a running event loop: call it inside `oneloop::run`")
}

/// Keeps a loop as its thread's running loop. The drop puts the former one back.
pub(super) struct Entered {
    former: Option<RunNumber>,
}

/// Makes an idle loop of this thread the one that runs here.
pub(super) fn enter(run: RunNumber) -> Entered {
    Entered { former: exchange(Some(run)) }
}

impl Drop for Entered {
    fn drop(&mut self) {
        exchange(self.former);
    }
}

/// Whether this loop is the one that runs here.
pub(super) fn is_here(run: RunNumber) -> bool {
    with(|state| state.run_number()) == Some(run)
}

/// Makes an idle loop of this thread the one that runs here, until another one is entered or it is
/// [left](leave).
pub(super) fn stay_in(run: RunNumber) {
    if !is_here(run) {
        exchange(Some(run));
    }
}

/// Makes the loop `run` idle, if it is the one that runs here.
pub(super) fn leave(run: RunNumber) {
    if is_here(run) {
        exchange(None);
    }
}

/// Makes the idle loop `run` the running one. Returns the former one, which is idle from now on.
fn exchange(run: Option<RunNumber>) -> Option<RunNumber> {
    let state = run.and_then(take_idle);
    let former = CURRENT.replace(ManuallyDrop::new(state));
    let former = ManuallyDrop::into_inner(former)?;
    let run = former.run_number();
    keep_idle(former);
    Some(run)
}

/// Keeps the state of a loop of this thread while it does not run.
pub(super) fn keep_idle(mut state: Box<State>) {
    state.next_idle = ManuallyDrop::into_inner(IDLE.take());
    IDLE.set(ManuallyDrop::new(Some(state)));
}

/// Takes out a state that [`keep_idle`] keeps. It is nearly always the first in the list.
#[inline]
pub(super) fn take_idle(run: RunNumber) -> Option<Box<State>> {
    let mut first = ManuallyDrop::into_inner(IDLE.take());
    match &mut first {
        Some(state) if state.run_number() == run => {
            let next = state.next_idle.take();
            if next.is_some() {
                IDLE.set(ManuallyDrop::new(next));
            }
            first
        }
        Some(_) => take_idle_behind(first, run),
        None => None,
    }
}

#[cold]
fn take_idle_behind(mut first: Option<Box<State>>, run: RunNumber) -> Option<Box<State>> {
    let mut place = &mut first;
    while place.as_ref().is_some_and(|state| state.run_number() != run) {
        place = &mut place.as_mut()?.next_idle;
    }
    let mut found = place.take();
    if let Some(found) = &mut found {
        *place = found.next_idle.take();
    }
    IDLE.set(ManuallyDrop::new(first));
    found
}

fn is_idle_here(run: RunNumber) -> bool {
    match take_idle(run) {
        Some(state) => {
            keep_idle(state);
            true
        }
        None => false,
    }
}

/// The time limit of a cleanup, and of everything that is left when the loop ends. 0 where no loop
/// runs.
pub(crate) fn cleanup_timeout() -> Nanos {
    with(|state| state.cleaning.timeout).unwrap_or(0)
}

/// The value of the type `T` that this thread's loop keeps. The first call makes it. Returns `None`
/// if no loop runs here.
pub(crate) fn local<T: LoopLocal>(make: impl FnOnce() -> T) -> Option<Rc<T>> {
    if let Some(found) = with(|state| state.locals.get())? {
        return Some(found);
    }
    let value = Rc::new(make());
    let former = with(|state| state.locals.set(Rc::clone(&value)));
    drop(former);
    Some(value)
}

/// Like [`local`], but does not make the value.
pub(crate) fn local_if_made<T: LoopLocal>() -> Option<Rc<T>> {
    with(|state| state.locals.get()).flatten()
}

/// Drops these values at the end of the loop, while it still is the thread's loop.
pub(super) fn drop_locals() {
    let locals = with(|state| mem::take(&mut state.locals));
    if let Some(payload) = drop_caught(locals) {
        discard(payload);
    }
}

/// Drops `value`. Returns the payload if the drop panics.
pub(crate) fn drop_caught<T>(value: T) -> Option<Payload> {
    panic::catch_unwind(AssertUnwindSafe(|| drop(value))).err()
}

/// Drops a panic's payload. If that panics too, the second payload is leaked: the chain has to end
/// somewhere.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    let _leaked = drop_caught(payload).map(ManuallyDrop::new);
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").finish_non_exhaustive()
    }
}
