//! The values of context variables: their lifetimes, drops and clones that use the loop, and a
//! storm of tasks.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use oneloop::task::{Builder, Context, ContextVar};
use oneloop::{Task, all_tasks, create_task, current_task, yield_now};

use crate::tasks::{Dice, Log, hold, on_drop, throw, virtual_runtime};

/// Calls its function when the last copy of the value is dropped.
#[derive(Clone)]
struct Value(#[expect(dead_code, reason = "it is there to be dropped")] Rc<dyn DropsCalled>);

trait DropsCalled {}
impl<T> DropsCalled for T {}

fn value(f: impl FnMut() + 'static) -> Value {
    Value(Rc::new(on_drop(f)))
}

static HELD: ContextVar<Value> = ContextVar::new("held");
static OTHER: ContextVar<u32> = ContextVar::new("other");

fn counting(count: &Rc<Cell<usize>>) -> Value {
    let count = count.clone();
    value(move || count.set(count.get() + 1))
}

#[test]
fn a_value_lives_as_long_as_somebody_can_see_it() {
    let dropped = Rc::new(Cell::new(0));
    let mut runtime = virtual_runtime();
    runtime.run(async {
        HELD.set(counting(&dropped));
        let task = create_task(async { HELD.with(|_| ()).is_some() });
        HELD.set(counting(&dropped));
        assert_eq!(dropped.get(), 0, "the task still has it");
        assert!(task.await.unwrap());
        assert_eq!(dropped.get(), 1);
        let context = Context::current();
        HELD.set(counting(&dropped));
        assert_eq!(dropped.get(), 1);
        drop(context);
        assert_eq!(dropped.get(), 2);
    });
    assert_eq!(dropped.get(), 2, "main keeps it");
    runtime.shutdown();
    assert_eq!(dropped.get(), 3);
}

#[test]
fn the_values_of_tasks_go_with_their_loop() {
    let dropped = Rc::new(Cell::new(0));
    let mut runtime = virtual_runtime();
    let (finished, waiting) = runtime.run(async {
        let (one, other) = (counting(&dropped), counting(&dropped));
        let finished = create_task(async move { HELD.set(one) });
        let waiting = create_task(async move {
            HELD.set(other);
            pending::<()>().await;
        });
        yield_now().await;
        (finished, waiting)
    });
    assert_eq!(dropped.get(), 1, "a task that has ended needs no context, also with a handle");
    runtime.shutdown();
    assert_eq!(dropped.get(), 2);
    drop((finished, waiting));
}

#[oneloop::test(virtual_time)]
async fn the_drop_of_a_former_value_may_set_variables_and_create_tasks() {
    let log = Log::new();
    let seen = log.clone();
    HELD.set(value(move || {
        OTHER.set(OTHER.get().unwrap_or(0) + 1);
        HELD.set(value(|| ()));
        let seen = seen.clone();
        let task = create_task(async move {
            seen.push((OTHER.get(), HELD.with(|_| ()).is_some()));
        });
        task.detach();
    }));
    HELD.set(value(|| ()));
    yield_now().await;
    assert_eq!(log.take(), [(Some(1), true)]);
    assert_eq!(OTHER.get(), Some(1));
}

#[test]
fn the_drop_of_a_value_at_its_tasks_end_may_create_tasks_and_not_set_variables() {
    let reported = Log::new();
    let reports = reported.clone();
    let log = Log::new();
    let mut runtime = oneloop::Builder::new()
        .virtual_time(true)
        .on_unhandled(move |unhandled| reports.push(unhandled.message().to_owned()))
        .build()
        .unwrap();
    runtime.run(async {
        let seen = log.clone();
        let task = create_task(async move {
            HELD.set(value(move || {
                let current = current_task().is_some();
                create_task(async move {
                    OTHER.set(1);
                })
                .detach();
                seen.push(current);
                HELD.set(value(|| ()));
            }));
        });
        task.await.unwrap();
        yield_now().await;
        assert_eq!(log.take(), [false]);
        assert_eq!(HELD.with(|_| ()), None);
    });
    let [message] = &reported.take()[..] else { panic!("one report") };
    assert!(message.starts_with("the context variable `held` has values in tasks only"));
    // The same at the end of the loop.
    runtime.run(async {
        HELD.set(value(|| {
            let refused = create_task(async {});
            assert!(refused.is_finished());
            HELD.set(value(|| ()));
        }));
    });
    runtime.shutdown();
    assert_eq!(reported.take().len(), 1);
}

#[test]
fn the_drop_of_an_eager_tasks_value_is_no_part_of_its_creator() {
    let reported = Log::new();
    let reports = reported.clone();
    let builder = oneloop::Builder::new()
        .on_unhandled(move |unhandled| reports.push(unhandled.message().to_owned()));
    builder.run(async {
        OTHER.set(1);
        let eager = async { HELD.set(value(|| OTHER.set(2))) };
        let task = Builder::new().eager(true).create_task(eager);
        assert!(task.is_finished());
        assert_eq!(OTHER.get(), Some(1));
    });
    let [message] = &reported.take()[..] else { panic!("one report") };
    assert!(message.starts_with("the context variable `other` has values in tasks only"));
}

#[test]
fn a_task_that_a_closing_loop_refuses_leaves_its_context_to_nobody() {
    let log = Log::new();
    let mut runtime = virtual_runtime();
    runtime.run(async {
        let seen = log.clone();
        let guard = on_drop(move || {
            for panics in [false, true] {
                let context = Context::new();
                let dropped = seen.clone();
                // Tasks can be listed only while the state is free.
                context.run(|| HELD.set(value(move || dropped.push(!all_tasks().is_empty()))));
                let bomb = on_drop(move || {
                    if panics {
                        throw("the future's drop");
                    }
                });
                let create = || Builder::new().context(context).create_task(hold(bomb));
                // The loop drops the future, and reports the panic.
                drop(create());
                seen.push(panics);
            }
        });
        create_task(hold(guard)).detach();
        yield_now().await;
    });
    runtime.shutdown();
    assert_eq!(log.take(), [true, false, true, true], "each is dropped before its builder returns");
}

#[oneloop::test(virtual_time)]
async fn the_clone_of_a_value_may_set_its_variable() {
    struct Fickle(u32);
    impl Clone for Fickle {
        fn clone(&self) -> Self {
            FICKLE.set(Self(self.0 + 1));
            Self(self.0)
        }
    }
    static FICKLE: ContextVar<Fickle> = ContextVar::new("fickle");
    FICKLE.set(Fickle(1));
    assert_eq!(FICKLE.get().unwrap().0, 1);
    assert_eq!(FICKLE.get().unwrap().0, 2);
    assert_eq!(FICKLE.with(|value| FICKLE.with(|again| (value.0, again.0))), Some(Some((3, 3))));
}

// A storm.

/// Variables made at run time.
fn variables(count: usize) -> Rc<[&'static ContextVar<u64>]> {
    let leaked = |_| &*Box::leak(Box::new(ContextVar::new("leaked")));
    (0..count).map(leaked).collect()
}

type Model = Vec<Option<u64>>;

/// Sets, reads, yields and creates children at random, and keeps a plain list of the expected
/// values.
fn live(vars: Rc<[&'static ContextVar<u64>]>, mut model: Model, seed: u64, depth: u32) -> Task<()> {
    let body = async move {
        let mut dice = Dice(seed);
        let mut children = Vec::new();
        for _ in 0..8 {
            let at = usize::try_from(dice.roll(vars.len() as u64)).expect("it fits");
            match dice.roll(5) {
                0 | 1 => {
                    let number = dice.roll(1000);
                    vars[at].set(number);
                    model[at] = Some(number);
                }
                2 => yield_now().await,
                3 if depth > 0 => {
                    let child = live(vars.clone(), model.clone(), dice.roll(u64::MAX), depth - 1);
                    children.push(child);
                }
                _ => {
                    let (before, number) = (vars[at].get(), dice.roll(1000));
                    let inside = async { (yield_now().await, vars[at].get()).1 };
                    assert_eq!(vars[at].scope(number, inside).await, Some(number));
                    assert_eq!(vars[at].get(), before);
                }
            }
            let values: Model = vars.iter().map(|var| var.get()).collect();
            assert_eq!(values, model);
        }
        for child in children {
            child.await.expect("nobody cancels it");
        }
    };
    create_task(body)
}

#[test]
fn a_storm_of_tasks_agrees_with_plain_lists() {
    let vars = variables(5);
    let mut runtime = virtual_runtime();
    for seed in 0..100 {
        let vars = vars.clone();
        runtime.run(async move {
            live(vars.clone(), vec![None; vars.len()], seed, 3).await.unwrap();
        });
    }
}
