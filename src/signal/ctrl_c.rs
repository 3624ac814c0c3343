//! `ctrl_c` and `shutdown`: the signals that ask a program to end.

use std::io;

use super::{SignalKind, Signals};

/// Waits for Ctrl-C (SIGINT).
///
/// Its first poll begins to listen, until the loop ends; so long Ctrl-C does not end the process by itself. One that comes
/// while nobody waits here is remembered, for whoever waits next. Of one that comes while some wait, all of these are told,
/// and nobody who waits later. So it may be called again and again, in a loop too.
///
/// In a program with `#[oneloop::main]`, Ctrl-C does not cancel main any more from that first poll on.
///
/// A part of a program takes [`signal`](super::signal()), which listens no longer than it lives;
/// [`run_until_ctrl_c`](super::run_until_ctrl_c) runs a future that Ctrl-C cancels.
///
/// # Cancel safety
///
/// Dropped before it is ready, it loses nothing.
///
/// # Errors
///
/// If the process has no descriptors left.
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

/// Waits until somebody asks the program to end, and says how: by Ctrl-C (SIGINT), or by the SIGTERM that `kill`, service
/// managers and containers send.
///
/// As [`ctrl_c`] does, it listens from its first poll until the loop ends, and remembers what comes while nobody waits.
/// Called a second time, it tells of somebody who has lost patience.
///
/// # Cancel safety
///
/// Dropped before it is ready, it loses nothing.
///
/// # Errors
///
/// If the process has no descriptors left.
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
