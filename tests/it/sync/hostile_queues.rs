//! Wakers and items that come back into the queue or channel that holds them when they are cloned,
//! woken, compared or dropped.
//!
//! Nothing may be borrowed then, and nothing may be lost: at the end no item exists.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use oneloop::sync::queue::{BaseQueue, Order};
use oneloop::sync::{
    LifoQueue, PriorityQueue, Queue, Sender, broadcast, channel, oneshot, promise, watch,
};

use super::super::tasks::Dice;
use super::harness::{at_once, by_hand, schedules};
use super::hostile::{Waiter, torment};

const SCHEDULES: u64 = 300;

// Wakers.

/// The things that meddlers share with the futures they meddle with.
struct World<T> {
    subject: T,
    living: Rc<()>,
    number: Cell<u32>,
    received: RefCell<Vec<Item>>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Item(u32, Rc<()>);

impl<T> World<T> {
    fn new(subject: T) -> Rc<Self> {
        let (living, number) = (Rc::new(()), Cell::new(0));
        Rc::new(Self { subject, living, number, received: RefCell::default() })
    }

    fn item(&self) -> Item {
        self.number.set(self.number.get() + 1);
        Item(self.number.get(), Rc::clone(&self.living))
    }

    /// Whether it is the second one's turn.
    fn is_odd(&self) -> bool {
        self.number.get() % 2 == 1
    }

    fn keep(&self, item: Option<Item>) {
        self.received.borrow_mut().extend(item);
    }

    /// No two receivers got the same item.
    fn check_received(&self) {
        let mut numbers: Vec<_> = self.received.borrow().iter().map(|item| item.0).collect();
        let len = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), len, "an item came twice");
    }
}

fn torment_queue<O: Order<Item> + 'static>(dice: &mut Dice, queue: BaseQueue<Item, O>) {
    let closes = dice.roll(4) == 0;
    let world = World::new(queue);
    let waited = Rc::clone(&world);
    let wait = move || -> Waiter {
        let (world, item) = (Rc::clone(&waited), waited.item());
        if world.is_odd() {
            return Box::pin(async move { world.keep(world.subject.get().await) });
        }
        Box::pin(async move { drop(world.subject.put(item).await) })
    };
    let meddled = Rc::clone(&world);
    torment(dice, wait, move |what| match what {
        0 | 1 => drop(meddled.subject.try_put(meddled.item())),
        2 | 3 => {
            let item = meddled.subject.try_get().ok();
            meddled.keep(item);
        }
        4 if closes => meddled.subject.close(),
        5 if closes => drop(meddled.subject.close_now()),
        _ => {}
    });
    world.check_received();
    drop(world.subject.close_now());
    world.received.take();
    assert_eq!(Rc::strong_count(&world.living), 1, "an item is left");
    assert!(world.subject.is_empty());
}

#[test]
fn hostile_wakers_do_a_queue_no_harm() {
    schedules(SCHEDULES, |dice| torment_queue(dice, Queue::new(2)));
    schedules(SCHEDULES, |dice| torment_queue(dice, LifoQueue::new(1)));
    schedules(SCHEDULES, |dice| torment_queue(dice, PriorityQueue::unbounded()));
}

#[test]
fn hostile_wakers_do_a_channel_no_harm() {
    schedules(2 * SCHEDULES, |dice| {
        let capacity = usize::try_from(dice.roll(3)).unwrap();
        let closes = dice.roll(4) == 0;
        let world = World::new(channel(capacity));
        let waited = Rc::clone(&world);
        let wait = move || -> Waiter {
            let (world, item) = (Rc::clone(&waited), waited.item());
            if world.is_odd() {
                return Box::pin(async move { world.keep(world.subject.1.recv().await) });
            }
            Box::pin(async move { drop(world.subject.0.send(item).await) })
        };
        let meddled = Rc::clone(&world);
        torment(dice, wait, move |what| match what {
            0 | 1 => drop(meddled.subject.0.try_send(meddled.item())),
            2 | 3 => {
                let item = meddled.subject.1.try_recv().ok();
                meddled.keep(item);
            }
            4 if closes => meddled.subject.0.close(),
            _ => drop((meddled.subject.0.clone(), meddled.subject.1.clone())),
        });
        world.check_received();
        while world.subject.1.try_recv().is_ok() {}
        world.received.take();
        assert_eq!(Rc::strong_count(&world.living), 1, "an item is left");
    });
}

