//! Tasks: order, cancellation, handles, names, eager starts, wakes, and the end of the loop.
//!
//! The helpers below also serve the neighbouring modules.

mod between_runs;
#[cfg(feature = "net")]
mod budget;
mod calls;
mod cancel;
mod eager;
mod end;
mod handles;
mod order;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use oneloop::{Builder, Runtime};

/// The events, in order.
pub(crate) struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn push(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A future that waits until the gate is opened, and keeps the wakers that it was polled with.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    is_open: Rc<Cell<bool>>,
    wakers: Rc<RefCell<Vec<Waker>>>,
}

impl Gate {
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + use<> {
        let gate = self.clone();
        poll_fn(move |cx| {
            gate.wakers.borrow_mut().push(cx.waker().clone());
            if gate.is_open.get() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    pub(crate) fn open(&self) {
        self.is_open.set(true);
        self.wake();
    }

    /// Wakes all tasks that ever waited, in vain if the gate is not open.
    pub(crate) fn wake(&self) {
        for waker in &*self.wakers.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Calls `f` when dropped.
pub(crate) fn on_drop<F: FnMut()>(f: F) -> OnDrop<F> {
    OnDrop(f)
}

pub(crate) struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Holds `value` for as long as the future is not dropped.
pub(crate) async fn hold<T>(value: T) {
    pending::<()>().await;
    drop(value);
}

/// `future`, which counts its polls in `polls`.
pub(crate) fn counted<F: Future>(
    polls: &Rc<Cell<usize>>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    let polls = polls.clone();
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
}

/// Polls `future` once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

pub(crate) fn virtual_runtime() -> Runtime {
    Builder::new().virtual_time(true).build().expect("there is room for a loop")
}

/// Panics without a message on stderr.
pub(crate) fn throw(payload: impl Any + Send) -> ! {
    resume_unwind(Box::new(payload))
}

/// A small generator of numbers that look random.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
