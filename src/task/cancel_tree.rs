//! The tokens of one tree as plain data: parents and children, deadlines, and waiters.
//!
//! A whole tree lives in one vector behind one mutex, with indices for pointers. Nothing here
//! recurses, however deep the tree is, and there is no lock order to keep. Time is a parameter.
//! Methods return wakers to the caller, who wakes or drops them after releasing the mutex.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use crate::runtime::{ByNumber, NEVER, Nanos, Slots};

/// The index that stands for "no token".
const NOBODY: usize = usize::MAX;

/// The part of a token's state that is readable without the mutex.
#[derive(Debug)]
pub(super) struct Status(AtomicU8);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Neither the token nor an ancestor has a deadline.
    Open,
    /// The token is cancelled once its deadline has passed.
    HasDeadline,
    /// The token stays cancelled for good.
    Cancelled,
}

impl Status {
    fn new(stage: Stage) -> Self {
        Self(AtomicU8::new(stage as u8))
    }

    pub(super) fn get(&self) -> Stage {
        const CANCELLED: u8 = Stage::Cancelled as u8;
        const OPEN: u8 = Stage::Open as u8;
        match self.0.load(Ordering::Acquire) {
            OPEN => Stage::Open,
            CANCELLED => Stage::Cancelled,
            _ => Stage::HasDeadline,
        }
    }

    fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Release);
    }
}

#[derive(Debug)]
struct Entry {
    status: Arc<Status>,
    /// Whether a token refers to this entry. Otherwise the entry only links its children to its
    /// parent.
    is_held: bool,
    parent: usize,
    /// The youngest child. The others follow through `older`.
    youngest: usize,
    older: usize,
    younger: usize,
    own_deadline: Nanos,
    /// The earliest deadline of this entry and its ancestors.
    deadline: Nanos,
    /// In order of arrival.
    waiters: ByNumber<Waker>,
}

/// The tokens of one tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: Slots<Entry>,
    last_waiter: u64,
}

impl Tree {
    /// Adds a token: the child of `parent`, or the root.
    pub(super) fn add(&mut self, parent: Option<usize>) -> (usize, Arc<Status>) {
        let (parent, deadline, stage) = match parent {
            Some(index) => (index, self.at(index).deadline, self.at(index).status.get()),
            None => (NOBODY, NEVER, Stage::Open),
        };
        let index = self.entries.vacant_key();
        let mut entry = Entry {
            status: Arc::new(Status::new(stage)),
            is_held: true,
            parent,
            youngest: NOBODY,
            older: NOBODY,
            younger: NOBODY,
            own_deadline: NEVER,
            deadline,
            waiters: ByNumber::new(),
        };
        if parent != NOBODY {
            let older = mem::replace(&mut self.at(parent).youngest, index);
            if older != NOBODY {
                self.at(older).younger = index;
            }
            entry.older = older;
        }
        let status = Arc::clone(&entry.status);
        (self.entries.insert(entry), status)
    }

    /// Records that no token refers to the entry any more. Removes it unless it has children, and
    /// removes the ancestors that were kept only for its sake.
    pub(super) fn release(&mut self, index: usize) {
        self.at(index).is_held = false;
        let mut index = index;
        while index != NOBODY {
            let entry = self.at(index);
            if entry.is_held || entry.youngest != NOBODY {
                return;
            }
            let (parent, older, younger) = (entry.parent, entry.older, entry.younger);
            self.entries.remove(index);
            if older != NOBODY {
                self.at(older).younger = younger;
            }
            if younger != NOBODY {
                self.at(younger).older = older;
            } else if parent != NOBODY {
                self.at(parent).youngest = older;
            }
            index = parent;
        }
    }

    pub(super) fn deadline(&self, index: usize) -> Nanos {
        self.get(index).deadline
    }

    /// When work limited by this token must end: `now` if the token is cancelled.
    pub(super) fn limit(&self, index: usize, now: impl FnOnce() -> Nanos) -> Nanos {
        let entry = self.get(index);
        if entry.status.get() == Stage::Cancelled { now() } else { entry.deadline }
    }

    /// Cancels a token and its descendants. Returns the wakers of their waiters: parents before
    /// children, older siblings before younger ones.
    pub(super) fn cancel(&mut self, index: usize) -> Vec<Waker> {
        let mut woken = Vec::new();
        let mut next = vec![index];
        while let Some(index) = next.pop() {
            let entry = self.at(index);
            if entry.status.get() == Stage::Cancelled {
                // Its descendants are cancelled too.
                continue;
            }
            entry.status.set(Stage::Cancelled);
            woken.extend(mem::take(&mut entry.waiters).into_values());
            self.push_children(index, &mut next);
        }
        woken
    }

