//! TCP over loopback, both ends on one loop: messages, connections, bulk.

use std::io;

use criterion::{Criterion, criterion_group, criterion_main};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::{create_task, try_gather};
use oneloop_benches::timed;

const MESSAGE: usize = 1024;
const BULK: usize = 1024 * 1024;

async fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let connecting = TcpStream::connect(listener.local_addr()?);
    let (client, (server, _addr)) = try_gather!(connecting, listener.accept()).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

fn round_trip(criterion: &mut Criterion) {
    criterion.bench_function("1 KiB to an echo task and back", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let (client, server) = connection().await.expect("loopback works");
                create_task(echo(server)).detach();
                let mut message = [1; MESSAGE];
                timed(count, async || {
                    client.write_all(&message).await.expect("the task reads");
                    client.read_exact(&mut message).await.expect("the task answers");
                })
                .await
            })
        });
    });
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; MESSAGE];
    loop {
        stream.read_exact(&mut buf).await?;
        stream.write_all(&buf).await?;
    }
}

fn accept(criterion: &mut Criterion) {
    criterion.bench_function("connect, accept and close", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback works");
                let addr = listener.local_addr().expect("it is bound");
                timed(count, async || {
                    let both = try_gather!(TcpStream::connect(addr), listener.accept()).await;
                    let (client, (server, _addr)) = both.expect("loopback works");
                    // The side that closes first keeps its port busy for a minute. If that were
                    // the client, it would soon run out of ports.
                    drop(server);
                    drop(client);
                })
                .await
            })
        });
    });
}

fn bulk(criterion: &mut Criterion) {
    criterion.bench_function("1 MiB one way", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let (client, server) = connection().await.expect("loopback works");
                let (sent, mut received) = (vec![1; BULK], vec![0; BULK]);
                timed(count, async || {
                    try_gather!(client.write_all(&sent), server.read_exact(&mut received))
                        .await
                        .expect("loopback works");
                })
                .await
            })
        });
    });
}

criterion_group! {
    name = tcp;
    config = oneloop_benches::criterion();
    targets = round_trip, accept, bulk
}
criterion_main!(tcp);
