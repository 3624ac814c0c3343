//! Measures the same work on oneloop and on other runtimes, and prints the figures side by side in
//! a table. A second table compares locks, queues and similar primitives with other libraries, and
//! a third one everything that reaches the operating system. `primitives/mod.rs` and
//! `system/mod.rs` describe these two.
//!
//! ```sh
//! export CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
//! cargo run --release -p oneloop-peers                        # everything
//! cargo run --release -p oneloop-peers -- ping_pong echo_64   # these works
//! cargo run --release -p oneloop-peers -- --rounds 3 --runtimes oneloop,tokio
//! ```
//!
//! Each figure is measured in a separate process, in several rounds. The runtimes take turns within
//! a round, so that a slow minute of the machine affects all of them alike, and the best round is
//! kept. Lower is better everywhere. `works.rs` describes the works. Each is written once, generic
//! over the trait `Runtime`, which every runtime implements in a file of its own.
//!
//! # The runtimes
//!
//! * `tokio`: `current_thread` with `tokio::spawn`; `tokio local`: tokio's `LocalRuntime` with
//!   `spawn_local`; `tokio LocalSet`: `LocalSet` inside `current_thread`.
//! * `smol`: a `LocalExecutor` inside `smol::block_on`. Its timers and its sockets are in a reactor
//!   of the whole process, which also has a thread. So `empty_run` does not make a reactor for it,
//!   and CPU time is always the whole process's.
//! * `monoio epoll` and `monoio uring`: monoio with its two drivers, with timers enabled, and with
//!   the feature `sync`, without which a wake from another thread panics. It cannot yield to other
//!   tasks, because a task that wakes itself comes first again, so `monoio_work.rs` has a yield of
//!   its own.
//! * `glommio` and `compio`: on `io_uring`.
//! * `mio` and `epoll`: bare loops without a runtime, the floor of `echo_64`. They do not count as
//!   the best peer.
//!
//! If a runtime cannot do a work, its cell says `n/a: reason`.
//!
//! # Counting the system calls of a server
//!
//! `--serve RUNTIME [--port P] [--cpu N]` serves until its standard input closes, and `--load
//! ADDRESS CONNECTIONS MESSAGES` sends 1 KiB messages to it, one in flight on each connection. This
//! counts the calls behind `echo_64`:
//!
//! ```sh
//! sleep 20 | strace -c -f target/release/oneloop-peers --serve oneloop --port 9000 &
//! sleep 1; target/release/oneloop-peers --load 127.0.0.1:9000 64 20000; wait
//! ```
//!
//! `strace` slows the server down so much that it finds more sockets ready at a time than usual, so
//! compare such counts only with each other. If the load takes longer than the `sleep`, raise the
//! latter.

mod compio_work;
mod echo;
mod epoll_work;
mod glommio_work;
mod harness;
mod mio_work;
mod monoio_work;
mod oneloop_work;
mod primitives;
mod smol_work;
mod system;
mod table;
mod tokio_work;
mod works;

use std::{env, io};

use harness::measure_in_child;
use table::Table;
use works::{WORKS, Work, measure};

/// A runtime, its works and its echo server.
struct Entry {
    name: &'static str,
    /// `None` for a bare loop, which has only an echo server.
    measure: Option<fn(&str) -> f64>,
    serve: fn(u16) -> io::Result<()>,
}

const fn runtime(
    name: &'static str,
    measure: fn(&str) -> f64,
    serve: fn(u16) -> io::Result<()>,
) -> Entry {
    Entry { name, measure: Some(measure), serve }
}

/// The columns of the first table.
const RUNTIMES: &[Entry] = &[
    runtime("oneloop", measure::<oneloop_work::Oneloop>, oneloop_work::serve),
    runtime("tokio", measure::<tokio_work::Tokio>, tokio_work::serve),
    runtime("tokio local", measure::<tokio_work::TokioLocal>, tokio_work::serve_local),
    runtime("tokio LocalSet", measure::<tokio_work::TokioLocalSet>, tokio_work::serve_local_set),
    runtime("smol", measure::<smol_work::Smol>, smol_work::serve),
    runtime("monoio epoll", measure::<monoio_work::MonoioEpoll>, monoio_work::serve_epoll),
    runtime("monoio uring", measure::<monoio_work::MonoioUring>, monoio_work::serve_uring),
    runtime("glommio", measure::<glommio_work::Glommio>, glommio_work::serve),
    runtime("compio", measure::<compio_work::Compio>, compio_work::serve),
    Entry { name: "mio", measure: None, serve: mio_work::serve },
    Entry { name: "epoll", measure: None, serve: epoll_work::serve },
];