#[test]
fn hostile_wakers_do_a_broadcast_and_a_watch_no_harm() {
    schedules(SCHEDULES, |dice| {
        let world = World::new((broadcast::channel(2).0, watch::channel(0).0));
        let waited = Rc::clone(&world);
        let wait = move || -> Waiter {
            let world = Rc::clone(&waited);
            world.number.set(world.number.get() + 1);
            let (mut news, mut latest) = (world.subject.0.subscribe(), world.subject.1.subscribe());
            if world.is_odd() {
                return Box::pin(async move { while news.recv().await.is_ok() {} });
            }
            Box::pin(async move {
                latest.changed().await.ok();
            })
        };
        let meddled = Rc::clone(&world);
        torment(dice, wait, move |what| match what {
            0..3 => drop(meddled.subject.0.send(meddled.item())),
            _ => meddled.subject.1.send(what),
        });
        assert_eq!((world.subject.0.receiver_count(), world.subject.1.receiver_count()), (0, 0));
        assert_eq!(Rc::strong_count(&world.living), 1, "an item is left");
    });
}

#[test]
fn hostile_wakers_do_a_oneshot_and_a_promise_no_harm() {
    schedules(SCHEDULES, |dice| {
        let (resolver, promised) = promise();
        let world = World::new((RefCell::new(Vec::new()), RefCell::new(Some(resolver)), promised));
        let waited = Rc::clone(&world);
        let wait = move || -> Waiter {
            let world = Rc::clone(&waited);
            world.number.set(world.number.get() + 1);
            if world.is_odd() {
                return Box::pin(async move { drop(world.subject.2.wait().await.cloned()) });
            }
            let (sender, receiver) = oneshot::channel();
            world.subject.0.borrow_mut().push(sender);
            Box::pin(async move { world.keep(receiver.await.ok()) })
        };
        let meddled = Rc::clone(&world);
        torment(dice, wait, move |what| {
            let sender = meddled.subject.0.borrow_mut().pop();
            match (what, sender) {
                (0..4, Some(sender)) => drop(sender.send(meddled.item())),
                (4, sender) => {
                    drop(sender);
                    let resolver = meddled.subject.1.borrow_mut().take();
                    drop(resolver.map(|resolver| resolver.set_result(meddled.item())));
                }
                (_, sender) => drop(sender),
            }
        });
        world.received.take();
        let left = usize::from(world.subject.2.result().is_some());
        assert_eq!(Rc::strong_count(&world.living), 1 + left);
    });
}

// Drops.

/// Uses its channel when it is dropped.
struct Loud {
    channel: Option<(Sender<Self>, Rc<Cell<u32>>)>,
}

impl Drop for Loud {
    fn drop(&mut self) {
        let Some((sender, drops)) = self.channel.take() else { return };
        drops.set(drops.get() + 1);
        assert!(sender.is_closed());
        drop(sender.try_send(Self { channel: None }));
        drop(by_hand(sender.send(Self { channel: None })).poll());
    }
}

#[test]
fn an_item_may_use_its_channel_while_it_is_dropped() {
    for capacity in [0, 3] {
        let (sender, receiver) = channel(capacity);
        let drops = Rc::new(Cell::new(0));
        let loud = || Loud { channel: Some((sender.clone(), Rc::clone(&drops))) };
        let mut waiting = Vec::new();
        for _ in 0..5 {
            let mut send = by_hand(sender.send(loud()));
            drop(send.poll());
            waiting.push(send);
        }
        drop(receiver);
        assert_eq!((sender.len(), drops.get()), (0, u32::try_from(capacity).unwrap()));
        drop(waiting);
        assert_eq!(drops.get(), 5);
    }
}

/// Sends once more when it is cloned or dropped.
struct Echo {
    number: u32,
    sender: Weak<broadcast::Sender<Self>>,
    drops: Rc<Cell<u32>>,
}

impl Echo {
    fn with(&self, number: u32) -> Self {
        Self { number, sender: self.sender.clone(), drops: Rc::clone(&self.drops) }
    }

    fn echo(&self) {
        let Some(number) = self.number.checked_sub(1) else { return };
        if let Some(sender) = self.sender.upgrade() {
            drop(sender.send(self.with(number)));
            drop(sender.subscribe());
        }
    }
}

impl Clone for Echo {
    fn clone(&self) -> Self {
        self.echo();
        self.with(0)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        self.echo();
    }
}

#[test]
fn an_item_of_a_broadcast_may_send_while_it_is_cloned_and_dropped() {
    let (sender, mut first) = broadcast::channel(1);
    let (sender, mut second) = (Rc::new(sender), first.resubscribe());
    let drops = Rc::new(Cell::new(0));
    let echo = Echo { number: 4, sender: Rc::downgrade(&sender), drops: Rc::clone(&drops) };
    assert!(sender.send(echo).is_ok());
    assert!(at_once(first.recv()).is_ok());
    while !second.try_recv().is_err_and(|error| error.is_empty()) {}
    drop((first, second));
    assert!(sender.is_empty());
    assert!(drops.get() > 4);
}

/// Sends the next item when it is dropped.
struct Last {
    sender: Weak<watch::Sender<Option<Self>>>,
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.upgrade() {
            sender.send(None);
            drop(sender.borrow());
        }
    }
}

