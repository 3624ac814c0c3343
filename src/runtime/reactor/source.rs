//! A registered I/O object, as the reactor sees it: its readiness, and its waiters.
//!
//! Readiness is a guess that only an operation can refute. A new source counts as ready, and an
//! edge makes it ready again. `WouldBlock` (or, on TCP streams, a short read or write) says that it
//! is not ready. Everything happens on one thread, and events are taken in only between polls, so
//! no event can come between an operation and its result.
//!
//! Each waiter has an entry of its own, with an identity that does not depend on its waker. Two
//! futures of one task may wait for one direction, and dropping one of them does not make the other
//! miss its wake.
//!
//! An edge wakes every waiter of its direction, because a woken waiter may not be polled soon: a
//! `select!` may keep it while another arm runs. Entries are found by number, so the cost of a
//! waiter hardly grows with their count, and the oldest entry is woken first.

use std::mem;

use super::{Serial, Waiter};
use crate::runtime::data::by_number::ByNumber;

/// One of the two directions of data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Why an operation has shown that the source is no longer ready.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// It returned `WouldBlock`.
    WouldBlock,
    /// It moved less than it was offered.
    Short,
}

/// Names a waiter's entry. A later entry has a greater name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct EntryId(u64);

impl EntryId {
    /// The shared entry of a direction, for callers without room for an identity, such as
    /// `poll_read`. It wakes the caller that polled last, which is the contract of these traits.
    pub(crate) const POLL: Self = Self(0);
}

pub(crate) struct Source {
    read: Side,
    write: Side,
    serial: Serial,
    next_entry: u64,
    /// Whether a short read or write means that the source is drained. This is not so if urgent
    /// data splits reads, or if records have edges.
    short_means_drained: bool,
    /// The registration has ended: everything counts as ready, so that every waiter sees it.
    released: bool,
    /// Another process makes it ready, so virtual time stands still while a task waits for it.
    is_outside: bool,
    /// The entry of a wait of the loop's own, which wakes no task.
    own: Option<EntryId>,
}

struct Side {
    /// Assume that an operation will do something.
    ready: bool,
    /// The peer, or this side, closed this direction. This is never reset.
    closed: bool,
    /// The usual waiter, without an allocation. Other waiters may be older.
    one: Option<Entry>,
    /// By the numbers of their entries.
    more: ByNumber<Waiter>,
}

struct Entry {
    id: EntryId,
    waiter: Waiter,
}

impl Source {
    pub(super) fn new(serial: Serial, short_means_drained: bool) -> Self {
        let side = || Side { ready: true, closed: false, one: None, more: ByNumber::new() };
        let (read, write) = (side(), side());
        Self {
            read,
            write,
            serial,
            next_entry: 1,
            short_means_drained,
            released: false,
            is_outside: false,
            own: None,
        }
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

    /// An operation has used up the readiness.
    pub(crate) fn drained(&mut self, direction: Direction, why: Drained) {
        let by_rule = self.short_means_drained;
        let side = self.side_mut(direction);
        match why {
            Drained::Short if !by_rule => {}
            Drained::Short => side.ready = false,
            Drained::WouldBlock => {
                side.ready = false;
                // The operation is newer than the event. If the source still counted as ready, its
                // task would spin.
                side.closed = false;
            }
        }
    }

    pub(crate) fn new_entry(&mut self) -> EntryId {
        let id = EntryId(self.next_entry);
        self.next_entry += 1;
        id
    }

    /// The waiter of the entry, which is made if there is none.
    pub(crate) fn waiter(&mut self, direction: Direction, id: EntryId) -> &mut Waiter {
        let Side { one, more, .. } = self.side_mut(direction);
        match one {
            None if more.is_empty() => &mut one.insert(Entry { id, waiter: Waiter::NOBODY }).waiter,
            Some(one) if one.id == id => &mut one.waiter,
            _ => more.get_or_insert(id.0, Waiter::NOBODY),
        }
    }

    /// Removes the entry and returns its waiter.
    pub(crate) fn forget(&mut self, direction: Direction, id: EntryId) -> Waiter {
        let side = self.side_mut(direction);
        if let Some(entry) = side.one.take_if(|one| one.id == id) {
            return entry.waiter;
        }
        side.more.remove(id.0).unwrap_or(Waiter::NOBODY)
    }

    pub(super) fn set_urgent(&mut self) {
        self.short_means_drained = false;
    }

    /// An edge. Wakes all waiters of the direction, the oldest entry first.
    pub(super) fn set_ready(
        &mut self,
        direction: Direction,
        closed: bool,
        mut wake: impl FnMut(Waiter),
    ) {
        let Side { ready, closed: is_closed, one, more } = self.side_mut(direction);
        *ready = true;
        *is_closed |= closed;
        match one.take() {
            Some(Entry { waiter, .. }) if more.is_empty() => return wake(waiter),
            None if more.is_empty() => return,
            Some(Entry { id, waiter }) => drop(more.insert(id.0, waiter)),
            None => {}
        }
        // This also releases the memory: most sources never have a second waiter again.
        mem::take(more).into_values().for_each(wake);
    }

    pub(super) fn close(&mut self, mut wake: impl FnMut(Waiter)) {
        self.released = true;
        self.set_ready(Direction::Read, true, &mut wake);
        self.set_ready(Direction::Write, true, &mut wake);
    }

    /// Whether a task waits for it, in either direction.
    pub(super) fn is_awaited(&self) -> bool {
        let is_of_task = |id: EntryId| Some(id) != self.own;
        [&self.read, &self.write].iter().any(|side| {
            side.one.as_ref().is_some_and(|one| is_of_task(one.id))
                || side.more.numbers().any(|number| is_of_task(EntryId(number)))
        })
    }

    pub(super) fn is_outside(&self) -> bool {
        self.is_outside
    }

    pub(crate) fn set_outside(&mut self) {
        self.is_outside = true;
    }

    pub(crate) fn set_own(&mut self, entry: EntryId) {
        self.own = Some(entry);
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
    use std::time::Duration;

    use nix::time::{ClockId, clock_gettime};

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

    /// The waiters that an edge wakes.
    fn edge(source: &mut Source, direction: Direction, closed: bool) -> Vec<Waiter> {
        let mut woken = Vec::new();
        source.set_ready(direction, closed, |waiter| woken.push(waiter));
        woken
    }

    fn ready(source: &Source) -> [bool; 2] {
        BOTH.map(|direction| source.is_ready(direction))
    }

    /// The states that a source may be in.
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
                        // An operation that would block refutes every assumption.
                        (_, Event::WouldBlock) => false,
                        (_, Event::Edge | Event::ClosingEdge) => true,
                        // Nothing more comes after the end, but the end is to be read; urgent data
                        // splits reads.
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
            let id = wait(&mut source, Write, 7);
            *source.waiter(Write, id) = waiter(8);
            let expected: Vec<_> =
                (0..4).filter(|&slot| slot != gone).chain([8]).map(waiter).collect();
            assert_eq!(edge(&mut source, Write, false), expected);
        }
    }

