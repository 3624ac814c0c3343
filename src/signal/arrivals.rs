//! How a loop hears of a signal: one pipe for each signal, shared by all who listen on the loop.

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
    Direction, EntryId, Handle, Interests, LoopLocal, Moved, OwnProcess, Registration, SignalPipe,
    local,
};

const WHAT: &str = "signal listener";

/// The signals that are listened for on a loop.
#[derive(Default)]
pub(super) struct Heard {
    all: RefCell<Vec<Weak<Arrivals>>>,
    /// Those that are listened for until the loop ends.
    kept: RefCell<Vec<(Arc<Arrivals>, Claim)>>,
}

impl LoopLocal for Heard {}

impl Heard {
    /// Those of the loop that runs here.
    fn here() -> io::Result<Rc<Self>> {
        local(Self::default).ok_or_else(|| {
            let message =
                format!("a {WHAT} needs a running event loop: make it inside `oneloop::run`");
            io::Error::other(message)
        })
    }

    /// Also up to which count they came before this call.
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
        // One that was pending has come already, and is heard.
        Ok((new, 0))
    }
}

/// One signal, as it arrives on one loop.
///
/// The handler sets a flag, which counts, and then writes to a pipe, which wakes. Both are needed:
/// the flag lies in memory of which a forked child has a copy, whereas it shares the pipe. A byte
/// that comes without the flag was written by such a child.
pub(super) struct Arrivals {
    kind: SignalKind,
    /// Goes before all others: where the signal was blocked it is so again, and not done by
    /// default.
    unblocked: Unblocked,
    /// Goes first of those that handle it: what comes after that meets the default action, and not
    /// a handler whom nobody hears.
    _held: Held,
    _handlers: [Handler; 2],
    pipe: Registration<SignalPipe>,
    has_arrived: Arc<AtomicBool>,
    /// How many times the flag was found set. Who listens compares it with what it has seen.
    count: AtomicUsize,
    /// Up to which count somebody was told, among those for whom the signal is remembered.
    claimed: AtomicUsize,
    /// Up to which count the program has listened, or was told: main has nothing to do with those.
    heard: AtomicUsize,
    /// Up to which count nobody but main listened.
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
        // In the order in which the handler does it.
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
            // Last of all: a signal that is pending arrives now.
            unblocked: Unblocked::new(kind),
        })
    }

    /// How many have come until now.
    fn count(&self) -> usize {
        // The pipe is left alone: what lies in it wakes those who wait.
        if self.has_arrived.load(Ordering::SeqCst) {
            self.has_arrived.store(false, Ordering::SeqCst);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.count.load(Ordering::Relaxed)
    }

    /// The program listens from now on, for as long as the claim lives.
    fn claim(&self) -> Claim {
        let (claim, is_first) = Claim::new(self.kind);
        let count = self.count();
        if is_first && self.heard.load(Ordering::Relaxed) != count {
            self.free.store(count, Ordering::Relaxed);
        }
        claim
    }

    /// Whether what has come between two counts is main's: the program does not listen, and has
    /// not.
    fn is_for_main(&self, seen: usize, count: usize) -> bool {
        if Claim::exists(self.kind) {
            return self.free.load(Ordering::Relaxed) > seen;
        }
        self.heard.load(Ordering::Relaxed) != count
    }

    /// Empties the pipe, as far as one read does.
    fn take_in(&self, mut pipe: &SignalPipe) -> io::Result<Moved<()>> {
        // A forked child must not take out of it what wakes its parent.
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

    /// Only its own loop hears with it, and in its own process: not in a fork.
    fn check_place(&self) -> io::Result<()> {
        self.home.check_here(WHAT, "make another one here, with `signal`")?;
        self.process.check(
            "this signal listener belongs to",
            "make another one in the child, on a loop of its own",
        )
    }
}

/// One who listens for one signal.
pub(super) struct Listener {
    arrivals: Arc<Arrivals>,
    seen: usize,
    entry: Option<EntryId>,
    role: Role,
}

/// On whose behalf somebody listens.
enum Role {
    /// The program's. Where there is no claim, the loop holds one.
    Program { _claim: Option<Claim> },
    /// That of the run that cancels main: it hears only what nobody else listens for.
    Main,
}

impl Listener {
    /// Hears what comes from now on.
    pub(super) fn new(kind: SignalKind) -> io::Result<Self> {
        let (arrivals, seen) = Heard::here()?.arrivals(kind)?;
        let role = Role::Program { _claim: Some(arrivals.claim()) };
        Ok(Self { arrivals, seen, entry: None, role })
    }

    /// As [`new`](Self::new), but hears only what the program itself does not listen for.
    pub(super) fn of_main(kind: SignalKind) -> io::Result<Self> {
        let (arrivals, seen) = Heard::here()?.arrivals(kind)?;
        Ok(Self { arrivals, seen, entry: None, role: Role::Main })
    }

    /// Hears what has come since somebody was told whom this function has made; what came before
    /// its first call on this loop is not heard. The signal is listened for until the loop ends.
    pub(super) fn remembering(kind: SignalKind) -> io::Result<Self> {
        let heard = Heard::here()?;
        let (arrivals, before) = heard.arrivals(kind)?;
        let mut kept = heard.kept.borrow_mut();
        if !kept.iter().any(|(kept, _)| Arc::ptr_eq(kept, &arrivals)) {
            arrivals.claimed.store(before, Ordering::Relaxed);
            kept.push((Arc::clone(&arrivals), arrivals.claim()));
        }
        let seen = arrivals.claimed.load(Ordering::Relaxed);
        Ok(Self { arrivals, seen, entry: None, role: Role::Program { _claim: None } })
    }

    /// Other code may have blocked the signal on the loop's thread meanwhile.
    pub(super) fn unblock(&self) {
        self.arrivals.unblocked.renew();
    }

    /// What this one has seen need not be remembered.
    pub(super) fn claim(&self) {
        self.arrivals.claimed.store(self.seen, Ordering::Relaxed);
    }

    pub(super) fn kind(&self) -> SignalKind {
        self.arrivals.kind
    }

    /// Ready when the signal has come since the last time it was.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { arrivals, seen, entry, role } = self;
        loop {
            let count = arrivals.count();
            if *seen != count {
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
            if let Err(error) =
                ready!(arrivals.pipe.poll_as(entry, Direction::Read, cx, &mut take_in))
            {
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
