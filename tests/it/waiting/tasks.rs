//! `wait`: which tasks it returns, when, and that it loses none.

use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use oneloop::task::{All, FirstCompleted, FirstError};
use oneloop::time::now;
use oneloop::{JoinError, Task, create_task, gather, sleep, timeout, wait, yield_now};

use super::{SECOND, after};
use crate::tasks::{Log, counted, poll_once, throw, virtual_runtime};

type Ended = Vec<Result<u32, JoinError>>;

fn tasks<const N: usize>(seconds: [u32; N]) -> Vec<Task<u32>> {
    seconds.into_iter().map(|n| create_task(after(n, n))).collect()
}

async fn outputs(ended: Vec<Task<u32>>) -> Vec<u32> {
    let ended: Ended = gather(ended).await;
    ended.into_iter().map(Result::unwrap).collect()
}

// When it ends, and what it gives.

#[oneloop::test(virtual_time)]
async fn all_waits_for_all_and_keeps_their_order() {
    let (start, mut list) = (now(), tasks([3, 1, 2]));
    let ended = wait(&mut list, All).await;
    assert_eq!(now() - start, 3 * SECOND);
    assert!(list.is_empty() && ended.iter().all(Task::is_finished));
    assert_eq!(outputs(ended).await, [3, 1, 2]);
    assert_eq!(now() - start, 3 * SECOND, "the outputs are there at once");
}

#[oneloop::test(virtual_time)]
async fn first_completed_takes_the_first_out_and_leaves_the_others_in_order() {
    let (start, mut list) = (now(), tasks([5, 1, 7, 6]));
    let ended = wait(&mut list, FirstCompleted).await;
    assert_eq!(now() - start, SECOND);
    assert_eq!(outputs(ended).await, [1]);
    assert_eq!(list.len(), 3);
    assert!(!list.iter().any(Task::is_finished), "nothing is cancelled");
    assert_eq!(outputs(list).await, [5, 7, 6]);
}

#[oneloop::test(virtual_time)]
async fn it_may_give_more_than_one() {
    let mut list = tasks([2, 1, 1, 3, 1]);
    let ended = wait(&mut list, FirstCompleted).await;
    assert_eq!((outputs(ended).await, list.len()), (vec![1, 1, 1], 2));
    sleep(5 * SECOND).await;
    assert_eq!(outputs(wait(&mut list, FirstCompleted).await).await, [2, 3], "ended before");
}

#[oneloop::test(virtual_time)]
async fn first_error_ends_with_an_err() {
    let (start, fail) = (now(), |n| Err::<u32, u32>(n));
    let list = [after(3, fail(3)), after(1, Ok(1)), after(2, fail(2)), after(9, Ok(9))];
    let mut list: Vec<_> = list.into_iter().map(create_task).collect();
    let mut ended = wait(&mut list, FirstError).await;
    assert_eq!((now() - start, ended.len(), list.len()), (2 * SECOND, 2, 2));
    assert_eq!(ended.remove(0).await.unwrap(), Ok(1), "what was looked at is still there");
    assert_eq!(ended.remove(0).await.unwrap(), fail(2));
    let rest = wait(&mut list, FirstError).await;
    assert_eq!((now() - start, rest.len(), list.len()), (3 * SECOND, 1, 1));
}

#[oneloop::test(virtual_time)]
async fn first_error_ends_with_a_panic_and_not_with_a_cancellation() {
    async fn fails() {
        sleep(2 * SECOND).await;
        throw("on purpose")
    }
    let start = now();
    let mut list =
        vec![create_task(sleep(9 * SECOND)), create_task(pending()), create_task(fails())];
    list[1].cancel();
    let ended = wait(&mut list, FirstError).await;
    assert_eq!((now() - start, ended.len(), list.len()), (2 * SECOND, 2, 1));
    let errors: Vec<_> = gather(ended).await.into_iter().map(Result::unwrap_err).collect();
    assert!(errors[0].is_cancelled() && errors[1].is_panic());
}

#[oneloop::test(virtual_time)]
async fn first_error_equals_all_if_none_fails() {
    let start = now();
    let mut list: Vec<_> = [1, 3, 2].map(|n| create_task(after(n, Ok::<_, ()>(n)))).into();
    list.push(create_task(pending()));
    list[3].cancel();
    assert_eq!(wait(&mut list, FirstError).await.len(), 4);
    assert_eq!(now() - start, 3 * SECOND);
    let mut units = vec![create_task(sleep(SECOND)), create_task(sleep(2 * SECOND))];
    assert_eq!(wait(&mut units, FirstError).await.len(), 2);
}

