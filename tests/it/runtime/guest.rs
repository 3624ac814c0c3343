//! A whole run inside a host: main, its cleanups, the other tasks, and the end of the loop.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::channel::oneshot;
use oneloop::thread::to_thread;
use oneloop::{Builder, Guest, create_task, sleep, time, with_cleanup, yield_now};

use super::host_waiter::HostWaiter;

const NAP: Duration = Duration::from_millis(2);
const HOUR: Duration = Duration::from_secs(3600);

/// Drives a guest as a host does that has other work, too.
fn drive<F: Future>(mut guest: Pin<&mut Guest<F>>) -> F::Output {
    let mut waiter = HostWaiter::of(guest.runtime());
    let waker = waiter.waker();
    loop {
        let is_readable = mem::take(&mut waiter.is_readable);
        let mut cx = Context::from_waker(&waker);
        match guest.as_mut().poll(&mut cx, is_readable) {
            Poll::Ready(output) => return output,
            Poll::Pending => waiter.wait(),
        }
    }
}

fn run<F: Future>(main: F) -> F::Output {
    drive(pin!(Builder::new().guest(main).unwrap()))
}

#[test]
fn main_gives_its_output_and_may_borrow() {
    let text = String::from("hello");
    let length = run(async {
        sleep(NAP).await;
        create_task(async { yield_now().await }).await.unwrap();
        text.len()
    });
    assert_eq!(length, 5);
}

#[test]
fn a_panic_of_main_continues_in_the_last_poll_after_the_other_tasks_have_ended() {
    let events = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&events);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        run(async move {
            let of_task = Rc::clone(&log);
            create_task(async move {
                let _guard = with_cleanup((), async move |()| {
                    sleep(NAP).await;
                    of_task.borrow_mut().push("cleaned");
                });
                pending::<()>().await;
            })
            .detach();
            yield_now().await;
            log.borrow_mut().push("main");
            panic!("on purpose");
        })
    }));
    assert_eq!(*panicked.unwrap_err().downcast_ref::<&str>().unwrap(), "on purpose");
    assert_eq!(*events.borrow(), ["main", "cleaned"]);
}

#[test]
fn cleanups_of_main_and_of_tasks_are_awaited_while_the_host_goes_on() {
    let events = Rc::new(RefCell::new(Vec::new()));
    let (of_main, of_task) = (Rc::clone(&events), Rc::clone(&events));
    let guest = Builder::new().guest(async move {
        create_task(async move {
            let _guard = with_cleanup((), async move |()| {
                sleep(NAP).await;
                of_task.borrow_mut().push("task");
            });
            sleep(HOUR).await;
        })
        .detach();
        yield_now().await;
        let _guard = with_cleanup((), async move |()| {
            sleep(NAP).await;
            of_main.borrow_mut().push("main");
        });
    });
    let mut guest = pin!(guest.unwrap());
    let mut waiter = HostWaiter::of(guest.runtime());
    let waker = waiter.waker();
    let mut longest = Duration::ZERO;
    loop {
        let start = time::now();
        let is_readable = mem::take(&mut waiter.is_readable);
        let polled = guest.as_mut().poll(&mut Context::from_waker(&waker), is_readable);
        longest = longest.max(time::now() - start);
        if polled.is_ready() {
            break;
        }
        waiter.wait();
    }
    assert_eq!(*events.borrow(), ["main", "task"]);
    assert!(longest < Duration::from_secs(1), "a poll never waits: {longest:?}");
}

