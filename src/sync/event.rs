//! `Event`: a flag that tasks can wait for.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::future::poll_fn;

use super::wait_queue::WaitQueue;
use crate::runtime;

/// A flag that tasks can wait for.
///
/// Setting the flag wakes all waiters in order of arrival. They continue even if the flag is
/// cleared again before they run. Tasks that arrive while it is set do not wait.
///
/// This is `asyncio.Event`.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use oneloop::sync::Event;
/// use oneloop::{create_task, yield_now};
///
/// oneloop::run(async {
///     let event = Rc::new(Event::new());
///     let awaited = Rc::clone(&event);
///     let waiter = create_task(async move {
///         awaited.wait().await;
///         "it happened"
///     });
///     yield_now().await;
///     assert!(!waiter.is_finished());
///
///     event.set();
///     assert_eq!(waiter.await.unwrap(), "it happened");
/// });
/// ```
#[derive(Default)]
pub struct Event {
    is_set: Cell<bool>,
    waiters: WaitQueue,
}

impl Event {
    /// Creates an event that is not set.
    pub const fn new() -> Self {
        Self { is_set: Cell::new(false), waiters: WaitQueue::new() }
    }

    /// Sets the event and wakes all waiters. Has no effect if it is already set.
    pub fn set(&self) {
        if !self.is_set.replace(true) {
            self.waiters.wake_all();
        }
    }

    /// Clears the event, so that tasks arriving from now on wait.
    pub fn clear(&self) {
        self.is_set.set(false);
    }

    /// Whether the event is set.
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Waits until the event is set. Returns at once if it already is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait(&self) {
        if runtime::attempt(|| self.is_set()) {
            return;
        }
        let mut wait = self.waiters.wait();
        poll_fn(|cx| wait.poll_unless(cx, || self.is_set())).await;
    }

    /// The number of waiters.
    pub fn n_waiting(&self) -> usize {
        self.waiters.len()
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .field("n_waiting", &self.n_waiting())
            .finish()
    }
}
