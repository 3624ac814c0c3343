//! Small asyncio programs, each followed by its translation to oneloop.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io;
use std::time::Duration;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::{gather, open_connection, sleep, start_server, wait_for};

// async def answer():
//     await asyncio.sleep(0.1)
//     return 42
async fn answer() -> u32 {
    sleep(Duration::from_millis(100)).await;
    42
}

// async def fetch(name, delay):
//     await asyncio.sleep(delay)
//     return f"{name} fetched"
async fn fetch(name: &str, delay: f64) -> String {
    sleep(Duration::from_secs_f64(delay)).await;
    format!("{name} fetched")
}

// async def three():
//     return await asyncio.gather(fetch("a", 0.1), fetch("b", 0.2), fetch("c", 0.1))
async fn three() -> (String, String, String) {
    gather!(fetch("a", 0.1), fetch("b", 0.2), fetch("c", 0.1)).await
}

// async def impatient():
//     try:
//         return await asyncio.wait_for(fetch("d", 60), timeout=0.1)
//     except TimeoutError:
//         return "d takes too long"
async fn impatient() -> String {
    match wait_for(fetch("d", 60.0), Duration::from_millis(100)).await {
        Ok(text) => text,
        Err(_timeout) => "d takes too long".to_owned(),
    }
}

// async def echo(reader, writer):
//     while data := await reader.read(1024):
//         writer.write(data)
//         await writer.drain()
//     writer.close()
async fn echo(mut reader: StreamReader, mut writer: StreamWriter) -> io::Result<()> {
    let mut buf = [0; 1024];
    loop {
        match reader.read(&mut buf).await? {
            0 => return Ok(()), // dropping the writer closes it
            len => writer.write(&buf[..len]),
        }
        writer.drain().await?;
    }
}

// async def server_and_client():
//     server = await asyncio.start_server(echo, "127.0.0.1", 0)
//     reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
//     writer.write(b"hello")
//     data = await reader.readexactly(5)
//     writer.close()
//     server.close()
//     return data.decode()
async fn server_and_client() -> io::Result<String> {
    let server = start_server(echo, "127.0.0.1:0").await?;
    let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
    writer.write("hello");
    let data = reader.readexactly(5).await?;
    drop(writer);
    server.close();
    Ok(String::from_utf8_lossy(&data).into_owned())
}

// async def main():
//     print(await answer())
//     print(await three())
//     print(await impatient())
//     print(await server_and_client())
//
// asyncio.run(main())
fn main() -> io::Result<()> {
    oneloop::run(async {
        println!("{}", answer().await);
        println!("{:?}", three().await);
        println!("{}", impatient().await);
        println!("{}", server_and_client().await?);
        Ok(())
    })
}
