//! One event loop on each core.
//!
//! [`workers`](workers()) runs the same future on several threads, each with a loop of its own.
//! They share no lock, and no memory except what the program gives them. Each worker has a listener
//! on a shared port, and the kernel spreads the connections. A worker sends work to another through
//! that worker's [`Handle`](crate::Handle).
//!
//! # How workers end
//!
//! Each worker runs until its future is ready. [`Workers::run`] returns when all of them have
//! ended, with the outputs in order.
//!
//! Ctrl-C (SIGINT) and SIGTERM ask all workers to stop, and so does [`Worker::stop`]. A worker that
//! watches for this, with [`Worker::stopping`] or [`Worker::stop_token`], has a [grace
//! period](Workers::grace) in which to become ready by itself. A worker that does not watch, or is
//! late, is cancelled: its future is dropped, and its [cleanups](crate::with_cleanup) and the
//! cleanups of its other tasks run.
//!
//! The second signal ends the workers at once: futures are dropped, and cleanups are cut off, which
//! is reported. From then on the signals have their default effect again, so a third one ends a
//! process in which a worker is stuck in code that does not `await`.
//!
//! # Panics
//!
//! When the future of one worker panics, the others are asked to stop, as above, and then the panic
//! continues in the caller. [`OnPanic`] offers another choice. A panic of any other task does not
//! affect the workers: it is reported, as in every loop.
//!
//! # Examples
//!
//! ```
//! let cores = oneloop::workers(2).run(async |worker| worker.index())?;
//! assert_eq!(cores, [0, 1]);
//! # std::io::Result::Ok(())
//! ```

mod crew;
mod end;
mod listen;
mod post;
mod supervise;
mod worker;
#[expect(clippy::module_inception, reason = "it has the function of this name")]
mod workers;

pub use worker::Worker;
pub use workers::{OnPanic, Workers, per_core, workers};
