//! local-sync, on oneloop.

use local_sync::{
    mpsc::bounded::{self, Rx, Tx},
    oneshot::{self, Receiver, Sender},
    semaphore::Semaphore,
};

use super::{
    Oneloop, Works,
    works::{self, oneshot, queue, semaphore, semaphore_8},
};

pub fn works() -> Works {
    vec![
        ("semaphore", semaphore::<Oneloop, Semaphore>),
        ("semaphore_8", semaphore_8::<Oneloop, Semaphore>),
        ("queue_1_1", || queue::<Oneloop, Bounded>(1)),
        ("queue_8_1", || queue::<Oneloop, Bounded>(8)),
        ("oneshot", oneshot::<Oneloop, Oneshot>),
    ]
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
    type Sender = Tx<u32>;
    type Receiver = Rx<u32>;

    fn new(capacity: usize) -> (Tx<u32>, Rx<u32>) {
        bounded::channel(capacity)
    }

    async fn send(sender: &mut Tx<u32>, item: u32) {
        assert!(sender.send(item).await.is_ok(), "the receiver lives");
    }

    async fn receive(receiver: &mut Rx<u32>) -> u32 {
        receiver.recv().await.expect("a sender lives")
    }
}

struct Oneshot;

impl works::Oneshot for Oneshot {
    type Sender = Sender<u32>;
    type Receiver = Receiver<u32>;

    fn channel() -> (Sender<u32>, Receiver<u32>) {
        oneshot::channel()
    }

    fn send(sender: Sender<u32>, value: u32) {
        sender.send(value).expect("the receiver lives");
    }
}