    #[test]
    fn a_waiter_has_one_entry_also_after_the_other_has_gone() {
        let mut source = stream();
        let (first, second) = (wait(&mut source, Read, 1), wait(&mut source, Read, 2));
        assert_eq!(source.forget(Read, first), waiter(1));
        *source.waiter(Read, second) = waiter(3);
        assert_eq!(source.forget(Read, second), waiter(3));
        assert_eq!(edge(&mut source, Read, false), []);
    }

    #[test]
    fn who_has_waited_longest_is_woken_first_however_often_all_wait_again() {
        let mut source = stream();
        let ids = [0, 1, 2, 3].map(|slot| wait(&mut source, Read, slot));
        for order in [[3, 1, 0, 2], [1, 3, 2, 0], [2, 0, 3, 1]] {
            for place in order {
                *source.waiter(Read, ids[place]) = waiter(u32::try_from(place).unwrap());
            }
            assert_eq!(edge(&mut source, Read, false), [0, 1, 2, 3].map(waiter), "{order:?}");
        }
        assert_eq!(edge(&mut source, Read, false), []);
    }

    /// The CPU time of `crowd` waiters that wait, change their wakers, are woken, wait again, and
    /// go.
    fn cost_of(crowd: u32) -> Duration {
        let clock = ClockId::CLOCK_THREAD_CPUTIME_ID;
        let start = clock_gettime(clock).unwrap();
        let mut source = stream();
        let ids: Vec<_> = (0..crowd).map(|slot| wait(&mut source, Read, slot)).collect();
        for &id in ids.iter().rev() {
            *source.waiter(Read, id) = waiter(1);
        }
        assert_eq!(edge(&mut source, Read, false).len(), ids.len());
        for &id in &ids {
            *source.waiter(Read, id) = waiter(2);
        }
        for &id in ids.iter().rev() {
            assert_eq!(source.forget(Read, id), waiter(2));
        }
        assert_eq!(edge(&mut source, Read, false), []);
        (clock_gettime(clock).unwrap() - start).into()
    }

    #[test]
    fn the_cost_of_a_waiter_hardly_grows_with_their_number() {
        let cost = |crowd| (0..3).map(|_| cost_of(crowd)).min().unwrap();
        let (few, many) = (cost(1000), cost(16_000));
        // 16 times as many cost 16 times as much, and a bit more to find them. In a plain list it
        // would be 256.
        assert!(many < few * 80, "{few:?} and {many:?}");
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
    fn a_name_is_never_given_again() {
        let mut source = stream();
        assert_ne!(source.new_entry(), EntryId::POLL);
        source.next_entry = u64::from(u32::MAX);
        let (last, next) = (source.new_entry(), source.new_entry());
        assert_eq!((last, next), (EntryId(0xFFFF_FFFF), EntryId(0x1_0000_0000)));
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
