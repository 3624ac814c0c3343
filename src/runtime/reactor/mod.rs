//! The reactor: turns the operating system's readiness into wakes. It is the only code of the
//! kernel that blocks, and the only one that knows mio.
//!
//! Each I/O object is a [`Source`] in a slab, registered once, edge-triggered, for everything it
//! can ever wait for. Its token consists of slot and serial, so the reactor recognises an event for
//! a former tenant of the slot. A slot is reused only after the poll that follows its release,
//! which also helps where a token has no room for a serial.

mod alarm;
mod descriptor;
mod source;

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use crate::runtime::data::clock::{NEVER, Nanos};
use crate::runtime::data::key::{self, Serial};
use crate::runtime::data::log::log_line::{Level, log_line};
use crate::runtime::data::own_process::OwnProcess;
use crate::runtime::data::room::{Slots, trim_list};
use crate::runtime::data::waiter::Waiter;
use crate::sys::edges::{EventSource, STREAM, TELLS_OF_URGENT_DATA};
use alarm::Alarm;
#[cfg(feature = "tokio")]
pub(crate) use alarm::RINGS as ALARM_RINGS;
/// The pipe that a signal handler writes to. It is here because only this folder uses mio.
pub(crate) use mio::net::UnixStream as SignalPipe;
pub(crate) use source::{Direction, Drained, EntryId, Source};

/// The maximum number of events per poll. The next poll takes in the rest.
const EVENTS: usize = 1024;

/// The longest time limit of one poll. The kernel takes milliseconds in 32 bits, so a longer limit
/// could wrap around to a short or endless one. After this time the loop looks around and waits
/// again.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60 * 24);
const _: () = assert!(LONGEST_WAIT.as_millis() < i32::MAX as u128);

const WAKE: Token = Token(usize::MAX);
const ALARM: Token = Token(usize::MAX - 1);

pub(crate) struct Reactor {
    poll: Poll,
    events: Events,
    sources: Slots<Source>,
    serial: Serial,
    /// Released slots, which may be reused only after the next poll.
    released: Vec<u32>,
    alarm: Option<Alarm>,
    waker: Waker,
    /// See [`Reactor::has_more`].
    has_more: bool,
    /// The process that made the reactor. A forked child shares the descriptor, and must not use
    /// it.
    process: OwnProcess,
}

/// How long to wait for the first event.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    Not,
    Until { deadline: Nanos, now: Nanos },
}

/// The events that a source is registered for.
#[derive(Clone, Copy)]
pub(crate) enum Interests {
    Read,
    Write,
    Both,
    /// Also urgent data, which the short-read rule depends on: TCP streams.
    Stream,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::from(Arc::new(EndWait(mio::Waker::new(poll.registry(), WAKE)?)));
        Ok(Self {
            poll,
            waker,
            events: Events::with_capacity(EVENTS),
            sources: Slots::new(),
            serial: Serial::FIRST,
            released: Vec::new(),
            alarm: None,
            has_more: false,
            process: OwnProcess::current(),
        })
    }

    /// A waker that ends the wait from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Whether the last wait had no room for all events.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more
    }

    pub(crate) fn register(
        &mut self,
        io: &mut dyn EventSource,
        interests: Interests,
    ) -> io::Result<u32> {
        self.check_process()?;
        self.serial = self.serial.next();
        let is_stream = matches!(interests, Interests::Stream);
        let source = Source::new(self.serial, is_stream && TELLS_OF_URGENT_DATA);
        let slot = self.sources.vacant_key();
        self.poll.registry().register(io, token(slot, self.serial), interests.into())?;
        Ok(key::slot(self.sources.insert(source)))
    }

    /// Ends the registration. Returns the waiters, which must notice. Without `io`, the object is
    /// already closed, which removed it from the poll. If its descriptor had a duplicate, further
    /// events name a former tenant.
    pub(crate) fn release(
        &mut self,
        slot: u32,
        io: Option<&mut dyn EventSource>,
        wake: impl FnMut(Waiter),
    ) {
        // In a forked child this would end the parent's registration. Elsewhere a failure means
        // that other code has closed the descriptor.
        if let Some(io) = io.filter(|_| self.check_process().is_ok()) {
            self.poll.registry().deregister(io).ok();
        }
        if let Some(source) = self.sources.get_mut(slot as usize) {
            source.close(wake);
            self.released.push(slot);
        }
    }

    pub(crate) fn source(&mut self, slot: u32) -> Option<&mut Source> {
        self.sources.get_mut(slot as usize)
    }

    /// Whether any task waits for a source.
    pub(crate) fn is_awaited(&self) -> bool {
        self.sources.iter().any(|(_, source)| source.is_awaited())
    }

    /// Whether any task waits for a source that another process makes ready.
    pub(crate) fn waits_for_outside(&self) -> bool {
        self.sources.iter().any(|(_, source)| source.is_outside() && source.is_awaited())
    }

    /// Takes in events, after waiting for the first one if asked to. Returns the waiters.
    pub(crate) fn wait(&mut self, wait: Wait, wake: impl FnMut(Waiter)) -> io::Result<()> {
        // Events come only once, so a forked child that took them in would steal them from its
        // parent.
        self.check_process()?;
        let timeout = match wait {
            Wait::Not => Some(Duration::ZERO),
            Wait::Until { deadline, now } => self.set_alarm(deadline, now),
        };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => self.dispatch(wake),
            // A signal interrupted the wait. The caller looks around and waits again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        for slot in self.released.drain(..) {
            self.sources.remove(slot as usize);
        }
        trim_list(&mut self.released);
        Ok(())
    }

    fn dispatch(&mut self, mut wake: impl FnMut(Waiter)) {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                WAKE => {}
                ALARM => {
                    if let Some(alarm) = &mut self.alarm {
                        alarm.rang();
                    }
                }
                Token(bits) => {
                    let source = self.sources.get_mut(bits & SLOT_MASK);
                    if let Some(source) =
                        source.filter(|s| token(bits & SLOT_MASK, s.serial()) == event.token())
                    {
                        note(source, event, &mut wake);
                    }
                }
            }
        }
        self.has_more = count >= EVENTS;
    }

    /// Sets the alarm, so that the descriptor becomes readable at the deadline. Returns the time
    /// limit for the poll itself: `None` if the alarm ends the wait, or if it needs no limit.
    pub(crate) fn set_alarm(&mut self, deadline: Nanos, now: Nanos) -> Option<Duration> {
        if deadline == NEVER {
            return None;
        }
        let left = Duration::from_nanos(deadline.saturating_sub(now));
        if left.is_zero() {
            return Some(left);
        }
        if self.alarm.is_none() {
            // Without descriptors for the alarm, the poll's own limit serves, in whole
            // milliseconds.
            self.alarm = Alarm::new(self.poll.registry(), ALARM).ok();
        }
        let is_set = self.alarm.as_mut().is_some_and(|alarm| alarm.set(deadline, now).is_ok());
        if is_set { None } else { Some(left.min(LONGEST_WAIT)) }
    }

    pub(crate) fn process(&self) -> OwnProcess {
        self.process
    }

    fn check_process(&self) -> io::Result<()> {
        check_loop_process(self.process)
    }
}

