//! futures: its channels and locks on oneloop, and many futures in one task.

use std::{future::pending, ops::DerefMut};

use futures::{
    FutureExt, SinkExt, StreamExt,
    channel::{
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    future::select_all,
    lock::Mutex,
    select_biased,
    stream::FuturesUnordered,
};
use oneloop::{Task, create_task};

use super::{
    Oneloop, Works,
    works::{self, Child, children, lock, lock_8, queue, ready_later, run_set, select},
};

pub fn works() -> Works {
    vec![
        ("lock", lock::<Oneloop, Mutex<u32>>),
        ("lock_8", lock_8::<Oneloop, Mutex<u32>>),
        ("queue_1_1", || queue::<Oneloop, Bounded>(1)),
        ("queue_8_1", || queue::<Oneloop, Bounded>(8)),
        ("oneshot", works::oneshot::<Oneloop, Oneshot>),
        ("group_100", || children::<Oneloop>(100, run_set::<FuturesUnordered<Child>>)),
        ("group_10000", || children::<Oneloop>(10_000, run_set::<FuturesUnordered<Child>>)),
        ("task_set", works::set::<Oneloop, FuturesUnordered<Child>>),
        ("wait_all", || children::<Oneloop>(10_000, wait_all)),
        ("wait_first", works::wait_first::<Oneloop, SelectAll>),
        ("select_3", || select::<Oneloop>(first_of_three)),
    ]
}

impl works::Lock for Mutex<u32> {
    fn new() -> Self {
        Self::new(0)
    }

    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u32>> {
        self.lock()
    }
}

struct Bounded;

impl works::Queue for Bounded {
    type Sender = Sender<u32>;
    type Receiver = Receiver<u32>;

    fn new(capacity: usize) -> (Sender<u32>, Receiver<u32>) {
        mpsc::channel(capacity)
    }

    async fn send(sender: &mut Sender<u32>, item: u32) {
        sender.send(item).await.expect("the receiver lives");
    }

    async fn receive(receiver: &mut Receiver<u32>) -> u32 {
        receiver.next().await.expect("a sender lives")
    }
}

struct Oneshot;

impl works::Oneshot for Oneshot {
    type Sender = oneshot::Sender<u32>;
    type Receiver = oneshot::Receiver<u32>;

    fn channel() -> (oneshot::Sender<u32>, oneshot::Receiver<u32>) {
        oneshot::channel()
    }

    fn send(sender: oneshot::Sender<u32>, value: u32) {
        sender.send(value).expect("the receiver lives");
    }
}

impl works::Set for FuturesUnordered<Child> {
    fn new() -> Self {
        Self::new()
    }

    fn create(&mut self, child: Child) {
        self.push(child);
    }

    async fn next(&mut self) -> bool {
        StreamExt::next(self).await.is_some()
    }
}

async fn wait_all(count: u32) {
    let mut tasks: FuturesUnordered<_> = (0..count).map(|_| create_task(Child::New)).collect();
    while tasks.next().await.is_some() {}
}

struct SelectAll;

impl works::First for SelectAll {
    type Task = Task<()>;

    fn create(child: Child) -> Task<()> {
        create_task(child)
    }

    async fn first(tasks: Vec<Task<()>>) -> Vec<Task<()>> {
        let (_ended, _index, others) = select_all(tasks).await;
        others
    }
}

async fn first_of_three() -> u32 {
    // Not the crate's own `pending`, which the macro leaves out and never polls.
    let (mut first, mut second) = (pending().fuse(), pending().fuse());
    let mut third = ready_later().fuse();
    select_biased! {
        first = first => first,
        second = second => second,
        third = third => third,
    }
}
