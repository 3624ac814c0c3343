//! The function that `#[oneloop::main]` runs.

use std::panic::Location;
use std::thread;

use super::asked::run_unless_asked;
use super::presses::Presses;
use super::until_ctrl_c::result_of;
use crate::runtime::{Builder, Level, log_line};

/// Runs the main function of a program. The first Ctrl-C cancels it, and then ends the process.
///
/// On threads other than the main one, signals are left alone, as in asyncio.
#[doc(hidden)]
#[track_caller]
pub fn run_main<F: IntoFuture>(builder: Builder, hears_sigterm: bool, main: F) -> F::Output {
    if !is_main_thread() {
        return builder.run(main);
    }
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("cannot make an event loop: {error}"),
    };
    let mut presses = match Presses::of_main(&runtime, hears_sigterm) {
        Ok(presses) => presses,
        Err(error) => {
            let line = format!("Ctrl-C ends this program without its cleanups: {error}");
            log_line(Level::Warn, &line);
            return runtime.run_and_shut_down(main, Location::caller());
        }
    };
    let output = run_unless_asked(runtime, main.into_future(), &mut presses, Location::caller());
    result_of(output, presses).unwrap_or_else(|interrupted| interrupted.exit())
}

/// The standard library gives the main thread this name.
fn is_main_thread() -> bool {
    thread::current().name() == Some("main")
}
