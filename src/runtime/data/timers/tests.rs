//! The timers against the obvious version: a sorted list.

use super::*;
use crate::runtime::data::key::{Serial, WakerKey};

/// A small seeded generator: the same schedule every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn waiter(name: u32) -> Waiter {
    Waiter::of_key(WakerKey::new(1, Serial::FIRST, name))
}

fn expired(timers: &mut Timers, now: Nanos) -> Vec<Waiter> {
    let mut woken = Vec::new();
    timers.expire(now, |waiter| woken.push(waiter));
    woken
}

/// Arms, cancels and expires at random, with deadlines of every magnitude, beside a sorted list.
fn compare_with_a_sorted_list(seed: u64, steps: u32) {
    let mut random = Random(seed);
    let mut timers = Timers::default();
    // (deadline, order of arming, slot) of each timer that has not expired.
    let mut naive: Vec<(Nanos, u32, u32)> = Vec::new();
    let mut now = random.below(1 << 40);
    timers.expire(now, |_| unreachable!("nothing is armed"));
    for step in 0..steps {
        match random.below(8) {
            0..=3 => {
                let distance = random.next() >> random.below(64);
                // Often the same deadline as another timer's, so that the order among equals
                // counts.
                let deadline = match naive.last() {
                    Some(&(deadline, ..)) if random.below(3) == 0 => deadline,
                    _ => now.saturating_add(distance),
                };
                let slot = timers.arm(deadline, waiter(step));
                naive.push((deadline, step, slot));
            }
            4..=5 if !naive.is_empty() => {
                let victim = usize::try_from(random.below(naive.len() as u64)).unwrap();
                let (_, name, slot) = naive.swap_remove(victim);
                assert_eq!(timers.remove(slot), waiter(name));
            }
            _ => {
                now = match timers.next_deadline() {
                    Some(next) if random.below(2) == 0 => next.max(now),
                    _ => now.saturating_add(random.next() >> random.below(64)),
                };
                naive.sort_unstable();
                let due =
                    naive.partition_point(|&(deadline, ..)| deadline <= now && deadline != NEVER);
                let names: Vec<_> = naive[..due].iter().map(|&(_, name, _)| waiter(name)).collect();
                assert_eq!(expired(&mut timers, now), names, "seed {seed}, step {step}");
                for (_, _, slot) in naive.drain(..due) {
                    assert!(timers.is_expired(slot));
                    assert_eq!(timers.remove(slot), Waiter::NOBODY);
                }
            }
        }
        let deadlines = naive.iter().map(|&(deadline, ..)| deadline);
        let earliest = deadlines.filter(|&deadline| deadline != NEVER).min();
        match (timers.next_deadline(), earliest) {
            (Some(next), Some(earliest)) => assert!(next <= earliest, "never too late"),
            (next, earliest) => assert_eq!(next, earliest),
        }
    }
    assert_eq!(timers.slots.len(), naive.len());
}

#[test]
fn timers_expire_as_a_sorted_list_would() {
    for seed in 1..=60 {
        compare_with_a_sorted_list(seed, 600);
    }
}

#[test]
fn next_deadline_is_exact_when_few_timers_share_a_slot() {
    let mut timers = Timers::default();
    for deadline in [NANOS_PER_DAY, 5_000_000_123, 5_000_000_122] {
        timers.arm(deadline, Waiter::NOBODY);
    }
    assert_eq!(timers.next_deadline(), Some(5_000_000_122));
}

const NANOS_PER_DAY: Nanos = 86_400_000_000_000;

#[test]
fn the_heap_does_not_keep_cancelled_timers() {
    let mut timers = Timers::default();
    timers.expire(NANOS_PER_DAY, |_| {});
    for _ in 0..100_000 {
        // Due within the present tick, so it goes to the heap at once.
        let slot = timers.arm(NANOS_PER_DAY + 1, Waiter::NOBODY);
        assert_eq!(timers.remove(slot), Waiter::NOBODY);
    }
    assert!(timers.heap.len() <= 2 * STALE_MAX, "{}", timers.heap.len());
}

#[test]
fn a_cancelled_timer_never_stands_for_one_that_is_armed_2_to_the_32_later() {
    let mut timers = Timers::default();
    timers.expire(NANOS_PER_DAY, |_| {});
    let slot = timers.arm(NANOS_PER_DAY + 1, waiter(0));
    assert_eq!(timers.remove(slot), waiter(0));
    // The heap still has an entry for the first one. Numbers of 32 bits would make it stand for the
    // second.
    timers.sequence = 1 << 32;
    assert_eq!(timers.arm(NANOS_PER_DAY + 1_000_000, waiter(1)), slot);
    assert_eq!(expired(&mut timers, NANOS_PER_DAY + 2), []);
    assert_eq!(expired(&mut timers, NANOS_PER_DAY + 1_000_000), [waiter(1)]);
}
