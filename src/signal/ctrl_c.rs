//! `ctrl_c` and `shutdown`: the signals that ask a program to end.

use std::io;

use super::{SignalKind, Signals};

/// Waits for Ctrl-C (SIGINT).
///
/// The first poll starts listening, until the loop ends. During that time Ctrl-C does not end the
/// process by itself. A Ctrl-C that comes while no task waits here is remembered for the next call.
/// One that comes while some tasks wait is reported to all of them, and to no later call. It is
/// therefore safe to call this repeatedly, also in a loop.
///
/// In a program with `#[oneloop::main]`, Ctrl-C no longer cancels main after that first poll.
///
/// A part of a program should use [`signal`](super::signal()), which listens only as long as it
/// exists. [`run_until_ctrl_c`](super::run_until_ctrl_c) runs a future that Ctrl-C cancels.
///
/// # Cancel safety
///
/// Dropping the future before it is ready loses nothing.
///
/// # Errors
///
/// An error if the process has no descriptors left.
///
/// # Examples
///
/// ```no_run
/// oneloop::run(async {
///     println!("Press Ctrl-C");
///     oneloop::signal::ctrl_c().await?;
///     println!("Goodbye");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    Signals::remembering(&[SignalKind::SIGINT])?.claim().await?;
    Ok(())
}

/// Waits until the program is asked to end, and returns the signal: Ctrl-C (SIGINT), or the SIGTERM
/// that `kill`, service managers and containers send.
///
/// Like [`ctrl_c`], it listens from its first poll until the loop ends, and remembers signals that
/// come while no task waits. A second call reports a second, more impatient request.
///
/// # Cancel safety
///
/// Dropping the future before it is ready loses nothing.
///
/// # Errors
///
/// An error if the process has no descriptors left.
///
/// # Examples
///
/// ```no_run
/// use oneloop::signal::shutdown;
///
/// async fn serve() -> std::io::Result<()> {
///     std::future::pending().await
/// }
///
/// async fn finish_what_is_open() {}
///
/// oneloop::run(async {
///     oneloop::select! {
///         served = serve() => served?,
///         asked = shutdown() => println!("{}: stopping", asked?),
///     }
///     oneloop::select! {
///         () = finish_what_is_open() => {}
///         asked = shutdown() => println!("{} again: at once, then", asked?),
///     }
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
pub async fn shutdown() -> io::Result<SignalKind> {
    Signals::remembering(&[SignalKind::SIGINT, SignalKind::SIGTERM])?.claim().await
}
