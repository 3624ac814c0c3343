//! smol.

use std::net::{Ipv4Addr, SocketAddr};

use smol::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy},
    net::{TcpListener, TcpStream, UdpSocket},
    process::Command,
    stream::StreamExt,
    unblock,
};

use super::works::{BATCH, DATAGRAM, System};
use crate::smol_work::Smol;

impl System for Smol {
    type Listener = TcpListener;
    type Stream = TcpStream;
    type Udp = UdpSocket;

    async fn listen(address: SocketAddr) -> TcpListener {
        TcpListener::bind(address).await.expect("the address is free")
    }

    fn address(listener: &TcpListener) -> SocketAddr {
        listener.local_addr().expect("it has one")
    }

    async fn accept(listener: &TcpListener) -> TcpStream {
        listener.accept().await.expect("somebody connects").0
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.expect("somebody listens")
    }

    async fn readline(stream: TcpStream) -> u64 {
        Self::lines(stream).await
    }

    async fn readline_bytes(stream: TcpStream) -> u64 {
        let (mut reader, mut line, mut count) = (BufReader::new(stream), Vec::new(), 0);
        while reader.read_until(b'\n', &mut line).await.expect("it holds") > 0 {
            count += 1;
            line.clear();
        }
        count
    }

    async fn lines(stream: TcpStream) -> u64 {
        let (mut lines, mut count) = (BufReader::new(stream).lines(), 0);
        while let Some(line) = lines.next().await {
            line.expect("it holds");
            count += 1;
        }
        count
    }

    async fn copy(from: TcpStream, to: TcpStream) -> u64 {
        copy(from, to).await.expect("both hold")
    }

    async fn echo(mut stream: TcpStream) {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await.expect("it holds") {
                0 => return,
                len => stream.write_all(&buffer[..len]).await.expect("it holds"),
            }
        }
    }

    async fn idle_lines(stream: TcpStream) {
        let mut lines = BufReader::new(stream).lines();
        drop(lines.next().await);
    }

    async fn idle_bare(stream: TcpStream) {
        drop(stream.peek(&mut [0]).await);
    }

    async fn udp() -> UdpSocket {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free")
    }

    fn udp_address(socket: &UdpSocket) -> SocketAddr {
        socket.local_addr().expect("it has one")
    }

    async fn udp_connect(socket: &UdpSocket, address: SocketAddr) {
        socket.connect(address).await.expect("it is loopback");
    }

    async fn send(socket: &UdpSocket, data: &[u8]) {
        socket.send(data).await.expect("it is loopback");
    }

    async fn receive(socket: &UdpSocket, buf: &mut [u8]) -> usize {
        socket.recv(buf).await.expect("it is loopback")
    }

    async fn udp_batches(from: &UdpSocket, to: &UdpSocket, count: usize) {
        let mut buf = [0; DATAGRAM];
        for _ in 0..count / BATCH {
            for _ in 0..BATCH {
                from.send(&[7; DATAGRAM]).await.expect("it is loopback");
            }
            for _ in 0..BATCH {
                to.recv(&mut buf).await.expect("it is loopback");
            }
        }
    }

    async fn to_thread(number: u64) -> u64 {
        unblock(move || number + 1).await
    }

    async fn to_threads(count: u64) -> u64 {
        let jobs: Vec<_> = (0..count).map(|number| unblock(move || number + 1)).collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await;
        }
        sum
    }

    async fn processes(count: usize) {
        let start = |_| Command::new("/bin/true").spawn().expect("it is there");
        let children: Vec<_> = (0..count).map(start).collect();
        for mut child in children {
            assert!(child.status().await.expect("it is ours").success());
        }
    }
}
