//! The behaviour of a queue and a rendezvous, in plain form: lists with the items they hold, which
//! are searched.

use std::collections::VecDeque;
use std::mem;
use std::task::Poll;

/// Which item is next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Fifo,
    Lifo,
    Smallest,
}

/// An actor puts or gets, never both. `is_first` marks its first poll.
pub(crate) trait Model {
    fn put(&mut self, actor: usize, item: u64, is_first: bool) -> Poll<Result<(), u64>>;
    fn get(&mut self, actor: usize, is_first: bool) -> Poll<Option<u64>>;
    /// The actor's future is dropped.
    fn leave(&mut self, actor: usize);
    /// The error: whether it is full, and not closed.
    fn try_put(&mut self, item: u64) -> Result<(), bool>;
    /// The error: whether it is empty, and not closed.
    fn try_get(&mut self) -> Result<u64, bool>;
    fn close(&mut self);
    fn close_now(&mut self) -> Vec<u64>;
    /// Whether the actor should have been woken since its last poll.
    fn is_woken(&self, actor: usize) -> bool;
    fn len(&self) -> usize;
    /// The numbers of waiting putters and getters.
    fn waiting(&self) -> (usize, usize);
}

pub(crate) struct BufferModel {
    pub(crate) order: Order,
    pub(crate) capacity: usize,
    items: Vec<u64>,
    is_closed: bool,
    putters: VecDeque<usize>,
    getters: VecDeque<usize>,
    /// The actors that were promised room, and an item.
    room_for: Vec<usize>,
    item_for: Vec<usize>,
    /// The actors that were woken because no item or room will come.
    told: Vec<usize>,
}

/// Removes the actor from a list. Returns whether it was there.
fn remove(list: &mut Vec<usize>, actor: usize) -> bool {
    let at = list.iter().position(|&other| other == actor);
    at.map(|at| list.remove(at)).is_some()
}

impl BufferModel {
    pub(crate) fn new(order: Order, capacity: usize) -> Self {
        Self {
            order,
            capacity,
            items: Vec::new(),
            is_closed: false,
            putters: VecDeque::new(),
            getters: VecDeque::new(),
            room_for: Vec::new(),
            item_for: Vec::new(),
            told: Vec::new(),
        }
    }

    fn settle(&mut self) {
        while self.items.len() > self.item_for.len() && !self.getters.is_empty() {
            self.item_for.extend(self.getters.pop_front());
        }
        if self.is_closed {
            self.told.extend(self.putters.drain(..));
            if self.items.is_empty() {
                self.told.extend(self.getters.drain(..));
            }
            return;
        }
        while self.items.len() + self.room_for.len() < self.capacity && !self.putters.is_empty() {
            self.room_for.extend(self.putters.pop_front());
        }
    }

    fn push(&mut self, item: u64) {
        self.items.push(item);
        self.settle();
    }

    fn pop(&mut self) -> u64 {
        let at = match self.order {
            Order::Fifo => 0,
            Order::Lifo => self.items.len() - 1,
            Order::Smallest => {
                (0..self.items.len()).min_by_key(|&at| self.items[at]).expect("there is one")
            }
        };
        let item = self.items.remove(at);
        self.settle();
        item
    }
}

