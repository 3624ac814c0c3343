//! Signals: Ctrl-C, SIGTERM and the others, as streams.
//!
//! [`signal`](signal()) listens for one signal, [`signals`] for several. Ending a program takes
//! less code: [`ctrl_c`] waits for Ctrl-C, [`shutdown`] for Ctrl-C or SIGTERM, and
//! [`run_until_ctrl_c`] runs a program that Ctrl-C cancels.
//!
//! # Who hears a signal
//!
//! Every listener receives every signal, on each loop and thread. So do other users of the signal,
//! such as the crates signal-hook and tokio.
//!
//! `#[oneloop::main]`, which cancels main at Ctrl-C, is the exception: it hears the signal only
//! while the program does not listen for it. Its reaction takes the place of the signal's default
//! action.
//!
//! # How many times
//!
//! Signals are coalesced, by the system and by this module. A listener is notified at least once
//! after a signal has come. If the signal comes again before the listener has looked, the two count
//! as one. No signal is lost because the listener was busy.
//!
//! # Signals without a listener
//!
//! Most signals end a process that does not listen for them. While there is a listener, the signal
//! does not. When the last one is dropped, it does again, as after asyncio's
//! `remove_signal_handler`. There are three exceptions:
//!
//! - Another part of the program handled or ignored the signal before the first listener existed:
//!   that stays so. Linux tells whether this is the case; elsewhere the signal has its default
//!   effect again.
//! - Another part of the program handles it by other means *later*, as tokio does. This cannot be
//!   detected, so keep a listener for as long as that part exists.
//! - A signal without a name, such as a real-time signal, is ignored from its first listener on.
//!
//! # Signals that are blocked or ignored
//!
//! A program inherits blocked and ignored signals from the one that started it. A listener hears
//! both kinds: the loop's thread unblocks the signal while it has a listener, and blocks it again
//! afterwards. A pending signal is heard at once. A signal without a name, such as a real-time
//! signal, stays blocked.
//!
//! # Forks
//!
//! A forked child that goes on without `exec` has its parent's handlers, but none of its listeners:
//! signals sent to the child are ignored there, and do not reach the parent. A child that makes a
//! loop and listens hears its own signals.
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
