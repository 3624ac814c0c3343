//! The latencies of an echo server, which is a separate process on CPU 0. The load comes from CPU
//! 1, with one message of 1 KiB in flight on each connection. With more than one connection the
//! server always has work, so these are times in its queue: they show how fast and how fair it is.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use crate::{
    echo::{MESSAGE_SIZE, with_server},
    epoll_work::Epoll,
    harness::pin_to_cpu,
};

/// The figure of `echo_CONNECTIONS_pPERCENTILE`, in microseconds.
pub fn measure(work: &str, peer: &str) -> Result<f64, String> {
    let parts = work.strip_prefix("echo_").and_then(|rest| rest.split_once("_p"));
    let (connections, percentile) = parts.expect("the work is known");
    let connections = connections.parse().expect("a number of connections");
    let percentile: f64 = percentile.parse().expect("a percentile");
    let measured = with_server(peer, move |address, _server| {
        pin_to_cpu(1);
        load(address, connections, connections * 5)?; // the server warms up
        let latencies = load(address, connections, 40_000.max(connections * 20))?;
        Ok(at(&latencies, percentile))
    });
    measured.map_err(|error| error.to_string())
}

/// For measurements by hand.
pub fn load_and_print(address: SocketAddr, connections: usize, messages: usize) -> io::Result<()> {
    let latencies = load(address, connections, messages)?;
    for percentile in [50.0, 99.0, 99.9] {
        println!("p{percentile}: {:.1} µs", at(&latencies, percentile));
    }
    Ok(())
}

fn at(sorted: &[Duration], percentile: f64) -> f64 {
    let index = (sorted.len() as f64 * percentile / 100.0) as usize;
    sorted[index.min(sorted.len() - 1)].as_nanos() as f64 / 1e3
}

/// The latency of each message, in ascending order.
fn load(address: SocketAddr, connections: usize, messages: usize) -> io::Result<Vec<Duration>> {
    let epoll = Epoll::new()?;
    let mut clients = Vec::with_capacity(connections);
    for i in 0..connections {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll.add(socket.as_raw_fd(), i as u64)?;
        clients.push(Client { socket, received: 0, sent_at: Instant::now() });
    }
    let mut latencies = Vec::with_capacity(messages + connections);
    for client in &mut clients {
        client.send()?;
    }
    let mut events = Epoll::events(1024);
    // Awaits the messages that are in flight at the end, too.
    let (mut to_send, mut in_flight) = (messages.saturating_sub(connections), connections);
    while in_flight > 0 {
        for event in epoll.wait(&mut events)? {
            let client = &mut clients[event.u64 as usize];
            let Some(latency) = client.receive()? else { continue };
            latencies.push(latency);
            in_flight -= 1;
            if to_send > 0 {
                client.send()?;
                to_send -= 1;
                in_flight += 1;
            }
        }
    }
    latencies.sort_unstable();
    Ok(latencies)
}

struct Client {
    socket: TcpStream,
    received: usize,
    sent_at: Instant,
}

impl Client {
    fn send(&mut self) -> io::Result<()> {
        self.sent_at = Instant::now();
        // It always fits, because nothing else is in flight.
        io::Write::write_all(&mut self.socket, &[7; MESSAGE_SIZE])
    }

    /// Returns the latency, if this completed the message.
    fn receive(&mut self) -> io::Result<Option<Duration>> {
        let mut buffer = [0; MESSAGE_SIZE];
        match io::Read::read(&mut self.socket, &mut buffer[self.received..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => self.received += count,
        }
        let whole = self.received == MESSAGE_SIZE;
        if whole {
            self.received = 0;
        }
        Ok(whole.then(|| self.sent_at.elapsed()))
    }
}
