//! `select!`: its syntax, the order of polls and drops, and what handlers may do.

use std::cell::Cell;
use std::future::{Ready, pending, poll_fn, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use oneloop::{TaskSet, create_task, select, sleep, timeout, yield_now};

use super::{SECOND, after};
use crate::tasks::{Gate, Log, counted, hold, on_drop, poll_once, throw};

// What wins.

#[oneloop::test(virtual_time)]
async fn the_first_that_is_ready_wins() {
    let winner = select! {
        n = after(3, 3) => n,
        n = after(1, 1) => n,
        n = after(2, 2) => n,
    };
    assert_eq!(winner, 1);
}

#[oneloop::test(virtual_time)]
async fn of_those_that_are_ready_together_the_first_branch_wins_always() {
    for _ in 0..100 {
        let winner = select! {
            () = pending() => 0,
            () = ready(()) => 1,
            () = ready(()) => 2,
        };
        assert_eq!(winner, 1);
    }
}

#[oneloop::test(virtual_time)]
async fn biased_is_a_word_without_effect() {
    for _ in 0..100 {
        select! {
            biased;
            () = ready(()) => {}
            () = ready(()) => unreachable!("the first one is ready"),
        }
    }
}

#[oneloop::test(virtual_time)]
async fn in_random_order_each_branch_wins_at_times_and_none_is_left_out() {
    let (mut wins, polls) = ([0; 3], Rc::new(Cell::new(0)));
    for _ in 0..3000 {
        select! {
            random;
            () = ready(()) => wins[0] += 1,
            () = ready(()) => wins[1] += 1,
            () = ready(()) => wins[2] += 1,
        }
        let no = || counted(&polls, pending::<()>());
        select! {
            random;
            () = no() => {}
            () = no() => {}
            () = counted(&polls, after(1, ())) => {}
        }
    }
    // Off by seven standard deviations once in 10^11 runs.
    assert!(wins.iter().all(|wins| (820..1180).contains(wins)), "{wins:?}");
    let polls = polls.get() / 3000;
    assert!(
        (4..6).contains(&polls),
        "three at first, and up to three when the timer has expired: {polls}"
    );
}

// Branches: guards, patterns, `else`.

#[oneloop::test(virtual_time)]
async fn a_future_that_is_guarded_out_is_not_even_evaluated() {
    let evaluated = Cell::new(0);
    let made = || {
        evaluated.set(evaluated.get() + 1);
        ready("made")
    };
    for open in [false, true] {
        let winner = select! {
            name = made(), if open => name,
            () = ready(()) => "the other",
        };
        assert_eq!(winner, if open { "made" } else { "the other" });
    }
    assert_eq!(evaluated.get(), 1);
}

#[oneloop::test(virtual_time)]
async fn guards_are_evaluated_before_the_futures_that_borrow_what_they_look_at() {
    async fn push(to: &mut Vec<u8>) {
        to.push(1);
        pending::<()>().await;
    }
    let mut bytes = Vec::new();
    let count = select! {
        () = push(&mut bytes) => 0,
        n = ready(7), if bytes.is_empty() => n,
        else => 1,
    };
    assert_eq!((count, bytes), (7, vec![1]));
}

#[oneloop::test(virtual_time)]
async fn an_output_that_does_not_match_disables_its_branch_only() {
    let mut received = vec![None, Some(3)];
    let value = select! {
        Some(n) = ready(received.remove(0)) => n,
        Ok(n) = after(1, Err::<u8, _>("no")) => n,
        Some(n) = after(2, received.remove(0)) => n,
    };
    assert_eq!(value, 3);
}

#[oneloop::test(virtual_time)]
async fn an_output_that_does_not_match_is_dropped_and_its_future_not_polled_again() {
    let (polls, live) = (Rc::new(Cell::new(0)), Rc::new(()));
    let output = live.clone();
    select! {
        None = counted(&polls, async move { Some(output) }) => unreachable!("it is `Some`"),
        () = sleep(SECOND) => {}
    }
    assert_eq!((polls.get(), Rc::strong_count(&live)), (1, 1));
}

#[oneloop::test(virtual_time)]
async fn else_runs_when_all_branches_are_disabled() {
    let is_open = false;
    let by_guards = select! {
        () = ready(()), if is_open => "branch",
        else => "else",
    };
    let by_patterns = select! {
        Some(()) = after(1, None) => "first",
        Some(()) = after(2, None) => "second",
        else => "else",
    };
    let of_a_set = select! {
        Some(result) = TaskSet::<()>::new().next() => result.map_or("error", |()| "result"),
        else => "empty",
    };
    assert_eq!((by_guards, by_patterns, of_a_set), ("else", "else", "empty"));
}

#[oneloop::test(virtual_time)]
async fn without_else_it_is_a_panic_that_says_what_to_do() {
    let selected = AssertUnwindSafe(async {
        select! {
            Some(()) = ready(None::<()>) => {}
        }
    });
    let payload = selected.catch_unwind().await.unwrap_err();
    let message = payload.downcast_ref::<&str>().unwrap();
    assert!(message.contains("disabled") && message.contains("add `else"), "{message}");
}

#[oneloop::test(virtual_time)]
async fn patterns_may_bind_in_every_way() {
    struct Pair {
        left: String,
        right: Option<u8>,
    }
    let pair = || ready(Pair { left: "left".to_owned(), right: Some(1) });
    select! {
        Pair { mut left, right: Some(n @ 1..=5) } = pair() => {
            left.push('!');
            assert_eq!((left.as_str(), n), ("left!", 1));
        }
    }
    select! {
        Pair { ref left, .. } = pair() => assert_eq!(left, "left"),
    }
    select! {
        Pair { right: Some(ref mut right), left: _ } = pair() => {
            *right += 1;
            assert_eq!(*right, 2);
        }
    }
    select! {
        Ok(n) | Err(n) = ready(Err::<u8, u8>(4)) => assert_eq!(n, 4),
    }
    select! {
        mut n = ready(1) => {
            n += 1;
            assert_eq!(n, 2);
        }
    }
    select! {
        _ = pair() => {}
    }
    select! {
        (a, (b, [first, .., last])) = ready((Box::new(1), ("b", [1, 2, 3]))) => {
            assert_eq!((*a, b, first, last), (1, "b", 1, 3));
        }
    }
}

#[oneloop::test(virtual_time)]
async fn all_spellings_of_a_branch_are_understood() {
    let (yes, turns) = (true, 0);
    let run = async |which: usize| {
        let only = |n: usize| if n == which { Some(n) } else { None };
        select! {
            Some(n) = ready(only(0)) => n,
            Some(n) = ready(only(1)), if yes => n,
            Some(n) = ready(only(2)) => { n }
            Some(n) = ready(only(3)), if yes => { n }
            Some(n) = ready(only(4)) => { n },
            Some(n) = ready(only(5)), if yes && turns < 1 => { n },
            Some(n) = async { only(6) } => match n { 6 => 6, _ => 0 },
            Some(n) = ready(only(7)) => if n == 7 { 7 } else { 0 },
            else => 100,
        }
    };
    for n in 0..8 {
        assert_eq!(run(n).await, n);
    }
    assert_eq!(run(9).await, 100);
    select! { () = ready(()) => () }
    select! { () = ready(()), if yes => (), }
    select! { () = ready(()) => {} else => {} }
    select! { () = ready(()) => {} else => {}, }
}

#[oneloop::test(virtual_time)]
async fn it_takes_32_branches() {
    let which = Cell::new(0);
    let next = || {
        let n = which.get();
        which.set(n + 1);
        async move { if n == 31 { Some(n) } else { None } }
    };
    macro_rules! of_32 {
        ($($eight:tt)*) => {
            select! {
                $(
                    Some(n) = { let _: () = $eight; next() } => n,
                    Some(n) = next() => n,
                    Some(n) = next() => n,
                    Some(n) = next() => n,
                    Some(n) = next() => n,
                    Some(n) = next() => n,
                    Some(n) = next() => n,
                    Some(n) = next() => n,
                )*
            }
        };
    }
    assert_eq!(of_32!(()()()()), 31);
    assert_eq!(which.get(), 32);
}

// What handlers may do.

#[oneloop::test(virtual_time)]
async fn all_futures_are_dropped_before_the_handler_runs() {
    let log = Log::new();
    let named = |name: &'static str| {
        let log = log.clone();
        on_drop(move || log.push(name))
    };
    let (first, second, third) = (named("loser"), named("winner"), named("not polled"));
    let entry = |entry| log.push(entry);
    select! {
        () = hold(first) => {}
        () = async { let _kept = second; } => entry("handler"),
        () = hold(third) => {}
    }
    assert_eq!(log.take(), ["winner", "loser", "not polled", "handler"]);
}

