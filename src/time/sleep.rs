//! `sleep` and `sleep_until`: waiting for a duration or until a moment.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::runtime::{Nanos, Timer, When, Yield, from_instant, nanos, poll_budget};

/// Waits for `duration`, counted from the first poll. Asyncio's `sleep`.
///
/// A sleep never ends early. On an idle loop it is late by some tens of microseconds on Linux (a
/// millisecond elsewhere), and on a busy loop by up to the time of a round of polls. Sleeps with
/// the same deadline end in the order in which they began. `Duration::ZERO` lets other tasks run
/// once, and `Duration::MAX` never ends.
///
/// # Cancel safety
///
/// Dropping the future disarms the timer.
///
/// # Panics
///
/// Panics when polled outside a loop, or on another loop than the first time.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// oneloop::run(oneloop::sleep(Duration::from_millis(2)));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { state: State::After(Packed(nanos(duration))) }
}

/// Waits until `deadline` on the [loop's clock](super::now). An awaitable form of asyncio's
/// `loop.call_at`.
///
/// Otherwise like [`sleep`]. If the deadline has passed, lets other tasks run once.
///
/// # Cancel safety
///
/// Dropping the future disarms the timer.
///
/// # Panics
///
/// Panics when polled outside a loop, or on another loop than the first time.
///
/// # Examples
///
/// ```
/// use oneloop::{sleep_until, time::now};
/// use std::time::Duration;
///
/// oneloop::Builder::new().virtual_time(true).run(async {
///     let deadline = now() + Duration::from_secs(5);
///     sleep_until(deadline).await;
///     assert_eq!(now(), deadline);
/// });
/// ```
#[doc(alias = "call_at")]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::at(from_instant(deadline))
}

/// The future of [`sleep`] and [`sleep_until`]. It takes 16 bytes and is `Send` and `Unpin`, so it
/// can be polled by reference in a loop, and [reset](Sleep::reset).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    state: State,
}

const _: () = assert!(size_of::<Sleep>() <= 16);

#[derive(Debug)]
enum State {
    /// New, and due this long after the first poll.
    After(Packed),
    /// New, and due at this moment.
    At(Packed),
    Armed(Timer),
    /// Due at once, so it needs no timer, but it still lets other tasks run.
    Yielding(Yield),
    Elapsed,
}

/// Aligned like the key in a [`Timer`]: with the alignment of `u64`, a `Sleep` would take 24 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Packed(Nanos);

impl Sleep {
    /// Whether the sleep has ended. It ends only when polled.
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed)
    }

    /// Makes the sleep end at `deadline` instead, even if it has already ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use oneloop::time::now;
    ///
    /// oneloop::Builder::new().virtual_time(true).run(async {
    ///     let start = now();
    ///     let mut idle = oneloop::sleep(Duration::from_secs(30));
    ///     idle.reset(start + Duration::from_secs(45));
    ///     (&mut idle).await;
    ///     assert_eq!(now() - start, Duration::from_secs(45));
    /// });
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        *self = Self::at(from_instant(deadline));
    }

    pub(super) fn at(deadline: Nanos) -> Self {
        Self { state: State::At(Packed(deadline)) }
    }
}

impl Future for Sleep {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let when = match &mut self.state {
            State::After(duration) => When::After(duration.0),
            State::At(deadline) => When::At(deadline.0),
            State::Armed(timer) if timer.poll(cx, "`Sleep`").is_pending() => return Poll::Pending,
            State::Yielding(yielding) => {
                ready!(yielding.poll(cx));
                self.state = State::Elapsed;
                return Poll::Ready(());
            }
            State::Armed(_) => {
                self.state = State::Elapsed;
                return Poll::Ready(());
            }
            State::Elapsed => return poll_budget(cx),
        };
        let timer = Timer::arm(when, cx, "`sleep`");
        self.state = timer.map_or_else(|| State::Yielding(Yield::new()), State::Armed);
        if let State::Yielding(yielding) = &mut self.state {
            return yielding.poll(cx);
        }
        Poll::Pending
    }
}
