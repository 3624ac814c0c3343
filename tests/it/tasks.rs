//! Tasks: order, cancellation, handles, names, eager starts, wakes, and what becomes of them when the loop ends.
//!
//! The helpers below the tests also serve the neighbouring modules.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::{pending, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::task::{LocalSpawnExt, SpawnExt};
use oneloop::task::{self, CancelReason};
use oneloop::{
    Builder, Handle, Runtime, Task, all_tasks, call_later, call_soon, create_task, current_task,
    gather, sleep, timeout, yield_now,
};

const SECOND: Duration = Duration::from_secs(1);

// Order.

#[oneloop::test(virtual_time)]
async fn the_caller_goes_first_and_first_steps_come_in_the_order_of_creation() {
    let log = Log::new();
    let step = |n| {
        let log = log.clone();
        create_task(async move { log.push(n) })
    };
    let tasks = [0, 1, 2].map(step);
    assert_eq!(log.take(), []);
    yield_now().await;
    assert_eq!(log.take(), [0, 1, 2]);
    assert!(tasks.iter().all(Task::is_finished));
}

#[oneloop::test(virtual_time)]
async fn tasks_that_yield_take_turns() {
    let log = Log::new();
    let turns = |n| {
        let log = log.clone();
        create_task(async move {
            for _ in 0..3 {
                log.push(n);
                yield_now().await;
            }
        })
    };
    let tasks = [0, 1, 2].map(turns);
    gather(tasks).await;
    assert_eq!(log.take(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[oneloop::test(virtual_time)]
async fn a_sleep_of_zero_lets_each_other_task_run_once() {
    let log = Log::new();
    let turns = |n| {
        let log = log.clone();
        create_task(async move {
            for _ in 0..2 {
                log.push(n);
                sleep(Duration::ZERO).await;
            }
        })
    };
    let tasks = [0, 1, 2].map(turns);
    gather(tasks).await;
    assert_eq!(log.take(), [0, 1, 2, 0, 1, 2]);
}

#[oneloop::test(virtual_time)]
async fn a_joiner_resumes_in_the_next_pass_and_not_inline() {
    let log = Log::new();
    let [by_worker, by_joiner, by_bystander] = [log.clone(), log.clone(), log.clone()];
    let worker = create_task(async move {
        yield_now().await;
        by_worker.push("done");
    });
    let joiner = create_task(async move {
        worker.await.unwrap();
        by_joiner.push("joined");
    });
    let bystander = create_task(async move {
        yield_now().await;
        by_bystander.push("bystander");
    });
    joiner.await.unwrap();
    bystander.await.unwrap();
    assert_eq!(log.take(), ["done", "bystander", "joined"]);
}

// Handles.

#[oneloop::test(virtual_time)]
async fn dropping_the_handle_detaches_the_task() {
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    drop(create_task(async move {
        sleep(SECOND).await;
        flag.set(true);
    }));
    sleep(2 * SECOND).await;
    assert!(done.get());
    assert_eq!(Rc::strong_count(&done), 1);
}

#[oneloop::test(virtual_time)]
async fn an_output_waits_for_its_handle_and_goes_with_it() {
    let live = Rc::new(());
    let [kept, dropped] = [live.clone(), live.clone()].map(|output| create_task(ready(output)));
    yield_now().await;
    assert_eq!(Rc::strong_count(&live), 3);
    drop(dropped);
    assert_eq!(Rc::strong_count(&live), 2);
    drop(kept.await.unwrap());
    assert_eq!(Rc::strong_count(&live), 1);
}

#[oneloop::test(virtual_time)]
async fn a_task_is_finished_when_it_returned_panicked_or_was_cancelled() {
    let returns = create_task(ready(1));
    let panics = create_task(async { panic!("on purpose") });
    let cancelled = create_task(pending::<()>());
    let waits = create_task(pending::<()>());
    assert!(!returns.is_finished() && !panics.is_finished());
    cancelled.cancel();
    assert!(!cancelled.is_finished(), "only its next turn ends it");
    yield_now().await;
    assert!(returns.is_finished() && panics.is_finished() && cancelled.is_finished());
    assert!(!waits.is_finished());
    assert!(panics.await.unwrap_err().is_panic());
}

#[oneloop::test(virtual_time)]
async fn awaiting_by_reference_can_be_given_up_and_taken_up_again() {
    let mut task = create_task(async {
        sleep(2 * SECOND).await;
        "output"
    });
    assert!(timeout(SECOND, &mut task).await.is_err());
    assert_eq!(task.await.unwrap(), "output");
}

// Cancellation.

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
        panic!("on purpose");
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
    // The victim's cancellation; the task's own, which comes to the same; the new task.
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
    let task = create_task(async move {
        let _captured = captured;
        pending::<()>().await;
    });
    let limited = timeout(SECOND, task.cancel_on_drop()).await;
    assert!(limited.is_err());
    assert_eq!(Rc::strong_count(&live), 2, "it is dropped in its own turn");
    yield_now().await;
    assert_eq!(Rc::strong_count(&live), 1);
    assert_eq!(all_tasks().len(), 1);
}

// Names, keys, and tasks from outside.

#[oneloop::test(virtual_time)]
async fn names_are_given_or_count() {
    let own_name = async || current_task().unwrap().name();
    let default = create_task(own_name());
    let named = create_task(own_name()).named("named");
    let built = task::Builder::new().name("built").create_task(own_name());
    let renamed = task::Builder::new().name("first").create_task(own_name()).named("second");
    assert!(default.name().strip_prefix("Task-").unwrap().parse::<u32>().is_ok());
    assert_ne!(default.name(), create_task(own_name()).name());
    assert_eq!((named.name(), built.name()), ("named".to_owned(), "built".to_owned()));
    let default_name = default.name();
    assert_eq!(default.await.unwrap(), default_name);
    assert_eq!(named.await.unwrap(), "named");
    assert_eq!(built.await.unwrap(), "built");
    assert_eq!(renamed.await.unwrap(), "second");
    assert_eq!(current_task().unwrap().name(), "main");
}

#[oneloop::test(virtual_time)]
async fn errors_name_their_task() {
    let panics = create_task(async { panic!("on purpose") }).named("panics");
    let cancelled = create_task(pending::<()>()).named("cancelled");
    cancelled.cancel();
    let error = panics.await.map(|()| "output").unwrap_err();
    assert_eq!(error.task_name(), "panics");
    assert_eq!(error.to_string(), "task `panics` panicked: on purpose");
    let error = cancelled.await.unwrap_err();
    assert_eq!(error.to_string(), "task `cancelled` was cancelled by request");
}

#[oneloop::test(virtual_time)]
async fn a_name_does_not_pass_to_the_next_tenant_of_a_slot() {
    for _ in 0..3 {
        let named = create_task(ready(())).named("former");
        named.await.unwrap();
        let next = create_task(ready(()));
        assert_ne!(next.name(), "former");
        next.await.unwrap();
    }
}

#[oneloop::test(virtual_time)]
async fn no_two_tasks_have_the_same_key() {
    let mut keys = HashSet::new();
    for _ in 0..10 {
        let tasks: Vec<_> = (0..20).map(|_| create_task(ready(()))).collect();
        assert!(tasks.iter().all(|task| keys.insert(task.key())));
        gather(tasks).await;
    }
    assert_eq!(keys.len(), 200);
    assert!(keys.insert(current_task().unwrap().key()));
}

#[oneloop::test(virtual_time)]
async fn current_task_is_none_in_calls_from_other_threads() {
    let (sender, receiver) = mpsc::channel();
    let send = move || sender.send(current_task().is_none()).expect("the test waits");
    Handle::current().call_soon_threadsafe(send).unwrap();
    let is_none = loop {
        match receiver.try_recv() {
            Ok(is_none) => break is_none,
            Err(_) => yield_now().await,
        }
    };
    assert!(is_none);
}

#[test]
fn without_a_loop_there_is_no_current_task() {
    assert!(current_task().is_none());
}

#[test]
#[should_panic(expected = "needs a running event loop")]
fn create_task_without_a_loop_says_what_to_do() {
    drop(create_task(ready(())));
}

#[oneloop::test(virtual_time)]
async fn all_tasks_lists_those_that_have_not_ended_main_first() {
    let waiting = create_task(pending::<()>());
    let eager = task::Builder::new().eager(true).create_task(pending::<()>());
    let finished = create_task(ready(()));
    yield_now().await;
    let keys: Vec<_> = all_tasks().iter().map(|task| task.key()).collect();
    assert_eq!(keys[0], current_task().unwrap().key());
    assert_eq!(HashSet::from([keys[1], keys[2]]), HashSet::from([waiting.key(), eager.key()]));
    assert_eq!(keys.len(), 3);
    assert!(finished.is_finished());
    waiting.cancel();
    assert_eq!(all_tasks().len(), 3, "it ends in its next turn");
    yield_now().await;
    assert_eq!(all_tasks().len(), 2);
}

#[oneloop::test(virtual_time)]
async fn a_task_knows_who_created_it_and_where() {
    let created_at = line!() + 1;
    let task = create_task(async { (current_task().unwrap(), current_task().unwrap().parent()) });
    let seen = all_tasks().into_iter().find(|other| other.key() == task.key()).unwrap();
    let place = seen.place().unwrap();
    assert_eq!((place.file(), place.line()), (file!(), created_at));
    assert_eq!(format!("{seen:?}"), format!("TaskRef(`{}`)", task.name()));
    let (own, parent) = task.await.unwrap();
    assert_eq!((own, parent), (seen, current_task()));
    assert_eq!(current_task().unwrap().parent(), None);
}

#[oneloop::test(virtual_time)]
async fn a_reference_to_a_task_that_has_gone_is_harmless() {
    let task = create_task(async { current_task().unwrap() }).named("gone");
    let gone = task.await.unwrap();
    let successor = create_task(pending::<()>());
    assert!(gone.is_finished() && !gone.cancel());
    assert_eq!((gone.place(), gone.parent()), (None, None));
    assert!(gone.name().starts_with("Task-"));
    assert_ne!(gone.key(), successor.key());
    yield_now().await;
    assert!(!successor.is_finished());
}

// Eager tasks.

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
async fn an_eager_panic_stays_in_the_task() {
    let task = eager().create_task(async { panic!("on purpose") });
    assert!(task.is_finished());
    assert_eq!(current_task().unwrap().name(), "main");
    assert!(task.await.map(|()| "output").unwrap_err().is_panic());
}

#[oneloop::test(virtual_time)]
async fn cancel_after_an_eager_step_works_as_for_any_task() {
    let live = Rc::new(());
    let captured = live.clone();
    let waiting = eager().create_task(async move {
        let _captured = captured;
        pending::<()>().await;
    });
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

// Awaiting oneself.

/// A task that awaits what `wrap` makes of its own handle.
async fn awaits_itself<F: Future + 'static>(
    wrap: impl FnOnce(Task<String>) -> F + 'static,
) -> String {
    let own = Rc::new(Cell::new(None));
    let handle = own.clone();
    let (sender, receiver) = futures::channel::oneshot::channel();
    own.set(Some(
        create_task(async move {
            let own = handle.take().expect("it was put there");
            let panic = AssertUnwindSafe(wrap(own)).catch_unwind().await.err();
            let panic = panic.expect("it would wait for ever");
            let message = panic.downcast_ref::<String>().expect("a message");
            sender.send(message.clone()).expect("main waits");
            String::new()
        })
        .named("narcissus"),
    ));
    receiver.await.expect("the task sends it")
}

#[oneloop::test(virtual_time)]
async fn awaiting_itself_panics_with_the_name_of_the_task() {
    let message = awaits_itself(|own| own).await;
    assert_eq!(message, "the task `narcissus` awaits itself, which would never end");
}

#[oneloop::test(virtual_time)]
async fn awaiting_itself_in_a_gather_or_a_timeout_panics_too() {
    let message = awaits_itself(|own| oneloop::gather!(sleep(SECOND), own)).await;
    assert!(message.contains("`narcissus` awaits itself"));
    let message = awaits_itself(|own| timeout(SECOND, own.cancel_on_drop())).await;
    assert!(message.contains("`narcissus` awaits itself"));
}

// Calls.

#[oneloop::test(virtual_time)]
async fn call_soon_calls_in_order_after_what_is_runnable() {
    let log = Log::new();
    let pusher = |what| {
        let log = log.clone();
        move || log.push(what)
    };
    let task = create_task(ready(pusher("task")).map(|push| push()));
    let calls =
        [call_soon(pusher("first")), call_soon(pusher("never")), call_soon(pusher("second"))];
    assert!(calls[1].cancel());
    assert!(log.take().is_empty());
    yield_now().await;
    assert_eq!(log.take(), ["task", "first", "second"]);
    assert!(calls.iter().all(task::CallHandle::is_finished));
    assert!(!calls[0].cancel());
    task.await.unwrap();
}

#[oneloop::test(virtual_time)]
async fn call_later_calls_by_deadline_and_among_equals_in_order() {
    let log = Log::new();
    let pusher = |what| {
        let log = log.clone();
        move || log.push((what, oneloop::time::now()))
    };
    let start = oneloop::time::now();
    call_later(3 * SECOND, pusher("late"));
    call_later(SECOND, pusher("early"));
    call_later(SECOND, pusher("early too"));
    call_later(Duration::ZERO, pusher("at once"));
    let never = call_later(2 * SECOND, pusher("never"));
    sleep(SECOND + SECOND / 2).await;
    assert!(never.cancel());
    sleep(3 * SECOND).await;
    let expected = [("at once", 0), ("early", 1), ("early too", 1), ("late", 3)];
    let expected = expected.map(|(what, seconds)| (what, start + seconds * SECOND));
    assert_eq!(log.take(), expected);
}

#[oneloop::test(virtual_time)]
async fn call_later_counts_from_the_call() {
    let log = Log::new();
    let start = oneloop::time::now();
    let called = log.clone();
    call_later(2 * SECOND, move || called.push(oneloop::time::now() - start));
    sleep(3 * SECOND).await;
    assert_eq!(log.take(), [2 * SECOND]);
}

#[oneloop::test(virtual_time)]
async fn what_a_cancelled_call_holds_is_dropped() {
    let live = Rc::new(());
    let [soon, later] = [live.clone(), live.clone()];
    let calls = [call_soon(move || drop(soon)), call_later(SECOND, move || drop(later))];
    yield_now().await;
    assert_eq!(Rc::strong_count(&live), 2);
    assert_eq!(calls.map(|call| call.cancel()), [false, true]);
    yield_now().await;
    assert_eq!(Rc::strong_count(&live), 1);
}

// Wakes.

#[oneloop::test(virtual_time)]
async fn a_wake_during_the_own_poll_runs_the_task_again_exactly_once() {
    let polls = Rc::new(Cell::new(0));
    let mut is_first = true;
    let task = create_task(counted(
        &polls,
        poll_fn(move |cx| {
            if is_first {
                is_first = false;
                // By reference, by value, and by a clone.
                cx.waker().wake_by_ref();
                cx.waker().clone().wake();
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        }),
    ));
    sleep(SECOND).await;
    assert_eq!(polls.get(), 2);
    task.cancel();
}

#[oneloop::test(virtual_time)]
async fn many_wakes_make_one_poll() {
    let (gate, polls) = (Gate::default(), Rc::new(Cell::new(0)));
    let task = create_task(counted(&polls, gate.wait()));
    yield_now().await;
    for _ in 0..1000 {
        gate.wake();
    }
    sleep(SECOND).await;
    assert_eq!(polls.get(), 2);
    gate.open();
    task.await.unwrap();
    assert_eq!(polls.get(), 3);
}

#[oneloop::test(virtual_time)]
async fn a_wake_after_the_end_is_harmless_also_to_the_next_tenant() {
    let gate = Gate::default();
    let polls = Rc::new(Cell::new(0));
    let task = create_task(gate.wait());
    yield_now().await;
    gate.open();
    gate.wake();
    task.await.unwrap();
    gate.wake();
    let successor = create_task(counted(&polls, pending::<()>()));
    yield_now().await;
    for _ in 0..3 {
        gate.wake();
        yield_now().await;
    }
    assert_eq!(polls.get(), 1);
    successor.cancel();
    gate.wake();
    assert!(successor.await.unwrap_err().is_cancelled());
}

#[test]
fn a_wake_after_the_loop_is_harmless() {
    let gate = Gate::default();
    let waiting = gate.clone();
    Builder::new().virtual_time(true).run(async move {
        let task = create_task(waiting.wait());
        yield_now().await;
        drop(task);
    });
    gate.wake();
    Builder::new().virtual_time(true).run(async move {
        gate.wake();
        yield_now().await;
        gate.open();
    });
}

// The end of the loop.

#[test]
fn tasks_that_are_left_are_dropped_in_context_before_run_returns() {
    let log = Log::new();
    let gate = Gate::default();
    let live = Rc::new(());
    let (sender, mut receiver) = futures::channel::mpsc::unbounded();
    let (dropped, wakes, captured) = (log.clone(), gate.clone(), live.clone());
    Builder::new().virtual_time(true).run(async move {
        drop(create_task(wakes.wait()));
        let task = create_task(async move {
            let _captured = captured.clone();
            let _guard = on_drop(move || {
                wakes.wake();
                sender.unbounded_send("sent").expect("the receiver lives");
                let held = captured.clone();
                let spawned = create_task(async move { drop(held) });
                assert!(spawned.is_finished() && !spawned.cancel());
                dropped.push(current_task().map(|task| task.name()));
            });
            pending::<()>().await;
        });
        drop(task.named("left"));
        yield_now().await;
    });
    assert_eq!(log.take(), [Some("left".to_owned())]);
    assert_eq!(receiver.try_recv().ok(), Some("sent"));
    assert_eq!((Rc::strong_count(&live), Rc::strong_count(&log.0)), (1, 1));
}

#[test]
fn a_task_created_by_a_drop_at_the_end_is_cancelled_and_the_end_comes() {
    struct Hydra;
    impl Drop for Hydra {
        fn drop(&mut self) {
            for _ in 0..2 {
                let mut head = create_task(async {
                    let _head = Hydra;
                    pending::<()>().await;
                });
                let joined = Pin::new(&mut head).now_or_never();
                let error = joined.expect("it has ended").expect_err("it never ran");
                assert_eq!(error.reason(), Some(CancelReason::LoopEnded));
            }
        }
    }
    Builder::new().virtual_time(true).run(async {
        drop(create_task(async {
            let _hydra = Hydra;
            pending::<()>().await;
        }));
        yield_now().await;
    });
}

#[test]
fn tasks_that_never_started_are_dropped_at_the_end() {
    let live = Rc::new(());
    let captured = live.clone();
    Builder::new().virtual_time(true).run(async move {
        drop(create_task(async move {
            drop(captured);
            unreachable!("main ends before");
        }));
    });
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn a_handle_that_outlives_its_loop_says_cancelled() {
    let mut kept = Vec::new();
    Builder::new().virtual_time(true).run(async {
        kept.push(create_task(pending::<()>()));
        kept.push(create_task(ready(())));
        yield_now().await;
    });
    assert!(kept.iter().all(|task| task.is_finished() && !task.cancel()));
    let (error, name) = Builder::new().virtual_time(true).run(async move {
        let task = kept.swap_remove(0);
        let name = task.name();
        (task.await.unwrap_err(), name)
    });
    assert_eq!(error.reason(), Some(CancelReason::LoopEnded));
    assert_eq!(name, "");
}

#[test]
fn the_end_of_a_loop_with_many_tasks_takes_no_more_than_their_number() {
    // Quadratic work would take minutes.
    let live = Rc::new(());
    let captured = live.clone();
    Builder::new().run(async move {
        for _ in 0..50_000 {
            let captured = captured.clone();
            drop(create_task(async move {
                let _captured = captured;
                pending::<()>().await;
            }));
        }
    });
    assert_eq!(Rc::strong_count(&live), 1);
}

#[test]
fn a_runtime_keeps_its_tasks_from_run_to_run() {
    let live = Rc::new(());
    let captured = live.clone();
    let mut runtime = virtual_runtime();
    let counter = Rc::new(Cell::new(0));
    let count = counter.clone();
    let mut task = runtime.create_task(async move {
        let _captured = captured;
        loop {
            sleep(SECOND).await;
            count.set(count.get() + 1);
        }
    });
    runtime.run(sleep(2 * SECOND + SECOND / 2));
    assert_eq!(counter.get(), 2);
    let gives_up = runtime.run(timeout(2 * SECOND, &mut task));
    assert!(gives_up.is_err());
    assert_eq!(counter.get(), 4);
    runtime.run(async { assert_eq!(all_tasks().len(), 2) });
    runtime.shutdown();
    assert_eq!(Rc::strong_count(&live), 1);
    assert!(task.is_finished());
}

#[test]
fn a_task_of_one_run_can_be_awaited_by_the_next() {
    let mut runtime = virtual_runtime();
    let before = runtime.create_task(ready("before any run"));
    let during = runtime.run(async { create_task(async { "in the first run" }) });
    assert_eq!(runtime.run(during).unwrap(), "in the first run");
    assert_eq!(runtime.run(before).unwrap(), "before any run");
}

// Other crates' way of creating tasks.

#[oneloop::test(virtual_time)]
async fn a_handle_creates_tasks_for_code_that_knows_futures_only() {
    let handle = Handle::current();
    let log = Log::new();
    let [local, sent] = [log.clone(), log.clone()];
    handle.spawn_local(async move { local.push("local") }).unwrap();
    let joined = handle.spawn_local_with_handle(async { "with handle" }).unwrap();
    handle.spawn(async { ready(()).await }).unwrap();
    sent.push(joined.await);
    assert_eq!(log.take(), ["local", "with handle"]);
}

#[test]
fn a_handle_of_an_ended_loop_creates_no_task() {
    let handle = Builder::new().virtual_time(true).run(async { Handle::current() });
    assert!(handle.spawn_local(ready(())).unwrap_err().is_shutdown());
    assert!(handle.spawn(ready(())).unwrap_err().is_shutdown());
}

// Nothing is left.

/// Runs `scenario` with a value to keep; nothing of it must be left afterwards, and no timer after the tasks ended.
fn leaves_nothing<F: Future<Output = ()>>(scenario: impl FnOnce(Rc<()>) -> F) {
    let live = Rc::new(());
    let mut runtime = virtual_runtime();
    runtime.run(scenario(live.clone()));
    runtime.run(sleep(100 * SECOND));
    assert_eq!(Rc::strong_count(&live), 1, "in the living loop");
    assert_eq!(runtime.next_deadline(), None);
    runtime.shutdown();
    runtime = virtual_runtime();
    runtime.run(scenario_of_idle_tasks(live.clone()));
    runtime.shutdown();
    assert_eq!(Rc::strong_count(&live), 1, "after the loop");
}

async fn scenario_of_idle_tasks(value: Rc<()>) {
    for seconds in 0..5 {
        let value = value.clone();
        drop(create_task(async move {
            sleep(seconds * SECOND).await;
            pending::<()>().await;
            drop(value);
        }));
    }
    sleep(2 * SECOND).await;
}

#[test]
fn futures_and_outputs_of_awaited_tasks_are_gone() {
    leaves_nothing(async |value| {
        let output = value.clone();
        let task = create_task(async move {
            sleep(SECOND).await;
            drop(value);
            output
        });
        assert_eq!(Rc::strong_count(&task.await.unwrap()), 2);
    });
}

#[test]
fn futures_and_outputs_of_detached_cancelled_and_panicked_tasks_are_gone() {
    leaves_nothing(async |value| {
        let holding = || {
            let value = value.clone();
            async move {
                sleep(SECOND).await;
                value
            }
        };
        let panicking = || holding().map(|_value| panic!("on purpose"));
        drop(create_task(holding()));
        create_task(holding().map(drop)).detach();
        let cancelled = create_task(holding());
        let never_started = create_task(holding());
        never_started.cancel();
        let panicked = create_task(panicking().map(|()| ()));
        drop(create_task(panicking().map(|()| ())));
        drop(create_task(holding()).cancel_on_drop());
        drop(eager().create_task(holding()));
        yield_now().await;
        cancelled.cancel();
        assert!(
            panicked.await.is_err() && cancelled.await.is_err() && never_started.await.is_err()
        );
    });
}

#[test]
fn tasks_that_hold_each_others_handles_and_wakers_are_gone() {
    leaves_nothing(async |value| {
        let handles = Rc::new(RefCell::new(Vec::new()));
        let gate = Gate::default();
        for _ in 0..3 {
            let held = (value.clone(), handles.clone());
            let wait = gate.wait();
            let task = create_task(async move {
                let _held = held;
                wait.await;
            });
            handles.borrow_mut().push(task);
        }
        yield_now().await;
        // Handles own no task and wakers own nothing, so that cycles end with the tasks.
        for task in &*handles.borrow() {
            task.cancel();
        }
    });
}

// Helpers.

/// What happened, in order.
pub(crate) struct Log<T>(Rc<RefCell<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn push(&self, entry: T) {
        self.0.borrow_mut().push(entry);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A future that waits until the gate is opened, and keeps the wakers that it was polled with.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    is_open: Rc<Cell<bool>>,
    wakers: Rc<RefCell<Vec<Waker>>>,
}

impl Gate {
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + use<> {
        let gate = self.clone();
        poll_fn(move |cx| {
            gate.wakers.borrow_mut().push(cx.waker().clone());
            if gate.is_open.get() { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    pub(crate) fn open(&self) {
        self.is_open.set(true);
        self.wake();
    }

    /// Wakes everybody who ever waited, for nothing if the gate is not open.
    pub(crate) fn wake(&self) {
        for waker in &*self.wakers.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// Calls `f` when dropped.
pub(crate) fn on_drop<F: FnMut()>(f: F) -> OnDrop<F> {
    OnDrop(f)
}

pub(crate) struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// `future`, which counts its polls in `polls`.
pub(crate) fn counted<F: Future>(
    polls: &Rc<Cell<usize>>,
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    let polls = polls.clone();
    let mut future = Box::pin(future);
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
}

/// Polls `future` once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

pub(crate) fn virtual_runtime() -> Runtime {
    Builder::new().virtual_time(true).build().expect("there is room for a loop")
}
