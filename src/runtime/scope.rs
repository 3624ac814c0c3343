//! The scopes around the code that runs now: the members of gatherings that the code is part of,
//! from its task inwards.
//!
//! A gather, a group or a select gives each member a scope, and polls and drops the member inside
//! it. Cleanups run side by side if neither of their scopes contains the other. All others run in
//! the order of the drops.
//!
//! The scopes are in a thread-local without a destructor, so entering one costs two stores. Each
//! poll of a member does this.

use std::cell::Cell;

/// The number of nested scopes that are told apart. Deeper ones count as part of the last of these,
/// so their cleanups run one after another.
const DEPTH_MAX: usize = 32;

thread_local! {
    static SCOPES: Scopes = const {
        Scopes {
            next: Cell::new(1),
            base: Cell::new(0),
            len: Cell::new(0),
            entered: [const { Cell::new(0) }; DEPTH_MAX],
        }
    };
}

struct Scopes {
    /// The number of the next new scope.
    next: Cell<u64>,
    /// The number of scopes that belong to code around the task that runs now.
    base: Cell<usize>,
    len: Cell<usize>,
    entered: [Cell<u64>; DEPTH_MAX],
}

/// The scope of one member. Its number never repeats on this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope(u64);

impl Scope {
    pub(crate) fn new() -> Self {
        Self::first_of(1)
    }

    /// The first of `count` new scopes.
    #[inline]
    pub(crate) fn first_of(count: usize) -> Self {
        SCOPES.with(|scopes| {
            let first = scopes.next.get();
            scopes.next.set(first + count as u64);
            Self(first)
        })
    }

    /// The scope of the member `index`, if this is the first member's.
    #[inline]
    pub(crate) fn of_member(self, index: usize) -> Self {
        Self(self.0 + index as u64)
    }

    /// Enters the scope until the result is dropped.
    #[inline]
    pub(crate) fn enter(self) -> Entered {
        SCOPES.with(|scopes| {
            let depth = scopes.len.get();
            if let Some(place) = scopes.entered.get(depth) {
                place.set(self.0);
            }
            scopes.len.set(depth + 1);
            Entered { depth }
        })
    }
}

/// A scope that was entered. Its drop leaves it.
#[must_use]
pub(crate) struct Entered {
    depth: usize,
}

impl Entered {
    /// Replaces the scope by a sibling's.
    #[inline]
    pub(crate) fn switch_to(&self, scope: Scope) {
        SCOPES.with(|scopes| {
            if let Some(place) = scopes.entered.get(self.depth) {
                place.set(scope.0);
            }
        });
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        SCOPES.with(|scopes| scopes.len.set(self.depth));
    }
}

/// Calls `f`, which is not part of the code that runs now, outside of all scopes.
#[inline]
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    SCOPES.with(|scopes| {
        let base = scopes.base.replace(scopes.len.get());
        let _restore = Restore { base };
        f()
    })
}

/// Drops the rest of each member of a gathering in the member's scope.
pub(crate) fn drop_members<T>(first: Scope, members: impl IntoIterator<Item = T>) {
    let entered = first.enter();
    for (index, member) in members.into_iter().enumerate() {
        entered.switch_to(first.of_member(index));
        drop(member);
    }
}

/// The numbers of the scopes around the code that runs now, the outermost first.
pub(super) fn path() -> Vec<u64> {
    SCOPES.with(|scopes| {
        let (base, len) = (scopes.base.get(), scopes.len.get());
        let entered = scopes.entered.iter().take(len).skip(base);
        entered.map(Cell::get).collect()
    })
}

/// Puts the former base back, after a panic too.
struct Restore {
    base: usize,
}

impl Drop for Restore {
    fn drop(&mut self) {
        SCOPES.with(|scopes| scopes.base.set(self.base));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_scopes_of_the_current_task_only() {
        let (outer, inner) = (Scope::new(), Scope::first_of(2));
        let _outer = outer.enter();
        let entered = inner.enter();
        entered.switch_to(inner.of_member(1));
        assert_eq!(path(), [outer.0, inner.0 + 1]);
        outside(|| {
            assert_eq!(path(), [0; 0]);
            let _again = inner.enter();
            assert_eq!(path(), [inner.0]);
        });
        drop(entered);
        assert_eq!(path(), [outer.0]);
    }

    #[test]
    fn scopes_beyond_the_deepest_count_as_the_last_one() {
        let entered: Vec<_> = (0..DEPTH_MAX + 5).map(|_| Scope::new().enter()).collect();
        assert_eq!(path().len(), DEPTH_MAX);
        // Scopes have to be left in the order of the stack.
        entered.into_iter().rev().for_each(drop);
        assert_eq!(path(), [0; 0]);
    }
}
