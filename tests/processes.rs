//! The effects of children on the whole process: descriptors, zombies, limits, inherited state.
//!
//! Each test works in a separate process.
#![cfg(all(feature = "process", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::env;
use std::fs::{self, File};
use std::future::{Future, pending};
use std::io::{ErrorKind, Result};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::process::{self, ExitStatus};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;
use oneloop::process::{Child, Command, Stdio};
use oneloop::time::now;
use oneloop::{Task, all_tasks, create_task, gather, run, sleep, task_group, timeout, yield_now};

const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";
const MS: Duration = Duration::from_millis(1);
/// Longer than any test here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `test`, the body of the test called `name`, in a process that the shell starts after
/// `preparation`.
fn prepared<T>(preparation: &str, name: &str, test: impl AsyncFnOnce() -> Result<T>) -> Result<()> {
    if env::var_os(IN_CHILD).is_some() {
        return run(async { timeout(PATIENCE, test()).await?.map(drop) });
    }
    let output = process::Command::new("sh")
        .args(["-c", &format!(r#"{preparation} exec "$0" "$@""#)])
        .arg(env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()?;
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{}", said[0]);
    Ok(())
}

fn alone<T>(name: &str, test: impl AsyncFnOnce() -> Result<T>) -> Result<()> {
    prepared("", name, test)
}

/// The children of this process, zombies included.
fn children() -> usize {
    let own = process::id().to_string();
    let is_ours = |stat: &String| {
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        after_name.split(' ').nth(1) == Some(&own)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(is_ours).count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Asserts that `work` leaves nothing behind: no descriptor, no child, no task.
async fn leaves_nothing<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    // Things that a loop makes once, with its first child and its first timer.
    Command::new("true").output().await?;
    sleep(MS).await;
    let (before, tasks) = (descriptors(), all_tasks().len());
    let output = work.await?;
    assert_eq!(descriptors(), before);
    assert_eq!(all_tasks().len(), tasks);
    assert_eq!(children(), 0);
    Ok(output)
}

/// A thousand children one after another, and then a thousand side by side.
#[test]
fn two_thousand_children_leave_nothing() -> Result<()> {
    alone("two_thousand_children_leave_nothing", async || {
        let one_after_another = async {
            for n in 0..1000 {
                let status = Command::new("true").status().await?;
                assert!(status.success(), "{n}: {status}");
            }
            Ok(())
        };
        leaves_nothing(one_after_another).await?;
        let at_once = async {
            for _ in 0..4 {
                let outputs = task_group(async |group| -> Result<()> {
                    for n in 0..250 {
                        group.create_task(async move {
                            let mut command = Command::new("echo");
                            let output = command.arg(n.to_string()).output().await?;
                            assert_eq!(output.stdout, format!("{n}\n").as_bytes());
                            Result::Ok(())
                        });
                    }
                    Ok(())
                });
                outputs.await?;
            }
            Ok(())
        };
        leaves_nothing(at_once).await
    })
}

#[test]
fn children_that_end_in_each_way_leave_nothing() -> Result<()> {
    alone("children_that_end_in_each_way_leave_nothing", async || {
        leaves_nothing(async {
            for round in 0..10 {
                let sleeping = || {
                    let mut command = Command::new("sleep");
                    command.arg("60").stdin(Stdio::piped()).stdout(Stdio::piped());
                    command.stderr(Stdio::piped());
                    command
                };
                assert!(timeout(MS, sleeping().output()).await.is_err());
                assert!(timeout(MS, sleeping().grace(Duration::ZERO).status()).await.is_err());
                let task = create_task(async move { sleeping().output().await });
                sleep(MS * (round % 3)).await;
                task.cancel();
                assert!(task.await.is_err());
                let child = sleeping().spawn()?;
                child.kill()?;
                child.wait().await?;
                let child = sleeping().spawn()?;
                child.kill_tree()?;
                child.detach();
                drop(sleeping().stderr_to_stdout().spawn()?);
                assert!(Command::new("no-such-program").output().await.is_err());
                assert!(sleeping().current_dir("/no/such/dir").spawn().is_err());
            }
            // The dropped children are cleanups of this task, which is still running.
            while children() > 0 {
                sleep(MS).await;
            }
            Ok(())
        })
        .await
    })
}

#[test]
fn the_end_of_a_loop_leaves_no_child() -> Result<()> {
    // The loop in this process is a different one, and has no children.
    alone("the_end_of_a_loop_leaves_no_child", async || {
        let lives = thread::spawn(|| {
            run(async {
                let mut command = Command::new("sleep");
                command.arg("60");
                let waits = command.spawn()?;
                create_task(async move { waits.wait().await.map(drop) }).detach();
                let _stays = command.spawn()?;
                sleep(MS).await;
                Result::Ok(())
            })
        });
        lives.join().unwrap()?;
        assert_eq!(children(), 0);
        Ok(())
    })
}

/// Starts `count` children that end when the returned stream is dropped, and tasks that already
/// wait for them.
async fn waiting(count: usize) -> Result<(UnixStream, Vec<Waiter>)> {
    let (reader, writer) = UnixStream::pair()?;
    let wait = |_| {
        let stdin = OwnedFd::from(reader.try_clone()?);
        let child = Command::new("cat").stdin(stdin).spawn()?;
        let pid = pid_of(&child);
        Ok(Waiter { pid, task: create_task(async move { child.wait().await }) })
    };
    let waiters = (0..count).map(wait).collect::<Result<_>>()?;
    yield_now().await;
    Ok((writer, waiters))
}

struct Waiter {
    pid: Pid,
    task: Task<Result<ExitStatus>>,
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().unwrap().try_into().unwrap())
}

/// Only the signals announce their ends.
#[test]
fn all_children_may_end_at_once() -> Result<()> {
    alone("all_children_may_end_at_once", async || {
        for count in [1, 100] {
            let (writer, waiters) = waiting(count).await?;
            drop(writer);
            // Blocks the loop, and does not reap them.
            for waiter in &waiters {
                waitid(Id::Pid(waiter.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
            }
            for waiter in waiters {
                assert!(waiter.task.await.unwrap()?.success());
            }
            assert_eq!(children(), 0);
        }
        Ok(())
    })
}

#[test]
fn zombies_of_others_do_not_hold_up_ours() -> Result<()> {
    alone("zombies_of_others_do_not_hold_up_ours", async || {
        let zombies: Vec<_> =
            (0..150).map(|_| process::Command::new("true").spawn()).collect::<Result<_>>()?;
        let (writer, waiters) = waiting(100).await?;
        drop(writer);
        for waiter in waiters {
            assert!(waiter.task.await.unwrap()?.success());
        }
        assert_eq!(children(), zombies.len());
        for mut zombie in zombies {
            assert!(zombie.wait()?.success());
        }
        Ok(())
    })
}

#[test]
fn a_child_that_is_lost_among_many_is_missed() -> Result<()> {
    alone("a_child_that_is_lost_among_many_is_missed", async || {
        let (_writer, _waiters) = waiting(10).await?;
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
        let pid = pid_of(&child);
        let stdin = child.stdin.take();
        let thief = async {
            yield_now().await;
            drop(stdin);
            waitpid(pid, None)
        };
        let (told, stolen) = gather!(child.wait(), thief).await;
        stolen?;
        assert!(told.unwrap_err().to_string().contains("was reaped by other code"));
        Ok(())
    })
}

#[test]
fn a_parent_that_ignored_the_signal_does_not_matter() -> Result<()> {
    let name = "a_parent_that_ignored_the_signal_does_not_matter";
    prepared("trap '' CHLD;", name, async || {
        assert_eq!(Command::shell("exit 3").status().await?.code(), Some(3));
        let (first, second) =
            (Command::shell("exit 4").spawn()?, Command::shell("exit 5").spawn()?);
        let (first, second) = gather!(first.wait(), second.wait()).await;
        assert_eq!((first?.code(), second?.code()), (Some(4), Some(5)));
        assert_eq!(children(), 0);
        Ok(())
    })
}

/// Takes all remaining descriptors.
fn hoard() -> Vec<File> {
    let mut all = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => all.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                return all;
            }
        }
    }
}

#[test]
fn without_descriptors_there_is_an_error_and_nothing_stays_behind() -> Result<()> {
    let name = "without_descriptors_there_is_an_error_and_nothing_stays_behind";
    prepared("ulimit -n 64;", name, async || {
        let hoarded = hoard();
        // This comes before the loop has a reactor and a listener for signals.
        let error = Command::new("true").spawn().map(drop).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot start `true`: ") && error.contains("open files"),
            "{error}"
        );
        drop(hoarded);
        leaves_nothing(async {
            let mut hoarded = hoard();
            let (mut failures, mut errors) = (0, Vec::new());
            loop {
                let mut command = Command::new("cat");
                command.stdin(Stdio::piped()).stdout(Stdio::piped());
                if failures % 2 == 0 {
                    command.stderr(Stdio::piped());
                } else {
                    command.stderr_to_stdout();
                }
                match command.spawn() {
                    Err(error) => errors.push(error.to_string()),
                    Ok(mut child) => {
                        assert!(child.communicate("").await?.status.success());
                        break;
                    }
                }
                failures += 1;
                drop(hoarded.pop());
            }
            assert!((3..20).contains(&failures), "{failures}");
            for error in errors {
                assert!(error.starts_with("cannot start `cat`: "), "{error}");
                assert!(error.contains("open files"), "{error}");
            }
            drop(hoarded);
            while children() > 0 {
                sleep(MS).await;
            }
            Ok(())
        })
        .await
    })
}

#[test]
fn a_limit_of_processes_is_an_error() -> Result<()> {
    // The limit does not apply to the superuser, but to the user that he becomes.
    prepared("ulimit -p 1 2>&- || ulimit -u 1;", "a_limit_of_processes_is_an_error", async || {
        let mut command = Command::new("sleep");
        command.arg("60");
        if process::Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n") {
            command.uid(65534);
        }
        // Another of that user's processes may have ended meanwhile.
        let attempts: Result<Vec<_>> = (0..5).map(|_| command.spawn()).collect();
        let error = attempts.expect_err("one is as many as may be");
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        let message =
            "cannot start `sleep`: there are as many processes already as may be (EAGAIN)";
        assert_eq!(error.to_string(), message);
        Ok(())
    })
}

#[test]
fn a_working_directory_that_has_vanished_is_named() -> Result<()> {
    alone("a_working_directory_that_has_vanished_is_named", async || {
        let path = env::temp_dir().join(format!("oneloop-vanished-{}", process::id()));
        fs::create_dir(&path)?;
        env::set_current_dir(&path)?;
        fs::remove_dir(&path)?;
        assert!(Command::new("true").status().await?.success());
        let error = Command::new("./program").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let message = "cannot start `./program`: the working directory of this process is gone";
        assert!(error.to_string().starts_with(message), "{error}");
        let error = Command::new("true").current_dir(&path).spawn().unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        Ok(())
    })
}

#[test]
fn what_a_child_inherits_of_errors_is_where_output_goes() -> Result<()> {
    let name = "what_a_child_inherits_of_errors_is_where_output_goes";
    let marker = "this is an error, and is told as output";
    alone(name, async || {
        let script = format!("echo '{marker}' >&2");
        Command::shell(script).stderr_to_stdout().status().await
    })?;
    if env::var_os(IN_CHILD).is_none() {
        let output = process::Command::new(env::current_exe()?)
            .args(["--exact", name, "--nocapture"])
            .env(IN_CHILD, "1")
            .output()?;
        assert!(String::from_utf8_lossy(&output.stdout).contains(marker));
        assert!(!String::from_utf8_lossy(&output.stderr).contains(marker));
    }
    Ok(())
}

#[test]
fn children_that_one_scope_drops_have_their_grace_side_by_side() -> Result<()> {
    alone("children_that_one_scope_drops_have_their_grace_side_by_side", async || {
        const GRACE: Duration = Duration::from_millis(200);
        let spawn = || -> Result<_> {
            let mut deaf = Command::shell("trap '' TERM; echo ready; while :; do sleep 1; done");
            deaf.stdout(Stdio::piped()).grace(GRACE).process_group(0);
            deaf.spawn()
        };
        let mut children = [spawn()?, spawn()?, spawn()?, spawn()?];
        for child in &mut children {
            let mut line = [0; 6];
            child.stdout.as_mut().expect("a pipe").read_exact(&mut line).await?;
        }
        let start = now();
        let limited = async move {
            let [_a, _b, _c, _d] = children;
            pending::<()>().await;
        };
        assert!(timeout(Duration::from_millis(1), limited).await.is_err());
        let took = now() - start;
        assert!(took >= GRACE && took < 3 * GRACE, "{took:?}");
        Ok(())
    })
}

/// Whether this machine allows namespaces for the test.
fn has_namespaces() -> bool {
    let mut unshare = process::Command::new("unshare");
    let unshared = unshare.args(["--mount", "--pid", "--fork", "true"]).output();
    let has_them = unshared.is_ok_and(|output| output.status.success());
    if !has_them {
        #[expect(
            clippy::print_stderr,
            reason = "a test that did not run must not look as if it had"
        )]
        {
            eprintln!("SKIPPED: namespaces need the program `unshare` and the rights of root");
        }
    }
    has_them
}

