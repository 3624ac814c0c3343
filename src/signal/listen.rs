//! `Signals`: listens for signals.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::SignalKind;
use super::arrivals::Listener;

/// Listens for a signal, from now on, until the returned value is dropped. This is asyncio's
/// `add_signal_handler`.
///
/// # Errors
///
/// `InvalidInput` for a number that is not a signal, and for a signal that a program cannot listen
/// for: SIGKILL, SIGSTOP and faults of the program itself, such as SIGSEGV. Also an error if no
/// loop runs here, or if the process has no descriptors left.
///
/// # Examples
///
/// ```no_run
/// use oneloop::signal::{SignalKind, signal};
///
/// oneloop::run(async {
///     let mut hangups = signal(SignalKind::SIGHUP)?;
///     loop {
///         hangups.recv().await?;
///         println!("reading the configuration again");
///     }
/// #   #[expect(unreachable_code, reason = "it names the type of the error")]
/// #   std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "add_signal_handler")]
pub fn signal(kind: SignalKind) -> io::Result<Signals> {
    signals([kind])
}

/// Listens for several signals, like [`signal`] does for one. This is Trio's
/// `open_signal_receiver`.
///
/// # Errors
///
/// Same as [`signal`].
///
/// # Examples
///
/// ```
/// use nix::sys::signal::{Signal, raise};
/// use oneloop::signal::{SignalKind, signals};
///
/// oneloop::run(async {
///     let mut told = signals([SignalKind::SIGUSR1, SignalKind::SIGUSR2])?;
///     raise(Signal::SIGUSR2)?;
///     assert_eq!(told.recv().await?, SignalKind::SIGUSR2);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[doc(alias = "open_signal_receiver")]
pub fn signals(kinds: impl IntoIterator<Item = SignalKind>) -> io::Result<Signals> {
    let listeners = kinds.into_iter().map(Listener::new).collect::<io::Result<_>>()?;
    Ok(Signals { listeners, next: 0 })
}

/// A listener for signals; see [`signal`] and the [module](super).
///
/// It belongs to the loop on which it was made. Dropping it, anywhere, stops listening. When the
/// last listener for a signal is dropped, the signal has its default effect again.
#[must_use = "it listens until it is dropped"]
#[doc(alias = "remove_signal_handler")]
pub struct Signals {
    listeners: Vec<Listener>,
    /// The listener to poll first, so that one signal that keeps coming does not hide the others.
    next: usize,
}

impl Signals {
    /// Waits for a signal, and returns it. A signal that came since the last call, or since this
    /// was made, is returned at once.
    ///
    /// Never ready if there is nothing to listen for, as in `signals([])`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready loses nothing.
    ///
    /// # Errors
    ///
    /// An error on any thread other than the loop's, after the loop's end, and in a forked child.
    pub async fn recv(&mut self) -> io::Result<SignalKind> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Like [`recv`](Self::recv), for hand-written futures. The task that polled last is woken.
    ///
    /// # Errors
    ///
    /// Same as [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<SignalKind>> {
        let len = self.listeners.len();
        for index in (self.next..len).chain(0..self.next) {
            let listener = &mut self.listeners[index];
            if let Poll::Ready(result) = listener.poll(cx) {
                self.next = (index + 1) % len;
                return Poll::Ready(result.map(|()| listener.kind()));
            }
        }
        Poll::Pending
    }

    /// Returns the next item of the stream, which never ends: the result of [`recv`](Self::recv),
    /// in a `Some`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is ready loses nothing.
    pub async fn next(&mut self) -> Option<io::Result<SignalKind>> {
        Some(self.recv().await)
    }

    /// Makes the signals arrive even if other code has blocked them on the loop's thread meanwhile.
    pub(crate) fn unblock(&self) {
        self.listeners.iter().for_each(Listener::unblock);
    }

    /// The loop listens for itself: under virtual time, no task waits here.
    pub(crate) fn set_of_loop(&mut self) {
        self.listeners.iter_mut().for_each(Listener::set_of_loop);
    }

    /// Listeners that remember signals between one call and the next.
    pub(super) fn remembering(kinds: &[SignalKind]) -> io::Result<Self> {
        let listeners = kinds.iter().copied().map(Listener::remembering);
        Ok(Self { listeners: listeners.collect::<io::Result<_>>()?, next: 0 })
    }

    /// Listeners of a run that cancels main.
    pub(super) fn of_main(kinds: &[SignalKind]) -> io::Result<Self> {
        let listeners = kinds.iter().copied().map(Listener::of_main);
        Ok(Self { listeners: listeners.collect::<io::Result<_>>()?, next: 0 })
    }

    /// Waits for a signal, and marks it as reported, so that later listeners do not see it.
    pub(super) async fn claim(mut self) -> io::Result<SignalKind> {
        let kind = self.recv().await?;
        for listener in self.listeners.iter().filter(|listener| listener.kind() == kind) {
            listener.claim();
        }
        Ok(kind)
    }
}

impl Stream for Signals {
    type Item = io::Result<SignalKind>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.listeners.iter().map(Listener::kind);
        f.debug_tuple("Signals").field(&kinds.collect::<Vec<_>>()).finish()
    }
}