#[oneloop::test(virtual_time)]
async fn first_error_sees_one_that_has_failed_before() {
    let mut list = vec![create_task(pending()), create_task(ready(Err::<(), _>("failed")))];
    yield_now().await;
    assert_eq!(wait(&mut list, FirstError).await.len(), 1);
    assert_eq!(list.len(), 1);
}

#[oneloop::test(virtual_time)]
async fn an_empty_list_gives_an_empty_one_after_others_had_a_turn() {
    let log = Log::new();
    let other = log.clone();
    let task = create_task(async move { other.push("other") });
    assert!(wait(&mut Vec::<Task<()>>::new(), FirstCompleted).await.is_empty());
    log.push("empty");
    assert!(wait(&mut Vec::<Task<()>>::new(), All).await.is_empty());
    assert!(wait(&mut Vec::<Task<()>>::new(), FirstError).await.is_empty());
    task.await.unwrap();
    assert_eq!(log.take(), ["other", "empty"]);
}

#[oneloop::test(virtual_time)]
async fn a_loop_until_the_list_is_empty_sees_each_task_once() {
    let mut list = tasks([4, 2, 2, 9, 1]);
    let mut order = Vec::new();
    while !list.is_empty() {
        order.extend(outputs(wait(&mut list, FirstCompleted).await).await);
    }
    assert_eq!(order, [1, 2, 2, 4, 9]);
}

// From asyncio's tests.

#[oneloop::test(virtual_time)]
async fn test_wait_first_completed() {
    let start = now();
    let mut list = tasks([10, 1]);
    let done = wait(&mut list, FirstCompleted).await;
    assert_eq!((outputs(done).await, list.len(), list[0].is_finished()), (vec![1], 1, false));
    assert_eq!(now() - start, SECOND);
}

#[oneloop::test(virtual_time)]
async fn test_wait_really_done() {
    async fn few_turns(turns: u32) {
        for _ in 0..turns {
            yield_now().await;
        }
    }
    let mut list = vec![create_task(few_turns(1)), create_task(few_turns(2))];
    let done = wait(&mut list, FirstCompleted).await;
    assert!(done[0].is_finished() && !list.iter().any(Task::is_finished));
}

#[oneloop::test(virtual_time)]
async fn test_wait_first_exception_in_wait() {
    let mut list =
        vec![create_task(after(10, Ok(()))), create_task(after(0, Err("zero division")))];
    let start = now();
    let mut done = wait(&mut list, FirstError).await;
    assert_eq!((now() - start, list.len()), (Duration::ZERO, 1));
    assert_eq!(done.remove(0).await.unwrap(), Err("zero division"));
}

#[oneloop::test(virtual_time)]
async fn test_wait_with_timeout() {
    let (start, mut list) = (now(), tasks([10, 15]));
    timeout(11 * SECOND, wait(&mut list, All)).await.unwrap_err();
    assert_eq!((now() - start, list.len()), (11 * SECOND, 2), "nothing is lost");
    let done: Vec<_> = list.iter().map(Task::is_finished).collect();
    assert_eq!(done, [true, false]);
    assert_eq!(wait(&mut list, FirstCompleted).await.len(), 1);
    assert_eq!(outputs(wait(&mut list, All).await).await, [15]);
}

#[oneloop::test(virtual_time)]
async fn test_wait_concurrent_complete() {
    let mut list = tasks([10, 15]);
    yield_now().await;
    assert_eq!(timeout(10 * SECOND, wait(&mut list, All)).await.map(|done| done.len()).ok(), None);
    assert_eq!(list.iter().filter(|task| task.is_finished()).count(), 1);
}

// Dropped, polled, woken.

#[oneloop::test(virtual_time)]
async fn dropped_in_each_state_it_leaves_the_list_as_it_was() {
    let mut list = tasks([1, 2, 3]);
    drop(wait(&mut list, All));
    let mut started = wait(&mut list, All);
    assert!(poll_once(&mut started).await.is_pending());
    drop(started);
    let mut woken = wait(&mut list, FirstCompleted);
    assert!(poll_once(&mut woken).await.is_pending());
    sleep(SECOND).await;
    drop(woken);
    let mut one_of_all = wait(&mut list, All);
    assert!(poll_once(&mut one_of_all).await.is_pending());
    sleep(SECOND).await;
    assert!(poll_once(&mut one_of_all).await.is_pending());
    drop(one_of_all);
    assert_eq!(outputs(list).await, [1, 2, 3]);
}

#[oneloop::test(virtual_time)]
async fn ten_thousand_tasks_cost_their_wakes() {
    let polls = Rc::new(Cell::new(0));
    let mut list: Vec<_> =
        (0..10_000).map(|n| create_task(sleep(Duration::from_micros(n % 100 + 1)))).collect();
    let all = counted(&polls, wait(&mut list, All)).await;
    assert_eq!((all.len(), list.len()), (10_000, 0));
    assert!(polls.get() <= 101, "at the first, and once for each moment: {}", polls.get());
}

