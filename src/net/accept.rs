//! Accepting connections, with listeners of both kinds: what passes by itself is waited out.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM, EPROTO};

use super::TcpListener;
use super::connection::ByteStream;
use crate::runtime::{Direction, EventSource, Level, Moved, Registration, log_line};
use crate::time::{Sleep, sleep};

/// A listener of either kind, for what serves both.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps `Incoming` to the listeners that there are")]
pub trait Listener {
    /// What is registered.
    type Socket: EventSource + Send + Sync + 'static;
    /// A connection that is not registered yet.
    type Accepted;
    /// One that is.
    type Stream: ByteStream;

    /// The socket.
    fn registration(&self) -> &Registration<Self::Socket>;

    /// Takes a connection from the backlog.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    fn take(io: &Self::Socket) -> io::Result<(Self::Accepted, <Self::Stream as ByteStream>::Addr)>;

    /// Registers it.
    ///
    /// # Errors
    ///
    /// Those of the kernel.
    fn register(accepted: Self::Accepted) -> io::Result<Self::Stream>;
}

/// The address of a listener's peers.
type AddrOf<L> = <<L as Listener>::Stream as ByteStream>::Addr;

/// Waits for a connection, also until there are descriptors for it.
pub(super) async fn accept<L: Listener>(listener: &L) -> io::Result<(L::Stream, AddrOf<L>)> {
    let mut patience = Patience::default();
    loop {
        match listener.registration().when_ready(Direction::Read, take::<L>).await {
            Ok((accepted, addr)) => return Ok((L::register(accepted)?, addr)),
            Err(error) => {
                if let Some(pause) = patience.with(error)? {
                    sleep(pause).await;
                }
            }
        }
    }
}

fn take<L: Listener>(io: &L::Socket) -> io::Result<Moved<(L::Accepted, AddrOf<L>)>> {
    L::take(io).map(|value| Moved { value, is_short: false })
}

/// Accepting that waits by polls.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    patience: Patience,
    pause: Option<Sleep>,
}

impl Accepting {
    /// Ready with a connection that is not registered yet, or with an error that will not pass.
    pub(super) fn poll<L: Listener>(
        &mut self,
        listener: &L,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(L::Accepted, AddrOf<L>)>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(Pin::new(pause).poll(cx));
                self.pause = None;
            }
            match ready!(listener.registration().poll_io(Direction::Read, cx, take::<L>)) {
                Ok(accepted) => {
                    self.patience = Patience::default();
                    return Poll::Ready(Ok(accepted));
                }
                Err(error) => self.pause = self.patience.with(error)?.map(sleep),
            }
        }
    }
}

/// The connections of a listener, one after the other; see [`TcpListener::incoming`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a, L = TcpListener> {
    listener: &'a L,
    accepting: Accepting,
}

impl<'a, L: Listener> Incoming<'a, L> {
    pub(super) fn new(listener: &'a L) -> Self {
        Self { listener, accepting: Accepting::default() }
    }

    /// The next connection. Never `None`.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, it has accepted nothing.
    pub async fn next(&mut self) -> Option<io::Result<L::Stream>> {
        Some(accept(self.listener).await.map(|(stream, _addr)| stream))
    }
}

impl<L: Listener> Stream for Incoming<'_, L> {
    type Item = io::Result<L::Stream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let accepted = ready!(this.accepting.poll(this.listener, cx));
        Poll::Ready(Some(accepted.and_then(|(accepted, _addr)| L::register(accepted))))
    }
}

/// What to do about an error of `accept`: some pass by themselves.
#[derive(Debug)]
struct Patience {
    next_pause: Duration,
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

impl Default for Patience {
    fn default() -> Self {
        Self { next_pause: FIRST_PAUSE }
    }
}

impl Patience {
    /// `Some`: try again after a pause. `None`: at once. The error, if it is to be seen.
    fn with(&mut self, error: io::Error) -> io::Result<Option<Duration>> {
        if is_of_one_connection(&error) {
            return Ok(None);
        }
        if !is_exhaustion(&error) {
            return Err(error);
        }
        let pause = self.next_pause;
        if pause == FIRST_PAUSE {
            let line = format!(
                "cannot accept connections for the moment, they wait in the backlog: {error}"
            );
            log_line(Level::Warn, &line);
        }
        self.next_pause = (pause * 2).min(LAST_PAUSE);
        Ok(Some(pause))
    }
}

/// The connection in front of the queue had failed already. Linux gives its network errors here (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NetworkDown
            | ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
    ) || error.raw_os_error() == Some(EPROTO)
}

/// The process or the system has no room for one more connection now.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS | ENOMEM))
}
