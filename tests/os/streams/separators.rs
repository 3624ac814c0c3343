//! `readuntil`: asyncio's cases, and a storm against a naive model.

use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::{AsyncRead, FutureExt};
use oneloop::io::{IncompleteRead, LimitOverrun, StreamReader};

use super::{Act, Dice, Script, run};

#[test]
fn a_separator_may_stand_on_the_border_of_two_pieces() -> Result<()> {
    run(async {
        let mut reader =
            StreamReader::new(Script::pieces([&b"aBB"[..], b"C", b"cABBB", b"Cd", b"ABBC"]));
        for part in ["aBBC", "cABBBC", "dABBC"] {
            assert_eq!(reader.readuntil("BBC").await?, part.as_bytes());
        }
        Ok(())
    })
}

#[test]
fn the_limit_counts_what_comes_before_the_separator() -> Result<()> {
    run(async {
        for trickles in [false, true] {
            let data = b"some dataAAA!AAAlongerAAA";
            let script = if trickles { Script::trickle(data) } else { Script::pieces([&data[..]]) };
            let mut reader = StreamReader::new(script).with_limit(9);
            assert_eq!(reader.readuntil("AAA").await?, b"some dataAAA", "nine are allowed");
            assert_eq!(reader.readuntil("AAA").await?, b"!AAA");
            let mut reader = StreamReader::new(Script::pieces([&data[..]])).with_limit(8);
            let error = reader.readuntil("AAA").await.unwrap_err();
            assert_eq!(LimitOverrun::of(&error).unwrap().consumed, 9);
            assert_eq!(reader.buffer(), data, "the data stays");
        }
        Ok(())
    })
}

#[test]
fn what_a_limit_overrun_calls_consumed_holds_no_part_of_a_separator() -> Result<()> {
    run(async {
        // The last two bytes may be the beginning of the separator. No further read is needed to
        // know that.
        let failure = Act::Fail(ErrorKind::TimedOut.into());
        let pieces = [Act::Give(b"12345AA".to_vec()), failure, Act::Give(b"A6AAA".to_vec())];
        let mut reader = StreamReader::new(Script::of(pieces)).with_limit(4);
        let error = reader.readuntil("AAA").await.unwrap_err();
        assert_eq!(LimitOverrun::of(&error).unwrap().consumed, 5);
        assert_eq!(reader.readexactly(5).await?, b"12345");
        assert_eq!(reader.readuntil("AAA").await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(reader.readuntil("AAA").await?, b"AAA");
        Ok(())
    })
}

#[test]
fn at_the_end_the_error_has_what_was_there() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(&b"some data"[..]);
        let error = reader.readuntil("AAA").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let incomplete = error.downcast::<IncompleteRead>().unwrap();
        assert_eq!((&incomplete.partial[..], incomplete.expected), (&b"some data"[..], None));
        assert_eq!(reader.buffer(), b"");
        let error = reader.readuntil("AAA").await.unwrap_err();
        assert_eq!(IncompleteRead::of(&error).unwrap().partial, b"");
        Ok(())
    })
}

#[test]
fn a_separator_at_the_very_end_is_found() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(&b"some dataAAA"[..]);
        assert_eq!(reader.readuntil("AAA").await?, b"some dataAAA");
        Ok(())
    })
}

#[test]
fn an_empty_separator_is_refused() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(&b"data"[..]);
        assert_eq!(reader.readuntil("").await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let none: [&str; 0] = [];
        assert_eq!(reader.readuntil_any(&none).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let one = ["a", ""];
        assert_eq!(reader.readuntil_any(&one).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        Ok(())
    })
}

#[test]
fn of_several_separators_the_one_that_ends_first_counts() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(&b"line\nother line\xE2\x80\xA8lastly\r\n"[..]);
        let ends = [&b"\xE2\x80\xA8"[..], b"\n", b"\r\n"];
        assert_eq!(reader.readuntil_any(&ends).await?, b"line\n");
        assert_eq!(reader.readuntil_any(&ends).await?, "other line\u{2028}".as_bytes());
        assert_eq!(reader.readuntil_any(&ends).await?, b"lastly\r\n");
        let mut reader = StreamReader::new(Script::trickle(b"webapp.log|"));
        assert_eq!(reader.readuntil_any(&["app.log|", "|", "pp"]).await?, b"webapp");
        Ok(())
    })
}

#[test]
fn a_rare_separator_beside_a_frequent_one_costs_no_second_look_at_everything() -> Result<()> {
    run(async {
        // Otherwise these would be a thousand million bytes.
        let mut reader = StreamReader::new(Script::pieces([&b"x\n".repeat(32 * 1024)[..]]));
        for _ in 0..32 * 1024 {
            assert_eq!(reader.readuntil_any(&["y", "\n"]).await?, b"x\n");
        }
        Ok(())
    })
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Part(Vec<u8>),
    TooLong,
    Incomplete(Vec<u8>),
}

