//! The works of the first table, each written once for all runtimes.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    hint::black_box,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use crate::harness::{best_ns, cpu_time, pin_to_cpu, resident_bytes};

/// The part of a runtime that the works use. The main future gets the value itself, which is empty
/// if a free function spawns tasks.
pub trait Runtime: Clone + 'static {
    /// Makes the runtime, runs a future on it, and tears it down.
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> F::Output;
    fn spawn(&self, task: impl Future<Output = ()> + 'static) -> impl Future;
    fn spawn_detached(&self, task: impl Future<Output = ()> + 'static);
    /// The runtime's own way to let other tasks run, if it has one.
    fn yield_now() -> impl Future;
    /// The same while no other task is runnable.
    fn yield_alone() -> impl Future {
        Self::yield_now()
    }
    fn sleep(duration: Duration) -> impl Future;
}

pub struct Work {
    pub name: &'static str,
    pub unit: &'static str,
    /// The most rounds. Long works need fewer.
    pub rounds: usize,
}

pub const fn work(name: &'static str, unit: &'static str, rounds: usize) -> Work {
    Work { name, unit, rounds }
}

/// The rows of the table; `echo_64` is in `echo.rs`.
pub const WORKS: &[Work] = &[
    work("spawn_join", "ns per task", 99),
    work("spawn_1000_yield", "ns per task", 99),
    work("yield_one", "ns per yield", 99),
    work("yield_1000", "ns per yield", 99),
    work("ping_pong", "ns per bounce", 99),
    work("timer_arm_cancel", "ns per timer", 99),
    work("sleep_500k", "CPU ns per timer", 3),
    work("empty_run", "ns per run", 99),
    work("remote_wake", "ns per round trip", 99),
    work("sleep_lateness", "µs, median", 99),
    work("memory_per_task", "bytes per task", 2),
    work("echo_64", "server CPU ns per message", 5),
];

/// Does a work on the runtime `R`. Returns its figure.
pub fn measure<R: Runtime>(name: &str) -> f64 {
    match name {
        "spawn_join" => R::run(spawn_join),
        "spawn_1000_yield" => R::run(spawn_1000_yield),
        "yield_one" => R::run(yield_one),
        "yield_1000" => R::run(yield_1000),
        "ping_pong" => R::run(ping_pong),
        "timer_arm_cancel" => R::run(timer_arm_cancel),
        "sleep_500k" => R::run(sleep_500k),
        "empty_run" => empty_run::<R>(),
        "remote_wake" => R::run(remote_wake),
        "sleep_lateness" => R::run(sleep_lateness),
        "memory_per_task" => R::run(memory_per_task),
        _ => panic!("no work is called {name:?}"),
    }
}

/// The main future spawns a task that does nothing, and awaits it.
async fn spawn_join<R: Runtime>(rt: R) -> f64 {
    const COUNT: u32 = 200_000;
    best_ns(COUNT, async || {
        for _ in 0..COUNT {
            rt.spawn(async {}).await;
        }
    })
    .await
}

/// A thousand tasks are spawned, yield once each, and are awaited.
async fn spawn_1000_yield<R: Runtime>(rt: R) -> f64 {
    const TIMES: u32 = 200;
    let mut tasks = Vec::with_capacity(1000);
    best_ns(TIMES * 1000, async || {
        for _ in 0..TIMES {
            tasks.extend((0..1000).map(|_| rt.spawn(yield_times::<R>(1))));
            for task in tasks.drain(..) {
                task.await;
            }
        }
    })
    .await
}

/// One task yields while no other is runnable.
async fn yield_one<R: Runtime>(rt: R) -> f64 {
    const COUNT: u32 = 300_000;
    best_ns(COUNT, async || {
        let task = rt.spawn(async {
            for _ in 0..COUNT {
                R::yield_alone().await;
            }
        });
        task.await;
    })
    .await
}

/// A thousand tasks yield in turn.
async fn yield_1000<R: Runtime>(rt: R) -> f64 {
    const COUNT: u32 = 500;
    assert_turns(&rt).await;
    best_ns(COUNT * 1000, async || {
        let tasks: Vec<_> = (0..1000).map(|_| rt.spawn(yield_times::<R>(COUNT))).collect();
        for task in tasks {
            task.await;
        }
    })
    .await
}

async fn yield_times<R: Runtime>(times: u32) {
    for _ in 0..times {
        R::yield_now().await;
    }
}

/// Checks that two tasks which yield run in turn.
async fn assert_turns<R: Runtime>(rt: &R) {
    let order = Rc::new(RefCell::new(Vec::new()));
    let run = async |name: char, order: Rc<RefCell<Vec<char>>>| {
        for _ in 0..3 {
            order.borrow_mut().push(name);
            R::yield_now().await;
        }
    };
    let (a, b) = (rt.spawn(run('a', order.clone())), rt.spawn(run('b', order.clone())));
    a.await;
    b.await;
    let turns = order.borrow().chunks(2).all(|turn| turn[0] != turn[1]);
    assert!(turns, "yielding does not let others run: {:?}", order.borrow());
}

/// Two tasks hand a token to and fro, through a queue for each direction.
async fn ping_pong<R: Runtime>(rt: R) -> f64 {
    const COUNT: u32 = 200_000;
    best_ns(COUNT * 2, async || {
        let (there, back) = (Queue::default(), Queue::default());
        let other = rt.spawn(bounce(there.clone(), back.clone(), COUNT));
        push(&there, 0);
        let one = rt.spawn(bounce(back.clone(), there.clone(), COUNT));
        other.await;
        one.await;
        assert_eq!(black_box(pop(&there).await), COUNT * 2);
    })
    .await
}

type Queue = Rc<RefCell<(VecDeque<u32>, Option<Waker>)>>;

async fn bounce(from: Queue, to: Queue, times: u32) {
    for _ in 0..times {
        let token = pop(&from).await;
        push(&to, token + 1);
    }
}

fn push(queue: &Queue, token: u32) {
    let waker = {
        let mut queue = queue.borrow_mut();
        queue.0.push_back(token);
        queue.1.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

async fn pop(queue: &Queue) -> u32 {
    poll_fn(|cx| {
        let mut queue = queue.borrow_mut();
        match queue.0.pop_front() {
            Some(token) => Poll::Ready(token),
            None => {
                queue.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

/// While 10,000 other timers wait, makes a timer, polls it once, and drops it, like a timeout that
/// does not expire. The loop turns after every 1000.
async fn timer_arm_cancel<R: Runtime>(_: R) -> f64 {
    const COUNT: u32 = 100_000;
    let mut others: Vec<_> = (0..10_000).map(|i| Box::pin(R::sleep(hours(i)))).collect();
    for other in &mut others {
        poll_once(other.as_mut()).await;
    }
    let figure = best_ns(COUNT, async || {
        for i in 0..COUNT {
            let sleep = pin!(R::sleep(Duration::from_millis(u64::from(1000 + i % 1000))));
            poll_once(sleep).await;
            if i % 1000 == 999 {
                R::yield_now().await;
            }
        }
    })
    .await;
    drop(black_box(others));
    figure
}

/// A little more than an hour.
fn hours(milliseconds: u32) -> Duration {
    Duration::from_millis(3_600_000 + u64::from(milliseconds))
}

pub async fn poll_once(mut future: Pin<&mut impl Future>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// 500,000 tasks each sleep for a random part of a second.
async fn sleep_500k<R: Runtime>(rt: R) -> f64 {
    const COUNT: u32 = 500_000;
    let mut tasks = Vec::with_capacity(COUNT as usize);
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let start = cpu_time(0);
    for _ in 0..COUNT {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let duration = Duration::from_micros(random % 1_000_000);
        tasks.push(rt.spawn(async move {
            R::sleep(duration).await;
        }));
    }
    for task in tasks {
        task.await;
    }
    (cpu_time(0) - start).as_nanos() as f64 / f64::from(COUNT)
}

/// The runtime is made, runs nothing, and is torn down.
fn empty_run<R: Runtime>() -> f64 {
    R::run(async |_| ()); // what happens once in a process
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed() < Duration::from_millis(200) {
        R::run(async |_| black_box(()));
        count += 1.0;
    }
    start.elapsed().as_nanos() as f64 / count
}

/// The main future and another thread wake each other in turn: the thread by a waker, the main
/// future by unparking. Both are on one CPU, because an interrupt to another CPU can take ten times
/// as long as the rest.
async fn remote_wake<R: Runtime>(_: R) -> f64 {
    const COUNT: u32 = 10_000;
    pin_to_cpu(0); // and what is spawned from here
    let thread_turn = Arc::new(Turn::default());
    let main_turn = Arc::new(Turn::default());
    let thread = thread::spawn({
        let (thread_turn, main_turn) = (thread_turn.clone(), main_turn.clone());
        move || {
            for _ in 0..COUNT * 3 {
                while !thread_turn.set.swap(false, Ordering::SeqCst) {
                    thread::park();
                }
                main_turn.give();
            }
        }
    });
    let figure = best_ns(COUNT, async || {
        for _ in 0..COUNT {
            thread_turn.set.store(true, Ordering::SeqCst);
            thread.thread().unpark();
            main_turn.taken().await;
        }
    })
    .await;
    thread.join().expect("it doesn't panic");
    figure
}

#[derive(Default)]
struct Turn {
    set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Turn {
    fn give(&self) {
        self.set.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().expect("not poisoned").take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn taken(&self) {
        poll_fn(|cx| {
            if self.set.swap(false, Ordering::SeqCst) {
                return Poll::Ready(());
            }
            *self.waker.lock().expect("not poisoned") = Some(cx.waker().clone());
            if self.set.swap(false, Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// How late a sleep of 1 to 1.8 ms ends, while nothing else happens.
async fn sleep_lateness<R: Runtime>(_: R) -> f64 {
    let mut late = Vec::new();
    for step in 0..100 {
        let duration = Duration::from_micros(1000 + step * 8);
        let start = Instant::now();
        R::sleep(duration).await;
        late.push(start.elapsed().as_secs_f64() - duration.as_secs_f64());
    }
    late.sort_by(f64::total_cmp);
    late[late.len() / 2] * 1e6
}

/// The memory of a million tasks that sleep for an hour.
async fn memory_per_task<R: Runtime>(rt: R) -> f64 {
    const COUNT: u32 = 1_000_000;
    R::sleep(Duration::from_millis(1)).await;
    let before = resident_bytes();
    let asleep = Rc::new(Cell::new(0));
    for i in 0..COUNT {
        let asleep = asleep.clone();
        rt.spawn_detached(async move {
            asleep.set(asleep.get() + 1);
            drop(asleep);
            R::sleep(hours(i % 1000)).await;
        });
    }
    while asleep.get() < COUNT {
        R::yield_now().await;
    }
    R::yield_now().await;
    let bytes = (resident_bytes() - before) / f64::from(COUNT);
    println!("{bytes}");
    io::Write::flush(&mut io::stdout()).expect("the parent reads it");
    // Ending the tasks takes long, and is not part of the figure.
    std::process::exit(0);
}
