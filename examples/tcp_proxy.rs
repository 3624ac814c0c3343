//! Forwards connections to another server.
//!
//! Usage: `tcp_proxy LISTEN TARGET`, for example `tcp_proxy 127.0.0.1:8000 127.0.0.1:8888`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use oneloop::io::copy_bidirectional;
use oneloop::net::{TcpListener, TcpStream};

async fn pass_on(client: TcpStream, target: &str) -> io::Result<(u64, u64)> {
    let server = TcpStream::connect(target).await?;
    copy_bidirectional(client, server).await
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