#[test]
fn a_value_may_send_the_next_while_it_is_dropped() {
    let (sender, mut receiver) = watch::channel(None);
    let sender = Rc::new(sender);
    sender.send(Some(Last { sender: Rc::downgrade(&sender) }));
    assert!(receiver.borrow_and_update().is_some());
    sender.send(Some(Last { sender: Weak::new() }));
    assert!(receiver.borrow_and_update().is_none(), "the first one had the last word");
}

// Comparisons.

/// The action of a comparison, and how often it may act.
type Mischief = Rc<RefCell<Option<Box<dyn FnMut()>>>>;

struct Hostile {
    number: u32,
    mischief: Mischief,
    _living: Rc<()>,
}

impl PartialEq for Hostile {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Hostile {}

impl PartialOrd for Hostile {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hostile {
    fn cmp(&self, other: &Self) -> Ordering {
        let mischief = self.mischief.borrow_mut().take();
        if let Some(mut mischief) = mischief {
            mischief();
        }
        self.number.cmp(&other.number)
    }
}

struct Heap {
    queue: Rc<PriorityQueue<Hostile>>,
    mischief: Mischief,
    living: Rc<()>,
}

impl Heap {
    fn new() -> Self {
        let queue = Rc::new(PriorityQueue::unbounded());
        Self { queue, mischief: Rc::default(), living: Rc::new(()) }
    }

    fn item(&self, number: u32) -> Hostile {
        let mischief = Rc::clone(&self.mischief);
        Hostile { number, mischief, _living: Rc::clone(&self.living) }
    }

    fn put(&self, number: u32) {
        self.queue.try_put(self.item(number)).unwrap();
    }

    fn put_all(&self, numbers: &[u32]) {
        for &number in numbers {
            self.put(number);
        }
    }

    /// The action of the next comparison.
    fn prepare(&self, mischief: impl FnMut() + 'static) {
        *self.mischief.borrow_mut() = Some(Box::new(mischief));
    }

    fn drain(&self) -> Vec<u32> {
        iter::from_fn(|| self.queue.try_get().ok().map(|item| item.number)).collect()
    }

    fn items(&self) -> usize {
        Rc::strong_count(&self.living) - 1
    }
}

#[test]
fn a_comparison_may_put_and_what_it_puts_comes_in() {
    for is_pop in [false, true] {
        let heap = Heap::new();
        heap.put_all(&[5, 3, 4]);
        let (queue, mut item) = (Rc::clone(&heap.queue), Some(heap.item(1)));
        heap.prepare(move || drop(queue.try_put(item.take().unwrap())));
        if is_pop {
            assert_eq!(heap.queue.try_get().unwrap().number, 3);
            assert_eq!(heap.queue.len(), 3);
            assert_eq!(heap.drain(), [1, 4, 5]);
        } else {
            heap.put(2);
            assert_eq!(heap.queue.len(), 5);
            assert_eq!(heap.drain(), [1, 2, 3, 4, 5]);
        }
    }
}

#[test]
fn a_comparison_that_wants_an_item_finds_none_and_a_getter_in_it_waits() {
    let heap = Heap::new();
    heap.put_all(&[5, 3]);
    let waiting = Rc::new(RefCell::new(None));
    let (queue, getter) = (Rc::clone(&heap.queue), Rc::clone(&waiting));
    heap.prepare(move || {
        assert!(queue.try_get().is_err_and(|error| error.is_empty()));
        let queue = Rc::clone(&queue);
        let mut get = by_hand(async move { queue.get().await.map(|item| item.number) });
        get.pending();
        *getter.borrow_mut() = Some(get);
    });
    heap.put(4);
    let mut get = waiting.take().unwrap();
    assert_eq!(get.wakes(), 1);
    assert_eq!(get.ready(), Some(3));
    assert_eq!(heap.drain(), [4, 5]);
}

#[test]
fn a_comparison_that_panics_loses_no_item() {
    for is_pop in [false, true] {
        let heap = Heap::new();
        heap.put_all(&[5, 3, 4]);
        heap.prepare(|| panic!("no comparison"));
        let act = || if is_pop { drop(heap.queue.try_get()) } else { heap.put(2) };
        assert!(catch_unwind(AssertUnwindSafe(act)).is_err());
        let len = if is_pop { 3 } else { 4 };
        assert_eq!((heap.queue.len(), heap.items()), (len, len));
        assert_eq!(heap.drain().len(), len);
        heap.put(1);
        assert_eq!(heap.drain(), [1]);
    }
}

#[test]
fn a_comparison_may_close_the_queue() {
    let heap = Heap::new();
    heap.put_all(&[5, 3]);
    let queue = Rc::clone(&heap.queue);
    heap.prepare(move || queue.close());
    heap.put(4);
    assert!(heap.queue.is_closed());
    assert_eq!(heap.drain(), [3, 4, 5]);
    assert!(heap.queue.try_get().is_err_and(|error| error.is_closed()));
}
