//! `#[oneloop::main]` and the signals that end a program: whole processes, as a shell would start
//! and stop them.
//!
//! There is no libtest harness, because the attribute listens only on the main thread. This binary
//! is also the tested program: a role in the environment says which one.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a test, with a harness of its own"
)]
#![expect(
    unsafe_code,
    reason = "only so can a test say that a signal is to do what it does by default"
)]

use std::env;
use std::future::pending;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, kill, raise as send_here, signal as set_action};
use nix::unistd::Pid;
use oneloop::io::stdin;
use oneloop::signal::{SignalKind, ctrl_c, shutdown, signal};
use oneloop::{create_task, select, with_cleanup};

const ROLE: &str = "ONELOOP_TEST_ROLE";
const IGNORED: &str = "ONELOOP_TEST_IGNORED";

fn main() -> ExitCode {
    match env::var(ROLE) {
        Ok(role) => program(&role),
        Err(_) => tests(),
    }
}

fn tests() -> ExitCode {
    let tests: [(&str, fn()); 14] = [
        ("the first Ctrl-C cancels main and the process ends by it", the_first_cancels_main),
        ("cleanups of other tasks run after Ctrl-C too", cleanups_of_other_tasks_run),
        ("a second Ctrl-C cuts cleanups short", a_second_one_cuts_cleanups_short),
        ("a second Ctrl-C ends a program that is stuck", a_second_one_ends_what_is_stuck),
        ("an output that is there first counts", an_output_counts),
        ("SIGTERM ends a plain main at once", sigterm_ends_a_plain_main),
        ("with `shutdown`, SIGTERM does what Ctrl-C does", shutdown_hears_sigterm),
        ("with `shutdown`, Ctrl-C is heard as well", shutdown_hears_ctrl_c),
        ("with `no_signals`, Ctrl-C ends the program at once", no_signals_is_plain),
        ("`ctrl_c` in main hears it in place of main's cancel", ctrl_c_in_main_hears_it),
        ("`shutdown` in main hears it in place of main's cancel", shutdown_in_main_hears_it),
        ("without its listener, Ctrl-C cancels main again", a_dropped_listener_gives_it_back),
        ("a press before the program listens is not lost", a_press_before_is_not_lost),
        ("what is ignored stays ignored", what_is_ignored_stays_so),
    ];
    let mut failed = 0;
    for (name, test) in tests {
        let is_ok = catch_unwind(test).is_ok();
        failed += u32::from(!is_ok);
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

// The programs.

fn program(role: &str) -> ExitCode {
    // A background job ignores Ctrl-C.
    let is_ignored = env::var_os(IGNORED).is_some();
    let action = if is_ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: this sets a default action, not a handler.
        unsafe { set_action(signal, action) }.unwrap();
    }
    match role {
        "cleans" => cleans(),
        "cleans_tasks" => cleans_tasks(),
        "cleans_for_ever" => cleans_for_ever(),
        "stuck" => stuck(),
        "ready" => return ready(),
        "cleans_at_shutdown" => cleans_at_shutdown(),
        "plain" => plain(),
        "listens" => listens().unwrap(),
        "listens_for_shutdown" => listens_for_shutdown().unwrap(),
        "listens_for_one" => listens_for_one().unwrap(),
        "listens_late" => listens_late().unwrap(),
        "reads" => reads().unwrap(),
        other => panic!("there is no role `{other}`"),
    }
    say("ended");
    ExitCode::SUCCESS
}

fn say(line: &str) {
    println!("{line}");
    io::stdout().flush().unwrap();
}

async fn clean_up() {
    let _guard = with_cleanup((), async |()| {
        oneloop::sleep(Duration::from_millis(1)).await;
        say("clean");
    });
    say("ready");
    pending::<()>().await;
}

#[oneloop::main]
async fn cleans() {
    clean_up().await;
}

#[oneloop::main]
async fn cleans_tasks() {
    create_task(clean_up()).await.unwrap();
}

#[oneloop::main(cleanup_timeout = Duration::MAX)]
async fn cleans_for_ever() {
    let _guard = with_cleanup((), async |()| {
        say("cleaning");
        pending::<()>().await;
    });
    say("ready");
    pending::<()>().await;
}

#[oneloop::main]
async fn stuck() {
    say("ready");
    loop {
        thread::park();
    }
}

#[oneloop::main]
async fn ready() -> ExitCode {
    raise(Signal::SIGINT);
    ExitCode::from(7)
}

#[oneloop::main(shutdown)]
async fn cleans_at_shutdown() {
    clean_up().await;
}

#[oneloop::main(no_signals)]
async fn plain() {
    clean_up().await;
}

#[oneloop::main]
async fn listens() -> io::Result<()> {
    for _ in 0..2 {
        // The first poll begins to listen, without any output before it.
        let heard = create_task(ctrl_c());
        oneloop::yield_now().await;
        say("ready");
        heard.await??;
        say("heard");
    }
    Ok(())
}

#[oneloop::main(shutdown)]
async fn listens_for_shutdown() -> io::Result<()> {
    for _ in 0..2 {
        let heard = create_task(shutdown());
        oneloop::yield_now().await;
        say("ready");
        say(&heard.await??.to_string());
    }
    Ok(())
}

/// The listener is dropped in the poll that hears the signal.
#[oneloop::main]
async fn listens_for_one() -> io::Result<()> {
    let mut presses = signal(SignalKind::SIGINT)?;
    say("ready");
    select! {
        heard = presses.recv() => say(&heard?.to_string()),
    }
    drop(presses);
    clean_up().await;
    Ok(())
}

#[oneloop::main]
async fn listens_late() -> io::Result<()> {
    raise(Signal::SIGINT);
    let _late = signal(SignalKind::SIGINT)?;
    pending().await
}

#[oneloop::main]
async fn reads() -> io::Result<()> {
    say("ready");
    let mut line = String::new();
    stdin().read_line(&mut line).await?;
    say(line.trim_end());
    Ok(())
}

fn raise(signal: Signal) {
    send_here(signal).unwrap();
}

// The tests.

struct Program {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    fn start(role: &str) -> Self {
        Self::start_with(Command::new(env::current_exe().unwrap()).env(ROLE, role))
    }

    fn start_with(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        Self { process, stdout }
    }

    #[track_caller]
    fn says(&mut self, expected: &str) {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), expected);
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }

    /// It prints nothing more.
    #[track_caller]
    fn end(mut self) -> ExitStatus {
        self.says("");
        self.process.wait().unwrap()
    }

    /// Like a person who presses Ctrl-C until it works.
    fn insist(mut self) -> ExitStatus {
        loop {
            self.send(Signal::SIGINT);
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[track_caller]
fn ended_by(signal: Signal, status: ExitStatus) {
    assert_eq!(status.signal(), Some(signal as i32), "{status}");
}

#[track_caller]
fn cleans_and_ends_by(signal: Signal, role: &str) {
    let mut program = Program::start(role);
    program.says("ready");
    program.send(signal);
    program.says("clean");
    ended_by(signal, program.end());
}

fn the_first_cancels_main() {
    cleans_and_ends_by(Signal::SIGINT, "cleans");
}

fn cleanups_of_other_tasks_run() {
    cleans_and_ends_by(Signal::SIGINT, "cleans_tasks");
}

fn a_second_one_cuts_cleanups_short() {
    let mut program = Program::start("cleans_for_ever");
    program.says("ready");
    program.send(Signal::SIGINT);
    program.says("cleaning");
    ended_by(Signal::SIGINT, program.insist());
}

fn a_second_one_ends_what_is_stuck() {
    let mut program = Program::start("stuck");
    program.says("ready");
    ended_by(Signal::SIGINT, program.insist());
}

fn an_output_counts() {
    assert_eq!(Program::start("ready").end().code(), Some(7));
}

fn sigterm_ends_a_plain_main() {
    let mut program = Program::start("cleans");
    program.says("ready");
    program.send(Signal::SIGTERM);
    ended_by(Signal::SIGTERM, program.end());
}

fn shutdown_hears_sigterm() {
    cleans_and_ends_by(Signal::SIGTERM, "cleans_at_shutdown");
}

fn shutdown_hears_ctrl_c() {
    cleans_and_ends_by(Signal::SIGINT, "cleans_at_shutdown");
}

fn no_signals_is_plain() {
    let mut program = Program::start("plain");
    program.says("ready");
    program.send(Signal::SIGINT);
    ended_by(Signal::SIGINT, program.end());
}

fn ctrl_c_in_main_hears_it() {
    let mut program = Program::start("listens");
    for _ in 0..2 {
        program.says("ready");
        program.send(Signal::SIGINT);
        program.says("heard");
    }
    program.says("ended");
    assert!(program.end().success());
}

fn shutdown_in_main_hears_it() {
    let mut program = Program::start("listens_for_shutdown");
    for (signal, name) in [(Signal::SIGTERM, "SIGTERM"), (Signal::SIGINT, "SIGINT")] {
        program.says("ready");
        program.send(signal);
        program.says(name);
    }
    program.says("ended");
    assert!(program.end().success());
}

fn a_dropped_listener_gives_it_back() {
    let mut program = Program::start("listens_for_one");
    program.says("ready");
    program.send(Signal::SIGINT);
    program.says("SIGINT");
    program.says("ready");
    program.send(Signal::SIGINT);
    program.says("clean");
    ended_by(Signal::SIGINT, program.end());
}

fn a_press_before_is_not_lost() {
    ended_by(Signal::SIGINT, Program::start("listens_late").end());
}

fn what_is_ignored_stays_so() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: only Linux tells what is ignored");
        return;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let mut program = Program::start_with(command.env(ROLE, "reads").env(IGNORED, "1"));
    program.says("ready");
    program.send(Signal::SIGINT);
    program.process.stdin.take().unwrap().write_all(b"still here\n").unwrap();
    program.says("still here");
    program.says("ended");
    assert!(program.end().success());
}
