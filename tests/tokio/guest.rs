//! `oneloop::tokio::guest`: a main of oneloop in a program that belongs to tokio.

use std::cell::Cell;
use std::future::pending;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use oneloop::tokio::guest;
use oneloop::{create_task, sleep, with_cleanup, yield_now};
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};

const NAP: Duration = Duration::from_millis(2);

fn current_thread() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn main_of_guest() -> u32 {
    let shared = Rc::new(Cell::new(1));
    let task = create_task({
        let shared = Rc::clone(&shared);
        async move {
            sleep(NAP).await;
            tokio::time::sleep(NAP).await;
            shared.set(2);
        }
    });
    task.await.unwrap();
    shared.get()
}

#[test]
fn a_guest_runs_in_every_kind_of_runtime() {
    assert_eq!(current_thread().block_on(guest(main_of_guest())).unwrap(), 2);
    let many = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    assert_eq!(many.block_on(guest(main_of_guest())).unwrap(), 2);
    let local = LocalSet::new();
    let joined = local
        .block_on(&current_thread(), async { spawn_local(guest(main_of_guest())).await.unwrap() });
    assert_eq!(joined.unwrap(), 2);
    // The thread has no loop any more, and can have the next one.
    assert_eq!(oneloop::run(async { 3 }), 3);
    assert_eq!(current_thread().block_on(guest(async { 4 })).unwrap(), 4);
}

#[test]
fn a_second_guest_on_the_thread_is_refused() {
    let local = LocalSet::new();
    local.block_on(&current_thread(), async {
        let first = spawn_local(guest(async { (sleep(10 * NAP).await, 1).1 }));
        tokio::time::sleep(NAP).await;
        let error = guest(async {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(guest(async { 2 }).await.unwrap(), 2);
    });
    let inside_ours = oneloop::run(async { guest(async {}).await.unwrap_err().kind() });
    assert_eq!(inside_ours, ErrorKind::AlreadyExists);
}

#[test]
fn a_panic_of_main_is_the_panic_of_its_tokio_task() {
    let local = LocalSet::new();
    local.block_on(&current_thread(), async {
        let joined = spawn_local(guest(async {
            yield_now().await;
            panic!("on purpose");
        }))
        .await;
        let payload = joined.unwrap_err().into_panic();
        assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "on purpose");
        assert_eq!(guest(async { 5 }).await.unwrap(), 5);
    });
}

#[test]
fn a_cleanup_of_the_guest_may_wait_for_a_task_of_its_host() {
    let local = LocalSet::new();
    local.block_on(&current_thread(), async {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let notify = Rc::new(tokio::sync::Notify::new());
        let begun = Rc::clone(&notify);
        let guest = spawn_local(guest(async move {
            let _guard = with_cleanup((), async move |()| {
                begun.notify_one();
                receiver.await.unwrap();
            });
        }));
        notify.notified().await;
        tokio::time::sleep(NAP).await;
        sender.send(()).unwrap();
        guest.await.unwrap().unwrap();
    });
}

#[test]
fn a_guest_whose_task_is_aborted_leaves_the_host_alone() {
    let local = LocalSet::new();
    local.block_on(&current_thread(), async {
        let value = Rc::new(());
        let held = Rc::clone(&value);
        let running = spawn_local(guest(async move {
            create_task(async move {
                pending::<()>().await;
                drop(held);
            })
            .await
            .unwrap();
        }));
        tokio::time::sleep(NAP).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        assert_eq!(Rc::strong_count(&value), 1);
        assert_eq!(guest(async { 6 }).await.unwrap(), 6);
    });
}

#[test]
fn a_guest_outside_of_tokio_says_so() {
    let outside = AssertUnwindSafe(|| {
        let mut guest = pin!(guest(async {}));
        guest.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    });
    let payload = catch_unwind(outside).unwrap_err();
    let message = payload.downcast_ref::<String>().unwrap();
    assert!(message.contains("Tokio 1.x runtime"), "{message}");
}
