//! What a server's task and its handle share, and what the task does: it accepts connections, and sees off those that end.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::closing;
use super::connections::Connections;
use super::listening::{Accepted, Listening};
use crate::io::{StreamReader, StreamWriter};
use crate::net::streams::Control;
use crate::runtime::{
    self, OwnProcess, Place, UnhandledKind, report_accept, report_connection_given_up,
};
use crate::sync::{Event, WakerCell};
use crate::task::{CancelToken, Outcome, Reportable, reportable_error};
use crate::time::timeout;

/// After so many connections from one listener, others have their turn.
const ACCEPTS_MAX: u32 = 32;

/// How long connections that were asked to close may take to send what is left, before they are reset.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How long handlers that were cancelled may take for their cleanups, before these are cut off.
const CANCEL_TIME: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    /// Empty once it is closed.
    pub(super) listening: RefCell<Vec<Listening>>,
    pub(super) connections: Connections,
    pub(super) closing: CancelToken,
    /// Somebody awaits `serve_forever`.
    pub(super) is_awaited: Cell<bool>,
    /// Connections that were left were ended.
    pub(super) has_ended_some: Cell<bool>,
    options: Options,
    is_closed: Cell<bool>,
    /// Connections that waited in a backlog when the server closed, and have no handler yet.
    waiting: RefCell<VecDeque<Accepted>>,
    /// The process that made the server: a forked child leaves the connections to its parent.
    process: OwnProcess,
    /// Why it closed by itself.
    failure: Cell<Option<io::Error>>,
    /// That of the server's task.
    waker: WakerCell,
    /// It is closed, and no connection is left.
    ended: Event,
}

/// What holds for each connection.
pub(super) struct Options {
    /// Where the server was made.
    pub(super) place: Place,
    pub(super) read_limit: Option<usize>,
    pub(super) max_connections: usize,
}

impl Shared {
    #[track_caller]
    pub(super) fn new(listening: Vec<Listening>, options: Options) -> Self {
        Self {
            listening: RefCell::new(listening),
            connections: Connections::new(),
            closing: CancelToken::new(),
            is_awaited: Cell::new(false),
            has_ended_some: Cell::new(false),
            options,
            is_closed: Cell::new(false),
            waiting: RefCell::default(),
            process: runtime::own_process(),
            failure: Cell::new(None),
            waker: WakerCell::default(),
            ended: Event::new(),
        }
    }

    /// Whether this is a forked child's copy: the listeners and connections are its parent's too.
    pub(super) fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    // What the handle asks for.

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Closes the listeners. Connections in their backlogs are taken first, for their handlers to be started later.
    pub(super) fn close(&self) {
        self.close_each(self.listening.take());
        self.waker.wake();
    }

    fn close_each(&self, listening: Vec<Listening>) {
        self.is_closed.set(true);
        if !self.is_inherited() {
            let waiting = listening.into_iter().flat_map(Listening::close);
            self.waiting.borrow_mut().extend(waiting);
        }
    }

    /// How many connections there are, with those that have no handler yet.
    pub(super) fn len(&self) -> usize {
        self.connections.len() + self.waiting.borrow().len()
    }

    /// Does something to the ends of all connections, and closes those that have no handler yet.
    pub(super) fn control_all(&self, f: impl Fn(&Control)) {
        drop(self.waiting.take());
        self.connections.control_all(f);
        self.waker.wake();
    }

    pub(super) async fn wait_closed(&self) {
        self.ended.wait().await;
    }

    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Ends the connections, whatever their handlers and peers do about it; takes no longer than the named times.
    pub(super) async fn end_connections(&self) {
        self.has_ended_some.set(true);
        self.control_all(Control::close);
        if timeout(CLOSE_TIME, self.wait_closed()).await.is_ok() {
            return;
        }
        self.control_all(Control::abort);
        self.connections.cancel_all();
        if timeout(CANCEL_TIME, self.wait_closed()).await.is_ok() {
            return;
        }
        self.connections.cut_off_all();
        // Nothing that they could wait for is left; where one does all the same, it is not waited for.
        timeout(CANCEL_TIME, self.wait_closed()).await.ok();
    }

    // What the task does.

