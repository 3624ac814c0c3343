//! What a `StreamWriter` and the task that sends on its behalf share: the stream, and what waits to be sent.
//!
//! ```text
//!   Open --end--> Ending --(all is sent)--> Ended
//!     \             |                        /
//!      +---close----+-----------------------+--> Closing --(all is sent)--> Closed
//! ```
//!
//! 1. Data goes straight to the stream while nothing waits; else it joins the queue.
//! 2. One task at a time drives the stream: the flusher, which is there as long as something waits. Where no loop can run one,
//!    whoever waits drives it. So the stream's one waker is never taken away from somebody who counts on it.
//! 3. Nothing is borrowed while the stream, or a waker, runs: these may be user code.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use futures_io::AsyncWrite;

use super::buffer::Buffer;
use super::error::Failure;
use super::transport::Transport;
use super::writer_control::LargeWrite;
use crate::runtime::{self, CancelReason, Place, TaskHandle, poll_budget};
use crate::sync::WakerCell;

pub(super) struct Outgoing {
    /// Not there while it is lent to an operation of its own.
    transport: Cell<Option<Pin<Box<dyn Transport>>>>,
    state: RefCell<State>,
    /// Who waits until something has been sent: the writer's methods take it by `&mut`, so there is one at most.
    waiter: WakerCell,
    pub(super) large_write: Cell<LargeWrite>,
    /// Where the writer was made.
    place: Place,
}

pub(super) struct State {
    queue: Buffer,
    phase: Phase,
    /// The stream may keep back some of what it has taken.
    needs_flush: bool,
    /// More than `high` was in the queue, and not yet as little as `low`.
    is_paused: bool,
    high: usize,
    low: usize,
    flusher: Option<TaskHandle>,
    failure: Option<Failure>,
    /// How many writes came too late.
    dropped: u32,
    /// The writer was dropped: a cleanup drives the stream, if something is left to be sent.
    is_left: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    Open,
    Ending,
    Ended,
    Closing,
    Closed,
}

/// What is to be done next.
enum Step {
    Send,
    Flush,
    End,
    Close,
}

pub(super) const HIGH: usize = 64 * 1024;

/// The log hears of writes that are dropped when there are so many; asyncio has the same number.
const DROPPED_TO_LOG: u32 = 5;

impl State {
    fn is_over(&self) -> bool {
        self.phase == Phase::Closed || self.failure.is_some()
    }

    /// More data is of no use.
    fn is_closing(&self) -> bool {
        self.phase >= Phase::Closing || self.failure.is_some()
    }

    /// Nothing waits, and nobody drives the stream.
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.flusher.is_none()
    }

    fn next_step(&self) -> Option<Step> {
        if self.is_over() {
            None
        } else if !self.queue.is_empty() {
            Some(Step::Send)
        } else if self.needs_flush {
            Some(Step::Flush)
        } else {
            match self.phase {
                Phase::Ending => Some(Step::End),
                Phase::Closing => Some(Step::Close),
                Phase::Open | Phase::Ended | Phase::Closed => None,
            }
        }
    }

    fn note_level(&mut self) {
        let len = self.queue.len();
        self.is_paused = len > self.high || (self.is_paused && len > self.low);
    }

    /// Why nothing more can be written.
    fn refusal(&self) -> Option<io::Error> {
        let what = match (&self.failure, self.phase) {
            (Some(failure), _) => return Some(failure.error()),
            (None, Phase::Open) => return None,
            (None, Phase::Ending | Phase::Ended) => "after `write_eof`, nothing can be written",
            (None, Phase::Closing | Phase::Closed) => {
                "the writer is closed: nothing can be written"
            }
        };
        Some(io::Error::new(ErrorKind::BrokenPipe, what))
    }
}

