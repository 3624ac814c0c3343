//! The results of each method of a reader, including at the end and after errors. Asyncio's own
//! tests are among the models.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::string::FromUtf8Error;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::io::Cursor;
use oneloop::io::{AsyncBufRead, AsyncRead, IncompleteRead, LimitOverrun, StreamReader, duplex};
use oneloop::{create_task, timeout, yield_now};

use super::{Act, Script, run};

const KIB: usize = 1024;

fn reader(data: &'static [u8]) -> StreamReader {
    StreamReader::new(data)
}

fn reset() -> Error {
    // ECONNRESET, as the kernel returns it.
    Error::from_raw_os_error(104)
}

#[test]
fn read_gives_what_is_there_and_0_at_the_end() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([&b"one"[..], b"two"]));
        let mut buf = [0; 16];
        assert_eq!(reader.read(&mut []).await?, 0);
        assert_eq!(reader.read(&mut buf).await?, 3);
        assert_eq!(&buf[..3], b"one");
        assert_eq!(reader.read(&mut buf[..2]).await?, 2);
        assert_eq!(reader.buffer(), b"o");
        assert_eq!(reader.read(&mut buf).await?, 1);
        assert!(!reader.at_eof(), "nobody has seen the end yet");
        assert_eq!(reader.read(&mut buf).await?, 0);
        assert!(reader.at_eof());
        assert_eq!(reader.read(&mut buf).await?, 0, "the end is final");
        Ok(())
    })
}

#[test]
fn large_reads_go_past_the_buffer() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([vec![7; 20 * KIB]]));
        let mut buf = vec![0; 16 * KIB];
        assert_eq!(reader.read(&mut buf).await?, 16 * KIB);
        assert_eq!(reader.buffer(), b"");
        assert_eq!(reader.read(&mut buf[..1]).await?, 1);
        assert_eq!(reader.read(&mut buf).await?, 4 * KIB - 1, "what is in the buffer comes first");
        Ok(())
    })
}

#[test]
fn readline_gives_lines_with_newlines_and_a_partial_one_at_the_end() -> Result<()> {
    run(async {
        let mut reader =
            StreamReader::new(Script::pieces([&b"li"[..], b"ne1\nline2", b"\n\nrest"]));
        for line in ["line1\n", "line2\n", "\n", "rest", "", ""] {
            assert_eq!(reader.readline().await?, line.as_bytes());
        }
        assert!(reader.at_eof());
        Ok(())
    })
}

#[test]
fn the_limit_counts_what_comes_before_the_newline() -> Result<()> {
    run(async {
        let mut reader = reader(b"12345\n123456\n").with_limit(5);
        assert_eq!(reader.readline().await?, b"12345\n");
        let error = reader.readline().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(LimitOverrun::of(&error).unwrap().consumed, 6);
        assert!(error.to_string().contains("with_limit"), "{error}");
        assert_eq!(reader.buffer(), b"123456\n", "the data stays");
        assert_eq!(reader.readexactly(6).await?, b"123456");
        assert_eq!(reader.readline().await?, b"\n");
        Ok(())
    })
}

#[test]
fn a_line_is_skipped_in_pieces_and_as_often_as_one_asks() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([&b"12345"[..], b"678", b"9\nnext\nre"]))
            .with_limit(5);
        assert!(LimitOverrun::of(&reader.readline().await.unwrap_err()).is_some());
        assert_eq!(reader.readexactly(2).await?, b"12");
        assert_eq!(reader.skip_line().await?, 8, "what is left of it");
        assert_eq!(reader.readline().await?, b"next\n");
        for skipped in [2, 0, 0] {
            assert_eq!(reader.skip_line().await?, skipped);
        }
        assert!(reader.at_eof());
        Ok(())
    })
}

#[test]
fn a_skip_that_is_given_up_can_be_taken_up_again() -> Result<()> {
    run(async {
        let (near, far) = duplex(64);
        let (mut reader, mut writer) = (near.into_streams().0, far.into_streams().1);
        writer.write("some of a line");
        assert!(timeout(Duration::from_millis(1), reader.skip_line()).await.is_err());
        writer.write(", and the rest\nnext\n");
        assert_eq!(reader.skip_line().await?, 15);
        assert_eq!(reader.readline().await?, b"next\n");
        Ok(())
    })
}

