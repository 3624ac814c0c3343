//! The works that are counted: one operation each, as users write it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::io;
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::TcpListener;
use oneloop::task::All;
use oneloop::{Builder, create_task, select, sleep, task_group, timeout, wait, yield_now};

pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// The shorter of the two lengths, in operations.
    pub(crate) times: u32,
    /// The work is a server, and this is what its client does.
    pub(crate) peer: Option<Peer>,
}

#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) message: &'static [u8],
    pub(crate) answer: usize,
}

const fn work(name: &'static str, times: u32) -> Work {
    Work { name, times, peer: None }
}

const KIB: [u8; 1024] = [b'x'; 1024];

const REQUEST: &[u8] = b"GET /index.html HTTP/1.1\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\n";

pub(crate) const WORKS: [Work; 14] = [
    work("spawn_join", 10_000),
    work("spawn_1000_yield", 10_000),
    work("yield_one", 20_000),
    work("yield_1000", 20_000),
    work("ping_pong", 10_000),
    work("timer_arm_cancel", 10_000),
    work("empty_run", 5_000),
    work("timeout_ready", 20_000),
    work("gather_3", 10_000),
    work("select_3", 20_000),
    work("group_100", 10_000),
    work("wait_all", 10_000),
    Work { name: "echo_1k", times: 1_000, peer: Some(Peer { message: &KIB, answer: KIB.len() }) },
    Work {
        name: "service",
        times: 1_000,
        peer: Some(Peer { message: REQUEST, answer: ANSWER.len() }),
    },
];

/// Does the work `name`, `times` times.
pub(crate) fn run(name: &str, times: &str) -> Result<(), String> {
    let times: u32 = times.parse().map_err(|error| format!("{times:?} is no number: {error}"))?;
    match name {
        "spawn_join" => run_unhurried(spawn_join(times)),
        "spawn_1000_yield" => run_unhurried(spawn_1000_yield(times)),
        "yield_one" => run_unhurried(yield_by(1, times)),
        "yield_1000" => run_unhurried(yield_by(1000, times)),
        "ping_pong" => run_unhurried(ping_pong(times)),
        "timer_arm_cancel" => run_unhurried(timer_arm_cancel(times)),
        "empty_run" => (0..times).for_each(|_| oneloop::run(async {})),
        "timeout_ready" => run_unhurried(timeout_ready(times)),
        "gather_3" => run_unhurried(gather_3(times)),
        "select_3" => run_unhurried(select_3(times)),
        "group_100" => run_unhurried(group_100(times)),
        "wait_all" => run_unhurried(wait_all(times)),
        "echo_1k" => run_unhurried(echo_1k()).map_err(|error| error.to_string())?,
        "service" => run_unhurried(service()).map_err(|error| error.to_string())?,
        _ => return Err(format!("no work is called {name:?}")),
    }
    Ok(())
}

/// Runs `main` on a loop that looks around once a second. Under callgrind everything takes fifty
/// times as long, so the usual rounds of 50 us would have only a few polls each, and their number
/// would depend on the machine. No poll counts as slow, since a report would be counted too.
fn run_unhurried<F: Future>(main: F) -> F::Output {
    let builder = Builder::new().look_around_every(Duration::from_secs(1));
    builder.slow_poll_threshold(Duration::MAX).run(main)
}

async fn spawn_join(times: u32) {
    for _ in 0..times {
        create_task(async {}).await.unwrap_or_default();
    }
}

/// Creates a thousand tasks at a time, which yield once each, and awaits them.
async fn spawn_1000_yield(times: u32) {
    let mut tasks = Vec::with_capacity(1000);
    for _ in 0..times / 1000 {
        tasks.extend((0..1000).map(|_| create_task(yield_now())));
        for task in tasks.drain(..) {
            task.await.unwrap_or_default();
        }
    }
}

async fn yield_by(tasks: u32, times: u32) {
    let yielding = |_| {
        create_task(async move {
            for _ in 0..times / tasks {
                yield_now().await;
            }
        })
    };
    let tasks: Vec<_> = (0..tasks).map(yielding).collect();
    for task in tasks {
        task.await.unwrap_or_default();
    }
}

