//! A hang under virtual time: nothing can wake a task any more, so the test would wait for ever.

use std::thread;
use std::time::Duration;

use crate::runtime::data::clock;
use crate::runtime::event_loop::{Turn, poll_reactor};
use crate::runtime::reactor::Wait;
use crate::runtime::state::State;

/// How often, and how long each time, the loop waits before it reports a hang: a thread that it
/// does not know may be about to wake a task.
const NAPS: u32 = 20;
const NAP: Duration = Duration::from_millis(10);

/// The most tasks that the message names.
const NAMED_MAX: usize = 20;

impl State {
    /// Whether no timer, source or thread that the loop knows of can wake a task.
    pub(crate) fn nothing_can_come(&self) -> bool {
        let is_awaited = self.reactor.as_ref().is_some_and(|reactor| reactor.is_awaited());
        self.clock.is_virtual() && !self.clock.is_held() && !is_awaited
    }

    /// Gives threads that the loop does not know a little real time to wake a task. After [`NAPS`]
    /// naps in a row, says that there is nothing to wait for: main hangs.
    pub(crate) fn nap(&mut self) -> Turn {
        if !self.inbox().try_park() {
            self.naps = 0;
            return Turn::Busy;
        }
        if self.reactor.is_some() {
            let now = clock::real_now();
            let deadline = now.saturating_add(clock::nanos(NAP));
            poll_reactor(self, Wait::Until { deadline, now });
        } else {
            thread::park_timeout(NAP);
        }
        let now = self.woken();
        self.take_in(now);
        self.naps = if self.is_busy() { 0 } else { self.naps + 1 };
        if self.naps == NAPS {
            self.naps = 0;
            return Turn::Park(None);
        }
        Turn::Busy
    }

    /// The message with which a main that hangs fails.
    pub(crate) fn describe_hang(&self) -> String {
        let living = || self.tasks.all().filter(|&slot| self.tasks.is_living(slot));
        let named = living().take(NAMED_MAX).map(|slot| {
            let label = self.tasks.label(slot);
            format!("`{}`, created at {}", label.name(), label.place)
        });
        let mut named: Vec<String> = named.collect();
        let more = living().count() - named.len();
        if more > 0 {
            named.push(format!("and {more} more"));
        }
        format!(
            "every task waits, and under virtual time nothing is left that could wake one: no timer, no socket, no call on another \
             thread. These wait: {}. If a thread of yours is to wake them, have `thread::to_thread` run it, which the clock knows \
             of, or use real time",
            named.join("; ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Builder;
    use crate::runtime::context::with;
    use crate::runtime::data::tasks::MAIN;
    use crate::runtime::handles::clock_hold::ClockHold;

    fn in_virtual_time(f: impl Fn(&mut State)) {
        Builder::new().virtual_time(true).run(async { with(f).unwrap() });
    }

    #[test]
    fn while_somebody_holds_the_clock_something_can_come() {
        let can_come = || with(|state| !state.nothing_can_come()).unwrap();
        Builder::new().virtual_time(true).run(async {
            assert!(!can_come());
            let hold = ClockHold::new();
            assert!(hold.is_some() && can_come());
            drop(hold);
            assert!(!can_come());
        });
    }

    #[test]
    fn mail_ends_a_row_of_naps() {
        in_virtual_time(|state| {
            state.naps = NAPS - 1;
            state.inbox().announce();
            state.nap();
            assert_eq!(state.naps, 0);
        });
    }

    #[test]
    fn a_nap_in_which_a_task_was_woken_ends_the_row() {
        in_virtual_time(|state| {
            state.naps = NAPS - 1;
            state.queue(MAIN);
            let turn = state.nap();
            assert_eq!((state.naps, turn), (0, Turn::Busy));
        });
    }
}
