//! The cleanups that a task has left, as data: which exist, which may run, and who waits for them.
//!
//! A cleanup is a future that has to run after something was dropped. It belongs to the task that
//! was current at the drop, its *owner*, and to the scope of the drop (`scope.rs`). It may begin
//! when every earlier cleanup of the same owner has ended that was left in its own scope, in one
//! around it, or in one inside it. So cleanups of one scope run in the order of the drops, and
//! cleanups of different members of a gather run side by side.
//!
//! A cleanup may leave further cleanups, and ends only after them. The owner ends after all of its
//! cleanups. Nothing here runs user code.

use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::pin::Pin;

use super::by_number::ByNumber;
use super::clock::Nanos;
use super::failed_cleanup::FailedCleanup;
use super::key;
use super::ready_list::Member;
use super::record::{BoxedError, Ending, Place, TaskLabel};
use super::room::Slots;
use super::side_table::SideTable;
use super::waiter::Waiter;

/// Runs a cleanup. The output is its error, if it fails.
pub(crate) type BoxedCleanup = Pin<Box<dyn Future<Output = Option<BoxedError>>>>;

/// The longest chain of cleanups that leave one another. The limit ends a cleanup that always
/// leaves another one and never waits.
pub(crate) const NESTED_MAX: u32 = 100_000;

/// Everything that the loop knows about cleanups.
pub(crate) struct Cleaning {
    /// The cleanups of each task, by the slot of their owner.
    pub(crate) of_tasks: SideTable<Cleanups>,
    /// How many cleanups were accepted. This is also the last ticket.
    pub(crate) accepted: u64,
    pub(crate) waits: Waits,
    /// The slots of the tasks whose end an owner waits for, by the owner's slot.
    awaited: SideTable<Vec<u32>>,
    /// Failures of cleanups of ended tasks, by the slot of the task. The task's handle takes them.
    pub(crate) failed_of_tasks: SideTable<Vec<FailedCleanup>>,
    /// Failures of cleanups of failed children, by the ready list of their group and the child's
    /// index.
    failed_of_groups: SideTable<ByNumber<Vec<FailedCleanup>>>,
    /// The time limit of one cleanup.
    pub(crate) timeout: Nanos,
    /// Why nothing is awaited any more, as a clause for reports: a second Ctrl-C, for example.
    pub(crate) why_hurried: Option<&'static str>,
    /// The loop is ending, and the time for cleanups is over.
    pub(crate) is_over: bool,
    /// The child that its group is dropping right now, on behalf of the current task.
    pub(crate) dropped_child: Option<TaskLabel>,
    /// The closures that make a cleanup out of a guard's value. An entry exists as long as its
    /// guard; the end of the loop empties it.
    pub(crate) makers: Slots<Option<Box<dyn Any>>>,
}

/// The origin of a cleanup. It decides the report if the cleanup cannot run to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The guard made at this place.
    Guard(Place),
    /// The call on another thread made at this place. The cleanup waits for that call.
    Call(Place),
    /// Cleanups of another task, or other work that limits its time and reports its failures
    /// itself.
    Elsewhere,
}

impl Origin {
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Self::Guard(place) | Self::Call(place) => Some(place),
            Self::Elsewhere => None,
        }
    }
}

/// A cleanup that is about to be accepted.
pub(crate) struct NewCleanup {
    pub(crate) future: BoxedCleanup,
    pub(crate) origin: Origin,
    /// The task that reports name, if it is not the owner: the child that its group has dropped.
    pub(crate) child: Option<TaskLabel>,
    /// The number of the cleanup within the loop.
    pub(crate) ticket: u64,
    /// The scopes around the drop, the outermost first.
    pub(crate) path: Vec<u64>,
    /// The cleanup only waits for something that ends by itself, so it waits for no other cleanup.
    pub(crate) starts_at_once: bool,
    /// The running cleanup that has left this one.
    pub(crate) parent: Option<u32>,
    /// Its deadline, if it shares the deadline of its parent.
    pub(crate) deadline: Option<Nanos>,
    /// The wait to tell when it ends.
    pub(crate) wait: Option<u32>,
}

