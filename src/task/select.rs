//! `select!`: a few futures of different types at once, until the first one is ready.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::task::Context;

use crate::runtime;

/// Waits for several futures at once, and runs the handler of the first one that is ready. The
/// macro awaits by itself: write no `.await` after it.
///
/// ```text
/// select! {
///     pattern = future => handler,
///     pattern = future, if guard => handler,
///     else => handler,
/// }
/// ```
///
/// - A future whose **guard** is false is not even evaluated. All guards are evaluated first,
///   before any future.
/// - The futures are polled in the order of the branches, at each wake, inside the task that runs
///   the `select!`. So of several futures that are ready together, the first branch always wins.
///   Put first the futures that must not wait, such as a stop signal, and after them the ones that
///   are often ready. With **`random;`** as the first word, each poll starts at a random branch.
///   `biased;` is accepted and changes nothing.
/// - The output of the first ready future is matched against its **pattern**. If it does not match,
///   the output is dropped, the branch is disabled, and the others continue. If all branches are
///   disabled, **`else`** runs; without `else`, the `select!` panics.
/// - **All futures are dropped before the handler runs**, the winner's first, then the others in
///   order. So a handler may use data that they borrowed, and may use `?`, `break`, `continue`,
///   `return` and `.await`. The value of the handler is the value of the `select!`.
///
/// A losing future is dropped, and with it any half-finished work: see "Cancel safety" of the
/// futures you await. To keep a future, for example in a loop, create it outside and pass it by
/// reference: `&mut task`, or `future.as_mut()` after `pin!`. It is then merely not polled until
/// the next `select!`.
///
/// Temporaries in a future's expression live until a branch has won, as they do before `.await`. If
/// there is a guard, they live only until the end of the expression. There may be up to 32
/// branches. For a list of futures, use [`race`](fn@crate::race) or
/// [`as_completed`](fn@crate::as_completed). To wait for all futures, use
/// [`gather!`](crate::gather!).
///
/// The syntax is that of tokio's macro, which by default uses a random order, and evaluates futures
/// even if their guard is false.
///
/// # Cancel safety
///
/// If the enclosing future is dropped while it waits, the futures are dropped like losing branches.
///
/// # Panics
///
/// Panics if all branches are disabled and there is no `else`.
///
/// # Examples
///
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
/// use oneloop::{select, sleep};
///
/// oneloop::run(async {
///     let mut ticks = oneloop::interval(Duration::from_millis(2));
///     let mut stop = pin!(sleep(Duration::from_millis(7)));
///     let mut count = 0;
///     let ended_by = loop {
///         select! {
///             () = stop.as_mut() => break "the signal",
///             _ = ticks.tick(), if count < 100 => count += 1,
///         }
///     };
///     assert_eq!(ended_by, "the signal");
///     assert!(count >= 1);
/// });
/// ```
///
/// As an expression, with a pattern that can fail:
///
/// ```
/// use oneloop::{TaskSet, select};
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let mut tasks: TaskSet<u8> = TaskSet::new();
///     let found = select! {
///         Some(result) = tasks.next() => result.ok(),
///         else => None, // the set is empty
///     };
///     assert_eq!(found, None);
/// });
/// ```
#[macro_export]
macro_rules! select {
    (random; $($branches:tt)+) => {
        $crate::__select!(@branches random [] [] $($branches)+)
    };
    (biased; $($branches:tt)+) => {
        $crate::__select!(@branches in_order [] [] $($branches)+)
    };
    ($($branches:tt)+) => {
        $crate::__select!(@branches in_order [] [] $($branches)+)
    };
    () => {
        ::std::compile_error!("`select!` needs a branch: `pattern = future => handler`")
    };
}

