//! `echo_64`: an echo server in a separate process on CPU 0, and its load from CPU 1: 64
//! connections, 1 KiB messages, one in flight on each. The figure is the server's CPU time, because
//! the client and the network cost the same for all.

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::AsRawFd,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    epoll_work::Epoll,
    harness::{cpu_time, pin_to_cpu},
};

const CONNECTIONS: usize = 64;
const MESSAGES: usize = 100_000;
pub const MESSAGE_SIZE: usize = 1024;

/// The size of the buffer that a server has for each connection.
pub const BUFFER_SIZE: usize = 16 * 1024;

/// The address a server binds to.
pub fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Tells the load the address, once the server listens.
pub fn announce(address: SocketAddr) {
    println!("{address}");
}

/// The server's CPU time in ns per message, in a new process.
pub fn measure_in_child(runtime: &str) -> Result<f64, String> {
    serve_and_load(runtime).map_err(|error| error.to_string())
}

fn serve_and_load(runtime: &str) -> io::Result<f64> {
    with_server(runtime, load_pinned)
}

/// Starts a server in a separate process on CPU 0, and calls `load` with its address and its
/// process, on a separate thread.
pub fn with_server(
    runtime: &str,
    load: impl FnOnce(SocketAddr, u32) -> io::Result<f64> + Send + 'static,
) -> io::Result<f64> {
    let mut server = Command::new(env::current_exe()?)
        .args(["--serve", runtime, "--cpu", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut line)?;
    let result = match line.trim().parse() {
        Ok(address) => {
            let server = server.id();
            thread::spawn(move || load(address, server)).join().expect("it doesn't panic")
        }
        Err(_) => Err(io::Error::other("the server did not start")),
    };
    let failed = server.try_wait()?.is_some();
    server.kill()?;
    let output = server.wait_with_output()?;
    if failed {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let message = stderr.lines().skip_while(|line| !line.contains("panicked at")).nth(1);
        return Err(io::Error::other(message.unwrap_or("the server ended").to_owned()));
    }
    result
}

fn load_pinned(address: SocketAddr, server: u32) -> io::Result<f64> {
    pin_to_cpu(1);
    load(address, CONNECTIONS, CONNECTIONS * 50)?; // the server warms up
    let start = cpu_time(server);
    load(address, CONNECTIONS, MESSAGES)?;
    Ok((cpu_time(server) - start).as_nanos() as f64 / MESSAGES as f64)
}

/// Sends `messages` in total over `connections`, and awaits the echo of each.
pub fn load(address: SocketAddr, connections: usize, messages: usize) -> io::Result<Duration> {
    let epoll = Epoll::new()?;
    let mut clients = Vec::new();
    for i in 0..connections {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll.add(socket.as_raw_fd(), i as u64)?;
        let share = messages / connections + usize::from(i < messages % connections);
        clients.push(Client { socket, to_send: share, received: 0 });
    }
    let start = Instant::now();
    let mut waiting = messages;
    for client in &mut clients {
        client.send()?;
    }
    let mut events = Epoll::events(connections);
    while waiting > 0 {
        for event in epoll.wait(&mut events)? {
            waiting -= usize::from(clients[event.u64 as usize].receive()?);
        }
    }
    Ok(start.elapsed())
}

struct Client {
    socket: TcpStream,
    to_send: usize,
    received: usize,
}

impl Client {
    fn send(&mut self) -> io::Result<()> {
        if self.to_send > 0 {
            // It always fits, because nothing else is in flight.
            self.socket.write_all(&[self.to_send as u8; MESSAGE_SIZE])?;
        }
        Ok(())
    }

    /// Returns whether this completed a message, and then sends the next one.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; MESSAGE_SIZE];
        let count = self.socket.read(&mut buffer[self.received..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        assert_eq!(buffer[self.received], self.to_send as u8, "the echo is another message");
        self.received += count;
        let whole = self.received == MESSAGE_SIZE;
        if whole {
            self.received = 0;
            self.to_send -= 1;
            self.send()?;
        }
        Ok(whole)
    }
}