#[test]
fn strangers_in_a_foreign_proc_are_left_alone() -> Result<()> {
    let name = "strangers_in_a_foreign_proc_are_left_alone";
    let is_inner = env::var_os(IN_CHILD).is_some();
    if !is_inner && !has_namespaces() {
        return Ok(());
    }
    let dir = env::temp_dir().join(format!("oneloop-foreign-proc-{}", process::id()));
    if !is_inner {
        fs::create_dir(&dir)?;
    }
    let preparation = format!(
        r#"exec unshare --mount --pid --fork sh -c 'mount --bind {} /proc && exec "$0" "$@"' "$0" "$@";"#,
        dir.display()
    );
    let tested = prepared(&preparation, name, async || {
        let mut stranger = process::Command::new("sleep").arg("60").spawn()?;
        let child = Command::new("sleep").arg("60").spawn()?;
        let (root, here) = (child.id().unwrap(), process::id());
        // The host's facts about numbers that equal ours by chance.
        let say = |pid: u32, file: &str, text: String| {
            fs::create_dir_all(format!("/proc/{pid}"))?;
            fs::write(format!("/proc/{pid}/{file}"), text)
        };
        say(root, "stat", format!("{root} (host) S 1 1 1 0"))?;
        say(stranger.id(), "stat", format!("{} (host) S {root} 1 1 0", stranger.id()))?;
        say(here, "status", format!("Name:\thost\nPid:\t{here}\nNSpid:\t{here}\t{here}\n"))?;
        symlink(here.to_string(), "/proc/self")?;
        child.kill_tree()?;
        assert!(!child.wait().await?.success());
        assert_eq!(stranger.try_wait()?, None);
        stranger.kill()?;
        stranger.wait()
    });
    if !is_inner {
        fs::remove_dir_all(&dir)?;
    }
    tested
}

