//! Folds repeated lines: only some of them are written. Pure: time is a parameter.

use log::Level;

use crate::runtime::data::clock::Nanos;

/// This many repeats of a line are written before it is folded. After that, the tenth, the
/// hundredth and so on are written.
const IN_FULL: u64 = 3;

/// After this time, the next equal line is written, whatever its number.
const QUIET: Nanos = 60_000_000_000;

/// The number of different lines to remember. The least recent one is replaced.
const LINES_MAX: usize = 64;

pub(super) struct Folds {
    /// The lines in the order of their last repeat.
    lines: Vec<Line>,
}

struct Line {
    about: u64,
    level: Level,
    /// The text of the latest repeat.
    text: String,
    count: u64,
    /// The count that was written last, and when.
    told: u64,
    told_at: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Write,
    /// Write it with its number.
    WriteCount(u64),
    Fold,
}

impl Folds {
    pub(super) const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// A line came.
    pub(super) fn note(&mut self, about: u64, now: Nanos, level: Level, text: &str) -> Verdict {
        let index = self.lines.iter().position(|line| line.about == about);
        let mut line = if let Some(index) = index {
            self.lines.remove(index)
        } else {
            if self.lines.len() == LINES_MAX {
                self.lines.remove(0);
            }
            Line { about, level, text: String::new(), count: 0, told: 0, told_at: now }
        };
        line.count += 1;
        let is_round = line.count >= 10 && is_power_of_ten(line.count);
        let is_told =
            line.count <= IN_FULL || is_round || now.saturating_sub(line.told_at) >= QUIET;
        if is_told {
            (line.told, line.told_at) = (line.count, now);
        }
        let verdict = match is_told {
            true if line.count <= IN_FULL => Verdict::Write,
            true => Verdict::WriteCount(line.count),
            false => Verdict::Fold,
        };
        text.clone_into(&mut line.text);
        self.lines.push(line);
        verdict
    }

    /// The lines whose last repeats were folded, with their counts.
    pub(super) fn take_untold(&mut self, now: Nanos) -> Vec<(Level, String, u64)> {
        let untold = self.lines.iter_mut().filter(|line| line.count > line.told);
        let take = |line: &mut Line| {
            (line.told, line.told_at) = (line.count, now);
            (line.level, line.text.clone(), line.count)
        };
        untold.map(take).collect()
    }
}

fn is_power_of_ten(mut count: u64) -> bool {
    while count % 10 == 0 && count > 0 {
        count /= 10;
    }
    count == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(folds: &mut Folds, about: u64, now: Nanos) -> Verdict {
        folds.note(about, now, Level::Error, "text")
    }

    #[test]
    fn the_first_are_written_then_the_round_ones() {
        let mut folds = Folds::new();
        let written: Vec<_> = (1..=1000)
            .map(|number| (number, note(&mut folds, 1, 0)))
            .filter(|&(_, verdict)| verdict != Verdict::Fold)
            .collect();
        let full = [1, 2, 3].map(|number| (number, Verdict::Write));
        let counted = [10, 100, 1000].map(|number| (number, Verdict::WriteCount(number)));
        assert_eq!(written, [full, counted].concat());
        assert!(folds.take_untold(0).is_empty());
        assert_eq!(note(&mut folds, 1, 0), Verdict::Fold);
        assert_eq!(folds.take_untold(0), [(Level::Error, "text".to_owned(), 1001)]);
        assert!(folds.take_untold(0).is_empty());
    }

    #[test]
    fn after_a_quiet_time_the_next_is_written_with_its_number() {
        let mut folds = Folds::new();
        for _ in 0..5 {
            note(&mut folds, 1, 0);
        }
        assert_eq!(note(&mut folds, 1, QUIET - 1), Verdict::Fold);
        assert_eq!(note(&mut folds, 1, QUIET), Verdict::WriteCount(7));
        assert_eq!(note(&mut folds, 1, QUIET), Verdict::Fold);
    }

    #[test]
    fn different_lines_are_counted_apart_and_only_so_many() {
        let mut folds = Folds::new();
        for about in 0..10 * LINES_MAX as u64 {
            assert_eq!(note(&mut folds, about, 0), Verdict::Write);
        }
        assert_eq!(folds.lines.len(), LINES_MAX);
    }
}
