//! Other threads: the cost of a question and its answer, by a waker and by a call; of calls of
//! `to_thread`, one by one and many at once; of tasks that a thread creates; of items that a thread
//! sends.
//!
//! Where one side waits for the other, most of the cost is the operating system's, which puts two
//! threads to sleep and wakes them.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::thread::{channel as thread_channel, to_thread};
use oneloop::{Handle, gather};
use oneloop_benches::{bench, timed};

fn answers(criterion: &mut Criterion) {
    bench_answer(criterion, "a thread wakes the loop", |_, waker| waker.wake());
    bench_answer(criterion, "call_soon_threadsafe from a thread", |handle, waker| {
        handle.call_soon_threadsafe(|| waker.wake()).expect("the loop waits");
    });
}

/// The main future repeatedly asks a thread, and waits until `answer` has woken it.
fn bench_answer(criterion: &mut Criterion, name: &str, answer: fn(Handle, Waker)) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let handle = Handle::current();
                let (questions, asked) = channel();
                let thread = thread::spawn(move || {
                    for waker in asked {
                        answer(handle, waker);
                    }
                });
                let took = timed(count, async || ask(&questions).await).await;
                drop(questions);
                thread.join().expect("it ends with the questions");
                took
            })
        });
    });
}

async fn ask(questions: &Sender<Waker>) {
    let mut has_asked = false;
    poll_fn(|cx| {
        if has_asked {
            return Poll::Ready(());
        }
        has_asked = true;
        questions.send(cx.waker().clone()).expect("the thread listens");
        Poll::Pending
    })
    .await;
}

fn calls(criterion: &mut Criterion) {
    bench(criterion, "to_thread", async || {
        black_box(to_thread(|| 1).await);
    });
    bench(criterion, "1000 calls of to_thread at once", async || {
        black_box(gather((0..1000).map(|n| to_thread(move || n))).await);
    });
}

fn remote_tasks(criterion: &mut Criterion) {
    criterion.bench_function("a thread creates a task and waits for it", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let home = Handle::current();
                let body = async move || {
                    let task = home.create_task_threadsafe(async || 1);
                    black_box(task.wait().expect("the loop runs"));
                };
                // This thread has no loop, but its futures never wait.
                let wait = move || poll_now(timed(count, body));
                to_thread(wait).await
            })
        });
    });
}

/// Returns the output of a future that is ready at its first poll.
fn poll_now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("it blocks instead"),
    }
}

fn items(criterion: &mut Criterion) {
    for capacity in [1, 16, 1024] {
        let name = format!("an item from a thread, with room for {capacity}");
        criterion.bench_function(&name, |bencher| {
            bencher.iter_custom(|count| {
                oneloop::run(async {
                    let (sender, mut receiver) = thread_channel(capacity);
                    let feed = thread::spawn(move || {
                        for n in 0..count {
                            sender.send(n).expect("the loop receives");
                        }
                    });
                    let took = timed(count, async || {
                        black_box(receiver.recv().await);
                    });
                    let took = took.await;
                    feed.join().expect("all were received");
                    took
                })
            });
        });
    }
}

criterion_group! {
    name = threads;
    config = oneloop_benches::criterion();
    targets = answers, calls, remote_tasks, items
}
criterion_main!(threads);
