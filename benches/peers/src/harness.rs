//! Tools for measuring: times, memory, CPUs, child processes.

use std::{
    env, fs, io,
    os::unix::process::ExitStatusExt,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// Nanoseconds for each of the `count` operations that one call of `body` does, as the best of
/// three calls.
pub async fn best_ns(count: u32, mut body: impl AsyncFnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        body().await;
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(count));
    }
    best
}

/// The CPU time, user and system, of all threads of a process. `pid` 0 means this process.
pub fn cpu_time(pid: u32) -> Duration {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write only to the given place.
    let failed = unsafe {
        libc::clock_getcpuclockid(pid as i32, &raw mut clock) != 0
            || libc::clock_gettime(clock, &raw mut time) != 0
    };
    assert!(!failed, "no CPU clock of process {pid}");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The CPU time, user and system, of the calling thread.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes only to the given place.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    assert!(!failed, "no CPU clock of this thread");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The resident memory of this process in bytes.
pub fn resident_bytes() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = statm.split(' ').nth(1).expect("the second field is the resident pages");
    pages.parse::<f64>().expect("it is a number") * 4096.0
}

/// Binds the calling thread to a CPU.
pub fn pin_to_cpu(cpu: usize) {
    // SAFETY: a `cpu_set_t` is plain bits, and all zeros mean no CPU.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the call sets a bit of the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set has the given length.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } != 0 {
        eprintln!("not bound to CPU {cpu}: {}", io::Error::last_os_error());
    }
}

/// Ends this process by a signal when its standard input closes. This needs no thread to wait for
/// it.
pub fn end_with_stdin() {
    // SAFETY: the call changes only flags of the standard input. The default action of `SIGIO` is
    // to end the process.
    unsafe {
        libc::fcntl(0, libc::F_SETOWN, libc::getpid());
        libc::fcntl(0, libc::F_SETFL, libc::fcntl(0, libc::F_GETFL) | libc::O_ASYNC);
    }
}

/// Ends this process by a signal if it still runs after this time.
pub fn limit_seconds(seconds: u32) {
    // SAFETY: the call has no preconditions.
    unsafe { libc::alarm(seconds) };
}

/// Does one work on one runtime in a new process. Returns its figure, or the reason why there is
/// none.
pub fn measure_in_child(work: &str, runtime: &str) -> Result<f64, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).args(["--measure", work, runtime]).output();
    let output = output.map_err(|error| error.to_string())?;
    let figure = String::from_utf8_lossy(&output.stdout).trim().parse();
    figure.map_err(|_| why_it_ended(&output))
}

fn why_it_ended(output: &Output) -> String {
    if let Some(signal) = output.status.signal() {
        let hint = if signal == libc::SIGALRM { ", it took too long" } else { "" };
        return format!("ended by signal {signal}{hint}");
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message = stderr.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
    message.unwrap_or("it ended without a figure").replace('|', "/")
}
