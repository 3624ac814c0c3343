//! Other threads: what it costs to ask one and to have its answer on the loop, by a waker and by a call.
//!
//! Most of it is the operating system's: two threads that sleep and wake one another.

use std::future::poll_fn;
use std::sync::mpsc::{Sender, channel};
use std::task::{Poll, Waker};
use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::Handle;
use oneloop_benches::timed;

fn answers(criterion: &mut Criterion) {
    bench_answer(criterion, "a thread wakes the loop", |_, waker| waker.wake());
    bench_answer(criterion, "call_soon_threadsafe from a thread", |handle, waker| {
        handle.call_soon_threadsafe(|| waker.wake()).expect("the loop waits");
    });
}

/// Main asks a thread, again and again, and waits until `answer` has woken it.
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

criterion_group! {
    name = threads;
    config = oneloop_benches::criterion();
    targets = answers
}
criterion_main!(threads);
