//! What a `StreamWriter` and the task that sends on its behalf share: the stream, and what waits to be sent.
//!
//! 1. Data goes straight to the stream while nothing waits; else it joins the queue.
//! 2. One task at a time drives the stream: the flusher, which is there as long as something waits. Where no loop can run one,
//!    whoever waits drives it. So the stream's one waker is never taken away from somebody who counts on it.
//! 3. Nothing is borrowed while the stream, or a waker, runs: these may be user code.

use std::cell::{Cell, Ref, RefCell};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use futures_io::AsyncWrite;

use super::backlog::{Backlog, Phase, Step};
use super::error::Failure;
use super::send_file::Chunk;
use super::transport::Transport;
use super::writer_control::LargeWrite;
use crate::runtime::{
    self, AfterPoll, CancelReason, Level, OwnProcess, Place, TaskHandle, log_line, poll_budget,
};
use crate::sync::WakerCell;

pub(super) struct Outgoing {
    /// Not there while it is lent to an operation of its own.
    transport: Cell<Option<Pin<Box<dyn Transport>>>>,
    backlog: RefCell<Backlog>,
    flusher: Cell<Option<TaskHandle>>,
    /// Who waits until something has been sent: the writer's methods take it by `&mut`, so there is one at most.
    pub(super) waiter: WakerCell,
    pub(super) large_write: Cell<LargeWrite>,
    /// Some of the large write has been sent.
    pub(super) has_sent_part: Cell<bool>,
    /// One has ended after a part, so the stream must not end as if it were complete.
    pub(super) is_torn: Cell<bool>,
    /// Whether the writer is still there. Otherwise an errand drives the stream, as long as something is left to be sent.
    pub(super) is_held: Cell<bool>,
    /// The errand has not ended.
    pub(super) is_leaving: Cell<bool>,
    /// Who waits for the end of the errand.
    pub(super) left: WakerCell,
    /// The stream takes the writes of one poll together.
    combines: bool,
    /// The poll in which the last write was.
    last_write: Cell<u64>,
    /// What was written last goes out when the poll has ended.
    is_enlisted: Cell<bool>,
    /// Where the writer was made, and in which process.
    pub(super) place: Place,
    process: OwnProcess,
}