/// Fails in a forked child of the process that made a loop.
pub(crate) fn check_loop_process(process: OwnProcess) -> io::Result<()> {
    let remedy = "start a loop of its own in the child, or call `exec` there";
    process.check("this event loop belongs to", remedy)
}

struct EndWait(mio::Waker);

impl Wake for EndWait {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.0.wake() {
            let line = format!("cannot wake the event loop from another thread: {error}");
            log_line(Level::Error, &line);
        }
    }
}

impl From<Interests> for Interest {
    fn from(interests: Interests) -> Self {
        match interests {
            Interests::Read => Self::READABLE,
            Interests::Write => Self::WRITABLE,
            Interests::Both => Self::READABLE | Self::WRITABLE,
            Interests::Stream => STREAM,
        }
    }
}

const SLOT_MASK: usize = u32::MAX as usize;

/// Slot and, where a token has room for it, serial. Serials have 20 bits, so no token meets `WAKE`
/// or `ALARM`.
fn token(slot: usize, serial: Serial) -> Token {
    let bits = u64::from(serial.number()) << 32 | slot as u64;
    #[expect(clippy::cast_possible_truncation, reason = "on 32 bits only the slot is left")]
    Token(bits as usize)
}

fn note(source: &mut Source, event: &Event, wake: &mut impl FnMut(Waiter)) {
    if event.is_priority() {
        source.set_urgent();
    }
    if event.is_readable() || event.is_read_closed() || event.is_error() {
        source.set_ready(Direction::Read, event.is_read_closed(), &mut *wake);
    }
    if event.is_writable() || event.is_write_closed() || event.is_error() {
        source.set_ready(Direction::Write, event.is_write_closed(), &mut *wake);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::OwnedFd;

    use mio::net::UnixStream;

    use super::*;
    use crate::runtime::data::clock;
    use crate::runtime::data::key::WakerKey;
    use crate::sys::descriptors::{FdSource, pipe_ends};

    fn reactor() -> Reactor {
        Reactor::new().unwrap()
    }

    fn new_pipe() -> (FdSource<OwnedFd>, File) {
        let (receiver, sender) = pipe_ends().unwrap();
        (FdSource(receiver), sender.into())
    }

    /// Registers a pipe that counts as not ready, so that only an event makes it ready.
    fn register(reactor: &mut Reactor, io: &mut dyn EventSource) -> u32 {
        let slot = reactor.register(io, Interests::Read).unwrap();
        reactor.source(slot).unwrap().drained(Direction::Read, Drained::WouldBlock);
        slot
    }

    /// Takes in all present events. Returns the waiters.
    fn poll(reactor: &mut Reactor) -> Vec<Waiter> {
        let mut woken = Vec::new();
        reactor.wait(Wait::Not, |waiter| woken.push(waiter)).unwrap();
        woken
    }

    fn wait_as(reactor: &mut Reactor, slot: u32, number: u32) -> Waiter {
        let waiter = Waiter::of_key(WakerKey::new(1, Serial::FIRST, number));
        let source = reactor.source(slot).unwrap();
        let id = source.new_entry();
        *source.waiter(Direction::Read, id) = waiter;
        waiter
    }

    // A shorter token has no room for a serial: the next tenant tries in vain once.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn an_event_of_a_former_tenant_does_not_reach_the_next_one() {
        let mut reactor = reactor();
        let (mut old, mut to_old) = new_pipe();
        let slot = register(&mut reactor, &mut old);
        // A duplicate keeps the old registration in the kernel after the descriptor is closed.
        let _duplicate = old.0.try_clone().unwrap();
        drop(old);
        reactor.release(slot, None, |_| {});
        poll(&mut reactor);
        let (mut new, mut to_new) = new_pipe();
        assert_eq!(register(&mut reactor, &mut new), slot, "the slot has a new tenant");
        let waiter = wait_as(&mut reactor, slot, 1);

        to_old.write_all(b"x").unwrap();
        assert_eq!(poll(&mut reactor), [], "the event is stale");
        assert!(!reactor.source(slot).unwrap().is_ready(Direction::Read));
        to_new.write_all(b"x").unwrap();
        assert_eq!(poll(&mut reactor), [waiter]);
        assert!(reactor.source(slot).unwrap().is_ready(Direction::Read));
    }

    #[test]
    fn a_released_slot_is_used_again_only_after_the_next_poll() {
        let mut reactor = reactor();
        let (mut first, _to_first) = new_pipe();
        let (mut second, _to_second) = new_pipe();
        let (mut third, _to_third) = new_pipe();
        let slot = register(&mut reactor, &mut first);
        reactor.release(slot, Some(&mut first), |_| {});
        assert!(reactor.source(slot).unwrap().is_released());
        let other = register(&mut reactor, &mut second);
        assert_ne!(other, slot, "events in flight may still name the slot");
        poll(&mut reactor);
        assert!(reactor.source(slot).is_none());
        assert_eq!(register(&mut reactor, &mut third), slot);
    }

    #[test]
    fn serials_tell_the_tenants_of_a_slot_apart() {
        let mut reactor = reactor();
        let (mut io, _sender) = new_pipe();
        let mut serials = Vec::new();
        for _ in 0..3 {
            let slot = register(&mut reactor, &mut io);
            serials.push(reactor.source(slot).unwrap().serial().number());
            reactor.release(slot, Some(&mut io), |_| {});
            poll(&mut reactor);
        }
        serials.dedup();
        assert_eq!(serials.len(), 3);
    }

    #[test]
    fn releasing_wakes_who_waits_and_ends_the_kernels_registration() {
        let mut reactor = reactor();
        let (mut io, mut sender) = new_pipe();
        let slot = register(&mut reactor, &mut io);
        let waiter = wait_as(&mut reactor, slot, 7);
        let mut woken = Vec::new();
        reactor.release(slot, Some(&mut io), |waiter| woken.push(waiter));
        assert_eq!(woken, [waiter]);
        // It can be registered once more, which the kernel refuses for what it still watches.
        let again = register(&mut reactor, &mut io);
        sender.write_all(b"x").unwrap();
        let waiter = wait_as(&mut reactor, again, 8);
        assert_eq!(poll(&mut reactor), [waiter]);
    }

    #[test]
    fn after_the_peer_has_closed_a_short_read_or_write_leaves_a_stream_ready() {
        let mut reactor = reactor();
        let (mut io, peer) = UnixStream::pair().unwrap();
        let slot = reactor.register(&mut io, Interests::Stream).unwrap();
        let directions = [Direction::Read, Direction::Write];
        drop(peer);
        poll(&mut reactor);
        let source = reactor.source(slot).unwrap();
        for direction in directions {
            source.drained(direction, Drained::Short);
        }
        assert_eq!(directions.map(|direction| source.is_ready(direction)), [true; 2]);
    }

    #[test]
    fn only_a_source_that_is_outside_and_awaited_is_waited_for_outside() {
        let mut reactor = reactor();
        let (mut io, _sender) = new_pipe();
        let slot = register(&mut reactor, &mut io);
        assert!(!reactor.is_awaited());
        let _ = wait_as(&mut reactor, slot, 1);
        assert!(reactor.is_awaited() && !reactor.waits_for_outside());
        let (mut other, _sender) = new_pipe();
        let outside = register(&mut reactor, &mut other);
        reactor.source(outside).unwrap().set_outside();
        assert!(!reactor.waits_for_outside(), "no task waits for it");
        let _ = wait_as(&mut reactor, outside, 2);
        assert!(reactor.waits_for_outside());
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_not_before() {
        let mut reactor = reactor();
        assert_eq!(reactor.set_alarm(NEVER, 0), None, "nothing needs to end it");
        assert_eq!(reactor.set_alarm(5, 5), Some(Duration::ZERO));
        assert_eq!(reactor.set_alarm(5, 6), Some(Duration::ZERO));
        let now = clock::real_now();
        let deadline = now + 2_000_000;
        reactor.wait(Wait::Until { deadline, now }, |_| {}).unwrap();
        assert!(clock::real_now() >= deadline);
    }
}