#[test]
fn the_first_process_reaps_orphans() -> Result<()> {
    let name = "the_first_process_reaps_orphans";
    if env::var_os(IN_CHILD).is_none() {
        if !has_namespaces() {
            return Ok(());
        }
        let preparation = r#"exec unshare --mount-proc --pid --fork "$0" "$@";"#;
        return prepared(preparation, name, async || Ok(()));
    }
    assert_eq!(process::id(), 1);
    let ended = |least: usize| {
        let has_ended = |stat: &String| stat.rsplit_once(") ").unwrap().1.starts_with("Z 1 ");
        let stats = || {
            let processes = fs::read_dir("/proc").unwrap().flatten();
            processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        };
        while stats().filter(has_ended).count() < least {
            thread::sleep(MS);
        }
        stats().filter(has_ended).count()
    };
    oneloop::Builder::new().virtual_time(true).run(async {
        // A child of other code, one of ours that led a group and is not reaped yet, and three
        // orphans.
        let mut others = process::Command::new("sh").args(["-c", "exit 5"]).spawn()?;
        let leader = Command::shell("exit 7").process_group(0).spawn()?;
        assert_eq!(leader.wait().await?.code(), Some(7));
        let script = "for i in 1 2 3; do (sh -c 'exit 1' &) ; done; exec true";
        assert!(Command::shell(script).status().await?.success());
        assert_eq!(ended(5), 5);
        sleep(MS * 900).await;
        assert_eq!(others.wait()?.code(), Some(5), "who waits in time gets the status");
        let reaped = async {
            while ended(0) > 1 {
                sleep(MS * 100).await;
            }
        };
        timeout(MS * 2500, reaped).await?;
        assert_eq!(ended(0), 1, "the leader's number is kept");
        assert_eq!(leader.wait().await?.code(), Some(7));
        Result::Ok(())
    })
}

#[test]
fn a_system_without_dev_null_runs_programs_that_read_nothing() -> Result<()> {
    let name = "a_system_without_dev_null_runs_programs_that_read_nothing";
    if env::var_os(IN_CHILD).is_none() && !has_namespaces() {
        return Ok(());
    }
    let hide =
        r#"exec unshare --mount sh -c 'mount -t tmpfs none /dev && exec "$0" "$@"' "$0" "$@";"#;
    prepared(hide, name, async || {
        assert!(!fs::exists("/dev/null")?);
        assert_eq!(Command::new("cat").output().await?.stdout, b"");
        let mut command = Command::new("true");
        let error = command.stdout(Stdio::null()).status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let message = "cannot start `true`: stdout was to be /dev/null, which cannot be opened: ";
        assert!(error.to_string().starts_with(message), "{error}");
        Ok(())
    })
}