/// A cleanup that is about to begin.
pub(crate) struct Begun {
    pub(crate) future: BoxedCleanup,
    pub(crate) origin: Origin,
    pub(crate) child: Option<TaskLabel>,
}

/// The cleanups of one task, from the first one that it leaves until all have ended.
#[derive(Default)]
pub(crate) struct Cleanups {
    items: Slots<Item>,
    /// The last cleanup of each scope.
    last: BTreeMap<ScopeKey, u32>,
    /// The waits that end with the last cleanup.
    pub(crate) waits: Vec<u32>,
    /// How the owner ended, once it only waits for these cleanups.
    pub(crate) ending: Option<Ending>,
    /// Failures for the code that will learn how the owner ended.
    pub(crate) failed: Vec<FailedCleanup>,
}

/// The ticket of the parent, or 0 without one, and the scopes around the drop.
type ScopeKey = (u64, Vec<u64>);

struct Item {
    /// `None` once the cleanup has begun.
    future: Option<BoxedCleanup>,
    origin: Origin,
    child: Option<TaskLabel>,
    ticket: u64,
    scope: ScopeKey,
    parent: Option<u32>,
    /// How many cleanups left one another on the way to this one.
    depth: u32,
    deadline: Option<Nanos>,
    /// The cleanup began after its deadline, so it may leave no further one.
    is_late: bool,
    /// The future is gone.
    is_over: bool,
    /// The slot of the task that runs the cleanup.
    cleaner: Option<u32>,
    /// How many cleanups have to end before this one begins.
    blockers: u32,
    /// How many of the cleanups that this one has left have not ended.
    nested: u32,
    /// The cleanups that wait for the end of this one.
    next: Vec<u32>,
    wait: Option<u32>,
}

/// The work that the end of a cleanup leaves to the caller.
#[derive(Default)]
pub(crate) struct Finished {
    /// Cleanups that may begin now, in the order in which they were left.
    pub(crate) ready: Vec<u32>,
    /// Waits to tell.
    pub(crate) waits: Vec<u32>,
}

impl Cleaning {
    pub(crate) fn new(timeout: Nanos) -> Self {
        Self {
            of_tasks: SideTable::new(),
            accepted: 0,
            waits: Waits::default(),
            awaited: SideTable::new(),
            failed_of_tasks: SideTable::new(),
            failed_of_groups: SideTable::new(),
            timeout,
            why_hurried: None,
            is_over: false,
            dropped_child: None,
            makers: Slots::new(),
        }
    }

    pub(crate) fn has_makers(&self) -> bool {
        !self.makers.is_empty()
    }

    /// Empties the store at the end of the loop.
    pub(crate) fn take_makers(&mut self) -> impl Iterator<Item = Box<dyn Any>> + '_ {
        self.makers.iter_mut().filter_map(|(_, maker)| maker.take())
    }

    pub(crate) fn add_failed_of_child(&mut self, child: Member, failed: Vec<FailedCleanup>) {
        if let Some(of_group) = self.failed_of_groups.get_mut(child.list) {
            of_group.get_or_insert(child.index.into(), Vec::new()).extend(failed);
            return;
        }
        let mut of_group = ByNumber::new();
        of_group.insert(child.index.into(), failed);
        self.failed_of_groups.insert(child.list, of_group);
    }

    pub(crate) fn take_failed_of_child(&mut self, child: Member) -> Vec<FailedCleanup> {
        let Some(of_group) = self.failed_of_groups.get_mut(child.list) else { return Vec::new() };
        let of_child = of_group.remove(child.index.into()).unwrap_or_default();
        if of_group.is_empty() {
            self.failed_of_groups.remove(child.list);
        }
        of_child
    }

    /// Failures that the group with this ready list has not taken.
    pub(crate) fn take_failed_of_group(&mut self, list: u32) -> Vec<FailedCleanup> {
        self.failed_of_groups.remove(list).unwrap_or_default().into_values().flatten().collect()
    }

    pub(crate) fn add_awaited(&mut self, owner: u32, task: u32) {
        match self.awaited.get_mut(owner) {
            Some(tasks) => tasks.push(task),
            None => self.awaited.insert(owner, vec![task]),
        }
    }

    pub(crate) fn forget_awaited(&mut self, owner: u32, task: u32) {
        let Some(tasks) = self.awaited.get_mut(owner) else { return };
        if let Some(index) = tasks.iter().position(|&awaited| awaited == task) {
            tasks.swap_remove(index);
        }
        if tasks.is_empty() {
            self.awaited.remove(owner);
        }
    }

    /// Whether `task` is `other`, or waits for its end directly or by way of other tasks.
    pub(crate) fn awaits(&self, task: u32, other: u32) -> bool {
        let (mut left, mut seen) = (vec![task], HashSet::new());
        while let Some(task) = left.pop() {
            if task == other {
                return true;
            }
            if let Some(tasks) = self.awaited.get(task).filter(|_| seen.insert(task)) {
                left.extend_from_slice(tasks);
            }
        }
        false
    }

    /// Whether the cleanup `index` of the task in `owner` may leave another one.
    pub(crate) fn may_nest(&self, owner: u32, index: u32) -> bool {
        let item = self.of_tasks.get(owner).and_then(|cleanups| cleanups.get(index));
        item.is_some_and(|item| !item.is_late && item.depth < NESTED_MAX)
    }
}