    /// Cancels the topmost token whose deadline has passed at `now`: `index` or one of its
    /// ancestors. Returns `None` if no deadline has passed.
    pub(super) fn expire(&mut self, index: usize, now: Nanos) -> Option<Vec<Waker>> {
        if self.deadline(index) > now {
            return None;
        }
        let (mut top, mut at) = (index, index);
        while at != NOBODY {
            let entry = self.get(at);
            if entry.own_deadline <= now {
                top = at;
            }
            at = entry.parent;
        }
        Some(self.cancel(top))
    }

    /// Moves a token's own deadline. Returns the wakers of waiters whose deadline is now earlier.
    /// Cancels the token if the new or the former deadline has passed at `now`. A cancelled token
    /// stays cancelled.
    pub(super) fn set_deadline(&mut self, index: usize, deadline: Nanos, now: Nanos) -> Vec<Waker> {
        let entry = self.at(index);
        if entry.status.get() == Stage::Cancelled {
            return Vec::new();
        }
        if entry.own_deadline.min(deadline) <= now {
            return self.cancel(index);
        }
        entry.own_deadline = deadline;
        let mut woken = Vec::new();
        let mut next = vec![index];
        while let Some(index) = next.pop() {
            let parent = self.get(index).parent;
            let of_parent = if parent == NOBODY { NEVER } else { self.deadline(parent) };
            let entry = self.at(index);
            let deadline = entry.own_deadline.min(of_parent);
            if deadline == entry.deadline || entry.status.get() == Stage::Cancelled {
                continue;
            }
            let former = mem::replace(&mut entry.deadline, deadline);
            entry.status.set(if deadline == NEVER { Stage::Open } else { Stage::HasDeadline });
            if deadline < former {
                woken.extend(mem::take(&mut entry.waiters).into_values());
            }
            self.push_children(index, &mut next);
        }
        woken
    }

    /// Registers a waiter. Returns the token's deadline and the waiter's former waker, or `waker`
    /// itself as the error if the token is cancelled.
    pub(super) fn wait(
        &mut self,
        index: usize,
        waiter: &mut Option<u64>,
        waker: Waker,
    ) -> Result<(Nanos, Option<Waker>), Waker> {
        if self.at(index).status.get() == Stage::Cancelled {
            return Err(waker);
        }
        let waiter = *waiter.get_or_insert_with(|| {
            self.last_waiter += 1;
            self.last_waiter
        });
        let entry = self.at(index);
        let former = entry.waiters.insert(waiter, waker);
        Ok((entry.deadline, former))
    }

    pub(super) fn forget(&mut self, index: usize, waiter: u64) -> Option<Waker> {
        self.at(index).waiters.remove(waiter)
    }

    /// Pushes the youngest child first, so that the oldest comes off the stack first.
    fn push_children(&self, index: usize, to: &mut Vec<usize>) {
        let mut child = self.get(index).youngest;
        while child != NOBODY {
            to.push(child);
            child = self.get(child).older;
        }
    }

    fn get(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    fn at(&mut self, index: usize) -> &mut Entry {
        &mut self.entries[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 100_000;

    fn living(tree: &Tree) -> usize {
        tree.entries.len()
    }

    #[test]
    fn children_that_were_dropped_leave_nothing_behind() {
        let mut tree = Tree::default();
        let (root, _) = tree.add(None);
        for _ in 0..MANY {
            let (child, _) = tree.add(Some(root));
            tree.release(child);
        }
        assert_eq!(tree.entries.vacant_key(), 1, "one place, used again and again");
        let children: Vec<usize> = (0..MANY).map(|_| tree.add(Some(root)).0).collect();
        // Released from both ends, so that the sibling links are tested too.
        let (first, last) = children.split_at(MANY / 2);
        for (&first, &last) in first.iter().zip(last.iter().rev()) {
            tree.release(first);
            tree.release(last);
        }
        assert_eq!((living(&tree), tree.get(root).youngest), (1, NOBODY));
        assert!(tree.entries.capacity() < MANY / 100, "what is mostly empty is given back");
        tree.release(root);
        assert_eq!(living(&tree), 0);
    }

    #[test]
    fn ancestors_that_nobody_holds_go_with_their_last_descendant() {
        let mut tree = Tree::default();
        let mut chain = vec![tree.add(None).0];
        for depth in 0..MANY {
            let (child, _) = tree.add(Some(chain[depth]));
            chain.push(child);
        }
        let last = chain.pop().unwrap();
        for &index in &chain {
            tree.release(index);
        }
        assert_eq!(living(&tree), MANY + 1, "they connect the last one with the first");
        tree.set_deadline(chain[0], 7, 0);
        assert_eq!(tree.deadline(last), 7);
        assert!(tree.expire(last, 6).is_none());
        assert!(tree.expire(last, 7).is_some());
        assert_eq!(tree.get(chain[0]).status.get(), Stage::Cancelled);
        tree.release(last);
        assert_eq!(living(&tree), 0);
    }
}
