//! Asks the kernel about a child that has ended, without reaping it.

use std::process::ExitStatus;

use nix::unistd::Pid;

/// The kernel cannot tell.
pub(crate) struct Unknown;

/// Asks whether `child` has ended or, if `child` is `None`, whether any has that was not reaped.
/// Returns one that has, if there is one.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn peek(child: Option<Pid>) -> Result<Option<(Pid, ExitStatus)>, Unknown> {
    use std::os::unix::process::ExitStatusExt as _;

    use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

    /// The bit in the status of a process ended by a signal that says that memory was dumped.
    const CORE: i32 = 0x80;

    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let (pid, raw) = match waitid(child.map_or(Id::All, Id::Pid), flags) {
        Ok(WaitStatus::StillAlive) => return Ok(None),
        Ok(WaitStatus::Exited(pid, code)) => (pid, code << 8),
        Ok(WaitStatus::Signaled(pid, signal, has_core)) => {
            (pid, signal as i32 | if has_core { CORE } else { 0 })
        }
        // There are no children, so ours are lost; or the signal that ended this one has no name.
        _ => return Err(Unknown),
    };
    Ok(Some((pid, ExitStatus::from_raw(raw))))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn peek(_child: Option<Pid>) -> Result<Option<(Pid, ExitStatus)>, Unknown> {
    Err(Unknown)
}
