//! Which of several waiters is woken, and that none of them starves.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{ErrorKind, Result, Write as _};
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use futures::future::{Either, select};
use oneloop::{create_task, gather, sleep, time, timeout, yield_now};

use super::{LIMIT, failure, pair_with_std, run, waits};

#[test]
fn data_wakes_all_tasks_that_wait_to_read() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = Rc::new(stream);
        let read_one = || {
            let stream = Rc::clone(&stream);
            create_task(async move { stream.read(&mut [0; 1]).await })
        };
        let tasks = [read_one(), read_one(), read_one()];
        yield_now().await;
        peer.write_all(b"abc")?;
        for task in tasks {
            assert_eq!(task.await??, 1);
        }
        Ok(())
    })
}

#[test]
fn the_end_wakes_all_tasks_that_wait_to_read() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        let stream = Rc::new(stream);
        let read = || {
            let stream = Rc::clone(&stream);
            create_task(async move { stream.read(&mut [0; 8]).await })
        };
        let tasks = [read(), read(), read()];
        yield_now().await;
        drop(peer);
        for task in tasks {
            assert_eq!(task.await??, 0);
        }
        Ok(())
    })
}

#[test]
fn who_comes_too_late_for_the_data_waits_for_more() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = Rc::new(stream);
        let order = Rc::new(RefCell::new(Vec::new()));
        let read = |name| {
            let (stream, order) = (Rc::clone(&stream), Rc::clone(&order));
            create_task(async move {
                let len = stream.read(&mut [0; 8]).await?;
                order.borrow_mut().push((name, len));
                Result::Ok(())
            })
        };
        let (first, second) = (read("first"), read("second"));
        yield_now().await;
        peer.write_all(b"abc")?;
        first.await??;
        yield_now().await;
        assert!(!second.is_finished());
        peer.write_all(b"de")?;
        second.await??;
        assert_eq!(*order.borrow(), [("first", 3), ("second", 2)]);
        Ok(())
    })
}

#[test]
fn a_reader_and_a_writer_do_not_disturb_each_other() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let lots = vec![0; 16 << 20];
        let mut write = Box::pin(stream.write_all(&lots));
        assert!(waits(&mut write).await);
        for _ in 0..10 {
            let mut buf = [0; 8];
            let mut read = Box::pin(stream.read(&mut buf));
            assert!(waits(&mut read).await);
            peer.write_all(b"x")?;
            assert_eq!(read.await?, 1);
            assert!(waits(&mut write).await);
        }
        Ok(())
    })
}

#[test]
fn two_reads_of_one_task_both_get_their_wake() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (mut one, mut two) = ([0; 1], [0; 1]);
        let write = async {
            yield_now().await;
            peer.write_all(b"ab")
        };
        let (first, second, written) =
            gather!(stream.read(&mut one), stream.read(&mut two), write).await;
        written?;
        assert_eq!((first?, second?), (1, 1));
        assert_eq!((&one, &two), (b"a", b"b"));
        Ok(())
    })
}

/// Ends when something else wakes the task.
async fn woken() {
    let mut has_waited = false;
    poll_fn(|_| if mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// Two futures of one task wait in one direction. Dropping one must not remove the other's wake.
async fn dropping_one_read_keeps_the_other(first_goes: bool) -> Result<()> {
    let start = time::now();
    let (stream, mut peer) = pair_with_std()?;
    let (mut one, mut two) = ([0; 8], [0; 8]);
    let mut first = Box::pin(stream.read(&mut one));
    let mut second = Box::pin(stream.read(&mut two));
    assert!(waits(&mut first).await);
    assert!(waits(&mut second).await);
    let (goes, stays) = if first_goes { (first, second) } else { (second, first) };
    drop(goes);
    peer.write_all(b"abc")?;
    // It is not polled again before its wake, because a poll would make it wait anew.
    woken().await;
    assert!(time::now() - start < LIMIT, "it was the time limit that woke the task");
    assert_eq!(stays.await?, 3);
    Ok(())
}

#[test]
fn dropping_one_of_two_reads_keeps_the_others_wake() -> Result<()> {
    run(dropping_one_read_keeps_the_other(true))?;
    run(dropping_one_read_keeps_the_other(false))
}

#[test]
fn a_read_that_loses_a_race_again_and_again_leaves_the_other_waiting() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (mut one, mut two) = ([0; 8], [0; 8]);
        let mut stays = Box::pin(stream.read(&mut one));
        assert!(waits(&mut stays).await);
        for _ in 0..100 {
            let loser = pin!(stream.read(&mut two));
            assert!(matches!(select(loser, pin!(yield_now())).await, Either::Right(_)));
        }
        peer.write_all(b"abc")?;
        assert_eq!(stays.await?, 3);
        Ok(())
    })
}

#[test]
fn a_read_that_was_given_up_wakes_nobody() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = Rc::new(stream);
        let (polls, given_up) = (Rc::new(Cell::new(0)), Rc::clone(&stream));
        let counted = Rc::clone(&polls);
        let idle = create_task(async move {
            let mut buf = [0; 8];
            for _ in 0..10 {
                assert!(waits(&mut Box::pin(given_up.read(&mut buf))).await);
            }
            poll_fn(|_| {
                counted.set(counted.get() + 1);
                Poll::<()>::Pending
            })
            .await;
        });
        yield_now().await;
        peer.write_all(b"abc")?;
        assert_eq!(stream.read(&mut [0; 8]).await?, 3);
        yield_now().await;
        assert_eq!(polls.get(), 1);
        idle.cancel();
        Ok(())
    })
}

