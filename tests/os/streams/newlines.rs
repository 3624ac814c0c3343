//! Lines of all lengths, in pieces of all lengths, against the obvious split.

use std::future::poll_fn;
use std::io::Result;
use std::iter;
use std::pin::pin;
use std::task::Poll;

use oneloop::io::{LimitOverrun, StreamReader};

use super::{Act, Dice, Script, run};

/// Lines around the size of the blocks of the search.
fn text(dice: &mut Dice) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..dice.roll(40) {
        let len = [dice.roll(4), 60 + dice.roll(10), dice.roll(300)][dice.roll(3)];
        text.extend(iter::repeat_n(b'x', len));
        text.push(b'\n');
    }
    text.truncate(text.len() - dice.roll(2).min(text.len()));
    text
}

fn pieces(dice: &mut Dice, data: &[u8]) -> Script {
    let mut acts = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let longest = [3, 70, 1000][dice.roll(3)];
        let len = 1 + dice.roll(rest.len().min(longest));
        if dice.roll(2) == 0 {
            acts.push(Act::Wait);
        }
        acts.push(Act::Give(rest[..len].to_vec()));
        rest = &rest[len..];
    }
    Script::of(acts)
}

/// Reads lines, with other reads in between, and abandons some.
async fn storm(dice: &mut Dice) -> Result<()> {
    let text = text(dice);
    let limit = [20, 64, 1000][dice.roll(3)];
    let mut reader = StreamReader::new(pieces(dice, &text)).with_limit(limit);
    let mut rest = &text[..];
    while !rest.is_empty() {
        match dice.roll(5) {
            0 => {
                let len = dice.roll(rest.len().min(100));
                assert_eq!(reader.readexactly(len).await?, rest[..len]);
                rest = &rest[len..];
            }
            1 => {
                let mut reading = pin!(reader.readline());
                let len = poll_fn(|cx| match reading.as_mut().poll(cx) {
                    Poll::Ready(Ok(line)) => Poll::Ready(line.len()),
                    Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(0),
                });
                rest = &rest[len.await..];
            }
            _ => {
                let newline = rest.iter().position(|&byte| byte == b'\n');
                let len = newline.map_or(rest.len(), |at| at + 1);
                match reader.readline().await {
                    Ok(line) => {
                        assert_eq!(line, &rest[..len]);
                        assert!(newline.unwrap_or(len) <= limit);
                        rest = &rest[len..];
                    }
                    Err(error) => {
                        let consumed = LimitOverrun::of(&error).expect("the line is long").consumed;
                        assert!(consumed > limit && consumed <= newline.unwrap_or(len));
                        assert_eq!(reader.readexactly(consumed).await?, rest[..consumed]);
                        rest = &rest[consumed..];
                    }
                }
            }
        }
    }
    assert_eq!(reader.readline().await?, b"");
    Ok(())
}

#[test]
fn storms_give_the_lines_of_the_obvious_split() -> Result<()> {
    run(async {
        for seed in 0..1000 {
            storm(&mut Dice(seed)).await?;
        }
        Ok(())
    })
}
