//! `duplex`: both ends in memory.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use oneloop::io::{AsyncRead, AsyncWrite, IncompleteRead, duplex};
use oneloop::{create_task, gather, yield_now};

use super::{Dice, run, settle, waits};

#[test]
fn what_is_written_to_one_end_is_read_from_the_other() -> Result<()> {
    run(async {
        let (one, two) = duplex(16);
        one.write_all(b"there").await?;
        two.write_all(b"back").await?;
        let mut buf = [0; 16];
        assert_eq!(two.read(&mut buf).await?, 5);
        assert_eq!(&buf[..5], b"there");
        assert_eq!(one.read(&mut buf[..3]).await?, 3);
        assert_eq!(one.read(&mut buf[3..]).await?, 1);
        assert_eq!(&buf[..4], b"back");
        assert_eq!(one.read(&mut []).await?, 0);
        assert_eq!(one.write(&[]).await?, 0);
        Ok(())
    })
}

#[test]
fn a_write_waits_for_room() -> Result<()> {
    run(async {
        let (one, two) = duplex(4);
        assert_eq!(one.write(b"123456").await?, 4);
        {
            let mut writing = pin!(one.write(b"56"));
            assert!(waits(&mut writing).await);
            two.read_exact(&mut [0]).await?;
            assert_eq!(writing.await?, 1);
        }
        let mut buf = [0; 4];
        two.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"2345");
        Ok(())
    })
}

