//! The works of the second table. Each is written once, generic over a small trait or a function
//! for its primitive.
//!
//! All run inside a task, because waking tokio's main future costs more.

use std::{
    cell::Cell,
    future::poll_fn,
    hint::black_box,
    ops::DerefMut,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
};

use crate::{
    harness::best_ns,
    works::{Runtime, poll_once},
};

/// How many tasks share a lock or a semaphore.
const TASKS: u32 = 8;
const RECEIVERS: u32 = 100;
/// How many items a queue holds.
const CAPACITY: usize = 64;
/// The number of tasks in a set at a time.
const IN_FLIGHT: u32 = 100;
/// The number of tasks that `wait_first` looks at.
const LISTED: u32 = 10_000;

/// Runs a work in a task of the runtime `R`. Returns its figure.
fn in_task<R: Runtime, F: Future<Output = f64> + 'static>(work: impl FnOnce(R) -> F) -> f64 {
    R::run(async |rt: R| {
        let figure = Rc::new(Cell::new(f64::NAN));
        let work = work(rt.clone());
        let told = figure.clone();
        rt.spawn(async move { told.set(work.await) }).await;
        figure.get()
    })
}

/// The task that many works use. It wakes itself once, as if it yielded, and then ends; or it never
/// ends.
pub enum Child {
    New,
    Woken,
    Never,
}

impl Future for Child {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match *self {
            Self::New => {
                *self = Self::Woken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Woken => Poll::Ready(()),
            Self::Never => Poll::Pending,
        }
    }
}

pub trait Lock: 'static {
    fn new() -> Self;
    fn lock(&self) -> impl Future<Output = impl DerefMut<Target = u32>>;
}

/// One task locks and unlocks an uncontended lock.
pub fn lock<R: Runtime, L: Lock>() -> f64 {
    const COUNT: u32 = 1_000_000;
    in_task(async |_: R| {
        let lock = L::new();
        best_ns(COUNT, async || {
            for _ in 0..COUNT {
                *black_box(&lock).lock().await += 1;
            }
        })
        .await
    })
}

/// Eight tasks lock in turn. Each wakes itself once while it holds the lock, so that the others
/// have to wait.
pub fn lock_8<R: Runtime, L: Lock>() -> f64 {
    const COUNT: u32 = 400_000;
    in_task(async |rt: R| {
        best_ns(COUNT, async || {
            let lock = Rc::new(L::new());
            let increment = async |lock: &L| {
                let mut value = lock.lock().await;
                Child::New.await;
                *value += 1;
            };
            eight_tasks(&rt, COUNT, &lock, increment).await;
            assert_eq!(*lock.lock().await, COUNT);
        })
        .await
    })
}

pub trait Semaphore: 'static {
    fn new(permits: usize) -> Self;
    fn acquire(&self) -> impl Future;
}

/// One task acquires and releases an available permit.
pub fn semaphore<R: Runtime, S: Semaphore>() -> f64 {
    const COUNT: u32 = 1_000_000;
    in_task(async |_: R| {
        let semaphore = S::new(3);
        best_ns(COUNT, async || {
            for _ in 0..COUNT {
                let _permit = black_box(&semaphore).acquire().await;
            }
        })
        .await
    })
}

/// Eight tasks share three permits, the way the tasks of `lock_8` share a lock.
pub fn semaphore_8<R: Runtime, S: Semaphore>() -> f64 {
    const COUNT: u32 = 400_000;
    in_task(async |rt: R| {
        best_ns(COUNT, async || {
            let semaphore = Rc::new(S::new(3));
            let hold = async |semaphore: &S| {
                let _permit = semaphore.acquire().await;
                Child::New.await;
            };
            eight_tasks(&rt, COUNT, &semaphore, hold).await;
        })
        .await
    })
}

