//! `split_streams`: a reader and a writer of any stream.

use std::cell::RefCell;
use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use oneloop::io::{AsyncRead, AsyncWrite, duplex, split_streams};
use oneloop::{create_task, gather};

use super::{run, settle};

#[test]
fn the_two_ends_of_a_stream_read_and_write_at_once() -> Result<()> {
    run(async {
        let (near, far) = duplex(7);
        let (mut reader, mut writer) = split_streams(near);
        let data = vec![7; 100_000];
        let echo = async {
            let mut buf = [0; 64];
            loop {
                match far.read(&mut buf).await? {
                    0 => {
                        far.shutdown();
                        return Result::Ok(());
                    }
                    len => far.write_all(&buf[..len]).await?,
                }
            }
        };
        let send = async {
            writer.write_all(&data).await?;
            writer.write_eof();
            Result::Ok(())
        };
        let (echoed, sent, read) = gather!(echo, send, reader.read_to_end()).await;
        echoed.and(sent)?;
        assert!(read? == data);
        Ok(())
    })
}

#[test]
fn closing_the_writer_closes_the_stream_and_ends_the_reader() -> Result<()> {
    run(async {
        let (near, far) = duplex(64);
        let (mut reader, mut writer) = split_streams(near);
        let reading = create_task(async move { reader.read_to_end().await });
        settle().await;
        writer.write("bye");
        writer.wait_closed().await?;
        assert_eq!(reading.await??, b"");
        let mut buf = [0; 8];
        assert_eq!(far.read(&mut buf).await?, 3);
        assert_eq!(far.read(&mut buf).await?, 0);
        Ok(())
    })
}

#[test]
fn an_abort_drops_the_stream_and_ends_the_reader() -> Result<()> {
    run(async {
        let (near, far) = duplex(1);
        let (mut reader, mut writer) = split_streams(near);
        writer.write("long");
        writer.abort();
        assert_eq!(reader.readline().await?, b"");
        assert_eq!(far.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        Ok(())
    })
}

/// A stream that keeps only one waker, and does nothing until it is allowed to.
#[derive(Clone, Default)]
struct OneWaker(Rc<RefCell<(bool, Option<Waker>)>>);

impl OneWaker {
    fn poll(&self, cx: &Context<'_>) -> Poll<Result<usize>> {
        let (may, waker) = &mut *self.0.borrow_mut();
        if *may {
            return Poll::Ready(Ok(1));
        }
        *waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for OneWaker {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize>> {
        self.poll(cx)
    }
}

impl AsyncWrite for OneWaker {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize>> {
        self.poll(cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_stream_with_room_for_one_waker_wakes_both_ends() -> Result<()> {
    run(async {
        let stream = OneWaker::default();
        let (mut reader, mut writer) = split_streams(stream.clone());
        let reading = create_task(async move { reader.readexactly(1).await });
        let writing = create_task(async move {
            writer.write("x");
            let flushed = writer.flush().await;
            flushed.map(|()| writer)
        });
        settle().await;
        assert!(!reading.is_finished() && !writing.is_finished());
        let waker = {
            let (may, waker) = &mut *stream.0.borrow_mut();
            *may = true;
            waker.take()
        };
        waker.expect("it was polled").wake();
        assert_eq!(reading.await??.len(), 1);
        writing.await?.map(drop)
    })
}
