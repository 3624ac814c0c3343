//! How a loop learns of a signal: one pipe for each signal, shared by all listeners on the loop.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use signal_hook::{flag, low_level};

use super::SignalKind;
use super::default_action::{self, Claim, Handler, Held};
use super::unblocked::Unblocked;
use crate::runtime::{
    self, Direction, EntryId, Handle, Interests, LoopLocal, Moved, OwnProcess, Registration,
    SignalPipe, local,
};

const WHAT: &str = "signal listener";

/// The signals that a loop listens for.
#[derive(Default)]
pub(super) struct Heard {
    all: RefCell<Vec<Weak<Arrivals>>>,
    /// Signals that are listened for until the loop ends.
    kept: RefCell<Vec<(Arc<Arrivals>, Claim)>>,
}

impl LoopLocal for Heard {}

impl Heard {
    /// Returns the arrivals of the current loop.
    fn here() -> io::Result<Rc<Self>> {
        local(Self::default).ok_or_else(|| {
            let message =
                format!("a {WHAT} needs a running event loop: make it inside `oneloop::run`");
            io::Error::other(message)
        })
    }

    /// Returns the arrivals of a signal, and the count of those before this call.
    fn arrivals(&self, kind: SignalKind) -> io::Result<(Arc<Arrivals>, usize)> {
        let mut all = self.all.borrow_mut();
        all.retain(|arrivals| arrivals.strong_count() > 0);
        let found = all.iter().filter_map(Weak::upgrade).find(|arrivals| arrivals.kind == kind);
        if let Some(found) = found {
            found.check_place()?;
            let before = found.count();
            found.unblocked.renew();
            return Ok((found, before));
        }
        let new = Arc::new(Arrivals::new(kind)?);
        all.push(Arc::downgrade(&new));
        // A signal that was pending has already arrived, and is heard.
        Ok((new, 0))
    }
}

/// One signal, as it arrives on one loop.
///
/// The handler sets a flag, which counts, and then writes to a pipe, which wakes. Both are needed:
/// a forked child shares the pipe, but has a copy of the flag. A byte without the flag comes from
/// such a child.
pub(super) struct Arrivals {
    kind: SignalKind,
    /// Dropped first: if the signal was blocked, it is blocked again, and its default action does
    /// not happen.
    unblocked: Unblocked,
    /// Dropped before the handlers: a signal after that meets the default action, and not a handler
    /// without a listener.
    _held: Held,
    _handlers: [Handler; 2],
    pipe: Registration<SignalPipe>,
    has_arrived: Arc<AtomicBool>,
    /// How many times the flag was found set. Listeners compare it with what they have seen.
    count: AtomicUsize,
    /// The count up to which a listener was told, among those for which the signal is remembered.
    claimed: AtomicUsize,
    /// The count up to which the program has listened, or was told. Signals up to this count are
    /// not main's.
    heard: AtomicUsize,
    /// The count up to which only main listened.
    free: AtomicUsize,
    home: Handle,
    process: OwnProcess,
}

impl Arrivals {
    fn new(kind: SignalKind) -> io::Result<Self> {
        kind.check()?;
        Self::listen(kind).map_err(|error| kind.refused(&error))
    }

    fn listen(kind: SignalKind) -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let pipe = Registration::new(SignalPipe::from_std(reader), Interests::Read, WHAT)?;
        let has_arrived = Arc::new(AtomicBool::new(false));
        default_action::prepare(kind)?;
        // In the order in which the handlers run.
        let flag = Handler(flag::register(kind.as_raw(), Arc::clone(&has_arrived))?);
        let byte = Handler(low_level::pipe::register(kind.as_raw(), writer)?);
        Ok(Self {
            kind,
            _held: Held::new(kind),
            _handlers: [flag, byte],
            pipe,
            has_arrived,
            count: AtomicUsize::new(0),
            claimed: AtomicUsize::new(0),
            heard: AtomicUsize::new(0),
            free: AtomicUsize::new(0),
            home: Handle::current(),
            process: OwnProcess::current(),
            // Last of all: a pending signal arrives now.
            unblocked: Unblocked::new(kind),
        })
    }

    /// The number of arrivals so far.
    fn count(&self) -> usize {
        // The pipe is left alone: its bytes wake the waiters.
        if self.has_arrived.load(Ordering::SeqCst) {
            self.has_arrived.store(false, Ordering::SeqCst);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.count.load(Ordering::Relaxed)
    }

    /// The program listens from now on, as long as the claim exists.
    fn claim(&self) -> Claim {
        let (claim, is_first) = Claim::new(self.kind);
        let count = self.count();
        if is_first && self.heard.load(Ordering::Relaxed) != count {
            self.free.store(count, Ordering::Relaxed);
        }
        claim
    }

    /// Whether an arrival between two counts is main's, because the program does not listen and has
    /// not listened.
    fn is_for_main(&self, seen: usize, count: usize) -> bool {
        if Claim::exists(self.kind) {
            return self.free.load(Ordering::Relaxed) > seen;
        }
        self.heard.load(Ordering::Relaxed) != count
    }

    /// Empties the pipe, as far as one read does.
    fn take_in(&self, mut pipe: &SignalPipe) -> io::Result<Moved<()>> {
        // A forked child must not take bytes out of it that wake its parent.
        self.check_place()?;
        match pipe.read(&mut [0; 64])? {
            0 => Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                format!(
                    "cannot hear of {} any more: somebody has closed the descriptor",
                    self.kind
                ),
            )),
            _ => Ok(Moved { value: (), is_short: false }),
        }
    }

    /// Only its own loop may listen with it, and only in its own process, not in a fork.
    fn check_place(&self) -> io::Result<()> {
        self.home.check_here(WHAT, "make another one here, with `signal`")?;
        self.process.check(
            "this signal listener belongs to",
            "make another one in the child, on a loop of its own",
        )
    }
}

