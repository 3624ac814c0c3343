//! A bare loop on epoll: level-triggered, so that a message is one `read` and
//! one `write`, and each `epoll_wait` is for all sockets that are ready.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use crate::echo::{BUFFER_SIZE, address, announce};

pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: it has no preconditions.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: it was just opened, and has no other owner.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        let epoll = self.0.as_raw_fd();
        // SAFETY: the event lives as long as the call.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) })?;
        Ok(())
    }

    pub fn events(count: usize) -> Vec<libc::epoll_event> {
        vec![libc::epoll_event { events: 0, u64: 0 }; count]
    }

    pub fn wait<'a>(
        &self,
        events: &'a mut [libc::epoll_event],
    ) -> io::Result<&'a [libc::epoll_event]> {
        let epoll = self.0.as_raw_fd();
        // SAFETY: there is room for as many events as told.
        let count =
            unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) };
        Ok(&events[..check(count)? as usize])
    }
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

pub fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(address(port))?;
    announce(listener.local_addr()?);
    let epoll = Epoll::new()?;
    let listener_token = listener.as_raw_fd() as u64;
    epoll.add(listener.as_raw_fd(), listener_token)?;
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Epoll::events(1024);
    let mut buffer = [0; BUFFER_SIZE];
    loop {
        for event in epoll.wait(&mut events)? {
            let token = event.u64 as usize;
            if event.u64 == listener_token {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let token = stream.as_raw_fd() as usize;
                epoll.add(stream.as_raw_fd(), token as u64)?;
                connections.resize_with(connections.len().max(token + 1), || None);
                connections[token] = Some(stream);
            } else if let Some(stream) = &mut connections[token] {
                // A whole message fits into the socket: it need not wait.
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => connections[token] = None,
                    Ok(count) => stream.write_all(&buffer[..count])?,
                }
            }
        }
    }
}