impl Model for BufferModel {
    fn put(&mut self, actor: usize, item: u64, is_first: bool) -> Poll<Result<(), u64>> {
        if is_first {
            match self.try_put(item) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(false) => return Poll::Ready(Err(item)),
                Err(true) => self.putters.push_back(actor),
            }
            return Poll::Pending;
        }
        let is_told = remove(&mut self.told, actor);
        let has_room = remove(&mut self.room_for, actor);
        if self.is_closed {
            assert!(is_told || has_room);
            return Poll::Ready(Err(item));
        }
        if has_room {
            self.push(item);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn get(&mut self, actor: usize, is_first: bool) -> Poll<Option<u64>> {
        if is_first {
            match self.try_get() {
                Ok(item) => return Poll::Ready(Some(item)),
                Err(false) => return Poll::Ready(None),
                Err(true) => self.getters.push_back(actor),
            }
            return Poll::Pending;
        }
        if remove(&mut self.told, actor) {
            return Poll::Ready(None);
        }
        if remove(&mut self.item_for, actor) {
            return Poll::Ready(Some(self.pop()));
        }
        Poll::Pending
    }

    fn leave(&mut self, actor: usize) {
        for list in [&mut self.told, &mut self.room_for, &mut self.item_for] {
            remove(list, actor);
        }
        self.putters.retain(|&other| other != actor);
        self.getters.retain(|&other| other != actor);
        self.settle();
    }

    fn try_put(&mut self, item: u64) -> Result<(), bool> {
        if self.is_closed {
            return Err(false);
        }
        if self.items.len() + self.room_for.len() >= self.capacity {
            return Err(true);
        }
        self.push(item);
        Ok(())
    }

    fn try_get(&mut self) -> Result<u64, bool> {
        if self.items.len() > self.item_for.len() {
            return Ok(self.pop());
        }
        Err(!(self.is_closed && self.items.is_empty()))
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.settle();
    }

    fn close_now(&mut self) -> Vec<u64> {
        let mut items = mem::take(&mut self.items);
        if self.order == Order::Lifo {
            items.reverse();
        }
        // They have been woken, and will find out.
        self.told.append(&mut self.item_for);
        self.close();
        items
    }

    fn is_woken(&self, actor: usize) -> bool {
        [&self.told, &self.room_for, &self.item_for].iter().any(|list| list.contains(&actor))
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn waiting(&self) -> (usize, usize) {
        (self.putters.len(), self.getters.len())
    }
}

#[derive(Default)]
pub(crate) struct RendezvousModel {
    /// The offers, in order. Without an actor: the items of `try_put`.
    offers: Vec<(Option<usize>, u64)>,
    is_closed: bool,
    getters: VecDeque<usize>,
    item_for: Vec<usize>,
    /// Putters whose item was taken.
    taken: Vec<usize>,
    told: Vec<usize>,
}

impl RendezvousModel {
    fn settle(&mut self) {
        while self.offers.len() > self.item_for.len() && !self.getters.is_empty() {
            self.item_for.extend(self.getters.pop_front());
        }
        if self.is_closed && self.offers.is_empty() {
            self.told.extend(self.getters.drain(..));
        }
    }

    fn take(&mut self) -> u64 {
        let (putter, item) = self.offers.remove(0);
        self.taken.extend(putter);
        self.settle();
        item
    }
}

impl Model for RendezvousModel {
    fn put(&mut self, actor: usize, item: u64, is_first: bool) -> Poll<Result<(), u64>> {
        if is_first {
            if self.is_closed {
                return Poll::Ready(Err(item));
            }
            self.offers.push((Some(actor), item));
            self.settle();
            return Poll::Pending;
        }
        if remove(&mut self.taken, actor) {
            return Poll::Ready(Ok(()));
        }
        if remove(&mut self.told, actor) {
            return Poll::Ready(Err(item));
        }
        Poll::Pending
    }

    fn get(&mut self, actor: usize, is_first: bool) -> Poll<Option<u64>> {
        if remove(&mut self.told, actor) {
            return Poll::Ready(None);
        }
        if remove(&mut self.item_for, actor) {
            if !self.offers.is_empty() {
                return Poll::Ready(Some(self.take()));
            }
        } else if !is_first {
            return Poll::Pending;
        }
        match self.try_get() {
            Ok(item) => Poll::Ready(Some(item)),
            Err(false) => Poll::Ready(None),
            Err(true) => {
                self.getters.push_back(actor);
                Poll::Pending
            }
        }
    }

    fn leave(&mut self, actor: usize) {
        for list in [&mut self.told, &mut self.taken, &mut self.item_for] {
            remove(list, actor);
        }
        self.getters.retain(|&other| other != actor);
        self.offers.retain(|&(putter, _)| putter != Some(actor));
        self.settle();
    }

    fn try_put(&mut self, item: u64) -> Result<(), bool> {
        if self.is_closed {
            return Err(false);
        }
        if self.getters.is_empty() {
            return Err(true);
        }
        self.offers.push((None, item));
        self.settle();
        Ok(())
    }

    fn try_get(&mut self) -> Result<u64, bool> {
        if self.offers.len() > self.item_for.len() {
            return Ok(self.take());
        }
        Err(!(self.is_closed && self.offers.is_empty()))
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.told.extend(self.offers.iter().filter_map(|(putter, _)| *putter));
        self.offers.retain(|(putter, _)| putter.is_none());
        self.settle();
    }

    fn close_now(&mut self) -> Vec<u64> {
        unreachable!("a rendezvous has no such thing")
    }

    fn is_woken(&self, actor: usize) -> bool {
        [&self.told, &self.taken, &self.item_for].iter().any(|list| list.contains(&actor))
    }

    fn len(&self) -> usize {
        self.offers.iter().filter(|(putter, _)| putter.is_none()).count()
    }

    fn waiting(&self) -> (usize, usize) {
        (self.offers.len() - self.len(), self.getters.len())
    }
}
