//! The host: a loop that drives this one by polls.
//!
//! Between two of its polls, this loop stays the thread's loop, so that code of the host can use
//! it. Such code may give the loop something to do, and the host must hear of it. So while the host
//! waits, the deferred work contains [`Deferred::AskHost`]: each access to the state runs the
//! deferred work at its end, and finds out there whether to wake the host. Accesses during a turn
//! cost nothing more.
//!
//! Other threads wake the host through the inbox, which has a clone of the host's waker.

use std::mem;
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::context::{quietly, with};
use super::data::clock::{NEVER, Nanos};
use super::deferred::guard;
use super::event_loop::Turn;
use super::reactor::Reactor;
use super::state::{Deferred, State};

pub(super) struct Host {
    /// `None` while it is being woken.
    waker: Option<Waker>,
    /// When the host comes by itself, after its last turn.
    parked_until: Nanos,
    /// The host has found the reactor's descriptor readable.
    is_readable: bool,
}

/// Makes `waker` the one that ends the sleep of this thread's loop.
pub(super) fn set_host(waker: &Waker) {
    let is_known = |state: &mut State| state.host.as_ref().is_some_and(|host| host.is(waker));
    if with(is_known) == Some(true) {
        return;
    }
    // Clones and drops of a foreign waker are foreign code. The inbox clones its waker under a
    // lock, so it gets one of ours.
    let (to_keep, to_send) = (waker.clone(), Waker::from(Arc::new(ToHost(waker.clone()))));
    let former = with(|state| {
        // The former host may have found the descriptor readable, and an edge comes only once.
        let is_readable = state.host.as_ref().is_some_and(|host| host.is_readable);
        let host = Host { waker: Some(to_keep), parked_until: NEVER, is_readable };
        (state.host.replace(host), state.inbox())
    });
    let Some((former, inbox)) = former else { return };
    // The loop is awake: the turn that follows reads the mail that was announced before.
    drop((former, inbox.replace_unpark(Some(to_send))));
}

/// Wakes the host if it has to come earlier than it knows. Otherwise the next access to the state
/// asks again.
pub(super) fn ask_host() {
    let Some(waker) = quietly(State::host_to_wake).flatten() else { return };
    guard(None, || waker.wake_by_ref());
    let spare = with(|state| match &mut state.host {
        Some(host) if host.waker.is_none() => host.waker.replace(waker),
        Some(_) | None => Some(waker),
    });
    drop(spare);
}

/// The host's waker, for other threads.
struct ToHost(Waker);

impl Wake for ToHost {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
    }
}

impl Host {
    fn is(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }
}

impl State {
    /// The host starts a turn.
    pub(super) fn start_hosted_turn(&mut self, is_readable: bool) {
        self.stop_asking_host();
        if let Some(host) = &mut self.host {
            host.is_readable |= is_readable;
        }
    }

    /// The host's turn is over. After [`Turn::Busy`] the host comes by itself.
    pub(super) fn end_hosted_turn(&mut self, turn: Turn) {
        let next_deadline = self.next_deadline().unwrap_or(NEVER);
        if let Some(host) = &mut self.host {
            host.parked_until = next_deadline;
            if turn != Turn::Busy {
                self.deferred.push_back(Deferred::AskHost);
            }
        }
    }

    /// From now on this loop is driven in another way.
    pub(super) fn leave_host(&mut self) {
        let Some(host) = self.host.take() else { return };
        self.stop_asking_host();
        self.deferred.extend(host.waker.map(Deferred::DropWaker));
        let unpark = self.reactor.as_deref().map(Reactor::waker);
        let former = self.inbox().replace_unpark(unpark);
        self.deferred.extend(former.map(Deferred::DropWaker));
    }

    fn stop_asking_host(&mut self) {
        self.deferred.retain(|deferred| !matches!(deferred, Deferred::AskHost));
    }

    fn host_to_wake(&mut self) -> Option<Waker> {
        let host = self.host.as_ref()?;
        let parked_until = host.parked_until;
        let is_earlier = self.next_deadline().is_some_and(|deadline| deadline < parked_until);
        if !is_earlier && !self.is_busy() {
            self.deferred.push_back(Deferred::AskHost);
            return None;
        }
        self.host.as_mut()?.waker.take()
    }

    /// Whether the reactor may have events that are to be taken in before the host parks. A host
    /// that polls the loop says so, and saves the other looks.
    pub(super) fn may_have_events(&mut self) -> bool {
        let has_more = self.reactor.as_deref().is_some_and(Reactor::has_more);
        match &mut self.host {
            Some(host) => mem::take(&mut host.is_readable) || has_more,
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::run;

    struct Nothing;

    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_new_waker_of_the_host_keeps_what_the_former_one_has_found() {
        run(async {
            set_host(Waker::noop());
            let found = |state: &mut State| state.may_have_events();
            assert_eq!(with(found), Some(false));
            with(|state| state.start_hosted_turn(true));
            set_host(&Waker::from(Arc::new(Nothing)));
            assert_eq!(with(found), Some(true));
            assert_eq!(with(found), Some(false), "one look is enough");
            with(State::leave_host);
        });
    }
}
