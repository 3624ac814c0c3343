//! The search for separators in data that comes in pieces: linear, whatever the data and wherever the pieces end.

use super::newlines::position;

/// Searches for several separators at once; the match that ends first counts.
pub(super) struct Search {
    matchers: Vec<Matcher>,
    /// How much of the data has been looked at.
    searched: usize,
}

/// Where a separator was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The algorithm of Knuth, Morris and Pratt: no byte is looked at twice.
struct Matcher {
    separator: Vec<u8>,
    /// For each length of a beginning, the length of the longest shorter one that it ends with.
    fallback: Vec<usize>,
    /// So much of the separator stands at the end of what was searched.
    matched: usize,
}

/// The matchers take turns, so that the one of a rare separator does not search all the data for each match of a frequent
/// one. The turns become longer, so that they do not count.
const FIRST_TURN: usize = 128;

impl Search {
    /// `None`: there is no separator, or an empty one.
    pub(super) fn new(separators: impl IntoIterator<Item: AsRef<[u8]>>) -> Option<Self> {
        let mut matchers: Vec<Matcher> = separators
            .into_iter()
            .map(|separator| Matcher::new(separator.as_ref()))
            .collect::<Option<_>>()?;
        // Where two end at the same place, the shorter one counts.
        matchers.sort_by_key(|matcher| matcher.separator.len());
        (!matchers.is_empty()).then_some(Self { matchers, searched: 0 })
    }

    /// Goes on where the last call, for a beginning of the same data, stopped.
    pub(super) fn find(&mut self, data: &[u8]) -> Option<Found> {
        let mut turn = FIRST_TURN;
        while self.searched < data.len() {
            let end = data.len().min(self.searched + turn);
            if let Some(found) = self.find_in(data, end) {
                return Some(found);
            }
            self.searched = end;
            turn *= 2;
        }
        None
    }

    fn find_in(&mut self, data: &[u8], mut end: usize) -> Option<Found> {
        let mut first: Option<Found> = None;
        for matcher in &mut self.matchers {
            if let Some(len) = matcher.find(&data[self.searched..end]) {
                let found_end = self.searched + len;
                if first.is_none_or(|first| found_end < first.end) {
                    let start = found_end - matcher.separator.len();
                    first = Some(Found { start, end: found_end });
                }
                // A match that ends further back is of no interest.
                end = found_end;
            }
        }
        first
    }

    /// So many bytes of the data that was searched belong to no separator, whatever comes.
    pub(super) fn clear(&self) -> usize {
        let longest = self.matchers.last().map_or(0, |matcher| matcher.separator.len());
        (self.searched + 1).saturating_sub(longest)
    }
}

impl Matcher {
    fn new(separator: &[u8]) -> Option<Self> {
        if separator.is_empty() {
            return None;
        }
        let mut matcher =
            Self { separator: separator.to_vec(), fallback: vec![0; separator.len()], matched: 0 };
        // The separator without its first byte is searched for the separator.
        for (at, &byte) in separator.iter().enumerate().skip(1) {
            matcher.step(byte);
            matcher.fallback[at] = matcher.matched;
        }
        matcher.matched = 0;
        Some(matcher)
    }

    /// How many bytes of `data` it takes to the end of the separator.
    fn find(&mut self, data: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < data.len() {
            if self.matched == 0 {
                at += position(self.separator[0], &data[at..])?;
            }
            self.step(data[at]);
            at += 1;
            if self.matched == self.separator.len() {
                return Some(at);
            }
        }
        None
    }

    fn step(&mut self, byte: u8) {
        while self.matched > 0 && self.separator[self.matched] != byte {
            self.matched = self.fallback[self.matched - 1];
        }
        if self.separator[self.matched] == byte {
            self.matched += 1;
        }
    }
}
