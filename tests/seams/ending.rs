//! A server whose handlers use files, threads, children and other connections, when the loop, the
//! server or the client ends.

use std::cell::Cell;
use std::future::pending;
use std::io::{Error, Read as _, Result, Write as _};
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use oneloop::fs::{self, File};
use oneloop::io::{self, AsyncFd, StreamReader, StreamWriter};
use oneloop::net::{TcpListener, TcpStream, lookup_host};
use oneloop::process::{Command, Stdio};
use oneloop::sync::Event;
use oneloop::thread::{LoopBound, channel, to_thread};
use oneloop::time::now;
use oneloop::{
    Builder, Handle, create_task, gather, open_connection, sleep, start_server, timeout, yield_now,
};
use socket2::SockRef;

use super::{
    ANY_PORT, BOUND, LIMIT, alone, connect, leaves_nothing, leaves_nothing_with, tasks_named, until,
};

/// More than all buffers of a connection hold.
const MUCH: usize = 8 << 20;
const MS: Duration = Duration::from_millis(1);

#[test]
fn what_a_handler_has_written_arrives_although_the_loop_ends() -> Result<()> {
    let _alone = alone();
    let reading = leaves_nothing(async {
        let handler = async |_reader: StreamReader, mut writer: StreamWriter| {
            writer.write(vec![b'x'; MUCH]);
            pending::<()>().await;
        };
        let server = start_server(handler, ANY_PORT).await?;
        let mut client = connect(&server)?;
        let first = to_thread(move || client.read_exact(&mut [0; 1]).map(|()| client));
        let mut client = first.await?;
        Ok(thread::spawn(move || {
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).map(|_| rest.len())
        }))
    });
    // The thread reads while the loop ends, and may outlive the loop.
    assert_eq!(reading?.join().expect("no panic")?, MUCH - 1);
    Ok(())
}

#[test]
fn what_cannot_be_sent_any_more_is_reported_with_the_peers_address() -> Result<()> {
    let _alone = alone();
    let (addr, reports) = leaves_nothing_with(Builder::new(), async {
        let listener = net::TcpListener::bind(ANY_PORT)?;
        let addr = listener.local_addr()?;
        let (reader, mut writer) = open_connection(addr).await?;
        let (peer, _) = listener.accept()?;
        writer.write(vec![b'x'; MUCH]);
        // The loop sends the rest of the writes.
        drop((reader, writer));
        sleep(5 * MS).await;
        SockRef::from(&peer).set_linger(Some(Duration::ZERO))?;
        drop(peer);
        Ok(addr)
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    for part in [&*addr.to_string(), "not all that was written"] {
        assert!(reports[0].contains(part), "{part} is not in {reports:?}");
    }
    Ok(())
}

#[test]
fn a_call_that_a_handler_awaits_ends_before_the_loop_has_ended() -> Result<()> {
    let _alone = alone();
    let has_run = Arc::new(AtomicBool::new(false));
    let running = Arc::clone(&has_run);
    leaves_nothing(async move {
        let (started, start) = mpsc::channel();
        let handler = async move |_reader: StreamReader, _writer: StreamWriter| {
            let (running, started) = (Arc::clone(&running), started.clone());
            to_thread(move || {
                started.send(()).ok();
                thread::sleep(30 * MS);
                running.store(true, Ordering::Relaxed);
            })
            .await;
        };
        let server = start_server(handler, ANY_PORT).await?;
        let _client = connect(&server)?;
        until(|| start.try_recv().is_ok()).await;
        Ok(())
    })?;
    assert!(has_run.load(Ordering::Relaxed), "the thread is gone, and so its call is over");
    Ok(())
}

#[test]
fn calls_that_wait_for_their_own_loop_learn_that_it_ends() -> Result<()> {
    let _alone = alone();
    let (told, tell) = mpsc::channel();
    let begin = now();
    leaves_nothing(async move {
        let (started, start) = mpsc::channel();
        let handler = async move |_reader: StreamReader, _writer: StreamWriter| {
            let (sender, mut receiver) = channel(1);
            let (started, told, handle) = (started.clone(), told.clone(), Handle::current());
            let other = (started.clone(), told.clone());
            let waiting = to_thread(move || {
                let task = handle.create_task_threadsafe(async || pending::<()>().await);
                started.send(()).ok();
                told.send(task.wait().is_err()).ok();
            });
            let feeding = to_thread(move || {
                let (started, told) = other;
                started.send(()).ok();
                while sender.send(0).is_ok() {}
                told.send(true).ok();
            });
            let reading = async {
                receiver.recv().await;
                pending::<()>().await;
            };
            gather!(waiting, feeding, reading).await;
        };
        let server = start_server(handler, ANY_PORT).await?;
        let _client = connect(&server)?;
        for _ in 0..2 {
            until(|| start.try_recv().is_ok()).await;
        }
        Ok(())
    })?;
    assert_eq!(tell.iter().collect::<Vec<_>>(), [true, true]);
    assert!(begin.elapsed() < Duration::from_secs(4), "the end has not waited in vain");
    Ok(())
}

#[test]
fn a_temporary_directory_of_a_handler_goes_with_the_loop() -> Result<()> {
    let _alone = alone();
    let path = leaves_nothing(async {
        let handler = async |_reader: StreamReader, mut writer: StreamWriter| -> Result<()> {
            let dir = fs::temp_dir().await?;
            fs::write(dir.path().join("file"), "x").await?;
            writer.write(format!("{}\n", dir.path().display()));
            pending().await
        };
        let server = start_server(handler, ANY_PORT).await?;
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
        let path = String::from_utf8_lossy(reader.readline().await?).trim().to_owned();
        assert!(fs::try_exists(&path).await?);
        Ok(path)
    })?;
    assert!(!Path::new(&path).exists());
    Ok(())
}

#[test]
fn what_a_writer_kept_in_the_loop_could_not_send_is_no_secret() -> Result<()> {
    let _alone = alone();
    let (reading, reports) = leaves_nothing_with(Builder::new(), async {
        let listener = net::TcpListener::bind(ANY_PORT)?;
        let (_reader, mut writer) = open_connection(listener.local_addr()?).await?;
        let (mut peer, _) = listener.accept()?;
        writer.write(vec![b'x'; MUCH]);
        // If no task holds it, it is dropped when it is too late for cleanups.
        let _key = LoopBound::new(writer);
        Ok(thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        }))
    })?;
    let received = reading.join().expect("no panic");
    assert!(received.is_err(), "the peer would take {received:?} bytes for all");
    assert_eq!(reports.len(), 1, "{reports:?}");
    Ok(())
}

