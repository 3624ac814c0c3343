//! Random trees of tokens with deadlines that move, cancels and drops, against a model that checks
//! everything each time.

use std::iter::successors;
use std::ops::Range;
use std::time::{Duration, Instant};

use oneloop::time::now;
use oneloop::{CancelToken, Task, create_task, sleep};

use crate::tasks::{Dice, virtual_runtime};

/// Three tests, so that each is short.
const SCHEDULES: u64 = 10_000;
const STEPS: usize = 12;
const MILLI: Duration = Duration::from_millis(1);

/// The model's record of a token.
struct Known {
    /// `None` once it was dropped.
    token: Option<CancelToken>,
    parent: Option<usize>,
    deadline: Option<Instant>,
    cancelled_at: Option<Instant>,
    waiting: Option<Task<Instant>>,
}

struct Model {
    tokens: Vec<Known>,
}

impl Model {
    fn add(&mut self, token: CancelToken, parent: Option<usize>) {
        let cancelled_at = parent.and_then(|parent| self.tokens[parent].cancelled_at);
        let known =
            Known { token: Some(token), parent, deadline: None, cancelled_at, waiting: None };
        self.tokens.push(known);
    }

    fn chain(&self, index: usize) -> impl Iterator<Item = &Known> {
        successors(Some(index), |&index| self.tokens[index].parent).map(|index| &self.tokens[index])
    }

    fn deadline(&self, index: usize) -> Option<Instant> {
        self.chain(index).filter_map(|known| known.deadline).min()
    }

    fn is_cancelled(&self, index: usize) -> bool {
        self.tokens[index].cancelled_at.is_some()
    }

    /// Cancels a token and its descendants at `time`.
    fn cancel(&mut self, index: usize, time: Instant) {
        let cancelled: Vec<usize> = (0..self.tokens.len())
            .filter(|&other| {
                let mut chain = successors(Some(other), |&at| self.tokens[at].parent);
                chain.any(|at| at == index)
            })
            .collect();
        for index in cancelled {
            self.tokens[index].cancelled_at.get_or_insert(time);
        }
    }

    /// Time has passed until now.
    fn expire(&mut self) {
        for index in 0..self.tokens.len() {
            let due = self.deadline(index).filter(|&due| due <= now());
            if let (Some(due), false) = (due, self.is_cancelled(index)) {
                self.tokens[index].cancelled_at = Some(due);
            }
        }
    }

    fn check(&self) {
        for (index, known) in self.tokens.iter().enumerate() {
            let Some(token) = &known.token else { continue };
            if !self.is_cancelled(index) {
                assert_eq!(token.deadline(), self.deadline(index));
            }
            assert_eq!(token.is_cancelled(), self.is_cancelled(index));
        }
    }

    async fn step(&mut self, dice: &mut Dice) {
        let index = usize::try_from(dice.roll(self.tokens.len() as u64)).expect("it fits");
        let Some(token) = self.tokens[index].token.clone() else { return };
        match dice.roll(12) {
            0..=2 => self.add(token.child(), Some(index)),
            3 => {
                token.cancel();
                self.cancel(index, now());
            }
            4..=6 => {
                let offset = u32::try_from(dice.roll(40)).expect("it fits");
                let deadline = (offset < 35).then(|| now() + offset * MILLI);
                token.set_deadline(deadline);
                if !self.is_cancelled(index) {
                    self.tokens[index].deadline = deadline;
                    self.expire();
                }
            }
            7 => self.tokens[index].token = None,
            8 | 9 => {
                let wait = async move {
                    token.cancelled().await;
                    now()
                };
                self.tokens[index].waiting = Some(create_task(wait));
            }
            _ => {
                sleep(Duration::from_millis(dice.roll(20))).await;
                self.expire();
            }
        }
    }
}

async fn schedule(seed: u64) {
    let mut dice = Dice(seed);
    let mut model = Model { tokens: Vec::new() };
    let root = CancelToken::new();
    model.add(root.clone(), None);
    let mut waiting = Vec::new();
    for _ in 0..STEPS {
        model.step(&mut dice).await;
        // Looking cancels tokens that are due, so sometimes the test does not look.
        if dice.roll(3) == 0 {
            model.check();
        }
        for index in 0..model.tokens.len() {
            let since = now();
            waiting.extend(model.tokens[index].waiting.take().map(|task| (index, since, task)));
        }
    }
    model.check();
    root.cancel();
    model.cancel(0, now());
    for (index, since, task) in waiting {
        let cancelled_at = model.tokens[index].cancelled_at.expect("all are");
        assert_eq!(
            task.await.expect("nobody cancels it"),
            cancelled_at.max(since),
            "schedule {seed}"
        );
    }
}

fn storm(seeds: Range<u64>) {
    virtual_runtime().run(async {
        for seed in seeds {
            schedule(seed).await;
        }
    });
}

#[test]
fn a_storm_of_tokens_agrees_with_the_model() {
    storm(0..SCHEDULES / 3);
}

#[test]
fn a_second_storm_of_tokens_agrees_with_the_model() {
    storm(SCHEDULES / 3..SCHEDULES * 2 / 3);
}

#[test]
fn a_third_storm_of_tokens_agrees_with_the_model() {
    storm(SCHEDULES * 2 / 3..SCHEDULES);
}
