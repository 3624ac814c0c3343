//! A server's listeners, of any kind, behind one type.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;

use crate::io::{StreamReader, StreamWriter};
use crate::net::accept::{Accepting, AddrOf, Listener, take_waiting};
use crate::net::connection::Addr;
use crate::net::streams::{Control, streams};
use crate::runtime::{Peer, Place};

/// A listener and the state of its accepting.
pub(super) struct Listening(Box<dyn AnyListener>);

/// An accepted connection that no handler serves yet.
pub(super) struct Accepted {
    connection: Box<dyn AnyConnection>,
    peer: Peer,
    /// Where the listener listens. Clients of a Unix socket rarely have an address of their own.
    at: Rc<str>,
}

impl Listening {
    pub(super) fn new<L: Listener + 'static>(listener: L) -> Self {
        let at = listener.place().into();
        Self(Box::new(OfKind { listener, accepting: Accepting::default(), at }))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        self.0.poll(cx)
    }

    /// Records the result of registering a connection. The caller reports a failure; here it causes
    /// a pause.
    pub(super) fn went(&mut self, registered: io::Result<()>) -> io::Result<()> {
        self.0.went(registered)
    }

    /// Stops listening, and returns the connections that were waiting to be accepted.
    pub(super) fn close(self) -> Vec<Accepted> {
        self.0.close()
    }

    /// Returns `None` for a Unix socket.
    pub(super) fn tcp_socket(&self) -> Option<SockRef<'_>> {
        self.0.tcp_socket()
    }

    /// Returns `None` for a Unix socket.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp_socket()?.local_addr().ok()?.as_socket()
    }
}

/// Displays where it listens, for messages.
impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.at())
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The methods of [`Listening`].
trait AnyListener {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>>;
    fn went(&mut self, registered: io::Result<()>) -> io::Result<()>;
    fn close(self: Box<Self>) -> Vec<Accepted>;
    fn tcp_socket(&self) -> Option<SockRef<'_>>;
    fn at(&self) -> &str;
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

struct OfKind<L> {
    listener: L,
    accepting: Accepting,
    at: Rc<str>,
}

impl<L: Listener + 'static> AnyListener for OfKind<L> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let (accepted, addr) = ready!(self.accepting.poll(&self.listener, cx))?;
        Poll::Ready(Ok(Accepted::new::<L>(accepted, addr, &self.at)))
    }

    fn went(&mut self, registered: io::Result<()>) -> io::Result<()> {
        self.accepting.went(registered, &self.listener).map(drop)
    }

    fn close(mut self: Box<Self>) -> Vec<Accepted> {
        let waiting = take_waiting(&mut self.listener).into_iter();
        waiting.map(|(accepted, addr)| Accepted::new::<L>(accepted, addr, &self.at)).collect()
    }

    fn tcp_socket(&self) -> Option<SockRef<'_>> {
        self.listener.tcp_socket()
    }

    fn at(&self) -> &str {
        &self.at
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.listener.fmt(f)
    }
}

impl Accepted {
    fn new<L: Listener + 'static>(accepted: L::Accepted, addr: AddrOf<L>, at: &Rc<str>) -> Self {
        let connection = Box::new(Unregistered::<L>(accepted));
        Self { connection, peer: Peer { addr: addr.ip() }, at: Rc::clone(at) }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn into_streams(
        self,
        place: Place,
    ) -> io::Result<((StreamReader, StreamWriter), Control)> {
        self.connection.into_streams(place)
    }
}

/// Displays the connection's name, for messages.
impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer.addr {
            Some(addr) => write!(f, "connection from {addr}"),
            None => write!(f, "connection at {}", self.at),
        }
    }
}

/// The connections that listeners of all kinds accept.
trait AnyConnection {
    fn into_streams(
        self: Box<Self>,
        place: Place,
    ) -> io::Result<((StreamReader, StreamWriter), Control)>;
}

struct Unregistered<L: Listener>(L::Accepted);

impl<L: Listener + 'static> AnyConnection for Unregistered<L> {
    fn into_streams(
        self: Box<Self>,
        place: Place,
    ) -> io::Result<((StreamReader, StreamWriter), Control)> {
        Ok(streams(L::register(self.0)?, place))
    }
}
