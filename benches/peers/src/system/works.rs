//! The works of the third table, each written once for all peers. The far ends
//! of sockets are threads on CPU 0, or processes. The measured side is on CPU 1.

use std::{
    cell::Cell,
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{best_ns, pin_to_cpu, resident_bytes, thread_cpu_time},
    works::Runtime,
};

/// The part of a runtime that these works use.
pub trait System: Runtime {
    type Listener;
    type Stream: 'static;
    type Udp: 'static;

    async fn listen(address: SocketAddr) -> Self::Listener;
    fn address(listener: &Self::Listener) -> SocketAddr;
    async fn accept(listener: &Self::Listener) -> Self::Stream;
    async fn connect(address: SocketAddr) -> Self::Stream;

    /// Reads lines until the end and counts them, in the way that users try first.
    async fn readline(stream: Self::Stream) -> u64;
    /// The same, with bytes that are not copied, or are copied into one buffer.
    async fn readline_bytes(stream: Self::Stream) -> u64;
    /// The same, with a string for each line.
    async fn lines(stream: Self::Stream) -> u64;
    async fn copy(from: Self::Stream, to: Self::Stream) -> u64;

    /// Echoes everything until the end.
    async fn echo(stream: Self::Stream);

    /// Serves a connection that will be idle: waits for its first line.
    async fn idle_lines(stream: Self::Stream);
    /// The same, without a reader: waits until there is data.
    async fn idle_bare(stream: Self::Stream);

    /// A socket on loopback.
    async fn udp() -> Self::Udp;
    fn udp_address(socket: &Self::Udp) -> SocketAddr;
    async fn udp_connect(socket: &Self::Udp, address: SocketAddr);
    async fn send(socket: &Self::Udp, data: &[u8]);
    async fn receive(socket: &Self::Udp, buf: &mut [u8]) -> usize;
    /// Sends `count` datagrams and receives them again, `BATCH` at a time.
    async fn udp_batches(from: &Self::Udp, to: &Self::Udp, count: usize);

    /// Computes a number on another thread.
    async fn to_thread(number: u64) -> u64;
    /// Does this `count` times at once, and returns the sum.
    async fn to_threads(count: u64) -> u64;

    /// Starts `count` processes that end immediately, and waits for all of them.
    async fn processes(count: usize);
}

/// How many datagrams are sent at a time, and the size of each.
pub const BATCH: usize = 32;
pub const DATAGRAM: usize = 64;

const GIB: usize = 1 << 30;
const LINE: &[u8] = b"GET /index.html?user=12345&session=abcdef0123456789 HTTP/1.1 ok\n";

pub fn measure<S: System>(name: &str) -> f64 {
    pin_to_cpu(1);
    match name {
        "readline" => lines::<S, _>(S::readline),
        "readline_bytes" => lines::<S, _>(S::readline_bytes),
        "lines" => lines::<S, _>(S::lines),
        "copy" => S::run(copy),
        "idle_lines" => S::run(|runtime| idle(runtime, S::idle_lines)),
        "idle_bare" => S::run(|runtime| idle(runtime, S::idle_bare)),
        "udp_ping_pong" => S::run(udp_ping_pong),
        "udp_batch" => S::run(udp_batch),
        "to_thread" => S::run(to_thread),
        "to_thread_100k" => S::run(to_thread_100k),
        "processes" => S::run(processes),
        "connect_close" => S::run(connect_close),
        _ => match name.strip_prefix("beside_busy_").map(str::parse) {
            Some(Ok(step)) => S::run(|runtime| beside_busy(runtime, step)),
            _ => panic!("no work is called {name:?}"),
        },
    }
}

fn lines<S: System, F: Future<Output = u64>>(count: impl Fn(S::Stream) -> F) -> f64 {
    let source = send_to_one(LINE);
    S::run(async |_| {
        let stream = S::connect(source).await;
        let start = thread_cpu_time();
        let lines = count(stream).await;
        assert_eq!(lines as usize, GIB / LINE.len());
        (thread_cpu_time() - start).as_nanos() as f64 / lines as f64
    })
}

async fn copy<S: System>(_runtime: S) -> f64 {
    let (from, to) = (send_to_one(&[7; 64]), receive_from_one());
    let (from, to) = (S::connect(from).await, S::connect(to).await);
    let start = thread_cpu_time();
    let copied = S::copy(from, to).await;
    assert_eq!(copied as usize, GIB);
    (thread_cpu_time() - start).as_secs_f64() * 1e3
}

/// A listener whose first connection gets a GiB of repetitions of `unit`.
fn send_to_one(unit: &'static [u8]) -> SocketAddr {
    at_far_end(move |mut stream| {
        let block = unit.repeat((256 << 10) / unit.len());
        for _ in 0..GIB / block.len() {
            stream.write_all(&block)?;
        }
        Ok(())
    })
}

fn receive_from_one() -> SocketAddr {
    at_far_end(|mut stream| {
        let mut buffer = vec![0; 256 << 10];
        while stream.read(&mut buffer)? > 0 {}
        Ok(())
    })
}

fn at_far_end(serve: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    thread::spawn(move || {
        pin_to_cpu(0);
        let (stream, _) = listener.accept().expect("somebody connects");
        serve(stream).expect("the connection holds");
    });
    address
}

const IDLE: usize = 10_000;

