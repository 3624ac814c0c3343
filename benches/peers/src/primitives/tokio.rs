//! tokio, on its own runtime.

use std::{
    future::{pending, ready},
    marker::PhantomData,
    ops::DerefMut,
    time::Duration,
};

use futures::future::select_all;
use tokio::{
    select,
    sync::{
        Mutex, Semaphore,
        broadcast::{self, error::RecvError},
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    task::{JoinHandle, JoinSet, spawn_local},
    time,
};

use super::{
    Tokio, TokioLocalSet, Works,
    works::{self, Child, children, queue, ready_later, run_set},
};
use crate::works::Runtime;

pub fn works<R: Tasks>() -> Works {
    vec![
        ("lock", works::lock::<R, Mutex<u32>>),
        ("lock_8", works::lock_8::<R, Mutex<u32>>),
        ("semaphore", works::semaphore::<R, Semaphore>),
        ("semaphore_8", works::semaphore_8::<R, Semaphore>),
        ("queue_1_1", || queue::<R, Bounded>(1)),
        ("queue_8_1", || queue::<R, Bounded>(8)),
        ("oneshot", works::oneshot::<R, Oneshot>),
        ("broadcast_100", works::broadcast::<R, Broadcast>),
        ("group_100", || children::<R>(100, run_set::<Set<R>>)),
        ("group_10000", || children::<R>(10_000, run_set::<Set<R>>)),
        ("task_set", works::set::<R, Set<R>>),
        ("wait_all", || children::<R>(10_000, join_all::<R>)),
        ("wait_first", works::wait_first::<R, Handles<R>>),
        ("select_3", || works::select::<R>(first_of_three)),
        ("timeout_ready", || works::timeout::<R>(timeout)),
    ]
}

/// How tasks are spawned.
pub trait Tasks: Runtime {
    fn spawn_in(set: &mut JoinSet<()>, child: Child);
    fn spawn_child(child: Child) -> JoinHandle<()>;
}

impl Tasks for Tokio {
    fn spawn_in(set: &mut JoinSet<()>, child: Child) {
        set.spawn(child);
    }

    fn spawn_child(child: Child) -> JoinHandle<()> {
        tokio::spawn(child)
    }
}

impl Tasks for TokioLocalSet {
    fn spawn_in(set: &mut JoinSet<()>, child: Child) {
        set.spawn_local(child);
    }

    fn spawn_child(child: Child) -> JoinHandle<()> {
        spawn_local(child)
    }
}

impl works::Lock for Mutex<u32> {
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
    type Sender = Sender<u32>;
    type Receiver = Receiver<u32>;

    fn new(capacity: usize) -> (Sender<u32>, Receiver<u32>) {
        mpsc::channel(capacity)
    }

    async fn send(sender: &mut Sender<u32>, item: u32) {
        sender.send(item).await.expect("the receiver lives");
    }

    async fn receive(receiver: &mut Receiver<u32>) -> u32 {
        receiver.recv().await.expect("a sender lives")
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
        broadcast::Sender::new(capacity)
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
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(count)) => panic!("{count} items were missed"),
        }
    }
}

struct Set<R> {
    tasks: JoinSet<()>,
    runtime: PhantomData<R>,
}

impl<R: Tasks> works::Set for Set<R> {
    fn new() -> Self {
        Self { tasks: JoinSet::new(), runtime: PhantomData }
    }

    fn create(&mut self, child: Child) {
        R::spawn_in(&mut self.tasks, child);
    }

    async fn next(&mut self) -> bool {
        self.tasks.join_next().await.is_some()
    }
}

async fn join_all<R: Tasks>(count: u32) {
    let mut set = JoinSet::new();
    for _ in 0..count {
        R::spawn_in(&mut set, Child::New);
    }
    set.join_all().await;
}

struct Handles<R>(PhantomData<R>);

impl<R: Tasks> works::First for Handles<R> {
    type Task = JoinHandle<()>;

    fn create(child: Child) -> JoinHandle<()> {
        R::spawn_child(child)
    }

    async fn first(tasks: Vec<JoinHandle<()>>) -> Vec<JoinHandle<()>> {
        let (_ended, _index, others) = select_all(tasks).await;
        others
    }
}

async fn first_of_three() -> u32 {
    select! {
        biased;
        first = pending() => first,
        second = pending() => second,
        third = ready_later() => third,
    }
}

async fn timeout() -> u32 {
    time::timeout(Duration::from_secs(1), ready(3)).await.expect("it is ready")
}
