//! The tested processes, whose standard error the tests read.

use std::env;
use std::error::Error;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::panic;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::Server;
use oneloop::{Builder, create_task, start_server, yield_now};
use socket2::SockRef;

use crate::ROLE;

#[test]
fn play() {
    let Ok(role) = env::var(ROLE) else { return };
    match &*role {
        "fail 1200" => fail(1200),
        "fail 30" => fail(30),
        "fail 3" => fail(3),
        "fail 2, wait, fail 1" => {
            fail(2);
            println!("!");
            io::stdin().read_exact(&mut [0]).unwrap();
            fail(1);
        }
        "fail differently" => fail_differently(),
        "resets" => resets(50),
        "1200 resets" => resets(1200),
        "resets of what is left" => resets_of_what_is_left(),
        "logger off" => with_logger(&Enabled, LevelFilter::Off),
        "logger off that is never enabled" => {
            static LOGGER: Sized = Sized { _field: 1 };
            with_logger(&LOGGER, LevelFilter::Off);
        }
        "logger switched off" => {
            log::set_logger(&Filtered).unwrap();
            log::set_max_level(LevelFilter::Warn);
            fail(1);
            log::set_max_level(LevelFilter::Off);
            fail(3);
        }
        "panicking logger" => {
            panic::set_hook(Box::new(|_| ()));
            with_logger(&Panics, LevelFilter::Info);
        }
        "reporting logger" => with_logger(&Reports, LevelFilter::Info),
        "debugging logger" => {
            log::set_logger(&Writes).unwrap();
            log::set_max_level(LevelFilter::Debug);
            resets(50);
        }
        "debugging logger of what is left" => {
            log::set_logger(&Writes).unwrap();
            log::set_max_level(LevelFilter::Debug);
            resets_of_what_is_left();
        }
        "panicking hook" => {
            panic::set_hook(Box::new(|_| ()));
            let builder = Builder::new().slow_poll_threshold(Duration::MAX);
            builder.on_unhandled(|_| panic!("a poisoned lock")).run(failing(1));
        }
        other => panic!("there is no role `{other}`"),
    }
    println!("the end");
}

/// Runs `main` without the warning about slow polls, which a busy machine could cause.
fn run<F: Future>(main: F) -> F::Output {
    Builder::new().slow_poll_threshold(Duration::MAX).run(main)
}

/// Tasks that all fail in the same way.
async fn failing(count: u32) {
    for _ in 0..count {
        create_task(async { Err::<(), _>("no such file") }).detach();
    }
    yield_now().await;
}

fn fail(count: u32) {
    run(failing(count));
}

fn fail_differently() {
    run(async {
        for number in 0..20 {
            create_task(async move { Err::<(), _>(format!("no such file: {number}")) }).detach();
        }
        yield_now().await;
    });
}

/// Peers that reset while their handlers read, write, clean up, and wrap the error.
fn resets(count: u32) {
    async fn serve(
        mut reader: StreamReader,
        mut writer: StreamWriter,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        writer.write("hello");
        writer.drain().await?;
        reader.readline().await.map_err(io::Error::other)?;
        Ok(())
    }

    run(async {
        let server = start_server(serve, "127.0.0.1:0").await?;
        for _ in 0..count {
            reset_by_peer(&server).await?;
        }
        io::Result::Ok(())
    })
    .unwrap();
}

/// Connects, reads what the handler writes first, resets the connection, and waits until the server
/// has seen that.
async fn reset_by_peer(server: &Server) -> io::Result<()> {
    let mut client = TcpStream::connect(server.local_addrs()[0])?;
    client.set_nonblocking(true)?;
    while client.read(&mut [0; 5]).is_err() {
        yield_now().await;
    }
    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
    drop(client);
    while server.connections() > 0 {
        yield_now().await;
    }
    Ok(())
}

/// Peers that reset when their handlers have ended, and some of the handlers' data is not sent yet.
fn resets_of_what_is_left() {
    async fn serve(_reader: StreamReader, mut writer: StreamWriter) {
        writer.write(vec![7; 16 << 20]);
    }

    run(async {
        let server = start_server(serve, "127.0.0.1:0").await?;
        for _ in 0..5 {
            reset_by_peer(&server).await?;
        }
        io::Result::Ok(())
    })
    .unwrap();
}

fn with_logger(logger: &'static dyn Log, level: LevelFilter) {
    log::set_logger(logger).unwrap();
    log::set_max_level(level);
    fail(3);
}

macro_rules! logger {
    ($name:ty, $enabled:expr, $log:expr) => {
        impl Log for $name {
            fn enabled(&self, metadata: &Metadata<'_>) -> bool {
                let enabled: fn(&Metadata<'_>) -> bool = $enabled;
                enabled(metadata)
            }

            fn log(&self, record: &Record<'_>) {
                let log: fn(&Record<'_>) = $log;
                log(record);
            }

            fn flush(&self) {}
        }
    };
}

struct Enabled;
struct Filtered;
struct Sized {
    _field: u8,
}
struct Panics;
struct Reports;
struct Writes;

logger!(Enabled, |_| true, |record| println!("{}", record.args()));
logger!(Filtered, |metadata| metadata.level() <= log::max_level(), |_| ());
logger!(Sized, |_| false, |_| ());
logger!(Panics, |_| true, |_| panic!("the logger has lost its file"));
// The report of its failure fails too, and so on.
logger!(Reports, |_| true, |_| create_task(async { Err::<(), _>("by the logger") }).detach());
logger!(Writes, |_| true, |record| {
    let line = format!("{} {}\n", record.level(), record.args());
    io::stderr().write_all(line.as_bytes()).unwrap();
});
