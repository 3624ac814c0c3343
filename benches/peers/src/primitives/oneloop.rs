//! oneloop.

use std::{
    future::{pending, ready},
    ops::DerefMut,
    rc::Rc,
    time::Duration,
};

use oneloop::{
    Task, TaskSet, create_task, select,
    sync::{Lock, Queue, Semaphore, broadcast, oneshot},
    task::{All, FirstCompleted},
    task_group, wait,
};

use super::{
    Oneloop, Works,
    works::{self, Child, children, queue, ready_later},
};

pub fn works() -> Works {
    vec![
        ("lock", works::lock::<Oneloop, Lock<u32>>),
        ("lock_8", works::lock_8::<Oneloop, Lock<u32>>),
        ("semaphore", works::semaphore::<Oneloop, Semaphore>),
        ("semaphore_8", works::semaphore_8::<Oneloop, Semaphore>),
        ("queue_1_1", || queue::<Oneloop, Bounded>(1)),
        ("queue_8_1", || queue::<Oneloop, Bounded>(8)),
        ("oneshot", works::oneshot::<Oneloop, Oneshot>),
        ("broadcast_100", works::broadcast::<Oneloop, Broadcast>),
        ("group_100", || children::<Oneloop>(100, group)),
        ("group_10000", || children::<Oneloop>(10_000, group)),
        ("task_set", works::set::<Oneloop, TaskSet<()>>),
        ("wait_all", || children::<Oneloop>(10_000, wait_all)),
        ("wait_first", works::wait_first::<Oneloop, Wait>),
        ("select_3", || works::select::<Oneloop>(first_of_three)),
        ("timeout_ready", || works::timeout::<Oneloop>(timeout)),
    ]
}

impl works::Lock for Lock<u32> {
    fn new() -> Self {
        Self::new(0)
    }

    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u32>> {
        self.lock()
    }
}

impl works::Semaphore for Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    fn acquire(&self) -> impl Future {
        self.acquire()
    }
}

struct Bounded;

impl works::Queue for Bounded {
    type Sender = Rc<Queue<u32>>;
    type Receiver = Rc<Queue<u32>>;

    fn new(capacity: usize) -> (Rc<Queue<u32>>, Rc<Queue<u32>>) {
        let queue = Rc::new(Queue::new(capacity));
        (queue.clone(), queue)
    }

    async fn send(queue: &mut Rc<Queue<u32>>, item: u32) {
        queue.put(item).await.expect("it is open");
    }

    async fn receive(queue: &mut Rc<Queue<u32>>) -> u32 {
        queue.get().await.expect("it is open")
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

struct Broadcast;

impl works::Broadcast for Broadcast {
    type Sender = broadcast::Sender<u32>;
    type Receiver = broadcast::Receiver<u32>;

    fn new(capacity: usize) -> broadcast::Sender<u32> {
        broadcast::channel(capacity).0
    }

    fn subscribe(sender: &broadcast::Sender<u32>) -> broadcast::Receiver<u32> {
        sender.subscribe()
    }

    fn send(sender: &broadcast::Sender<u32>, item: u32) {
        sender.send(item).expect("receivers live");
    }

    async fn receive(receiver: &mut broadcast::Receiver<u32>) -> Option<u32> {
        match receiver.recv().await {
            Ok(item) => Some(item),
            Err(error) if error.is_closed() => None,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn group(count: u32) {
    task_group(async |group| {
        for _ in 0..count {
            drop(group.create_task(Child::New));
        }
    })
    .await;
}

impl works::Set for TaskSet<()> {
    fn new() -> Self {
        Self::new()
    }

    fn create(&mut self, child: Child) {
        self.create_task(child);
    }

    async fn next(&mut self) -> bool {
        self.next().await.is_some()
    }
}

async fn wait_all(count: u32) {
    let mut tasks: Vec<_> = (0..count).map(|_| create_task(Child::New)).collect();
    assert_eq!(wait(&mut tasks, All).await.len(), count as usize);
}

struct Wait;

impl works::First for Wait {
    type Task = Task<()>;

    fn create(child: Child) -> Task<()> {
        create_task(child)
    }

    async fn first(mut tasks: Vec<Task<()>>) -> Vec<Task<()>> {
        drop(wait(&mut tasks, FirstCompleted).await);
        tasks
    }
}

async fn first_of_three() -> u32 {
    select! {
        first = pending() => first,
        second = pending() => second,
        third = ready_later() => third,
    }
}

async fn timeout() -> u32 {
    oneloop::timeout(Duration::from_secs(1), ready(3)).await.expect("it is ready")
}
