//! Handles and references on their loop's own thread, while the loop does not run.

use std::future::{pending, ready};

use oneloop::task::Builder;
use oneloop::{Runtime, all_tasks, create_task, run, yield_now};

#[test]
fn a_handle_answers_between_two_runs() {
    let mut runtime = Runtime::new().unwrap();
    let (waits, done) = runtime.run(async {
        let tasks = (create_task(pending::<()>()).named("waits"), create_task(ready(7)));
        yield_now().await;
        tasks
    });
    assert!(!waits.is_finished() && done.is_finished());
    assert_eq!(waits.name(), "waits");
    assert_ne!(waits.key(), done.key());
    let key = waits.key();
    let _waits = waits.named("still waits");
    runtime.run(async {
        let seen = all_tasks().into_iter().find(|task| task.key() == key).unwrap();
        assert_eq!(seen.name(), "still waits");
    });
    assert_eq!(runtime.run(done).unwrap(), 7);
}

#[test]
fn a_task_that_was_created_between_two_runs_has_a_name_at_once() {
    let runtime = Runtime::new().unwrap();
    let task = runtime.create_task(pending::<()>()).named("early");
    assert_eq!((task.name().as_str(), task.is_finished()), ("early", false));
    let built = Builder::new().name("built").eager(true).create_task_on(&runtime, ready(1));
    assert_eq!(built.name(), "built");
    assert!(!built.is_finished(), "it starts in the next run");
}

#[test]
fn a_reference_answers_and_cancels_between_two_runs() {
    let mut runtime = Runtime::new().unwrap();
    let (task, done) = runtime.run(async {
        let done = create_task(ready(()));
        let task = create_task(async {
            let _child = create_task(pending::<()>()).named("child");
            pending::<()>().await;
        });
        yield_now().await;
        (task.named("parent"), done)
    });
    let parent = task.task_ref();
    assert_eq!((parent.name().as_str(), parent.is_finished()), ("parent", false));
    assert_eq!(parent.place().unwrap().file(), file!());
    assert_eq!(parent.parent().unwrap().name(), "main");
    assert!(done.task_ref().is_finished());
    assert!(!done.task_ref().cancel() && !done.cancel(), "it has ended");
    assert!(parent.cancel());
    assert!(runtime.run(task).unwrap_err().is_cancelled());
    assert!(parent.is_finished() && !parent.cancel());
}

#[test]
fn a_handle_answers_while_another_loop_of_the_thread_runs() {
    let first = Runtime::new().unwrap();
    let task = first.create_task(pending::<()>()).named("of the first");
    run(async {
        let inside = create_task(async { 1 });
        assert_eq!(task.name(), "of the first");
        assert!(!task.is_finished() && !task.task_ref().is_finished());
        // The running loop is not disturbed either.
        assert_eq!(inside.await.unwrap(), 1);
    });
}

#[test]
fn loops_of_one_thread_are_kept_apart_in_any_order_of_their_ends() {
    let mut runtimes: Vec<Runtime> = (0..4).map(|_| Runtime::new().unwrap()).collect();
    let tasks: Vec<_> = runtimes.iter().map(|runtime| runtime.create_task(async { 1 })).collect();
    for (index, task) in tasks.iter().enumerate() {
        assert!(!task.is_finished());
        runtimes[index].run(yield_now());
        assert!(task.is_finished());
    }
    for index in [2, 0, 1, 0] {
        runtimes.remove(index).shutdown();
        for runtime in &mut runtimes {
            runtime.run(yield_now());
        }
    }
    assert!(tasks.iter().all(|task| task.is_finished() && task.name().is_empty()));
}
