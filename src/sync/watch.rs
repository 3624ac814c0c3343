//! `watch`: the latest version of a value, and notification of its changes.
//!
//! A [`Sender`] replaces the value. A [`Receiver`] reads it and waits for the next one. Values that
//! a receiver did not read in time are skipped; to receive every single one, use
//! [`broadcast`](crate::sync::broadcast).
//!
//! A [`Ref`] to the value shares ownership of it and locks nothing: a receiver may hold one across
//! an `await` while the sender moves on to the next value.
//!
//! Both ends are local to a thread and need no loop. Asyncio has no equivalent.
//!
//! # Examples
//!
//! ```
//! use oneloop::sync::watch;
//!
//! oneloop::run(async {
//!     let (limit, mut limits) = watch::channel(10);
//!     let client = oneloop::create_task(async move {
//!         let mut seen = vec![*limits.borrow_and_update()];
//!         while limits.changed().await.is_ok() {
//!             seen.push(*limits.borrow());
//!         }
//!         seen
//!     });
//!     oneloop::yield_now().await;
//!
//!     limit.send(20);
//!     limit.send(30); // before the client could look
//!     oneloop::yield_now().await;
//!     limit.send_modify(|limit| *limit += 5);
//!     drop(limit);
//!     assert_eq!(client.await.unwrap(), [10, 30, 35]);
//! });
//! ```
//!
//! The ends stay on their thread:
//!
//! ```compile_fail,E0277
//! let (sender, _receiver) = oneloop::sync::watch::channel(1);
//! std::thread::spawn(move || sender.send(2));
//! ```
//!
//! ```compile_fail,E0277
//! let (_sender, receiver) = oneloop::sync::watch::channel(1);
//! std::thread::spawn(move || assert_eq!(*receiver.borrow(), 1));
//! ```

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Display, Formatter};
use std::future::poll_fn;
use std::mem;
use std::ops::Deref;
use std::rc::Rc;

use super::count::Count;
pub use super::error::RecvError;
use super::watchers::Watchers;
use crate::runtime;

struct Shared<T> {
    /// Replaced as a whole while a [`Ref`] exists, otherwise in place. Never borrowed while foreign
    /// code runs.
    value: RefCell<Rc<T>>,
    /// Grows with each value.
    version: Cell<u64>,
    senders: Count,
    receivers: Count,
    /// Receivers waiting for the next value.
    changes: Watchers,
    /// Senders waiting until the last receiver is gone.
    departures: Watchers,
}

/// Creates a value to be watched. The first receiver counts it as seen.
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: RefCell::new(Rc::new(initial)),
        version: Cell::new(0),
        senders: Count::new(1),
        receivers: Count::new(1),
        changes: Watchers::new(),
        departures: Watchers::new(),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared, seen: 0 })
}

impl<T> Shared<T> {
    fn current(&self) -> Rc<T> {
        Rc::clone(&self.value.borrow())
    }

    /// Replaces the value. The former one is dropped last, when the state is consistent again.
    fn replace(&self, value: T) {
        let mut place = self.value.borrow_mut();
        let former = match Rc::get_mut(&mut place) {
            Some(unshared) => Former::Value(mem::replace(unshared, value)),
            None => Former::Shared(mem::replace(&mut *place, Rc::new(value))),
        };
        drop(place);
        self.version.set(self.version.get() + 1);
        self.changes.wake_all();
        drop(former);
    }
}

/// The replaced value, to be dropped.
#[expect(dead_code, reason = "kept to be dropped later")]
enum Former<T> {
    Value(T),
    Shared(Rc<T>),
}

