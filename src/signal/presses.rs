//! Counts the signals that end a run. It knows nothing of the run.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::asked::Asks;
use super::default_action::{self, Insisting};
use super::{SignalKind, Signals, signal};
use crate::runtime::{Level, Nanos, Runtime, log_line, nanos, real_now};

/// Signals to a program that come closer together count as one. Some senders, such as `timeout`,
/// send a signal twice: to the process and to its group. A hand on the keyboard needs longer.
const TOGETHER: Duration = Duration::from_millis(20);

/// Counts how many times the signals have come.
pub(super) struct Presses {
    signals: Signals,
    count: usize,
    first: Option<SignalKind>,
    /// When the last signal was seen.
    last: Nanos,
    /// Signals that come closer together count as one.
    together: Nanos,
    insisting: Option<Insisting>,
    why: &'static str,
}

const SECOND_PRESS: &str = "Ctrl-C was pressed a second time";

impl Presses {
    /// Counts presses of Ctrl-C, even if other code listens too.
    #[track_caller]
    pub(super) fn of(runtime: &Runtime) -> Self {
        match runtime.inside(|| signal(SignalKind::SIGINT)) {
            Ok(signals) => Self::new(signals, SECOND_PRESS),
            Err(error) => panic!("cannot listen for Ctrl-C: {error}"),
        }
    }

    /// Counts the signals that cancel the main of a program: Ctrl-C, unless another part of the
    /// process ignores or handles it, and SIGTERM if the program wants that. Each counts only while
    /// the program does not listen for it itself.
    pub(super) fn of_main(runtime: &Runtime, hears_sigterm: bool) -> io::Result<Self> {
        let hears_sigint = default_action::has_default(SignalKind::SIGINT);
        let all = [(SignalKind::SIGINT, hears_sigint), (SignalKind::SIGTERM, hears_sigterm)];
        let kinds = all.into_iter().filter_map(|(kind, is_heard)| is_heard.then_some(kind));
        let kinds: Vec<SignalKind> = kinds.collect();
        let signals = runtime.inside(|| Signals::of_main(&kinds))?;
        let why =
            if hears_sigterm { "the program was asked a second time to end" } else { SECOND_PRESS };
        let mut presses = Self::new(signals, why);
        presses.together = nanos(TOGETHER);
        // Programs send SIGTERM, and may send it twice.
        presses.insisting = hears_sigint.then(|| Insisting::new(SignalKind::SIGINT));
        Ok(presses)
    }

    fn new(signals: Signals, why: &'static str) -> Self {
        Self { signals, count: 0, first: None, last: 0, together: 0, insisting: None, why }
    }

    /// The signal that cancelled main.
    pub(super) fn first(&self) -> Option<SignalKind> {
        self.first
    }

    /// Ready when there have been `count` signals.
    fn poll(&mut self, count: usize, cx: &mut Context<'_>) -> Poll<()> {
        while self.count < count {
            match self.signals.poll_recv(cx) {
                Poll::Ready(Ok(kind)) => self.note(kind),
                Poll::Ready(Err(error)) => {
                    log_line(Level::Error, &format!("Ctrl-C is not heard any more: {error}"));
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn note(&mut self, kind: SignalKind) {
        if let Some(insisting) = &self.insisting {
            insisting.seen();
        }
        let now = real_now();
        if self.count == 0 || now.saturating_sub(self.last) >= self.together {
            self.count += 1;
            self.last = now;
        }
        self.first.get_or_insert(kind);
    }
}

impl Asks for Presses {
    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(1, cx)
    }

    fn poll_hurry(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(2, cx)
    }

    fn why(&self) -> &'static str {
        self.why
    }
}
