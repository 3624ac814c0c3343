//! Sends what a dropped writer still has queued: the loop does it as an errand that no task waits
//! for.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::backlog::Phase;
use super::outgoing::{Outgoing, is_of_connection, no_context};
use crate::runtime::{
    Nanos, Peer, Timer, When, errand_time, has_loop, leave_errand, report_unsent, why_hurried,
};

impl Outgoing {
    /// Called when the writer is dropped. Has the loop send the queued data and then end this
    /// direction.
    pub(super) fn leave(self: Rc<Self>) {
        self.is_held.set(false);
        self.stop_flusher();
        self.advance_backlog(Phase::Ending);
        if self.poll_drive(&mut no_context()).is_ready() && self.unseen_failure().is_none() {
            return;
        }
        self.is_leaving.set(true);
        let (place, time) = (self.place, errand_time());
        leave_errand(Leaving { outgoing: self, time, limit: None }, place);
    }

    /// Ready when a dropped writer's data has been sent or given up. One task at a time can wait
    /// here.
    pub(super) fn poll_left(&self, cx: &Context<'_>) -> Poll<()> {
        self.left.register(cx.waker());
        if self.is_leaving.get() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns an error that no caller has received but that must be reported. A peer that
    /// disconnects after receiving everything is not an error.
    fn unseen_failure(&self) -> Option<io::Error> {
        let (error, has_lost) = self.backlog().unseen_failure()?;
        (has_lost || !is_of_connection(error.kind())).then_some(error)
    }

    fn report_failure(&self) {
        if let Some(error) = self.unseen_failure() {
            let to = self.peer().map_or_else(String::new, |peer| format!(" to {peer}"));
            let message = format!("not all that was written{to} could be sent: {error}");
            let served = self.is_served.get().then(|| (self.served_peer(), error));
            report_unsent(self.place, message, served);
        }
    }

    fn served_peer(&self) -> Peer {
        let addr = self.with_transport(|transport| transport.peer_addr());
        Peer { addr: addr.and_then(Result::ok) }
    }

    /// Resets the connection, so that the peer notices that data is missing, and reports the loss.
    fn give_up(&self, late: &Late) {
        let peer = self.peer();
        let what = match self.backlog().len() {
            0 => "the end of what was written".to_owned(),
            1 => "the last byte".to_owned(),
            len => format!("the last {len} bytes"),
        };
        self.abort();
        let then = if peer.is_some() { "the connection was reset" } else { "it is lost" };
        let who = peer.unwrap_or_else(|| "the stream".to_owned());
        let message = match late {
            Late::Limit(time) => {
                format!("{who} did not take {what} within {}; {then}", in_words(*time))
            }
            Late::Hurried(why) => format!("{who} had not taken {what} when {why}; {then}"),
            Late::LoopOver => format!("{who} had not taken {what} when the loop ended; {then}"),
            Late::NoLoop => format!(
                "{who} had not taken {what} when the writer was dropped outside its loop; {then}"
            ),
        };
        report_unsent(self.place, message, None);
    }

    /// The peer of a connection that can be reset, for reports.
    fn peer(&self) -> Option<String> {
        let addr = self.with_transport(|transport| transport.peer_addr())?.ok()?;
        Some(format!("peer {addr}"))
    }
}

/// Why the remaining data can no longer be sent.
enum Late {
    Limit(Nanos),
    Hurried(&'static str),
    LoopOver,
    NoLoop,
}

/// The errand: sends the remaining data for a limited time. If dropped before it has finished, it
/// gives up.
struct Leaving {
    outgoing: Rc<Outgoing>,
    time: Nanos,
    limit: Option<Timer>,
}

impl Leaving {
    fn end(&self, late: Option<Late>) {
        match late {
            Some(late) => self.outgoing.give_up(&late),
            None => self.outgoing.report_failure(),
        }
        self.outgoing.is_leaving.set(false);
        self.outgoing.left.wake();
    }
}

impl Future for Leaving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // The errand must not wake itself for the progress it makes here.
        this.outgoing.waiter.clear();
        let late = if this.outgoing.poll_drive(cx).is_ready() {
            None
        } else {
            // An abort from elsewhere wakes the waiter.
            this.outgoing.waiter.register(cx.waker());
            ready!(Timer::poll_in(&mut this.limit, When::After(this.time), cx, "StreamWriter"));
            Some(Late::Limit(this.time))
        };
        this.end(late);
        Poll::Ready(())
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // A forked child leaves the rest to its parent.
        if !self.outgoing.is_leaving.get() || self.outgoing.is_inherited() {
            return;
        }
        let late = match why_hurried() {
            _ if self.outgoing.poll_drive(&mut no_context()).is_ready() => None,
            Some(why) => Some(Late::Hurried(why)),
            None if has_loop() => Some(Late::LoopOver),
            None => Some(Late::NoLoop),
        };
        self.end(late);
    }
}

/// Formats a time for people: "5 s", "200 ms".
fn in_words(time: Nanos) -> String {
    let time = Duration::from_nanos(time);
    match (time.as_secs(), time.subsec_nanos()) {
        (secs, 0) => format!("{secs} s"),
        (0, nanos) if nanos % 1_000_000 == 0 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{time:?}"),
    }
}
