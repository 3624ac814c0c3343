//! Signals: Ctrl-C, SIGTERM and the others, as streams.
//!
//! [`signal`](signal()) listens for one signal, [`signals`] for several. For the end of a program there is less to write:
//! [`ctrl_c`] waits for Ctrl-C, [`shutdown`] for Ctrl-C or SIGTERM, and [`run_until_ctrl_c`] runs a program that Ctrl-C
//! cancels.
//!
//! # Who hears a signal
//!
//! As many as like to: every listener is told of every signal, on each loop and thread, and so are other users of the
//! signal, such as the crates signal-hook and tokio.
//!
//! One thing hears a signal only while the program does not listen for it: `#[oneloop::main]`, which cancels main at Ctrl-C. Its
//! reaction stands where the default action of the signal would be.
//!
//! # How many times
//!
//! Signals are coalesced, by the system and here. A listener is told at least once after the signal has come; if the signal
//! comes again before the listener has looked, that is the same time. None is lost because the listener was busy.
//!
//! # What happens where nobody listens
//!
//! Most signals end a process that does not listen for them. While there is a listener, the signal does not; when the last
//! one is dropped, it does again, as after asyncio's `remove_signal_handler`. There are three exceptions:
//!
//! - Another part of the program handled the signal, or ignored it, before the first listener was there: then it goes on so.
//!   Linux tells whether that is the case; elsewhere the signal does again what it does by default.
//! - Another part of the program handles it by other means *later*, as tokio does. Nobody can see that, so a listener has to be
//!   kept for as long as that part lives.
//! - A signal without a name, such as those for real time, is ignored from its first listener on.
//!
//! # Signals that are blocked or ignored
//!
//! A program inherits blocked and ignored signals from the one that started it. A listener hears both kinds: the loop's thread unblocks
//! the signal while somebody listens there, and blocks it again afterwards. One that was pending is heard at once. A signal
//! without a name, such as those for real time, stays blocked.
//!
//! # Forks
//!
//! A forked child that goes on without `exec` has its parent's handlers, but none of its listeners: what is sent to the
//! child is ignored there, and does not reach the parent. A child that makes a loop and listens hears its own signals.
//!
//! # Examples
//!
//! ```
//! use nix::sys::signal::{Signal, raise};
//! use oneloop::signal::{SignalKind, signal};
//!
//! oneloop::run(async {
//!     let mut hangups = signal(SignalKind::SIGHUP)?;
//!     raise(Signal::SIGHUP)?; // what `kill -HUP` does
//!     assert_eq!(hangups.recv().await?, SignalKind::SIGHUP);
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

mod arrivals;
mod asked;
mod ctrl_c;
mod default_action;
mod kind;
mod listen;
mod main;
mod presses;
mod unblocked;
mod until_ctrl_c;

pub use ctrl_c::{ctrl_c, shutdown};
pub use kind::SignalKind;
pub use listen::{Signals, signal, signals};
#[doc(hidden)]
pub use main::run_main;
pub use until_ctrl_c::{Interrupted, run_until_ctrl_c};

pub(crate) use asked::{Asks, run_unless_asked};
