//! Connections, writes and cleanups of the parent, which its child leaves alone however it ends.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::rc::Rc;

use nix::libc;
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::{TcpListener, TcpStream};
use oneloop::thread::to_thread;
use oneloop::{
    Runtime, create_task, gather, run, sleep, start_server, timeout, with_cleanup, yield_now,
};

use super::{PATIENCE, in_fork};

/// Forks in the main future of a loop that has connections of all kinds. The child ends as `ending`
/// says.
fn child_leaves_main(ending: fn()) {
    let parent = process::id();
    let mut runtime = Runtime::new().unwrap();
    let ran = catch_unwind(AssertUnwindSafe(|| runtime.run(with_connections(ending))));
    if process::id() != parent {
        drop(runtime);
        // SAFETY: as in `in_fork`.
        unsafe { libc::_exit(0) };
    }
    ran.unwrap();
}

/// Pairs of connected streams: one of ours and its peer.
async fn connected() -> (TcpStream, net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    (listener.accept().await.unwrap().0, peer)
}

async fn with_connections(ending: fn()) {
    let (stream, mut first) = connected().await;
    let (mut reader, mut writer) = stream.into_streams();
    let (stream, mut second) = connected().await;
    let (mut read, mut write) = stream.into_split();
    let echo = async |mut reader: StreamReader, mut writer: StreamWriter| {
        while let Ok(line @ [_, ..]) = reader.readline().await {
            writer.write(line);
        }
    };
    let server = start_server(echo, "127.0.0.1:0").await.unwrap();
    let addr = server.local_addrs()[0];
    let mut third = net::TcpStream::connect(addr).unwrap();
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    echoes(&mut third).await;
    first.write_all(b"unread").unwrap();
    second.write_all(b"unread").unwrap();
    let serving = create_task(async move { server.serve_forever().await });
    yield_now().await;

    // SAFETY: as in `in_fork`; the child ends in `child_leaves_main`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        return ending();
    }
    let mut status = -1;
    // SAFETY: the pointer is to a local variable.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "the child failed");

    writer.write("first");
    writer.drain().await.unwrap();
    write.write_all(b"second").await.unwrap();
    let mut got = [0; 6];
    first.read_exact(&mut got[..5]).unwrap();
    assert_eq!(&got[..5], b"first");
    second.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"second");
    assert_eq!(timeout(PATIENCE, reader.readexactly(6)).await.unwrap().unwrap(), b"unread");
    timeout(PATIENCE, read.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got, b"unread");
    echoes(&mut third).await;
    echoes(&mut net::TcpStream::connect(addr).unwrap()).await;
    serving.cancel();
    assert!(serving.await.is_err());
}

async fn echoes(client: &mut net::TcpStream) {
    client.write_all(b"ping\n").unwrap();
    let mut client = client.try_clone().unwrap();
    let reply = to_thread(move || {
        let mut reply = [0; 5];
        client.read_exact(&mut reply).map(|()| reply)
    });
    assert_eq!(&reply.await.unwrap(), b"ping\n");
}

pub(super) fn a_child_that_returns_harms_nobody() {
    child_leaves_main(|| ());
}

pub(super) fn a_child_that_unwinds_harms_nobody() {
    // Without the message of the default hook.
    child_leaves_main(|| resume_unwind(Box::new("unwinding")));
}

pub(super) fn a_child_sends_nothing_queued() {
    // More than the kernel accepts.
    let data: Vec<u8> = (0..8 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    run(async {
        let (stream, mut peer) = connected().await;
        let (_, mut writer) = stream.into_streams();
        writer.write(&data);
        // Makes room for data that the child would send.
        let mut got = vec![0; 1 << 20];
        peer.read_exact(&mut got).unwrap();
        let mut writer = Some(writer);
        in_fork(|| drop(writer.take()));
        let rest = to_thread(move || peer.read_to_end(&mut got).map(|_| got));
        let send = async { timeout(PATIENCE, writer.take().unwrap().flush()).await };
        let (got, sent) = gather!(rest, send).await;
        sent.unwrap().unwrap();
        assert!(got.unwrap() == data);
    });
}

/// The second write of a poll waits for the poll's end, which the child of a fork reaches too.
pub(super) fn a_child_ends_no_poll_of_its_parent() {
    run(async {
        let (stream, mut peer) = connected().await;
        let (_, mut writer) = stream.into_streams();
        let child = Rc::new(Cell::new(-1));
        let forked = Rc::clone(&child);
        let writing = create_task(async move {
            writer.write("first, ");
            writer.write("second");
            // SAFETY: as in `in_fork`; the child ends in the next task.
            forked.set(unsafe { libc::fork() });
            writer
        });
        let of_child = Rc::clone(&child);
        let next = create_task(async move {
            if of_child.get() == 0 {
                // SAFETY: it ends the process and touches no memory of it.
                unsafe { libc::_exit(0) };
            }
        });
        let writer = writing.await.unwrap();
        next.await.unwrap();
        let mut status = -1;
        // SAFETY: the pointer is to a local variable.
        unsafe { libc::waitpid(child.get(), &raw mut status, 0) };
        assert_eq!(status, 0, "the child failed");
        // Only after the child has gone, because it could not write any more otherwise.
        drop(writer);
        let got = to_thread(move || {
            let mut got = String::new();
            peer.read_to_string(&mut got).map(|_| got)
        });
        assert_eq!(got.await.unwrap(), "first, second");
    });
}

pub(super) fn a_child_runs_no_cleanup_of_its_parent() {
    let parent = process::id();
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let cleans = async |mut writer: UnixStream| writer.write_all(b"x");
    let mut runtime = Runtime::new().unwrap();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        runtime.run(async {
            let other = writer.try_clone().unwrap();
            let _of_main = with_cleanup(writer, cleans);
            let _task = create_task(async move {
                let _of_task = with_cleanup(other, cleans);
                sleep(PATIENCE).await;
            });
            yield_now().await;
            // SAFETY: as in `in_fork`; the child ends below.
            let child = unsafe { libc::fork() };
            if child != 0 {
                let mut status = -1;
                // SAFETY: the pointer is to a local variable.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!(status, 0, "the child failed");
            }
        });
    }));
    drop(runtime);
    if process::id() != parent {
        // SAFETY: as in `in_fork`.
        unsafe { libc::_exit(i32::from(ran.is_err())) };
    }
    ran.unwrap();
    let mut cleaned = Vec::new();
    reader.read_to_end(&mut cleaned).unwrap();
    assert_eq!(cleaned, b"xx", "the parent has cleaned up, and nobody else");
}