#[test]
fn a_program_gets_all_that_was_written_before_its_writer_was_dropped() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let mut sort = Command::new("cksum");
        let mut sort = sort.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut writer = StreamWriter::new(sort.stdin.take().expect("it is piped"));
        let reader = StreamReader::new(sort.stdout.take().expect("it is piped"));
        writer.write(vec![b'x'; 1 << 20]);
        drop(writer);
        let mut lines = reader.lines();
        let sum = lines.next().await.expect("one line")?;
        assert_eq!(sum.split(' ').nth(1), Some(&*(1 << 20).to_string()), "{sum}");
        assert!(lines.next().await.is_none());
        assert!(sort.wait().await?.success());
        Ok(())
    })
}

#[test]
fn a_panic_on_a_thread_is_the_handlers_and_names_the_peer() -> Result<()> {
    let _alone = alone();
    let (addr, reports) = leaves_nothing_with(Builder::new(), async {
        let handler = async |_reader: StreamReader, _writer: StreamWriter| {
            to_thread(|| panic!("the thread fails")).await;
        };
        let server = start_server(handler, ANY_PORT).await?;
        let mut client = connect(&server)?;
        until(|| server.connections() == 1).await;
        until(|| server.connections() == 0).await;
        assert_eq!(client.read(&mut [0; 1])?, 0);
        client.local_addr()
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    for part in [&*addr.to_string(), "the thread fails"] {
        assert!(reports[0].contains(part), "{part} is not in {reports:?}");
    }
    Ok(())
}

#[test]
fn an_error_in_a_file_names_the_file_and_the_peer() -> Result<()> {
    let _alone = alone();
    let (addr, reports) = leaves_nothing_with(Builder::new(), async {
        let handler = async |_reader: StreamReader, _writer: StreamWriter| {
            fs::read("/nowhere/at/all").await.map(drop)
        };
        let server = start_server(handler, ANY_PORT).await?;
        let client = connect(&server)?;
        until(|| server.connections() == 1).await;
        until(|| server.connections() == 0).await;
        client.local_addr()
    })?;
    assert_eq!(reports.len(), 1, "{reports:?}");
    for part in [&*addr.to_string(), "/nowhere/at/all"] {
        assert!(reports[0].contains(part), "{part} is not in {reports:?}");
    }
    Ok(())
}

#[test]
fn a_shutdown_that_is_given_up_leaves_the_calls_of_handlers_to_the_end() -> Result<()> {
    let _alone = alone();
    let (release, hang) = mpsc::channel::<()>();
    let hang = Arc::new(Mutex::new(hang));
    leaves_nothing(async move {
        let running = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&running);
        let handler = async move |_reader: StreamReader, _writer: StreamWriter| {
            let (hang, count) = (Arc::clone(&hang), Arc::clone(&count));
            to_thread(move || {
                count.fetch_add(1, Ordering::Relaxed);
                hang.lock().map(|hang| hang.recv().ok()).ok();
            })
            .await;
        };
        let server = start_server(handler, ANY_PORT).await?;
        let _clients = (connect(&server)?, connect(&server)?);
        until(|| running.load(Ordering::Relaxed) == 2).await;
        // The calls hang.
        assert!(timeout(MS, server.shutdown(LIMIT)).await.is_err());
        assert!(!server.is_serving());
        // The end of the loop waits for the calls, which end now.
        drop(release);
        Ok(())
    })
}

/// The work of a web server with a program: input from the client, output to the client.
async fn run_program(reader: StreamReader, mut writer: StreamWriter) -> Result<()> {
    let mut child = Command::shell("read line; echo $line $line; exec cat");
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let there = io::copy(reader, stdin.expect("it is piped"));
    let back = io::copy(stdout.expect("it is piped"), &mut writer);
    let (there, back) = gather!(there, back).await;
    there.and(back)?;
    child.wait().await.map(drop)
}

#[test]
fn a_child_of_a_handler_ends_with_its_connection() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let server = start_server(run_program, ANY_PORT).await?;
        let mut clients = Vec::new();
        for n in 0..3 {
            let mut client = connect(&server)?;
            client.write_all(format!("{n}\n").as_bytes())?;
            clients.push(client);
        }
        let mut clients = to_thread(move || {
            for (n, client) in clients.iter_mut().enumerate() {
                let mut answer = [0; 4];
                client.read_exact(&mut answer)?;
                assert_eq!(answer[..], *format!("{n} {n}\n").as_bytes());
            }
            Result::Ok(clients)
        })
        .await?;
        assert_eq!(server.connections(), 3);
        let begin = now();
        assert!(!server.shutdown(Duration::ZERO).await, "the programs wait for their input");
        assert!(begin.elapsed() < BOUND);
        assert_eq!(server.connections(), 0);
        for client in &mut clients {
            let end = client.read(&mut [0; 8]);
            assert!(matches!(end, Ok(0)) || end.is_err(), "{end:?}");
        }
        Ok(())
    })
}

