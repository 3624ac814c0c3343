//! Our wakers in foreign hands.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]
#![expect(clippy::waker_clone_wake, reason = "a wake by value is what is tested")]

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::hint;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use futures::channel::oneshot;
use oneloop::{Builder, Runtime, create_task, run, time, timeout, yield_now};

/// Stays on one thread. Counts its drops there and elsewhere.
struct Local {
    home: ThreadId,
    drops: Arc<Drops>,
    _not_send: Rc<()>,
}

#[derive(Default)]
struct Drops {
    at_home: AtomicUsize,
    elsewhere: AtomicUsize,
}

impl Drops {
    fn local(self: &Arc<Self>) -> Local {
        let home = thread::current().id();
        Local { home, drops: Arc::clone(self), _not_send: Rc::new(()) }
    }

    /// The number of drops, if all were on the own thread.
    fn all_at_home(&self) -> Option<usize> {
        let none_elsewhere = self.elsewhere.load(Ordering::Relaxed) == 0;
        none_elsewhere.then(|| self.at_home.load(Ordering::Relaxed))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let is_home = self.home == thread::current().id();
        let drops = if is_home { &self.drops.at_home } else { &self.drops.elsewhere };
        drops.fetch_add(1, Ordering::Relaxed);
    }
}

/// Uses the waker while its task is polled.
type During = Box<dyn FnOnce(&Waker)>;

/// Counts its polls, and shows its waker. Ready in the poll with the number `ends_at`.
struct Probe {
    seen: Rc<Seen>,
    during: Option<During>,
    ends_at: u32,
}

#[derive(Default)]
struct Seen {
    polls: Cell<u32>,
    waker: RefCell<Option<Waker>>,
}

impl Seen {
    fn probe(self: &Rc<Self>, ends_at: u32) -> Probe {
        Probe { seen: Rc::clone(self), during: None, ends_at }
    }

    fn waker(&self) -> Waker {
        self.waker.borrow().clone().expect("it was polled")
    }
}

