//! oneloop.

use std::net::{Ipv4Addr, SocketAddr};

use oneloop::{
    gather,
    io::copy,
    net::{Batch, Datagram, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
};

use super::works::{BATCH, DATAGRAM, System};
use crate::oneloop_work::Oneloop;

impl System for Oneloop {
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
        let ((mut reader, _writer), mut count) = (stream.into_streams(), 0);
        while !reader.readline().await.expect("it holds").is_empty() {
            count += 1;
        }
        count
    }

    async fn readline_bytes(stream: TcpStream) -> u64 {
        Self::readline(stream).await
    }

    async fn lines(stream: TcpStream) -> u64 {
        let ((reader, _writer), mut count) = (stream.into_streams(), 0);
        let mut lines = reader.lines();
        while let Some(line) = lines.next().await {
            line.expect("it holds");
            count += 1;
        }
        count
    }

    async fn copy(mut from: TcpStream, mut to: TcpStream) -> u64 {
        copy(&mut from, &mut to).await.expect("both hold")
    }

    async fn echo(stream: TcpStream) {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await.expect("it holds") {
                0 => return,
                len => stream.write_all(&buffer[..len]).await.expect("it holds"),
            }
        }
    }

    async fn idle_lines(stream: TcpStream) {
        let (mut reader, _writer) = stream.into_streams();
        drop(reader.readline().await.map(<[u8]>::len));
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
        let address = to.local_addr().expect("it has one");
        let datagrams = [Datagram::new(&[7; DATAGRAM], address); BATCH];
        let mut batch = Batch::new(BATCH, DATAGRAM);
        for _ in 0..count / BATCH {
            assert_eq!(from.send_batch(&datagrams).await.expect("it is loopback"), BATCH);
            let mut received = 0;
            while received < BATCH {
                received += to.recv_batch(&mut batch).await.expect("it is loopback");
            }
        }
    }

    async fn to_thread(number: u64) -> u64 {
        thread::to_thread(move || number + 1).await
    }

    async fn to_threads(count: u64) -> u64 {
        let job = |number| thread::to_thread(move || number + 1);
        gather((0..count).map(job)).await.into_iter().sum()
    }

    async fn processes(count: usize) {
        let start = |_| Command::new("/bin/true").spawn().expect("it is there");
        let children: Vec<_> = (0..count).map(start).collect();
        for child in children {
            assert!(child.wait().await.expect("it is ours").success());
        }
    }
}