#[test]
fn children_of_handlers_end_with_the_loop() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let server = start_server(run_program, ANY_PORT).await?;
        let mut client = connect(&server)?;
        client.write_all(b"x\n")?;
        let answer = to_thread(move || client.read_exact(&mut [0; 4]).map(|()| client));
        drop(answer.await?);
        let _idle = connect(&server)?;
        until(|| server.connections() == 2).await;
        Ok(())
    })
}

#[test]
fn a_child_reads_what_a_client_sends_without_us_between() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let client = thread::spawn(move || {
            let mut client = net::TcpStream::connect(addr)?;
            client.set_read_timeout(Some(LIMIT))?;
            client.write_all(b"b\na\n")?;
            client.shutdown(Shutdown::Write)?;
            let mut sorted = String::new();
            client.read_to_string(&mut sorted)?;
            Result::Ok(sorted)
        });
        let (stream, _) = listener.accept().await?;
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        let output = stream.try_clone()?;
        let mut sort = Command::new("sort");
        let (stdin, stdout) = (OwnedFd::from(stream), OwnedFd::from(output));
        let status = sort.stdin(stdin).stdout(stdout).status().await?;
        drop(sort);
        assert!(status.success());
        let sorted = to_thread(move || client.join().expect("no panic")).await?;
        assert_eq!(sorted, "a\nb\n");
        Ok(())
    })
}

