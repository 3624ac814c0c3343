//! The listeners of a server, of either kind.

use std::fmt::{self, Display as _};
use std::io;
use std::net::SocketAddr;
use std::os::unix::net as unix;
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::io::{StreamReader, StreamWriter};
use crate::net::accept::{Accepting, Listener};
use crate::net::streams::{Control, streams};
use crate::net::{TcpListener, UnixListener};
use crate::runtime::Place;

/// A listener that accepts.
pub(super) struct Listening {
    listener: AnyListener,
    accepting: Accepting,
}

enum AnyListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that nobody serves yet.
pub(super) enum Accepted {
    Tcp(<TcpListener as Listener>::Accepted, SocketAddr),
    /// With the address of the listener: clients rarely have one.
    Unix(<UnixListener as Listener>::Accepted, Option<unix::SocketAddr>),
}

impl Listening {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match &self.listener {
            AnyListener::Tcp(listener) => {
                let accepted = self.accepting.poll(listener, cx);
                accepted.map_ok(|(accepted, addr)| Accepted::Tcp(accepted, addr))
            }
            AnyListener::Unix(listener) => {
                let accepted = self.accepting.poll(listener, cx);
                accepted
                    .map_ok(|(accepted, _)| Accepted::Unix(accepted, listener.local_addr().ok()))
            }
        }
    }

    /// `None` if it is a Unix socket.
    pub(super) fn tcp_socket(&self) -> Option<SockRef<'_>> {
        match &self.listener {
            AnyListener::Tcp(listener) => Some(SockRef::from(listener)),
            AnyListener::Unix(_) => None,
        }
    }

    /// `None` if it is a Unix socket.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match &self.listener {
            AnyListener::Tcp(listener) => listener.local_addr().ok(),
            AnyListener::Unix(_) => None,
        }
    }
}

/// Where it listens, for messages.
impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listener {
            AnyListener::Tcp(listener) => match listener.local_addr() {
                Ok(addr) => addr.fmt(f),
                Err(_) => f.write_str("a TCP socket"),
            },
            AnyListener::Unix(listener) => write_path(f, listener.local_addr().ok().as_ref()),
        }
    }
}

fn write_path(f: &mut fmt::Formatter<'_>, addr: Option<&unix::SocketAddr>) -> fmt::Result {
    match addr.and_then(unix::SocketAddr::as_pathname) {
        Some(path) => path.display().fmt(f),
        None => f.write_str("a Unix socket"),
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

/// What it is called in messages.
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(_, addr) => write!(f, "connection from {addr}"),
            Self::Unix(_, addr) => {
                f.write_str("connection at ")?;
                write_path(f, addr.as_ref())
            }
        }
    }
}