const USAGE: &str = "usage: oneloop-peers [--rounds N] [--runtimes A,B] [WORK]...
       oneloop-peers --serve RUNTIME [--port P] [--cpu N]
       oneloop-peers --load ADDRESS CONNECTIONS MESSAGES
       oneloop-peers --latency ADDRESS CONNECTIONS MESSAGES";

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--measure", work, name] => {
            harness::limit_seconds(120);
            println!("{}", measure_here(work, name));
            Ok(())
        }
        ["--serve", name] => serve(name, 0, None),
        ["--serve", name, "--port", port] => serve(name, number(port), None),
        ["--serve", name, "--cpu", cpu] => serve(name, 0, Some(number(cpu))),
        ["--serve", name, "--port", port, "--cpu", cpu] => {
            serve(name, number(port), Some(number(cpu)))
        }
        ["--load", address, connections, messages] => {
            let address = address.parse().expect("an address with a port");
            let took = echo::load(address, number(connections), number(messages))?;
            println!("{:.0} messages a second", number::<f64>(messages) / took.as_secs_f64());
            Ok(())
        }
        ["--latency", address, connections, messages] => {
            let address = address.parse().expect("an address with a port");
            system::load_and_print(address, number(connections), number(messages))
        }
        ["--hold", address, connections] => {
            system::hold(address.parse().expect("an address with a port"), number(connections))
        }
        _ => compare(&args),
    }
}

fn serve(name: &str, port: u16, cpu: Option<usize>) -> io::Result<()> {
    if let Some(cpu) = cpu {
        harness::pin_to_cpu(cpu);
    }
    harness::end_with_stdin();
    (find(name).serve)(port)
}

/// The figure of a work of any table.
fn measure_here(work: &str, name: &str) -> f64 {
    if primitives::WORKS.iter().any(|known| known.name == work) {
        harness::pin_to_cpu(1);
        let run = primitives::find(work, name);
        return run.unwrap_or_else(|| panic!("{name:?} has no work {work:?}"))();
    }
    if system::WORKS.iter().any(|known| known.name == work) {
        return system::measure_here(work, name);
    }
    find(name).measure.expect("a bare loop has no works")(work)
}

/// A table: its columns, its rows, and the measured contents of its cells.
struct Comparison {
    columns: Vec<&'static str>,
    works: &'static [Work],
    /// The figures by work and column. `None` if there is no such figure.
    measure: fn(&str, &str) -> Option<Result<f64, String>>,
}

fn comparisons() -> [Comparison; 3] {
    let runtimes = Comparison {
        columns: RUNTIMES.iter().map(|entry| entry.name).collect(),
        works: WORKS,
        measure: |work, name| match work {
            "echo_64" => Some(echo::measure_in_child(name)),
            _ => find(name).measure.map(|_| measure_in_child(work, name)),
        },
    };
    let primitives = Comparison {
        columns: primitives::PEERS.iter().map(|peer| peer.name).collect(),
        works: primitives::WORKS,
        measure: |work, name| primitives::find(work, name).map(|_| measure_in_child(work, name)),
    };
    let system = Comparison {
        columns: system::PEERS.iter().map(|peer| peer.name).collect(),
        works: system::WORKS,
        measure: system::measure_elsewhere,
    };
    [runtimes, primitives, system]
}

/// Measures the works that `args` name, and prints the tables.
fn compare(args: &[&str]) -> io::Result<()> {
    let (mut rounds, mut chosen, mut names) = (7, None, Vec::new());
    let mut comparisons = comparisons();
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        match arg {
            "--rounds" => rounds = number(args.next().expect(USAGE)),
            "--runtimes" => {
                chosen = Some(args.next().expect(USAGE).split(',').collect::<Vec<_>>());
            }
            name if comparisons.iter().any(|table| table.has_work(name)) => names.push(name),
            unknown => panic!("no work is called {unknown:?}\n{USAGE}"),
        }
    }
    if let Some(chosen) = chosen {
        for name in &chosen {
            let is_known = comparisons.iter().any(|table| table.columns.contains(name));
            assert!(is_known, "no runtime and no library is called {name:?}");
        }
        for table in &mut comparisons {
            table.columns.retain(|column| chosen.contains(column));
        }
    }
    for table in comparisons {
        table.measure_and_print(rounds, &names);
    }
    Ok(())
}

impl Comparison {
    fn has_work(&self, name: &str) -> bool {
        self.works.iter().any(|work| work.name == name)
    }

    /// Prints nothing if none of the works is in this table.
    fn measure_and_print(self, rounds: usize, names: &[&str]) {
        let mut table = Table::new(self.columns.clone());
        for work in self.works.iter().filter(|work| names.is_empty() || names.contains(&work.name))
        {
            let row = table.add_row(work.name, work.unit);
            for round in 0..work.rounds.min(rounds) {
                eprintln!("{}, round {}", work.name, round + 1);
                for (column, name) in self.columns.iter().enumerate() {
                    if row.has_failed(column) {
                        continue; // it may have taken long to fail
                    }
                    if let Some(figure) = (self.measure)(work.name, name) {
                        row.keep_best(column, figure);
                    }
                }
            }
        }
        table.print();
    }
}

fn find(name: &str) -> &'static Entry {
    let found = RUNTIMES.iter().find(|entry| entry.name == name);
    found.unwrap_or_else(|| panic!("no runtime is called {name:?}"))
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number\n{USAGE}"))
}