impl Cleanups {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Accepts a cleanup. Returns its index, and whether it may begin now.
    pub(crate) fn add(&mut self, new: NewCleanup) -> (u32, bool) {
        let NewCleanup { future, origin, child, ticket, mut path, starts_at_once, .. } = new;
        let parent = new.parent.and_then(|parent| self.items.get_mut(parent as usize));
        let (family, depth) = parent.map_or((0, 0), |parent| {
            parent.nested += 1;
            (parent.ticket, parent.depth + 1)
        });
        let before = if starts_at_once {
            // It gets a scope of its own. Cleanups that are left later in the scopes around it wait
            // for it, and it waits for none.
            path.push(u64::MAX - ticket);
            Vec::new()
        } else {
            self.take_before(family, &path)
        };
        let scope = (family, path);
        let index = key::slot(self.items.insert(Item {
            future: Some(future),
            origin,
            child,
            ticket,
            scope: scope.clone(),
            parent: new.parent,
            depth,
            deadline: new.deadline,
            is_late: false,
            is_over: false,
            cleaner: None,
            blockers: key::slot(before.len()),
            nested: 0,
            next: Vec::new(),
            wait: new.wait,
        }));
        for &blocker in &before {
            self.items[blocker as usize].next.push(index);
        }
        self.last.insert(scope, index);
        (index, before.is_empty())
    }

    /// The cleanups that a new one in this scope has to wait for: the last one of each scope inside
    /// it, and the last one of the nearest scope around it that has any. All others end before
    /// these. Later cleanups will wait for the new one instead of the inner ones, so this removes
    /// the inner scopes.
    fn take_before(&mut self, family: u64, path: &[u64]) -> Vec<u32> {
        let is_inside = |(of, inner): &ScopeKey| *of == family && inner.starts_with(path);
        let from = (family, path.to_vec());
        let inside = self.last.range(from..).take_while(|(scope, _)| is_inside(scope));
        let inside: Vec<_> = inside.map(|(scope, &index)| (scope.clone(), index)).collect();
        for (scope, _) in &inside {
            self.last.remove(scope);
        }
        let mut outer = path;
        let around = loop {
            let Some((_, rest)) = outer.split_last() else { break None };
            outer = rest;
            if let Some(&index) = self.last.get(&(family, outer.to_vec())) {
                break Some(index);
            }
        };
        inside.into_iter().map(|(_, index)| index).chain(around).collect()
    }

    fn get(&self, index: u32) -> Option<&Item> {
        self.items.get(index as usize)
    }

    fn item(&mut self, index: u32) -> &mut Item {
        &mut self.items[index as usize]
    }

    /// Notes that the task in `cleaner` runs the cleanup.
    pub(crate) fn set_cleaner(&mut self, index: u32, cleaner: u32) {
        self.item(index).cleaner = Some(cleaner);
    }

