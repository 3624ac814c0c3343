//! Random puts, gets, polls, cancels and closes of queues and channels, against plain models.
//!
//! At each step the same futures are ready, with the same items, and the same waiters have been
//! woken. Every item that is sent is received once, or comes back.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::mem;
use std::pin::Pin;
use std::rc::Rc;

use oneloop::sync::channel::SendError;
use oneloop::sync::queue::{BaseQueue, Order as QueueOrder, PutError};
use oneloop::sync::{LifoQueue, PriorityQueue, Queue, Receiver, Sender, channel};

use super::super::tasks::Dice;
use super::harness::{TwoWakers, schedules};
use super::queue_models::{BufferModel, Model, Order, RendezvousModel};

type Put<'a> = Pin<Box<dyn Future<Output = Result<(), Item>> + 'a>>;
type Get<'a> = Pin<Box<dyn Future<Output = Option<Item>> + 'a>>;

/// A number, and a share in a count of the existing items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Item(u64, Rc<()>);

/// The operations of a storm on a queue or a channel.
trait Subject {
    fn put(&self, item: Item) -> Put<'_>;
    fn get(&self) -> Get<'_>;
    fn try_put(&self, item: Item) -> Result<(), (Item, bool)>;
    fn try_get(&self) -> Result<Item, bool>;
    fn close(&self);
    fn len(&self) -> usize;

    fn close_now(&self) -> Option<Vec<Item>> {
        None
    }

    fn waiting(&self) -> Option<(usize, usize)> {
        None
    }
}

impl<O: QueueOrder<Item>> Subject for BaseQueue<Item, O> {
    fn put(&self, item: Item) -> Put<'_> {
        Box::pin(async { self.put(item).await.map_err(PutError::into_inner) })
    }

    fn get(&self) -> Get<'_> {
        Box::pin(self.get())
    }

    fn try_put(&self, item: Item) -> Result<(), (Item, bool)> {
        self.try_put(item).map_err(|error| {
            assert_ne!(error.is_full(), error.is_closed());
            let is_full = error.is_full();
            (error.into_inner(), is_full)
        })
    }

    fn try_get(&self) -> Result<Item, bool> {
        self.try_get().map_err(|error| error.is_empty())
    }

    fn close(&self) {
        self.close();
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn close_now(&self) -> Option<Vec<Item>> {
        Some(self.close_now())
    }
}

/// Both ends.
type Ends = (Sender<Item>, Receiver<Item>);

impl Subject for Ends {
    fn put(&self, item: Item) -> Put<'_> {
        Box::pin(async { self.0.send(item).await.map_err(SendError::into_inner) })
    }

    fn get(&self) -> Get<'_> {
        Box::pin(self.1.recv())
    }

    fn try_put(&self, item: Item) -> Result<(), (Item, bool)> {
        self.0.try_send(item).map_err(|error| {
            let is_full = error.is_full();
            (error.into_inner(), is_full)
        })
    }

    fn try_get(&self) -> Result<Item, bool> {
        self.1.try_recv().map_err(|error| error.is_empty())
    }

    fn close(&self) {
        self.1.close();
    }

    fn len(&self) -> usize {
        self.1.len()
    }

    fn waiting(&self) -> Option<(usize, usize)> {
        let statistics = self.0.statistics();
        Some((statistics.waiting_senders, statistics.waiting_receivers))
    }
}

const ACTORS: usize = 6;

