//! The children of a loop, and how they ended: the data, and the question to the kernel. Nothing
//! here runs foreign code.

use std::collections::HashMap;
use std::mem;
use std::process::{Child as Process, ExitStatus};
use std::task::Waker;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::strays;
use crate::sync::{WaitKey, WaitList};
use crate::sys::children::{Unknown, peek};

/// Identifies a child of a loop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ChildKey(u64);

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exit {
    Status(ExitStatus),
    /// Other code has reaped it.
    Lost,
}

/// The children of a loop. An entry is running until the kernel says otherwise, and held as long as
/// its key exists. It goes when it is neither.
///
/// A child that leads a group is reaped no sooner than its entry goes. Until it is reaped, the
/// number of its group belongs to no other, so the remaining members can be signalled.
#[derive(Default)]
pub(super) struct Table {
    entries: HashMap<ChildKey, Entry>,
    /// The running children. This includes children that have ended and were not reaped: their
    /// process ids still belong to them.
    running: HashMap<Pid, ChildKey>,
    last: u64,
}

struct Entry {
    process: Process,
    /// `None` while it is running.
    exit: Option<Exit>,
    /// A waiter was told of the end.
    is_told: bool,
    waiters: WaitList<()>,
    is_held: bool,
    /// Whether it is killed when nothing can wait for it any more.
    is_bound: bool,
    /// The group that it leads, as long as the number belongs to this group.
    group: Option<Pid>,
}

impl Table {
    /// Adds a started child, whose key the caller holds. If `is_bound`, it must not outlive the
    /// loop. If `leads`, it leads a group.
    pub(super) fn add(
        &mut self,
        process: Process,
        is_bound: bool,
        leads: bool,
        wakers: &mut Vec<Waker>,
    ) -> ChildKey {
        self.last += 1;
        let key = ChildKey(self.last);
        let pid = pid_of(&process);
        strays::claim(pid);
        if let Some(former) = self.running.insert(pid, key) {
            // Its process id belongs to another child, so it was reaped by other code.
            self.end(former, Exit::Lost, None, wakers);
        }
        let group = leads.then_some(pid);
        let (exit, is_told, waiters, is_held) = (None, false, WaitList::new(), true);
        let entry = Entry { process, exit, is_told, waiters, is_held, is_bound, group };
        self.entries.insert(key, entry);
        key
    }

    /// The number of children that were not reaped.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Finds the child with this process id among those that are not known to have ended.
    pub(super) fn key_of(&self, pid: Pid) -> Option<ChildKey> {
        let key = self.running.get(&pid).copied();
        key.filter(|&key| self.pid(key).is_some())
    }

    /// Returns the process id, as long as it belongs to the child.
    pub(super) fn pid(&self, key: ChildKey) -> Option<Pid> {
        let entry = self.entries.get(&key)?;
        entry.exit.is_none().then(|| pid_of(&entry.process))
    }

