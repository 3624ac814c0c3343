//! A server at work.

use std::cell::{Cell, RefCell};
use std::env;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net;
use std::os::fd::AsFd as _;
use std::process;
use std::rc::Rc;

use oneloop::io::{LimitOverrun, StreamReader, StreamWriter};
use oneloop::net::{TcpListener, UnixListener, start_unix_server};
use oneloop::task::ContextVar;
use oneloop::thread::to_thread;
use oneloop::{
    Server, TaskRef, all_tasks, create_task, open_connection, open_unix_connection, start_server,
    yield_now,
};
use socket2::SockRef;

use super::{ANY_PORT, SECOND, addr_of, connect, connections, echo, run};

#[test]
fn each_connection_has_a_task_and_they_do_not_wait_for_each_other() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(open_connection(addr_of(&server)).await?);
        }
        // In reverse order.
        for (reader, writer) in clients.iter_mut().rev() {
            writer.write("hello\n");
            assert_eq!(reader.readline().await?, b"hello\n");
        }
        assert_eq!(server.connections(), 10);
        drop(clients);
        connections(&server, 0).await;
        Ok(())
    })
}

#[test]
fn a_peer_that_closes_its_side_still_gets_the_answer() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        let data = vec![7; 1 << 20];
        let send = create_task({
            let data = data.clone();
            async move {
                writer.write_all(data).await?;
                writer.write_eof();
                Result::Ok(writer)
            }
        });
        assert!(reader.read_to_end().await? == data);
        send.await??;
        Ok(())
    })
}

#[test]
fn what_a_handler_has_written_last_is_sent_after_its_end() -> Result<()> {
    run(async {
        let len = 8 << 20;
        let handler = async move |_reader, mut writer: StreamWriter| writer.write(vec![7; len]);
        let server = start_server(handler, ANY_PORT).await?;
        let (mut reader, _writer) = open_connection(addr_of(&server)).await?;
        connections(&server, 1).await;
        yield_now().await;
        assert_eq!(server.connections(), 1, "it counts until all is sent");
        assert_eq!(reader.read_to_end().await?.len(), len);
        connections(&server, 0).await;
        Ok(())
    })
}

#[test]
fn handlers_may_share_what_the_closure_has() -> Result<()> {
    run(async {
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let handler = async move |_reader, mut writer: StreamWriter| {
            counted.set(counted.get() + 1);
            yield_now().await;
            writer.write(counted.get().to_string());
        };
        let server = start_server(handler, ANY_PORT).await?;
        let (mut first, _) = open_connection(addr_of(&server)).await?;
        let (mut second, _) = open_connection(addr_of(&server)).await?;
        let mut all = [first.read_to_string().await?, second.read_to_string().await?];
        all.sort();
        assert_eq!(all[1], "2");
        assert_eq!(count.get(), 2);
        Ok(())
    })
}

static REQUEST: ContextVar<u32> = ContextVar::new("request");

#[test]
fn each_handler_has_a_copy_of_the_context_in_which_the_server_was_made() -> Result<()> {
    run(async {
        REQUEST.set(7);
        let handler = async |_reader, mut writer: StreamWriter| {
            let before = REQUEST.get();
            REQUEST.set(99);
            writer.write(format!("{before:?}"));
        };
        let server = start_server(handler, ANY_PORT).await?;
        REQUEST.set(8);
        for _ in 0..2 {
            let (mut reader, _writer) = open_connection(addr_of(&server)).await?;
            assert_eq!(reader.read_to_string().await?, "Some(7)");
        }
        assert_eq!(REQUEST.get(), Some(8));
        Ok(())
    })
}

#[test]
fn tasks_are_named_after_what_they_serve() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let client = connect(&server)?;
        connections(&server, 1).await;
        let names: Vec<_> = all_tasks().iter().map(TaskRef::name).collect();
        assert!(names.contains(&format!("server at {}", addr_of(&server))), "{names:?}");
        assert!(names.contains(&format!("connection from {}", client.local_addr()?)), "{names:?}");
        Ok(())
    })
}

#[test]
fn a_server_serves_at_several_listeners_of_both_kinds() -> Result<()> {
    run(async {
        let path = env::temp_dir().join(format!("oneloop-both-{}", process::id()));
        let first = TcpListener::bind(ANY_PORT).await?;
        let unix = UnixListener::bind(&path)?;
        let server =
            Server::builder().listener(first).unix_listener(unix).start(echo, ANY_PORT).await?;
        assert_eq!(server.local_addrs().len(), 2);
        for addr in server.local_addrs() {
            let (mut reader, mut writer) = open_connection(addr).await?;
            writer.write("by TCP\n");
            assert_eq!(reader.readline().await?, b"by TCP\n");
        }
        let (mut reader, mut writer) = open_unix_connection(&path).await?;
        writer.write("by path\n");
        assert_eq!(reader.readline().await?, b"by path\n");
        drop(server);
        assert!(!path.exists());
        Ok(())
    })
}