    pub(crate) fn place(&self, index: u32) -> Option<Place> {
        self.get(index)?.origin.place()
    }

    /// The slots of the tasks that run cleanups.
    pub(crate) fn cleaners(&self) -> Vec<u32> {
        self.items
            .iter()
            .filter(|(_, item)| !item.is_over)
            .filter_map(|(_, item)| item.cleaner)
            .collect()
    }

    /// Takes out the future of the cleanup. `is_late` says whether its deadline has passed.
    pub(crate) fn begin(
        &mut self,
        index: u32,
        is_late: impl FnOnce(Nanos) -> bool,
    ) -> Option<Begun> {
        let item = self.item(index);
        item.is_late = item.deadline.is_some_and(is_late);
        let future = item.future.take()?;
        Some(Begun { future, origin: item.origin, child: item.child.take() })
    }

    /// The deadline of the cleanup. If it has none yet, this sets it to `limit`.
    pub(crate) fn deadline(&mut self, index: u32, limit: impl FnOnce() -> Nanos) -> Nanos {
        *self.item(index).deadline.get_or_insert_with(limit)
    }

    /// Notes that the future of the cleanup is gone. The cleanup has then ended, unless it has left
    /// others that have not. Its end may end its parent, and so on up to the first one that is not
    /// over.
    pub(crate) fn finish(&mut self, index: u32) -> Finished {
        let mut finished = Finished::default();
        self.item(index).is_over = true;
        let mut next = Some(index);
        while let Some(index) = next {
            let item = &self.items[index as usize];
            if !item.is_over || item.nested > 0 {
                break;
            }
            let Item { scope, parent, next: unblocked, wait, .. } =
                self.items.remove(index as usize);
            if self.last.get(&scope) == Some(&index) {
                self.last.remove(&scope);
            }
            for index in unblocked {
                let item = self.item(index);
                item.blockers -= 1;
                if item.blockers == 0 {
                    finished.ready.push(index);
                }
            }
            finished.waits.extend(wait);
            if let Some(parent) = parent {
                self.item(parent).nested -= 1;
            }
            next = parent;
        }
        if self.items.is_empty() {
            finished.waits.append(&mut self.waits);
        }
        finished
    }
}

/// The waits for cleanups.
#[derive(Default)]
pub(crate) struct Waits {
    waits: Slots<Wait>,
    /// The wait to which new cleanups count: some code is dropping something, and will wait for the
    /// cleanups that the drop leaves.
    pub(crate) collector: Option<u32>,
}

struct Wait {
    /// How many cleanups and other waits are still to end.
    pending: usize,
    waiter: Waiter,
    is_held: bool,
    /// The wait that continues in its place after it was given up.
    heir: Option<u32>,
}

impl Waits {
    /// Creates a wait for one thing.
    pub(crate) fn add(&mut self) -> u32 {
        let wait = Wait { pending: 1, waiter: Waiter::NOBODY, is_held: true, heir: None };
        key::slot(self.waits.insert(wait))
    }

    /// Counts a new cleanup for the collector, if there is one.
    pub(crate) fn collect(&mut self) -> Option<u32> {
        let collector = self.collector?;
        self.waits[collector as usize].pending += 1;
        Some(collector)
    }

    /// One of the things that it waits for has ended. Returns the waiter to wake if that was the
    /// last one.
    pub(crate) fn tell(&mut self, wait: u32) -> Waiter {
        let mut next = Some(wait);
        while let Some(index) = next {
            let wait = &mut self.waits[index as usize];
            wait.pending -= 1;
            if wait.pending > 0 {
                break;
            }
            if wait.is_held {
                return wait.waiter.take();
            }
            next = self.waits.remove(index as usize).heir;
        }
        Waiter::NOBODY
    }

    pub(crate) fn is_pending(&self, wait: u32) -> bool {
        self.waits.get(wait as usize).is_some_and(|wait| wait.pending > 0)
    }

    /// The place of the waiter.
    pub(crate) fn waiter(&mut self, wait: u32) -> Option<&mut Waiter> {
        self.waits.get_mut(wait as usize).map(|wait| &mut wait.waiter)
    }

