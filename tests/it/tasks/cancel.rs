//! Cancellation: when the future is dropped, and the answer of `cancel`.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use oneloop::task::CancelReason;
use oneloop::{all_tasks, create_task, current_task, sleep, timeout, yield_now};

use super::{Gate, Log, counted, hold, on_drop, throw};

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test(virtual_time)]
async fn cancel_before_the_first_step_never_runs_the_body() {
    let live = Rc::new(());
    let polls = Rc::new(Cell::new(0));
    let captured = live.clone();
    let task = create_task(counted(&polls, async move {
        drop(captured);
        unreachable!("it was cancelled before");
    }));
    assert!(task.cancel());
    assert_eq!(Rc::strong_count(&live), 2, "nothing is dropped inside `cancel`");
    let error = task.await.map(|()| "output").unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.reason(), Some(CancelReason::Requested));
    assert_eq!((polls.get(), Rc::strong_count(&live)), (0, 1));
}

#[oneloop::test(virtual_time)]
async fn cancel_drops_the_future_in_its_own_turn_as_the_current_task() {
    let log = Log::new();
    let dropped = log.clone();
    let task = create_task(async move {
        let _guard = on_drop(move || dropped.push(current_task().map(|task| task.key())));
        pending::<()>().await;
    });
    yield_now().await;
    assert!(task.cancel());
    assert_eq!(log.take(), [], "not inside the caller");
    yield_now().await;
    assert_eq!(log.take(), [Some(task.key())]);
    assert!(task.await.unwrap_err().is_cancelled());
}

#[oneloop::test(virtual_time)]
async fn cancel_is_legal_while_the_caller_holds_what_the_drop_borrows() {
    let shared = Rc::new(RefCell::new(0));
    let inner = shared.clone();
    let task = create_task(async move {
        let _guard = on_drop(move || *inner.borrow_mut() += 1);
        pending::<()>().await;
    });
    yield_now().await;
    {
        let mut borrow = shared.borrow_mut();
        task.cancel();
        *borrow += 10;
    }
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(*shared.borrow(), 11);
}

#[oneloop::test(virtual_time)]
async fn a_task_that_cancels_itself_ends_at_its_next_wait() {
    let log = Log::new();
    let steps = log.clone();
    let task = create_task(async move {
        assert!(current_task().unwrap().cancel());
        steps.push("before");
        ready(()).await;
        steps.push("an await that does not wait");
        yield_now().await;
        steps.push("after");
    });
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(log.take(), ["before", "an await that does not wait"]);
}

#[oneloop::test(virtual_time)]
async fn a_task_that_cancels_itself_and_returns_keeps_its_output() {
    let task = create_task(async {
        assert!(current_task().unwrap().cancel());
        "output"
    });
    assert_eq!(task.await.unwrap(), "output");
    yield_now().await;
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_task_that_panics_first_ends_with_the_panic() {
    let task = create_task(async {
        current_task().unwrap().cancel();
        throw("on purpose");
    });
    let error = task.await.map(|()| "output").unwrap_err();
    assert!(error.is_panic() && error.reason().is_none());
}

#[oneloop::test(virtual_time)]
async fn cancel_says_whether_the_task_had_ended() {
    let finished = create_task(ready(()));
    let waiting = create_task(pending::<()>());
    yield_now().await;
    assert!(!finished.cancel());
    assert!(waiting.cancel() && waiting.cancel(), "twice is as good as once");
    yield_now().await;
    assert!(!waiting.cancel());
    assert!(finished.await.is_ok());
}

#[oneloop::test(virtual_time)]
async fn a_woken_task_that_is_cancelled_is_not_polled_again() {
    let (gate, polls) = (Gate::default(), Rc::new(Cell::new(0)));
    let [woken_first, cancelled_first] =
        [(); 2].map(|()| create_task(counted(&polls, gate.wait())));
    yield_now().await;
    cancelled_first.cancel();
    gate.open();
    woken_first.cancel();
    assert!(woken_first.await.unwrap_err().is_cancelled());
    assert!(cancelled_first.await.unwrap_err().is_cancelled());
    assert_eq!(polls.get(), 2);
}

#[oneloop::test(virtual_time)]
async fn cancelling_a_joiner_leaves_what_it_awaits_alone() {
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    let worker = create_task(async move {
        sleep(SECOND).await;
        flag.set(true);
    });
    let joiner = create_task(worker);
    yield_now().await;
    joiner.cancel();
    sleep(2 * SECOND).await;
    assert!(joiner.is_finished() && done.get());
}

#[oneloop::test(virtual_time)]
async fn a_drop_may_cancel_and_create_other_tasks() {
    let log = Log::new();
    let victim = create_task(pending::<()>());
    let victim_ref = all_tasks().into_iter().find(|task| task.key() == victim.key()).unwrap();
    let dropped = log.clone();
    let task = create_task(async move {
        let _guard = on_drop(move || {
            let created = dropped.clone();
            drop(create_task(async move { created.push(true) }));
            dropped.push(victim_ref.cancel());
            dropped.push(current_task().unwrap().cancel());
        });
        pending::<()>().await;
    });
    yield_now().await;
    task.cancel();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(victim.await.unwrap_err().is_cancelled());
    // Cancelling the victim, cancelling the task itself, which is cancelled already, and the new
    // task.
    assert_eq!(log.take(), [true, true, true]);
}

#[oneloop::test(virtual_time)]
async fn main_cannot_be_cancelled() {
    let main = current_task().unwrap();
    assert!(!main.cancel());
    assert!(!create_task(async move { main.cancel() }).await.unwrap());
    yield_now().await;
}

#[oneloop::test(virtual_time)]
async fn cancel_on_drop_cancels_when_dropped_and_else_gives_the_output() {
    assert_eq!(create_task(ready(1)).cancel_on_drop().await.unwrap(), 1);

    let live = Rc::new(());
    let captured = live.clone();
    let task = create_task(hold(captured));
    let limited = timeout(SECOND, task.cancel_on_drop()).await;
    assert!(limited.is_err());
    assert_eq!(Rc::strong_count(&live), 1, "the timeout has waited for its end");
    assert_eq!(all_tasks().len(), 1);
}

#[oneloop::test]
async fn a_cancel_from_another_thread_does_not_reach_the_next_task_in_the_slot() {
    let task = create_task(async {});
    yield_now().await;
    assert!(task.is_finished());
    thread::scope(|scope| scope.spawn(|| task.cancel()).join()).unwrap();
    drop(task);
    // It gets the free slot before the loop reads its mail.
    assert_eq!(create_task(async { 7 }).await.unwrap(), 7);
}
