//! The data that a writer sends, when it waits, and its errors.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use oneloop::io::{AsyncWrite, StreamWriter};
use oneloop::{all_tasks, create_task};

use super::{Sink, run, settle, waits};

const KIB: usize = 1024;

#[test]
fn write_sends_what_the_stream_takes_and_the_loop_the_rest() -> Result<()> {
    run(async {
        let sink = Sink::with_room(4);
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("some data");
        assert_eq!((sink.data(), writer.write_buffer_size()), (b"some".to_vec(), 5));
        writer.write(b", and more");
        settle().await;
        assert_eq!(sink.data(), b"some");
        sink.grow(8);
        settle().await;
        assert_eq!((sink.data(), writer.write_buffer_size()), (b"some data, a".to_vec(), 7));
        sink.grow(100);
        settle().await;
        assert_eq!((sink.data(), writer.write_buffer_size()), (b"some data, and more".to_vec(), 0));
        writer.write("!");
        assert_eq!(sink.data().last(), Some(&b'!'), "straight to the stream again");
        Ok(())
    })
}

#[test]
fn drain_waits_above_the_high_mark_until_the_low_mark() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        assert_eq!(writer.write_buffer_limits(), (16 * KIB, 64 * KIB));
        writer.set_write_buffer_limits(8, 2);
        writer.write("12345678");
        writer.drain().await?;
        writer.write("9");
        {
            let mut drain = pin!(writer.drain());
            assert!(waits(&mut drain).await);
            for left in (3..9).rev() {
                sink.grow(1);
                settle().await;
                assert!(waits(&mut drain).await, "{left} are too many");
            }
            sink.grow(1);
            drain.await?;
        }
        assert_eq!(writer.write_buffer_size(), 2);
        sink.grow(2);
        Ok(())
    })
}

#[test]
fn the_low_mark_wakes_the_drain_while_something_is_left() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        writer.set_write_buffer_limits(8, 2);
        writer.write("123456789");
        let draining = create_task(async move {
            writer.drain().await?;
            Result::Ok(writer)
        });
        settle().await;
        sink.grow(7);
        let writer = draining.await.unwrap()?;
        assert_eq!(writer.write_buffer_size(), 2);
        sink.grow(2);
        Ok(())
    })
}

#[test]
fn a_drain_that_is_dropped_stops_nothing() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        writer.set_write_buffer_limits(0, 0);
        writer.write("data");
        {
            let mut drain = pin!(writer.drain());
            assert!(waits(&mut drain).await);
        }
        sink.grow(9);
        settle().await;
        assert_eq!(sink.data(), b"data");
        writer.drain().await
    })
}

#[test]
fn a_loop_of_write_and_drain_lets_others_run() -> Result<()> {
    run(async {
        let others = Rc::new(Cell::new(0));
        let count = Rc::clone(&others);
        create_task(async move {
            loop {
                count.set(count.get() + 1);
                oneloop::yield_now().await;
            }
        })
        .detach();
        let mut writer = StreamWriter::new(Sink::with_room(usize::MAX));
        for _ in 0..1000 {
            writer.write("x");
            writer.drain().await?;
        }
        for _ in 0..1000 {
            writer.write_all("x").await?;
        }
        assert!(others.get() >= 10, "{} turns", others.get());
        Ok(())
    })
}

#[test]
fn writelines_sends_them_together() -> Result<()> {
    run(async {
        let sink = Sink::with_room(usize::MAX);
        let mut writer = StreamWriter::new(sink.clone());
        writer.writelines(["one ", "two ", "three"]);
        assert_eq!((sink.data(), sink.0.borrow().writes), (b"one two three".to_vec(), 1));
        let none: [&str; 0] = [];
        writer.writelines(none);
        writer.writelines((0..100).map(|_| vec![7; KIB]));
        assert_eq!(sink.data().len(), 13 + 100 * KIB);
        assert!(sink.0.borrow().writes < 5);
        writer.drain().await
    })
}

#[test]
fn write_all_waits_instead_of_filling_the_memory() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        let data: Vec<u8> = (0..1000 * KIB).map(|n| n.to_le_bytes()[0]).collect();
        writer.write("-");
        {
            let mut writing = pin!(writer.write_all(&data));
            for _ in 0..10 {
                assert!(waits(&mut writing).await);
                sink.grow(100 * KIB);
            }
            sink.grow(KIB);
            writing.await?;
        }
        assert_eq!(writer.write_buffer_size(), 0, "nothing was copied");
        assert!(sink.data()[1..] == data);
        Ok(())
    })
}

#[test]
fn a_small_write_all_that_is_dropped_is_sent_as_a_whole() -> Result<()> {
    run(async {
        let sink = Sink::with_room(1);
        let mut writer = StreamWriter::new(sink.clone());
        writer.set_write_buffer_limits(4, 0);
        writer.write("12345");
        {
            let mut writing = pin!(writer.write_all("6789"));
            assert!(waits(&mut writing).await);
        }
        sink.grow(100);
        settle().await;
        assert_eq!(sink.data(), b"123456789");
        Ok(())
    })
}

