//! Queues and channels: the cost of an item, within a task and from task to task.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oneloop::sync::{Queue, Receiver, Sender, broadcast, channel, oneshot, watch};
use oneloop::{Task, create_task, yield_now};
use oneloop_benches::{bench, timed};

const CAPACITY: usize = 64;

fn at_once(criterion: &mut Criterion) {
    let queue = Queue::new(CAPACITY);
    bench(criterion, "put and get, nobody waits", async || {
        queue.put(1).await.expect("it is open");
        black_box(queue.get().await);
    });
    let (sender, receiver) = channel(CAPACITY);
    bench(criterion, "send and receive, nobody waits", async || {
        sender.send(1).await.expect("it is open");
        black_box(receiver.recv().await);
    });
}

/// Each task puts items for ever. It ends with the loop.
fn put_for_ever(queue: &Rc<Queue<u64>>) {
    let queue = Rc::clone(queue);
    let put = async move { while queue.put(1).await.is_ok() {} };
    create_task(put).detach();
}

fn across_tasks(criterion: &mut Criterion) {
    for putters in [1, 8] {
        criterion.bench_function(&format!("queue {putters}:1"), |bencher| {
            bencher.iter_custom(|count| {
                oneloop::run(async {
                    let queue = Rc::new(Queue::new(CAPACITY));
                    (0..putters).for_each(|_| put_for_ever(&queue));
                    let get = async || assert_eq!(queue.get().await, Some(1));
                    timed(count, get).await
                })
            });
        });
    }
    for (name, capacity) in [("channel 1:1", CAPACITY), ("rendezvous 1:1", 0)] {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                oneloop::run(async {
                    let (sender, receiver) = channel(capacity);
                    let sending = send_for_ever(sender);
                    let took = receive(count, &receiver).await;
                    drop(receiver);
                    sending.await.expect("it ends with the receiver");
                    took
                })
            });
        });
    }
}

fn send_for_ever(sender: Sender<u64>) -> Task<()> {
    create_task(async move { while sender.send(1).await.is_ok() {} })
}

async fn receive(count: u64, receiver: &Receiver<u64>) -> Duration {
    timed(count, async || assert_eq!(receiver.recv().await, Some(1))).await
}

fn one_value(criterion: &mut Criterion) {
    bench(criterion, "oneshot, sent and received", async || {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).expect("the receiver is there");
        black_box(receiver.await).expect("it was sent");
    });
    bench(criterion, "oneshot to a task that waits", async || {
        let (sender, receiver) = oneshot::channel();
        let task = create_task(receiver);
        yield_now().await;
        sender.send(1).expect("the receiver is there");
        black_box(task.await).expect("it does not panic").expect("it was sent");
    });
}

fn to_many(criterion: &mut Criterion) {
    const RECEIVERS: u64 = 100;
    let mut group = criterion.benchmark_group("broadcast");
    group.throughput(Throughput::Elements(RECEIVERS));
    group.bench_function("to 100 tasks", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let (sender, receiver) = broadcast::channel(CAPACITY);
                for _ in 0..RECEIVERS {
                    let mut receiver = receiver.resubscribe();
                    let listen = async move { while receiver.recv().await.is_ok() {} };
                    create_task(listen).detach();
                }
                drop(receiver);
                let send = async || {
                    yield_now().await;
                    sender.send(1_u64).expect("the tasks receive");
                };
                timed(count, send).await
            })
        });
    });
    group.finish();
}

fn latest(criterion: &mut Criterion) {
    criterion.bench_function("watch from task to task", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let (sender, mut receiver) = watch::channel(0);
                let look = async move {
                    while receiver.changed().await.is_ok() {
                        black_box(*receiver.borrow());
                    }
                };
                create_task(look).detach();
                let mut value = 0;
                let send = async || {
                    value += 1;
                    sender.send(value);
                    yield_now().await;
                };
                timed(count, send).await
            })
        });
    });
}

criterion_group! {
    name = queues;
    config = oneloop_benches::criterion();
    targets = at_once, across_tasks, one_value, to_many, latest
}
criterion_main!(queues);
