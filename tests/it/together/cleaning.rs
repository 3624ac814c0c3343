//! Cleanups beside groups, context variables, and cleanups.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use oneloop::sync::Event;
use oneloop::{
    Builder, ContextVar, create_task, current_task, sleep, task_group, with_cleanup, yield_now,
};

const MS: Duration = Duration::from_millis(1);

static VAR: ContextVar<u32> = ContextVar::new("var");

#[oneloop::test(virtual_time)]
async fn a_held_child_that_was_cleaned_up_is_not_started() {
    let is_clean = Rc::new(Event::new());
    task_group(async |group| {
        group.set_limit(1);
        let waits_for = is_clean.clone();
        group.create_task(async move { waits_for.wait().await });
        let guard = with_cleanup(is_clean.clone(), async |is_clean| {
            sleep(MS).await;
            is_clean.set();
        });
        let held = group.create_task(async move { drop(guard) });
        held.cancel();
        drop(held);
    })
    .await;
    assert!(is_clean.is_set());
}

/// By then, another child, which is held itself, has the slot of the child that has been cleaned
/// up.
#[oneloop::test(virtual_time)]
async fn a_held_child_in_the_slot_of_one_that_was_cleaned_up_stays_held() {
    let is_clean = Rc::new(Event::new());
    let running = Cell::new(0);
    let running = &running;
    let run = async move || {
        running.set(running.get() + 1);
        assert_eq!(running.get(), 1, "the limit holds");
        sleep(MS).await;
        running.set(running.get() - 1);
    };
    task_group(async |group| {
        group.set_limit(1);
        let (waits_for, inner) = (is_clean.clone(), group.clone());
        group.create_task(async move {
            waits_for.wait().await;
            for _ in 0..4 {
                inner.create_task(run());
            }
        });
        let guard = with_cleanup(is_clean.clone(), async |is_clean| {
            sleep(MS).await;
            is_clean.set();
        });
        group.create_task(async move { drop(guard) }).cancel();
    })
    .await;
    assert_eq!(running.get(), 0);
}

#[oneloop::test(virtual_time)]
async fn a_cleanup_that_a_cleanup_has_left_runs_as_their_task() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let look = move |log: &Rc<RefCell<Vec<_>>>| {
        log.borrow_mut().push((current_task().unwrap().key(), VAR.get()));
    };
    let task = create_task(async move {
        VAR.set(1);
        let _outer = with_cleanup(log, async move |log| {
            look(&log);
            VAR.set(2);
            let _inner = with_cleanup(log, async move |log| {
                yield_now().await;
                look(&log);
                VAR.set(3);
                let _innermost = with_cleanup(log, async move |log| {
                    look(&log);
                    let parent = create_task(async { current_task().unwrap().parent().unwrap() });
                    assert_eq!(parent.await.unwrap().key(), current_task().unwrap().key());
                });
            });
        });
    });
    let key = task.key();
    task.await.unwrap();
    assert_eq!(*seen.borrow(), [(key, Some(1)), (key, Some(2)), (key, Some(3))]);
}

/// An output with a guard that remains at the end of the loop, and makes another guard when
/// dropped.
struct Left(Option<oneloop::Cleanup<u32>>);

impl Drop for Left {
    fn drop(&mut self) {
        let new = with_cleanup("new", async |_| {});
        drop(self.0.take());
        drop(new);
    }
}

#[test]
fn guards_that_are_made_at_the_end_of_the_loop_are_not_mistaken_for_others() {
    let said = Rc::new(RefCell::new(Vec::new()));
    let log = said.clone();
    let hook = move |unhandled: &oneloop::Unhandled| log.borrow_mut().push(unhandled.to_string());
    let [task] = Builder::new().on_unhandled(hook).run(async {
        let task = create_task(async { Left(Some(with_cleanup(1, async |_| {}))) });
        yield_now().await;
        [task]
    });
    drop(task);
    let said = said.borrow();
    assert!(said.len() == 2 && said.iter().all(|line| !line.contains("panic")), "{said:?}");
}
