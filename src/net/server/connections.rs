//! A server's connections: the task of each, and the handle that closes it from outside.

use std::cell::RefCell;
use std::task::{Context, Poll};

use crate::net::streams::Control;
use crate::runtime::{CancelReason, TaskHandle, Watch};

/// Connections count until their tasks have ended and their remaining data has been sent.
pub(super) struct Connections {
    inner: RefCell<Inner>,
}

struct Inner {
    watch: Watch,
    /// Indexed by the places that the watch assigns.
    entries: Vec<Option<Entry>>,
    len: usize,
}

struct Entry {
    task: TaskHandle,
    control: Control,
}

impl Connections {
    /// Creates an empty set on the loop that runs here.
    #[track_caller]
    pub(super) fn new() -> Self {
        let inner = Inner { watch: Watch::new("a `Server`"), entries: Vec::new(), len: 0 };
        Self { inner: RefCell::new(inner) }
    }

    pub(super) fn len(&self) -> usize {
        self.inner.borrow().len
    }

    pub(super) fn add(&self, task: TaskHandle, control: Control) {
        let mut inner = self.inner.borrow_mut();
        let (place, _) = inner.watch.add(&task);
        let entry = Some(Entry { task, control });
        match inner.entries.get_mut(place) {
            Some(vacant) => *vacant = entry,
            None => inner.entries.push(entry),
        }
        inner.len += 1;
    }

    /// Ready with the task of the next connection that has ended. Dropping the task reports its
    /// failure, if it failed.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> Poll<TaskHandle> {
        let Inner { watch, entries, len } = &mut *self.inner.borrow_mut();
        let task_at = |place: usize| entries.get(place)?.as_ref().map(|entry| &entry.task);
        let Ok(Poll::Ready(place)) = watch.poll_ended(cx, task_at) else { return Poll::Pending };
        let ended = entries.get_mut(place).and_then(Option::take);
        *len -= usize::from(ended.is_some());
        ended.map_or(Poll::Pending, |Entry { task, .. }| Poll::Ready(task))
    }

    /// Calls `f` on each connection's control. Nothing is borrowed during the call.
    pub(super) fn control_all(&self, f: impl Fn(&Control)) {
        let control_at = |place| {
            let inner = self.inner.borrow();
            let entry: Option<&Option<Entry>> = inner.entries.get(place);
            entry.map(|entry| entry.as_ref().map(|entry| entry.control.clone()))
        };
        let mut place = 0;
        while let Some(control) = control_at(place) {
            control.iter().for_each(&f);
            place += 1;
        }
    }

    pub(super) fn cancel_all(&self) {
        for entry in self.inner.borrow().entries.iter().flatten() {
            entry.task.cancel(CancelReason::Requested);
        }
    }

    /// Cuts off all cleanups.
    pub(super) fn cut_off_all(&self) {
        for entry in self.inner.borrow().entries.iter().flatten() {
            entry.task.cut_off();
        }
    }
}
