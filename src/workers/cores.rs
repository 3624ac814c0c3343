//! Which core a thread runs on.

use std::io;

/// Has this thread run on one core only: on that of its number among those that it may use.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly"
))]
pub(super) fn pin(number: usize) -> io::Result<()> {
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::unistd::Pid;

    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let cores: Vec<usize> =
        (0..CpuSet::count()).filter(|&core| allowed.is_set(core) == Ok(true)).collect();
    let core = cores.get(number % cores.len().max(1));
    let core = *core.ok_or_else(|| io::Error::other("this thread may use no core"))?;
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
pub(super) fn pin(_number: usize) -> io::Result<()> {
    let message = "threads cannot be pinned to a core on this system: leave `pin_to_cores` out";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}
