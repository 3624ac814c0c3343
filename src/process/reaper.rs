//! The reaper of a loop: learns that children have ended, reaps the loop's own, and notifies
//! their waiters.
//!
//! It is not a task: the loop calls it through a waker of its own, which also works while the loop
//! ends and its tasks are gone. A program may use the signal SIGCHLD, and children of its own, as
//! it likes: the reaper never reaps a child that does not belong to the loop.
//!
//! The signal does not say which child has ended. The kernel shows one of them without reaping it;
//! if it is ours, it is reaped, and the kernel shows the next. A thousand children that end
//! therefore cost a thousand steps. Only if the one shown is not ours, and may stay there for long,
//! or led a group, are all of ours checked one by one.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::process::{Child as Process, ExitStatus};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::orphans;
use super::strays::Strays;
use super::table::{ChildKey, Exit, Table};
use crate::runtime::{
    self, ClockHold, Handle, LoopLocal, OwnProcess, Timer, When, local, nanos, wake_guarded,
};
use crate::signal::{SignalKind, Signals, signal};
use crate::sync::WaitKey;
use crate::sys::children::peek;

/// With this few children it does not pay to ask the kernel which of them has ended.
const FEW: usize = 4;

/// How many are reaped at once before the loop does other work.
const REAPS_MAX: usize = 64;

/// How long after a signal the remaining children are all checked once. Nothing else reveals a
/// child that other code has reaped.
const ASK_ALL_AFTER: Duration = Duration::from_millis(50);

pub(super) struct Reaper {
    table: RefCell<Table>,
    /// Made with the first child.
    signals: RefCell<Option<Signals>>,
    ask_all: RefCell<Option<Timer>>,
    strays: RefCell<Strays>,
    waker: Waker,
    /// A forked process has a copy of all this, and no children.
    process: OwnProcess,
}

/// The destination of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Process,
    /// All members of the child's group.
    Group,
}

impl Reaper {
    fn new() -> Self {
        Self {
            table: RefCell::default(),
            signals: RefCell::default(),
            ask_all: RefCell::default(),
            strays: RefCell::default(),
            waker: Waker::from(Arc::new(Look { home: Handle::current() })),
            process: OwnProcess::current(),
        }
    }

    /// Returns the reaper of the current loop, ready to hear of children.
    pub(super) fn listening() -> io::Result<Rc<Self>> {
        let reaper = Self::here()?;
        if reaper.signals.borrow().is_none() {
            // A parent that ignores the signal, which children inherit, would hide the ends of
            // ours. A listener ends that.
            let mut signals = signal(SignalKind::SIGCHLD)?;
            signals.set_of_loop();
            drop(reaper.signals.replace(Some(signals)));
            // The signals have to be polled once, and no signal reports children that ended before.
            reaper.look();
        }
        reaper.unblock();
        Ok(reaper)
    }

    /// A thread that blocks the signal would never hear of the end of a child.
    fn unblock(&self) {
        if let Some(signals) = &*self.signals.borrow() {
            signals.unblock();
        }
    }

    /// Returns the reaper of a child's loop. The handle has to be used there.
    pub(super) fn of(home: Handle) -> io::Result<Rc<Self>> {
        home.check_here(
            "Child",
            "a child is waited for where it was started; it may be dropped here",
        )?;
        Self::here()
    }

    fn here() -> io::Result<Rc<Self>> {
        let reaper = local(Self::new).ok_or_else(|| {
            io::Error::other("a Child needs a running event loop: use it inside `oneloop::run`")
        })?;
        reaper.process.check("these children are those of", "only there they can be waited for")?;
        Ok(reaper)
    }

    /// Adds a started child, which is signalled as `target`. If `is_bound`, it must not outlive the
    /// loop.
    pub(super) fn add(&self, process: Process, is_bound: bool, target: Target) -> ChildKey {
        let mut wakers = Vec::new();
        let leads = target == Target::Group;
        let key = self.table.borrow_mut().add(process, is_bound, leads, &mut wakers);
        wake_all(wakers);
        key
    }

    /// Returns how the child has ended, if it has. Never waits.
    pub(super) fn reap(&self, key: ChildKey) -> Option<Exit> {
        let mut wakers = Vec::new();
        let exit = self.table.borrow_mut().reap(key, &mut wakers);
        wake_all(wakers);
        exit
    }