impl Future for Probe {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polls = self.seen.polls.get() + 1;
        self.seen.polls.set(polls);
        *self.seen.waker.borrow_mut() = Some(cx.waker().clone());
        if let Some(during) = self.during.take() {
            during(cx.waker());
        }
        if polls >= self.ends_at { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// More yields than a round has polls, so the loop has looked at its inbox, and the woken tasks
/// have run.
async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// A name, a use of a waker, and whether it wakes.
type Event = (&'static str, fn(&Waker), bool);

const EVENTS: [Event; 5] = [
    ("wake by reference", Waker::wake_by_ref, true),
    ("wake by value", |waker| waker.clone().wake(), true),
    ("wake by value and by reference", wake_both_ways, true),
    ("clone and drop", |waker| drop(waker.clone()), false),
    ("compare", |waker| assert!(waker.will_wake(&waker.clone())), false),
];

fn wake_both_ways(waker: &Waker) {
    for _ in 0..3 {
        waker.clone().wake();
        waker.wake_by_ref();
    }
}

/// Calls `check` for each use, on this thread and on another one.
fn for_each_event(check: impl Fn(&str, &Rc<dyn Fn(&Waker)>, u32)) {
    for (name, event, wakes) in EVENTS {
        let elsewhere = move |waker: &Waker| {
            thread::scope(|scope| scope.spawn(|| event(waker)).join().unwrap());
        };
        let here: Rc<dyn Fn(&Waker)> = Rc::new(event);
        check(name, &here, u32::from(wakes));
        let elsewhere: Rc<dyn Fn(&Waker)> = Rc::new(elsewhere);
        check(&format!("{name}, on another thread"), &elsewhere, u32::from(wakes));
    }
}

#[test]
fn a_waiting_task_is_polled_once_however_often_it_is_woken() {
    for_each_event(|name, event, polls| {
        run(async {
            let seen = Rc::new(Seen::default());
            let task = create_task(seen.probe(u32::MAX));
            settle().await;
            event(&seen.waker());
            settle().await;
            assert_eq!(seen.polls.get(), 1 + polls, "{name}");
            drop(task);
        });
    });
}

#[test]
fn a_queued_task_is_not_queued_again() {
    for_each_event(|name, event, _| {
        // The loop reads the wake from another thread in a look around, which must not come before
        // the count.
        Builder::new().look_around_every(Duration::MAX).run(async {
            let seen = Rc::new(Seen::default());
            let task = create_task(seen.probe(u32::MAX));
            settle().await;
            seen.waker().wake();
            event(&seen.waker());
            yield_now().await;
            assert_eq!(seen.polls.get(), 2, "{name}");
            drop(task);
        });
    });
}

#[test]
fn a_wake_during_the_own_poll_polls_again() {
    for_each_event(|name, event, polls| {
        run(async {
            let seen = Rc::new(Seen::default());
            let mut probe = seen.probe(u32::MAX);
            let event = Rc::clone(event);
            probe.during = Some(Box::new(move |waker| event(waker)));
            let task = create_task(probe);
            settle().await;
            assert_eq!(seen.polls.get(), 1 + polls, "{name}");
            drop(task);
        });
    });
}

#[test]
fn a_wake_during_the_last_poll_polls_nothing() {
    for_each_event(|name, event, _| {
        run(async {
            let seen = Rc::new(Seen::default());
            let mut probe = seen.probe(1);
            let event = Rc::clone(event);
            probe.during = Some(Box::new(move |waker| event(waker)));
            create_task(probe).await.unwrap();
            let next = Rc::new(Seen::default());
            let task = create_task(next.probe(u32::MAX));
            settle().await;
            assert_eq!((seen.polls.get(), next.polls.get()), (1, 1), "{name}");
            drop(task);
        });
    });
}

#[test]
fn a_wake_after_the_end_polls_neither_the_task_nor_the_next_one_in_its_slot() {
    for keeps_handle in [false, true] {
        for_each_event(|name, event, _| {
            run(async {
                let seen = Rc::new(Seen::default());
                let task = create_task(seen.probe(1));
                settle().await;
                let handle = keeps_handle.then_some(task);
                event(&seen.waker());
                let next = Rc::new(Seen::default());
                let tasks = [(); 4].map(|()| create_task(next.probe(u32::MAX)));
                settle().await;
                event(&seen.waker());
                settle().await;
                assert_eq!((seen.polls.get(), next.polls.get()), (1, 4), "{name}");
                drop((handle, tasks));
            });
        });
    }
}

#[test]
fn a_wake_does_not_revive_a_cancelled_task() {
    for_each_event(|name, event, _| {
        run(async {
            let seen = Rc::new(Seen::default());
            let task = create_task(seen.probe(u32::MAX));
            settle().await;
            task.cancel();
            event(&seen.waker());
            settle().await;
            event(&seen.waker());
            settle().await;
            assert_eq!(seen.polls.get(), 1, "{name}");
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_wake_after_the_loop_reaches_no_later_loop() {
    for_each_event(|name, event, _| {
        let seen = Rc::new(Seen::default());
        run(seen.probe(1));
        event(&seen.waker());
        // The same slots on the same thread, but of another loop.
        run(async {
            event(&seen.waker());
            let next = Rc::new(Seen::default());
            let task = create_task(next.probe(u32::MAX));
            settle().await;
            event(&seen.waker());
            settle().await;
            assert_eq!((seen.polls.get(), next.polls.get()), (1, 1), "{name}");
            drop(task);
        });
    });
}

#[test]
fn a_waker_of_main_is_stale_after_its_run() {
    for_each_event(|name, event, _| {
        let mut runtime = Runtime::new().unwrap();
        let seen = Rc::new(Seen::default());
        runtime.run(seen.probe(1));
        event(&seen.waker());
        let mut polls = 0;
        runtime.run(async {
            let mut task = create_task(settle());
            poll_fn(|cx| {
                polls += 1;
                event(&seen.waker());
                Pin::new(&mut task).poll(cx)
            })
            .await
            .unwrap();
        });
        assert_eq!(polls, 2, "{name}");
    });
}

#[test]
fn a_wake_between_two_runs_counts_in_the_next() {
    for_each_event(|name, event, wakes| {
        let mut runtime = Runtime::new().unwrap();
        let seen = Rc::new(Seen::default());
        let task = runtime.create_task(seen.probe(u32::MAX));
        runtime.run(settle());
        assert_eq!(seen.polls.get(), 1);
        event(&seen.waker());
        runtime.run(settle());
        assert_eq!(seen.polls.get(), 1 + wakes, "{name}");
        drop(task);
    });
}

#[test]
fn a_wake_inside_another_loops_run_reaches_its_own_loop() {
    for_each_event(|name, event, wakes| {
        let mut runtime = Runtime::new().unwrap();
        let seen = Rc::new(Seen::default());
        let task = runtime.create_task(seen.probe(u32::MAX));
        runtime.run(settle());
        run(async {
            event(&seen.waker());
            settle().await;
        });
        runtime.run(settle());
        assert_eq!(seen.polls.get(), 1 + wakes, "{name}");
        drop(task);
    });
}

#[test]
fn a_wake_inside_a_drop_counts() {
    struct WakeOnDrop(Rc<Seen>);
    impl Drop for WakeOnDrop {
        fn drop(&mut self) {
            self.0.waker().wake();
        }
    }
    run(async {
        let seen = Rc::new(Seen::default());
        let woken = create_task(seen.probe(u32::MAX));
        yield_now().await;
        // In the drop of a future that has ended, of one that is cancelled, and of an output.
        let guard = WakeOnDrop(Rc::clone(&seen));
        create_task(async move { drop(guard) }).await.unwrap();
        settle().await;
        assert_eq!(seen.polls.get(), 2);
        let guard = WakeOnDrop(Rc::clone(&seen));
        let cancelled = create_task(async move {
            pending::<()>().await;
            drop(guard);
        });
        cancelled.cancel();
        settle().await;
        assert_eq!(seen.polls.get(), 3);
        let guard = WakeOnDrop(Rc::clone(&seen));
        drop(create_task(async move { guard }));
        settle().await;
        assert_eq!(seen.polls.get(), 4);
        drop((woken, cancelled));
    });
}

/// Wakes when its thread ends.
struct WakeAtExit(Waker);

impl Drop for WakeAtExit {
    fn drop(&mut self) {
        let clone = self.0.clone();
        self.0.wake_by_ref();
        clone.wake();
    }
}

thread_local! {
    static AT_EXIT: RefCell<Vec<WakeAtExit>> = const { RefCell::new(Vec::new()) };
}

fn wake_at_exit(waker: &Waker) {
    AT_EXIT.with_borrow_mut(|wakers| wakers.push(WakeAtExit(waker.clone())));
}

#[test]
fn a_wake_from_a_thread_local_destructor_arrives() {
    let mut polls = 0;
    run(poll_fn(|cx| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        thread::spawn(move || wake_at_exit(&waker));
        Poll::Pending
    }));
    assert_eq!(polls, 2);
}

#[test]
fn a_wake_from_a_thread_local_destructor_finds_the_loop_of_its_thread_gone() {
    let thread = thread::spawn(|| {
        run(poll_fn(|cx| {
            wake_at_exit(cx.waker());
            Poll::Ready(())
        }));
        let mut runtime = Runtime::new().unwrap();
        let seen = Rc::new(Seen::default());
        let task = runtime.create_task(seen.probe(u32::MAX));
        runtime.run(settle());
        wake_at_exit(&seen.waker());
        drop((runtime, task));
    });
    thread.join().unwrap();
}

#[test]
fn a_storm_of_wakes_meets_tasks_that_end() {
    const TASKS: usize = 300;
    let drops = Arc::new(Drops::default());
    let (senders, threads): (Vec<_>, Vec<_>) = (0..4)
        .map(|number| {
            let (sender, receiver) = mpsc::channel::<Waker>();
            let storm = move || {
                let mut kept = Vec::new();
                for waker in receiver {
                    for _ in 0..=number {
                        waker.wake_by_ref();
                    }
                    waker.clone().wake();
                    kept.push(waker);
                    // Stale ones too, of which some are dropped only here.
                    kept.iter().rev().skip(5).take(3).for_each(Waker::wake_by_ref);
                    kept.truncate(50);
                }
                kept
            };
            (sender, thread::spawn(storm))
        })
        .unzip();
    run(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|number| {
                let (senders, future, output) = (senders.clone(), drops.local(), drops.local());
                let mut output = Some(output);
                let mut polls = 0;
                create_task(poll_fn(move |cx| {
                    let _lives_in_the_future = &future;
                    polls += 1;
                    if polls > 3 + number % 7 {
                        return Poll::Ready(output.take());
                    }
                    for sender in &senders {
                        sender.send(cx.waker().clone()).unwrap();
                    }
                    Poll::Pending
                }))
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            match number % 3 {
                0 => drop(task.await.unwrap()),
                1 => drop(task),
                _ => {
                    task.cancel();
                    drop(task.await);
                }
            }
        }
    });
    drop(senders);
    let kept: Vec<Waker> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    kept.into_iter().for_each(Waker::wake);
    assert_eq!(drops.all_at_home(), Some(2 * TASKS));
}

#[test]
fn the_last_waker_of_a_task_drops_nothing_on_its_thread() {
    let drops = Arc::new(Drops::default());
    let (sender, receiver) = mpsc::channel::<Waker>();
    let (dropped, is_dropped) = mpsc::channel();
    let thread = thread::spawn(move || {
        for waker in receiver {
            waker.wake();
            dropped.send(()).unwrap();
        }
    });
    run(async {
        for cancels in [false, true] {
            let (sender, future, output) = (sender.clone(), drops.local(), drops.local());
            let task = create_task(async move {
                let _future = future;
                poll_fn(|cx| {
                    sender.send(cx.waker().clone()).unwrap();
                    if cancels { Poll::Pending } else { Poll::Ready(()) }
                })
                .await;
                output
            });
            yield_now().await;
            if cancels {
                task.cancel();
            }
            drop(task);
            is_dropped.recv().unwrap();
            settle().await;
        }
    });
    drop(sender);
    thread.join().unwrap();
    assert_eq!(drops.all_at_home(), Some(4));
}

#[test]
fn a_wake_while_the_loop_ends_is_harmless() {
    for _ in 0..100 {
        let drops = Arc::new(Drops::default());
        let (sender, receiver) = mpsc::channel::<Waker>();
        let (started, has_started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let waker = receiver.recv().unwrap();
            started.send(()).unwrap();
            for _ in 0..2000 {
                waker.clone().wake();
            }
        });
        run(async {
            let local = drops.local();
            let mut sender = Some(sender);
            let task = create_task(poll_fn(move |cx| {
                let _lives_in_the_future = &local;
                if let Some(sender) = sender.take() {
                    sender.send(cx.waker().clone()).unwrap();
                }
                Poll::<()>::Pending
            }));
            yield_now().await;
            has_started.recv().unwrap();
            drop(task);
        });
        assert_eq!(drops.all_at_home(), Some(1));
        thread.join().unwrap();
    }
}

/// When the loop parks for the first time, senders have to wake its reactor instead of its thread.
#[test]
fn a_wake_meets_the_first_park_of_a_loop() {
    let patience = Duration::from_secs(20);
    let (sender, receiver) = mpsc::channel::<(oneshot::Sender<()>, u32)>();
    let thread = thread::spawn(move || {
        for (sender, delay) in receiver {
            for _ in 0..delay {
                hint::spin_loop();
            }
            sender.send(()).unwrap();
        }
    });
    for round in 0..2000 {
        let (wake, woken) = oneshot::channel();
        let start = time::now();
        run(async {
            sender.send((wake, round % 1000 * 4)).unwrap();
            timeout(patience, woken).await.expect("the wake is not lost").unwrap();
        });
        assert!(time::now() - start < patience, "it was not late either");
    }
    drop(sender);
    thread.join().unwrap();
}

#[oneloop::test]
async fn a_foreign_waker_that_another_one_replaces_is_dropped() {
    struct Counted;
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
    let mut task = create_task(pending::<()>());
    let (first, second) = (Arc::new(Counted), Arc::new(Counted));
    for counted in [&first, &second] {
        let waker = Waker::from(Arc::clone(counted));
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(counted), 2, "the task keeps it");
    }
    assert_eq!(Arc::strong_count(&first), 1);
    assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut task).poll(cx))).await.is_pending());
    assert_eq!(Arc::strong_count(&second), 1, "our own waker has replaced it");
}
