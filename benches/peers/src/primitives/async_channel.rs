//! async-channel, on oneloop.

use async_channel::{Receiver, Sender};

use super::{
    Oneloop, Works,
    works::{Queue, queue},
};

pub fn works() -> Works {
    vec![
        ("queue_1_1", || queue::<Oneloop, Bounded>(1)),
        ("queue_8_1", || queue::<Oneloop, Bounded>(8)),
    ]
}

struct Bounded;

impl Queue for Bounded {
    type Sender = Sender<u32>;
    type Receiver = Receiver<u32>;

    fn new(capacity: usize) -> (Sender<u32>, Receiver<u32>) {
        async_channel::bounded(capacity)
    }

    async fn send(sender: &mut Sender<u32>, item: u32) {
        sender.send(item).await.expect("the receiver lives");
    }

    async fn receive(receiver: &mut Receiver<u32>) -> u32 {
        receiver.recv().await.expect("a sender lives")
    }
}
