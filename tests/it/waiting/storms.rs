//! Many random schedules, each compared with a naive model.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use oneloop::task::{All, FirstCompleted, FirstError};
use oneloop::time::now;
use oneloop::{
    Task, TaskSet, as_completed, create_task, first_ok, gather, race, select, sleep,
    staggered_race, timeout, wait, yield_now,
};

use crate::tasks::{Dice, poll_once};

const SCHEDULES: u64 = 2500;

/// The behaviour of one future in a schedule.
#[derive(Clone, Copy, Debug)]
struct Plan {
    millis: u32,
    is_ok: bool,
}

fn plans(dice: &mut Dice) -> Vec<Plan> {
    let count = dice.roll(6) + 1;
    let plan = |_| Plan { millis: small(dice.roll(5)), is_ok: dice.roll(3) == 0 };
    (0..count).map(plan).collect()
}

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("it is small")
}

fn ms(millis: u32) -> Duration {
    Duration::from_millis(1) * millis
}

/// Counts the living ones.
#[derive(Clone, Default)]
struct Live(Rc<Cell<usize>>);

struct Alive(Live);

impl Live {
    fn one_more(&self) -> Alive {
        self.0.set(self.0.get() + 1);
        Alive(self.clone())
    }

    fn count(&self) -> usize {
        self.0.get()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}

async fn follow(plan: Plan, alive: Alive) -> Result<u32, u32> {
    if plan.millis > 0 {
        sleep(ms(plan.millis)).await;
    }
    drop(alive);
    if plan.is_ok { Ok(plan.millis) } else { Err(plan.millis) }
}

#[oneloop::test(virtual_time)]
async fn races_agree_with_a_model() {
    let (live, mut dice) = (Live::default(), Dice(1));
    for _ in 0..SCHEDULES {
        let plans = plans(&mut dice);
        let run = || plans.iter().map(|&plan| follow(plan, live.one_more())).collect::<Vec<_>>();
        let start = now();
        let first = plans.iter().map(|plan| plan.millis).min().unwrap();
        let winner = race(run()).await;
        assert_eq!(winner.unwrap_or_else(|error| error), first);
        assert_eq!((now() - start, live.count()), (ms(first), 0), "{plans:?}");

        let start = now();
        let success = plans.iter().filter(|plan| plan.is_ok).map(|plan| plan.millis).min();
        let all: Vec<_> = plans.iter().map(|plan| plan.millis).collect();
        let last = all.iter().copied().max().unwrap();
        let expected = success.ok_or(all);
        assert_eq!(first_ok(run()).await, expected, "{plans:?}");
        assert_eq!((now() - start, live.count()), (ms(success.unwrap_or(last)), 0), "{plans:?}");
    }
}

/// When a staggered race ends, and whether it succeeds.
fn staggered_model(plans: &[Plan], delay: u32) -> (u32, bool) {
    let (mut start, mut ends) = (0, Vec::new());
    for plan in plans {
        ends.push((start + plan.millis, plan.is_ok));
        let by_failure = if plan.is_ok { u32::MAX } else { start + plan.millis };
        start = by_failure.min(start + delay);
    }
    let success = ends.iter().filter(|(_, is_ok)| *is_ok).map(|(end, _)| *end).min();
    let last = ends.iter().map(|(end, _)| *end).max().unwrap_or(0);
    (success.unwrap_or(last), success.is_some())
}

#[oneloop::test(virtual_time)]
async fn staggered_races_agree_with_a_model() {
    let (live, mut dice) = (Live::default(), Dice(2));
    for _ in 0..SCHEDULES {
        let (plans, delay) = (plans(&mut dice), small(dice.roll(4)));
        let start = now();
        let run = plans.iter().map(|&plan| follow(plan, live.one_more()));
        let result = staggered_race(run, ms(delay)).await;
        let (end, is_ok) = staggered_model(&plans, delay);
        assert_eq!((now() - start, result.is_ok()), (ms(end), is_ok), "{plans:?} {delay}");
        if let Err(errors) = result {
            assert!(errors.into_iter().eq(plans.iter().map(|plan| plan.millis)));
        }
        assert_eq!(live.count(), 0);
    }
}

#[oneloop::test(virtual_time)]
async fn as_completed_agrees_with_a_model() {
    let (live, mut dice) = (Live::default(), Dice(3));
    for _ in 0..SCHEDULES {
        let plans = plans(&mut dice);
        let (start, patience) = (now(), ms(small(dice.roll(3))));
        let run = plans.iter().map(|&plan| follow(plan, live.one_more()));
        let mut outputs = as_completed(run.collect::<Vec<_>>());
        let (mut order, give_up) = (Vec::new(), dice.roll(4) == 0);
        while !outputs.is_empty() {
            let Ok(next) = timeout(patience, outputs.next()).await else {
                // It runs only while a task waits for it.
                sleep(ms(1)).await;
                continue;
            };
            let (index, output) = next.unwrap();
            assert_eq!(output.is_ok(), plans[index].is_ok);
            assert!(now() - start >= ms(plans[index].millis));
            order.push(index);
            if give_up && order.len() == 2 {
                break;
            }
        }
        let distinct: HashSet<_> = order.iter().collect();
        assert_eq!((distinct.len(), outputs.len()), (order.len(), plans.len() - order.len()));
        drop(outputs);
        assert_eq!(live.count(), 0);
    }
}

#[oneloop::test(virtual_time)]
async fn waits_agree_with_a_model() {
    let mut dice = Dice(4);
    for _ in 0..SCHEDULES {
        let (plans, live, start) = (plans(&mut dice), Live::default(), now());
        let mut list: Vec<_> =
            plans.iter().map(|&plan| create_task(follow(plan, live.one_more()))).collect();
        let mut ended = Vec::new();
        while !list.is_empty() {
            let (before, until) = (list.len(), dice.roll(4));
            let patience = ms(small(dice.roll(3)));
            let waited = match until {
                0 => timeout(patience, wait(&mut list, All)).await,
                1 => timeout(patience, wait(&mut list, FirstError)).await,
                2 => timeout(patience, wait(&mut list, FirstCompleted)).await,
                _ => Ok(wait(&mut list, FirstCompleted).await),
            };
            let Ok(done) = waited else {
                assert_eq!(list.len(), before, "nothing is taken");
                continue;
            };
            assert!(!done.is_empty() && done.iter().all(Task::is_finished));
            assert!(!list.iter().any(Task::is_finished), "all that had ended were taken");
            assert!(until != 0 || list.is_empty());
            let outputs: Vec<_> = gather(done).await.into_iter().map(Result::unwrap).collect();
            assert!(until != 1 || list.is_empty() || outputs.iter().any(Result::is_err));
            let elapsed = now() - start;
            assert!(outputs.iter().all(|output| ms(output.unwrap_or_else(|e| e)) <= elapsed));
            ended.extend(outputs);
        }
        let mut expected: Vec<_> = plans.iter().map(|plan| plan.millis).collect();
        let mut ended: Vec<_> = ended.into_iter().map(|end| end.unwrap_or_else(|e| e)).collect();
        expected.sort_unstable();
        ended.sort_unstable();
        assert_eq!(ended, expected);
    }
}

/// Adds tasks, takes results, gives up and cancels. Every task yields one result.
#[oneloop::test(virtual_time)]
async fn task_sets_lose_nothing_whatever_happens() {
    let (live, mut dice) = (Live::default(), Dice(5));
    for _ in 0..400 {
        let (mut set, mut model) = (TaskSet::new(), 0);
        for _ in 0..25 {
            match dice.roll(9) {
                0..=3 => {
                    let millis = small(dice.roll(4));
                    let plan = Plan { millis, is_ok: true };
                    let task = set.create_task(follow(plan, live.one_more()));
                    model += 1;
                    if dice.roll(5) == 0 {
                        task.cancel();
                    }
                }
                4 => model -= usize::from(set.next().await.is_some()),
                5 => {
                    let next = timeout(ms(1), set.next()).await;
                    model -= usize::from(matches!(next, Ok(Some(_))));
                }
                6 => model -= usize::from(set.try_next().is_some()),
                7 => {
                    let mut next = Box::pin(set.next());
                    if let Poll::Ready(Some(_)) = poll_once(&mut next).await {
                        model -= 1;
                    }
                }
                _ => sleep(ms(1)).await,
            }
            assert_eq!(set.len(), model);
        }
        match dice.roll(4) {
            0 | 1 => assert_eq!(set.by_ref().count().await, model),
            2 => {
                set.cancel_and_wait(Duration::from_secs(5)).await;
                assert_eq!((set.len(), live.count()), (0, 0));
            }
            _ => {}
        }
        drop(set);
        yield_now().await;
        assert_eq!(live.count(), 0);
    }
}

/// All of them at once, inside each other, under our wakers and foreign ones, dropped at random
/// moments.
#[oneloop::test(virtual_time)]
async fn everything_in_everything_can_be_dropped_at_any_moment() {
    let (live, dice) = (Live::default(), Rc::new(RefCell::new(Dice(6))));
    for _ in 0..600 {
        let roll = |sides| small(dice.borrow_mut().roll(sides));
        let leaf = || follow(Plan { millis: roll(5), is_ok: roll(2) == 0 }, live.one_more());
        let mut list: Vec<_> = (0..3).map(|_| create_task(leaf())).collect();
        let mut set = TaskSet::new();
        set.create_task(leaf());
        set.create_task(leaf());
        let patience = ms(roll(6));
        let storm = async {
            select! {
                random;
                _ = race([leaf(), leaf()]), if roll(2) == 0 => 1,
                _ = wait(&mut list, FirstError) => 2,
                _ = gather([as_completed([leaf(), leaf()]).count(), as_completed([leaf()]).count()]) => 3,
                Ok(_) = staggered_race([leaf(), leaf(), leaf()], patience) => 4,
                Some(Ok(_)) = set.next() => 5,
                _ = [leaf(), leaf()].into_iter().collect::<FuturesUnordered<_>>().count() => 6,
            }
        };
        let mut foreign: FuturesUnordered<_> = [timeout(patience, storm)].into_iter().collect();
        let branch = foreign.next().await.unwrap().unwrap_or(0);
        assert!((0..=6).contains(&branch));
        drop(foreign);
        wait(&mut list, All).await;
        drop(set);
        yield_now().await;
        assert_eq!(live.count(), 0);
    }
}
