//! Accepting connections, with listeners of both kinds: what passes by itself is waited out.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;

use super::TcpListener;
use super::connection::ByteStream;
use crate::runtime::{Direction, EventSource, Moved, Registration, UnhandledKind, report_accept};
use crate::time::{Sleep, sleep};

/// A listener of either kind, for what serves both.
#[doc(hidden)]
#[expect(unnameable_types, reason = "it keeps `Incoming` to the listeners that there are")]
pub trait Listener {
    /// What is registered.
    type Socket: EventSource + AsFd + Send + Sync + 'static;
    /// A connection that is not registered yet.
    type Accepted;
    /// One that is.
    type Stream: ByteStream;

    /// The socket.
    fn registration(&self) -> &Registration<Self::Socket>;

    /// Where it listens, for messages.
    fn place(&self) -> String;

    /// Keeps new peers from finding it, where that is possible before it closes.
    fn hide(&mut self) {}

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

/// Accepting that waits by polls.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    patience: Patience,
    pause: Option<Sleep>,
}

impl Accepting {
    /// Ready with a connection that is not registered yet, or with an error that will not pass. The caller says how registering
    /// it [went](Self::went).
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

    /// Notes what became of an accepted connection: its value, or `None` if another attempt may succeed.
    ///
    /// # Errors
    ///
    /// One that will not pass.
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
}

/// Takes the connections that wait in the backlog right now, for a listener that is about to close. Their peers are connected, and
/// have perhaps sent something.
pub(super) fn take_waiting<L: Listener>(listener: &mut L) -> Vec<(L::Accepted, AddrOf<L>)> {
    listener.hide();
    let io = listener.registration().io();
    let mut waiting = Vec::new();
    for _ in 0..WAITING_MAX {
        if !has_waiting(io) {
            break;
        }
        match L::take(io) {
            Ok(accepted) => waiting.push(accepted),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if trouble(&error, || is_listening(io)) == Trouble::OfOneConnection => {}
            // Nothing is left, or there is no room for more.
            Err(_) => break,
        }
    }
    waiting
}

/// Whether `accept` has something to say at once. A duplicate of the socket, perhaps in another process, may have switched it to
/// blocking mode, and closing must never wait.
fn has_waiting(socket: &impl AsFd) -> bool {
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut sockets, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// How many attempts [`take_waiting`] makes, in case peers connect as quickly as it accepts. Linux limits a backlog to 4096 unless
/// its administrator says otherwise.
const WAITING_MAX: usize = 65_536;

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
        let Self { listener, accepting } = &mut *self;
        loop {
            let (accepted, _addr) = ready!(accepting.poll(*listener, cx))?;
            if let Some(stream) = accepting.went(L::register(accepted), *listener)? {
                return Poll::Ready(Some(Ok(stream)));
            }
        }
    }
}

/// What to do about the errors of `accept`, of which most pass.
#[derive(Debug)]
struct Patience {
    next_pause: Duration,
    /// Connections that had failed, one after the other.
    failed: u32,
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// After so many connections in a row that had failed, it pauses: perhaps a filter of the system refuses each of them, and
/// does not take it from the backlog.
const FAILED_MAX: u32 = 64;

impl Default for Patience {
    fn default() -> Self {
        Self { next_pause: FIRST_PAUSE, failed: 0 }
    }
}

impl Patience {
    /// `Some`: try again after a pause. `None`: at once. The error, if it is to be seen.
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

/// How long an error of `accept` matters.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Trouble {
    /// The connection in front of the queue had failed already. The next one may be fine.
    OfOneConnection,
    /// The process or the system has no room for one more connection now. Errors that nobody has foreseen count as this: a server that
    /// tries once a second in vain does less harm than one that stops for good.
    Passing,
    /// The socket will never accept anything again, or it is used where its loop does not run.
    Lasting,
}

/// Linux hands network errors of a new connection to `accept`, and asks to treat them as connections that never came: accept(2)
/// has the list. `EPERM` is a firewall's. Some errors mean either this or that the socket does not listen, which the socket can tell.
fn trouble(error: &io::Error, is_listening: impl FnOnce() -> bool) -> Trouble {
    let Some(code) = error.raw_os_error() else { return Trouble::Lasting };
    let code = Errno::from_raw(code);
    if matches!(code, Errno::EBADF | Errno::EFAULT | Errno::ENOTSOCK) {
        return Trouble::Lasting;
    }
    if matches!(code, Errno::EINVAL | Errno::EOPNOTSUPP) {
        return if is_listening() { Trouble::OfOneConnection } else { Trouble::Lasting };
    }
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if code == Errno::ENONET {
        return Trouble::OfOneConnection;
    }
    let is_of_one = matches!(
        code,
        Errno::ECONNABORTED
            | Errno::ECONNRESET
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::ENOPROTOOPT
            | Errno::EPERM
            | Errno::EPROTO
            | Errno::EPROTONOSUPPORT
            | Errno::ESOCKTNOSUPPORT
            | Errno::ETIMEDOUT
    );
    if is_of_one { Trouble::OfOneConnection } else { Trouble::Passing }
}

/// Whether the kernel says that the socket listens.
#[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
fn is_listening(socket: &impl AsFd) -> bool {
    SockRef::from(socket).is_listener().unwrap_or(false)
}

/// Elsewhere it may not say, and there the errors that are asked about mean that the socket does not listen.
#[cfg(not(any(target_os = "android", target_os = "freebsd", target_os = "linux")))]
fn is_listening(_socket: &impl AsFd) -> bool {
    false
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

    use super::*;
    use crate::net::{UnixListener, UnixStream};
    use crate::runtime::Builder;
    use crate::time::{now, timeout};

    thread_local! {
        /// What `accept` says before it succeeds.
        static SCRIPT: RefCell<VecDeque<Errno>> = const { RefCell::new(VecDeque::new()) };
    }

    /// A listener of TCP whose `accept` fails as the script says.
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

    /// Runs `test` with a listener at which a client waits, in virtual time.
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
        // Also one that means nothing today.
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
            // 64 at once, and 36 with pauses that grow to a second.
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