#[test]
fn a_unix_server_has_no_address_and_its_file_goes_with_it() -> Result<()> {
    run(async {
        let path = env::temp_dir().join(format!("oneloop-server-{}", process::id()));
        let server = start_unix_server(echo, &path)?;
        assert!(server.is_serving());
        assert_eq!(server.local_addrs(), []);
        let (mut reader, mut writer) = open_unix_connection(&path).await?;
        assert_eq!(writer.peer_addr().map_err(|error| error.kind()), Err(ErrorKind::Unsupported));
        writer.write("hello\n");
        assert_eq!(reader.readline().await?, b"hello\n");
        let names: Vec<_> = all_tasks().iter().map(TaskRef::name).collect();
        assert!(names.contains(&format!("connection at {}", path.display())), "{names:?}");
        server.close();
        assert!(!path.exists());
        writer.write("still there\n");
        assert_eq!(reader.readline().await?, b"still there\n");
        Ok(())
    })
}

#[test]
fn options_hold_for_each_connection() -> Result<()> {
    let flags = async |reader, writer: StreamWriter| drop((reader, writer));
    run(async {
        let builder = Server::builder().nodelay(false).keepalive(true).read_limit(10).backlog(5);
        let server = builder.start(flags, ANY_PORT).await?;
        assert!(server.is_serving());

        // The kernel's view of an accepted socket, from a listener with the same options.
        for (nodelay, keepalive) in [(false, true), (true, false)] {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let accepting = net::TcpListener::from(listener.as_fd().try_clone_to_owned()?);
            accepting.set_nonblocking(false)?;
            let _server = Server::builder()
                .nodelay(nodelay)
                .keepalive(keepalive)
                .listener(listener)
                .serve(flags)?;
            let _client = net::TcpStream::connect(accepting.local_addr()?)?;
            let (accepted, _) = accepting.accept()?;
            assert_eq!(accepted.nodelay()?, nodelay);
            assert_eq!(SockRef::from(&accepted).keepalive()?, keepalive);
        }
        Ok(())
    })
}

#[test]
fn the_limit_is_that_of_the_readers() -> Result<()> {
    run(async {
        let over = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&over);
        let handler = async move |mut reader: StreamReader, mut writer: StreamWriter| {
            let error = reader.readline().await.map(<[u8]>::to_vec);
            *seen.borrow_mut() = error.err().and_then(|e| LimitOverrun::of(&e).cloned());
            writer.write("too long");
        };
        let server = Server::builder().read_limit(10).start(handler, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        writer.write("0123456789ABCDEF\n");
        assert_eq!(reader.read_to_string().await?, "too long");
        assert!(over.borrow().is_some());
        Ok(())
    })
}

#[test]
fn as_many_as_allowed_are_served_and_the_others_wait_for_their_turn() -> Result<()> {
    run(async {
        let most = Rc::new(Cell::new(0));
        let (running, highest) = (Rc::new(Cell::new(0)), Rc::clone(&most));
        let handler = async move |mut reader: StreamReader, mut writer: StreamWriter| {
            running.set(running.get() + 1);
            highest.set(highest.get().max(running.get()));
            let name = reader.readline().await.map(<[u8]>::to_vec);
            running.set(running.get() - 1);
            name.map(|name| writer.write(name))
        };
        let server = Server::builder().max_connections(3).start(handler, ANY_PORT).await?;
        let mut clients = Vec::new();
        for _ in 0..10 {
            clients.push(connect(&server)?);
        }
        connections(&server, 3).await;
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(server.connections(), 3);
        // In the order of their arrival.
        for (number, mut client) in clients.into_iter().enumerate() {
            client.write_all(format!("{number}\n").as_bytes())?;
            let answer = to_thread(move || {
                let mut answer = String::new();
                client.read_to_string(&mut answer).map(|_| answer)
            });
            assert_eq!(answer.await?, format!("{number}\n"));
        }
        assert_eq!(most.get(), 3);
        Ok(())
    })
}

#[test]
fn a_flood_of_connections_does_not_hold_up_those_that_are_served() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        writer.write("first\n");
        assert_eq!(reader.readline().await?, b"first\n");
        // All of them are in the backlog by now.
        let flood: Vec<_> = (0..500).map(|_| connect(&server)).collect::<Result<_>>()?;
        writer.write("second\n");
        assert_eq!(reader.readline().await?, b"second\n");
        assert!(server.connections() < 400, "others have their turn in between");
        connections(&server, 501).await;
        drop(flood);
        connections(&server, 1).await;
        Ok(())
    })
}

#[test]
fn a_handler_may_start_and_end_servers() -> Result<()> {
    run(async {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| -> Result<()> {
            let inner = start_server(echo, ANY_PORT).await?;
            writer.write(format!("{}\n", addr_of(&inner)));
            reader.readline().await?;
            inner.close_clients();
            inner.shutdown(SECOND).await;
            Ok(())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        let addr = String::from_utf8_lossy(reader.readline().await?).trim().to_owned();
        let (mut inner_reader, mut inner_writer) = open_connection(&addr).await?;
        inner_writer.write("nested\n");
        assert_eq!(inner_reader.readline().await?, b"nested\n");
        writer.write("done\n");
        assert_eq!(inner_reader.readline().await?, b"");
        assert_eq!(reader.readline().await?, b"");
        Ok(())
    })
}