/// The expansion of [`select!`](crate::select!) in steps, each marked by its first word. Not for
/// direct use.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // The names of each branch: one for its guard and later its future, one for its output, and its
    // number. Created once, so that all steps refer to the same variables.
    (@branches $order:ident [] [] $($rest:tt)+) => {
        $crate::__select!(@branch $order [] [
            (f0 o0 0) (f1 o1 1) (f2 o2 2) (f3 o3 3) (f4 o4 4) (f5 o5 5) (f6 o6 6) (f7 o7 7)
            (f8 o8 8) (f9 o9 9) (f10 o10 10) (f11 o11 11) (f12 o12 12) (f13 o13 13) (f14 o14 14) (f15 o15 15)
            (f16 o16 16) (f17 o17 17) (f18 o18 18) (f19 o19 19) (f20 o20 20) (f21 o21 21) (f22 o22 22) (f23 o23 23)
            (f24 o24 24) (f25 o25 25) (f26 o26 26) (f27 o27 27) (f28 o28 28) (f29 o29 29) (f30 o30 30) (f31 o31 31)
        ] $($rest)+)
    };

    // `@branch`: takes the branches off the input one by one.
    (@branch $order:ident [$($done:tt)+] $names:tt) => {
        $crate::__select!(@whole $order [$($done)+] (::std::panic!(
            "all branches of this `select!` are disabled and it has no `else`: add `else => ...`"
        )))
    };
    (@branch $order:ident [$($done:tt)+] $names:tt else => $else:expr $(,)?) => {
        $crate::__select!(@whole $order [$($done)+] ($else))
    };
    (@branch $order:ident $done:tt $names:tt else $($rest:tt)*) => {
        ::std::compile_error!("`else => handler` stands behind the other branches of a `select!`, as the last one")
    };
    (@branch $order:ident $done:tt [] $($rest:tt)+) => {
        ::std::compile_error!("`select!` takes up to 32 branches: put some into a future of their own")
    };
    (@branch $order:ident [$($done:tt)*] [($f:ident $o:ident $i:literal) $($names:tt)*]
        $pattern:pat = $future:expr, if $guard:expr => $handler:block, $($rest:tt)*) => {
        $crate::__select!(@branch $order [$($done)* ($f $o $i [$guard] ($pattern) ($future) ($handler))]
            [$($names)*] $($rest)*)
    };
    (@branch $order:ident [$($done:tt)*] [($f:ident $o:ident $i:literal) $($names:tt)*]
        $pattern:pat = $future:expr => $handler:block, $($rest:tt)*) => {
        $crate::__select!(@branch $order [$($done)* ($f $o $i [] ($pattern) ($future) ($handler))]
            [$($names)*] $($rest)*)
    };
    (@branch $order:ident [$($done:tt)*] [($f:ident $o:ident $i:literal) $($names:tt)*]
        $pattern:pat = $future:expr, if $guard:expr => $handler:block $($rest:tt)*) => {
        $crate::__select!(@branch $order [$($done)* ($f $o $i [$guard] ($pattern) ($future) ($handler))]
            [$($names)*] $($rest)*)
    };
    (@branch $order:ident [$($done:tt)*] [($f:ident $o:ident $i:literal) $($names:tt)*]
        $pattern:pat = $future:expr => $handler:block $($rest:tt)*) => {
        $crate::__select!(@branch $order [$($done)* ($f $o $i [] ($pattern) ($future) ($handler))]
            [$($names)*] $($rest)*)
    };
    (@branch $order:ident [$($done:tt)*] [($f:ident $o:ident $i:literal) $($names:tt)*]
        $pattern:pat = $future:expr, if $guard:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@branch $order [$($done)* ($f $o $i [$guard] ($pattern) ($future) ($handler))]
            [$($names)*] $($($rest)*)?)
    };
    (@branch $order:ident [$($done:tt)*] [($f:ident $o:ident $i:literal) $($names:tt)*]
        $pattern:pat = $future:expr => $handler:expr $(, $($rest:tt)*)?) => {
        $crate::__select!(@branch $order [$($done)* ($f $o $i [] ($pattern) ($future) ($handler))]
            [$($names)*] $($($rest)*)?)
    };
    (@branch $order:ident $done:tt $names:tt $($rest:tt)+) => {
        ::std::compile_error!(
            "a branch of `select!` is `pattern = future => handler` or `pattern = future, if guard => handler`, and a comma behind it"
        )
    };

    // `@whole`: first the guards, then the futures, which are all gone at the end of the statement,
    // then the handlers. The losers are dropped while the outputs are in variables: as the value of
    // a block, the outputs would leak if such a drop panics. The closure is `move`, so that each
    // poll reaches the futures through one pointer instead of two.
    (@whole $order:ident [$(($f:ident $o:ident $i:literal [$($guard:expr)?] $pattern:tt ($future:expr) $handler:tt))+] $else:tt) => {{
        $($(let $f: bool = $guard;)?)+
        let branches = $crate::task::Branches::new([$($i),+].len());
        let ($($o,)+) = $crate::__select!(@futures branches [$(($f $i [$($guard)?] ($future)))+] {
            let outputs = ::std::future::poll_fn(move |cx: &mut ::std::task::Context<'_>| {
                if !$crate::task::may_finish(cx) {
                    return ::std::task::Poll::Pending;
                }
                $(let mut $o = ::std::option::Option::None;)+
                let entered = branches.enter();
                'polls: {
                    $crate::__select!(@polls $order 'polls cx entered [$(($f $o $i $pattern))+]);
                    if $($crate::task::Branch::is_left(&*$f))||+ {
                        return ::std::task::Poll::Pending;
                    }
                }
                $crate::task::finish();
                $($crate::task::Branch::end($f.as_mut(), &entered);)+
                ::std::task::Poll::Ready(($($o,)+))
            })
            .await;
            outputs
        });
        $crate::__select!(@handlers [$(($o $pattern $handler))+] $else)
    }};

    // `@futures`: creates the futures, each in its own `match`, so that temporaries live as long.
    (@futures $branches:ident [] $body:block) => { $body };
    (@futures $branches:ident [($f:ident $i:literal [] ($future:expr)) $($rest:tt)*] $body:block) => {
        match ::std::option::Option::Some(::std::future::IntoFuture::into_future($future)) {
            $f => {
                let mut $f = ::std::pin::pin!($branches.branch($i, $f));
                $crate::__select!(@futures $branches [$($rest)*] $body)
            }
        }
    };
    (@futures $branches:ident [($f:ident $i:literal [$guard:expr] ($future:expr)) $($rest:tt)*] $body:block) => {
        match if $f {
            ::std::option::Option::Some(::std::future::IntoFuture::into_future($future))
        } else {
            ::std::option::Option::None
        } {
            $f => {
                let mut $f = ::std::pin::pin!($branches.branch($i, $f));
                $crate::__select!(@futures $branches [$($rest)*] $body)
            }
        }
    };

    // `@polls`: polls each future once.
    (@polls in_order $done:lifetime $cx:ident $entered:ident [$(($f:ident $o:ident $i:literal $pattern:tt))+]) => {
        $($crate::__select!(@poll $done $cx $entered $f $o $pattern);)+
    };
    (@polls random $done:lifetime $cx:ident $entered:ident [$(($f:ident $o:ident $i:literal $pattern:tt))+]) => {
        let count = [$($i),+].len();
        let first = $crate::task::random_below(count);
        for index in (first..count).chain(0..first) {
            match index {
                $($i => $crate::__select!(@poll $done $cx $entered $f $o $pattern),)+
                _ => {}
            }
        }
    };
    // The guard of the inner `match` records whether the output matches and always returns false,
    // so nothing is moved out of the output yet.
    (@poll $done:lifetime $cx:ident $entered:ident $f:ident $o:ident ($pattern:pat)) => {
        if $crate::task::Branch::is_left(&*$f) {
            if let ::std::task::Poll::Ready(output) = $crate::task::Branch::poll($f.as_mut(), &$entered, $cx) {
                let mut is_match = false;
                #[allow(unused, clippy::all, clippy::pedantic, reason = "the handler uses what the pattern binds")]
                {
                    let mut output = output;
                    match output {
                        $pattern if {
                            is_match = true;
                            false
                        } => ::std::unreachable!(),
                        _ => {}
                    }
                    if is_match {
                        $o = ::std::option::Option::Some(output);
                        break $done;
                    }
                }
            }
        }
    };

    // `@handlers`: runs the handler of the output that arrived. The other outputs are dropped
    // first, so that data borrowed by their types is free.
    (@handlers [] ($else:expr)) => { $else };
    (@handlers [($o:ident ($pattern:pat) ($handler:expr)) $(($rest:ident $($parts:tt)+))*] $else:tt) => {
        if let ::std::option::Option::Some($pattern) = ::std::convert::identity($o) {
            $($crate::task::discard_output($rest);)*
            $handler
        } else {
            $crate::__select!(@handlers [$(($rest $($parts)+))*] $else)
        }
    };
}