enum Actor<'a> {
    Idle,
    Putting { future: Put<'a>, number: u64, was_polled: bool },
    Getting { future: Get<'a>, was_polled: bool },
}

struct Storm<'a, S, M> {
    subject: &'a S,
    model: M,
    actors: Vec<(Actor<'a>, TwoWakers)>,
    /// Shared by all existing items.
    living: Rc<()>,
    next: u64,
    is_ordered: bool,
}

impl<'a, S: Subject, M: Model> Storm<'a, S, M> {
    fn new(subject: &'a S, model: M, is_ordered: bool) -> Self {
        let actors = (0..ACTORS).map(|_| (Actor::Idle, TwoWakers::new())).collect();
        Self { subject, model, actors, living: Rc::new(()), next: 0, is_ordered }
    }

    fn run(mut self, dice: &mut Dice) {
        for _ in 0..40 {
            let actor = usize::try_from(dice.roll(ACTORS as u64)).unwrap();
            self.step(dice, actor);
            match dice.roll(400) {
                0 => {
                    self.subject.close();
                    self.model.close();
                }
                1 => self.close_now(),
                _ => {}
            }
            self.check();
        }
        for actor in 0..ACTORS {
            self.end(actor);
            self.check();
        }
        while let Ok(item) = self.subject.try_get() {
            assert_eq!(Ok(item.0), self.model.try_get());
        }
        assert_eq!(self.model.len(), 0);
        assert_eq!(Rc::strong_count(&self.living), 1, "an item is left");
    }

    fn item(&mut self, dice: &mut Dice) -> Item {
        self.next += 1;
        Item(dice.roll(1000) << 32 | self.next, Rc::clone(&self.living))
    }

    fn close_now(&mut self) {
        let Some(items) = self.subject.close_now() else { return };
        let mut items: Vec<_> = items.iter().map(|item| item.0).collect();
        let mut expected = self.model.close_now();
        if !self.is_ordered {
            items.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(items, expected);
    }

    fn step(&mut self, dice: &mut Dice, number: usize) {
        let is_ended = dice.roll(5) == 0;
        match &mut self.actors[number] {
            (Actor::Idle, _) => self.start(dice, number),
            (Actor::Putting { future, number: item, was_polled }, wakers) if !is_ended => {
                let expected = self.model.put(number, *item, !*was_polled);
                *was_polled = true;
                let poll = wakers.poll(dice, future.as_mut());
                assert_eq!(poll.map_err(|item| item.0), expected);
                if expected.is_ready() {
                    self.actors[number].0 = Actor::Idle;
                }
            }
            (Actor::Getting { future, was_polled }, wakers) if !is_ended => {
                let expected = self.model.get(number, !*was_polled);
                *was_polled = true;
                let poll = wakers.poll(dice, future.as_mut());
                assert_eq!(poll.map(|item| item.map(|item| item.0)), expected);
                if expected.is_ready() {
                    self.actors[number].0 = Actor::Idle;
                }
            }
            (Actor::Putting { .. } | Actor::Getting { .. }, _) => self.end(number),
        }
    }

    fn start(&mut self, dice: &mut Dice, number: usize) {
        let subject = self.subject;
        match dice.roll(8) {
            0 => {
                let item = self.item(dice);
                let number = item.0;
                let result = subject.try_put(item).map_err(|(item, is_full)| {
                    assert_eq!(item.0, number);
                    is_full
                });
                assert_eq!(result, self.model.try_put(number));
            }
            1 => assert_eq!(subject.try_get().map(|item| item.0), self.model.try_get()),
            2..5 => {
                let item = self.item(dice);
                let (item_number, future) = (item.0, subject.put(item));
                self.actors[number].0 =
                    Actor::Putting { future, number: item_number, was_polled: false };
            }
            _ => {
                self.actors[number].0 = Actor::Getting { future: subject.get(), was_polled: false }
            }
        }
    }

    /// Drops the actor's future, in any state.
    fn end(&mut self, number: usize) {
        let actor = mem::replace(&mut self.actors[number].0, Actor::Idle);
        let was_polled = match actor {
            Actor::Idle => false,
            Actor::Putting { was_polled, .. } | Actor::Getting { was_polled, .. } => was_polled,
        };
        drop(actor);
        if was_polled {
            self.model.leave(number);
        }
    }

    fn check(&self) {
        assert_eq!(self.subject.len(), self.model.len());
        if let Some(waiting) = self.subject.waiting() {
            assert_eq!(waiting, self.model.waiting());
        }
        for (number, (actor, wakers)) in self.actors.iter().enumerate() {
            let (Actor::Putting { was_polled, .. } | Actor::Getting { was_polled, .. }) = actor
            else {
                continue;
            };
            if *was_polled {
                wakers.check(self.model.is_woken(number));
            }
        }
    }
}

fn capacity(dice: &mut Dice) -> usize {
    [1, 2, 3, usize::MAX][usize::try_from(dice.roll(4)).unwrap()]
}

fn storms<S: Subject>(order: Order, make: impl Fn(usize) -> S) {
    schedules(10_000, |dice| {
        let capacity = capacity(dice);
        let model = BufferModel::new(order, capacity);
        Storm::new(&make(capacity), model, order != Order::Smallest).run(dice);
    });
}

#[test]
fn storms_of_a_queue_lose_nothing_and_keep_the_order() {
    storms(Order::Fifo, Queue::new);
}

#[test]
fn storms_of_a_lifo_queue_lose_nothing_and_keep_the_order() {
    storms(Order::Lifo, LifoQueue::new);
}

#[test]
fn storms_of_a_priority_queue_lose_nothing_and_keep_the_order() {
    storms(Order::Smallest, PriorityQueue::new);
}

#[test]
fn storms_of_a_channel_lose_nothing_and_keep_the_order() {
    storms(Order::Fifo, channel);
}

#[test]
fn storms_of_a_rendezvous_lose_nothing_and_keep_the_order() {
    schedules(10_000, |dice| {
        Storm::new(&channel(0), RendezvousModel::default(), true).run(dice);
    });
}
