//! Pins threads to cores.

use std::io;

/// Pins this thread, one of `count`, to one core: the one with this number among the cores that it
/// may use.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly"
))]
pub(crate) fn pin(number: usize, count: usize) -> io::Result<()> {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let cores: Vec<usize> =
        (0..CpuSet::count()).filter(|&core| allowed.is_set(core) == Ok(true)).collect();
    let core = match cores.get(number) {
        Some(&core) if count <= cores.len() => core,
        _ => {
            let message = format!(
                "{count} workers cannot have a core each, since this process may use {}: start fewer, or leave `pin_to_cores` out",
                cores.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    };
    let mut only = CpuSet::new();
    only.set(core)?;
    Ok(sched_setaffinity(this_thread, &only)?)
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly"
)))]
pub(crate) fn pin(_number: usize, _count: usize) -> io::Result<()> {
    let message = "threads cannot be pinned to a core on this system: leave `pin_to_cores` out";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}