#[oneloop::test(virtual_time)]
async fn handlers_may_use_mutably_what_the_futures_had_borrowed() {
    /// An output that borrows and has a destructor.
    struct Held<'a>(&'a mut Vec<u8>);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.push(0);
        }
    }
    async fn take(bytes: &mut Vec<u8>, seconds: u32) -> Held<'_> {
        sleep(seconds * SECOND).await;
        Held(bytes)
    }
    let (mut one, mut other, mut third) = (Vec::new(), Vec::new(), Vec::new());
    for seconds in [0, 2] {
        select! {
            held = take(&mut one, seconds) => {
                other.push(1);
                third.push(1);
                held.0.push(1);
            }
            Held(_) = take(&mut other, 1) => {
                one.push(2);
                third.push(2);
            }
            _ = take(&mut third, 1) => {
                one.push(3);
                other.push(3);
            }
        }
    }
    assert_eq!((one, other, third), (vec![1, 0, 2], vec![1, 0], vec![1, 2]));
}

#[oneloop::test(virtual_time)]
async fn handlers_may_break_continue_return_and_fail() {
    async fn found(limit: u32) -> Result<&'static str, io::Error> {
        let mut turns = 0;
        let ended = loop {
            turns += 1;
            select! {
                () = ready(()), if turns < 3 => continue,
                n = ready(turns), if limit == 1 => return Ok(if n == 3 { "returned" } else { "early" }),
                error = ready(io::Error::other("failed")), if limit == 2 => Err(error)?,
                n = async { turns } => break n,
            }
            unreachable!("each handler leaves");
        };
        assert_eq!(ended, 3);
        Ok("broke")
    }
    assert_eq!(found(0).await.unwrap(), "broke");
    assert_eq!(found(1).await.unwrap(), "returned");
    assert_eq!(found(2).await.unwrap_err().to_string(), "failed");
}