/// The end that changes the value. Clones change the same value.
#[must_use = "dropping it tells the receivers that no further value will come"]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Replaces the value and wakes all waiting receivers.
    ///
    /// The value is stored even if there is no receiver: one that [subscribes](Self::subscribe)
    /// later sees it.
    #[doc(alias = "send_replace")]
    pub fn send(&self, value: T) {
        self.shared.replace(value);
    }

    /// Changes the value with `change`, and wakes all waiting receivers.
    ///
    /// `change` works on a copy, which becomes the value when `change` returns. So receivers never
    /// see half a change, an existing [`Ref`] is no obstacle, a panic changes nothing, and `change`
    /// may use the channel itself.
    pub fn send_modify(&self, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Like [`send_modify`](Self::send_modify), unless `change` returns `false`, which leaves the
    /// value unchanged. Returns what `change` returned.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool
    where
        T: Clone,
    {
        let current = self.shared.current();
        let mut copy = T::clone(&current);
        drop(current);
        let is_modified = change(&mut copy);
        if is_modified {
            self.shared.replace(copy);
        }
        is_modified
    }

    /// The current value.
    pub fn borrow(&self) -> Ref<T> {
        Ref(self.shared.current())
    }

    /// Returns a new receiver, which counts the current value as seen.
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.receivers.add();
        Receiver { seen: self.shared.version.get(), shared: Rc::clone(&self.shared) }
    }

    /// The number of receivers.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// Whether there is no receiver.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) {
        self.shared.departures.until(|| self.is_closed().then_some(())).await;
    }
}

/// The end that reads the value. Each clone keeps its own record of what it has seen.
#[must_use = "a receiver that is dropped sees nothing"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The version that was last seen.
    seen: u64,
}

impl<T> Receiver<T> {
    /// The current value. This does not mark it as seen: [`changed`](Self::changed) still reports
    /// it.
    pub fn borrow(&self) -> Ref<T> {
        Ref(self.shared.current())
    }

    /// The current value, which is marked as seen.
    pub fn borrow_and_update(&mut self) -> Ref<T> {
        self.seen = self.shared.version.get();
        self.borrow()
    }

    /// Whether there is an unseen value.
    pub fn has_changed(&self) -> bool {
        self.seen != self.shared.version.get()
    }

    /// Whether all senders are gone. The last value may still be unseen.
    pub fn is_closed(&self) -> bool {
        self.shared.senders.get() == 0
    }

    /// Waits for an unseen value, and marks it as seen.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a value counts as seen only when the future is ready.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] if the last value was seen and all senders are gone.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let look = || match () {
            () if self.has_changed() => Some(Ok(self.shared.version.get())),
            () if self.is_closed() => Some(Err(RecvError::CLOSED)),
            () => None,
        };
        self.seen = self.shared.changes.until(look).await?;
        Ok(())
    }

    /// Waits for a value for which `is_wanted` returns `true`, beginning with the current one, and
    /// marks it as seen.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing except values that were not wanted.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] if all senders are gone and the last value is not wanted.
    ///
    /// # Examples
    ///
    /// ```
    /// use oneloop::sync::watch;
    ///
    /// oneloop::run(async {
    ///     let (progress, mut watcher) = watch::channel(0);
    ///     oneloop::create_task(async move {
    ///         for percent in [25, 50, 75, 100] {
    ///             progress.send(percent);
    ///             oneloop::yield_now().await;
    ///         }
    ///     });
    ///     assert_eq!(*watcher.wait_for(|&percent| percent > 60).await.unwrap(), 75);
    /// });
    /// ```
    pub async fn wait_for(
        &mut self,
        mut is_wanted: impl FnMut(&T) -> bool,
    ) -> Result<Ref<T>, RecvError> {
        loop {
            let value = self.borrow_and_update();
            if is_wanted(&value) {
                poll_fn(runtime::poll_budget).await;
                return Ok(value);
            }
            // Not kept across the wait, so that the next value can take its place.
            drop(value);
            self.changed().await?;
        }
    }
}

/// A value that was the current one. It lives as long as this reference.
pub struct Ref<T>(Rc<T>);

impl<T> Deref for Ref<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.add();
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.remove() {
            self.shared.changes.wake_all();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.add();
        Self { shared: Rc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.remove() {
            self.shared.departures.wake_all();
        }
    }
}

impl<T: Debug> Debug for Ref<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: Display> Display for Ref<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T> Debug for Sender<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let receivers = self.receiver_count();
        f.debug_struct("Sender").field("receivers", &receivers).finish_non_exhaustive()
    }
}

impl<T> Debug for Receiver<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("has_changed", &self.has_changed())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
