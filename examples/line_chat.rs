//! A chat server. A client that reads too slowly misses lines, and is told how many.
//!
//! Usage: `line_chat [ADDR]`. The default is 127.0.0.1:8888; run `nc 127.0.0.1 8888` twice. The
//! first line that you type is your name.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::sync::broadcast::{self, Sender};
use oneloop::{Server, select, yield_now};

type Room = Sender<Rc<str>>;

/// How many lines wait for a client that reads slowly.
const BACKLOG: usize = 100;

/// Sends `text` to everyone in the room, if anyone is there. Removes control characters, which
/// could confuse a terminal.
fn say(room: &Room, text: &str) {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    println!("{text}");
    room.send(format!("{text}\n").into()).ok();
}

async fn visit(mut reader: StreamReader, mut writer: StreamWriter, room: &Room) -> io::Result<()> {
    writer.write("* your name, please\n");
    let name = String::from_utf8_lossy(reader.readline().await?).trim().to_owned();
    if name.is_empty() {
        return Ok(());
    }
    let mut heard = room.subscribe();
    say(room, &format!("* {name} is here"));
    let talk = async {
        loop {
            select! {
                text = heard.recv() => match text {
                    Ok(text) => writer.write_all(&*text).await?,
                    Err(missed) => writer.write_all(format!("* {missed}\n")).await?,
                },
                line = reader.readline() => match line? {
                    b"" => return Ok(()),
                    line => {
                        say(room, &format!("{name}: {}", String::from_utf8_lossy(line)));
                        // Many lines may have come at once. Let the others receive this one
                        // before the next is sent.
                        yield_now().await;
                    }
                },
            }
        }
    };
    let end = talk.await;
    say(room, &format!("* {name} has left"));
    end
}

async fn serve(addr: &str) -> io::Result<()> {
    let (room, _) = broadcast::channel(BACKLOG);
    // An error of one visitor is reported, and does not affect the others.
    let handler = async move |reader, writer| visit(reader, writer, &room).await;
    let server = Server::builder().read_limit(1000).start(handler, addr).await?;
    println!("listening at {}", server.local_addrs()[0]);
    server.serve_forever().await
}

fn main() -> ExitCode {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let Err(error) = oneloop::run(serve(&addr)) else { return ExitCode::SUCCESS };
    eprintln!("line_chat: {error}");
    ExitCode::FAILURE
}
