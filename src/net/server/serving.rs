//! State shared by a server's task and its handle, and the work of the task: it accepts connections
//! and removes those that have ended.

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

/// After this many connections from one listener, other work gets a turn.
const ACCEPTS_MAX: u32 = 32;

/// How long connections that were asked to close may take to send their remaining data before they
/// are reset.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// How long the cleanups of cancelled handlers may take before they are cut off.
const CANCEL_TIME: Duration = Duration::from_secs(1);

pub(super) struct Shared {
    /// Empty once the server is closed.
    pub(super) listening: RefCell<Vec<Listening>>,
    pub(super) connections: Connections,
    pub(super) closing: CancelToken,
    /// A task awaits `serve_forever`.
    pub(super) is_awaited: Cell<bool>,
    /// Some connections did not end by themselves and were ended.
    pub(super) has_ended_some: Cell<bool>,
    options: Options,
    is_closed: Cell<bool>,
    /// Connections that waited in a backlog when the server closed, and have no handler yet.
    waiting: RefCell<VecDeque<Accepted>>,
    /// The process that created the server. A forked child leaves the connections to its parent.
    process: OwnProcess,
    /// Why the server closed by itself.
    failure: Cell<Option<io::Error>>,
    /// Wakes the server's task.
    waker: WakerCell,
    /// Set once the server is closed and no connection is left.
    ended: Event,
}

/// Options that apply to each connection.
pub(super) struct Options {
    /// Where the server was created.
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

    /// Whether this is a forked child's copy, whose listeners and connections belong to the parent
    /// too.
    pub(super) fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    // Requests of the handle.

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Closes the listeners. First takes the connections from their backlogs, so that handlers can
    /// be started for them later.
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

    /// The number of connections, including those without a handler yet.
    pub(super) fn len(&self) -> usize {
        self.connections.len() + self.waiting.borrow().len()
    }

    /// Calls `f` on each connection's control, and closes connections without a handler.
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

    /// Ends the connections, whatever their handlers and peers do, within the times of the named
    /// limits.
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
        // No handler has anything left to wait for. If one waits all the same, the server does not.
        timeout(CANCEL_TIME, self.wait_closed()).await.ok();
    }

    // Work of the task.

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
        // Nothing is borrowed here: dropping a connection is user code, which may close the server.
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
                Poll::Ready(accepted) => listening.went(start(accepted?))?,
                Poll::Pending => return Ok(()),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Starts handlers for connections that the close took from the backlogs.
    fn start_waiting(&self, cx: &mut Context<'_>, start: &Start<'_>) {
        for _ in 0..ACCEPTS_MAX {
            if self.is_full() {
                return;
            }
            let Some(accepted) = self.waiting.borrow_mut().pop_front() else { return };
            // There is no longer a listener that could pause after a failure.
            start(accepted).ok();
        }
        cx.waker().wake_by_ref();
    }

    /// Whether the limit of connections is reached. In that case, the end of a connection wakes the
    /// task.
    fn is_full(&self) -> bool {
        self.connections.len() >= self.options.max_connections
    }

    /// Starts a connection's task. If the connection cannot be registered, reports and returns the
    /// error.
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
        control.set_served();
        let handler = Rc::clone(handler);
        let left = LeftByHandler(control.clone());
        let connection = async move {
            // Dropped last, once the handler has ended, panicked, or was cancelled.
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

/// Keeps a connection counted until the data left by its handler's writer has been sent: dropping
/// this makes the connection's task wait for that.
struct LeftByHandler(Control);

impl Drop for LeftByHandler {
    fn drop(&mut self) {
        let control = self.0.clone();
        if control.is_sending() {
            runtime::leave_wait_for(poll_fn(move |cx| control.poll_left(cx)));
        }
    }
}

/// The server's task. It ends with the last connection, once the server is closed.
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

/// Copies an error: one goes to the task that awaits the server, one into the report.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Starts a connection's task.
type Start<'a> = dyn Fn(Accepted) -> io::Result<()> + 'a;

/// However the task ends, even before it begins, dropping this releases the waiting tasks.
pub(super) struct End(pub(super) Rc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.is_closed.set(true);
        // No task is left to serve a waiting connection.
        drop((self.0.listening.take(), self.0.waiting.take()));
        self.0.ended.set();
    }
}
