//! Memory after a burst: a collection that has grown releases memory once it is mostly empty.
//!
//! This is a separate process, because of its counting allocator.
#![cfg(feature = "thread")]
#![expect(unsafe_code, reason = "only an allocator knows how much is allocated")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use oneloop::sync::{
    Event, LifoQueue, PriorityQueue, Queue, Semaphore, broadcast, unbounded_channel,
};
use oneloop::{
    Builder, CancelToken, ContextVar, Handle, TaskSet, create_task, gather, sleep, task_group,
    thread, timeout, yield_now,
};

/// The number of each that a burst creates at once.
const MANY: usize = 20_000;

/// The number of bytes that may remain: each collection that grows keeps room for some 16 KiB.
const KEPT: isize = 256 * 1024;

const SECOND: Duration = Duration::from_secs(1);

struct Counting;

thread_local! {
    /// The bytes that this thread has allocated, less the bytes that it has freed.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}

fn count(bytes: isize) {
    LIVE.set(LIVE.get() + bytes);
}

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller keeps the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller keeps the same contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `burst` on a loop with virtual time, beside a few tasks that stay, and checks the memory
/// afterwards.
fn keeps_little(burst: impl AsyncFnOnce()) {
    Builder::new().virtual_time(true).run(async {
        for _ in 0..3 {
            create_task(pending::<()>()).named("stays").detach();
        }
        let before = LIVE.get();
        burst().await;
        // The task that was woken last has its turn, and the queue runs empty.
        sleep(SECOND).await;
        let kept = LIVE.get() - before;
        assert!(kept < KEPT, "{kept} bytes");
    });
}

#[test]
fn tasks_give_their_memory_back() {
    keeps_little(async || {
        let tasks: Vec<_> = (0..MANY).map(|_| create_task(yield_now())).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn tasks_that_end_in_reverse_give_their_memory_back() {
    keeps_little(async || {
        let mut tasks: Vec<_> = (0..MANY).map(|_| create_task(yield_now())).collect();
        while let Some(task) = tasks.pop() {
            task.await.unwrap();
        }
    });
}

#[test]
fn names_and_context_variables_give_their_memory_back() {
    static NUMBER: ContextVar<usize> = ContextVar::new("number");
    keeps_little(async || {
        for n in 0..MANY {
            let task = create_task(async move {
                NUMBER.set(n);
                sleep(SECOND).await;
            });
            task.named("one of many").detach();
        }
        sleep(2 * SECOND).await;
    });
}

#[test]
fn timers_that_expire_give_their_memory_back() {
    keeps_little(async || {
        gather((0..MANY as u64).map(|n| sleep(Duration::from_micros(n)))).await;
    });
}

#[test]
fn timers_that_are_cancelled_give_their_memory_back() {
    keeps_little(async || {
        let limits = (0..MANY).map(|_| timeout(100 * SECOND, yield_now()));
        gather(limits).await;
    });
}

#[test]
fn a_group_that_goes_on_gives_the_memory_of_its_children_back() {
    let finished = Rc::new(Event::new());
    let done = Rc::clone(&finished);
    keeps_little(async move || {
        let group = task_group(async move |group| {
            for _ in 0..MANY {
                group.create_task(yield_now());
            }
            done.wait().await;
        });
        create_task(group).detach();
        sleep(SECOND).await;
    });
    finished.set();
}

#[test]
fn a_task_set_gives_its_memory_back() {
    let mut set = TaskSet::new();
    keeps_little(async || {
        for _ in 0..MANY {
            set.create_task(yield_now());
        }
        while set.next().await.is_some() {}
    });
    drop(set);
}

#[test]
fn queues_give_their_memory_back() {
    let (fifo, lifo, heap) =
        (Queue::unbounded(), LifoQueue::unbounded(), PriorityQueue::unbounded());
    keeps_little(async || {
        for n in 0..MANY {
            fifo.try_put(n).unwrap();
            lifo.try_put(n).unwrap();
            heap.try_put(n).unwrap();
        }
        for _ in 0..MANY {
            let taken = [fifo.try_get(), lifo.try_get(), heap.try_get()];
            assert!(taken.iter().all(Result::is_ok));
        }
    });
}

#[test]
fn channels_give_their_memory_back() {
    let (sender, receiver) = unbounded_channel();
    let (remote, mut remotes) = thread::channel(usize::MAX);
    let (news, mut listener) = broadcast::channel(2 * MANY);
    keeps_little(async || {
        for n in 0..MANY {
            sender.try_send(n).unwrap();
            remote.try_send(n).unwrap();
            news.send(n).unwrap();
        }
        for n in 0..MANY {
            assert_eq!(receiver.try_recv().unwrap(), n);
            assert_eq!(remotes.try_recv().unwrap(), n);
            assert_eq!(listener.try_recv().unwrap(), n);
        }
    });
}

#[test]
fn waiters_give_their_memory_back() {
    let semaphore = Semaphore::new(0);
    keeps_little(async || {
        let wait = async || semaphore.acquire().await.forget();
        let all = gather((0..MANY).map(|_| wait()));
        let release = async {
            yield_now().await;
            semaphore.add_permits(MANY);
        };
        oneloop::gather!(all, release).await;
    });
}

#[test]
fn calls_for_the_loop_give_their_memory_back() {
    keeps_little(async || {
        let home = Handle::current();
        for n in 0..MANY {
            home.call_soon_threadsafe(move || drop(Box::new(n))).unwrap();
        }
    });
}

#[test]
fn cancel_tokens_give_their_memory_back() {
    let root = CancelToken::new();
    keeps_little(async || {
        let tokens: Vec<_> = (0..MANY).map(|_| root.child()).collect();
        drop(tokens);
    });
}