/// Two tasks send a number to each other. One operation is a message there and one back: two wakes,
/// and two polls.
async fn ping_pong(times: u32) {
    let (there, back) = (Mailbox::default(), Mailbox::default());
    let other = create_task(bounce(there.clone(), back.clone(), times));
    there.put(0);
    let one = create_task(bounce(back, there.clone(), times));
    other.await.unwrap_or_default();
    one.await.unwrap_or_default();
    black_box(there.take().await);
}

async fn bounce(from: Mailbox, to: Mailbox, times: u32) {
    for _ in 0..times {
        let number = from.take().await;
        to.put(number + 1);
    }
}

/// The plainest channel there is, so that the loop is counted and not the channel.
#[derive(Clone, Default)]
struct Mailbox(Rc<RefCell<(VecDeque<u32>, Option<Waker>)>>);

impl Mailbox {
    fn put(&self, number: u32) {
        let waker = {
            let mut shared = self.0.borrow_mut();
            shared.0.push_back(number);
            shared.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn take(&self) -> impl Future<Output = u32> {
        poll_fn(|cx| {
            let mut shared = self.0.borrow_mut();
            if let Some(number) = shared.0.pop_front() {
                return Poll::Ready(number);
            }
            shared.1 = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

/// Arms and drops a timer, as every `timeout` does whose future is ready in time.
async fn timer_arm_cancel(times: u32) {
    for _ in 0..times {
        let mut sleep = pin!(sleep(Duration::from_secs(60)));
        poll_fn(|cx| {
            assert!(sleep.as_mut().poll(cx).is_pending(), "a minute has not gone by");
            Poll::Ready(())
        })
        .await;
    }
}

async fn timeout_ready(times: u32) {
    for number in 0..times {
        let ready = timeout(Duration::from_secs(60), async move { black_box(number) }).await;
        black_box(ready.unwrap_or_default());
    }
}

async fn gather_3(times: u32) {
    for number in 0..times {
        let member = || async { black_box(number) };
        black_box(oneloop::gather!(member(), member(), member()).await);
    }
}

/// A choice among two futures that never end, and one that is ready at its second poll. That comes
/// at once, so that no turn of the loop is counted.
async fn select_3(times: u32) {
    for number in 0..times {
        let mut chosen = pin!(async move {
            select! {
                first = pending::<u32>() => first,
                second = pending::<u32>() => second,
                third = ready_later(number) => third,
            }
        });
        let twice = poll_fn(|cx| {
            assert!(chosen.as_mut().poll(cx).is_pending(), "it is ready at its second poll");
            chosen.as_mut().poll(cx)
        });
        black_box(twice.await);
    }
}

fn ready_later(number: u32) -> impl Future<Output = u32> {
    let mut was_polled = false;
    poll_fn(
        move |_| {
            if mem::replace(&mut was_polled, true) { Poll::Ready(number) } else { Poll::Pending }
        },
    )
}

/// Groups of a hundred children that yield once. One operation is one child.
async fn group_100(times: u32) {
    for _ in 0..times / 100 {
        task_group(async |group| {
            for _ in 0..100 {
                drop(group.create_task(yield_now()));
            }
        })
        .await;
    }
}

/// Waits for all of a thousand tasks that yield once. One operation is one task.
async fn wait_all(times: u32) {
    for _ in 0..times / 1000 {
        let mut tasks: Vec<_> = (0..1000).map(|_| create_task(yield_now())).collect();
        black_box(wait(&mut tasks, All).await.len());
    }
}

/// Prints the port for the client.
async fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(listener)
}

async fn echo_1k() -> io::Result<()> {
    let (stream, _) = listen().await?.accept().await?;
    let mut buf = [0; 4096];
    loop {
        let count = stream.read(&mut buf).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buf[..count]).await?;
    }
}

/// Reads a line within a time limit, has two tasks work on it, and sends the answer.
async fn service() -> io::Result<()> {
    let (stream, _) = listen().await?.accept().await?;
    let (mut reader, mut writer): (StreamReader, StreamWriter) = stream.into_streams();
    loop {
        let count = timeout(Duration::from_secs(30), reader.readline()).await??.len();
        if count == 0 {
            return Ok(());
        }
        let length = create_task(async move { count });
        let doubled = create_task(async move { count * 2 });
        black_box((length.await.ok(), doubled.await.ok()));
        writer.write(ANSWER);
        writer.drain().await?;
    }
}