    fn poll(&self, cx: &mut Context<'_>, start: &Start<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        while let Poll::Ready(task) = self.connections.poll_ended(cx) {
            drop(task);
        }
        self.accept(cx, start);
        self.start_waiting(cx, start);
        if self.is_closed() && self.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn accept(&self, cx: &mut Context<'_>, start: &Start<'_>) {
        // Not borrowed meanwhile: a drop of a connection is user code, which may close the server.
        let mut listening = self.listening.take();
        listening.retain_mut(|listening| match self.accept_from(listening, cx, start) {
            Ok(()) => true,
            Err(error) => {
                let reported = copy_of(&error);
                self.failure.set(Some(error));
                report_accept(UnhandledKind::AcceptFailed, listening.to_string(), reported);
                false
            }
        });
        if self.is_closed() || listening.is_empty() {
            self.close_each(listening);
        } else {
            *self.listening.borrow_mut() = listening;
        }
    }

    fn accept_from(
        &self,
        listening: &mut Listening,
        cx: &mut Context<'_>,
        start: &Start<'_>,
    ) -> io::Result<()> {
        for _ in 0..ACCEPTS_MAX {
            if self.is_full() {
                return Ok(());
            }
            match listening.poll(cx) {
                Poll::Ready(accepted) => drop(listening.went(start(accepted?))?),
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Starts handlers for connections that the close has taken from the backlogs.
    fn start_waiting(&self, cx: &mut Context<'_>, start: &Start<'_>) {
        for _ in 0..ACCEPTS_MAX {
            if self.is_full() {
                return;
            }
            let Some(accepted) = self.waiting.borrow_mut().pop_front() else { return };
            // There is no listener any more that could pause after a failure.
            start(accepted).ok();
        }
        cx.waker().wake_by_ref();
    }

    /// Where there is no room for one more, the end of a connection wakes the task.
    fn is_full(&self) -> bool {
        self.connections.len() >= self.options.max_connections
    }

    /// Starts the task of a connection. Fails if it cannot be registered, which is reported.
    fn start<H, R, How>(&self, handler: &Rc<H>, accepted: Accepted) -> io::Result<()>
    where
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: Outcome<Error: Reportable<How>> + 'static,
        How: 'static,
    {
        let Options { place, read_limit, .. } = self.options;
        let (name, peer) = (accepted.to_string(), accepted.peer());
        let (streams, control) = accepted.into_streams(place).inspect_err(|error| {
            report_connection_given_up(peer, name.clone(), copy_of(error));
        })?;
        let handler = Rc::clone(handler);
        let left = LeftByHandler(control.clone());
        let connection = async move {
            // Dropped last, when the handler has ended, panicked, or was cancelled.
            let _left = left;
            let (reader, writer) = streams;
            let reader = match read_limit {
                Some(limit) => reader.with_limit(limit),
                None => reader,
            };
            handler(reader, writer).await
        };
        let task = runtime::create_at(place, connection, Some(name), false);
        task.set_peer(peer);
        task.set_reporter(reportable_error::<R, How>);
        self.connections.add(task, control);
        Ok(())
    }
}

/// A connection counts until what its handler's writer has left is sent: its task waits for that, when this is dropped.
struct LeftByHandler(Control);

impl Drop for LeftByHandler {
    fn drop(&mut self) {
        let control = self.0.clone();
        if control.is_sending() {
            runtime::leave_wait_for(poll_fn(move |cx| control.poll_left(cx)));
        }
    }
}

/// The server's task. It ends with the last connection after the server was closed.
pub(super) async fn serve<H, R, How>(end: End, handler: H)
where
    H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
    R: Outcome<Error: Reportable<How>> + 'static,
    How: 'static,
{
    let End(shared) = &end;
    closing::announce(shared.closing.clone());
    let handler = Rc::new(handler);
    poll_fn(|cx| shared.poll(cx, &|accepted| shared.start(&handler, accepted))).await;
}

/// The same error once more: one for whoever awaits the server, one for the report.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Starts the task of a connection.
type Start<'a> = dyn Fn(Accepted) -> io::Result<()> + 'a;

/// However the task ends, even before it begins, nobody waits for it in vain.
pub(super) struct End(pub(super) Rc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.is_closed.set(true);
        // Nobody is left to serve a connection that waits.
        drop((self.0.listening.take(), self.0.waiting.take()));
        self.0.ended.set();
    }
}
