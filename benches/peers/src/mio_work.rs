//! A bare loop on mio, which is edge-triggered: a read that does not fill the buffer has drained
//! the socket, so a message costs one `read` and one `write`.

use std::io::{self, Read, Write};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use crate::echo::{BUFFER_SIZE, address, announce};

const LISTENER: Token = Token(usize::MAX);

pub fn serve(port: u16) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(address(port))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    announce(listener.local_addr()?);
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut buffer = [0; BUFFER_SIZE];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(connections.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    connections.push(Some(stream));
                }
            } else {
                echo(&mut connections[event.token().0], &mut buffer)?;
            }
        }
    }
}

fn echo(connection: &mut Option<TcpStream>, buffer: &mut [u8]) -> io::Result<()> {
    while let Some(stream) = connection {
        match stream.read(buffer) {
            Ok(0) => *connection = None,
            // The socket has room for a whole message, so this need not wait.
            Ok(count) => {
                stream.write_all(&buffer[..count])?;
                if count < buffer.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => *connection = None,
        }
    }
    Ok(())
}