#[test]
fn a_read_that_is_dropped_after_its_wake_leaves_the_data() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (mut one, mut two) = ([0; 8], [0; 8]);
        let mut read = Box::pin(stream.read(&mut one));
        let mut other = Box::pin(stream.readable());
        assert!(waits(&mut read).await);
        assert!(waits(&mut other).await);
        peer.write_all(b"abc")?;
        // The event has arrived, and has woken both.
        other.await?;
        drop(read);
        assert_eq!(stream.read(&mut two).await?, 3);
        Ok(())
    })
}

#[test]
fn a_cancelled_task_leaves_the_data_to_the_next() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = Rc::new(stream);
        let read = || {
            let stream = Rc::clone(&stream);
            create_task(async move { stream.read(&mut [0; 8]).await })
        };
        let (cancelled, next) = (read(), read());
        yield_now().await;
        peer.write_all(b"abc")?;
        cancelled.cancel();
        assert_eq!(next.await??, 3);
        Ok(())
    })
}

#[test]
fn a_cancelled_task_takes_nobody_elses_wake_along() -> Result<()> {
    for goes in 0..3 {
        run(async {
            let (stream, mut peer) = pair_with_std()?;
            let stream = Rc::new(stream);
            let read_one = |_| {
                let stream = Rc::clone(&stream);
                create_task(async move { stream.read(&mut [0; 1]).await })
            };
            let mut tasks: Vec<_> = (0..3).map(read_one).collect();
            yield_now().await;
            let cancelled = tasks.remove(goes);
            cancelled.cancel();
            assert!(cancelled.await.is_err());
            peer.write_all(b"ab")?;
            for task in tasks {
                assert_eq!(task.await??, 1);
            }
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn a_time_limit_on_each_read_loses_nothing() -> Result<()> {
    // Time jumps to the deadline if there is no data to read.
    oneloop::Builder::new().virtual_time(true).run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = Rc::new(stream);
        let limited_read = || {
            let stream = Rc::clone(&stream);
            create_task(
                async move { timeout(Duration::from_secs(1), stream.read(&mut [0; 8])).await },
            )
        };
        for _ in 0..2000 {
            assert!(limited_read().await?.is_err());
        }
        peer.write_all(b"abc")?;
        assert_eq!(limited_read().await???, 3);
        Ok(())
    })
}

#[test]
fn a_socket_that_is_always_ready_starves_no_task() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(b"always here")?;
        let turns = Rc::new(Cell::new(0));
        let others_turns = Rc::clone(&turns);
        let other = create_task(async move {
            loop {
                others_turns.set(others_turns.get() + 1);
                yield_now().await;
            }
        });
        for _ in 0..10_000 {
            assert_eq!(stream.peek(&mut [0; 4]).await?, 4);
        }
        // A poll may complete at most this many operations.
        assert!(turns.get() >= 10_000 / 128 - 1, "only {} turns", turns.get());
        other.cancel();
        Ok(())
    })
}

#[test]
fn a_socket_that_is_always_ready_starves_no_timer_and_no_other_socket() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(b"always here")?;
        let done = Rc::new(Cell::new(false));
        let busy_until = Rc::clone(&done);
        let busy = create_task(async move {
            // Bounded, so that starving fails the test instead of hanging.
            for _ in 0..1_000_000 {
                if busy_until.get() {
                    return Ok(true);
                }
                stream.peek(&mut [0; 4]).await?;
            }
            Result::Ok(false)
        });
        let (other, mut others_peer) = pair_with_std()?;
        sleep(Duration::from_millis(1)).await;
        let mut buf = [0; 1];
        let mut read = Box::pin(other.read(&mut buf));
        assert!(waits(&mut read).await);
        others_peer.write_all(b"x")?;
        assert_eq!(read.await?, 1);
        done.set(true);
        assert!(busy.await??, "timer and socket came before the end of the busy task");
        Ok(())
    })
}

#[test]
fn a_connection_that_ends_while_a_task_reads_in_a_loop_does_not_spin() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(b"abc")?;
        drop(peer);
        let mut buf = [0; 2];
        assert_eq!(stream.read(&mut buf).await?, 2);
        assert_eq!(stream.read(&mut buf).await?, 1);
        // The end always counts as ready, but a loop over it lets other tasks run.
        let turns = Rc::new(Cell::new(0));
        let others_turns = Rc::clone(&turns);
        let other = create_task(async move {
            yield_now().await;
            others_turns.set(others_turns.get() + 1);
        });
        for _ in 0..1000 {
            assert_eq!(stream.read(&mut buf).await?, 0);
        }
        assert_eq!(turns.get(), 1);
        other.await?;
        Ok(())
    })
}

#[test]
fn reading_what_is_not_there_costs_no_readiness() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        for _ in 0..100 {
            assert_eq!(failure(stream.try_read(&mut [0; 8])).kind(), ErrorKind::WouldBlock);
            peer.write_all(b"x")?;
            stream.readable().await?;
            assert_eq!(stream.try_read(&mut [0; 8])?, 1);
        }
        Ok(())
    })
}