impl Outgoing {
    pub(super) fn new(transport: Pin<Box<dyn Transport>>, place: Place) -> Rc<Self> {
        let state = State {
            queue: Buffer::default(),
            phase: Phase::Open,
            needs_flush: false,
            is_paused: false,
            high: HIGH,
            low: HIGH / 4,
            flusher: None,
            failure: None,
            dropped: 0,
            is_left: false,
        };
        Rc::new(Self {
            transport: Cell::new(Some(transport)),
            state: RefCell::new(state),
            waiter: WakerCell::default(),
            large_write: Cell::default(),
            place,
        })
    }

    // What is asked for.

    /// Sends what the stream takes now, and queues the rest. What comes too late is dropped and counted.
    pub(super) fn write(self: &Rc<Self>, data: &[u8]) {
        if self.is_closing() {
            self.note_dropped();
            return;
        }
        let rest = if self.state.borrow().is_idle() { self.send_now(data) } else { data };
        self.queue(rest);
        self.start_flusher();
    }

    /// Puts `data` behind what waits.
    pub(super) fn queue(&self, data: &[u8]) {
        let mut state = self.state.borrow_mut();
        if !data.is_empty() && !state.is_closing() {
            state.queue.append(data);
            state.note_level();
        }
    }

    /// What is over stays so: no data may follow `write_eof`, and none is sent after `close`.
    pub(super) fn advance(self: &Rc<Self>, phase: Phase) {
        {
            let mut state = self.state.borrow_mut();
            state.phase = state.phase.max(phase);
            if state.failure.is_some() && phase == Phase::Closing {
                state.phase = Phase::Closed;
                drop(state);
                self.with_transport(Transport::abort);
                return;
            }
        }
        self.drive_now();
    }

    /// Does what can be done without waiting; a flusher does the rest.
    pub(super) fn drive_now(self: &Rc<Self>) {
        if self.state.borrow().flusher.is_none()
            && self.poll_drive(&mut Context::from_waker(Waker::noop())).is_pending()
        {
            self.start_flusher();
        }
    }

    /// Drops what waits, and closes at once.
    pub(super) fn abort(&self) {
        self.stop_flusher();
        let queue = {
            let mut state = self.state.borrow_mut();
            state.phase = Phase::Closed;
            state.is_paused = false;
            mem::take(&mut state.queue)
        };
        drop(queue);
        self.with_transport(Transport::abort);
        self.waiter.wake();
    }

    pub(super) fn set_limits(&self, high: usize, low: usize) {
        let mut state = self.state.borrow_mut();
        (state.high, state.low) = (high, low);
        state.note_level();
    }

    // What is known.

    pub(super) fn phase(&self) -> Phase {
        self.state.borrow().phase
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state.borrow().is_closing()
    }

    /// Whether the writer is still there.
    pub(super) fn is_held(&self) -> bool {
        !self.state.borrow().is_left
    }

    pub(super) fn len(&self) -> usize {
        self.state.borrow().queue.len()
    }

