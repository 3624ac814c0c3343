//! Foreign peers: Python's asyncio as a server and as a client.

use std::io::Result;
use std::net::Shutdown;
use std::time::Duration;

use oneloop::net::{UnixListener, UnixStream};
use oneloop::sleep;

use super::{Directory, python, run};

/// Echoes each line until the end, then reports how many there were.
const SERVER: &str = r#"
import asyncio, sys

async def main():
    done = asyncio.Event()
    async def serve(reader, writer):
        count = 0
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
            count += 1
        writer.write(b"%d lines\n" % count)
        writer.close()
        await writer.wait_closed()
        done.set()
    server = await asyncio.start_unix_server(serve, sys.argv[1])
    await done.wait()
    server.close()

asyncio.run(main())
"#;

/// Sends a megabyte, closes its side, and expects all of it back.
const CLIENT: &str = r"
import asyncio, sys

async def main():
    data = bytes(range(256)) * 4096
    reader, writer = await asyncio.open_unix_connection(sys.argv[1])
    async def send():
        writer.write(data)
        await writer.drain()
        writer.write_eof()
    _, echoed = await asyncio.gather(send(), reader.read())
    writer.close()
    await writer.wait_closed()
    assert echoed == data

asyncio.run(main())
";

#[test]
fn a_server_of_asyncio_answers() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let Some(mut python) = python(SERVER, [&path])? else { return Ok(()) };
        let stream = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => break stream,
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        };
        for _ in 0..100 {
            stream.write_all(b"over and over\n").await?;
            stream.read_exact(&mut [0; 14]).await?;
        }
        stream.shutdown(Shutdown::Write)?;
        let mut buf = [0; 10];
        stream.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"100 lines\n");
        assert_eq!(stream.read(&mut buf).await?, 0);
        assert!(python.wait()?.success());
        Ok(())
    })
}

#[test]
fn a_client_of_asyncio_gets_every_byte_back() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("socket");
        let listener = UnixListener::bind(&path)?;
        let Some(mut python) = python(CLIENT, [&path])? else { return Ok(()) };
        let (stream, _addr) = listener.accept().await?;
        let mut buf = vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            let len = stream.read(&mut buf).await?;
            if len == 0 {
                break;
            }
            stream.write_all(&buf[..len]).await?;
            total += len;
        }
        drop(stream);
        assert_eq!(total, 1 << 20);
        assert!(python.wait()?.success());
        Ok(())
    })
}
