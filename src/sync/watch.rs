//! `watch`: the latest value of something, and the news that it has changed.
//!
//! A [`Sender`] replaces the value; a [`Receiver`] looks at it, and waits for the next. Values that nobody looked at in time are
//! passed over: for every single one there is [`broadcast`](crate::sync::broadcast).
//!
//! A [`Ref`] to the value is shared ownership of it and locks nothing: a receiver may hold one across an `await`, while the sender
//! goes on to the next value.
//!
//! Both ends are local to a thread, and need no loop. asyncio has nothing like it.
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
    /// Replaced as a whole while a [`Ref`] exists, else in place. Never borrowed while anybody's code runs.
    value: RefCell<Rc<T>>,
    /// Grows with each value.
    version: Cell<u64>,
    senders: Count,
    receivers: Count,
    /// Receivers that wait for the next value.
    changes: Watchers,
    /// Senders that wait for the last receiver to go.
    departures: Watchers,
}

/// Makes a value to be watched. The first receiver has seen it.
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

    /// Replaces the value; the former one is dropped last, when everything is in order.
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

/// What was replaced, for its drop.
#[expect(dead_code, reason = "kept to be dropped later")]
enum Former<T> {
    Value(T),
    Shared(Rc<T>),
}

/// The end that changes the value. Clones change the same one.
#[must_use = "dropping it tells the receivers that no further value will come"]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Replaces the value and wakes all receivers that wait.
    ///
    /// It is stored also if there is no receiver: one that [subscribes](Self::subscribe) later sees it.
    #[doc(alias = "send_replace")]
    pub fn send(&self, value: T) {
        self.shared.replace(value);
    }

    /// Has `change` change the value, and wakes all receivers that wait.
    ///
    /// It works on a copy, which becomes the value when it returns: so receivers never see half a change, a [`Ref`] that somebody
    /// holds is no obstacle, a panic changes nothing, and `change` may use the channel itself.
    pub fn send_modify(&self, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), unless `change` returns `false`: then nothing has changed. Returns what it returned.
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

    /// A new receiver, which has seen the current value.
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.receivers.add();
        Receiver { seen: self.shared.version.get(), shared: Rc::clone(&self.shared) }
    }

    /// How many receivers there are.
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
    /// Nothing is lost.
    pub async fn closed(&self) {
        self.shared.departures.until(|| self.is_closed().then_some(())).await;
    }
}

/// The end that sees the value. Each clone remembers on its own what it has seen.
#[must_use = "a receiver that is dropped sees nothing"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The version that was seen last.
    seen: u64,
}

impl<T> Receiver<T> {
    /// The current value. It does not count as seen: [`changed`](Self::changed) still tells of it.
    pub fn borrow(&self) -> Ref<T> {
        Ref(self.shared.current())
    }

    /// The current value, which counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<T> {
        self.seen = self.shared.version.get();
        self.borrow()
    }

    /// Whether there is a value that was not seen.
    pub fn has_changed(&self) -> bool {
        self.seen != self.shared.version.get()
    }

    /// Whether all senders are gone. The last value may not have been seen yet.
    pub fn is_closed(&self) -> bool {
        self.shared.senders.get() == 0
    }

    /// Waits for a value that was not seen, and marks it as seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a value counts as seen only when this is ready.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the last value was seen and all senders are gone.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let look = || match () {
            () if self.has_changed() => Some(Ok(self.shared.version.get())),
            () if self.is_closed() => Some(Err(RecvError::CLOSED)),
            () => None,
        };
        self.seen = self.shared.changes.until(look).await?;
        Ok(())
    }

    /// Waits for a value that `is_wanted`, beginning with the current one, and marks it as seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing but the values that were not wanted.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if all senders are gone and the last value is not wanted.
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
            // Not across the wait, so that the next value can take its place.
            drop(value);
            self.changed().await?;
        }
    }
}

/// A value that was the current one; it lives as long as this does.
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