    /// How full the queue may be before and after a pause.
    pub(super) fn limits(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.low, state.high)
    }

    pub(super) fn refusal(&self) -> Option<io::Error> {
        self.state.borrow().refusal()
    }

    /// What became of what was written: an error, if some of it was dropped.
    fn outcome(&self) -> io::Result<()> {
        let state = self.state.borrow();
        match &state.failure {
            Some(failure) => Err(failure.error()),
            None if state.dropped > 0 => {
                Err(state.refusal().unwrap_or_else(|| ErrorKind::BrokenPipe.into()))
            }
            None => Ok(()),
        }
    }

    // Waiting.

    /// Ready when the queue is no longer too full.
    pub(super) fn poll_drained(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_until(cx, |state| !state.is_paused))?;
        Poll::Ready(self.outcome())
    }

    /// Ready when the stream has taken all.
    pub(super) fn poll_flushed(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_until(cx, |state| state.is_idle() && !state.needs_flush))?;
        Poll::Ready(self.outcome())
    }

    /// Ready when it has come as far as `phase`.
    pub(super) fn poll_phase(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        phase: Phase,
    ) -> Poll<io::Result<()>> {
        self.poll_until(cx, |state| state.phase >= phase)
    }

    /// Writes from the caller's memory as soon as nothing waits any more.
    pub(super) fn poll_write(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_until(cx, State::is_idle))?;
        if let Some(error) = self.refusal() {
            return Poll::Ready(Err(error));
        }
        let written = match self.with_transport(|transport| transport.poll_write(cx, data)) {
            Some(Poll::Ready(written)) => written.and_then(|len| at_least_one(len, data)),
            Some(Poll::Pending) | None => return Poll::Pending,
        };
        match &written {
            Ok(_) => self.state.borrow_mut().needs_flush = true,
            Err(error) => self.fail(error),
        }
        Poll::Ready(written)
    }

    fn poll_until(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        is_done: impl Fn(&State) -> bool,
    ) -> Poll<io::Result<()>> {
        loop {
            let look = || {
                let state = self.state.borrow();
                match &state.failure {
                    Some(failure) => Some(Err(failure.error())),
                    None => is_done(&state).then_some(Ok(())),
                }
            };
            if let Some(result) = look() {
                return Poll::Ready(result);
            }
            self.waiter.register(cx.waker());
            self.start_flusher();
            if self.state.borrow().flusher.is_some() {
                return look().map_or(Poll::Pending, Poll::Ready);
            }
            ready!(self.poll_drive(cx));
        }
    }

    // Sending.

    /// Ready when there is nothing to do any more.
    pub(super) fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(step) = self.state.borrow().next_step() else { return Poll::Ready(()) };
            let done = match step {
                Step::Send => self.poll_send(cx),
                Step::Flush => self.poll_step(cx, AsyncWrite::poll_flush, |state| {
                    state.needs_flush = false;
                }),
                Step::End => self.poll_step(cx, AsyncWrite::poll_close, |state| {
                    state.phase = state.phase.max(Phase::Ended);
                }),
                Step::Close => self.poll_step(cx, Transport::poll_close_both, |state| {
                    state.phase = Phase::Closed;
                }),
            };
            if let Err(error) = ready!(done) {
                self.fail(&error);
            }
            self.waiter.wake();
        }
    }

    fn poll_step(
        &self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut (dyn Transport + 'static)>, &mut Context<'_>) -> Poll<io::Result<()>>,
        done: impl FnOnce(&mut State),
    ) -> Poll<io::Result<()>> {
        let Some(polled) = self.with_transport(|transport| step(transport, cx)) else {
            return Poll::Pending;
        };
        ready!(polled)?;
        done(&mut self.state.borrow_mut());
        Poll::Ready(Ok(()))
    }

    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(poll_budget(cx));
        let mut queue = mem::take(&mut self.state.borrow_mut().queue);
        let sent = self.with_transport(|transport| transport.poll_write(cx, queue.data()));
        let sent = match sent {
            Some(Poll::Ready(sent)) => sent.and_then(|len| at_least_one(len, queue.data())),
            Some(Poll::Pending) | None => Ok(0),
        };
        queue.consume(*sent.as_ref().unwrap_or(&0));
        if matches!(sent, Ok(0)) || queue.is_empty() {
            queue.park();
        }
        let mut state = self.state.borrow_mut();
        // What came in meanwhile.
        queue.append(state.queue.data());
        state.queue = queue;
        state.note_level();
        match sent {
            Ok(0) => Poll::Pending,
            Ok(_) => {
                state.needs_flush = true;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Returns what the stream does not take at once.
    fn send_now<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        let mut rest = data;
        let send = |mut transport: Pin<&mut (dyn Transport + 'static)>| {
            while !rest.is_empty() {
                match transport.as_mut().try_write(rest) {
                    Poll::Ready(written) => rest = &rest[at_least_one(written?, rest)?..],
                    Poll::Pending => return Ok(Poll::Pending),
                }
            }
            match transport.poll_flush(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(flushed) => flushed.map(Poll::Ready),
                Poll::Pending => Ok(Poll::Pending),
            }
        };
        match self.with_transport(send) {
            Some(Ok(Poll::Ready(()))) | None => {}
            Some(Ok(Poll::Pending)) => self.state.borrow_mut().needs_flush = true,
            Some(Err(error)) => self.fail(&error),
        }
        rest
    }

    /// The connection is lost for writing: nothing of what waits can be sent.
    fn fail(&self, error: &io::Error) {
        let mut state = self.state.borrow_mut();
        state.failure = Some(Failure::of(error));
        state.is_paused = false;
        let queue = mem::take(&mut state.queue);
        let is_closing = state.phase == Phase::Closing;
        if is_closing {
            state.phase = Phase::Closed;
        }
        drop(state);
        drop(queue);
        if is_closing {
            self.with_transport(Transport::abort);
        }
        self.waiter.wake();
    }

    #[cold]
    fn note_dropped(&self) {
        let mut state = self.state.borrow_mut();
        state.dropped = state.dropped.saturating_add(1);
        if state.dropped == DROPPED_TO_LOG {
            let reason = state.refusal();
            drop(state);
            let reason = reason.map_or_else(String::new, |error| error.to_string());
            log::warn!(
                "oneloop: the writes to the `StreamWriter` made at {} are dropped: {reason}; `drain` gives this error",
                self.place
            );
        }
    }

    // The flusher.

    fn start_flusher(self: &Rc<Self>) {
        {
            let state = self.state.borrow();
            if state.flusher.is_some() || state.next_step().is_none() || !runtime::has_loop() {
                return;
            }
        }
        let flusher = Flusher { outgoing: Rc::clone(self) };
        let handle = runtime::create_at(self.place, flusher, None, false);
        // A loop that ends refuses tasks.
        if !handle.is_finished() {
            self.state.borrow_mut().flusher = Some(handle);
        }
    }

    fn stop_flusher(&self) {
        if let Some(flusher) = self.take_flusher() {
            flusher.cancel(CancelReason::Requested);
        }
    }

    fn take_flusher(&self) -> Option<TaskHandle> {
        self.state.borrow_mut().flusher.take()
    }

    /// The writer is dropped: sends what waits in a cleanup of the current task, and ends.
    pub(super) fn leave(self: Rc<Self>) {
        self.stop_flusher();
        {
            let mut state = self.state.borrow_mut();
            state.phase = state.phase.max(Phase::Ending);
            state.is_left = true;
        }
        if self.poll_drive(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        let place = self.place;
        let cleanup = async move {
            poll_fn(|cx| self.poll_drive(cx)).await;
            let failure = self.state.borrow().failure.as_ref().map(Failure::error);
            failure.map(|error| format!("not all that was written could be sent: {error}"))
        };
        runtime::leave_cleanup(Box::pin(cleanup), place);
    }

    // The stream.

    /// `None`: the stream itself is what calls this.
    pub(super) fn with_transport<R>(
        &self,
        f: impl FnOnce(Pin<&mut (dyn Transport + 'static)>) -> R,
    ) -> Option<R> {
        let mut lent = Lent { transport: Some(self.transport.take()?), home: self };
        let result = lent.transport.as_mut().map(|transport| f(transport.as_mut()));
        self.transport.set(lent.transport.take());
        result
    }
}

/// The stream while it is lent. One that panics is not asked again.
struct Lent<'a> {
    transport: Option<Pin<Box<dyn Transport>>>,
    home: &'a Outgoing,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(transport) = self.transport.take() {
            self.home.transport.set(Some(transport));
            let failure = Failure::Other(ErrorKind::Other, "the stream has panicked".to_owned());
            self.home.state.borrow_mut().failure = Some(failure);
        }
    }
}

/// Cut off with data that waits: the peer must not take what it has for all there is.
impl Drop for Outgoing {
    fn drop(&mut self) {
        let is_cut_off = !self.state.get_mut().queue.is_empty();
        if let Some(transport) = self.transport.get_mut().as_mut().filter(|_| is_cut_off) {
            transport.as_mut().abort();
        }
    }
}

fn at_least_one(written: usize, data: &[u8]) -> io::Result<usize> {
    assert!(written <= data.len(), "a stream has written more than it was given");
    if written == 0 { Err(ErrorKind::WriteZero.into()) } else { Ok(written) }
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