#[oneloop::test(virtual_time)]
async fn futures_may_fail_before_they_are_made() {
    fn open(is_there: bool) -> io::Result<Ready<u8>> {
        if is_there { Ok(ready(1)) } else { Err(io::Error::other("not there")) }
    }
    async fn first(is_there: bool) -> io::Result<u8> {
        Ok(select! {
            n = open(is_there)? => n,
            () = pending() => 0,
        })
    }
    assert_eq!(first(true).await.unwrap(), 1);
    first(false).await.unwrap_err();
}

#[oneloop::test(virtual_time)]
async fn handlers_may_await_and_select_again() {
    let inner = select! {
        n = after(1, 1) => select! {
            m = after(n, 10) => {
                sleep(SECOND).await;
                n + m
            }
            () = sleep(9 * SECOND) => 0,
        },
        () = sleep(8 * SECOND) => 0,
    };
    assert_eq!(inner, 11);
}

// Futures: references, temporaries, sizes.

#[oneloop::test(virtual_time)]
async fn branches_passed_by_reference_are_not_lost() {
    let (polls, gate) = (Rc::new(Cell::new(0)), Gate::default());
    let mut task = create_task(after(5, "task"));
    let mut pinned = pin!(counted(&polls, gate.wait()));
    let mut boxed: Pin<Box<dyn Future<Output = u8>>> = Box::pin(after(3, 3));
    let mut log = Vec::new();
    loop {
        select! {
            name = &mut task => {
                log.push(name.unwrap());
                break;
            }
            () = pinned.as_mut(), if polls.get() < 100 => {
                polls.set(100);
                log.push("pinned");
            }
            n = &mut boxed, if !log.contains(&"boxed") => {
                assert_eq!(n, 3);
                log.push("boxed");
                gate.open();
            }
            () = sleep(SECOND) => log.push("second"),
        }
    }
    assert_eq!(log, ["second", "second", "boxed", "pinned", "second", "task"]);
}

