//! Tasks that are polled at once, inside the call that creates them.

use std::cell::Cell;
use std::future::{poll_fn, ready};
use std::rc::Rc;

use oneloop::task;
use oneloop::{Task, all_tasks, current_task, gather, yield_now};

use super::{Gate, Log, counted, hold, throw};

fn eager() -> task::Builder {
    task::Builder::new().eager(true)
}

#[oneloop::test(virtual_time)]
async fn an_eager_task_is_polled_at_once_as_the_current_task() {
    let main = current_task();
    let task = eager().create_task(async { (current_task(), current_task().unwrap().parent()) });
    assert_eq!(current_task(), main, "restored");
    assert!(task.is_finished());
    let key = task.key();
    let (own, parent) = task.await.unwrap();
    assert_eq!((own.map(|own| own.key()), parent), (Some(key), main));
}

#[oneloop::test(virtual_time)]
async fn an_eager_task_that_waits_goes_on_by_its_wakes() {
    let (gate, polls) = (Gate::default(), Rc::new(Cell::new(0)));
    let task = eager().create_task(counted(&polls, gate.wait()));
    assert_eq!(polls.get(), 1);
    yield_now().await;
    assert_eq!(polls.get(), 1, "it is not in the run queue");
    gate.open();
    task.await.unwrap();
    assert_eq!(polls.get(), 2);
}

#[oneloop::test(virtual_time)]
async fn eager_tasks_that_create_each_other_without_end_do_not_exhaust_the_stack() {
    fn nest(left: u32) -> Task<u32> {
        eager().create_task(async move {
            if left == 0 {
                return 0;
            }
            nest(left - 1).await.unwrap() + 1
        })
    }
    assert_eq!(nest(10_000).await.unwrap(), 10_000);
}

#[oneloop::test(virtual_time)]
async fn eager_tasks_nest() {
    let log = Log::new();
    let steps = log.clone();
    let outer = eager().name("outer").create_task(async move {
        let inner_steps = steps.clone();
        let inner = eager().name("inner").create_task(async move {
            inner_steps.push(current_task().unwrap().name());
            yield_now().await;
            inner_steps.push(current_task().unwrap().name());
        });
        steps.push(current_task().unwrap().name());
        inner.await.unwrap();
        steps.push(current_task().unwrap().name());
    });
    log.push(current_task().unwrap().name());
    outer.await.unwrap();
    assert_eq!(log.take(), ["inner", "outer", "main", "inner", "outer"]);
}

#[oneloop::test(virtual_time)]
async fn an_eager_task_runs_before_the_rest_of_its_creator_and_a_lazy_one_after_it() {
    let log = Log::new();
    let entry = |name: &'static str| {
        let log = log.clone();
        async move { log.push(name) }
    };
    let lazy = eager().eager(false).create_task(entry("lazy"));
    let early = eager().create_task(entry("eager"));
    log.push("creator");
    assert!(early.is_finished() && !lazy.is_finished());
    lazy.await.unwrap();
    early.await.unwrap();
    assert_eq!(log.take(), ["eager", "creator", "lazy"]);
}

#[oneloop::test(virtual_time)]
async fn the_loop_never_sees_an_eager_task_that_does_not_wait() {
    let mut polls = 0;
    let others = gather([eager().create_task(ready(())), eager().create_task(ready(()))]);
    assert_eq!(all_tasks().len(), 1, "only main has not ended");
    let mut others = Box::pin(others);
    poll_fn(|cx| {
        polls += 1;
        others.as_mut().poll(cx).map(drop)
    })
    .await;
    assert_eq!(polls, 1);
}

#[oneloop::test(virtual_time)]
async fn any_number_of_eager_tasks_may_be_created_in_one_poll() {
    let tasks: Vec<_> = (0..300).map(|n| eager().create_task(ready(n))).collect();
    assert!(tasks.iter().all(Task::is_finished));
    let outputs = gather(tasks).await;
    assert!(outputs.into_iter().map(Result::unwrap).eq(0..300));
}

#[oneloop::test(virtual_time)]
async fn an_eager_panic_stays_in_the_task() {
    let task = eager().create_task(async { throw("on purpose") });
    assert!(task.is_finished());
    assert_eq!(current_task().unwrap().name(), "main");
    assert!(task.await.map(|()| "output").unwrap_err().is_panic());
}

#[oneloop::test(virtual_time)]
async fn cancel_after_an_eager_step_works_as_for_any_task() {
    let live = Rc::new(());
    let captured = live.clone();
    let waiting = eager().create_task(hold(captured));
    let finished = eager().create_task(ready(()));
    assert!(!finished.cancel());
    assert!(waiting.cancel());
    assert_eq!(Rc::strong_count(&live), 2);
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(Rc::strong_count(&live), 1);
}

#[oneloop::test(virtual_time)]
async fn an_eager_task_may_cancel_itself_or_wake_itself() {
    let cancels = eager().create_task(async {
        current_task().unwrap().cancel();
        yield_now().await;
        unreachable!("it was cancelled");
    });
    let wakes = eager().create_task(yield_now());
    assert!(!cancels.is_finished() && !wakes.is_finished());
    assert!(cancels.await.map(|()| "output").unwrap_err().is_cancelled());
    assert!(wakes.await.is_ok());
}