/// Something of the host's that a cleanup of the guest awaits.
#[derive(Default)]
struct HostsEvent {
    is_set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

#[test]
fn a_cleanup_may_await_something_of_the_host() {
    let event = Rc::new(HostsEvent::default());
    let awaited = Rc::clone(&event);
    let guest = Builder::new().guest(async move {
        let _guard = with_cleanup((), async move |()| {
            poll_fn(|cx| {
                awaited.waker.replace(Some(cx.waker().clone()));
                if awaited.is_set.get() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        5
    });
    let mut guest = pin!(guest.unwrap());
    let mut waiter = HostWaiter::of(guest.runtime());
    let waker = waiter.waker();
    let output = loop {
        let is_readable = mem::take(&mut waiter.is_readable);
        match guest.as_mut().poll(&mut Context::from_waker(&waker), is_readable) {
            Poll::Ready(output) => break output,
            Poll::Pending => {}
        }
        // A task of the host sets the event between two polls.
        if let Some(waker) = event.waker.take() {
            event.is_set.set(true);
            waker.wake();
        }
        waiter.wait();
    };
    assert_eq!(output, 5);
}

/// Counts its drop.
struct Count(Rc<Cell<u32>>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_guest_that_is_dropped_early_does_not_block_its_host() {
    let dropped = Rc::new(Cell::new(0));
    let (in_main, in_task) = (Count(Rc::clone(&dropped)), Count(Rc::clone(&dropped)));
    let reports = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&reports);
    let builder =
        Builder::new().on_unhandled(move |report| seen.borrow_mut().push(report.to_string()));
    let start = time::now();
    {
        let guest = builder.guest(async move {
            let _count = in_main;
            create_task(async move {
                let _count = in_task;
                let _guard = with_cleanup((), async |()| sleep(HOUR).await);
                pending::<()>().await;
            })
            .detach();
            pending::<()>().await;
        });
        let mut guest = pin!(guest.unwrap());
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(guest.as_mut().poll(&mut cx, false).is_pending());
        }
    }
    assert!((time::now() - start) < Duration::from_secs(3));
    assert_eq!(dropped.get(), 2);
    let reports = reports.borrow();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("the guest was dropped before its end"), "{}", reports[0]);
    assert!(catch_unwind(|| create_task(async {})).is_err(), "no loop is left on this thread");
}

#[test]
fn a_guest_that_was_never_polled_drops_its_main() {
    let value = Rc::new(());
    let held = Rc::clone(&value);
    drop(Builder::new().guest(async move { drop(held) }).unwrap());
    assert_eq!(Rc::strong_count(&value), 1);
}

/// Panics in its drop.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in the drop");
    }
}

#[test]
fn a_main_whose_drop_panics_does_not_take_the_host_along() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut guest = Box::pin(
        Builder::new()
            .guest(async {
                let _bomb = Bomb;
                pending::<()>().await;
            })
            .unwrap(),
    );
    assert!(guest.as_mut().poll(&mut cx, false).is_pending());
    drop(guest);
    assert_eq!(oneloop::run(async { 3 }), 3);
}

#[test]
fn reports_fail_a_guest_that_was_built_so() {
    let failed = catch_unwind(|| {
        let builder = Builder::new().fail_on_unhandled(true);
        let main = async {
            create_task(async { panic!("unseen") }).detach();
            yield_now().await;
        };
        drive(pin!(builder.guest(main).unwrap()));
    });
    let payload = failed.unwrap_err();
    assert!(payload.downcast_ref::<String>().unwrap().contains("unseen"));
}

#[test]
fn a_call_on_another_thread_is_awaited_at_the_end() {
    let (sender, receiver) = mpsc::channel();
    let guest = Builder::new().guest(async move {
        let (begun, has_begun) = oneshot::channel();
        let call = to_thread(move || {
            begun.send(()).unwrap();
            receiver.recv().unwrap();
        });
        drop(create_task(call));
        has_begun.await.unwrap();
    });
    let mut guest = pin!(guest.unwrap());
    let mut waiter = HostWaiter::of(guest.runtime());
    let waker = waiter.waker();
    // Main has ended, and the guest asks again and again whether the call has.
    for _ in 0..20 {
        let is_readable = mem::take(&mut waiter.is_readable);
        assert!(guest.as_mut().poll(&mut Context::from_waker(&waker), is_readable).is_pending());
        waiter.wait();
    }
    sender.send(()).unwrap();
    drive(guest);
}

#[test]
fn a_guest_is_polled_no_more_after_its_end() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut guest = pin!(Builder::new().guest(async { 1 }).unwrap());
    let output = loop {
        if let Poll::Ready(output) = guest.as_mut().poll(&mut cx, false) {
            break output;
        }
    };
    assert_eq!(output, 1);
    let again = catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(&mut cx, false).is_ready()));
    assert!(again.is_err());
}
