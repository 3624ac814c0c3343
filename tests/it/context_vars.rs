//! Context variables: their visibility in tasks, scopes, explicit contexts, and the lifetimes of
//! values.

mod values;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context as PollContext, Poll, Waker};
use std::time::Duration;

use oneloop::task::{Builder, Context, ContextVar};
use oneloop::{
    Handle, call_later, call_soon, create_task, current_task, deadline, gather, sleep, timeout,
    yield_now,
};

use crate::tasks::{Dice, Log, on_drop, poll_once, throw, virtual_runtime};

const MILLI: Duration = Duration::from_millis(1);

static VAR: ContextVar<&str> = ContextVar::new("var");
static NUMBER: ContextVar<u64> = ContextVar::new("number");

// CPython's `test_context_1` to `test_context_6`.

#[oneloop::test(virtual_time)]
async fn context_1_neither_sees_what_the_other_sets_after_the_creation() {
    assert_eq!(VAR.get(), None);
    let task = create_task(async {
        sleep(10 * MILLI).await;
        assert_eq!(VAR.get(), None);
        VAR.set("something else");
    });
    VAR.set("yes");
    task.await.unwrap();
    assert_eq!(VAR.get(), Some("yes"));
}

#[oneloop::test(virtual_time)]
async fn context_2_a_call_does_not_pollute_its_callers_context() {
    for _ in 0..2 {
        VAR.set("yes");
        call_soon(|| {
            assert_eq!(VAR.get(), Some("yes"));
            VAR.set("something else");
        });
        call_later(MILLI, || VAR.set("something else"));
        yield_now().await;
        assert_eq!(VAR.get(), Some("yes"));
        sleep(2 * MILLI).await;
        assert_eq!(VAR.get(), Some("yes"));
    }
}

