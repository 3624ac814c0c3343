//! Values by number, in ascending order, where later values mostly have greater numbers.
//!
//! Tickets of waiters are such numbers. A `BTreeMap` would do, but the compiler translates 7,000
//! lines of LLVM IR for each type of value that one is used with: six of them were an eighth of the
//! kernel's code. This takes 500, and appending is cheaper than inserting into a tree.

use std::collections::VecDeque;

use super::room::trim_queue;

/// A removed entry leaves a gap, so removing moves nothing. There is no gap at either end, and once
/// more than half of the entries are gaps, they are removed together. Inserting a number amid
/// others moves the entries on the shorter side, unless the number's gap is still there.
#[derive(Debug)]
pub(crate) struct ByNumber<T> {
    entries: VecDeque<(u64, Option<T>)>,
    gaps: usize,
}

impl<T> ByNumber<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), gaps: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.gaps
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.entries[self.find(number).ok()?].1.as_ref()
    }

    /// The value of `number`, which is `value` if there was none.
    pub(crate) fn get_or_insert(&mut self, number: u64, value: T) -> &mut T {
        let place = self.place(number);
        place.get_or_insert(value)
    }

    /// Returns the former value.
    pub(crate) fn insert(&mut self, number: u64, value: T) -> Option<T> {
        self.place(number).replace(value)
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let index = self.find(number).ok()?;
        let value = self.entries[index].1.take()?;
        self.gaps += 1;
        self.remove_gaps();
        Some(value)
    }

    /// Removes the value with the least number.
    pub(crate) fn pop_first(&mut self) -> Option<(u64, T)> {
        let (number, value) = self.entries.pop_front()?;
        self.remove_gaps();
        value.map(|value| (number, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut T)> {
        self.entries.iter_mut().filter_map(|(number, value)| Some((*number, value.as_mut()?)))
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().filter(|(_, value)| value.is_some()).map(|(number, _)| *number)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().filter_map(|(_, value)| value)
    }

    /// The place of `number`'s value. The caller fills it.
    fn place(&mut self, number: u64) -> &mut Option<T> {
        let index = match self.entries.back() {
            Some(&(last, _)) if number <= last => self.find(number),
            _ => Err(self.entries.len()),
        };
        match index {
            Ok(index) => {
                let (_, value) = &mut self.entries[index];
                self.gaps -= usize::from(value.is_none());
                value
            }
            Err(index) => {
                self.entries.insert(index, (number, None));
                &mut self.entries[index].1
            }
        }
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&number, |&(number, _)| number)
    }

    fn remove_gaps(&mut self) {
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
            self.gaps -= 1;
        }
        while let Some((_, None)) = self.entries.back() {
            self.entries.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.entries.len() / 2 {
            self.entries.retain(|(_, value)| value.is_some());
            self.gaps = 0;
        }
        trim_queue(&mut self.entries);
    }
}

impl<T> Default for ByNumber<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Most numbers come in order, some come again after their removal.
    fn compare_with_a_tree(seed: u64) {
        let mut random = seed;
        let mut below = |limit: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % limit
        };
        let mut ours = ByNumber::new();
        let mut tree = BTreeMap::new();
        let mut last = 1;
        for step in 0..4000 {
            // It grows for a while, then shrinks.
            let grows = step / 500 % 2 == 0;
            let some = u64::try_from(below(usize::try_from(last).unwrap() + 1)).unwrap();
            match below(10) {
                0 => assert_eq!(ours.insert(some, step), tree.insert(some, step)),
                1 => assert_eq!(ours.get(some), tree.get(&some)),
                2 => assert_eq!(ours.get_or_insert(some, step), tree.entry(some).or_insert(step)),
                3 if !grows => assert_eq!(ours.pop_first(), tree.pop_first()),
                4..8 if grows => {
                    last += 1;
                    assert_eq!(ours.insert(last, step), tree.insert(last, step));
                }
                _ => assert_eq!(ours.remove(some), tree.remove(&some)),
            }
            assert_eq!((ours.len(), ours.is_empty()), (tree.len(), tree.is_empty()));
            assert!(ours.numbers().eq(tree.keys().copied()), "step {step} of seed {seed}");
            assert!(ours.gaps <= ours.entries.len() / 2);
        }
        assert!(ours.iter_mut().map(|(_, value)| *value).eq(tree.values().copied()));
        assert!(ours.into_values().eq(tree.into_values()));
    }

    #[test]
    fn values_by_number_agree_with_a_tree() {
        (1..20).for_each(compare_with_a_tree);
    }

    #[test]
    fn gaps_take_no_more_room_than_values() {
        let mut ours = ByNumber::new();
        ours.insert(0, ());
        for number in 1..100_000 {
            ours.insert(number, ());
            // One in a thousand stays.
            if number % 1000 != 0 {
                ours.remove(number);
            }
        }
        assert_eq!(ours.len(), 100);
        assert!(ours.entries.len() <= 200, "{}", ours.entries.len());
        for number in (0..100_000).rev() {
            ours.remove(number);
        }
        assert!(ours.is_empty() && ours.gaps == 0);
    }
}