/// Whether the budget of the poll lets a `select!` be ready. Otherwise wakes `cx`. Called by the
/// macro.
#[doc(hidden)]
#[inline]
#[must_use]
pub fn may_finish(cx: &Context<'_>) -> bool {
    runtime::may_finish(cx)
}

/// Spends some of the budget because a `select!` is ready. Called by the macro.
#[doc(hidden)]
#[inline]
pub fn finish() {
    runtime::take_budget();
}

thread_local! {
    /// The state of the generator. Zero before its first use.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// Returns a random number below `count`, for `select!` with `random;`.
///
/// Uses Marsaglia's xorshift generator with a multiplication, which is fast and fair enough.
#[doc(hidden)]
#[must_use]
pub fn random_below(count: usize) -> usize {
    let mut state = RANDOM.get();
    if state == 0 {
        state = RandomState::new().build_hasher().finish() | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    RANDOM.set(state);
    let product = u128::from(state.wrapping_mul(0x2545_F491_4F6C_DD1D)) * count as u128;
    #[expect(clippy::cast_possible_truncation, reason = "the high half is below `count`")]
    let below = (product >> 64) as usize;
    below
}

/// Drops the output that a losing branch of `select!` may have left.
#[doc(hidden)]
pub fn discard_output<T>(output: T) {
    drop(output);
}
