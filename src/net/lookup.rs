//! Looking up the names of hosts: one call of the resolver for all who want the same name at the same time.
//!
//! A call is a task of the loop, since a resolver and its future are local. Those who wait for it hold only a
//! [`Call`], which is `Send`, and so their futures are.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{ToSocketAddrs, resolver};
use crate::runtime::{LoopLocal, check_loop, local, wake_guarded};
use crate::task::{self, Task, current_task};

/// The addresses of a host, at least one, in the order in which they should be tried; asyncio's `loop.getaddrinfo`.
///
/// An address in digits is given back at once. A name is looked up by the loop's [`Resolver`](super::Resolver): by the operating system on
/// a thread for look-ups, if the loop's builder was given no other. Several that look up the same name and port at the same time
/// share one call.
///
/// # Cancel safety
///
/// Dropped before it is ready, it forgets the answer. A call of the operating system cannot be stopped: it goes on, on its
/// thread, and nobody waits for it, the end of [`run`](crate::run) included.
///
/// # Errors
///
/// `NotFound` if the operating system knows no address, for whatever reason; the error of another resolver has its kind. `InvalidInput` for
/// what is no address, as a text without a port. If no loop runs here.
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

/// The calls of a loop that have no answer yet.
#[derive(Default)]
struct Calls(RefCell<HashMap<Name, Arc<Call>>>);

impl LoopLocal for Calls {}

/// One call of the resolver, as those who wait for it have it.
#[derive(Default)]
struct Call {
    state: Mutex<State>,
    /// Who asks the resolver.
    task: OnceLock<Task<()>>,
}

#[derive(Default)]
struct State {
    answer: Option<Result<Vec<SocketAddr>, LookupError>>,
    /// Who waits, each under its number; the waker is that of its last poll. A tree, since a crowd may want one name.
    waiting: BTreeMap<u64, Option<Waker>>,
    next_number: u64,
    /// Everybody has gone. It is on its way to its end, and nobody may join it.
    is_abandoned: bool,
}

impl Call {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more who waits; `None` if it is too late for that.
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
        let wakers: Vec<_> = state.waiting.values_mut().filter_map(Option::take).collect();
        drop(state);
        wakers.into_iter().for_each(wake_guarded);
    }
}

/// The call for `name` that is in progress, or a new one.
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
    // One that was abandoned. Its task's handle is dropped while nothing is borrowed.
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

/// The task's side of a call. Dropped, it leaves an answer in any case.
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

/// Waits for the answer of a call.
struct Waiting {
    call: Arc<Call>,
    number: u64,
}

impl Future for Waiting {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Before the lock: cloning may be user code, and so may dropping the former one be.
        let waker = cx.waker().clone();
        let mut state = self.call.lock();
        if let Some(answer) = state.answer.clone() {
            return Poll::Ready(answer.map_err(io::Error::from));
        }
        let former = state.waiting.get_mut(&self.number).and_then(|place| place.replace(waker));
        drop(state);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.call.lock();
        let waker = state.waiting.remove(&self.number);
        let was_last = state.waiting.is_empty() && state.answer.is_none();
        state.is_abandoned |= was_last;
        drop(state);
        drop(waker);
        if let Some(task) = self.call.task.get().filter(|_| was_last) {
            task.cancel();
        }
    }
}

/// Why a name has no addresses. All who wait for a call get the same.
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
