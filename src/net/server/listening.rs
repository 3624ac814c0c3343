//! A server's listeners, of either kind.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net as unix;
use std::task::{Context, Poll, ready};

use socket2::SockRef;

use crate::io::{StreamReader, StreamWriter};
use crate::net::accept::{Accepting, Listener, take_waiting};
use crate::net::streams::{Control, streams};
use crate::net::unix::name_of;
use crate::net::{TcpListener, UnixListener};
use crate::runtime::{Peer, Place};

/// A listener and the state of its accepting.
pub(super) struct Listening {
    listener: AnyListener,
    accepting: Accepting,
}

enum AnyListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// An accepted connection that no handler serves yet.
pub(super) enum Accepted {
    Tcp(<TcpListener as Listener>::Accepted, SocketAddr),
    /// With the listener's address, since clients rarely have one.
    Unix(<UnixListener as Listener>::Accepted, Option<unix::SocketAddr>),
}

impl Listening {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match &self.listener {
            AnyListener::Tcp(listener) => {
                let accepted = ready!(self.accepting.poll(listener, cx));
                Poll::Ready(accepted.map(|(accepted, addr)| Accepted::Tcp(accepted, addr)))
            }
            AnyListener::Unix(listener) => {
                let accepted = ready!(self.accepting.poll(listener, cx));
                Poll::Ready(accepted.map(|(accepted, _)| unix_accepted(accepted, listener)))
            }
        }
    }

    /// Records the result of registering a connection. The caller reports a failure; here it causes
    /// a pause.
    pub(super) fn went<T>(&mut self, registered: io::Result<T>) -> io::Result<Option<T>> {
        match &self.listener {
            AnyListener::Tcp(listener) => self.accepting.went(registered, listener),
            AnyListener::Unix(listener) => self.accepting.went(registered, listener),
        }
    }

    /// Stops listening, and returns the connections that were waiting to be accepted.
    pub(super) fn close(self) -> Vec<Accepted> {
        match self.listener {
            AnyListener::Tcp(mut listener) => {
                let waiting = take_waiting(&mut listener).into_iter();
                waiting.map(|(accepted, addr)| Accepted::Tcp(accepted, addr)).collect()
            }
            AnyListener::Unix(mut listener) => {
                let waiting = take_waiting(&mut listener).into_iter();
                waiting.map(|(accepted, _)| unix_accepted(accepted, &listener)).collect()
            }
        }
    }

    /// Returns `None` for a Unix socket.
    pub(super) fn tcp_socket(&self) -> Option<SockRef<'_>> {
        match &self.listener {
            AnyListener::Tcp(listener) => Some(SockRef::from(listener)),
            AnyListener::Unix(_) => None,
        }
    }

    /// Returns `None` for a Unix socket.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listener {
            AnyListener::Tcp(listener) => listener.local_addr().ok(),
            AnyListener::Unix(_) => None,
        }
    }
}

fn unix_accepted(
    accepted: <UnixListener as Listener>::Accepted,
    listener: &UnixListener,
) -> Accepted {
    Accepted::Unix(accepted, listener.local_addr().ok())
}

/// Displays where it listens, for messages.
impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match &self.listener {
            AnyListener::Tcp(listener) => listener.place(),
            AnyListener::Unix(listener) => listener.place(),
        })
    }
}

impl From<TcpListener> for Listening {
    fn from(listener: TcpListener) -> Self {
        Self { listener: AnyListener::Tcp(listener), accepting: Accepting::default() }
    }
}

impl From<UnixListener> for Listening {
    fn from(listener: UnixListener) -> Self {
        Self { listener: AnyListener::Unix(listener), accepting: Accepting::default() }
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listener {
            AnyListener::Tcp(listener) => listener.fmt(f),
            AnyListener::Unix(listener) => listener.fmt(f),
        }
    }
}

impl Accepted {
    pub(super) fn peer(&self) -> Peer {
        let addr = match self {
            Self::Tcp(_, addr) => Some(*addr),
            Self::Unix(..) => None,
        };
        Peer { addr }
    }

    pub(super) fn into_streams(
        self,
        place: Place,
    ) -> io::Result<((StreamReader, StreamWriter), Control)> {
        Ok(match self {
            Self::Tcp(accepted, _) => streams(TcpListener::register(accepted)?, place),
            Self::Unix(accepted, _) => streams(UnixListener::register(accepted)?, place),
        })
    }
}

/// Displays the connection's name, for messages.
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, addr) => write!(f, "connection from {addr}"),
            Self::Unix(_, addr) => write!(f, "connection at {}", name_of(addr.as_ref())),
        }
    }
}
