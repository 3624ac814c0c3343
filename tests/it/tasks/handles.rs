//! Handles, names, keys, and tasks from outside.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::{pending, ready};
use std::io;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::task::{LocalSpawnExt, SpawnExt};
use oneloop::task;
use oneloop::{
    Builder, Handle, JoinError, Task, TaskRef, all_tasks, create_task, current_task, gather, sleep,
    timeout, yield_now,
};

use super::{Log, throw};

const SECOND: Duration = Duration::from_secs(1);

#[oneloop::test]
async fn debug_shows_the_name_and_never_panics() {
    let task = create_task(pending::<()>()).named("reader");
    assert_eq!(format!("{task:?}"), "Task(`reader`)");
    let mut done = create_task(ready(()));
    (&mut done).await.unwrap();
    assert_eq!(format!("{done:?}"), "Task(..)");
    let elsewhere = thread::spawn(move || format!("{task:?}"));
    assert_eq!(elsewhere.join().unwrap(), "Task(..)");
    let tied = create_task(pending::<()>()).named("tied").cancel_on_drop();
    assert_eq!(format!("{tied:?}"), "CancelOnDrop(Task(`tied`))");
}

#[oneloop::test]
async fn a_task_ref_stays_when_the_handle_is_awaited() {
    let task = create_task(pending::<()>()).named("reader");
    let reader = task.task_ref();
    assert_eq!((reader.key(), reader.name()), (task.key(), task.name()));
    let stops = create_task(async move { reader.cancel() });
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(stops.await.unwrap());
    assert!(reader.is_finished() && !reader.cancel());
}

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
    let panics = create_task(async { throw("on purpose") });
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

#[oneloop::test(virtual_time)]
#[should_panic(expected = "this `Task` has given its output already")]
async fn awaiting_by_reference_twice_says_so() {
    let mut task = create_task(ready(()));
    assert!((&mut task).await.is_ok());
    assert!((&mut task).await.is_err());
}

#[oneloop::test(virtual_time)]
async fn a_join_error_becomes_an_io_error() {
    async fn joins() -> io::Result<()> {
        let task = create_task(pending::<()>()).named("asked");
        task.cancel();
        task.await?;
        Ok(())
    }
    let error = joins().await.unwrap_err();
    assert_eq!(error.to_string(), "task `asked` was cancelled by request");
    assert!(error.get_ref().unwrap().is::<JoinError>());
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
    let panics = create_task(async { throw("on purpose") }).named("panics");
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
    let keys: Vec<_> = all_tasks().iter().map(TaskRef::key).collect();
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

#[oneloop::test(virtual_time)]
async fn a_parent_that_has_gone_is_not_who_has_its_slot_now() {
    let parent = create_task(async { create_task(pending::<()>()).named("child").detach() });
    parent.await.unwrap();
    let strangers: Vec<_> = (0..4).map(|_| create_task(pending::<()>())).collect();
    let child = all_tasks().into_iter().find(|task| task.name() == "child").unwrap();
    assert_eq!(child.parent(), None);
    assert_eq!(strangers.len(), 4);
}

// Tasks that await themselves.

/// A task that awaits `wrap` of its own handle.
async fn awaits_itself<F: Future + 'static>(
    wrap: impl FnOnce(Task<String>) -> F + 'static,
) -> String {
    let own = Rc::new(Cell::new(None));
    let handle = own.clone();
    let (sender, receiver) = oneshot::channel();
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

// The way in which other crates create tasks.

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
