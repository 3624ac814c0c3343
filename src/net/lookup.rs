//! Looking up the name of a host, on a thread of its own.

use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

/// Where the thread leaves the answer. If the future is dropped first, the answer goes unread.
#[derive(Default)]
struct Answer {
    addrs: Option<io::Result<Vec<SocketAddr>>>,
    waker: Option<Waker>,
}

/// Asks the operating system's resolver for the addresses of `host`.
///
/// Each look-up in progress has a thread: one that hangs delays no other.
pub(super) async fn lookup(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    let answer = Arc::new(Mutex::new(Answer::default()));
    let to_fill = Arc::clone(&answer);
    thread::Builder::new().name("oneloop-lookup".to_owned()).spawn(move || {
        let addrs = resolve(&host, port);
        let mut answer = lock(&to_fill);
        answer.addrs = Some(addrs);
        let waker = answer.waker.take();
        drop(answer);
        if let Some(waker) = waker {
            waker.wake();
        }
    })?;
    poll_fn(|cx| {
        let waker = cx.waker().clone();
        let mut answer = lock(&answer);
        if let Some(addrs) = answer.addrs.take() {
            return Poll::Ready(addrs);
        }
        answer.waker = Some(waker);
        Poll::Pending
    })
    .await
}

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let unknown = |error: &dyn Display| {
        io::Error::new(io::ErrorKind::NotFound, format!("cannot find the host `{host}`: {error}"))
    };
    let addrs: Vec<_> = (host, port).to_socket_addrs().map_err(|error| unknown(&error))?.collect();
    if addrs.is_empty() { Err(unknown(&"it has no address")) } else { Ok(addrs) }
}

fn lock(answer: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}
