//! A chat server: `chat [ADDR]`, 127.0.0.1:8888 by default. `nc 127.0.0.1 8888`, twice; the first line is your name.
//!
//! Whoever reads too slowly misses lines and is told how many; whoever reads nothing for a minute is thrown out.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::sync::broadcast::{self, Sender};
use oneloop::{create_task, select, timeout};

/// So many lines wait for those who read slowly.
const BACKLOG: usize = 100;
const LINE_MAX: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

/// The next line, without its end and without what a terminal would obey; `None` at the end. Dropped early, it loses nothing:
/// what was read and not yet given stays in `rest`.
async fn next_line(stream: &TcpStream, rest: &mut Vec<u8>) -> io::Result<Option<String>> {
    let mut buf = [0; 512];
    loop {
        if let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let text = String::from_utf8_lossy(&rest[..end]);
            let text = text.chars().filter(|c| !c.is_control()).collect();
            rest.drain(..=end);
            return Ok(Some(text));
        }
        if rest.len() > LINE_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "a line is too long"));
        }
        match stream.read(&mut buf).await? {
            0 => return Ok(None),
            len => rest.extend_from_slice(&buf[..len]),
        }
    }
}

async fn tell(stream: &TcpStream, text: &str) -> io::Result<()> {
    timeout(PATIENCE, stream.write_all(text.as_bytes())).await?
}

/// To all who are there; nobody may be.
fn say(room: &Sender<Rc<str>>, text: String) {
    print!("{text}");
    room.send(text.into()).ok();
}

async fn talk(
    name: &str,
    stream: &TcpStream,
    rest: &mut Vec<u8>,
    room: &Sender<Rc<str>>,
) -> io::Result<()> {
    let mut heard = room.subscribe();
    say(room, format!("* {name} is here\n"));
    loop {
        select! {
            line = next_line(stream, rest) => match line? {
                Some(line) => say(room, format!("{name}: {line}\n")),
                None => return Ok(()),
            },
            text = heard.recv() => match text {
                Ok(text) => tell(stream, &text).await?,
                Err(missed) => tell(stream, &format!("* {missed}\n")).await?,
            },
        }
    }
}

async fn visit(stream: TcpStream, room: Sender<Rc<str>>) -> io::Result<()> {
    let mut rest = Vec::new();
    tell(&stream, "* your name, please\n").await?;
    let name = next_line(&stream, &mut rest).await?;
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
    let end = talk(&name, &stream, &mut rest, &room).await;
    say(&room, format!("* {name} has left\n"));
    end
}

async fn serve(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr).await?;
    println!("listening at {}", listener.local_addr()?);
    let (room, _) = broadcast::channel(BACKLOG);
    loop {
        let (stream, peer) = listener.accept().await?;
        // What goes wrong with a visitor is reported, and matters to nobody else.
        create_task(visit(stream, room.clone())).named(peer.to_string()).detach();
    }
}

fn main() -> io::Result<()> {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    oneloop::run(serve(&addr))
}
