//! A registered I/O object, as the reactor sees it: what it is ready for, and who waits for it.
//!
//! Readiness is a guess that only an operation can refute: a new source counts as ready, an edge makes it ready
//! again, and `WouldBlock` (or, on TCP streams, a short read or write) says that it is not. Everything happens on one thread and
//! events are taken in between polls only, so nothing can come between an operation and what it says.
//!
//! Waiters have entries of their own, with an identity that does not depend on the waker: two futures of one task
//! may wait for one direction, and dropping one does not make the other miss its wake.

use super::{Serial, Waiter};

/// One of the two ways in which data goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Why an operation says that the source is not ready any more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// It returned `WouldBlock`.
    WouldBlock,
    /// It moved less than it was offered.
    Short,
}

/// Names a waiter's entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EntryId(u32);

impl EntryId {
    /// The one entry of a direction for callers that have no place for an identity, as `poll_read`: the last one who
    /// polls is the one who is woken, as these traits say.
    pub(crate) const POLL: Self = Self(0);
}

pub(crate) struct Source {
    read: Side,
    write: Side,
    serial: Serial,
    next_entry: u32,
    /// A short read or write means drained. Not so where urgent data splits reads, nor where records have edges.
    short_means_drained: bool,
    /// The registration ended: everything is ready, so that whoever waits sees it.
    released: bool,
}

struct Side {
    /// Assume that an operation will do something.
    ready: bool,
    /// The peer, or we, closed this direction: never to be forgotten.
    closed: bool,
    /// The usual waiter, without an allocation.
    first: Option<Entry>,
    more: Vec<Entry>,
}

struct Entry {
    id: EntryId,
    waiter: Waiter,
}

impl Source {
    pub(super) fn new(serial: Serial, short_means_drained: bool) -> Self {
        let side = || Side { ready: true, closed: false, first: None, more: Vec::new() };
        let (read, write) = (side(), side());
        Self { read, write, serial, next_entry: 1, short_means_drained, released: false }
    }

    pub(super) fn serial(&self) -> Serial {
        self.serial
    }

    pub(crate) fn is_released(&self) -> bool {
        self.released
    }

    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        let side = self.side(direction);
        side.ready || side.closed
    }

    /// An operation came to an end of what there was.
    pub(crate) fn drained(&mut self, direction: Direction, why: Drained) {
        let by_rule = self.short_means_drained;
        let side = self.side_mut(direction);
        match why {
            Drained::Short if !by_rule => {}
            Drained::Short => side.ready = false,
            Drained::WouldBlock => {
                side.ready = false;
                // The operation knows better than an old event. If it kept on counting as ready, its task would spin.
                side.closed = false;
            }
        }
    }

    pub(crate) fn new_entry(&mut self) -> EntryId {
        let id = EntryId(self.next_entry);
        // After 2^32 waits on one source an old entry, if there still is one, shares its name and its wakes.
        self.next_entry = self.next_entry.wrapping_add(1).max(1);
        id
    }

    /// The waiter of the entry, which is made if there is none.
    pub(crate) fn waiter(&mut self, direction: Direction, id: EntryId) -> &mut Waiter {
        let side = self.side_mut(direction);
        let new = || Entry { id, waiter: Waiter::NOBODY };
        if let Some(position) = side.more.iter().position(|entry| entry.id == id) {
            return &mut side.more[position].waiter;
        }
        if side.first.as_ref().is_none_or(|first| first.id == id) {
            return &mut side.first.get_or_insert_with(new).waiter;
        }
        side.more.push(new());
        let last = side.more.len() - 1;
        &mut side.more[last].waiter
    }

    /// Whoever waited under this name does not wait any more.
    pub(crate) fn forget(&mut self, direction: Direction, id: EntryId) -> Waiter {
        let side = self.side_mut(direction);
        if let Some(entry) = side.first.take_if(|first| first.id == id) {
            return entry.waiter;
        }
        let position = side.more.iter().position(|entry| entry.id == id);
        position.map_or(Waiter::NOBODY, |position| side.more.swap_remove(position).waiter)
    }

    pub(super) fn set_urgent(&mut self) {
        self.short_means_drained = false;
    }

    /// An edge: wakes everybody who waits for the direction.
    pub(super) fn set_ready(
        &mut self,
        direction: Direction,
        closed: bool,
        mut wake: impl FnMut(Waiter),
    ) {
        let side = self.side_mut(direction);
        side.ready = true;
        side.closed |= closed;
        side.first.take().into_iter().chain(side.more.drain(..)).for_each(|entry| wake(entry.waiter));
    }

    pub(super) fn close(&mut self, mut wake: impl FnMut(Waiter)) {
        self.released = true;
        self.set_ready(Direction::Read, true, &mut wake);
        self.set_ready(Direction::Write, true, &mut wake);
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}