#[oneloop::test(virtual_time)]
async fn temporaries_live_until_a_branch_has_won() {
    struct Names(Vec<String>);
    impl Names {
        async fn first(&self) -> usize {
            yield_now().await;
            self.0[0].len()
        }
    }
    let (len, five) = select! {
        len = Names(vec!["abc".to_owned()]).first() => (len, 5),
        () = sleep(*Box::new(SECOND)) => (0, 0),
        n = poll_fn(|_| Poll::<u8>::Pending) => (0, n),
    };
    assert_eq!((len, five), (3, 5));
}

#[oneloop::test(virtual_time)]
async fn a_select_takes_no_more_room_than_its_futures() {
    let room = [0_u8; 1000];
    let one = || async move {
        yield_now().await;
        room.len()
    };
    let alone = size_of_val(&one());
    let both = async {
        select! {
            n = one() => n,
            n = one() => n,
        }
    };
    assert!(size_of_val(&both) < 4 * alone + 200, "{} of {alone}", size_of_val(&both));
    assert_eq!(both.await, 1000);
}

// Around it.

#[oneloop::test(virtual_time)]
async fn dropped_while_it_waits_it_drops_its_futures() {
    let live = Rc::new(());
    let (one, two) = (live.clone(), live.clone());
    let mut waiting = Box::pin(async move {
        select! {
            () = hold(one) => {}
            () = hold(two) => {}
        }
    });
    assert!(poll_once(&mut waiting).await.is_pending());
    assert_eq!(Rc::strong_count(&live), 3);
    drop(waiting);
    assert_eq!(Rc::strong_count(&live), 1);
}

#[oneloop::test(virtual_time)]
async fn it_works_under_foreign_wakers_and_inside_itself() {
    let one = |n: u32| async move {
        select! {
            n = after(n, n) => n,
            n = async { select! { m = after(2, 20) => m, () = pending() => 0 } } => n,
        }
    };
    let mut all: FuturesUnordered<_> = [3, 1, 4].into_iter().map(one).collect();
    let mut outputs = Vec::new();
    while let Some(n) = all.next().await {
        outputs.push(n);
    }
    assert_eq!(outputs, [1, 20, 20]);
    let late = async {
        select! {
            () = sleep(9 * SECOND) => {}
            () = pending() => {}
        }
    };
    timeout(SECOND, late).await.unwrap_err();
}

#[oneloop::test(virtual_time)]
async fn a_loser_whose_drop_panics_takes_the_output_with_it_and_nothing_else() {
    let live = Rc::new(());
    let (output, other) = (live.clone(), live.clone());
    let task = create_task(async move {
        select! {
            () = hold(on_drop(|| throw("on purpose"))) => {}
            _output = async { output } => unreachable!("the panic comes before"),
            () = hold(other) => {}
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(Rc::strong_count(&live), 1);
}

#[oneloop::test(virtual_time)]
async fn a_loser_whose_drop_creates_and_cancels_tasks_does_no_harm() {
    let task = create_task(pending::<()>());
    let (log, victim) = (Log::new(), Cell::new(Some(task.cancel_on_drop())));
    let entries = log.clone();
    let hostile = on_drop(move || {
        drop(victim.take());
        let entries = entries.clone();
        drop(create_task(async move { entries.push("created") }));
    });
    select! {
        () = hold(hostile) => {}
        () = yield_now() => {}
    }
    yield_now().await;
    assert_eq!(log.take(), ["created"]);
}

#[test]
fn it_needs_no_loop_of_its_own() {
    let mut out = 0;
    let selected = async {
        select! {
            n = ready(2) => out = n,
            () = pending() => {}
        }
    };
    catch_unwind(AssertUnwindSafe(|| selected.now_or_never().unwrap())).unwrap();
    assert_eq!(out, 2);
}
