//! The third table: everything that reaches the operating system. It has lines and copies over
//! sockets, datagrams, idle connections, calls on other threads, and processes. It also has the
//! latencies of an echo server, whose loads are in `latency.rs`.
//!
//! * `oneloop`; `tokio`: `current_thread` with `tokio::spawn`; `smol`.
//!
//! The works are in `works.rs`, written once and generic over the trait `System`. Each peer
//! implements it in a file here, as its users would write it.

mod latency;
mod oneloop;
mod smol;
mod tokio;
mod works;

use crate::{
    harness::measure_in_child,
    oneloop_work::Oneloop,
    smol_work::Smol,
    tokio_work::Tokio,
    works::{Work, work},
};

pub use latency::{load_and_print, measure as measure_latency};
pub use works::hold;

pub struct Peer {
    pub name: &'static str,
    measure: fn(&str) -> f64,
}

/// The columns of the table.
pub const PEERS: &[Peer] = &[
    Peer { name: "oneloop", measure: works::measure::<Oneloop> },
    Peer { name: "tokio", measure: works::measure::<Tokio> },
    Peer { name: "smol", measure: works::measure::<Smol> },
];

/// The rows of the table.
pub const WORKS: &[Work] = &[
    work("readline", "CPU ns per line", 5),
    work("readline_bytes", "CPU ns per line", 5),
    work("lines", "CPU ns per line", 5),
    work("copy", "CPU ms per GiB", 5),
    work("idle_lines", "bytes per connection", 2),
    work("idle_bare", "bytes per connection", 2),
    work("udp_ping_pong", "ns per round trip", 99),
    work("udp_batch", "ns per datagram", 99),
    work("to_thread", "ns per call", 99),
    work("to_thread_100k", "ns per call", 99),
    work("processes", "µs per process", 5),
    work("connect_close", "ns per connection", 5),
    work("beside_busy_20", "µs p50", 5),
    work("beside_busy_100", "µs p50", 5),
    work("beside_busy_300", "µs p50", 5),
    work("beside_busy_1000", "µs p50", 3),
    work("echo_1_p50", "µs", 3),
    work("echo_1_p99", "µs", 3),
    work("echo_1_p99.9", "µs", 3),
    work("echo_100_p50", "µs", 3),
    work("echo_100_p99", "µs", 3),
    work("echo_100_p99.9", "µs", 3),
    work("echo_1000_p50", "µs", 3),
    work("echo_1000_p99", "µs", 3),
    work("echo_1000_p99.9", "µs", 3),
    work("echo_10000_p50", "µs", 3),
    work("echo_10000_p99", "µs", 3),
    work("echo_10000_p99.9", "µs", 3),
];

/// A figure, measured in a separate process.
pub fn measure_elsewhere(work: &str, peer: &str) -> Option<Result<f64, String>> {
    if work.starts_with("echo_") {
        return Some(measure_latency(work, peer));
    }
    Some(measure_in_child(work, peer))
}

/// Does a work of a peer in this process. Returns its figure.
pub fn measure_here(work: &str, name: &str) -> f64 {
    let peer = PEERS.iter().find(|peer| peer.name == name);
    (peer.unwrap_or_else(|| panic!("{name:?} is not in the third table")).measure)(work)
}