#[test]
fn much_data_passes_a_small_capacity() -> Result<()> {
    run(async {
        let (one, two) = duplex(7);
        let data: Vec<u8> = (0..10_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut received = vec![0; data.len()];
        let (written, read) = gather!(one.write_all(&data), two.read_exact(&mut received)).await;
        written.and(read)?;
        assert_eq!(received, data);
        Ok(())
    })
}

#[test]
fn dropping_an_end_gives_the_other_the_end_and_an_error() -> Result<()> {
    run(async {
        let (one, two) = duplex(16);
        one.write_all(b"last words").await?;
        drop(one);
        let mut buf = [0; 10];
        assert_eq!(two.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        two.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"last words");
        assert_eq!(two.read(&mut buf).await?, 0);
        let error = two.read_exact(&mut buf).await.unwrap_err();
        assert_eq!(IncompleteRead::of(&error).unwrap().expected, Some(10));
        Ok(())
    })
}

#[test]
fn dropping_an_end_wakes_who_waits_at_the_other() -> Result<()> {
    run(async {
        let (one, two) = duplex(1);
        two.write_all(b"x").await?;
        let waiting = create_task(async move {
            let mut buf = [0];
            let (read, written) = gather!(two.read(&mut buf), two.write(b"y")).await;
            (read.unwrap(), written.unwrap_err().kind())
        });
        settle().await;
        drop(one);
        assert_eq!(waiting.await.unwrap(), (0, ErrorKind::BrokenPipe));
        Ok(())
    })
}

#[test]
fn shutdown_closes_one_direction() -> Result<()> {
    run(async {
        let (one, two) = duplex(16);
        one.write_all(b"question").await?;
        one.shutdown();
        one.shutdown();
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut buf = [0; 16];
        assert_eq!(two.read(&mut buf).await?, 8);
        assert_eq!(two.read(&mut buf).await?, 0);
        two.write_all(b"answer").await?;
        assert_eq!(one.read(&mut buf).await?, 6);
        Ok(())
    })
}

#[test]
fn two_futures_may_wait_at_one_end_and_one_that_goes_takes_no_wake_along() -> Result<()> {
    run(async {
        let (one, two) = duplex(16);
        let (mut first, mut second) = ([0; 1], [0; 1]);
        {
            let mut second = Box::pin(two.read(&mut second));
            {
                let mut first = pin!(two.read(&mut first));
                assert!(waits(&mut first).await);
                assert!(waits(&mut second).await);
            }
            one.write_all(b"x").await?;
            assert_eq!(second.await?, 1);
        }
        let (a, b) = (two.read(&mut first), two.read(&mut second));
        let (a, b, written) = gather!(a, b, one.write_all(b"yz")).await;
        assert_eq!((a?, b?), (1, 1));
        written
    })
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_has_stopped_waiting_is_not_woken() -> Result<()> {
    run(async {
        let (one, two) = duplex(16);
        let (gone, left) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let waker = |count: &Arc<Count>| Waker::from(Arc::clone(count));
        let mut buf = [0; 2];
        let (first, second) = buf.split_at_mut(1);
        let mut second = Box::pin(two.read(second));
        {
            let mut first = pin!(two.read(first));
            assert!(first.as_mut().poll(&mut Context::from_waker(&waker(&gone))).is_pending());
        }
        assert!(second.as_mut().poll(&mut Context::from_waker(&waker(&left))).is_pending());
        assert_eq!(Arc::strong_count(&gone), 1, "its waker has gone too");
        one.write_all(b"x").await?;
        assert_eq!([gone, left].map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        assert_eq!(second.await?, 1);
        Ok(())
    })
}

#[test]
fn a_connection_in_memory_has_streams() -> Result<()> {
    run(async {
        let (one, two) = duplex(8);
        let ((mut reader, mut writer), (mut peer, mut peer_writer)) =
            (one.into_streams(), two.into_streams());
        writer.write("more than eight bytes\n");
        assert_eq!(peer.readline().await?, b"more than eight bytes\n");
        assert_eq!(writer.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(writer.with_socket(|_| ()).unwrap_err().kind(), ErrorKind::Unsupported);
        peer_writer.write("unread");
        writer.write("bye\n");
        writer.wait_closed().await?;
        writer.wait_closed().await?;
        assert_eq!(reader.readline().await?, b"", "closed for reading too");
        assert_eq!(peer.readline().await?, b"bye\n");
        assert_eq!(peer.readline().await?, b"");
        peer_writer.write("x");
        assert_eq!(peer_writer.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn an_abort_resets_the_other_end() -> Result<()> {
    run(async {
        let (one, two) = duplex(8);
        let ((_reader, mut writer), (mut peer, _peer_writer)) =
            (one.into_streams(), two.into_streams());
        writer.write("some\ndata that does not fit");
        assert_eq!(peer.readline().await?, b"some\n");
        writer.abort();
        assert_eq!(peer.read_to_end().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        Ok(())
    })
}

#[test]
fn the_ends_may_be_on_two_threads_with_a_loop_each() -> Result<()> {
    let (one, two) = duplex(100);
    let thread = thread::spawn(move || {
        run(async {
            let mut sum = 0;
            let mut buf = [0; 64];
            loop {
                match two.read(&mut buf).await? {
                    0 => return Ok(sum),
                    len => sum += buf[..len].iter().map(|&byte| u64::from(byte)).sum::<u64>(),
                }
            }
        })
    });
    run(async {
        one.write_all(&vec![3; 100_000]).await?;
        drop(one);
        Ok(())
    })?;
    assert_eq!(thread.join().unwrap()?, 300_000);
    Ok(())
}

#[test]
fn no_room_at_all_is_refused() {
    assert!(catch_unwind(|| duplex(0)).is_err());
}

/// Polls once.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Each operation of one end, against a queue.
async fn storm(dice: &mut Dice) -> Result<()> {
    let capacity = 1 + dice.roll(20);
    let (writer, reader) = duplex(capacity);
    let mut model = VecDeque::new();
    let mut next = 0_u8;
    for _ in 0..dice.roll(200) {
        // Each poll of a task has a budget of operations.
        yield_now().await;
        let len = 1 + dice.roll(8);
        if dice.roll(2) == 0 {
            let data: Vec<u8> = (0..len).map(|_| dice.roll(256).to_le_bytes()[0]).collect();
            next = next.wrapping_add(1);
            let written = match next % 2 {
                0 => at_once(writer.write(&data)).await,
                _ => at_once(poll_fn(|cx| Pin::new(&mut &writer).poll_write(cx, &data))).await,
            };
            let room = len.min(capacity - model.len());
            model.extend(&data[..room]);
            assert_eq!(written.transpose()?, (room > 0).then_some(room));
        } else {
            let mut buf = [0; 8];
            let read = if dice.roll(2) == 0 {
                at_once(reader.read(&mut buf[..len])).await
            } else {
                let buf = &mut buf[..len];
                at_once(poll_fn(|cx| Pin::new(&mut &reader).poll_read(cx, buf))).await
            };
            let there: Vec<u8> = model.drain(..len.min(model.len())).collect();
            assert_eq!(read.transpose()?, (!there.is_empty()).then_some(there.len()));
            assert_eq!(buf[..there.len()], there);
        }
    }
    drop(writer);
    let mut rest = vec![0; model.len() + 1];
    let mut filled = 0;
    loop {
        match reader.read(&mut rest[filled..]).await? {
            0 => break,
            len => filled += len,
        }
    }
    assert_eq!(model, &rest[..filled]);
    Ok(())
}

#[test]
fn storms_give_what_a_queue_gives() -> Result<()> {
    run(async {
        for seed in 0..300 {
            storm(&mut Dice(seed)).await?;
        }
        Ok(())
    })
}

/// How often the futures that read one end are polled until each of `count` has got a byte.
fn polls_of_readers(count: usize) -> Result<usize> {
    let polls = Rc::new(Cell::new(0));
    run(async {
        let (one, two) = duplex(count);
        let two = Rc::new(two);
        let readers: Vec<_> = (0..count)
            .map(|_| {
                let (two, polls) = (Rc::clone(&two), Rc::clone(&polls));
                create_task(async move {
                    let mut byte = [0];
                    let mut reading = pin!(two.read(&mut byte));
                    let read = poll_fn(|cx| {
                        polls.set(polls.get() + 1);
                        reading.as_mut().poll(cx)
                    });
                    read.await
                })
            })
            .collect();
        settle().await;
        for _ in 0..count {
            one.write_all(b"x").await?;
            yield_now().await;
        }
        for reader in readers {
            assert_eq!(reader.await??, 1);
        }
        Ok(())
    })?;
    Ok(polls.get())
}

#[test]
fn futures_at_one_end_cost_no_more_than_they_do() -> Result<()> {
    for count in [1, 10, 300] {
        let polls = polls_of_readers(count)?;
        assert!(polls <= 4 * count, "{polls} polls of {count} futures");
    }
    Ok(())
}

#[test]
fn one_write_wakes_as_many_readers_as_it_has_bytes() -> Result<()> {
    run(async {
        let (one, two) = duplex(64);
        let two = Rc::new(two);
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let two = Rc::clone(&two);
                create_task(async move { two.read(&mut [0]).await })
            })
            .collect();
        settle().await;
        one.write_all(b"12345").await?;
        for reader in readers {
            assert_eq!(reader.await??, 1);
        }
        Ok(())
    })
}

#[test]
fn one_that_is_woken_and_goes_leaves_its_turn_to_the_next() -> Result<()> {
    run(async {
        let (one, two) = duplex(64);
        let mut first = Box::pin(async { two.read(&mut [0]).await });
        assert!(waits(&mut first).await);
        let two = &two;
        let second = async move { two.read(&mut [0]).await };
        let woken = async {
            yield_now().await;
            one.write_all(b"x").await?;
            drop(first);
            Result::Ok(())
        };
        let (read, woken) = gather!(second, woken).await;
        woken?;
        assert_eq!(read?, 1);
        Ok(())
    })
}
