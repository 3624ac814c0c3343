//! Task groups: children that borrow, an error that stops the siblings, and a child that says when
//! it is ready.
//!
//! Ends by itself: `cargo run --example task_group`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::task::Ready;
use oneloop::{GroupError, sleep, task_group};

/// Stands in for a request over the network. The longer the name, the longer it takes.
async fn fetch(page: &str) -> io::Result<usize> {
    sleep(Duration::from_millis(20 * page.len() as u64)).await;
    if page == "missing" {
        return Err(io::Error::new(ErrorKind::NotFound, "no such page"));
    }
    println!("{page} is here");
    Ok(page.len())
}

/// Returns the total length of the pages. The children borrow from this function, and none of them
/// outlives it.
async fn total_length(pages: &[&str]) -> Result<usize, GroupError<io::Error>> {
    let total = Cell::new(0);
    task_group(async |group| {
        for page in pages {
            let child = async {
                let length = fetch(page).await?;
                total.set(total.get() + length);
                Ok(())
            };
            group.create_task(child).named(*page);
        }
        Ok(())
    })
    .await?;
    Ok(total.get())
}

/// Greets every client, for ever.
async fn serve(ready: Ready<SocketAddr>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready.set(listener.local_addr()?);
    loop {
        let (client, _addr) = listener.accept().await?;
        client.write_all(b"hello").await?;
    }
}

async fn greeting() -> Result<String, GroupError<io::Error>> {
    task_group(async |group| {
        let addr = group.start(serve).await?; // waits until it listens
        let client = TcpStream::connect(addr).await?;
        let mut answer = [0; 5];
        client.read_exact(&mut answer).await?;
        group.cancel(); // otherwise the group would wait for the server
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
    .await
}

fn main() -> Result<(), GroupError<io::Error>> {
    oneloop::run(async {
        println!("{} in all", total_length(&["index", "news", "weather"]).await?);

        // The first error cancels the siblings, so the weather never arrives. Each error has the
        // name of its task.
        if let Err(error) = total_length(&["index", "missing", "weather map"]).await {
            for failure in error.errors() {
                println!("{} failed: {}", failure.task_name(), failure.error());
            }
        }

        println!("the server says {:?}", greeting().await?);
        Ok(())
    })
}