/// The obvious way: for each place, whether a separator ends there.
fn expected(data: &[u8], separators: &[Vec<u8>], limit: usize) -> Outcome {
    for end in 0..=data.len() {
        let ending = separators.iter().filter(|separator| data[..end].ends_with(separator));
        if let Some(separator) = ending.min_by_key(|separator| separator.len()) {
            let is_too_long = end - separator.len() > limit;
            return if is_too_long {
                Outcome::TooLong
            } else {
                Outcome::Part(data[..end].to_vec())
            };
        }
    }
    let longest = separators.iter().map(Vec::len).max().unwrap_or(0);
    if (data.len() + 1).saturating_sub(longest) > limit {
        Outcome::TooLong
    } else {
        Outcome::Incomplete(data.to_vec())
    }
}

/// Random data of few letters, so that separators nearly match all the time, in random pieces.
async fn storm(dice: &mut Dice) -> Result<()> {
    let letters = 1 + dice.roll(3);
    let text = |dice: &mut Dice, len: usize| -> Vec<u8> {
        (0..len).map(|_| b"abc"[dice.roll(letters)]).collect()
    };
    let len = dice.roll(300);
    let data = text(dice, len);
    let separators: Vec<Vec<u8>> = (0..=dice.roll(3))
        .map(|_| {
            let len = 1 + dice.roll(6);
            text(dice, len)
        })
        .collect();
    let mut acts = Vec::new();
    let mut rest = &data[..];
    while !rest.is_empty() {
        let len = 1 + dice.roll(rest.len().min(40));
        acts.push(Act::Give(rest[..len].to_vec()));
        if dice.roll(2) == 0 {
            acts.push(Act::Wait);
        }
        rest = &rest[len..];
    }
    let limit = dice.roll(100);
    let mut reader = StreamReader::new(Script::of(acts)).with_limit(limit);
    let mut rest = &data[..];
    loop {
        let expected = expected(rest, &separators, limit);
        let found = match reader.readuntil_any(&separators).await {
            Ok(part) => Outcome::Part(part.to_vec()),
            Err(error) => match (LimitOverrun::of(&error), IncompleteRead::of(&error)) {
                (Some(overrun), None) => {
                    let beginning = rest[..overrun.consumed.min(rest.len())].to_vec();
                    assert!(overrun.consumed > limit);
                    assert!(reader.buffer().starts_with(&beginning), "the data stays");
                    Outcome::TooLong
                }
                (None, Some(incomplete)) => Outcome::Incomplete(incomplete.partial.clone()),
                _ => return Err(error),
            },
        };
        assert_eq!(found, expected, "{data:?} by {separators:?}, limit {limit}");
        match found {
            Outcome::Part(part) => rest = &rest[part.len()..],
            Outcome::TooLong => {
                assert_eq!(reader.read_to_end().await?, rest);
                return Ok(());
            }
            Outcome::Incomplete(_) => return Ok(()),
        }
    }
}

#[test]
fn storms_find_what_the_naive_search_finds() -> Result<()> {
    run(async {
        for seed in 0..1000 {
            storm(&mut Dice(seed)).await?;
        }
        Ok(())
    })
}

/// The shortest time of a few attempts for a hundred searches over the limit.
#[expect(clippy::disallowed_methods, reason = "the cost in real time is what is tested")]
async fn time_over_a_limit(limit: usize) -> Duration {
    let mut reader = StreamReader::new(Repeat).with_limit(limit);
    let mut best = Duration::MAX;
    assert!(reader.readuntil("\r\n").await.is_err(), "the first call reads and searches");
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..100 {
            let read = reader.readuntil("\r\n").await;
            assert!(read.is_err_and(|error| LimitOverrun::of(&error).is_some()));
        }
        best = best.min(start.elapsed());
    }
    best
}

/// An endless stream of one byte.
struct Repeat;

impl AsyncRead for Repeat {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<usize>> {
        buf.fill(b'x');
        Poll::Ready(Ok(buf.len()))
    }
}

#[test]
fn a_search_that_is_tried_again_goes_on_where_it_stopped() -> Result<()> {
    run(async {
        let (short, long) = (time_over_a_limit(1).await, time_over_a_limit(1 << 20).await);
        assert!(long < 20 * short, "{long:?} with 1 MiB, {short:?} with the least");
        Ok(())
    })
}

#[test]
fn a_search_for_something_else_begins_at_the_front() -> Result<()> {
    run(async {
        let mut reader = StreamReader::new(&b"a,b;c.rest"[..]).with_limit(3);
        for _ in 0..2 {
            let error = reader.readuntil(".").await.unwrap_err();
            assert_eq!(LimitOverrun::of(&error).unwrap().consumed, 5);
        }
        assert!(reader.readuntil("").await.is_err());
        assert_eq!(reader.readuntil_any(&[";", ","]).await?, b"a,");
        assert_eq!(reader.readuntil(".").await?, b"b;c.");
        Ok(())
    })
}

#[test]
fn a_dropped_search_goes_on_unless_bytes_were_taken() -> Result<()> {
    run(async {
        for takes in [false, true] {
            let pieces = [Act::Give(b"ab".to_vec()), Act::Wait, Act::Give(b"ABcAB".to_vec())];
            let mut reader = StreamReader::new(Script::of(pieces));
            assert!(reader.readuntil("AB").now_or_never().is_none());
            if takes {
                assert_eq!(reader.readexactly(1).await?, b"a");
            }
            let part = if takes { &b"bAB"[..] } else { b"abAB" };
            assert_eq!(reader.readuntil("AB").await?, part);
            assert_eq!(reader.readuntil("AB").await?, b"cAB");
        }
        Ok(())
    })
}
