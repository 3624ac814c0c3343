//! A server on one loop and on two, with requests over loopback that take some computing. The
//! second loop can gain no more than one core.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::workers::{Worker, workers};
use oneloop::{create_task, gather, run, select};
use oneloop_benches::timed;

/// The connections of each of two workers. A single worker has twice as many.
const CONNECTIONS: usize = 8;

/// The steps of a computation of about 50 us.
const STEPS: u64 = 40_000;

fn compute(seed: u64) -> u64 {
    (0..STEPS).fold(seed, |sum, step| black_box(sum.rotate_left(7) ^ step.wrapping_mul(sum | 1)))
}

async fn answer(stream: TcpStream) -> io::Result<()> {
    let mut request = [0; 8];
    loop {
        stream.read_exact(&mut request).await?;
        let answer = compute(u64::from_le_bytes(request));
        stream.write_all(&answer.to_le_bytes()).await?;
    }
}

async fn serve(worker: &Worker, listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _addr) = select! {
            () = worker.stopping() => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        stream.set_nodelay(true)?;
        // Tells the client which worker it has reached.
        stream.write_all(&[u8::from(worker.index() == 1)]).await?;
        // This ends when the client disconnects.
        drop(create_task(answer(stream)));
    }
}

/// Connects to the worker of this number.
async fn connect(addr: SocketAddr, index: u8) -> io::Result<TcpStream> {
    loop {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let mut theirs = [0];
        stream.read_exact(&mut theirs).await?;
        if theirs == [index] {
            return Ok(stream);
        }
    }
}

fn server(criterion: &mut Criterion, count: u8) {
    let (started, addr) = mpsc::channel();
    let server = thread::spawn(move || {
        workers(count.into()).stop_on_signals(false).run(async |worker| {
            let listener = worker.listen("127.0.0.1:0").await?;
            let stop = worker.clone();
            started.send((listener.local_addr()?, stop)).expect("the benchmark waits for it");
            serve(&worker, listener).await
        })
    });
    let (addr, worker) = addr.recv().expect("it listens");
    let mut group = criterion.benchmark_group("16 clients of a server that computes");
    group.throughput(Throughput::Elements(2 * CONNECTIONS as u64));
    group.bench_function(format!("{count} workers"), |bencher| {
        bencher.iter_custom(|rounds| {
            run(async {
                let mut clients = Vec::new();
                for number in 0..2 * CONNECTIONS {
                    let index = if number % 2 == 1 { count - 1 } else { 0 };
                    clients.push(connect(addr, index).await.expect("it accepts"));
                }
                // Every connection asks once per round. A round ends when all have their answers.
                timed(rounds, async || {
                    let asks = clients.iter().map(async |client| {
                        client.write_all(&7u64.to_le_bytes()).await?;
                        client.read_exact(&mut [0; 8]).await
                    });
                    for answered in gather(asks).await {
                        answered.expect("it answers");
                    }
                })
                .await
            })
        });
    });
    group.finish();
    worker.stop();
    server.join().expect("it does not panic").expect("it ends by itself");
}

fn both(criterion: &mut Criterion) {
    server(criterion, 1);
    server(criterion, 2);
}

criterion_group! {
    name = benches;
    config = oneloop_benches::criterion();
    targets = both
}
criterion_main!(benches);