#[test]
fn a_line_without_end_is_refused_before_it_fills_the_memory() -> Result<()> {
    struct Endless {
        given: usize,
    }
    impl AsyncRead for Endless {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<Result<usize>> {
            self.given += buf.len();
            assert!(self.given < KIB * KIB, "nobody stops reading");
            buf.fill(b'a');
            Poll::Ready(Ok(buf.len()))
        }
    }
    run(async {
        let mut reader = StreamReader::new(Endless { given: 0 });
        for _ in 0..3 {
            let error = reader.readline().await.unwrap_err();
            assert!(LimitOverrun::of(&error).unwrap().consumed > 64 * KIB);
            assert!(LimitOverrun::of(&reader.readuntil("ab").await.unwrap_err()).is_some());
        }
        Ok(())
    })
}

#[test]
fn readexactly_gives_all_or_the_partial_data() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([&b"12"[..], b"345", b"67"]));
        assert_eq!(reader.readexactly(0).await?, b"");
        assert_eq!(reader.readexactly(4).await?, b"1234");
        let error = reader.readexactly(usize::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let incomplete = error.downcast::<IncompleteRead>().unwrap();
        assert_eq!((&incomplete.partial[..], incomplete.expected), (&b"567"[..], Some(usize::MAX)));
        assert!(reader.at_eof(), "the error has the data, not the reader");
        Ok(())
    })
}

#[test]
fn readexactly_is_not_bound_by_the_limit() -> Result<()> {
    run(async {
        let data: Vec<u8> = (0..300 * KIB).map(|n| n.to_le_bytes()[0]).collect();
        let mut reader = StreamReader::new(Script::pieces([&data[..]])).with_limit(3);
        assert_eq!(reader.readexactly(100).await?, data[..100]);
        assert_eq!(reader.readexactly(200 * KIB).await?, data[100..200 * KIB + 100]);
        assert_eq!(reader.read_to_end().await?, data[200 * KIB + 100..]);
        Ok(())
    })
}

#[test]
fn read_exact_fills_the_buffer_or_gives_the_partial_data() -> Result<()> {
    run(async {
        let mut reader =
            StreamReader::new(Script::pieces([b"12".to_vec(), b"345".to_vec(), vec![1; 20_000]]));
        let mut buf = [0; 4];
        reader.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"1234");
        let mut large = vec![0; 10_000];
        reader.read_exact(&mut large).await?;
        assert_eq!(large[..2], [b'5', 1]);
        let error = reader.read_exact(&mut vec![0; 10_002]).await.unwrap_err();
        let incomplete = IncompleteRead::of(&error).unwrap();
        assert_eq!((incomplete.partial.len(), incomplete.expected), (10_001, Some(10_002)));
        assert_eq!(reader.readline().await?, b"");
        Ok(())
    })
}

#[test]
fn a_read_exact_that_is_dropped_puts_back_what_it_has_read() -> Result<()> {
    run(async {
        for size in [8, 20_000] {
            let pieces = [Act::Give(b"abc\nd".to_vec()), Act::Wait, Act::Give(b"e\n".to_vec())];
            let mut reader = StreamReader::new(Script::of(pieces));
            let mut buf = vec![0; size];
            {
                let mut filling = pin!(reader.read_exact(&mut buf));
                let waits = poll_fn(|cx| Poll::Ready(filling.as_mut().poll(cx).is_pending())).await;
                assert!(waits);
            }
            assert_eq!(reader.readline().await?, b"abc\n");
            assert_eq!(reader.readline().await?, b"de\n");
        }
        Ok(())
    })
}

#[test]
fn read_to_end_and_to_string_give_all() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::trickle("héllo".as_bytes()));
        assert_eq!(reader.read_to_string().await?, "héllo");
        assert_eq!(reader.read_to_end().await?, b"");
        let data = vec![b'x'; 5 * 64 * KIB];
        let mut reader = StreamReader::new(Script::pieces([&b"-"[..], &data]));
        assert_eq!(reader.readexactly(1).await?, b"-");
        assert_eq!(reader.read_to_end().await?, data);
        let error = StreamReader::new(&b"\xff"[..]).read_to_string().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let utf8 = error.downcast::<FromUtf8Error>().unwrap();
        assert_eq!(utf8.into_bytes(), b"\xff");
        Ok(())
    })
}