    /// Its holder stops polling it. If a collector is set, the collector waits on in its place.
    pub(crate) fn give_up(&mut self, wait: u32) -> Waiter {
        if !self.is_pending(wait) {
            return self.waits.remove(wait as usize).waiter;
        }
        let heir = self.collect();
        let wait = &mut self.waits[wait as usize];
        wait.is_held = false;
        wait.heir = heir;
        wait.waiter.take()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    fn new(ticket: u64, path: Vec<u64>, parent: Option<u32>) -> NewCleanup {
        NewCleanup {
            future: Box::pin(ready(None)),
            origin: Origin::Elsewhere,
            child: None,
            ticket,
            path,
            starts_at_once: false,
            parent,
            deadline: None,
            wait: None,
        }
    }

    /// A naive model: each cleanup, its scope, and whether it has ended.
    struct Model(Vec<(u32, Vec<u64>, bool)>);

    impl Model {
        fn may_begin(&self, at: usize) -> bool {
            let (_, path, _) = &self.0[at];
            self.0[..at].iter().all(|(_, earlier, is_over)| {
                *is_over || !(earlier.starts_with(path) || path.starts_with(earlier))
            })
        }
    }

    #[test]
    fn a_cleanup_begins_when_all_have_ended_that_related_scopes_left_before() {
        let mut random = 1_u64;
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % limit
        };
        for _ in 0..300 {
            let (mut cleanups, mut model) = (Cleanups::default(), Model(Vec::new()));
            let mut ready = Vec::new();
            for ticket in 1..60 {
                if below(3) > 0 || ready.is_empty() {
                    let path = (0..below(4)).map(|_| below(3)).collect::<Vec<_>>();
                    let (index, may_begin) = cleanups.add(new(ticket, path.clone(), None));
                    model.0.push((index, path, false));
                    assert_eq!(may_begin, model.may_begin(model.0.len() - 1));
                    ready.extend(may_begin.then_some(index));
                } else {
                    let chosen = below(ready.len() as u64);
                    let index = ready.swap_remove(usize::try_from(chosen).unwrap());
                    ready.extend(cleanups.finish(index).ready);
                    let ended = model.0.iter_mut().find(|(i, _, over)| *i == index && !over);
                    ended.unwrap().2 = true;
                    let open = (0..model.0.len()).filter(|&at| !model.0[at].2);
                    let mut expected: Vec<_> =
                        open.filter(|&at| model.may_begin(at)).map(|at| model.0[at].0).collect();
                    expected.sort_unstable();
                    ready.sort_unstable();
                    assert_eq!(ready, expected);
                }
            }
            while let Some(index) = ready.pop() {
                ready.extend(cleanups.finish(index).ready);
            }
            assert!(cleanups.is_empty() && cleanups.last.is_empty());
        }
    }

    #[test]
    fn a_cleanup_ends_after_those_that_it_has_left() {
        let mut cleanups = Cleanups::default();
        let (first, _) = cleanups.add(new(1, vec![], None));
        let (second, may_begin) = cleanups.add(new(2, vec![], None));
        assert!(!may_begin);
        let (nested, may_begin) = cleanups.add(new(3, vec![], Some(first)));
        assert!(may_begin);
        assert_eq!(cleanups.finish(first).ready, [0; 0]);
        assert_eq!(cleanups.finish(nested).ready, [second]);
        assert!(!cleanups.is_empty());
        assert_eq!(cleanups.finish(second).ready, [0; 0]);
        assert!(cleanups.is_empty());
    }

    #[test]
    fn a_wait_that_was_given_up_is_waited_for_by_its_heir() {
        let mut waits = Waits::default();
        let inner = waits.add();
        let outer = waits.add();
        waits.collector = Some(outer);
        assert_eq!(waits.give_up(inner), Waiter::NOBODY);
        waits.collector = None;
        let _nobody = waits.tell(outer);
        assert!(waits.is_pending(outer));
        let _nobody = waits.tell(inner);
        assert!(!waits.is_pending(outer));
        let _nobody = waits.give_up(outer);
        assert!(waits.waits.is_empty());
    }
}
