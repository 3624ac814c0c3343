//! Foreign peers: Python's asyncio as a client and as a server.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Error, Result};
use std::rc::Rc;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::thread::to_thread;
use oneloop::{open_connection, sleep, start_server};

use super::{python, run};

const ANY_PORT: &str = "127.0.0.1:0";

/// Twenty clients at once. Each exchanges lines, closes one side, and reads the rest until the end.
const CLIENTS: &str = r#"
import asyncio, sys

async def client(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for n in range(50):
        line = b"%d says %d\n" % (number, n)
        writer.write(line)
        await writer.drain()
        assert await reader.readline() == line
    writer.write(b"x" * 1_000_000)
    writer.write_eof()
    rest = await reader.read()
    assert rest == b"x" * 1_000_000 + b"the end\n", len(rest)
    writer.close()
    await writer.wait_closed()

async def main():
    await asyncio.gather(*(client(int(sys.argv[1]), n) for n in range(20)))

asyncio.run(main())
"#;

/// A server that prints its port, echoes lines, and ends with the first client.
const SERVER: &str = r#"
import asyncio

async def main():
    done = asyncio.Event()
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.write(b"the end\n")
        writer.close()
        await writer.wait_closed()
        done.set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await done.wait()
    server.close()

asyncio.run(main())
"#;

#[test]
fn clients_of_asyncio_are_served() -> Result<()> {
    run(async {
        let served = Rc::new(Cell::new(0));
        let count = Rc::clone(&served);
        let handler =
            async move |mut reader: StreamReader, mut writer: StreamWriter| -> Result<()> {
                let mut buf = vec![0; 4096];
                loop {
                    match reader.read(&mut buf).await? {
                        0 => break,
                        len => writer.write_all(&buf[..len]).await?,
                    }
                }
                writer.write("the end\n");
                count.set(count.get() + 1);
                Ok(())
            };
        let server = start_server(handler, ANY_PORT).await?;
        let port = server.local_addrs()[0].port().to_string();
        let Some(mut python) = python(CLIENTS, [port])? else { return Ok(()) };
        let status = loop {
            match python.try_wait()? {
                Some(status) => break status,
                None => sleep(Duration::from_millis(5)).await,
            }
        };
        assert!(status.success());
        assert_eq!(served.get(), 20);
        Ok(())
    })
}

#[test]
fn a_server_of_asyncio_answers() -> Result<()> {
    run(async {
        let Some(mut python) = python(SERVER, [""; 0])? else { return Ok(()) };
        let stdout = python.stdout.take().expect("it is piped");
        let port = to_thread(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line)?;
            line.trim().parse::<u16>().map_err(Error::other)
        });
        let (mut reader, mut writer) = open_connection(("127.0.0.1", port.await?)).await?;
        for _ in 0..100 {
            writer.write("over and over\n");
            assert_eq!(reader.readline().await?, b"OVER AND OVER\n");
        }
        writer.write_eof();
        assert_eq!(reader.readline().await?, b"the end\n");
        assert_eq!(reader.readline().await?, b"");
        assert!(python.wait()?.success());
        Ok(())
    })
}
