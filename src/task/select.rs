//! `select!`: a few futures of different types at once, until the first one is ready.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::task::Context;

use crate::runtime;

/// Waits for several futures at once, and runs the handler of the first that is ready. It awaits inside: no `.await` stands
/// behind it.
///
/// ```text
/// select! {
///     pattern = future => handler,
///     pattern = future, if guard => handler,
///     else => handler,
/// }
/// ```
///
/// - A future whose **guard** is false is not even evaluated. All guards are evaluated first, before any future.
/// - The futures are polled in the order of the branches, at each wake, inside the task that runs the `select!`. So of those
///   that are ready together the first branch wins, always: put first what must not wait, such as a stop signal, and
///   behind it what is often ready. With **`random;`** as the first word the order starts with a random branch each time. `biased;` is
///   accepted and changes nothing.
/// - The output of the first that is ready is matched with its **pattern**. If it does not match, it is dropped, the branch is
///   disabled, and the others go on. If all branches are disabled, **`else`** runs; without `else` that is a panic.
/// - **All futures are dropped before the handler runs**, the winner's first, the others in their order. So a handler may
///   use what they had borrowed, and `?`, `break`, `continue`, `return` and `.await`. The handler's value is that of the
///   `select!`.
///
/// A future that loses is dropped, and with it what it has done half way: see "Cancel safety" of what you await. To keep
/// a future, in a loop say, make it outside and pass it by reference: `&mut task`, or `future.as_mut()` after `pin!`. Then it
/// is only not polled until the next `select!`.
///
/// Temporaries in a future's expression live until a branch has won, as they do before `.await`; where there is a guard, only
/// until the end of the expression. Up to 32 branches. For a list of futures there are [`race`](fn@crate::race) and
/// [`as_completed`](fn@crate::as_completed); to wait for all, [`gather!`](crate::gather!).
///
/// The syntax is that of tokio's macro, which has a random order by default and evaluates also what is guarded out.
///
/// # Cancel safety
///
/// Dropped while it waits, it drops the futures, as a lost branch.
///
/// # Panics
///
/// If all branches are disabled and there is no `else`.
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

/// What [`select!`](crate::select!) expands to, in steps, each told by its first word. Not for use by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // The names of a branch: its guard and then its future, its output, and its number. Made once, so that all steps mean
    // the same variables by them.
    (@branches $order:ident [] [] $($rest:tt)+) => {
        $crate::__select!(@branch $order [] [
            (f0 o0 0) (f1 o1 1) (f2 o2 2) (f3 o3 3) (f4 o4 4) (f5 o5 5) (f6 o6 6) (f7 o7 7)
            (f8 o8 8) (f9 o9 9) (f10 o10 10) (f11 o11 11) (f12 o12 12) (f13 o13 13) (f14 o14 14) (f15 o15 15)
            (f16 o16 16) (f17 o17 17) (f18 o18 18) (f19 o19 19) (f20 o20 20) (f21 o21 21) (f22 o22 22) (f23 o23 23)
            (f24 o24 24) (f25 o25 25) (f26 o26 26) (f27 o27 27) (f28 o28 28) (f29 o29 29) (f30 o30 30) (f31 o31 31)
        ] $($rest)+)
    };

    // `@branch`: takes one branch after the other off the input.
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

    // `@whole`: the guards; then the futures, of which nothing is left at the end of the statement; then the handlers. The
    // losers are dropped while the outputs lie in variables: as the value of a block they would leak if such a drop panics.
    // `move`, so that each poll finds the futures by one pointer and not by a pointer to it.
    (@whole $order:ident [$(($f:ident $o:ident $i:literal [$($guard:expr)?] $pattern:tt ($future:expr) $handler:tt))+] $else:tt) => {{
        $($(let $f: bool = $guard;)?)+
        let ($($o,)+) = $crate::__select!(@futures [$(($f [$($guard)?] ($future)))+] {
            let outputs = ::std::future::poll_fn(move |cx: &mut ::std::task::Context<'_>| {
                if !$crate::task::may_finish(cx) {
                    return ::std::task::Poll::Pending;
                }
                $(let mut $o = ::std::option::Option::None;)+
                'polls: {
                    $crate::__select!(@polls $order 'polls cx [$(($f $o $i $pattern))+]);
                    if $($crate::task::Branch::is_left(&*$f))||+ {
                        return ::std::task::Poll::Pending;
                    }
                }
                $crate::task::finish();
                $($crate::task::Branch::end($f.as_mut());)+
                ::std::task::Poll::Ready(($($o,)+))
            })
            .await;
            outputs
        });
        $crate::__select!(@handlers [$(($o $pattern $handler))+] $else)
    }};

    // `@futures`: makes the futures, each in a `match` of its own, so that temporaries live as long.
    (@futures [] $body:block) => { $body };
    (@futures [($f:ident [] ($future:expr)) $($rest:tt)*] $body:block) => {
        match ::std::option::Option::Some(::std::future::IntoFuture::into_future($future)) {
            $f => {
                let mut $f = ::std::pin::pin!($crate::task::Branch::new($f));
                $crate::__select!(@futures [$($rest)*] $body)
            }
        }
    };
    (@futures [($f:ident [$guard:expr] ($future:expr)) $($rest:tt)*] $body:block) => {
        match if $f {
            ::std::option::Option::Some(::std::future::IntoFuture::into_future($future))
        } else {
            ::std::option::Option::None
        } {
            $f => {
                let mut $f = ::std::pin::pin!($crate::task::Branch::new($f));
                $crate::__select!(@futures [$($rest)*] $body)
            }
        }
    };

    // `@polls`: polls each future once.
    (@polls in_order $done:lifetime $cx:ident [$(($f:ident $o:ident $i:literal $pattern:tt))+]) => {
        $($crate::__select!(@poll $done $cx $f $o $pattern);)+
    };
    (@polls random $done:lifetime $cx:ident [$(($f:ident $o:ident $i:literal $pattern:tt))+]) => {
        let count = [$($i),+].len();
        let first = $crate::task::random_below(count);
        for index in (first..count).chain(0..first) {
            match index {
                $($i => $crate::__select!(@poll $done $cx $f $o $pattern),)+
                _ => {}
            }
        }
    };
    // The guard of the inner `match` sees whether the output matches and always says no: so nothing is moved out of it yet.
    (@poll $done:lifetime $cx:ident $f:ident $o:ident ($pattern:pat)) => {
        if $crate::task::Branch::is_left(&*$f) {
            if let ::std::task::Poll::Ready(output) = $crate::task::Branch::poll($f.as_mut(), $cx) {
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

    // `@handlers`: runs the handler of the output that is there. The others are dropped first, so that what their types
    // borrow is free, whatever they are.
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

/// Whether the budget of the poll lets a `select!` be ready; otherwise wakes `cx`. The macro calls it.
#[doc(hidden)]
#[must_use]
pub fn may_finish(cx: &Context<'_>) -> bool {
    runtime::may_finish(cx)
}

/// A `select!` is ready, which takes a bit of the budget. The macro calls it.
#[doc(hidden)]
pub fn finish() {
    runtime::take_budget();
}

thread_local! {
    /// The state of the generator; zero before its first use.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// A number below `count`, for `select!` with `random;`.
///
/// Marsaglia's xorshift generator with a multiplication: quick, and good enough to be fair.
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

/// Drops what a branch of `select!` that has not won may have left.
#[doc(hidden)]
pub fn discard_output<T>(output: T) {
    drop(output);
}
