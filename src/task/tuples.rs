//! `gather!` and `try_gather!`: a few futures of different types at once, without boxing them.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use super::member::Member;
use crate::runtime::{self, Gathering, Scope};

/// Runs a few futures of any types at once, and returns their outputs as a tuple. Asyncio's
/// `gather`.
///
/// `gather!(a, b)` is a future: put `.await` after it. All futures run to their end, in the task
/// that awaits the result, and each is polled only when it was woken. Dropping the result drops all
/// of them. Takes up to 12 futures. For a list of futures of one type, use the function
/// [`gather`](fn@crate::gather).
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, it drops all futures and the outputs collected so
/// far.
///
/// # Panics
///
/// Panics when polled outside a loop. A panic of one of the futures propagates to the code that
/// awaits the result.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// oneloop::run(async {
///     let name = async { "a name" };
///     let size = async {
///         oneloop::sleep(Duration::from_millis(1)).await;
///         42
///     };
///     assert_eq!(oneloop::gather!(name, size).await, ("a name", 42));
/// });
/// ```
#[macro_export]
#[doc(alias = "join")]
macro_rules! gather {
    ($($future:expr),* $(,)?) => {
        $crate::task::GatherTuple::gather(($($future,)*))
    };
}

/// Runs a few futures at once until the first error, then drops the others and returns that error.
/// If all succeed, returns their values as a tuple.
///
/// `try_gather!(a, b)` is a future: put `.await` after it. All futures must have the same error
/// type. Takes up to 12 futures. For a list of futures of one type, use the function
/// [`try_gather`](fn@crate::try_gather).
///
/// Tasks among the futures need extra care; see [`try_gather`](fn@crate::try_gather#tasks).
///
/// # Cancel safety
///
/// If the future is dropped before it is ready, it drops all futures and the values collected so
/// far.
///
/// # Errors
///
/// Returns the error that occurred first.
///
/// # Panics
///
/// Panics when polled outside a loop. A panic of one of the futures propagates to the code that
/// awaits the result.
///
/// # Examples
///
/// ```
/// oneloop::run(async {
///     let port = async { "80".parse::<u16>() };
///     let size = async { "many".parse::<u64>().map(|size| size * 2) };
///     assert!(oneloop::try_gather!(port, size).await.is_err());
/// });
/// ```
#[macro_export]
#[doc(alias = "try_join")]
macro_rules! try_gather {
    ($($future:expr),* $(,)?) => {
        $crate::task::TryGatherTuple::try_gather(($($future,)*))
    };
}

/// The argument of [`gather!`](crate::gather!): a tuple of futures.
pub trait GatherTuple {
    /// The tuple of their outputs.
    type Output;

    /// Runs all futures at once.
    fn gather(self) -> impl Future<Output = Self::Output>;
}

/// The argument of [`try_gather!`](crate::try_gather!): a tuple of futures whose outputs are
/// results with one error type.
pub trait TryGatherTuple {
    /// The tuple of their values, or the first error.
    type Output;

    /// Runs all futures at once.
    fn try_gather(self) -> impl Future<Output = Self::Output>;
}

/// Polls the member of a tuple with the given index.
type PollMember<'a> = dyn FnMut(usize, &mut Context<'_>) -> Poll<ControlFlow<()>> + 'a;

fn poll_to_end<F: Future>(
    member: Pin<&mut Member<F>>,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<()>> {
    member.poll(cx).map(ControlFlow::Continue)
}

fn poll_to_error<F, T, E>(
    mut member: Pin<&mut Member<F>>,
    cx: &mut Context<'_>,
) -> Poll<ControlFlow<()>>
where
    F: Future<Output = Result<T, E>>,
{
    ready!(member.as_mut().poll(cx));
    let has_failed = matches!(member.output(), Some(Err(_)));
    Poll::Ready(if has_failed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
}

fn poll_all(
    gathering: &mut Option<Gathering>,
    count: usize,
    scope: Scope,
    cx: &mut Context<'_>,
    poll: &mut PollMember<'_>,
) -> Poll<()> {
    let gathering =
        gathering.get_or_insert_with(|| Gathering::new("`gather!`", count, count, scope));
    runtime::with_budget(cx, |cx| gathering.poll_woken(cx, poll))
}

const IS_DONE: &str = "when all are done, each has its output";

impl GatherTuple for () {
    type Output = ();

    async fn gather(self) {}
}

macro_rules! tuples {
    ($($count:literal: $($index:tt $future:ident $value:ident $name:ident),*;)*) => {$(
        impl<$($future: IntoFuture),*> GatherTuple for ($($future,)*) {
            type Output = ($($future::Output,)*);

            async fn gather(self) -> Self::Output {
                let scope = Scope::first_of($count);
                $(let mut $name = pin!(Member::new(self.$index.into_future(), scope.of_member($index)));)*
                let mut gathering = None;
                poll_fn(|cx| {
                    poll_all(&mut gathering, $count, scope, cx, &mut |index, cx| match index {
                        $($index => poll_to_end($name.as_mut(), cx),)*
                        _ => unreachable!("there are {} futures", $count),
                    })
                })
                .await;
                ($($name.as_mut().take().expect(IS_DONE),)*)
            }
        }

        impl<Error, $($future, $value),*> TryGatherTuple for ($($future,)*)
        where
            $($future: IntoFuture<Output = Result<$value, Error>>,)*
        {
            type Output = Result<($($value,)*), Error>;

            async fn try_gather(self) -> Self::Output {
                let scope = Scope::first_of($count);
                $(let mut $name = pin!(Member::new(self.$index.into_future(), scope.of_member($index)));)*
                let mut gathering = None;
                poll_fn(|cx| {
                    poll_all(&mut gathering, $count, scope, cx, &mut |index, cx| match index {
                        $($index => poll_to_error($name.as_mut(), cx),)*
                        _ => unreachable!("there are {} futures", $count),
                    })
                })
                .await;
                // The first error, at any position. The other futures have a value or nothing yet.
                $(
                    let $name = match $name.as_mut().take() {
                        Some(Err(error)) => return Err(error),
                        Some(Ok(value)) => Some(value),
                        None => None,
                    };
                )*
                Ok(($($name.expect(IS_DONE),)*))
            }
        }
    )*};
}

tuples! {
    1: 0 F0 T0 f0;
    2: 0 F0 T0 f0, 1 F1 T1 f1;
    3: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2;
    4: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3;
    5: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4;
    6: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5;
    7: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5, 6 F6 T6 f6;
    8: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5, 6 F6 T6 f6, 7 F7 T7 f7;
    9: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5, 6 F6 T6 f6, 7 F7 T7 f7,
       8 F8 T8 f8;
    10: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5, 6 F6 T6 f6, 7 F7 T7 f7,
        8 F8 T8 f8, 9 F9 T9 f9;
    11: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5, 6 F6 T6 f6, 7 F7 T7 f7,
        8 F8 T8 f8, 9 F9 T9 f9, 10 F10 T10 f10;
    12: 0 F0 T0 f0, 1 F1 T1 f1, 2 F2 T2 f2, 3 F3 T3 f3, 4 F4 T4 f4, 5 F5 T5 f5, 6 F6 T6 f6, 7 F7 T7 f7,
        8 F8 T8 f8, 9 F9 T9 f9, 10 F10 T10 f10, 11 F11 T11 f11;
}
