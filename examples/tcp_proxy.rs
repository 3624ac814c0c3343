//! Passes connections on to another server: `tcp_proxy LISTEN TARGET`, as in `tcp_proxy 127.0.0.1:8000 127.0.0.1:8888`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use oneloop::net::{OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream};

/// Copies until the end, and passes the end on: dropping `to` closes that direction.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<u64> {
    let mut buf = vec![0; 16 * 1024];
    let mut bytes = 0;
    loop {
        let len = from.read(&mut buf).await?;
        if len == 0 {
            return Ok(bytes);
        }
        to.write_all(&buf[..len]).await?;
        bytes += len as u64;
    }
}

async fn pass_on(client: TcpStream, target: &str) -> io::Result<(u64, u64)> {
    let server = TcpStream::connect(target).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    oneloop::try_gather!(copy(from_client, to_server), copy(from_server, to_client)).await
}

async fn serve(listen: &str, target: String) -> io::Result<()> {
    let target: Rc<str> = target.into();
    let listener = TcpListener::bind(listen).await?;
    println!("from {} to {target}", listener.local_addr()?);
    loop {
        let (client, addr) = listener.accept().await?;
        let target = Rc::clone(&target);
        let connection = async move {
            match pass_on(client, &target).await {
                Ok((there, back)) => println!("{addr}: {there} bytes there, {back} bytes back"),
                Err(error) => eprintln!("{addr}: {error}"),
            }
        };
        oneloop::create_task(connection).detach();
    }
}

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let (Some(listen), Some(target), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: tcp_proxy LISTEN TARGET");
        return ExitCode::FAILURE;
    };
    match oneloop::run(serve(&listen, target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tcp_proxy: {error}");
            ExitCode::FAILURE
        }
    }
}
