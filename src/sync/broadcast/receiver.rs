//! The receiving end of a broadcast.

use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::error::{RecvError, TryRecvError};
use super::ring::Found;
use super::{Sender, Shared};
use crate::sync::wait_list::WaitKey;

/// The receiving end. It gets every item sent after it was created.
///
/// It is a `Stream` of items and, if it was too slow, of errors that say how many items it missed.
#[must_use = "a receiver that is dropped gets nothing"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The position of the next item, counted from the first item ever sent.
    position: u64,
    waiter: Option<WaitKey>,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Rc<Shared<T>>) -> Self {
        shared.receivers.add();
        let position = shared.ring.borrow().end();
        Self { shared, position, waiter: None }
    }

    /// Returns a new receiver, which gets the items sent from now on.
    pub fn resubscribe(&self) -> Self {
        Self::new(Rc::clone(&self.shared))
    }

    /// Returns a new sender.
    pub fn sender(&self) -> Sender<T> {
        self.shared.senders.add();
        Sender { shared: Rc::clone(&self.shared) }
    }

    /// The number of items still to be received, including missed ones.
    pub fn len(&self) -> usize {
        let waiting = self.shared.ring.borrow().end() - self.position;
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }

    /// Whether there is nothing to receive now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone> Receiver<T> {
    /// Receives the next item, waiting while there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item.
    ///
    /// # Errors
    ///
    /// Returns [`RecvError`] if the receiver was too slow: the error gives the number of items it
    /// missed, and is returned once. Also returns [`RecvError`] if the receiver has had everything
    /// and all senders are gone.
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self }
    }

    /// Like [`recv`](Self::recv), under the name that streams use. Returns `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item.
    pub async fn next(&mut self) -> Option<Result<T, RecvError>> {
        Some(self.recv().await).filter(|result| !is_end(result))
    }

    /// Receives the next item if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// Returns [`TryRecvError`] if there is no item, the receiver was too slow, or all senders are
    /// gone.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match take_next(&self.shared, &mut self.position) {
            Some(result) => result.map_err(TryRecvError::of),
            None => Err(TryRecvError::EMPTY),
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        let Self { shared, position, waiter } = self;
        shared.arrivals.poll_until(waiter, cx, || take_next(shared, position))
    }
}

/// The result for a receiver at `position`, or `None` if it has to wait.
fn take_next<T: Clone>(shared: &Shared<T>, position: &mut u64) -> Option<Result<T, RecvError>> {
    let found = shared.ring.borrow_mut().next(position);
    match found {
        // The last receiver gets the item itself instead of a clone.
        Found::Item(item) => Some(Ok(Rc::unwrap_or_clone(item))),
        Found::Lagged(missed) => Some(Err(RecvError::of_lag(missed))),
        Found::Nothing if shared.senders.get() == 0 => Some(Err(RecvError::CLOSED)),
        Found::Nothing => None,
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.arrivals.leave(&mut self.waiter);
        let was_last = self.shared.receivers.remove();
        let unwanted = self.shared.ring.borrow_mut().leave(self.position);
        if was_last {
            self.shared.departures.wake_all();
        }
        drop(unwanted);
    }
}

impl<T: Clone> Stream for Receiver<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(|result| Some(result).filter(|result| !is_end(result)))
    }
}

fn is_end<T>(result: &Result<T, RecvError>) -> bool {
    result.as_ref().is_err_and(RecvError::is_closed)
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, T> {
    receiver: &'a mut Receiver<T>,
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.receiver.poll_recv(cx)
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        let Receiver { shared, waiter, .. } = &mut *self.receiver;
        shared.arrivals.leave(waiter);
    }
}

impl<T> Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

impl<T> Debug for Receiver<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
