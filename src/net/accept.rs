//! Accepts connections, for listeners of both kinds. Transient errors are waited out.

use std::fmt;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use socket2::SockRef;

use super::TcpListener;
use super::connection::ByteStream;
use crate::runtime::{Direction, Moved, Registration, UnhandledKind, report_accept};
use crate::sys::edges::EventSource;
use crate::sys::errors::{Trouble, trouble};
use crate::sys::sockets::{AsSocket, is_listening, is_readable};
use crate::time::{Sleep, sleep};

/// A listener of either kind, for code that serves both.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps `Incoming` to the listeners that there are")]
pub trait Listener: fmt::Debug {
    /// The type that is registered.
    type Socket: EventSource + AsSocket + Send + Sync + 'static;
    /// A connection that is not registered yet.
    type Accepted: 'static;
    /// A registered connection.
    type Stream: ByteStream + 'static;

    /// Returns the registered socket.
    fn registration(&self) -> &Registration<Self::Socket>;

    /// Returns where it listens, for messages.
    fn place(&self) -> String;

    /// Returns the socket to set options of TCP on. `None` for a Unix socket.
    fn tcp_socket(&self) -> Option<SockRef<'_>> {
        None
    }

    /// Hides the listener from new peers, where that is possible before it closes.
    fn hide(&mut self) {}

    /// Takes a connection from the backlog.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    fn take(io: &Self::Socket) -> io::Result<(Self::Accepted, <Self::Stream as ByteStream>::Addr)>;

    /// Registers a connection.
    ///
    /// # Errors
    ///
    /// Any error of the kernel.
    fn register(accepted: Self::Accepted) -> io::Result<Self::Stream>;
}

/// The address of a listener's peers.
pub(super) type AddrOf<L> = <<L as Listener>::Stream as ByteStream>::Addr;

/// Waits for a connection and, if necessary, for a free descriptor.
pub(super) async fn accept<L: Listener>(listener: &L) -> io::Result<(L::Stream, AddrOf<L>)> {
    let mut patience = Patience::default();
    loop {
        let accepted = listener.registration().when_ready(Direction::Read, take::<L>).await;
        let registered = accepted
            .and_then(|(accepted, addr)| L::register(accepted).map(|stream| (stream, addr)));
        match registered {
            Ok(connection) => return Ok(connection),
            Err(error) => {
                if let Some(pause) = patience.with(error, listener)? {
                    sleep(pause).await;
                }
            }
        }
    }
}

fn take<L: Listener>(io: &L::Socket) -> io::Result<Moved<(L::Accepted, AddrOf<L>)>> {
    L::take(io).map(|value| Moved { value, is_short: false })
}

/// The state of accepting by polls.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    patience: Patience,
    pause: Option<Sleep>,
}

impl Accepting {
    /// Ready with a connection that is not registered yet, or with a permanent error. The caller
    /// then registers the connection and passes the result to [`went`](Self::went).
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
                Ok(accepted) => return Poll::Ready(Ok(accepted)),
                Err(error) => self.failed(error, listener)?,
            }
        }
    }

    /// Records the result of registering an accepted connection. Returns the value, or `None` if
    /// another attempt may succeed.
    ///
    /// # Errors
    ///
    /// Any permanent error.
    pub(super) fn went<T>(
        &mut self,
        registered: io::Result<T>,
        listener: &impl Listener,
    ) -> io::Result<Option<T>> {
        match registered {
            Ok(value) => {
                self.patience = Patience::default();
                Ok(Some(value))
            }
            Err(error) => self.failed(error, listener).map(|()| None),
        }
    }

    fn failed(&mut self, error: io::Error, listener: &impl Listener) -> io::Result<()> {
        self.pause = self.patience.with(error, listener)?.map(sleep);
        Ok(())
    }

    /// Ready with the next connection, or with a permanent error.
    fn poll_next<L: Listener>(
        &mut self,
        listener: &L,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(L::Stream, AddrOf<L>)>> {
        loop {
            let (accepted, addr) = ready!(self.poll(listener, cx))?;
            if let Some(stream) = self.went(L::register(accepted), listener)? {
                return Poll::Ready(Ok((stream, addr)));
            }
        }
    }
}

/// The state of a listener's `poll_accept`, which takes a shared reference.
#[derive(Default)]
pub(super) struct SharedAccepting(Mutex<Accepting>);

impl SharedAccepting {
    /// See [`Accepting::poll_next`].
    pub(super) fn poll_next<L: Listener>(
        &self,
        listener: &L,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(L::Stream, AddrOf<L>)>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The poll may run foreign code, which must not find a lock.
        let mut accepting = mem::take(&mut *lock());
        let polled = accepting.poll_next(listener, cx);
        *lock() = accepting;
        polled
    }
}

