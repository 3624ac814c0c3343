//! The time limits around the code that runs now. They decide the result of `deadline`, and which
//! of two limits ends the code.
//!
//! Code that limits a future polls it inside [`around`]. Limits nest like the polls, so nothing has
//! to be found again between two polls, and a task, which the loop polls, starts without one. The
//! limits have a thread-local of their own, because taking the state out and putting it back would
//! cost more than the rest of a limit around a poll.

use std::cell::{Cell, RefCell};

use super::data::clock::{NEVER, Nanos};
use super::scope;

thread_local! {
    /// The earliest of the limits that do not move.
    static LIMIT: Cell<Nanos> = const { Cell::new(NEVER) };

    /// The limits that tokens set, the innermost last. They are apart from the others because a
    /// token can move its limit.
    static TOKENS: RefCell<Vec<TokenLimit>> = const { RefCell::new(Vec::new()) };
}

/// The address of no tree. Such an entry hides the entries before it.
const NO_TREE: usize = 0;

/// The limit that a token sets. `tree` is the address of its tree of tokens.
struct TokenLimit {
    tree: usize,
    index: usize,
    at: Nanos,
}

/// Calls `f` inside a limit at `deadline`, in addition to the limits around it.
#[inline]
pub(crate) fn around<R>(deadline: Nanos, f: impl FnOnce() -> R) -> R {
    LIMIT.with(|limit| {
        let outer = limit.get();
        let _restore = Restore { limit, outer };
        limit.set(deadline.min(outer));
        f()
    })
}

/// Calls `f` inside the limit of the token `index` in the tree at the address `tree`.
pub(crate) fn around_token<R>(tree: usize, index: usize, at: Nanos, f: impl FnOnce() -> R) -> R {
    let _restore = RestoreTokens::push(TokenLimit { tree, index, at });
    f()
}

/// Updates the limits of tokens in the tree at this address, to the deadlines that `deadline_of`
/// returns.
pub(crate) fn tokens_moved(tree: usize, deadline_of: impl Fn(usize) -> Nanos) {
    with_tokens(|tokens| {
        for token in tokens.iter_mut().filter(|token| token.tree == tree) {
            token.at = deadline_of(token.index);
        }
    });
}

/// Calls `f`, which is not part of the code that runs now, outside of all limits and scopes.
pub(crate) fn unlimited<R>(f: impl FnOnce() -> R) -> R {
    LIMIT.with(|limit| {
        let _restore = Restore { limit, outer: limit.replace(NEVER) };
        // Hides the limits of the tokens around it.
        let _restore = RestoreTokens::push(TokenLimit { tree: NO_TREE, index: 0, at: NEVER });
        scope::outside(f)
    })
}

/// The earliest limit, or [`NEVER`] without one.
pub(super) fn current() -> Nanos {
    LIMIT.get().min(of_tokens())
}

fn of_tokens() -> Nanos {
    let earliest = |tokens: &mut Vec<TokenLimit>| {
        let inside = tokens.iter().rev().take_while(|token| token.tree != NO_TREE);
        inside.map(|token| token.at).min()
    };
    with_tokens(earliest).flatten().unwrap_or(NEVER)
}

/// Returns `None` while the thread ends, when nothing is limited any more.
fn with_tokens<R>(f: impl FnOnce(&mut Vec<TokenLimit>) -> R) -> Option<R> {
    TOKENS.try_with(|tokens| f(&mut tokens.borrow_mut())).ok()
}

/// Puts the outer limit back when dropped, after a panic too.
struct Restore<'a> {
    limit: &'a Cell<Nanos>,
    outer: Nanos,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.limit.set(self.outer);
    }
}

struct RestoreTokens {
    depth: usize,
}

impl RestoreTokens {
    fn push(token: TokenLimit) -> Self {
        let depth = with_tokens(|tokens| {
            tokens.push(token);
            tokens.len() - 1
        });
        Self { depth: depth.unwrap_or(0) }
    }
}

impl Drop for RestoreTokens {
    fn drop(&mut self) {
        with_tokens(|tokens| tokens.truncate(self.depth));
    }
}
