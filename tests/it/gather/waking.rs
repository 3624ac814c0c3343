//! Which members are polled, how often, and that other tasks have their turn.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use oneloop::{create_task, gather, sleep, yield_now};

use super::after;
use crate::tasks::{Gate, Log, counted, poll_once};

const SECOND: Duration = Duration::from_secs(1);

// Only woken members are polled.

#[oneloop::test(virtual_time)]
async fn ten_thousand_members_are_polled_only_when_woken() {
    let polls = Rc::new(Cell::new(0));
    let members = (0..10_000).map(|n| counted(&polls, sleep(Duration::from_micros(n % 100 + 1))));
    gather(members.collect::<Vec<_>>()).await;
    assert_eq!(polls.get(), 20_000);
}

#[oneloop::test(virtual_time)]
async fn the_macro_polls_only_what_was_woken_too() {
    let polls = [(); 3].map(|()| Rc::new(Cell::new(0)));
    let (gate, other) = (Gate::default(), Gate::default());
    let [first, second, third] = &polls;
    let task = create_task(oneloop::gather!(
        counted(first, gate.wait()),
        counted(second, after(5, ())),
        counted(third, other.wait())
    ));
    for _ in 0..3 {
        sleep(SECOND).await;
        gate.wake();
    }
    sleep(SECOND).await;
    gate.open();
    other.open();
    task.await.unwrap();
    assert_eq!(polls.map(|polls| polls.get()), [5, 2, 2]);
}

#[oneloop::test(virtual_time)]
async fn many_wakes_of_a_member_make_one_poll() {
    let (inner, outer) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let gate = Gate::default();
    let members = gather([counted(&inner, gate.wait())]);
    let task = create_task(counted(&outer, members));
    yield_now().await;
    for _ in 0..100 {
        gate.wake();
    }
    sleep(SECOND).await;
    assert_eq!((inner.get(), outer.get()), (2, 2));
    gate.open();
    task.await.unwrap();
}

#[oneloop::test(virtual_time)]
async fn a_poll_of_the_whole_without_a_wake_polls_no_member() {
    let polls = Rc::new(Cell::new(0));
    let mut gathered = gather([counted(&polls, pending::<()>())]);
    for _ in 0..3 {
        assert!(poll_once(&mut gathered).await.is_pending());
    }
    assert_eq!(polls.get(), 1);
}

// Fairness.

/// The most polls of a member between two turns of another task.
async fn polls_between_turns<F: Future>(gather: impl FnOnce(Rc<Cell<usize>>) -> F) -> usize {
    let polls = Rc::new(Cell::new(0));
    let most = Rc::new(Cell::new(0));
    let (counter, seen) = (polls.clone(), most.clone());
    let other = create_task(async move {
        loop {
            seen.set(counter.take().max(seen.get()));
            yield_now().await;
        }
    });
    gather(polls.clone()).await;
    other.cancel();
    most.get().max(polls.get())
}

#[oneloop::test(virtual_time)]
async fn a_crowd_that_is_ready_lets_others_run() {
    let member = |polls: Rc<Cell<usize>>| async move { polls.set(polls.get() + 1) };
    let most = polls_between_turns(|polls| gather((0..1000).map(move |_| member(polls.clone()))));
    assert!(most.await <= 64);
    for limit in [1, 10, 500] {
        let limited = |polls: Rc<Cell<usize>>| {
            gather((0..1000).map(move |_| member(polls.clone()))).limit(limit)
        };
        let most = polls_between_turns(limited).await;
        assert!(most <= 2 * 64, "{most} with a limit of {limit}");
    }
}

#[oneloop::test(virtual_time)]
async fn members_that_always_wake_themselves_do_not_starve_others() {
    let most = polls_between_turns(|polls| {
        let members = (0..3).map(move |_| {
            let polls = polls.clone();
            async move {
                for _ in 0..500 {
                    polls.set(polls.get() + 1);
                    yield_now().await;
                }
            }
        });
        gather(members)
    });
    assert!(most.await <= 64);
}

#[oneloop::test(virtual_time)]
async fn a_member_that_spins_until_a_task_stops_it_ends() {
    let stop = Rc::new(Cell::new(false));
    let flag = stop.clone();
    let stopper = create_task(async move {
        for _ in 0..3 {
            yield_now().await;
        }
        flag.set(true);
    });
    let spin = async {
        while !stop.get() {
            yield_now().await;
        }
    };
    oneloop::gather!(spin, async { stopper.await.unwrap() }).await;
}

#[oneloop::test(virtual_time)]
async fn members_that_wake_themselves_take_turns_with_their_siblings() {
    let log = Log::new();
    let members = [0, 1, 2].map(|n| {
        let log = log.clone();
        async move {
            for _ in 0..2 {
                log.push(n);
                yield_now().await;
            }
        }
    });
    gather(members).await;
    assert_eq!(log.take(), [0, 1, 2, 0, 1, 2]);
}

// Wakes from inside.

#[oneloop::test(virtual_time)]
async fn members_may_wake_siblings_during_their_poll() {
    let gates = [(); 3].map(|()| Gate::default());
    let [first, second, third] = &gates;
    // The last one starts the chain, which goes from the back to the front.
    oneloop::gather!(
        first.wait(),
        async {
            second.wait().await;
            first.open();
        },
        async {
            third.wait().await;
            second.open();
        },
        async {
            yield_now().await;
            third.open();
        }
    )
    .await;
}

#[oneloop::test(virtual_time)]
async fn a_member_may_wake_itself_a_sibling_and_one_that_has_ended() {
    let wakers = Rc::new(RefCell::new(Vec::new()));
    let polls = Rc::new(Cell::new(0));
    let members = (0..4_u32).map(|n| {
        let wakers = wakers.clone();
        let mut rounds = n;
        counted(
            &polls,
            poll_fn(move |cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                for waker in &*wakers.borrow() {
                    waker.wake_by_ref();
                }
                rounds = rounds.saturating_sub(1);
                if rounds == 0 { Poll::Ready(n) } else { Poll::Pending }
            }),
        )
    });
    assert_eq!(gather(members.collect::<Vec<_>>()).await, [0, 1, 2, 3]);
    assert_eq!(polls.get(), 1 + 1 + 2 + 3);
}
