//! One event loop on each core.
//!
//! [`workers`](workers()) runs the same future on several threads, each with a loop of its own. They share no memory but
//! what the program gives them, and no lock: a listener of each worker shares one port, the kernel spreads the connections,
//! and what one has for another it sends through that one's [`Handle`](crate::Handle).
//!
//! # How workers end
//!
//! Each worker runs until its future is ready; [`Workers::run`] returns when all of them have ended, with the outputs in
//! order.
//!
//! Ctrl-C (SIGINT) and SIGTERM ask all of them to stop, and so does [`Worker::stop`]. A worker that looks out for this, by
//! [`Worker::stopping`] or [`Worker::stop_token`], has a [grace](Workers::grace) in which to become ready by itself. One
//! that does not, or is late, is cancelled: its future is dropped, and its [cleanups](crate::with_cleanup) run, as do those
//! of its other tasks.
//!
//! The second signal ends them at once: futures are dropped, and cleanups are cut off, which is reported. From then on the
//! signals do again what they do by default, so a third one ends a process in which a worker is stuck in code that does not
//! `await`.
//!
//! # Panics
//!
//! When the future of one worker panics, the others are asked to stop, as above; then the panic goes on in the caller.
//! [`OnPanic`] has the other choice. A panic of any other task is no affair of the workers: it is reported, as in every
//! loop.
//!
//! # Examples
//!
//! ```
//! let cores = oneloop::workers(2).run(async |worker| worker.index())?;
//! assert_eq!(cores, [0, 1]);
//! # std::io::Result::Ok(())
//! ```

mod cores;
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
