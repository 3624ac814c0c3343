//! State shared by a `StreamWriter` and the task that sends on its behalf: the stream and its
//! unsent data.
//!
//! 1. Data goes straight to the stream while nothing is queued; otherwise it joins the queue.
//! 2. One task at a time drives the stream: the flusher, which exists as long as data is queued.
//!    Where no loop can run a flusher, the waiting task drives the stream. The stream has only one
//!    waker, so this keeps one task from replacing the waker that another relies on.
//! 3. Nothing is borrowed while the stream or a waker runs, because either may be user code.

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
    /// `None` while it is lent to one of its own operations.
    transport: Cell<Option<Pin<Box<dyn Transport>>>>,
    backlog: RefCell<Backlog>,
    flusher: Cell<Option<TaskHandle>>,
    /// Waits until some data has been sent. The writer's methods take `&mut self`, so there is at
    /// most one waiter.
    pub(super) waiter: WakerCell,
    pub(super) large_write: Cell<LargeWrite>,
    /// A part of the large write has been sent.
    pub(super) has_sent_part: Cell<bool>,
    /// A large write ended after a part, so the stream must not end as if it were complete.
    pub(super) is_torn: Cell<bool>,
    /// Whether the writer still exists. If not, an errand drives the stream until all data is sent.
    pub(super) is_held: Cell<bool>,
    /// The errand is still running.
    pub(super) is_leaving: Cell<bool>,
    /// A server accepted the connection. Peers of servers disconnect every day.
    pub(super) is_served: Cell<bool>,
    /// Waits for the end of the errand.
    pub(super) left: WakerCell,
    /// The stream sends the writes of one poll together.
    combines: bool,
    /// The number of the poll that made the last write.
    last_write: Cell<u64>,
    /// The latest writes go out when the poll has ended.
    is_enlisted: Cell<bool>,
    /// Where the writer was created, and in which process.
    pub(super) place: Place,
    process: OwnProcess,
}

/// A lent stream.
type Lent<'a> = Pin<&'a mut (dyn Transport + 'static)>;

/// The number of dropped writes after which one line is logged, unless the failure was already
/// returned to a caller; asyncio uses the same number.
const DROPPED_TO_LOG: u32 = 5;

/// Writes that are sent together go out at this size even before the poll ends.
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
            is_served: Cell::new(false),
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

    /// Whether this is a forked child's copy, whose stream belongs to the parent too.
    pub(super) fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    pub(super) fn is_held(&self) -> bool {
        self.is_held.get()
    }

    fn has_flusher(&self) -> bool {
        self.backlog().has_flusher
    }

    // Requests.

    /// Sends as much as the stream accepts now, and queues the rest. Only the first of several
    /// writes in one poll goes out at once. The others go out together: when the poll ends
    /// ([`AfterPoll`]), when a method waits, or when they become large.
    pub(super) fn write(self: &Rc<Self>, data: &[u8]) {
        if self.combines && self.has_written_in_this_poll() {
            return self.write_later(data);
        }
        let is_first = self.backlog().is_idle() && !self.backlog().is_closing();
        let rest = if is_first { self.send_now(data) } else { data };
        self.queue(rest);
        self.start_flusher();
    }

    /// Whether the current poll has already written. Also records that it now has.
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

    /// Sends data that was written in this poll and is still unsent.
    pub(super) fn send_together(self: &Rc<Self>) {
        if self.is_enlisted.get() {
            self.drive_now();
        }
    }

    /// Appends `data` to the queue. Data that comes too late is dropped and counted.
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

    /// Ends the writing, or closes the stream, once all data has been sent.
    pub(super) fn advance(self: &Rc<Self>, phase: Phase) {
        self.advance_backlog(phase);
        self.drive_now();
    }

    /// Like [`advance`](Self::advance), for callers that drive the stream themselves.
    pub(super) fn advance_backlog(&self, phase: Phase) {
        self.reset_if_torn();
        let was_closed = self.phase() == Phase::Closed;
        self.backlog.borrow_mut().advance(phase);
        if self.phase() == Phase::Closed && !was_closed {
            // The queue can no longer be sent.
            self.with_transport(Transport::abort);
        }
    }

    /// Resets the connection after a write that ended half way, so that the peer does not mistake
    /// the part for the whole.
    fn reset_if_torn(&self) {
        if self.is_torn.get() && self.phase() != Phase::Closed {
            let message =
                "a `write_all` or a `send_file` ended half way, so the connection was reset";
            let failure = Failure::Other(ErrorKind::ConnectionAborted, message.to_owned());
            self.stop_flusher();
            drop(self.backlog.borrow_mut().fail(failure));
            // The code that gave up the write knows about the failure.
            drop(self.backlog().failure());
            self.abort();
        }
    }

    /// Does all work that needs no waiting; a flusher does the rest.
    pub(super) fn drive_now(self: &Rc<Self>) {
        if !self.has_flusher() && self.poll_drive(&mut no_context()).is_pending() {
            self.start_flusher();
        }
    }

    /// Drops the queue and closes at once.
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

    /// Ready once the queue is no longer too full.
    pub(super) fn poll_drained(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_until(cx, |backlog| !backlog.is_paused()))?;
        Poll::Ready(self.backlog().outcome())
    }

    /// Ready once the stream has accepted all data.
    pub(super) fn poll_flushed(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_until(cx, |backlog| backlog.is_idle() && !backlog.needs_flush))?;
        Poll::Ready(self.backlog().outcome())
    }

    /// Ready once `phase` has been reached.
    pub(super) fn poll_phase(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<io::Result<()>> {
        self.poll_until(cx, |backlog| backlog.phase() >= phase)
    }

    /// Writes from the caller's memory once the queue is empty.
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

    /// Lets the kernel copy a part of a file once the queue is empty. Returns `None` if the kernel
    /// cannot.
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

    /// Ready once there is no more work.
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

    /// Returns the data that the stream does not accept at once.
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

    /// Records that the connection is lost for writing.
    fn fail(&self, error: &io::Error) {
        let queue = self.backlog.borrow_mut().fail(Failure::of(error));
        drop(queue);
        if self.phase() == Phase::Closed {
            self.with_transport(Transport::abort);
        }
        self.waiter.wake();
    }

    /// Like [`fail`](Self::fail), for callers that return the error.
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

    /// Lends the stream to `f`. Returns `None` if the stream itself is the caller.
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
        // A loop that is ending refuses tasks.
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
        // The child of a fork in the middle of the poll reaches its end too. To ask for the process
        // costs a tenth of the write.
        if !self.is_inherited() {
            self.drive_now();
        }
    }
}

/// If data is still queued, resets the connection, so that the peer does not mistake a part for the
/// whole. A forked child leaves the connection to its parent.
impl Drop for Outgoing {
    fn drop(&mut self) {
        let is_cut_off = self.backlog.get_mut().len() > 0 && !self.is_inherited();
        if let Some(transport) = self.transport.get_mut().as_mut().filter(|_| is_cut_off) {
            transport.as_mut().abort();
        }
    }
}

/// A lent stream. A panic returns it too, but it is not used again.
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

/// The task that sends the queue.
struct Flusher {
    outgoing: Rc<Outgoing>,
}

impl Future for Flusher {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.outgoing.poll_drive(cx)
    }
}

/// The flusher has finished or was cancelled; from now on a waiting task drives the stream.
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

/// Whether an error is the connection's. When a system call reads a file and writes to a
/// connection, other errors may come from the file.
pub(super) fn is_of_connection(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};

    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// A context for attempts that do not wait: it wakes no task.
pub(super) fn no_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