#[test]
fn an_error_of_the_kernel_comes_after_the_data_and_comes_again() -> Result<()> {
    run(async {
        let acts =
            [Act::Give(b"line\npart".to_vec()), Act::Fail(reset()), Act::Give(b"x".to_vec())];
        let mut reader = StreamReader::new(Script::of(acts));
        assert_eq!(reader.readline().await?, b"line\n");
        for _ in 0..2 {
            assert_eq!(reader.readline().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(reader.readuntil("x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(reader.read_to_end().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert!(!reader.at_eof());
        let mut buf = [0; 16];
        assert_eq!(
            reader.read_exact(&mut buf).await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        assert_eq!(reader.read(&mut buf).await?, 4, "the beginning of the line is still there");
        assert!(reader.read(&mut buf).await.is_err());
        Ok(())
    })
}

#[test]
fn another_error_may_pass() -> Result<()> {
    run(async {
        let failure = || Act::Fail(Error::new(ErrorKind::TimedOut, "try again"));
        let acts = [failure(), Act::Give(b"li".to_vec()), failure(), Act::Give(b"ne\n".to_vec())];
        let mut reader = StreamReader::new(Script::of(acts));
        assert!(reader.readline().await.is_err());
        assert!(reader.readline().await.is_err());
        assert_eq!(reader.readline().await?, b"line\n");
        Ok(())
    })
}

#[test]
fn an_interrupted_read_is_repeated() -> Result<()> {
    run(async {
        let acts = [Act::Fail(ErrorKind::Interrupted.into()), Act::Give(b"x\n".to_vec())];
        assert_eq!(StreamReader::new(Script::of(acts)).readline().await?, b"x\n");
        Ok(())
    })
}

#[test]
fn lines_come_without_their_ends() -> Result<()> {
    run(async {
        let mut lines = reader(b"one\ntwo\r\n\r\n\nthr\ree\r").lines();
        for line in ["one", "two", "", "", "thr\ree\r"] {
            assert_eq!(lines.next().await.unwrap()?, line);
        }
        assert!(lines.next().await.is_none());
        assert!(lines.next().await.is_none());
        Ok(())
    })
}

#[test]
fn a_line_that_is_no_text_is_an_error_with_its_bytes_and_the_next_one_follows() -> Result<()> {
    run(async {
        let mut lines = reader(b"one\nt\xffo\nthree\n").lines();
        assert_eq!(lines.next().await.unwrap()?, "one");
        let error = lines.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let utf8 = error.downcast::<FromUtf8Error>().unwrap();
        assert_eq!(utf8.into_bytes(), b"t\xffo");
        assert_eq!(lines.next().await.unwrap()?, "three");
        Ok(())
    })
}

#[test]
fn lines_end_after_a_line_that_is_too_long_and_give_the_reader_back() -> Result<()> {
    run(async {
        let mut lines = reader(b"one\nthirteen\nfour\n").with_limit(5).lines();
        assert_eq!(lines.next().await.unwrap()?, "one");
        let error = lines.next().await.unwrap().unwrap_err();
        let consumed = LimitOverrun::of(&error).unwrap().consumed;
        assert!(lines.next().await.is_none());
        let mut reader = lines.into_reader();
        assert_eq!(reader.readexactly(consumed + 1).await?, b"thirteen\n");
        assert_eq!(reader.readline().await?, b"four\n");
        Ok(())
    })
}

#[test]
fn parts_are_the_stream_and_what_was_read_ahead() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([&b"STARTTLS\nhello"[..], b" world"]));
        assert_eq!(reader.readline().await?, b"STARTTLS\n");
        let (mut stream, ahead) = reader.into_parts();
        assert_eq!(ahead, b"hello");
        let mut buf = [0; 16];
        let len = poll_fn(|cx| stream.as_mut().poll_read(cx, &mut buf)).await?;
        assert_eq!(&buf[..len], b" world");
        Ok(())
    })
}

#[test]
fn a_reader_is_an_async_buf_read_itself() -> Result<()> {
    run(async {
        let mut inner = StreamReader::new(Script::trickle(b"one\ntwo\n"));
        assert_eq!(inner.readline().await?, b"one\n");
        let data =
            poll_fn(|cx| Pin::new(&mut inner).poll_fill_buf(cx).map_ok(<[u8]>::to_vec)).await?;
        assert_eq!(data, b"t");
        Pin::new(&mut inner).consume(1);
        let mut outer = StreamReader::new(inner);
        assert_eq!(outer.readline().await?, b"wo\n");
        Ok(())
    })
}

#[test]
fn the_search_for_a_newline_does_not_begin_again_with_each_byte() -> Result<()> {
    run(async {
        // Otherwise these would be two thousand million bytes to look at.
        let mut data = vec![b'x'; 64 * KIB];
        data.push(b'\n');
        let mut reader = StreamReader::new(Script::trickle(&data));
        assert_eq!(reader.readline().await?, data);
        let mut reader = StreamReader::new(Script::trickle(&data));
        assert_eq!(reader.readuntil("x\n").await?, data);
        Ok(())
    })
}

/// How often another task runs during `work`, which never has to wait.
async fn runs_beside(work: impl Future<Output = Result<()>>) -> Result<usize> {
    let runs = Rc::new(Cell::new(0));
    let count = Rc::clone(&runs);
    let other = create_task(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    })
    .cancel_on_drop();
    work.await?;
    drop(other);
    Ok(runs.get())
}

