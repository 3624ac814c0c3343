//! The addresses that workers share. This module knows nothing of their listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};

/// The address chosen for each request.
#[derive(Default)]
pub(super) struct Addrs(Mutex<Vec<Decided>>);

struct Decided {
    asked: Asked,
    addr: SocketAddr,
}

/// An address as a worker asks for it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Asked {
    addrs: Vec<SocketAddr>,
    /// How many times the worker has listened there before. A free port is a different one each
    /// time.
    times: usize,
}

/// The addresses that one worker listens on.
#[derive(Default)]
pub(super) struct Listening(Mutex<Vec<Vec<SocketAddr>>>);

impl Listening {
    pub(super) fn ask(&self, addrs: &[SocketAddr]) -> Asked {
        let mut all = lock(&self.0);
        let wants_free_port = addrs.iter().any(|addr| addr.port() == 0);
        let times = all.iter().filter(|former| *former == addrs).count();
        if wants_free_port {
            all.push(addrs.to_vec());
        }
        Asked { addrs: addrs.to_vec(), times }
    }

    /// The listener could not be made.
    pub(super) fn take_back(&self, asked: &Asked) {
        let mut all = lock(&self.0);
        if let Some(index) = all.iter().rposition(|addrs| *addrs == asked.addrs) {
            all.swap_remove(index);
        }
    }
}

impl Addrs {
    /// Returns the address on which all workers that make the same request listen. The first worker
    /// chooses it, and makes sure that no other program listens there: sharing a port with another
    /// program by mistake is hard to notice.
    pub(super) fn decide(&self, asked: &Asked) -> io::Result<SocketAddr> {
        let mut all = lock(&self.0);
        if let Some(decided) = all.iter().find(|decided| decided.asked == *asked) {
            return Ok(decided.addr);
        }
        let mut failure = io::Error::other("there is no address to listen at");
        for &addr in &asked.addrs {
            match probe(addr) {
                Ok(addr) => {
                    all.push(Decided { asked: asked.clone(), addr });
                    return Ok(addr);
                }
                Err(error) => {
                    let message = format!("cannot listen at {addr}: {error}");
                    failure = io::Error::new(error.kind(), message);
                }
            }
        }
        Err(failure)
    }
}

/// Binds the address briefly and exclusively, without listening, so no connection can arrive and be
/// lost.
fn probe(addr: SocketAddr) -> io::Result<SocketAddr> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    let addr = socket.local_addr()?.as_socket();
    addr.ok_or_else(|| io::Error::other("the socket is bound to no address of the internet"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
