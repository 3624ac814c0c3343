//! The second table: locks, queues, groups and the like. Its peers are libraries rather than
//! runtimes, so all run on oneloop, and only the primitive differs. Tokio's primitives run on
//! tokio, because they are made for its sockets and timers, and its tasks and time limits need it.
//!
//! * `oneloop` and `tokio`: `current_thread` with `tokio::spawn` and `JoinSet::spawn`; `tokio
//!   LocalSet`: `LocalSet` inside it, with `spawn_local`.
//! * `local-sync`: without atomics, from the makers of monoio.
//! * `async-lock`, `async-channel`: smol's.
//! * `futures`: its locks and channels, and `FuturesUnordered` in one task in place of a group or a
//!   set of tasks. In `wait_all` and `wait_first`, it and `select_all` get oneloop's tasks.
//!
//! Each file here has the works that its peer can do. The works are in `works.rs`.

mod async_channel;
mod async_lock;
mod futures;
mod local_sync;
mod oneloop;
mod tokio;
mod works;

use crate::{
    oneloop_work::Oneloop,
    tokio_work::{Tokio, TokioLocalSet},
    works::{Work, work},
};

/// A work of one peer. Returns its figure.
type Run = fn() -> f64;

/// The works that a peer can do, with their names.
type Works = Vec<(&'static str, Run)>;

pub struct Peer {
    pub name: &'static str,
    works: fn() -> Works,
}

const fn peer(name: &'static str, works: fn() -> Works) -> Peer {
    Peer { name, works }
}

/// The columns of the table.
pub const PEERS: &[Peer] = &[
    peer("oneloop", oneloop::works),
    peer("tokio", tokio::works::<Tokio>),
    peer("tokio LocalSet", tokio::works::<TokioLocalSet>),
    peer("local-sync", local_sync::works),
    peer("async-lock", async_lock::works),
    peer("async-channel", async_channel::works),
    peer("futures", futures::works),
];

/// The rows of the table.
pub const WORKS: &[Work] = &[
    work("lock", "ns per lock", 99),
    work("lock_8", "ns per lock", 99),
    work("semaphore", "ns per permit", 99),
    work("semaphore_8", "ns per permit", 99),
    work("queue_1_1", "ns per item", 99),
    work("queue_8_1", "ns per item", 99),
    work("oneshot", "ns per value", 99),
    work("broadcast_100", "ns per receipt", 99),
    work("group_100", "ns per child", 99),
    work("group_10000", "ns per child", 99),
    work("task_set", "ns per task", 99),
    work("wait_all", "ns per task", 99),
    work("wait_first", "ns per task listed", 99),
    work("select_3", "ns per select", 99),
    work("timeout_ready", "ns per timeout", 99),
];

/// The work of a peer with this name, if the peer can do it.
pub fn find(work: &str, peer: &str) -> Option<Run> {
    let peer = PEERS.iter().find(|known| known.name == peer)?;
    (peer.works)().into_iter().find_map(|(name, run)| (name == work).then_some(run))
}
