//! Streams over loopback, both ends on one loop: lines, echoes, copies.

use std::io;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use oneloop::io::{StreamReader, StreamWriter, copy};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::{create_task, try_gather};
use oneloop_benches::timed;

const BULK: usize = 1024 * 1024;

async fn connection() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let connecting = TcpStream::connect(listener.local_addr()?);
    let (client, (server, _addr)) = try_gather!(connecting, listener.accept()).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

async fn streams() -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter)) {
    let (client, server) = connection().await.expect("loopback works");
    (client.into_streams(), server.into_streams())
}

/// Lines of `len` bytes, 1 MiB in all.
fn lines(len: usize) -> &'static [u8] {
    let mut line = vec![b'x'; len - 1];
    line.push(b'\n');
    line.repeat(BULK / len).leak()
}

fn readline(criterion: &mut Criterion) {
    for len in [16, 128, 1024] {
        let text = lines(len);
        let mut group = criterion.benchmark_group("1 MiB of lines");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("{len} bytes each, from memory"), |bencher| {
            bencher.iter_custom(|count| {
                oneloop::run(timed(count, async || {
                    let mut reader = StreamReader::new(text);
                    while !reader.readline().await.expect("it is memory").is_empty() {}
                }))
            });
        });
        group.bench_function(format!("{len} bytes each, over TCP"), |bencher| {
            bencher.iter_custom(|count| {
                oneloop::run(async {
                    let ((mut reader, _writer), (_, mut writer)) = streams().await;
                    timed(count, async || {
                        let reading = async {
                            for _ in 0..text.len() / len {
                                reader.readline().await?;
                            }
                            Ok(())
                        };
                        try_gather!(reading, writer.write_all(text)).await.expect("loopback works");
                    })
                    .await
                })
            });
        });
    }
}

fn echo(criterion: &mut Criterion) {
    criterion.bench_function("a line of 64 bytes to an echo task and back", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let ((mut reader, mut writer), (mut peer, mut answers)) = streams().await;
                create_task(async move {
                    loop {
                        answers.write(peer.readline().await.expect("loopback works"));
                        answers.drain().await.expect("the task reads");
                    }
                })
                .detach();
                let line = &lines(64)[..64];
                timed(count, async || {
                    writer.write(line);
                    writer.drain().await.expect("the task reads");
                    reader.readline().await.expect("the task answers");
                })
                .await
            })
        });
    });
}

fn copies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("copies");
    group.throughput(Throughput::Bytes(BULK as u64));
    group.bench_function("1 MiB from one connection to another", |bencher| {
        bencher.iter_custom(|count| {
            oneloop::run(async {
                let (source, from) = connection().await.expect("loopback works");
                let (to, target) = connection().await.expect("loopback works");
                create_task(async move { copy(from, to).await }).detach();
                let (sent, mut received) = (vec![1; BULK], vec![0; BULK]);
                timed(count, async || {
                    try_gather!(source.write_all(&sent), target.read_exact(&mut received))
                        .await
                        .expect("loopback works");
                })
                .await
            })
        });
    });
}

criterion_group! {
    name = benches;
    config = oneloop_benches::criterion();
    targets = readline, echo, copies
}
criterion_main!(benches);