#[test]
fn reads_that_the_buffer_serves_let_others_run() -> Result<()> {
    const LINES: usize = 3000;
    let text = "line\n".repeat(LINES).into_bytes();
    // All at once in the buffer, as after a paste.
    let reader = || StreamReader::new(Cursor::new(text.clone()));
    run(async {
        let lines = runs_beside(async {
            let mut reader = reader();
            while !reader.readline().await?.is_empty() {}
            Ok(())
        });
        assert!(lines.await? >= LINES / 128);
        let strings = runs_beside(async {
            let mut lines = reader().lines();
            while lines.next().await.transpose()?.is_some() {}
            Ok(())
        });
        assert!(strings.await? >= LINES / 128);
        let parts = runs_beside(async {
            let mut reader = reader();
            for _ in 0..LINES {
                reader.readuntil("e").await?;
                reader.skip_line().await?;
            }
            Ok(())
        });
        assert!(parts.await? >= LINES / 128);
        let bytes = runs_beside(async {
            let mut reader = reader();
            for _ in 0..LINES {
                reader.read(&mut [0]).await?;
                reader.readexactly(1).await?;
                reader.read_exact(&mut [0]).await?;
                reader.read_some(1).await?;
            }
            Ok(())
        });
        assert!(bytes.await? >= LINES / 128);
        let at_the_end = runs_beside(async {
            let mut reader = StreamReader::new(&b""[..]);
            for _ in 0..LINES {
                assert_eq!(reader.readline().await?, b"");
            }
            Ok(())
        });
        assert!(at_the_end.await? >= LINES / 128);
        Ok(())
    })
}

#[test]
fn read_some_lends_what_is_there_and_nothing_at_the_end() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([&b"one"[..], b"two"]));
        assert_eq!(reader.read_some(0).await?, b"");
        assert_eq!(reader.read_some(2).await?, b"on");
        assert_eq!(reader.read_some(99).await?, b"e");
        assert_eq!(reader.read_some(usize::MAX).await?, b"two");
        for _ in 0..2 {
            assert_eq!(reader.read_some(9).await?, b"");
        }
        Ok(())
    })
}

#[test]
fn read_more_adds_to_the_buffer_and_consume_takes_off_it() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(Script::pieces([&b"one\n"[..], b"two\n"])).with_limit(6);
        assert_eq!((reader.read_more().await?, reader.buffer()), (4, &b"one\n"[..]));
        assert_eq!((reader.read_more().await?, reader.buffer()), (4, &b"one\ntwo\n"[..]));
        let error = reader.read_more().await.unwrap_err();
        assert_eq!(LimitOverrun::of(&error).unwrap().consumed, 8, "a parser's buffer has a bound");
        reader.consume(2);
        assert_eq!(reader.read_more().await?, 0);
        assert_eq!(reader.readline().await?, b"e\n");
        assert_eq!(reader.readline().await?, b"two\n");
        reader.consume(0);
        assert!(catch_unwind(AssertUnwindSafe(|| reader.consume(1))).is_err());
        Ok(())
    })
}

#[test]
fn after_a_read_exact_that_is_dropped_newlines_are_found_where_they_are() -> Result<()> {
    run(async {
        for size in [12, 20_000] {
            let pieces = [
                Act::Give(b"abcdef".to_vec()),
                Act::Wait,
                Act::Give(b"g\nhi".to_vec()),
                Act::Wait,
                Act::Give(b"\n".to_vec()),
            ];
            let mut reader = StreamReader::new(Script::of(pieces));
            {
                // It has searched all data so far.
                let mut line = pin!(reader.readline());
                assert!(poll_fn(|cx| Poll::Ready(line.as_mut().poll(cx).is_pending())).await);
            }
            let mut buf = vec![0; size];
            {
                let mut filling = pin!(reader.read_exact(&mut buf));
                assert!(poll_fn(|cx| Poll::Ready(filling.as_mut().poll(cx).is_pending())).await);
            }
            assert_eq!(reader.readline().await?, b"abcdefg\n");
            assert_eq!(reader.readline().await?, b"hi\n");
            assert_eq!(reader.readline().await?, b"");
        }
        Ok(())
    })
}
