//! `gather` and `try_gather`, functions and macros: many futures inside one task.

mod nesting;
mod waking;

use std::any::Any;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use oneloop::time::{Sleep, now};
use oneloop::{Task, create_task, current_task, gather, sleep, timeout, try_gather, yield_now};

use super::tasks::{Gate, Log, counted, hold, on_drop, poll_once, throw, virtual_runtime};

const SECOND: Duration = Duration::from_secs(1);

/// Returns `output` after `seconds`.
async fn after<T>(seconds: u32, output: T) -> T {
    sleep(seconds * SECOND).await;
    output
}

// Results.

#[oneloop::test(virtual_time)]
async fn results_come_in_the_order_of_the_arguments() {
    let start = now();
    assert_eq!(gather([3, 1, 2].map(|n| after(n, n))).await, [3, 1, 2]);
    assert_eq!(now() - start, 3 * SECOND, "all at once");
    assert_eq!(oneloop::gather!(after(2, 'b'), after(1, "a")).await, ('b', "a"));
    assert_eq!(now() - start, 5 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn the_macro_takes_futures_of_different_types() {
    let task = create_task(ready(4));
    let (one, two, three, four) =
        oneloop::gather!(ready(1_u8), after(1, "two"), async { vec![3.0] }, task).await;
    assert_eq!((one, two, three, four.unwrap()), (1, "two", vec![3.0], 4));
    assert_eq!(oneloop::gather!(ready("alone"),).await, ("alone",));
    let twelve = oneloop::gather!(
        ready(1),
        ready(2),
        ready(3),
        ready(4),
        ready(5),
        ready(6),
        ready(7),
        ready(8),
        ready(9),
        ready(10),
        ready(11),
        after(1, 12)
    );
    assert_eq!(twelve.await, (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

#[oneloop::test(virtual_time)]
async fn of_nothing_comes_nothing_at_once() {
    let polls = Rc::new(Cell::new(0));
    assert!(counted(&polls, gather(Vec::<Task<()>>::new())).await.is_empty());
    assert!(counted(&polls, gather(Vec::<Task<()>>::new()).limit(1)).await.is_empty());
    let nothing = try_gather(Vec::<Ready<Result<(), Infallible>>>::new());
    assert!(counted(&polls, nothing).await.unwrap().is_empty());
    assert_eq!(polls.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn what_is_ready_is_ready_in_one_poll() {
    let polls = Rc::new(Cell::new(0));
    counted(&polls, gather([1, 2, 3].map(ready))).await;
    counted(&polls, gather([1, 2, 3].map(ready)).limit(1)).await;
    counted(&polls, oneloop::gather!(ready(1), ready(2))).await;
    assert_eq!(polls.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn members_start_in_order_when_polled_and_not_before() {
    let log = Log::new();
    let members = [0, 1, 2].map(|n| {
        let log = log.clone();
        async move { log.push(n) }
    });
    let gathered = gather(members);
    yield_now().await;
    assert_eq!(log.take(), []);
    gathered.await;
    assert_eq!(log.take(), [0, 1, 2]);
}

#[oneloop::test(virtual_time)]
async fn members_run_inside_the_task_that_awaits() {
    let own = current_task();
    let seen = gather([1, 2].map(async |n| {
        sleep(n * SECOND).await;
        current_task()
    }))
    .await;
    assert_eq!(seen, [own; 2]);
}

#[oneloop::test(virtual_time)]
async fn gathered_tasks_give_what_became_of_each() {
    let panics = create_task(async {
        yield_now().await;
        throw("on purpose")
    });
    let cancelled = create_task(pending());
    cancelled.cancel();
    let [returned, panicked, cancelled] =
        gather([create_task(after(1, "output")), panics, cancelled]).await.try_into().unwrap();
    assert_eq!(returned.unwrap(), "output");
    assert!(panicked.unwrap_err().is_panic());
    assert!(cancelled.unwrap_err().is_cancelled());
}

// Limits.

#[oneloop::test(virtual_time)]
async fn limit_lets_no_more_run_at_once_and_starts_the_next_when_one_ends() {
    let (running, most) = (Cell::new(0), Cell::new(0));
    let start = now();
    let members = (0..10).map(async |n| {
        running.set(running.get() + 1);
        most.set(most.get().max(running.get()));
        sleep(SECOND).await;
        running.set(running.get() - 1);
        (n, (now() - start).as_secs())
    });
    let ended = gather(members).limit(3).await;
    assert_eq!(most.get(), 3);
    let expected = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4];
    assert!(ended.into_iter().eq(expected.into_iter().enumerate()));
}

#[oneloop::test(virtual_time)]
async fn limit_above_the_number_changes_nothing() {
    let start = now();
    assert_eq!(gather([1, 2].map(|n| after(n, n))).limit(usize::MAX).await, [1, 2]);
    assert_eq!(gather([1, 2].map(|n| after(n, n))).limit(2).await, [1, 2]);
    assert_eq!(now() - start, 4 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn try_gather_takes_a_limit_too() {
    let log = Log::new();
    let members = [Ok(0), Err(1), Ok(2)].map(|result| {
        let log = log.clone();
        async move {
            log.push(result);
            result
        }
    });
    assert_eq!(try_gather(members).limit(1).await, Err(1));
    assert_eq!(log.take(), [Ok(0), Err(1)], "the third never started");
}

#[test]
#[should_panic(expected = "with a limit of 0 nothing would ever start")]
fn a_limit_of_zero_panics() {
    let _gather = gather([ready(())]).limit(0);
}

#[test]
#[should_panic(expected = "with a limit of 0 nothing would ever start")]
fn a_limit_of_zero_panics_in_try_gather() {
    let _gather = try_gather([ready(Ok::<_, Infallible>(()))]).limit(0);
}

// Errors.

#[oneloop::test(virtual_time)]
async fn try_gather_gives_all_values_or_the_first_error_in_time() {
    assert_eq!(try_gather([1, 2].map(async |n| Ok::<_, String>(n))).await, Ok(vec![1, 2]));
    let start = now();
    let members = [(3, Err("late")), (1, Err("early")), (2, Ok(()))];
    assert_eq!(try_gather(members.map(|(n, result)| after(n, result))).await, Err("early"));
    assert_eq!(now() - start, SECOND);
    let values = oneloop::try_gather!(after(1, Ok::<_, String>(1)), ready(Ok("two"))).await;
    assert_eq!(values, Ok((1, "two")));
    let start = now();
    let error = oneloop::try_gather!(
        pending::<Result<(), _>>(),
        after(2, Err::<u8, _>("early")),
        after(3, Err::<u16, _>("late"))
    );
    assert_eq!(error.await, Err("early"));
    assert_eq!(now() - start, 2 * SECOND);
}

#[oneloop::test(virtual_time)]
async fn the_first_error_drops_the_others_before_it_is_seen() {
    let live = Rc::new(());
    let member = |result: Option<Result<Rc<()>, &'static str>>| {
        let captured = live.clone();
        async move {
            yield_now().await;
            let result = match result {
                Some(result) => result,
                None => pending().await,
            };
            drop(captured);
            result
        }
    };
    let members =
        || [member(None), member(Some(Ok(live.clone()))), member(Some(Err("first"))), member(None)];

    let mut gathered = try_gather(members());
    assert_eq!((&mut gathered).await, Err("first"));
    assert_eq!(Rc::strong_count(&live), 1);
    drop(gathered);

    let [one, two, three, four] = members();
    let mut gathered = Box::pin(oneloop::try_gather!(one, two, three, four));
    assert_eq!((&mut gathered).await.unwrap_err(), "first");
    assert_eq!(Rc::strong_count(&live), 1);
}

#[oneloop::test(virtual_time)]
async fn gather_runs_all_to_the_end_whatever_fails() {
    let results = gather([(1, Err("early")), (2, Ok(2))].map(|(n, result)| after(n, result))).await;
    assert_eq!(results, [Err("early"), Ok(2)]);
}

// Dropping.

#[oneloop::test(virtual_time)]
async fn dropping_it_drops_all_futures_and_outputs() {
    let live = Rc::new(());
    let member = |waits: bool| {
        let captured = live.clone();
        async move {
            if waits {
                pending::<()>().await;
            }
            captured
        }
    };
    let mut many = gather([member(true), member(false), member(true)]);
    let mut few = Box::pin(oneloop::gather!(member(true), member(false)));
    assert!(poll_once(&mut many).await.is_pending());
    assert!(poll_once(&mut few).await.is_pending());
    assert_eq!(Rc::strong_count(&live), 6);
    drop((many, few));
    assert_eq!(Rc::strong_count(&live), 1);
    drop(gather([member(true), member(false)]));
    assert_eq!(Rc::strong_count(&live), 1, "also if it was never polled");
}

#[oneloop::test(virtual_time)]
async fn a_timeout_drops_the_members() {
    let live = Rc::new(());
    let members = [(); 3].map(|()| {
        let captured = live.clone();
        hold(captured)
    });
    assert!(timeout(SECOND, gather(members)).await.is_err());
    assert_eq!(Rc::strong_count(&live), 1);
    assert!(timeout(2 * SECOND, gather([after(1, ()), after(1, ())])).await.is_ok());
}

#[oneloop::test(virtual_time)]
async fn cancelling_the_task_drops_the_members_in_its_turn() {
    let log = Log::new();
    let members = [0, 1].map(|n| {
        let log = log.clone();
        async move {
            let _guard = on_drop(move || log.push((n, current_task().unwrap().name())));
            pending::<()>().await;
        }
    });
    let task = create_task(gather(members)).named("gathers");
    yield_now().await;
    task.cancel();
    assert_eq!(log.take(), []);
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(log.take(), [0, 1].map(|n| (n, "gathers".to_owned())));
}

#[oneloop::test(virtual_time)]
async fn wakes_of_members_that_have_gone_are_harmless() {
    let gate = Gate::default();
    let mut gathered = gather([gate.wait(), gate.wait()]);
    assert!(poll_once(&mut gathered).await.is_pending());
    drop(gathered);
    gate.wake();
    let polls = Rc::new(Cell::new(0));
    let successor = create_task(counted(&polls, gather([pending::<()>(), pending()])));
    yield_now().await;
    gate.wake();
    yield_now().await;
    assert_eq!(polls.get(), 1);
    successor.cancel();
}

// Panics.

#[oneloop::test(virtual_time)]
async fn a_panic_of_a_member_reaches_the_awaiter_and_all_are_dropped() {
    let live = Rc::new(());
    let member = |n: u32| {
        let captured = live.clone();
        async move {
            yield_now().await;
            if n == 1 {
                throw("member");
            }
            sleep(SECOND).await;
            captured
        }
    };
    let many = gather([member(3), member(1), member(2)]);
    let payload = AssertUnwindSafe(many).catch_unwind().await.unwrap_err();
    assert_eq!((text(&*payload), Rc::strong_count(&live)), ("member", 1));
    let few = oneloop::gather!(member(3), member(1), member(2));
    let payload = AssertUnwindSafe(few).catch_unwind().await.unwrap_err();
    assert_eq!((text(&*payload), Rc::strong_count(&live)), ("member", 1));
    assert_eq!(gather([after(1, 1)]).await, [1], "the loop is sound");
}

fn text(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&str>().expect("a text")
}

#[oneloop::test(virtual_time)]
async fn a_panic_when_a_member_is_dropped_leaves_the_loop_sound() {
    let task = create_task(async {
        let member = async {
            let _guard = on_drop(|| throw("drop"));
            pending::<()>().await;
        };
        let limited = timeout(SECOND, gather([member])).await;
        drop(limited);
    });
    let payload = task.await.unwrap_err().into_panic().unwrap();
    assert_eq!(text(&*payload), "drop");
    assert_eq!(gather([after(1, 1)]).await, [1]);
}

// Misuse and types.

#[test]
fn polled_outside_a_loop_it_says_what_to_do() {
    let poll = || gather([ready(())]).now_or_never();
    let payload = catch_unwind(poll).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains("`gather` needs a running event loop"), "{message}");
}

#[test]
fn one_that_outlives_its_loop_may_be_dropped_but_not_polled_elsewhere() {
    let mut kept = [gather([pending::<()>()]), gather([pending()])];
    virtual_runtime().run(async {
        for gathered in &mut kept {
            assert!(poll_once(gathered).await.is_pending());
        }
    });
    let [mut polled, dropped] = kept;
    drop(dropped);
    let poll = AssertUnwindSafe(|| virtual_runtime().run(poll_once(&mut polled)));
    let payload = catch_unwind(poll).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains("has ended: await it where it was polled first"), "{message}");
}

#[test]
fn gather_is_send_when_its_members_are() {
    fn assert_send<F: Send>(future: F) {
        drop(future);
    }
    fn members() -> (Sleep, Ready<u8>) {
        (sleep(SECOND), ready(1))
    }
    let (first, second) = members();
    assert_send(oneloop::gather!(first, second));
    assert_send(gather([sleep(SECOND)]));
    assert_send(try_gather([ready(Ok::<_, Infallible>(()))]));
    assert_send(oneloop::try_gather!(ready(Ok::<_, Infallible>(())), ready(Ok(1))));
    assert_send(gather([gather([sleep(SECOND)])]));
}