#[oneloop::test(virtual_time)]
async fn what_a_former_wait_has_left_behind_confuses_no_later_one() {
    let mut list = tasks([5, 1, 5]);
    let mut waiting = wait(&mut list, All);
    assert!(poll_once(&mut waiting).await.is_pending());
    drop(waiting);
    // It still has an entry of the former list, which the next one takes over.
    let kept = list.remove(1);
    let mut later = wait(&mut list, FirstCompleted);
    assert!(poll_once(&mut later).await.is_pending());
    sleep(2 * SECOND).await;
    assert!(kept.is_finished());
    assert!(poll_once(&mut later).await.is_pending());
    assert_eq!(later.await.len(), 2);
    let mut gathered = gather([after(1, 1), after(2, 2)]);
    let mut list = vec![kept];
    assert!(poll_once(&mut gathered).await.is_pending());
    assert_eq!((gathered.await, wait(&mut list, All).await.len()), (vec![1, 2], 1));
}

#[oneloop::test(virtual_time)]
async fn the_latest_waker_counts_and_foreign_ones_too() {
    let mut list = tasks([1, 2]);
    let mut waiting = wait(&mut list, All);
    let mut foreign: FuturesUnordered<_> = [&mut waiting].into_iter().collect();
    assert!(poll_once(&mut foreign.next()).await.is_pending());
    drop(foreign);
    assert!(poll_once(&mut waiting).await.is_pending());
    let mut foreign: FuturesUnordered<_> = [waiting].into_iter().collect();
    assert_eq!(foreign.next().await.map(|ended| ended.len()), Some(2));
}

#[oneloop::test(virtual_time)]
async fn waits_run_beside_each_other_and_in_each_other() {
    let start = now();
    let (mut one, mut two) = (tasks([1, 4]), tasks([2, 3]));
    let (first, all) = oneloop::gather!(wait(&mut one, FirstCompleted), wait(&mut two, All)).await;
    assert_eq!((first.len(), all.len(), now() - start), (1, 2, 3 * SECOND));
    let waits = create_task(async move { wait(&mut one, All).await.len() });
    assert_eq!(wait(&mut vec![waits], All).await.remove(0).await.unwrap(), 1);
    assert_eq!(now() - start, 4 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn tasks_of_an_ended_loop_have_ended() {
    let stray = virtual_runtime().create_task(pending::<u32>());
    let mut list = vec![create_task(after(1, 1)), stray];
    let start = now();
    let mut ended = wait(&mut list, FirstCompleted).await;
    assert_eq!((ended.len(), list.len(), now() - start), (1, 1, Duration::ZERO));
    assert!(ended.remove(0).await.unwrap_err().is_cancelled());
}

#[oneloop::test(virtual_time)]
async fn tasks_of_another_thread_are_a_panic_that_says_so() {
    let task = create_task(ready(()));
    let there = thread::spawn(move || {
        let mut list = vec![task];
        oneloop::run(AssertUnwindSafe(wait(&mut list, All)).catch_unwind()).map(|done| done.len())
    });
    let payload = there.join().unwrap().unwrap_err();
    assert!(payload.downcast_ref::<String>().unwrap().contains("belongs to the loop of thread"));
}

// With a time limit.

#[oneloop::test(virtual_time)]
async fn after_its_time_limit_a_wait_gives_what_has_ended_and_leaves_the_rest() {
    let (start, mut list) = (now(), tasks([4, 1, 9, 2]));
    let ended = wait(&mut list, All).timeout(3 * SECOND).await;
    assert_eq!(now() - start, 3 * SECOND);
    assert_eq!(outputs(ended).await, [1, 2]);
    let ended = wait(&mut list, All).timeout(SECOND).await;
    assert_eq!(outputs(ended).await, [4], "what ends with the time limit counts");
    assert_eq!(wait(&mut list, FirstCompleted).timeout(Duration::ZERO).await.len(), 0);
    let ended = wait(&mut list, FirstCompleted).timeout(Duration::MAX).await;
    assert_eq!(outputs(ended).await, [9]);
    assert_eq!(now() - start, 9 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn a_wait_that_is_over_before_its_time_limit_does_not_wait_for_it() {
    let (start, mut list) = (now(), tasks([2, 1]));
    let ended = wait(&mut list, FirstCompleted).timeout(60 * SECOND).await;
    assert_eq!((outputs(ended).await, list.len()), (vec![1], 1));
    assert_eq!(now() - start, SECOND);
    let mut none: Vec<Task<()>> = Vec::new();
    assert_eq!(wait(&mut none, All).timeout(60 * SECOND).await.len(), 0);
    assert_eq!(now() - start, SECOND);
}