/// A stream, as it is lent.
type Lent<'a> = Pin<&'a mut (dyn Transport + 'static)>;

/// The log hears of writes that are dropped when there are so many, if nobody was told before; asyncio has the same number.
const DROPPED_TO_LOG: u32 = 5;

/// What is written together is sent when it is so much, also before the poll has ended.
pub(super) const TOGETHER: usize = 64 * 1024;

impl Outgoing {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>, place: Place) -> Rc<Self> {
        let combines = transport.combines();
        Rc::new(Self {
            transport: Cell::new(Some(transport)),
            backlog: RefCell::new(Backlog::new()),
            flusher: Cell::new(None),
            waiter: WakerCell::default(),
            large_write: Cell::default(),
            has_sent_part: Cell::new(false),
            is_torn: Cell::new(false),
            is_held: Cell::new(true),
            is_leaving: Cell::new(false),
            left: WakerCell::default(),
            combines,
            last_write: Cell::new(0),
            is_enlisted: Cell::new(false),
            place,
            process: runtime::own_process(),
        })
    }

    pub(super) fn backlog(&self) -> Ref<'_, Backlog> {
        self.backlog.borrow()
    }

    pub(super) fn phase(&self) -> Phase {
        self.backlog().phase()
    }

    /// Whether this is a forked child's copy: the stream is its parent's too.
    pub(super) fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held.get()
    }

    fn has_flusher(&self) -> bool {
        self.backlog().has_flusher
    }

    // What is asked for.

    /// Sends what the stream takes now, and queues the rest. Of several writes in one poll only the first goes out at once; the
    /// others go together, when the poll has ended ([`AfterPoll`]), when somebody waits here, or when they are many.
    pub(super) fn write(self: &Rc<Self>, data: &[u8]) {
        if self.combines && self.has_written_in_this_poll() {
            return self.write_later(data);
        }
        let is_first = self.backlog().is_idle() && !self.backlog().is_closing();
        let rest = if is_first { self.send_now(data) } else { data };
        self.queue(rest);
        self.start_flusher();
    }

    /// Whether this is not the first write of the poll that runs now. The next one is not, in any case.
    fn has_written_in_this_poll(&self) -> bool {
        let Some(poll) = runtime::poll_number() else { return false };
        self.is_enlisted.get() || self.last_write.replace(poll) == poll
    }

    fn write_later(self: &Rc<Self>, data: &[u8]) {
        self.queue(data);
        if self.backlog().len() > TOGETHER {
            self.drive_now();
        } else if self.backlog().is_waiting() && !self.is_enlisted.replace(true) {
            runtime::after_poll(Rc::<Self>::clone(self));
        }
    }

    /// Sends what was written in this poll and not sent yet.
    pub(super) fn send_together(self: &Rc<Self>) {
        if self.is_enlisted.get() {
            self.drive_now();
        }
    }

    /// Puts `data` behind what waits. What comes too late is dropped, and counted.
    pub(super) fn queue(&self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if self.backlog().is_closing() {
            self.note_dropped();
        } else {
            self.backlog.borrow_mut().append(data);
        }
    }

    /// Ends the writing, or closes the stream, when all has been sent.
    pub(super) fn advance(self: &Rc<Self>, phase: Phase) {
        self.advance_backlog(phase);
        self.drive_now();
    }

    /// As [`advance`](Self::advance), where the caller drives the stream.
    pub(super) fn advance_backlog(&self, phase: Phase) {
        self.reset_if_torn();
        let was_closed = self.phase() == Phase::Closed;
        self.backlog.borrow_mut().advance(phase);
        if self.phase() == Phase::Closed && !was_closed {
            // It cannot be sent any more.
            self.with_transport(Transport::abort);
        }
    }

    /// The peer must not take what it has got of a write that ended half way for all there is.
    fn reset_if_torn(&self) {
        if self.is_torn.get() && self.phase() != Phase::Closed {
            let message =
                "a `write_all` or a `send_file` ended half way, so the connection was reset";
            let failure = Failure::Other(ErrorKind::ConnectionAborted, message.to_owned());
            self.stop_flusher();
            drop(self.backlog.borrow_mut().fail(failure));
            // Whoever gave up the write knows.
            drop(self.backlog().failure());
            self.abort();
        }
    }

    /// Does what can be done without waiting; a flusher does the rest.
    pub(super) fn drive_now(self: &Rc<Self>) {
        if !self.has_flusher() && self.poll_drive(&mut no_context()).is_pending() {
            self.start_flusher();
        }
    }

    /// Drops what waits, and closes at once.
    pub(super) fn abort(&self) {
        if self.phase() == Phase::Closed {
            return;
        }
        self.stop_flusher();
        let queue = self.backlog.borrow_mut().abort();
        drop(queue);
        self.with_transport(Transport::abort);
        self.waiter.wake();
    }

    pub(super) fn set_limits(&self, high: usize, low: usize) {
        self.backlog.borrow_mut().set_limits(high, low);
    }

    // Waiting.

    /// Ready when the queue is no longer too full.
    pub(super) fn poll_drained(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_until(cx, |backlog| !backlog.is_paused()))?;
        Poll::Ready(self.backlog().outcome())
    }

    /// Ready when the stream has taken all.
    pub(super) fn poll_flushed(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_until(cx, |backlog| backlog.is_idle() && !backlog.needs_flush))?;
        Poll::Ready(self.backlog().outcome())
    }

    /// Ready when it has come as far as `phase`.
    pub(super) fn poll_phase(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<io::Result<()>> {
        self.poll_until(cx, |backlog| backlog.phase() >= phase)
    }

    /// Writes from the caller's memory as soon as nothing waits any more.
    pub(super) fn poll_write(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_until(cx, Backlog::is_idle))?;
        if let Some(error) = self.backlog().refusal() {
            return Poll::Ready(Err(error));
        }
        let written = match self.with_transport(|transport| transport.poll_write(cx, data)) {
            Some(Poll::Ready(written)) => written.and_then(|len| at_least_one(len, data)),
            Some(Poll::Pending) | None => return Poll::Pending,
        };
        match &written {
            Ok(_) => {
                self.backlog.borrow_mut().needs_flush = true;
                self.has_sent_part.set(true);
            }
            Err(error) => self.fail_told(error),
        }
        Poll::Ready(written)
    }

    /// Has the kernel copy some of a file as soon as nothing waits any more. `None`: it cannot.
    pub(super) fn poll_copy(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        chunk: &Chunk<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        ready!(self.poll_until(cx, |backlog| backlog.is_idle() && !backlog.needs_flush))?;
        if let Some(error) = self.backlog().refusal() {
            return Poll::Ready(Err(error));
        }
        let polled = self.with_transport(|transport| transport.poll_copy(cx, chunk));
        let copied = ready!(polled.unwrap_or(Poll::Pending));
        if matches!(copied, Ok(Some(1..))) {
            self.has_sent_part.set(true);
        }
        if let Some(error) = copied.as_ref().err().filter(|error| is_of_connection(error.kind())) {
            self.fail_told(error);
        }
        Poll::Ready(copied)
    }

    fn poll_until(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        is_done: impl Fn(&Backlog) -> bool,
    ) -> Poll<io::Result<()>> {
        let look = || {
            let backlog = self.backlog();
            let failure = backlog.failure().map(Err);
            failure.or_else(|| is_done(&backlog).then_some(Ok(())))
        };
        loop {
            if let Some(result) = look() {
                return Poll::Ready(result);
            }
            self.waiter.register(cx.waker());
            self.start_flusher();
            if self.has_flusher() {
                return look().map_or(Poll::Pending, Poll::Ready);
            }
            ready!(self.poll_drive(cx));
        }
    }

    // Sending.

    /// Ready when there is nothing to do any more.
    pub(super) fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(step) = self.backlog().next_step() else { return Poll::Ready(()) };
            let done = match step {
                Step::Send => self.poll_send(cx),
                Step::Flush => self.poll_step(cx, AsyncWrite::poll_flush, |backlog| {
                    backlog.needs_flush = false;
                }),
                Step::End => self.poll_step(cx, AsyncWrite::poll_close, |backlog| {
                    backlog.advance(Phase::Ended);
                }),
                Step::Close => self.poll_step(cx, Transport::poll_close_both, |backlog| {
                    backlog.advance(Phase::Closed);
                }),
            };
            if let Err(error) = ready!(done) {
                self.fail(&error);
            }
            if !self.backlog().is_paused() {
                self.waiter.wake();
            }
        }
    }

    fn poll_step(
        &self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Lent<'_>, &mut Context<'_>) -> Poll<io::Result<()>>,
        done: impl FnOnce(&mut Backlog),
    ) -> Poll<io::Result<()>> {
        let polled = self.with_transport(|transport| step(transport, cx));
        ready!(polled.unwrap_or(Poll::Pending))?;
        done(&mut self.backlog.borrow_mut());
        Poll::Ready(Ok(()))
    }

    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(poll_budget(cx));
        let mut queue = self.backlog.borrow_mut().take();
        let polled = self.with_transport(|transport| transport.poll_write(cx, queue.data()));
        let sent = polled.unwrap_or(Poll::Pending).map(|sent| {
            let len = sent.and_then(|len| at_least_one(len, queue.data()))?;
            queue.consume(len);
            Ok(())
        });
        if sent.is_pending() || queue.is_empty() {
            queue.park();
        }
        let mut backlog = self.backlog.borrow_mut();
        backlog.put_back(queue);
        backlog.needs_flush |= sent.is_ready();
        sent
    }

    /// Returns what the stream does not take at once.
    fn send_now<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let mut rest = data;
        let send = |mut transport: Lent<'_>| {
            while !rest.is_empty() {
                match transport.as_mut().try_write(rest) {
                    Poll::Ready(written) => rest = &rest[at_least_one(written?, rest)?..],
                    Poll::Pending => return Poll::Pending,
                }
            }
            transport.poll_flush(&mut no_context())
        };
        match self.with_transport(send) {
            Some(Poll::Ready(Ok(()))) | None => {}
            Some(Poll::Pending) => self.backlog.borrow_mut().needs_flush = true,
            Some(Poll::Ready(Err(error))) => self.fail(&error),
        }
        rest
    }

    /// The connection is lost for writing.
    fn fail(&self, error: &io::Error) {
        let queue = self.backlog.borrow_mut().fail(Failure::of(error));
        drop(queue);
        if self.phase() == Phase::Closed {
            self.with_transport(Transport::abort);
        }
        self.waiter.wake();
    }

    /// As [`fail`](Self::fail), where the caller gets the error.
    fn fail_told(&self, error: &io::Error) {
        self.fail(error);
        drop(self.backlog().failure());
    }

    #[cold]
    fn note_dropped(&self) {
        let is_told = self.backlog().is_told();
        if self.backlog.borrow_mut().note_dropped() == DROPPED_TO_LOG && !is_told {
            let reason = self.backlog().refusal();
            let reason = reason.map_or_else(String::new, |error| error.to_string());
            let line = format!(
                "the writes to the `StreamWriter` made at {} are dropped: {reason}; `drain` gives this error",
                self.place
            );
            log_line(Level::Warn, &line);
        }
    }

    /// Lends the stream to `f`. `None`: the stream itself is what calls this.
    pub(super) fn with_transport<R>(&self, f: impl FnOnce(Lent<'_>) -> R) -> Option<R> {
        let mut loan = Loan { transport: Some(self.transport.take()?), from: self };
        let result = loan.transport.as_mut().map(|transport| f(transport.as_mut()));
        self.transport.set(loan.transport.take());
        result
    }

    // The flusher.

    fn start_flusher(self: &Rc<Self>) {
        let is_wanted = {
            let backlog = self.backlog();
            !backlog.has_flusher && backlog.next_step().is_some()
        };
        if !is_wanted || !runtime::has_loop() {
            return;
        }
        let flusher = Flusher { outgoing: Rc::clone(self) };
        let handle = runtime::create_at(self.place, flusher, None, false);
        // A loop that ends refuses tasks.
        if !handle.is_finished() {
            self.flusher.set(Some(handle));
            self.backlog.borrow_mut().has_flusher = true;
        }
    }

    pub(super) fn stop_flusher(&self) {
        if let Some(flusher) = self.take_flusher() {
            flusher.cancel(CancelReason::Requested);
        }
    }

    fn take_flusher(&self) -> Option<TaskHandle> {
        self.backlog.borrow_mut().has_flusher = false;
        self.flusher.take()
    }
}

