//! `TcpStream::connect`.

use std::io::{ErrorKind, Result};
use std::net::{self, SocketAddr};
use std::time::Duration;

use oneloop::net::{TcpListener, TcpStream};

use super::{ANY_PORT, failure, nobody, run};

#[test]
fn a_refused_connection_names_address_and_cause() -> Result<()> {
    run(async {
        let nobody = nobody()?;
        let addr = nobody.addr;
        let error = failure(TcpStream::connect(addr).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let message = error.to_string();
        assert!(message.contains(&addr.to_string()), "{message}");
        assert!(message.contains("refused"), "{message}");
        Ok(())
    })
}

#[test]
fn addresses_are_tried_in_their_order() -> Result<()> {
    run(async {
        let listeners = [TcpListener::bind(ANY_PORT).await?, TcpListener::bind(ANY_PORT).await?];
        let (first, second) = (listeners[0].local_addr()?, listeners[1].local_addr()?);
        let dead = nobody()?;
        let peer = async |addrs: [SocketAddr; 3]| TcpStream::connect(&addrs[..]).await?.peer_addr();
        assert_eq!(peer([first, second, dead.addr]).await?, first);
        assert_eq!(peer([second, first, dead.addr]).await?, second);
        assert_eq!(peer([dead.addr, second, first]).await?, second);
        assert_eq!(peer([dead.addr, dead.addr, first]).await?, first);
        Ok(())
    })
}

#[test]
fn if_no_address_answers_the_error_names_all() -> Result<()> {
    run(async {
        let (one, two) = (nobody()?, nobody()?);
        let addrs = vec![one.addr, two.addr];
        let error = failure(TcpStream::connect(&addrs).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(addrs.iter().all(|addr| error.to_string().contains(&addr.to_string())), "{error}");
        Ok(())
    })
}

#[test]
fn a_name_is_looked_up() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let port = listener.local_addr()?.port();
        let by_text = TcpStream::connect(format!("localhost:{port}")).await?;
        let by_pair = TcpStream::connect(("localhost", port)).await?;
        assert_eq!(by_text.peer_addr()?, listener.local_addr()?);
        assert_eq!(by_pair.peer_addr()?, listener.local_addr()?);
        Ok(())
    })
}

#[test]
fn a_connect_that_nobody_answers_can_be_given_up() -> Result<()> {
    // Time jumps when no task is runnable.
    oneloop::Builder::new().virtual_time(true).run(async {
        let listener = TcpListener::builder().backlog(0).bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let waiting = net::TcpStream::connect(addr)?;
        let connect = TcpStream::connect(addr);
        assert!(oneloop::timeout(Duration::from_secs(60), connect).await.is_err());
        let (_server, from) = listener.accept().await?;
        assert_eq!(from, waiting.local_addr()?);
        Ok(())
    })
}

#[test]
fn many_connect_at_once() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let connects = oneloop::try_gather((0..100).map(|_| TcpStream::connect(addr)));
        let accepts = oneloop::try_gather((0..100).map(|_| listener.accept()));
        let (connects, accepts) = oneloop::try_gather!(connects, accepts).await?;
        let mut ours: Vec<_> = connects.iter().map(TcpStream::local_addr).collect::<Result<_>>()?;
        let mut theirs: Vec<_> = accepts.iter().map(|(_stream, addr)| *addr).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
        Ok(())
    })
}
