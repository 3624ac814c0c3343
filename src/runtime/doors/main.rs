//! What `#[oneloop::main]` calls in a crate without the module `signal`.

use super::builder::Builder;

/// Runs the main function of a program. Nothing listens for Ctrl-C, which ends the process at once.
///
/// With the feature `signal`, `signal::run_main` takes the place of this function. It also takes
/// the flag, which says whether the program listens for SIGTERM.
#[doc(hidden)]
#[track_caller]
pub fn run_main<F: IntoFuture>(builder: Builder, _hears_sigterm: bool, main: F) -> F::Output {
    builder.run(main)
}