#[oneloop::test(virtual_time)]
async fn context_3_a_hundred_tasks_have_a_hundred_values() {
    let tasks = (0..100).map(|task| {
        create_task(async move {
            let mut dice = Dice(task);
            for i in 0..10 {
                NUMBER.set(task + i);
                sleep(Duration::from_millis(dice.roll(50))).await;
                assert_eq!(NUMBER.get(), Some(task + i));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(NUMBER.get(), None);
}

#[oneloop::test(virtual_time)]
async fn context_4_to_6_tasks_in_one_context_share_it() {
    for eager in [false, true] {
        let context = Context::current();
        let in_context = |number| {
            let set = async move {
                yield_now().await;
                NUMBER.set(number);
            };
            Builder::new().eager(eager).context(context.clone()).create_task(set)
        };
        let mut seen = vec![context.get(&NUMBER)];
        for number in [1, 2] {
            in_context(number).await.unwrap();
            seen.push(context.get(&NUMBER));
        }
        assert_eq!(seen, [None, Some(1), Some(2)]);
        assert_eq!(NUMBER.get(), None);
    }
}

// Tasks.

#[oneloop::test(virtual_time)]
async fn a_task_starts_with_its_creators_values_whenever_it_runs() {
    VAR.set("first");
    let task = create_task(async { VAR.get() });
    let eager = Builder::new().eager(true).create_task(async {
        let before = VAR.get();
        VAR.set("eager");
        let child = create_task(async { VAR.get() }).await.unwrap();
        (before, child)
    });
    assert_eq!(VAR.get(), Some("first"), "an eager task has a context of its own too");
    VAR.set("second");
    assert_eq!(task.await.unwrap(), Some("first"));
    assert_eq!(eager.await.unwrap(), (Some("first"), Some("eager")));
    assert_eq!(VAR.get(), Some("second"));
}

#[oneloop::test(virtual_time)]
async fn members_of_a_gather_share_their_tasks_context() {
    let member = async |value| {
        VAR.set(value);
        yield_now().await;
        VAR.get()
    };
    assert_eq!(gather!(member("a"), member("b")).await, (Some("b"), Some("b")));
    assert_eq!(gather([member("c"), member("d")]).await, [Some("d"), Some("d")]);
    assert_eq!(VAR.get(), Some("d"));
}

#[oneloop::test(virtual_time)]
async fn a_cancelled_task_is_dropped_in_its_own_context() {
    let log = Log::new();
    let seen = log.clone();
    VAR.set("main");
    let task = create_task(async move {
        let _guard = on_drop(move || seen.push(VAR.get()));
        VAR.set("task");
        pending::<()>().await;
    });
    yield_now().await;
    task.cancel();
    task.await.unwrap_err();
    assert_eq!(log.take(), [Some("task")]);
}

#[test]
fn main_keeps_its_values_from_run_to_run() {
    let mut runtime = virtual_runtime();
    let [task] = runtime.run(async {
        VAR.set("kept");
        [create_task(async { VAR.get() })]
    });
    let between = runtime.create_task(async { VAR.get() });
    runtime.run(async {
        assert_eq!(VAR.get(), Some("kept"));
        assert_eq!(task.await.unwrap(), Some("kept"));
        assert_eq!(between.await.unwrap(), None, "nobody's task has created it");
    });
    virtual_runtime().run(async { assert_eq!(VAR.get(), None, "another loop") });
}

#[oneloop::test(virtual_time)]
async fn a_call_from_elsewhere_is_no_part_of_the_task_that_lets_it_in() {
    VAR.set("main");
    timeout(MILLI, async {
        let seen = Arc::new(Mutex::new(None));
        let in_call = seen.clone();
        let call = move || {
            let found = (VAR.get(), deadline(), current_task().is_some());
            *in_call.lock().expect("nobody panics with it") = Some(found);
        };
        Handle::current().call_soon_threadsafe(call).unwrap();
        // The loop reads its mail before it drops a handle, but makes the call in the look around.
        drop(create_task(async {}));
        assert_eq!(seen.lock().unwrap().take(), None);
        sleep(MILLI / 10).await;
        assert_eq!(seen.lock().unwrap().take(), Some((None, None, false)));
        assert_eq!(VAR.get(), Some("main"));
        assert!(deadline().is_some() && current_task().is_some());
    })
    .await
    .unwrap();
}

#[test]
fn where_no_task_runs_nothing_is_set_and_nothing_can_be() {
    assert_eq!(VAR.get(), None);
    assert_eq!(VAR.with(|_| ()), None);
    assert_eq!(Context::current().get(&VAR), None);
    let message = |f: &dyn Fn()| {
        let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|&message| message.to_owned()))
    };
    assert_eq!(
        message(&|| VAR.set("no")).unwrap(),
        "the context variable `var` has values in tasks only: call `set` inside `oneloop::run`"
    );
    let poll = || {
        let mut scope = Box::pin(VAR.scope("no", async {}));
        let _ready = scope.as_mut().poll(&mut PollContext::from_waker(Waker::noop()));
    };
    assert!(message(&poll).unwrap().ends_with("call `scope` inside `oneloop::run`"));
    assert!(message(&|| Context::new().run(|| ())).unwrap().contains("needs a running task"));
    // The loop is unaffected.
    oneloop::run(async { VAR.set("yes") });
}

#[oneloop::test(virtual_time)]
async fn variables_are_known_by_their_address() {
    static TWIN: ContextVar<&str> = ContextVar::new("var");
    // Constants may share an address. The type then shows that the value belongs to another
    // variable.
    const A: &ContextVar<u32> = &ContextVar::new("const");
    const B: &ContextVar<String> = &ContextVar::new("const");
    A.set(1);
    assert_eq!(B.get(), None);
    VAR.set("one");
    assert_eq!(TWIN.get(), None);
    TWIN.set("other");
    assert_eq!((VAR.get(), TWIN.get()), (Some("one"), Some("other")));
    assert_eq!((VAR.name(), format!("{VAR:?}")), ("var", "ContextVar(\"var\")".to_owned()));
}

// Scopes.

#[oneloop::test(virtual_time)]
async fn what_is_set_in_a_scope_does_not_flow_back() {
    VAR.set("outside");
    let inside = async {
        assert_eq!(VAR.get(), Some("inside"));
        VAR.set("changed");
        NUMBER.set(1);
        yield_now().await;
        let child = create_task(async { VAR.get() });
        assert_eq!(child.await.unwrap(), Some("changed"));
        (VAR.get(), NUMBER.get())
    };
    assert_eq!(VAR.scope("inside", inside).await, (Some("changed"), Some(1)));
    assert_eq!((VAR.get(), NUMBER.get()), (Some("outside"), None));
}

#[oneloop::test(virtual_time)]
async fn a_scope_begins_with_a_copy_at_its_first_poll() {
    let mut scope = Box::pin(NUMBER.scope(1, async {
        yield_now().await;
        VAR.get()
    }));
    VAR.set("before");
    assert!(poll_once(&mut scope).await.is_pending());
    VAR.set("after");
    assert_eq!(scope.await, Some("before"));
    assert_eq!(VAR.get(), Some("after"));
}

#[oneloop::test(virtual_time)]
async fn scopes_nest_and_stand_side_by_side() {
    let nested = VAR.scope("outer", async {
        let inner = VAR.scope("inner", async {
            yield_now().await;
            VAR.get()
        });
        (inner.await, VAR.get())
    });
    assert_eq!(nested.await, (Some("inner"), Some("outer")));
    let side_by_side = gather((0..10).map(|number| {
        NUMBER.scope(number, async move {
            for _ in 0..number {
                yield_now().await;
                assert_eq!(NUMBER.get(), Some(number));
            }
        })
    }));
    side_by_side.await;
    assert_eq!((VAR.get(), NUMBER.get()), (None, None));
}

#[oneloop::test(virtual_time)]
async fn a_scopes_future_is_dropped_in_its_scope_however_it_ends() {
    let log = Log::new();
    let guarded = |ends: bool| {
        let log = log.clone();
        async move {
            let _guard = on_drop(move || {
                log.push(VAR.get());
                VAR.set("in drop");
            });
            if !ends {
                pending::<()>().await;
            }
        }
    };
    VAR.set("outside");
    VAR.scope("ready", guarded(true)).await;
    timeout(MILLI, VAR.scope("late", guarded(false))).await.unwrap_err();
    let held = on_drop(|| log.push(VAR.get()));
    drop(VAR.scope("never polled", async move { drop(held) }));
    assert_eq!(log.take(), [Some("ready"), Some("late"), Some("never polled")]);
    assert_eq!(VAR.get(), Some("outside"));
}

#[oneloop::test(virtual_time)]
async fn a_panic_in_a_scope_puts_the_tasks_context_back() {
    VAR.set("outside");
    let mut panics = Box::pin(VAR.scope("inside", async { throw("in poll") }));
    let caught = poll_caught(panics.as_mut()).await;
    assert!(caught);
    assert_eq!(VAR.get(), Some("outside"));
    let bomb = on_drop(|| throw("in drop"));
    let never_polled = VAR.scope("inside", async move { drop(bomb) });
    assert!(catch_unwind(AssertUnwindSafe(|| drop(never_polled))).is_err());
    assert_eq!(VAR.get(), Some("outside"));
}

/// Whether the poll has panicked.
async fn poll_caught<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| {
        let poll = AssertUnwindSafe(|| future.as_mut().poll(cx).is_ready());
        Poll::Ready(catch_unwind(poll).is_err())
    })
    .await
}

#[test]
fn a_scope_that_outlives_its_loop_is_dropped_like_any_future() {
    let dropped = Rc::new(Cell::new(false));
    let flag = dropped.clone();
    let mut scope = Box::pin(VAR.scope("inside", async move {
        let _guard = on_drop(move || flag.set(true));
        pending::<()>().await;
    }));
    virtual_runtime().run(async { assert!(poll_once(&mut scope).await.is_pending()) });
    drop(scope);
    assert!(dropped.get());
}

// Contexts.

#[oneloop::test(virtual_time)]
async fn a_context_is_a_copy_and_its_clone_is_not() {
    VAR.set("then");
    let context = Context::current();
    let clone = context.clone();
    let copy = context.copy();
    VAR.set("now");
    assert_eq!(context.run(|| VAR.get()), Some("then"));
    context.run(|| VAR.set("in the context"));
    assert_eq!((clone.get(&VAR), copy.get(&VAR)), (Some("in the context"), Some("then")));
    assert_eq!(VAR.get(), Some("now"));
    assert_eq!(Context::new().run(|| VAR.get()), None);
    let nested = context.run(|| context.run(|| VAR.get()));
    assert_eq!(nested, Some("in the context"));
    let payload = AssertUnwindSafe(|| context.run(|| throw("inside")));
    assert!(catch_unwind(payload).is_err());
    assert_eq!(VAR.get(), Some("now"));
}

#[oneloop::test(virtual_time)]
async fn the_children_of_a_task_in_a_shared_context_have_copies() {
    let context = Context::current();
    let task = Builder::new().context(context.clone()).create_task(async {
        VAR.set("shared");
        create_task(async { VAR.set("child's") }).await.unwrap();
        VAR.scope("scope's", async { VAR.set("still the scope's") }).await;
        VAR.get()
    });
    assert_eq!(task.await.unwrap(), Some("shared"));
    assert_eq!(context.get(&VAR), Some("shared"));
}
