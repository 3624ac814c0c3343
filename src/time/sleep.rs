//! `sleep` and `sleep_until`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::runtime::{Nanos, Timer, When, Yield, from_instant, nanos, poll_budget};

/// Waits for `duration`, counted from the first poll; asyncio's `sleep`.
///
/// Never early. On an idle loop it is late by some tens of microseconds on Linux (a millisecond elsewhere), on a busy
/// one by as much as a round of polls takes. Sleeps with the same deadline end in the order in which they began.
/// `Duration::ZERO` lets the others run once, and `Duration::MAX` never ends.
///
/// # Cancel safety
///
/// Dropping it disarms the timer.
///
/// # Panics
///
/// When polled where no loop runs, or on another loop than at first.
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

/// Waits until `deadline`, by the [loop's clock](super::now); asyncio's `loop.call_at`, to be awaited.
///
/// Like [`sleep`] in all else. A deadline that has passed lets the others run once.
///
/// # Cancel safety
///
/// Dropping it disarms the timer.
///
/// # Panics
///
/// When polled where no loop runs, or on another loop than at first.
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

/// The future of [`sleep`] and [`sleep_until`]. 16 bytes, `Send`, and `Unpin`: it can be polled by reference, in
/// a loop, and [reset](Sleep::reset).
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    state: State,
}

const _: () = assert!(size_of::<Sleep>() <= 16);

#[derive(Debug)]
enum State {
    /// New, and due so long after the first poll.
    After(Packed),
    /// New, and due at this moment.
    At(Packed),
    Armed(Timer),
    /// It was due at once, so no timer was needed; but whoever sleeps lets the others run.
    Yielding(Yield),
    Elapsed,
}

/// Aligned as the key in a [`Timer`] is: with the alignment of `u64`, a `Sleep` would take 24 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Packed(Nanos);

impl Sleep {
    /// Whether it has ended. It ends only by being polled.
    pub fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed)
    }

    /// Makes it end at `deadline` instead, also if it has ended already.
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