#[test]
fn flush_waits_until_the_stream_has_all() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("1234");
        {
            let mut flush = pin!(writer.flush());
            assert!(waits(&mut flush).await);
            sink.grow(3);
            settle().await;
            assert!(waits(&mut flush).await);
            sink.grow(1);
            flush.await?;
        }
        assert!(sink.0.borrow().flushes > 0, "the stream was flushed as well");
        Ok(())
    })
}

#[test]
fn after_an_error_writes_are_dropped_and_drain_says_why_each_time() -> Result<()> {
    run(async {
        let sink = Sink::with_room(2);
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("data");
        sink.fail(ErrorKind::ConnectionReset);
        settle().await;
        assert_eq!(writer.write_buffer_size(), 0, "what waited is gone");
        assert!(writer.is_closing());
        for _ in 0..10 {
            writer.write("more");
            writer.writelines(["and", "more"]);
            assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        let much = vec![0; 100 * KIB];
        for error in [
            writer.write_all("x").await.unwrap_err(),
            writer.write_all(&much).await.unwrap_err(),
            writer.flush().await.unwrap_err(),
            writer.wait_closed().await.unwrap_err(),
            writer.wait_closed().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        assert_eq!(sink.data(), b"da");
        Ok(())
    })
}

#[test]
fn an_error_wakes_the_drain_that_waits() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        writer.write(vec![0; 100 * KIB]);
        let task = create_task(async move { writer.drain().await });
        settle().await;
        sink.fail(ErrorKind::BrokenPipe);
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

#[test]
fn a_stream_that_takes_nothing_is_an_error() -> Result<()> {
    run(async {
        let mut writer = StreamWriter::new(Full(2));
        writer.write("123");
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::WriteZero);
        Ok(())
    })
}

/// Takes some bytes, and then returns 0.
struct Full(usize);

impl AsyncWrite for Full {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<Result<usize>> {
        let len = data.len().min(self.0);
        self.0 -= len;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Panics at the second write.
struct Panics(bool);

impl AsyncWrite for Panics {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _data: &[u8],
    ) -> Poll<Result<usize>> {
        assert!(!self.0, "on purpose");
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_stream_that_panics_fails_the_writer() {
    let reports = Rc::new(Cell::new(0));
    let count = Rc::clone(&reports);
    let builder = oneloop::Builder::new().on_unhandled(move |_| count.set(count.get() + 1));
    builder.run(async {
        let mut writer = StreamWriter::new(Panics(false));
        writer.write("data");
        let error = writer.flush().await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
        assert!(writer.wait_closed().await.is_err());
    });
    assert_eq!(reports.get(), 1, "the panic was reported");
}

#[test]
fn who_cancels_all_tasks_does_not_stop_the_sending() -> Result<()> {
    run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        writer.write("data");
        let others: Vec<_> = all_tasks().into_iter().skip(1).collect();
        assert_eq!(others.len(), 1, "the task that sends");
        let flushing = create_task(async move { writer.flush().await });
        settle().await;
        others[0].cancel();
        settle().await;
        sink.grow(4);
        flushing.await.unwrap()?;
        assert_eq!(sink.data(), b"data");
        Ok(())
    })
}

#[test]
fn without_a_loop_whoever_waits_sends() {
    let sink = Sink::default();
    let mut writer = StreamWriter::new(sink.clone());
    writer.write("data");
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut flush = pin!(writer.flush());
        assert!(flush.as_mut().poll(&mut cx).is_pending());
        sink.grow(100);
        assert!(flush.as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(sink.data(), b"data");
}

#[test]
fn a_writer_is_an_async_write_itself() -> Result<()> {
    run(async {
        let sink = Sink::with_room(3);
        let mut writer = StreamWriter::new(sink.clone());
        let len = poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, b"12345")).await?;
        assert_eq!(len, 3);
        let mut writing = create_task(async move {
            poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, b"45")).await?;
            poll_fn(|cx| Pin::new(&mut writer).poll_flush(cx)).await?;
            poll_fn(|cx| Pin::new(&mut writer).poll_close(cx)).await?;
            let late = poll_fn(|cx| Pin::new(&mut writer).poll_write(cx, b"x")).await;
            Result::Ok(late.unwrap_err().kind())
        });
        assert!(waits(&mut writing).await);
        sink.grow(2);
        assert_eq!(writing.await.unwrap()?, ErrorKind::BrokenPipe);
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"12345".to_vec(), 1));
        Ok(())
    })
}

#[test]
fn marks_the_wrong_way_round_are_refused() {
    let mut writer = StreamWriter::new(Sink::default());
    let misuse = AssertUnwindSafe(|| writer.set_write_buffer_limits(1, 2));
    assert!(catch_unwind(misuse).is_err());
}
