//! Signals all processes that a process has started, and lists the members of a group, as far as
//! `/proc` shows them. This module must not know where a process comes from.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::process;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How often the list of processes is read: once more for each generation, and for processes that
/// were started meanwhile.
const PASSES_MAX: usize = 64;

/// How much of a process's `stat` is read. It contains the name, which has up to 64 bytes, and the
/// numbers after it.
const STAT_LEN: usize = 256;

/// Sends `signal` to the children of `root`, which has not been reaped, their children and so on.
/// If `root` leads a group, this includes its members and what they have started. `root` itself is
/// left stopped, and so is its group.
///
/// Each process is stopped before its children are looked for. It then starts no more, and does not
/// reap the ones it has, so their process ids remain theirs until they have got the signal.
pub(super) fn signal_below(root: Pid, leads: bool, signal: Signal) {
    stop(root);
    let mut family = HashSet::from([root]);
    if leads {
        // All at once. They must not be signalled by their own process ids, because it is not known
        // who reaps them.
        killpg(root, Signal::SIGSTOP).ok();
        let members = processes().into_iter().flatten().filter(|process| process.group == root);
        family.extend(members.map(|member| member.pid));
    }
    let mut below = Vec::new();
    for _ in 0..PASSES_MAX {
        let is_new =
            |process: &Process| family.contains(&process.parent) && !family.contains(&process.pid);
        let found = processes().into_iter().flatten().filter(is_new);
        let found: Vec<Pid> = found.map(|process| process.pid).collect();
        if found.is_empty() {
            break;
        }
        found.iter().copied().for_each(stop);
        below.extend(&found);
        family.extend(found);
    }
    // Parents come after their children, which they may then reap. Processes that may not be
    // signalled are left alone.
    for &process in below.iter().rev() {
        kill(process, signal).ok();
    }
    if signal != Signal::SIGKILL {
        for &process in below.iter().rev() {
            kill(process, Signal::SIGCONT).ok();
        }
    }
}

/// The children of this process that have ended and were not reaped; `None` where the system does
/// not tell.
pub(super) fn ended_children() -> Option<Vec<Pid>> {
    let here = Pid::this();
    let ended = processes()?.filter(|process| process.parent == here && process.has_ended);
    Some(ended.map(|child| child.pid).collect())
}

/// The members of a group that have not ended; `None` where the system does not tell.
pub(super) fn members(group: Pid) -> Option<Vec<Pid>> {
    let members = processes()?.filter(|process| process.group == group && !process.has_ended);
    Some(members.map(|member| member.pid).collect())
}

/// Whether `process` is in the group and has not ended.
pub(super) fn is_member(process: Pid, group: Pid) -> bool {
    Process::read(process.as_raw()).is_some_and(|found| found.group == group && !found.has_ended)
}

fn stop(process: Pid) {
    kill(process, Signal::SIGSTOP).ok();
}

/// What the system says about a process.
#[derive(PartialEq, Eq, Debug)]
struct Process {
    pid: Pid,
    parent: Pid,
    group: Pid,
    /// It has ended and was not reaped yet.
    has_ended: bool,
}

/// All processes of the system; `None` where the system does not tell, or numbers them differently
/// than this process.
fn processes() -> Option<impl Iterator<Item = Process>> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    if !is_of_own_namespace(&status, process::id()) {
        return None;
    }
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut processes = entries
        .filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
        .peekable();
    processes.peek().is_some().then_some(processes)
}

/// Whether a `/proc` that says this about the process `here` has the same numbers as the system
/// calls. In a container it may be that of the host, where the number of a child belongs to a
/// stranger.
fn is_of_own_namespace(status: &str, here: u32) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    // The number in the namespace of this `/proc`, and in those below, down to the process's own.
    // The first may equal the last by chance. Kernels before 4.1 only report the first.
    let numbers = field("NSpid:").or_else(|| field("Pid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().eq([here.to_string()]))
}

impl Process {
    /// `None` if it has ended and was reaped.
    fn read(pid: i32) -> Option<Self> {
        let mut start = [0; STAT_LEN];
        let len = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut start).ok()?;
        Self::parse(pid, &String::from_utf8_lossy(start.get(..len)?))
    }

    /// Parses `12 (name) S 7 10 ...`, where a name may contain anything.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let mut id = || fields.next()?.parse().ok().map(Pid::from_raw);
        Some(Self { pid: Pid::from_raw(pid), parent: id()?, group: id()?, has_ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(parent: i32, group: i32, has_ended: bool) -> Process {
        let [pid, parent, group] = [12, parent, group].map(Pid::from_raw);
        Process { pid, parent, group, has_ended }
    }

    #[test]
    fn the_numbers_of_another_namespace_are_not_believed() {
        assert!(is_of_own_namespace("Name:\tsh\nPid:\t12\nNSpid:\t12\n", 12));
        assert!(is_of_own_namespace("Name:\tsh\nPid:\t12\n", 12), "an old kernel");
        assert!(!is_of_own_namespace("Name:\tsh\nPid:\t77\nNSpid:\t77\t12\n", 12));
        assert!(!is_of_own_namespace("Pid:\t12\nNSpid:\t12\t12\n", 12), "the same by chance");
        assert!(!is_of_own_namespace("Pid:\t77\n", 12));
        assert!(!is_of_own_namespace("", 12));
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        assert_eq!(Process::parse(12, "12 (sh) S 7 10 12 0"), Some(process(7, 10, false)));
        assert_eq!(Process::parse(12, "12 (a) S 1 (b)) Z 8 12 3"), Some(process(8, 12, true)));
        assert_eq!(Process::parse(12, "12 (sh"), None);
    }
}
