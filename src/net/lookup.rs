//! Looks up host names. Tasks that want the same name at the same time share one call of the
//! resolver.
//!
//! A call runs as a task of the loop, since a resolver and its future are local. The waiting
//! futures hold only a [`Call`], which is `Send`, so they are `Send` too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{ToSocketAddrs, resolver};
use crate::runtime::{ByNumber, LoopLocal, check_loop, local, wake_guarded};
use crate::task::{self, Task, current_task};

/// Returns the addresses of a host in the order in which to try them, at least one; asyncio's
/// `loop.getaddrinfo`.
///
/// A numeric address is returned at once. A name is looked up by the loop's
/// [`Resolver`](super::Resolver). Unless the loop's builder was given another one, the operating
/// system resolves it on a look-up thread. Concurrent look-ups of the same name and port share one
/// call.
///
/// # Cancel safety
///
/// If dropped before it is ready, it discards the answer. A call of the operating system cannot be
/// stopped: it continues on its thread, and even the end of [`run`](crate::run) does not wait for
/// it.
///
/// # Errors
///
/// `NotFound` if the operating system finds no address, for whatever reason; errors of another
/// resolver keep their kind. `InvalidInput` if `addr` is not an address, for example a text without
/// a port. Also fails if no loop runs here.
///
/// # Examples
///
/// ```
/// use oneloop::net::lookup_host;
///
/// oneloop::run(async {
///     for addr in lookup_host("localhost:80").await? {
///         assert!(addr.ip().is_loopback());
///     }
///     assert_eq!(lookup_host(("::1", 80)).await?[0].to_string(), "[::1]:80");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "getaddrinfo")]
#[doc(alias = "dns")]
pub async fn lookup_host(addr: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    let target = addr.target();
    target.resolve().await
}

/// Asks the loop's resolver.
pub(super) async fn lookup(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    wait_for_call((host, port))?.await
}

type Name = (String, u16);

/// The loop's calls that have no answer yet.
#[derive(Default)]
struct Calls(RefCell<HashMap<Name, Arc<Call>>>);

impl LoopLocal for Calls {}

/// One call of the resolver, as shared by the tasks that wait for it.
#[derive(Default)]
struct Call {
    state: Mutex<State>,
    /// The task that asks the resolver.
    task: OnceLock<Task<()>>,
}

#[derive(Default)]
struct State {
    answer: Option<Result<Vec<SocketAddr>, LookupError>>,
    /// The waiters by number, each with the waker of its last poll. There may be many, so a
    /// waiter that leaves is found by its number.
    waiting: ByNumber<Option<Waker>>,
    next_number: u64,
    /// All waiters have gone. The call is about to end and accepts no more waiters.
    is_abandoned: bool,
}

impl Call {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a waiter. Returns `None` if it is too late.
    fn join(self: &Arc<Self>) -> Option<Waiting> {
        let mut state = self.lock();
        if state.is_abandoned {
            return None;
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.insert(number, None);
        Some(Waiting { call: Arc::clone(self), number })
    }

    fn answer(&self, answer: Result<Vec<SocketAddr>, LookupError>) {
        let mut state = self.lock();
        state.answer = Some(answer);
        let wakers: Vec<_> =
            state.waiting.iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        drop(state);
        wakers.into_iter().for_each(wake_guarded);
    }
}

/// Joins the running call for `name`, or starts a new one.
fn wait_for_call(name: Name) -> io::Result<Waiting> {
    check_loop("look-up of a host")?;
    let Some(calls) = local(Calls::default) else { unreachable!("a loop runs here") };
    let running = calls.0.borrow().get(&name).cloned();
    if let Some(call) = running {
        let asks = call.task.get().map(Task::key);
        if asks.is_some() && asks == current_task().map(|task| task.key()) {
            return Err(io::Error::other(format!(
                "the resolver looks up `{}` in order to resolve it: let it call `SystemResolver`",
                name.0
            )));
        }
        if let Some(waiting) = call.join() {
            return Ok(waiting);
        }
    }
    let call = Arc::<Call>::default();
    let waiting = call.join();
    start(&calls, name, &call);
    Ok(waiting.unwrap_or_else(|| unreachable!("nobody has left yet")))
}

fn start(calls: &Rc<Calls>, name: Name, call: &Arc<Call>) {
    let calling = Calling { calls: Rc::clone(calls), name: name.clone(), call: Arc::clone(call) };
    let (host, port) = name.clone();
    let former = calls.0.borrow_mut().insert(name, Arc::clone(call));
    // An abandoned call. Its task's handle is dropped while nothing is borrowed.
    drop(former);
    let task = task::Builder::new().name(format!("look-up of {host}")).create_task(async move {
        let Some(resolver) = resolver::current() else { unreachable!("this is a task") };
        let resolving = resolver.resolve(&host, port);
        calling.end(resolving.await);
    });
    if call.task.set(task).is_err() {
        unreachable!("a call is started once");
    }
}

/// The task's side of a call. Dropping it leaves an answer in every case.
struct Calling {
    calls: Rc<Calls>,
    name: Name,
    call: Arc<Call>,
}

impl Calling {
    fn end(self, answer: io::Result<Vec<SocketAddr>>) {
        let answer = match answer {
            Ok(addrs) if addrs.is_empty() => {
                Err(io::Error::new(ErrorKind::NotFound, "it has no address"))
            }
            answer => answer,
        };
        self.call.answer(answer.map_err(|error| self.failure(error)));
    }

    fn failure(&self, cause: io::Error) -> LookupError {
        LookupError { host: self.name.0.clone(), cause: Arc::new(cause) }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let mut calls = self.calls.0.borrow_mut();
        if calls.get(&self.name).is_some_and(|call| Arc::ptr_eq(call, &self.call)) {
            calls.remove(&self.name);
        }
        drop(calls);
        if self.call.lock().answer.is_none() {
            let cause = io::Error::other("the look-up panicked or was cancelled");
            self.call.answer(Err(self.failure(cause)));
        }
    }
}

/// Waits for a call's answer.
struct Waiting {
    call: Arc<Call>,
    number: u64,
}

impl Future for Waiting {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Done before locking, because cloning a waker may run user code. So may dropping the
        // former one, which happens after unlocking.
        let waker = cx.waker().clone();
        let mut state = self.call.lock();
        if let Some(answer) = state.answer.clone() {
            return Poll::Ready(answer.map_err(io::Error::from));
        }
        let former = state.waiting.insert(self.number, Some(waker)).flatten();
        drop(state);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.call.lock();
        let waker = state.waiting.remove(self.number);
        let was_last = state.waiting.is_empty() && state.answer.is_none();
        state.is_abandoned |= was_last;
        drop(state);
        drop(waker);
        if let Some(task) = self.call.task.get().filter(|_| was_last) {
            task.cancel();
        }
    }
}

/// Why a name has no addresses. All tasks that wait for a call receive the same error.
#[derive(Debug, Clone)]
struct LookupError {
    host: String,
    cause: Arc<io::Error>,
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot find the host `{}`: {}", self.host, self.cause)
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl From<LookupError> for io::Error {
    fn from(error: LookupError) -> Self {
        Self::new(error.cause.kind(), error)
    }
}
