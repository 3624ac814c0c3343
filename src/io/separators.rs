//! Searches for separators in data that arrives in pieces. The search is linear, whatever the data
//! and however it is split.

use super::newlines::position;

/// Searches for several separators at once. The match that ends first wins.
pub(super) struct Search {
    matchers: Vec<Matcher>,
    /// How many bytes of the data have been searched.
    searched: usize,
    /// The match that was found. A caller may ask for it again.
    found: Option<Found>,
}

/// The position of a separator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The Knuth-Morris-Pratt algorithm: it looks at no byte twice.
struct Matcher {
    separator: Vec<u8>,
    /// For each length of a prefix, the length of its longest proper prefix that is also its
    /// suffix.
    fallback: Vec<usize>,
    /// How many bytes of the separator match the end of the searched data.
    matched: usize,
}

/// The matchers take turns, so that the matcher of a rare separator does not search all the data
/// for each match of a frequent one. Each turn is longer than the last, so that the cost of
/// switching stays small.
const FIRST_TURN: usize = 128;

impl Search {
    /// Returns `None` if there are no separators, or one is empty.
    pub(super) fn new(separators: &[impl AsRef<[u8]>]) -> Option<Self> {
        let mut matchers: Vec<Matcher> = separators
            .iter()
            .map(|separator| Matcher::new(separator.as_ref()))
            .collect::<Option<_>>()?;
        // If two separators end at the same place, the shorter one wins.
        matchers.sort_by_key(|matcher| matcher.separator.len());
        (!matchers.is_empty()).then_some(Self { matchers, searched: 0, found: None })
    }

    /// Whether this is a search for exactly these separators.
    pub(super) fn is_for(&self, separators: &[impl AsRef<[u8]>]) -> bool {
        let mut separators: Vec<_> = separators.iter().map(AsRef::as_ref).collect();
        // The order that `new` gave them.
        separators.sort_by_key(|separator| separator.len());
        separators.into_iter().eq(self.matchers.iter().map(|matcher| &matcher.separator[..]))
    }

    /// Continues where the last call stopped. That call must have been given a prefix of the same
    /// data.
    pub(super) fn find(&mut self, data: &[u8]) -> Option<Found> {
        let mut turn = FIRST_TURN;
        if self.found.is_some() {
            return self.found;
        }
        while self.searched < data.len() {
            let end = data.len().min(self.searched + turn);
            self.found = self.find_in(data, end);
            if self.found.is_some() {
                return self.found;
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
                // A match that ends further back cannot win.
                end = found_end;
            }
        }
        first
    }

    /// How many bytes of the searched data cannot be part of a separator, whatever follows.
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
        // Search the separator, without its first byte, for the separator itself.
        for (at, &byte) in separator.iter().enumerate().skip(1) {
            matcher.step(byte);
            matcher.fallback[at] = matcher.matched;
        }
        matcher.matched = 0;
        Some(matcher)
    }

    /// Returns how many bytes of `data` lead up to the end of the separator.
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
