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
        side.first
            .take()
            .into_iter()
            .chain(side.more.drain(..))
            .for_each(|entry| wake(entry.waiter));
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

#[cfg(test)]
mod tests {
    use super::Direction::{Read, Write};
    use super::*;
    use crate::runtime::data::key::WakerKey;

    const BOTH: [Direction; 2] = [Read, Write];

    fn stream() -> Source {
        Source::new(Serial::FIRST, true)
    }

    fn waiter(slot: u32) -> Waiter {
        Waiter::of_key(WakerKey::new(1, Serial::FIRST, slot))
    }

    /// Makes `waiter(slot)` wait under a new name.
    fn wait(source: &mut Source, direction: Direction, slot: u32) -> EntryId {
        let id = source.new_entry();
        *source.waiter(direction, id) = waiter(slot);
        id
    }

    /// Who is woken by an edge.
    fn edge(source: &mut Source, direction: Direction, closed: bool) -> Vec<Waiter> {
        let mut woken = Vec::new();
        source.set_ready(direction, closed, |waiter| woken.push(waiter));
        woken
    }

    fn ready(source: &Source) -> [bool; 2] {
        BOTH.map(|direction| source.is_ready(direction))
    }

    /// What a source may have seen before.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum State {
        New,
        Drained,
        Closed,
        Urgent,
    }

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Event {
        WouldBlock,
        Short,
        Edge,
        ClosingEdge,
    }

    fn in_state(state: State, direction: Direction) -> Source {
        let mut source = stream();
        match state {
            State::New => {}
            State::Drained => source.drained(direction, Drained::WouldBlock),
            State::Closed => drop(edge(&mut source, direction, true)),
            State::Urgent => source.set_urgent(),
        }
        source
    }

    #[test]
    #[expect(clippy::match_same_arms, reason = "each arm has a reason of its own")]
    fn each_state_meets_each_event() {
        for direction in BOTH {
            for state in [State::New, State::Drained, State::Closed, State::Urgent] {
                for event in [Event::WouldBlock, Event::Short, Event::Edge, Event::ClosingEdge] {
                    let mut source = in_state(state, direction);
                    match event {
                        Event::WouldBlock => source.drained(direction, Drained::WouldBlock),
                        Event::Short => source.drained(direction, Drained::Short),
                        Event::Edge => drop(edge(&mut source, direction, false)),
                        Event::ClosingEdge => drop(edge(&mut source, direction, true)),
                    }
                    let expected = match (state, event) {
                        // An operation that would block refutes whatever was assumed.
                        (_, Event::WouldBlock) => false,
                        (_, Event::Edge | Event::ClosingEdge) => true,
                        // Nothing more comes after the end, but the end is to be read; urgent data splits reads.
                        (State::Closed | State::Urgent, Event::Short) => true,
                        (State::New | State::Drained, Event::Short) => false,
                    };
                    assert_eq!(
                        source.is_ready(direction),
                        expected,
                        "{direction:?}: {state:?}, then {event:?}"
                    );
                    let other = if direction == Read { Write } else { Read };
                    assert!(source.is_ready(other), "the other direction is untouched");
                }
            }
        }
    }

    #[test]
    fn a_closed_direction_stays_ready_after_a_later_edge_and_short_reads() {
        let mut source = stream();
        drop(edge(&mut source, Read, true));
        drop(edge(&mut source, Read, false));
        source.drained(Read, Drained::Short);
        source.drained(Read, Drained::Short);
        assert!(source.is_ready(Read));
    }

    #[test]
    fn without_the_rule_a_short_read_says_nothing() {
        let mut source = Source::new(Serial::FIRST, false);
        source.drained(Read, Drained::Short);
        source.drained(Write, Drained::Short);
        assert_eq!(ready(&source), [true, true]);
        source.drained(Read, Drained::WouldBlock);
        assert_eq!(ready(&source), [false, true]);
    }

    #[test]
    fn urgent_data_ends_the_rule_for_good_and_for_both_directions() {
        let mut source = stream();
        source.set_urgent();
        for _ in 0..3 {
            source.drained(Read, Drained::Short);
            source.drained(Write, Drained::Short);
            assert_eq!(ready(&source), [true, true]);
            source.drained(Read, Drained::WouldBlock);
            assert_eq!(ready(&source), [false, true]);
            drop(edge(&mut source, Read, false));
        }
    }

    #[test]
    fn an_edge_wakes_all_who_wait_for_its_direction_once() {
        let mut source = stream();
        for slot in 0..3 {
            wait(&mut source, Read, slot);
        }
        wait(&mut source, Write, 9);
        assert_eq!(edge(&mut source, Read, false), [waiter(0), waiter(1), waiter(2)]);
        assert_eq!(edge(&mut source, Read, false), []);
        assert_eq!(edge(&mut source, Write, false), [waiter(9)]);
    }

    #[test]
    fn an_entry_keeps_its_name_when_its_waiter_changes() {
        let mut source = stream();
        let ids = [0, 1, 2].map(|slot| wait(&mut source, Read, slot));
        for (id, slot) in ids.into_iter().zip(10..) {
            *source.waiter(Read, id) = waiter(slot);
        }
        assert_eq!(edge(&mut source, Read, false), [waiter(10), waiter(11), waiter(12)]);
    }

    #[test]
    fn forgetting_one_leaves_the_others_wherever_it_stood() {
        for (forgotten, gone) in (0..4).zip(0..) {
            let mut source = stream();
            let ids = [0, 1, 2, 3].map(|slot| wait(&mut source, Write, slot));
            assert_eq!(source.forget(Write, ids[forgotten]), waiter(gone));
            assert_eq!(source.forget(Write, ids[forgotten]), Waiter::NOBODY, "it has gone");
            assert_eq!(source.forget(Read, ids[forgotten]), Waiter::NOBODY, "never was there");
            // A place that became free takes another one.
            let id = wait(&mut source, Write, 7);
            *source.waiter(Write, id) = waiter(8);
            let mut woken: Vec<_> = edge(&mut source, Write, false);
            woken.sort_by_key(|waiter| format!("{waiter:?}"));
            let mut expected: Vec<_> =
                (0..4).filter(|&slot| slot != gone).chain([8]).map(waiter).collect();
            expected.sort_by_key(|waiter| format!("{waiter:?}"));
            assert_eq!(woken, expected);
        }
    }

    #[test]
    fn the_entry_of_poll_is_one_for_each_direction() {
        let mut source = stream();
        for direction in BOTH {
            for slot in 0..3 {
                *source.waiter(direction, EntryId::POLL) = waiter(slot);
            }
            assert_ne!(wait(&mut source, direction, 5), EntryId::POLL);
        }
        assert_eq!(edge(&mut source, Read, false), [waiter(2), waiter(5)]);
        assert_eq!(edge(&mut source, Write, false), [waiter(2), waiter(5)]);
    }

    #[test]
    fn names_are_given_again_only_after_all_others_and_never_that_of_poll() {
        let mut source = stream();
        source.next_entry = u32::MAX;
        let last = source.new_entry();
        let first = source.new_entry();
        assert_eq!((last, first), (EntryId(u32::MAX), EntryId(1)));
    }

    #[test]
    fn a_released_source_is_ready_for_everything_and_wakes_all() {
        let mut source = stream();
        for direction in BOTH {
            source.drained(direction, Drained::WouldBlock);
            wait(&mut source, direction, 1);
        }
        assert!(!source.is_released());
        let mut woken = Vec::new();
        source.close(|waiter| woken.push(waiter));
        assert_eq!(woken, [waiter(1), waiter(1)]);
        assert!(source.is_released());
        assert_eq!(ready(&source), [true, true]);
    }
}