    /// Returns the process id, as long as it belongs to the child.
    pub(super) fn pid(&self, key: ChildKey) -> Option<Pid> {
        self.table.borrow().pid(key)
    }

    /// Returns the group that the child leads, even if the child has ended, as long as the number
    /// belongs to this group.
    pub(super) fn group(&self, key: ChildKey) -> Option<Pid> {
        self.reap(key);
        self.table.borrow_mut().group(key)
    }

    /// Like [`Reaper::reap`], for a caller that is told how the child ended.
    pub(super) fn tell(&self, key: ChildKey) -> Option<Exit> {
        let exit = self.reap(key);
        if exit.is_some() {
            self.table.borrow_mut().tell(key);
        }
        exit
    }

    /// Whether there is nothing left to end: the end of the child was reported, or it leads no
    /// group.
    pub(super) fn is_over(&self, key: ChildKey) -> bool {
        self.reap(key).is_some() && (self.table.borrow().is_told(key) || self.group(key).is_none())
    }

    /// Sends a signal, unless the child has ended: its process id may then belong to another. The
    /// number of its group does not, as long as the key exists.
    pub(super) fn signal(&self, key: ChildKey, target: Target, signal: Signal) -> io::Result<()> {
        let Some(pid) = self.running_pid(key) else {
            if target == Target::Group {
                // An error means that no remaining member may be signalled.
                self.group(key).and_then(|group| killpg(group, signal).ok());
            }
            return Ok(());
        };
        let sent = match target {
            Target::Process => kill(pid, signal),
            // The child may have moved to another group.
            Target::Group => killpg(pid, signal).or_else(|_| kill(pid, signal)),
        };
        sent.map_err(|errno| {
            let error = io::Error::from(errno);
            io::Error::new(error.kind(), format!("cannot send {signal} to process {pid}: {error}"))
        })
    }

    /// Returns the process id of a child that has not ended by now or, if it has, was not reaped.
    pub(super) fn running_pid(&self, key: ChildKey) -> Option<Pid> {
        self.reap(key);
        self.pid(key)
    }

    /// Ready when the child has ended. The owner of `waiter` calls [`Reaper::forget`] when it lets
    /// go.
    pub(super) fn poll_exit(
        &self,
        key: ChildKey,
        waiter: &mut Option<WaitKey>,
        cx: &Context<'_>,
    ) -> Poll<Exit> {
        if waiter.is_none() {
            self.unblock();
            // This waiter has not checked yet: the child may have ended, with its signal still on
            // the way.
            self.reap(key);
        }
        if let Some(exit) = self.exit(key, waiter) {
            return Poll::Ready(exit);
        }
        let is_set = waiter.is_some_and(|w| self.table.borrow().will_wake(key, w, cx.waker()));
        if !is_set {
            let waker = cx.waker().clone();
            // Cloning runs foreign code.
            if let Some(exit) = self.exit(key, waiter) {
                return Poll::Ready(exit);
            }
            let former = self.table.borrow_mut().wait(key, waiter, waker);
            drop(former);
        }
        Poll::Pending
    }

    fn exit(&self, key: ChildKey, waiter: &mut Option<WaitKey>) -> Option<Exit> {
        let (exit, waker) = self.table.borrow_mut().exit(key, waiter)?;
        drop(waker);
        Some(exit)
    }

    pub(super) fn forget(&self, key: ChildKey, waiter: WaitKey) {
        let waker = self.table.borrow_mut().forget(key, waiter);
        drop(waker);
    }

    /// The key is gone: the entry goes when the child has ended.
    pub(super) fn let_go(&self, key: ChildKey) {
        self.table.borrow_mut().let_go(key);
    }