/// Eight tasks call `body`, `count` times in total.
async fn eight_tasks<R: Runtime, S: 'static>(
    rt: &R,
    count: u32,
    shared: &Rc<S>,
    body: impl AsyncFn(&S) + Copy + 'static,
) {
    let tasks = (0..TASKS).map(|_| {
        let shared = shared.clone();
        rt.spawn(async move {
            for _ in 0..count / TASKS {
                body(&shared).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await;
    }
}

pub trait Queue {
    type Sender: Clone + 'static;
    type Receiver: 'static;
    fn new(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &mut Self::Sender, item: u32) -> impl Future<Output = ()>;
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = u32>;
}

/// One or eight tasks send through a queue of 64 to another task.
pub fn queue<R: Runtime, Q: Queue>(senders: u32) -> f64 {
    const COUNT: u32 = 400_000;
    in_task(async move |rt: R| {
        best_ns(COUNT, async || {
            let (sender, mut receiver) = Q::new(CAPACITY);
            for _ in 0..senders {
                let mut sender = sender.clone();
                rt.spawn_detached(async move {
                    for item in 0..COUNT / senders {
                        Q::send(&mut sender, item).await;
                    }
                });
            }
            let mut sum = 0;
            for _ in 0..COUNT {
                sum += u64::from(Q::receive(&mut receiver).await);
            }
            let share = u64::from(COUNT / senders);
            assert_eq!(sum, u64::from(senders) * share * (share - 1) / 2);
        })
        .await
    })
}

pub trait Oneshot {
    type Sender;
    type Receiver: Future;
    fn channel() -> (Self::Sender, Self::Receiver);
    fn send(sender: Self::Sender, value: u32);
}

/// Makes a channel for one value. The receiver begins to wait, and then the value is sent and
/// received.
pub fn oneshot<R: Runtime, O: Oneshot>() -> f64 {
    const COUNT: u32 = 400_000;
    in_task(async |_: R| {
        best_ns(COUNT, async || {
            for value in 0..COUNT {
                let (sender, receiver) = O::channel();
                let mut receiver = pin!(receiver);
                poll_once(receiver.as_mut()).await;
                O::send(sender, value);
                black_box(receiver.await);
            }
        })
        .await
    })
}

pub trait Broadcast {
    type Sender;
    type Receiver: 'static;
    fn new(capacity: usize) -> Self::Sender;
    fn subscribe(sender: &Self::Sender) -> Self::Receiver;
    fn send(sender: &Self::Sender, item: u32);
    /// Returns `None` when the sender is gone.
    fn receive(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u32>>;
}

/// One task sends items, one at a time, to a hundred others that wait.
pub fn broadcast<R: Runtime, B: Broadcast>() -> f64 {
    const ITEMS: u32 = 5000;
    in_task(async |rt: R| {
        best_ns(ITEMS * RECEIVERS, async || {
            let sender = B::new(CAPACITY);
            let received = Rc::new(Cell::new(0));
            for _ in 0..RECEIVERS {
                let (mut receiver, received) = (B::subscribe(&sender), received.clone());
                rt.spawn_detached(async move {
                    while let Some(item) = B::receive(&mut receiver).await {
                        received.set(received.get() + black_box(item));
                    }
                });
            }
            for item in 1..=ITEMS {
                B::send(&sender, 1);
                while received.get() < item * RECEIVERS {
                    R::yield_now().await;
                }
            }
        })
        .await
    })
}

/// A group with `count` children, which `run` creates and awaits.
pub fn children<R: Runtime>(count: u32, run: impl AsyncFn(u32) + 'static) -> f64 {
    const COUNT: u32 = 200_000;
    in_task(async move |_: R| {
        best_ns(COUNT, async || {
            for _ in 0..COUNT / count {
                run(count).await;
            }
        })
        .await
    })
}

pub trait Set: 'static {
    fn new() -> Self;
    fn create(&mut self, child: Child);
    /// Returns whether a task has ended. If not, the set is empty.
    fn next(&mut self) -> impl Future<Output = bool>;
}

/// A hundred tasks are in the set. When one ends, another is created.
pub fn set<R: Runtime, S: Set>() -> f64 {
    const COUNT: u32 = 200_000;
    in_task(async |_: R| {
        best_ns(COUNT, async || {
            let mut set = S::new();
            for _ in 0..IN_FLIGHT {
                set.create(Child::New);
            }
            for _ in 0..COUNT - IN_FLIGHT {
                assert!(set.next().await);
                set.create(Child::New);
            }
            while set.next().await {}
        })
        .await
    })
}

/// Runs all children in a set of this kind, for peers whose group is a set.
pub async fn run_set<S: Set>(count: u32) {
    let mut set = S::new();
    for _ in 0..count {
        set.create(Child::New);
    }
    while set.next().await {}
}

pub trait First: 'static {
    type Task: 'static;
    fn create(child: Child) -> Self::Task;
    /// Waits for one of the tasks. Returns the others.
    fn first(tasks: Vec<Self::Task>) -> impl Future<Output = Vec<Self::Task>>;
}

/// Waits for the first of ten thousand tasks, of which only the last ever ends.
pub fn wait_first<R: Runtime, W: First>() -> f64 {
    const TIMES: u32 = 50;
    in_task(async |_: R| {
        let mut tasks: Vec<_> = (1..LISTED).map(|_| W::create(Child::Never)).collect();
        best_ns(TIMES * LISTED, async || {
            for _ in 0..TIMES {
                tasks.push(W::create(Child::New));
                tasks = W::first(std::mem::take(&mut tasks)).await;
                assert_eq!(tasks.len() as u32, LISTED - 1);
            }
        })
        .await
    })
}

/// `run` awaits the first of three futures, two of which never end. The third is polled twice.
pub fn select<R: Runtime>(run: impl AsyncFn() -> u32 + 'static) -> f64 {
    const COUNT: u32 = 1_000_000;
    in_task(async move |_: R| {
        best_ns(COUNT, async || {
            for _ in 0..COUNT {
                // Pinned here, because moving it would cost more than the rest.
                black_box(poll_until_ready(pin!(run())).await);
            }
        })
        .await
    })
}

/// `run` awaits a future that is ready at once, with a time limit.
pub fn timeout<R: Runtime>(run: impl AsyncFn() -> u32 + 'static) -> f64 {
    const COUNT: u32 = 1_000_000;
    in_task(async move |_: R| {
        best_ns(COUNT, async || {
            for _ in 0..COUNT {
                black_box(run().await);
            }
        })
        .await
    })
}

/// Ready at the second poll. Wakes no task.
pub fn ready_later() -> impl Future<Output = u32> + Unpin {
    let mut was_polled = false;
    poll_fn(move |_| {
        if was_polled {
            return Poll::Ready(black_box(3));
        }
        was_polled = true;
        Poll::Pending
    })
}

/// Polls a pending future again at once, without a turn of the loop.
async fn poll_until_ready<F: Future>(mut future: Pin<&mut F>) -> F::Output {
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
        }
    })
    .await
}