    /// Asks the kernel whether the child has ended, if that is not known, and then reaps it. The
    /// caller wakes the waiters.
    pub(super) fn reap(&mut self, key: ChildKey, wakers: &mut Vec<Waker>) -> Option<Exit> {
        let entry = self.entries.get_mut(&key)?;
        if entry.exit.is_some() {
            return entry.exit;
        }
        let pid = pid_of(&entry.process);
        let group = entry.group.filter(|_| entry.is_held);
        match group.map_or(Err(Unknown), |leader| peek(Some(leader))) {
            Ok(None) => return None,
            Ok(Some((_, status))) => {
                let exit = Exit::Status(status);
                self.end(key, exit, group, wakers);
                return Some(exit);
            }
            Err(Unknown) => {}
        }
        let exit = match entry.process.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => Exit::Status(status),
            // There is no such child: the call has no other errors.
            Err(_) => Exit::Lost,
        };
        self.forget_pid(pid);
        self.end(key, exit, None, wakers);
        Some(exit)
    }

    /// The child has ended. It was reaped, unless it leads `group`.
    fn end(&mut self, key: ChildKey, exit: Exit, group: Option<Pid>, wakers: &mut Vec<Waker>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.exit.get_or_insert(exit);
        entry.group = group;
        while let Some(waker) = entry.waiters.release_front() {
            wakers.push(waker);
        }
        if !entry.is_held {
            self.entries.remove(&key);
        }
    }

    /// Returns the group that the child leads, as long as the number belongs to this group.
    pub(super) fn group(&mut self, key: ChildKey) -> Option<Pid> {
        let entry = self.entries.get_mut(&key)?;
        let group = entry.group?;
        if entry.exit.is_some() && !matches!(peek(Some(group)), Ok(Some(_))) {
            // Other code has reaped the child.
            entry.group = None;
            self.forget_pid(group);
            return None;
        }
        entry.group
    }

    /// The number no longer belongs to a child of ours.
    fn forget_pid(&mut self, pid: Pid) {
        self.running.remove(&pid);
        strays::disclaim(pid);
    }

    /// A caller was told that the child has ended.
    pub(super) fn tell(&mut self, key: ChildKey) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.is_told = true;
        }
    }

    /// Whether the end of a child was reported.
    pub(super) fn is_told(&self, key: ChildKey) -> bool {
        self.entries.get(&key).is_none_or(|entry| entry.is_told)
    }

    /// Like [`Table::reap`], for all children.
    pub(super) fn reap_all(&mut self, wakers: &mut Vec<Waker>) {
        let keys: Vec<ChildKey> = self.running.values().copied().collect();
        for key in keys {
            self.reap(key, wakers);
        }
    }

    /// Returns how the child ended, if that is known. Its entry at `waiter` is then removed; the
    /// caller drops the waker.
    pub(super) fn exit(
        &mut self,
        key: ChildKey,
        waiter: &mut Option<WaitKey>,
    ) -> Option<(Exit, Option<Waker>)> {
        let Some(entry) = self.entries.get_mut(&key) else { return Some((Exit::Lost, None)) };
        let exit = entry.exit?;
        entry.is_told = true;
        let waiter = waiter.take().and_then(|waiter| entry.waiters.remove(waiter).1);
        Some((exit, waiter))
    }

    /// Whether the waker at `waiter` wakes the same task as `waker`.
    pub(super) fn will_wake(&self, key: ChildKey, waiter: WaitKey, waker: &Waker) -> bool {
        self.entries.get(&key).is_some_and(|entry| entry.waiters.will_wake(waiter, waker))
    }

    /// Registers `waker` for the end of the child. Returns a waker to drop.
    pub(super) fn wait(
        &mut self,
        key: ChildKey,
        waiter: &mut Option<WaitKey>,
        waker: Waker,
    ) -> Option<Waker> {
        let Some(entry) = self.entries.get_mut(&key) else { return Some(waker) };
        if let Some(waiter) = *waiter {
            return entry.waiters.set_waker(waiter, waker);
        }
        *waiter = Some(entry.waiters.push_back((), waker));
        None
    }

    /// Removes a waiter. Returns a waker to drop.
    pub(super) fn forget(&mut self, key: ChildKey, waiter: WaitKey) -> Option<Waker> {
        self.entries.get_mut(&key)?.waiters.remove(waiter).1
    }

    /// The key is gone.
    pub(super) fn let_go(&mut self, key: ChildKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.is_held = false;
        if entry.exit.is_none() {
            return;
        }
        if let Some(group) = entry.group {
            // Its end is known. If other code has reaped it, there is nothing to do.
            entry.process.try_wait().ok();
            self.forget_pid(group);
        }
        self.entries.remove(&key);
    }

    /// The loop has ended: lets go of all children that have ended. Groups that must not outlive it
    /// are killed.
    pub(super) fn close(&mut self) {
        let held: Vec<ChildKey> = self.entries.keys().copied().collect();
        for key in held {
            let Some(entry) = self.entries.get(&key) else { continue };
            let is_killed = entry.is_bound && entry.is_held && !entry.is_told;
            if let Some(group) = self.group(key).filter(|_| is_killed) {
                killpg(group, Signal::SIGKILL).ok();
            }
            if self.pid(key).is_none() {
                self.let_go(key);
            }
        }
    }

    /// Takes out the running children, each with whether it must not outlive the loop.
    pub(super) fn take_running(&mut self) -> impl Iterator<Item = (Process, bool)> + '_ {
        let Self { entries, running, .. } = self;
        running.clear();
        let running = |entry: &Entry| entry.exit.is_none();
        mem::take(entries)
            .into_values()
            .filter(running)
            .map(|entry| (entry.process, entry.is_bound && entry.is_held))
    }
}

fn pid_of(process: &Process) -> Pid {
    Pid::from_raw(i32::try_from(process.id()).expect("the system has numbers of this size"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    use super::*;

    fn ended(code: u8) -> Process {
        let process = Command::new("sh").args(["-c", &format!("exit {code}")]).spawn();
        let process = process.expect("there is a shell");
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(pid_of(&process)), flags).expect("it is a child of ours");
        process
    }

    fn running() -> Process {
        Command::new("sleep").arg("60").spawn().expect("there is such a program")
    }

    #[test]
    fn an_entry_goes_when_it_is_neither_running_nor_held() {
        let (mut table, mut wakers) = (Table::default(), Vec::new());
        let held = table.add(ended(1), true, false, &mut wakers);
        let free = table.add(ended(2), true, false, &mut wakers);
        table.let_go(free);
        assert_eq!(table.len(), 2);
        table.reap_all(&mut wakers);
        assert_eq!((table.len(), table.entries.len()), (0, 1));
        let Some(Exit::Status(status)) = table.reap(held, &mut wakers) else {
            panic!("it has ended and was reaped here")
        };
        assert_eq!(status.code(), Some(1));
        assert!(table.pid(held).is_none());
        table.let_go(held);
        assert!(table.entries.is_empty() && wakers.is_empty());
    }

    #[test]
    fn a_process_id_that_is_anothers_was_reaped_by_others() {
        let (mut table, mut wakers) = (Table::default(), Vec::new());
        let former = table.add(running(), true, false, &mut wakers);
        let pid = table.pid(former).expect("it is running");
        let mut waiter = None;
        assert!(table.wait(former, &mut waiter, Waker::noop().clone()).is_none());
        // As if the system had used the number again.
        let entry = table.entries.get_mut(&former).expect("it is held");
        let process = mem::replace(&mut entry.process, ended(0));
        let latter = table.add(process, true, false, &mut wakers);
        assert!(matches!(table.exit(former, &mut waiter), Some((Exit::Lost, None))));
        assert_eq!(wakers.len(), 1);
        assert_eq!((table.key_of(pid), table.pid(latter)), (Some(latter), Some(pid)));
        for (mut process, _) in table.take_running() {
            process.kill().and_then(|()| process.wait()).expect("it is ours");
        }
    }
}
