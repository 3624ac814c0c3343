//! Intervals: when ticks are due, and the fate of missed ticks.

use std::time::Duration;

use oneloop::time::{MissedTicks, interval_at, now};
use oneloop::{interval, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

// Intervals.

#[oneloop::test(virtual_time)]
async fn an_interval_ticks_at_once_and_then_each_period() {
    let mut clock = interval(10 * SECOND);
    assert_eq!(clock.period(), 10 * SECOND);
    sleep(SECOND).await;
    let start = now();
    for n in 0..5 {
        assert_eq!(clock.tick().await, start + n * 10 * SECOND);
        assert_eq!(now(), start + n * 10 * SECOND);
        // Work between the ticks does not shift them.
        sleep(3 * SECOND).await;
    }
}

#[oneloop::test(virtual_time)]
async fn interval_at_begins_when_it_is_told() {
    let start = now();
    let mut clock = interval_at(start + 5 * SECOND, 10 * SECOND);
    assert_eq!(clock.tick().await - start, 5 * SECOND);
    assert_eq!(clock.tick().await - start, 15 * SECOND);
    assert_eq!(now() - start, 15 * SECOND);
}

/// The seconds at which ticks were due and at which they came, for an interval of 10 seconds that
/// lost 35 seconds.
async fn ticks_after_a_delay(missed: MissedTicks) -> [(u64, u64); 5] {
    let start = now();
    let mut clock = interval(10 * SECOND).missed_ticks(missed);
    clock.tick().await;
    sleep(35 * SECOND).await;
    let mut ticks = [(0, 0); 5];
    for tick in &mut ticks {
        let due = clock.tick().await;
        *tick = ((due - start).as_secs(), (now() - start).as_secs());
    }
    ticks
}

#[oneloop::test(virtual_time)]
async fn missed_ticks_burst_by_default() {
    assert_eq!(MissedTicks::default(), MissedTicks::Burst);
    let ticks = ticks_after_a_delay(MissedTicks::Burst).await;
    assert_eq!(ticks, [(10, 35), (20, 35), (30, 35), (40, 40), (50, 50)]);
}

#[oneloop::test(virtual_time)]
async fn missed_ticks_may_delay_those_to_come() {
    let ticks = ticks_after_a_delay(MissedTicks::Delay).await;
    assert_eq!(ticks, [(10, 35), (45, 45), (55, 55), (65, 65), (75, 75)]);
}

#[oneloop::test(virtual_time)]
async fn missed_ticks_may_be_skipped() {
    let ticks = ticks_after_a_delay(MissedTicks::Skip).await;
    assert_eq!(ticks, [(10, 35), (40, 40), (50, 50), (60, 60), (70, 70)]);
}

#[oneloop::test(virtual_time)]
async fn a_tick_that_is_given_up_is_not_lost() {
    let start = now();
    let mut clock = interval(10 * SECOND);
    clock.tick().await;
    for _ in 0..3 {
        assert!(timeout(3 * SECOND, clock.tick()).await.is_err());
    }
    assert_eq!(clock.tick().await - start, 10 * SECOND);
    assert_eq!(now() - start, 10 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn reset_starts_the_period_anew() {
    let start = now();
    let mut clock = interval(10 * SECOND);
    clock.tick().await;
    sleep(7 * SECOND).await;
    clock.reset();
    assert_eq!(clock.tick().await - start, 17 * SECOND);
}

#[test]
#[should_panic(expected = "the period of an interval must be more than zero")]
fn a_period_of_zero_panics() {
    let _interval = interval(Duration::ZERO);
}

#[oneloop::test(virtual_time)]
async fn the_longest_period_ticks_once_and_does_not_overflow() {
    for missed in [MissedTicks::Burst, MissedTicks::Delay, MissedTicks::Skip] {
        let mut clock = interval(Duration::MAX).missed_ticks(missed);
        let start = now();
        assert_eq!(clock.tick().await, start);
        assert!(timeout(HOUR, clock.tick()).await.is_err());
        clock.reset();
        assert!(timeout(HOUR, clock.tick()).await.is_err());
        assert_eq!(now() - start, 2 * HOUR);
    }
}

#[oneloop::test(virtual_time)]
async fn the_shortest_period_skips_a_whole_hour() {
    let start = now();
    let mut clock = interval(Duration::from_nanos(1)).missed_ticks(MissedTicks::Skip);
    clock.tick().await;
    sleep(HOUR).await;
    assert_eq!(clock.tick().await - start, Duration::from_nanos(1));
    assert_eq!(clock.tick().await - start, HOUR + Duration::from_nanos(1));
}
