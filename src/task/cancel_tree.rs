//! The tokens of one tree as data: who is whose child, when each is due, and who waits.
//!
//! All of a tree lies in one vector, with indices for pointers, behind one mutex. So nothing here recurses, however deep the tree
//! is, and no two locks have an order. Time is a parameter. Wakers are handed to the caller, to be woken or dropped when the
//! mutex is free again.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use crate::runtime::{NEVER, Nanos, Slots};

/// The index of no token.
const NOBODY: usize = usize::MAX;

/// What can be known of a token without the mutex.
#[derive(Debug)]
pub(super) struct Status(AtomicU8);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It has no deadline, and none of its ancestors.
    Open,
    /// It is cancelled when that has passed.
    HasDeadline,
    /// For good.
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
    /// Some token stands for it; otherwise it only connects its children with its parent.
    is_held: bool,
    parent: usize,
    /// The youngest child; the others follow by `older`.
    youngest: usize,
    older: usize,
    younger: usize,
    own_deadline: Nanos,
    /// The earliest of its own and its ancestors' deadlines.
    deadline: Nanos,
    /// In the order in which they came.
    waiters: BTreeMap<u64, Waker>,
}

/// The tokens of one tree.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: Slots<Entry>,
    last_waiter: u64,
}

impl Tree {
    /// Adds a token, as the child of another one or as the first.
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
            waiters: BTreeMap::new(),
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

    /// No token stands for the entry any more. It goes, and so do the ancestors that were there for it only.
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

    /// When what the token limits is to end: `now` if it is cancelled.
    pub(super) fn limit(&self, index: usize, now: impl FnOnce() -> Nanos) -> Nanos {
        let entry = self.get(index);
        if entry.status.get() == Stage::Cancelled { now() } else { entry.deadline }
    }

    /// Cancels a token and its descendants. Gives those who wait for them: parents first, older ones first.
    pub(super) fn cancel(&mut self, index: usize) -> Vec<Waker> {
        let mut woken = Vec::new();
        let mut next = vec![index];
        while let Some(index) = next.pop() {
            let entry = self.at(index);
            if entry.status.get() == Stage::Cancelled {
                // So are its descendants.
                continue;
            }
            entry.status.set(Stage::Cancelled);
            woken.extend(mem::take(&mut entry.waiters).into_values());
            self.push_children(index, &mut next);
        }
        woken
    }

    /// Cancels what is cancelled at `now` by a deadline of the token or of an ancestor. `None`: nothing is.
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

    /// Moves a token's own deadline; gives those who have to be woken earlier now than they know. One that is, or was, due at
    /// `now` cancels the token; and what is cancelled stays so.
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

    /// Somebody waits for a token. Gives its deadline and the waiter's former waker, or `waker` back if the token is cancelled.
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
        self.at(index).waiters.remove(&waiter)
    }

    /// Pushes the youngest first, so that the eldest comes off first.
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
        // From both ends, so that the links of siblings are tested too.
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