/// Takes the connections that wait in the backlog right now, for a listener that is about to close.
/// Their peers are connected and may already have sent data.
pub(super) fn take_waiting<L: Listener>(listener: &mut L) -> Vec<(L::Accepted, AddrOf<L>)> {
    listener.hide();
    let io = listener.registration().io();
    let mut waiting = Vec::new();
    for _ in 0..WAITING_MAX {
        // A duplicate of the socket, perhaps in another process, may have set it to blocking mode,
        // and closing must never wait.
        if !is_readable(io) {
            break;
        }
        match L::take(io) {
            Ok(accepted) => waiting.push(accepted),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if trouble(&error, || is_listening(io)) == Trouble::OfOneConnection => {}
            // The backlog is empty, or there is no room for more connections.
            Err(_) => break,
        }
    }
    waiting
}

/// How many attempts [`take_waiting`] makes, in case peers connect as fast as it accepts. By
/// default, Linux limits a backlog to 4096.
const WAITING_MAX: usize = 65_536;

/// A listener's connections, one after the other; see [`TcpListener::incoming`].
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

    /// Returns the next connection. Never `None`.
    ///
    /// # Cancel safety
    ///
    /// If dropped before it is ready, it has accepted nothing.
    pub async fn next(&mut self) -> Option<io::Result<L::Stream>> {
        Some(accept(self.listener).await.map(|(stream, _addr)| stream))
    }
}

impl<L: Listener> Stream for Incoming<'_, L> {
    type Item = io::Result<L::Stream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { listener, accepting } = &mut *self;
        let polled = ready!(accepting.poll_next(*listener, cx));
        Poll::Ready(Some(polled.map(|(stream, _addr)| stream)))
    }
}

/// A listener as an owned stream of its connections; see [`TcpListener::into_incoming`].
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct IntoIncoming<L = TcpListener> {
    listener: L,
    accepting: Accepting,
}

impl<L: Listener> IntoIncoming<L> {
    pub(super) fn new(listener: L) -> Self {
        Self { listener, accepting: Accepting::default() }
    }

    /// The listener.
    pub fn get_ref(&self) -> &L {
        &self.listener
    }

    /// Returns the listener.
    pub fn into_inner(self) -> L {
        self.listener
    }
}

impl<L: Listener + Unpin> Stream for IntoIncoming<L> {
    type Item = io::Result<L::Stream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { listener, accepting } = &mut *self;
        let polled = ready!(accepting.poll_next(listener, cx));
        Poll::Ready(Some(polled.map(|(stream, _addr)| stream)))
    }
}

/// Decides what to do about errors of `accept`, most of which are transient.
#[derive(Debug)]
struct Patience {
    next_pause: Duration,
    /// How many connections in a row had failed.
    failed: u32,
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// After this many failed connections in a row, it pauses: a filter of the system may refuse each
/// of them without removing it from the backlog.
const FAILED_MAX: u32 = 64;

impl Default for Patience {
    fn default() -> Self {
        Self { next_pause: FIRST_PAUSE, failed: 0 }
    }
}

impl Patience {
    /// Returns `Some` to try again after a pause, `None` to try again at once, or the error if it
    /// is permanent.
    fn with(&mut self, error: io::Error, listener: &impl Listener) -> io::Result<Option<Duration>> {
        match trouble(&error, || is_listening(listener.registration().io())) {
            Trouble::Lasting => return Err(error),
            Trouble::OfOneConnection if self.failed < FAILED_MAX => {
                self.failed += 1;
                return Ok(None);
            }
            Trouble::OfOneConnection | Trouble::Passing => {}
        }
        let pause = self.next_pause;
        if pause == FIRST_PAUSE {
            report_accept(UnhandledKind::AcceptPaused, listener.place(), error);
        }
        self.next_pause = (pause * 2).min(LAST_PAUSE);
        Ok(Some(pause))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;
    use std::env;
    use std::future::poll_fn;
    use std::net;
    use std::process;

    use mio::net::TcpListener as ListenerSocket;

    use nix::errno::Errno;

    use super::*;
    use crate::net::{UnixListener, UnixStream};
    use crate::runtime::Builder;
    use crate::time::{now, timeout};

    thread_local! {
        /// The errors that `accept` returns before it succeeds.
        static SCRIPT: RefCell<VecDeque<Errno>> = const { RefCell::new(VecDeque::new()) };
    }

    /// A TCP listener whose `accept` fails according to the script.
    #[derive(Debug)]
    struct Scripted(TcpListener);

    impl Listener for Scripted {
        type Socket = ListenerSocket;
        type Accepted = <TcpListener as Listener>::Accepted;
        type Stream = <TcpListener as Listener>::Stream;

        fn registration(&self) -> &Registration<ListenerSocket> {
            self.0.registration()
        }

        fn place(&self) -> String {
            self.0.place()
        }

        fn take(io: &ListenerSocket) -> io::Result<(Self::Accepted, AddrOf<Self>)> {
            match SCRIPT.with_borrow_mut(VecDeque::pop_front) {
                Some(errno) => Err(errno.into()),
                None => TcpListener::take(io),
            }
        }

        fn register(accepted: Self::Accepted) -> io::Result<Self::Stream> {
            TcpListener::register(accepted)
        }
    }

    /// Runs `test` in virtual time, with a listener at which a client waits.
    fn with_client<T>(script: &[Errno], test: impl AsyncFnOnce(Scripted) -> T) -> T {
        SCRIPT.set(script.iter().copied().collect());
        Builder::new().virtual_time(true).run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let _client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            test(Scripted(listener)).await
        })
    }