async fn idle<S: System, F: Future<Output = ()> + 'static>(
    runtime: S,
    serve: impl Fn(S::Stream) -> F + Copy + 'static,
) -> f64 {
    let listener = S::listen((Ipv4Addr::LOCALHOST, 0).into()).await;
    let mut holder = Holder::start(S::address(&listener));
    let served = Rc::new(Cell::new(0));
    // The first hundred warm the runtime up.
    for _ in 0..100 {
        let stream = S::accept(&listener).await;
        runtime.spawn_detached(serve(stream));
    }
    for _ in 0..100 {
        S::yield_now().await;
    }
    let before = resident_bytes();
    for _ in 100..IDLE {
        let stream = S::accept(&listener).await;
        let served = Rc::clone(&served);
        runtime.spawn_detached(async move {
            served.set(served.get() + 1);
            serve(stream).await;
        });
    }
    while served.get() < IDLE - 100 {
        S::yield_now().await;
    }
    let bytes = (resident_bytes() - before) / (IDLE - 100) as f64;
    holder.0.kill().expect("it runs");
    holder.0.wait().expect("it is our child");
    bytes
}

/// A process that holds connections open and does nothing with them.
struct Holder(Child);

impl Holder {
    fn start(address: SocketAddr) -> Self {
        let program = env::current_exe().expect("Linux knows it");
        let mut command = Command::new(program);
        command.args(["--hold", &address.to_string(), &IDLE.to_string()]).stdin(Stdio::null());
        Self(command.spawn().expect("it starts again"))
    }
}

/// The main function of the holder.
pub fn hold(address: SocketAddr, connections: usize) -> io::Result<()> {
    pin_to_cpu(0);
    let mut held = Vec::new();
    for i in 0..connections {
        held.push(TcpStream::connect(address)?);
        if i % 100 == 0 {
            // If more connected at once than the backlog takes, each would wait a second.
            thread::sleep(Duration::from_millis(1));
        }
    }
    loop {
        thread::park();
    }
}

async fn udp_ping_pong<S: System>(runtime: S) -> f64 {
    const ROUND_TRIPS: u32 = 20_000;
    let (near, far) = (S::udp().await, S::udp().await);
    S::udp_connect(&near, S::udp_address(&far)).await;
    S::udp_connect(&far, S::udp_address(&near)).await;
    runtime.spawn_detached(async move {
        let mut buf = [0; 2 * DATAGRAM];
        loop {
            let len = S::receive(&far, &mut buf).await;
            S::send(&far, &buf[..len]).await;
        }
    });
    best_ns(ROUND_TRIPS, async || {
        let mut buf = [0; 2 * DATAGRAM];
        for _ in 0..ROUND_TRIPS {
            S::send(&near, &[7; DATAGRAM]).await;
            assert_eq!(S::receive(&near, &mut buf).await, DATAGRAM);
        }
    })
    .await
}

async fn udp_batch<S: System>(_runtime: S) -> f64 {
    const DATAGRAMS: usize = 100 * 1000 / BATCH * BATCH;
    let (from, to) = (S::udp().await, S::udp().await);
    S::udp_connect(&from, S::udp_address(&to)).await;
    best_ns(DATAGRAMS as u32, async || S::udp_batches(&from, &to, DATAGRAMS).await).await
}

async fn to_thread<S: System>(_runtime: S) -> f64 {
    const CALLS: u32 = 10_000;
    best_ns(CALLS, async || {
        for number in 0..u64::from(CALLS) {
            assert_eq!(S::to_thread(number).await, number + 1);
        }
    })
    .await
}

async fn to_thread_100k<S: System>(_runtime: S) -> f64 {
    const CALLS: u32 = 100_000;
    best_ns(CALLS, async || {
        let count = u64::from(CALLS);
        assert_eq!(S::to_threads(count).await, count * (count + 1) / 2);
    })
    .await
}

async fn processes<S: System>(_runtime: S) -> f64 {
    const PROCESSES: usize = 1000;
    best_ns(PROCESSES as u32, async || S::processes(PROCESSES).await).await / 1e3
}

async fn connect_close<S: System>(_runtime: S) -> f64 {
    const CONNECTIONS: u32 = 3000;
    // Each process has a separate address, because recently used ports rest for a second.
    let process = std::process::id();
    let host = Ipv4Addr::new(127, 1, (process >> 8) as u8, process as u8 | 1);
    let listener = S::listen((host, 0).into()).await;
    let address = S::address(&listener);
    best_ns(CONNECTIONS, async || {
        for _ in 0..CONNECTIONS {
            let near = S::connect(address).await;
            let far = S::accept(&listener).await;
            drop((near, far));
        }
    })
    .await
}

/// The median time in microseconds of an echo of 64 bytes beside a task that repeatedly computes
/// for `step` microseconds and yields. Messages come at random moments of a step.
async fn beside_busy<S: System>(runtime: S, step: u64) -> f64 {
    const MESSAGES: usize = 2000;
    let listener = S::listen((Ipv4Addr::LOCALHOST, 0).into()).await;
    let address = S::address(&listener);
    let client = thread::spawn(move || {
        pin_to_cpu(0);
        echo_times(address, MESSAGES, step)
    });
    let stream = S::accept(&listener).await;
    let is_over = Rc::new(Cell::new(false));
    let stop = Rc::clone(&is_over);
    runtime.spawn_detached(async move {
        while !stop.get() {
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(step) {}
            S::yield_now().await;
        }
    });
    S::echo(stream).await;
    is_over.set(true);
    let mut times = client.join().expect("it does not panic").expect("the connection holds");
    times.sort_unstable();
    times[MESSAGES / 2].as_nanos() as f64 / 1e3
}

fn echo_times(server: SocketAddr, messages: usize, step: u64) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let (mut times, mut random) = (Vec::new(), 0x5EED_u64);
    for _ in 0..messages {
        // xorshift
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let pause = Duration::from_micros(random % (2 * step).max(1));
        let start = Instant::now();
        while start.elapsed() < pause {}
        let mut buffer = [7; 64];
        let start = Instant::now();
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
        times.push(start.elapsed());
    }
    Ok(times)
}