    /// Reaps every child that has ended. The loop calls it after a signal.
    fn look(&self) {
        let cx = &mut Context::from_waker(&self.waker);
        // This comes first: a signal from now on is about a child that the code below may miss.
        if let Some(signals) = &mut *self.signals.borrow_mut() {
            while let Poll::Ready(Ok(_)) = signals.poll_recv(cx) {}
        }
        let due =
            self.ask_all.borrow().as_ref().is_some_and(|timer| timer.poll(cx, TIMER).is_ready());
        if due {
            drop(self.ask_all.take());
        }
        let mut wakers = Vec::new();
        self.adopt_orphans(&mut wakers);
        let rest = self.reap_ended(due, &mut wakers);
        wake_all(wakers);
        self.strays.borrow_mut().look(cx);
        match rest {
            Rest::Known => {}
            Rest::Unsure if self.ask_all.borrow().is_some() => {}
            Rest::Unsure => {
                let when = When::After(nanos(ASK_ALL_AFTER));
                let timer = Timer::arm(when, cx, TIMER);
                drop(self.ask_all.replace(timer));
            }
            Rest::More => self.waker.wake_by_ref(),
        }
    }

    fn adopt_orphans(&self, wakers: &mut Vec<Waker>) {
        for orphan in orphans::take() {
            let mut table = self.table.borrow_mut();
            let key = table.add(orphan, false, false, wakers);
            table.let_go(key);
            table.reap(key, wakers);
        }
    }

    fn reap_ended(&self, asks_all: bool, wakers: &mut Vec<Waker>) -> Rest {
        let mut table = self.table.borrow_mut();
        if asks_all || table.len() <= FEW {
            table.reap_all(wakers);
            return Rest::Known;
        }
        for _ in 0..REAPS_MAX {
            let key = match peek(None) {
                Ok(Some((pid, _))) => table.key_of(pid),
                Ok(None) => return Rest::Unsure,
                Err(_) => None,
            };
            let Some(key) = key else {
                table.reap_all(wakers);
                return Rest::Known;
            };
            table.reap(key, wakers);
        }
        Rest::More
    }
}

const TIMER: &str = "the reaper of children";

/// Facts about the children that were not reaped.
enum Rest {
    /// They are running.
    Known,
    /// The kernel shows none that has ended, so they are running, or other code has reaped them.
    Unsure,
    /// Some may have ended.
    More,
}

fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        wake_guarded(waker);
    }
}

/// Makes the loop call its reaper soon. It is not called directly, because the code that wakes may
/// be in the middle of something, such as looking.
struct Look {
    home: Handle,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        let look = || {
            if let Ok(reaper) = Reaper::here() {
                reaper.look();
            }
        };
        // An error means that the loop has ended.
        self.home.call_soon_threadsafe(look).ok();
    }
}

impl LoopLocal for Reaper {}

/// The loop has ended. Children that are bound to a handle are killed. All are left to the next
/// loop, which reaps them.
impl Drop for Reaper {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        let mut wakers = Vec::new();
        let table = self.table.get_mut();
        table.reap_all(&mut wakers);
        table.close();
        for (mut process, is_killed) in table.take_running() {
            if is_killed {
                // It has not been reaped, so the signal can reach no other process.
                process.kill().ok();
            }
            orphans::leave(process);
        }
        wake_all(wakers);
    }
}

/// Ready when a child has ended.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Exited {
    home: Handle,
    key: ChildKey,
    waiter: Option<WaitKey>,
    /// Held while it waits.
    hold: Option<ClockHold>,
}

impl Exited {
    pub(super) fn new(home: Handle, key: ChildKey) -> Self {
        Self { home, key, waiter: None, hold: None }
    }
}

impl Future for Exited {
    type Output = io::Result<Exit>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reaper = Reaper::of(self.home)?;
        let Self { key, waiter, hold, .. } = &mut *self;
        let is_first = waiter.is_none();
        let polled = runtime::with_budget(cx, |cx| reaper.poll_exit(*key, waiter, cx));
        if polled.is_ready() {
            *hold = None;
        } else if is_first {
            *hold = ClockHold::new();
        }
        polled.map(Ok)
    }
}

impl Drop for Exited {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter else { return };
        // On another thread the entry stays until the child ends, and then causes one needless
        // wake.
        if let Ok(reaper) = Reaper::of(self.home) {
            reaper.forget(self.key, waiter);
        }
    }
}

impl Exit {
    /// Returns what the waiter for process `pid` is told.
    pub(super) fn into_result(self, pid: u32) -> io::Result<ExitStatus> {
        match self {
            Self::Status(status) => Ok(status),
            Self::Lost => Err(io::Error::other(format!(
                "process {pid} was reaped by other code of this program, which waits for all children: its status is lost"
            ))),
        }
    }
}
