//! Streams, and functions that copy them.

use std::io;

use oneloop::io::{
    DuplexStream, IncompleteRead, LimitOverrun, Lines, StreamReader, StreamWriter, copy,
    copy_bidirectional,
};
use oneloop::net::TcpStream;

use super::{assert_all, assert_send_value, assert_unpin};

#[test]
fn streams_stay_on_their_thread_and_connections_in_memory_do_not() {
    assert_not_send!(StreamReader, StreamWriter, Lines);
    assert_unpin::<(StreamReader, StreamWriter, Lines)>();
    assert_all::<(DuplexStream, IncompleteRead, LimitOverrun)>();
}

async fn copies(stream: TcpStream, memory: DuplexStream) -> io::Result<()> {
    let mut buf = [0; 8];
    memory.read_exact(&mut buf).await?;
    memory.write_all(&buf).await?;
    copy(&stream, &memory).await?;
    copy_bidirectional(stream, memory).await?;
    Ok(())
}

#[test]
fn copies_are_send_when_their_streams_are() {
    fn check(stream: TcpStream, memory: DuplexStream) {
        assert_send_value(copies(stream, memory));
    }
    let _ = check;
}