    const OF_ONE: [Errno; 15] = [
        Errno::ECONNABORTED,
        Errno::ECONNRESET,
        Errno::EHOSTDOWN,
        Errno::EHOSTUNREACH,
        Errno::EINVAL,
        Errno::ENETDOWN,
        Errno::ENETUNREACH,
        Errno::ENOPROTOOPT,
        Errno::EOPNOTSUPP,
        Errno::EPERM,
        Errno::EPROTO,
        Errno::EPROTONOSUPPORT,
        Errno::ESOCKTNOSUPPORT,
        Errno::ETIMEDOUT,
        Errno::EINTR,
    ];

    #[test]
    fn a_connection_that_had_failed_is_passed_over_at_once() {
        with_client(&OF_ONE, async |listener| {
            let start = now();
            accept(&listener).await.unwrap();
            assert_eq!(now(), start, "without a pause");
        });
    }

    #[test]
    fn what_a_server_sees_first_is_passed_over_as_well() {
        with_client(&OF_ONE, async |listener| {
            let start = now();
            let mut accepting = Accepting::default();
            poll_fn(|cx| accepting.poll(&listener, cx)).await.unwrap();
            assert_eq!(now(), start, "without a pause");
        });
    }

    #[test]
    fn each_error_that_may_pass_is_waited_out() {
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, Errno::ENOSR] {
            with_client(&[errno, errno], async |listener| {
                let start = now();
                accept(&listener).await.unwrap();
                assert_eq!(now() - start, 3 * FIRST_PAUSE, "{errno}");
            });
        }
        // An error that means nothing today is waited out too.
        with_client(&[Errno::EXDEV], async |listener| {
            accept(&listener).await.unwrap();
        });
    }

    #[test]
    fn a_lasting_error_is_seen() {
        for errno in [Errno::EBADF, Errno::ENOTSOCK, Errno::EFAULT] {
            with_client(&[errno], async |listener| {
                let error = accept(&listener).await.map(drop).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(errno as i32));
            });
        }
    }

    #[test]
    fn a_filter_that_refuses_every_connection_does_not_keep_the_loop_busy() {
        with_client(&[Errno::EPERM; 100], async |listener| {
            let start = now();
            accept(&listener).await.unwrap();
            // 64 attempts at once, and 36 with pauses that grow to a second.
            let pauses: Duration =
                (0..36).map(|n| (FIRST_PAUSE * (1 << n.min(7))).min(LAST_PAUSE)).sum();
            assert_eq!(now() - start, pauses);
        });
    }

    #[test]
    fn patience_is_as_great_as_ever_after_a_success() {
        with_client(&[Errno::EMFILE], async |listener| {
            let mut accepting = Accepting::default();
            let (accepted, _) = poll_fn(|cx| accepting.poll(&listener, cx)).await.unwrap();
            assert_eq!(accepting.patience.next_pause, 2 * FIRST_PAUSE);
            let registered = TcpListener::register(accepted);
            assert!(accepting.went(registered, &listener).unwrap().is_some());
            assert_eq!(accepting.patience.next_pause, FIRST_PAUSE);
            let full = io::Error::from(Errno::ENOSPC);
            assert!(accepting.went::<()>(Err(full), &listener).unwrap().is_none());
            assert!(accepting.pause.is_some());
        });
    }

    #[test]
    fn what_waits_is_taken_past_connections_that_had_failed() {
        with_client(&[Errno::ECONNABORTED, Errno::EINTR], async |mut listener| {
            assert_eq!(take_waiting(&mut listener).len(), 1);
            assert_eq!(take_waiting(&mut listener).len(), 0);
            SockRef::from(listener.registration().io()).set_nonblocking(false).unwrap();
            assert_eq!(take_waiting(&mut listener).len(), 0, "without waiting for one");
            SockRef::from(listener.registration().io()).set_nonblocking(true).unwrap();
            assert!(timeout(LAST_PAUSE, accept(&listener)).await.is_err(), "nobody is left");
        });
    }

    #[test]
    fn a_path_is_gone_while_what_waits_is_taken() {
        let path = env::temp_dir().join(format!("oneloop-taking-{}", process::id()));
        Builder::new().run(async {
            let mut listener = UnixListener::bind(&path).unwrap();
            let _client = UnixStream::connect(&path).await.unwrap();
            assert_eq!(take_waiting(&mut listener).len(), 1);
            assert!(!path.exists(), "nobody new finds it");
        });
    }
}