impl AfterPoll for Outgoing {
    fn after_poll(self: Rc<Self>) {
        self.is_enlisted.set(false);
        self.drive_now();
    }
}

/// Cut off with data that waits: the peer must not take what it has for all there is.
impl Drop for Outgoing {
    fn drop(&mut self) {
        let is_cut_off = self.backlog.get_mut().len() > 0 && !self.is_inherited();
        if let Some(transport) = self.transport.get_mut().as_mut().filter(|_| is_cut_off) {
            transport.as_mut().abort();
        }
    }
}

/// The stream while it is lent. By a panic it goes back too, but it is not asked again.
struct Loan<'a> {
    transport: Option<Pin<Box<dyn Transport>>>,
    from: &'a Outgoing,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(transport) = self.transport.take() {
            self.from.transport.set(Some(transport));
            let failure = Failure::Other(ErrorKind::Other, "the stream has panicked".to_owned());
            drop(self.from.backlog.borrow_mut().fail(failure));
        }
    }
}

/// The task that sends what waits.
struct Flusher {
    outgoing: Rc<Outgoing>,
}

impl Future for Flusher {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.outgoing.poll_drive(cx)
    }
}

/// It has done all, or was cancelled: whoever waits drives the stream from now on.
impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.outgoing.take_flusher());
        self.outgoing.waiter.wake();
    }
}

fn at_least_one(written: usize, data: &[u8]) -> io::Result<usize> {
    assert!(written <= data.len(), "a stream has written more than it was given");
    if written == 0 { Err(ErrorKind::WriteZero.into()) } else { Ok(written) }
}

/// The others of a system call that reads a file and writes to a connection may be those of the file.
pub(super) fn is_of_connection(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};

    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// For what is tried without waiting: nobody is woken.
pub(super) fn no_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
