//! Ending all that a process has started, as far as `/proc` knows of it. Must not know where the process comes from.

use std::collections::HashSet;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// So often the list of processes is read: once more for each generation, and for what was started meanwhile.
const PASSES_MAX: usize = 64;

/// Kills the children of `root`, which has not been reaped, their children and so on. `root` is left stopped.
///
/// Each is stopped before its children are looked for. So it starts no more; and it does not reap those that it has, whose process
/// ids therefore remain theirs until they are killed.
pub(super) fn kill_below(root: Pid) {
    stop(root);
    let mut family = HashSet::from([root]);
    for _ in 0..PASSES_MAX {
        let is_new =
            |&(child, parent): &(Pid, Pid)| family.contains(&parent) && !family.contains(&child);
        let found: Vec<Pid> = processes().filter(is_new).map(|(child, _)| child).collect();
        if found.is_empty() {
            break;
        }
        found.iter().copied().for_each(stop);
        family.extend(found);
    }
    family.remove(&root);
    for process in family {
        // Who may not be signalled is left alone.
        kill(process, Signal::SIGKILL).ok();
    }
}

fn stop(process: Pid) {
    kill(process, Signal::SIGSTOP).ok();
}

/// All processes of the system, each with its parent. None, where the system does not tell.
fn processes() -> impl Iterator<Item = (Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        // It may have ended since.
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        Some((Pid::from_raw(pid), Pid::from_raw(parent(&stat)?)))
    })
}

/// The parent, out of `12 (name) S 7 ...`, where a name may contain anything.
fn parent(stat: &str) -> Option<i32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_whatever_the_name_is() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) S 1 (b)) R 8 12"), Some(8));
        assert_eq!(parent("12 (sh"), None);
    }
}