/// A listener for one signal.
pub(super) struct Listener {
    arrivals: Arc<Arrivals>,
    seen: usize,
    entry: Option<EntryId>,
    role: Role,
    /// The loop itself listens, not a task.
    is_of_loop: bool,
}

/// The party that listens.
enum Role {
    /// The program. If there is no claim here, the loop holds one.
    Program { _claim: Option<Claim> },
    /// The run that cancels main. It hears only signals that the program does not listen for.
    Main,
}

impl Listener {
    /// Hears signals from now on.
    pub(super) fn new(kind: SignalKind) -> io::Result<Self> {
        let (arrivals, seen) = Heard::here()?.arrivals(kind)?;
        let role = Role::Program { _claim: Some(arrivals.claim()) };
        Ok(Self { arrivals, seen, entry: None, role, is_of_loop: false })
    }

    /// Like [`new`](Self::new), but hears only signals that the program itself does not listen for.
    pub(super) fn of_main(kind: SignalKind) -> io::Result<Self> {
        let (arrivals, seen) = Heard::here()?.arrivals(kind)?;
        Ok(Self { arrivals, seen, entry: None, role: Role::Main, is_of_loop: false })
    }

    /// Hears signals that came since the last report to a listener made by this function. Signals
    /// before its first call on this loop are not heard. The loop keeps listening for the signal
    /// until it ends.
    pub(super) fn remembering(kind: SignalKind) -> io::Result<Self> {
        let heard = Heard::here()?;
        let (arrivals, before) = heard.arrivals(kind)?;
        let mut kept = heard.kept.borrow_mut();
        if !kept.iter().any(|(kept, _)| Arc::ptr_eq(kept, &arrivals)) {
            arrivals.claimed.store(before, Ordering::Relaxed);
            kept.push((Arc::clone(&arrivals), arrivals.claim()));
        }
        let seen = arrivals.claimed.load(Ordering::Relaxed);
        Ok(Self {
            arrivals,
            seen,
            entry: None,
            role: Role::Program { _claim: None },
            is_of_loop: false,
        })
    }

    /// Other code may have blocked the signal on the loop's thread meanwhile.
    pub(super) fn unblock(&self) {
        self.arrivals.unblocked.renew();
    }

    /// The loop listens for itself: no task waits.
    pub(super) fn set_of_loop(&mut self) {
        self.is_of_loop = true;
    }

    /// Signals that this listener has seen need not be remembered.
    pub(super) fn claim(&self) {
        self.arrivals.claimed.store(self.seen, Ordering::Relaxed);
    }

    pub(super) fn kind(&self) -> SignalKind {
        self.arrivals.kind
    }

    /// Ready when the signal has come since the last time this was ready.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { arrivals, seen, entry, role, is_of_loop } = self;
        if !runtime::may_finish(cx) {
            return Poll::Pending;
        }
        loop {
            let count = arrivals.count();
            if *seen != count {
                runtime::take_budget();
                arrivals.check_place()?;
                let last = mem::replace(seen, count);
                match role {
                    Role::Program { .. } => arrivals.heard.store(count, Ordering::Relaxed),
                    Role::Main if arrivals.is_for_main(last, count) => {}
                    Role::Main => continue,
                }
                return Poll::Ready(Ok(()));
            }
            let mut take_in = |pipe: &SignalPipe| arrivals.take_in(pipe);
            let polled = arrivals.pipe.poll_as(entry, Direction::Read, cx, &mut take_in);
            if let (true, Some(entry)) = (*is_of_loop, *entry) {
                arrivals.pipe.set_own(entry);
            }
            if let Err(error) = ready!(polled) {
                return Poll::Ready(Err(arrivals.check_place().err().unwrap_or(error)));
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(entry) = self.entry {
            self.arrivals.pipe.forget(Direction::Read, entry);
        }
    }
}