#[test]
fn a_file_is_sent_whole_or_its_connection_is_seen_to_end() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let dir = fs::temp_dir().await?;
        let path = dir.path().join("much");
        fs::write(&path, vec![b'x'; MUCH]).await?;
        let listener = TcpListener::bind(ANY_PORT).await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let file = File::open(&path).await?;
        // The readers share the position of the file, and sending does not move it.
        let mut start = [0; 3];
        file.read_exact(&mut start).await?;
        let sending = async {
            let sent = server.send_file(&file, ..).await;
            drop(server);
            sent
        };
        let (mut reader, _writer) = client.into_streams();
        let (sent, received) = gather!(sending, reader.read_to_end()).await;
        assert_eq!((sent?, received?.len()), (MUCH as u64, MUCH));
        assert_eq!(file.stream_position().await?, 3);

        // The loop ends in the middle of another one.
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        let task = create_task(async move { server.send_file(&file, ..).await });
        client.read_exact(&mut [0; 1000]).await?;
        assert!(!task.is_finished());
        dir.close().await
    })
}

#[test]
fn handlers_that_wait_for_a_name_do_not_hold_up_the_end() -> Result<()> {
    let _alone = alone();
    let asked = Rc::new(Event::new());
    let was_asked = Rc::clone(&asked);
    let hangs = move |_host: String, _port: u16| {
        was_asked.set();
        pending::<Result<Vec<SocketAddr>>>()
    };
    // The server waits a second before it cancels its handlers.
    let builder = Builder::new().virtual_time(true).resolver(hangs);
    let ((), reports) = leaves_nothing_with(builder, async move {
        let handler = async |_reader: StreamReader, _writer: StreamWriter| {
            open_connection("hangs.test:80").await.map(drop)
        };
        let server = start_server(handler, ANY_PORT).await?;
        let _client = connect(&server)?;
        asked.wait().await;
        let in_time = timeout(MS, lookup_host("hangs.test:80")).await;
        assert!(in_time.is_err());
        assert!(!server.shutdown(MS).await);
        assert_eq!((server.connections(), tasks_named("connection from")), (0, 0));
        let _client = create_task(async { lookup_host("hangs.test:80").await });
        yield_now().await;
        Ok(())
    })?;
    assert!(reports.is_empty(), "{reports:?}");
    Ok(())
}

#[test]
fn descriptors_that_handlers_watch_are_given_back_at_the_end() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let dropped = Rc::new(Cell::new(0));
        let handler = async move |mut reader: StreamReader, mut writer: StreamWriter| {
            let (ours, theirs) = StdUnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let watched = AsyncFd::new(ours)?;
            let count = Rc::clone(&dropped);
            let callback = io::add_reader(theirs.try_clone()?, move || count.set(count.get() + 1));
            let _callback = callback?;
            reader.readline().await?;
            writer.write("watching\n");
            watched.readable().await?;
            drop(theirs);
            Result::<()>::Err(Error::other("nothing was ever there to read"))
        };
        let server = start_server(handler, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
        writer.write("go\n");
        assert_eq!(reader.readline().await?, b"watching\n");
        Ok(())
    })
}

#[test]
fn all_at_once_leaves_nothing() -> Result<()> {
    let _alone = alone();
    leaves_nothing(async {
        let dir = fs::temp_dir().await?;
        let path = Rc::new(dir.path().join("log"));
        let handler = async move |mut reader: StreamReader, mut writer: StreamWriter| {
            while let Ok(line) = reader.readline().await {
                if line.is_empty() {
                    break;
                }
                let word = String::from_utf8_lossy(line).trim().to_owned();
                let upper = to_thread(move || word.to_uppercase()).await;
                fs::append(&*path, format!("{upper}\n")).await?;
                let mut count = Command::new("wc");
                count.arg("-l").stdin(Stdio::piped()).stdout(Stdio::piped());
                let output = count.spawn()?.communicate(fs::read(&*path).await?).await?;
                writer.write(&output.stdout);
                writer.drain().await?;
            }
            Result::Ok(())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let client = async || -> Result<u32> {
            let (mut reader, mut writer) = open_connection(server.local_addrs()[0]).await?;
            let mut last = 0;
            for _ in 0..3 {
                writer.write("word\n");
                let line = String::from_utf8_lossy(reader.readline().await?).trim().to_owned();
                let count: u32 = line.parse().map_err(Error::other)?;
                assert!(count > last, "{count} after {last}");
                last = count;
            }
            Ok(last)
        };
        let (a, b, c) = gather!(client(), client(), client()).await;
        assert_eq!([a?, b?, c?].into_iter().max(), Some(9));
        assert!(server.shutdown(LIMIT).await);
        dir.close().await
    })
}
