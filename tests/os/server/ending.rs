//! The end of a server, and of its connections.

use std::cell::{Cell, OnceCell};
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt as _;
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::{TcpStream, server_closing};
use oneloop::{
    Builder, Server, all_tasks, create_task, gather, open_connection, sleep, start_server, time,
    timeout, with_cleanup, yield_now,
};

use super::{
    ANY_PORT, LIMIT, SECOND, addr_of, connect, connections, echo, failure, listen, run,
    run_in_virtual_time, waits,
};

#[test]
fn close_ends_listening_at_once_and_leaves_clients_alone() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let addr = addr_of(&server);
        let (mut reader, mut writer) = open_connection(addr).await?;
        connections(&server, 1).await;
        server.close();
        assert!(!server.is_serving());
        assert_eq!(server.local_addrs(), []);
        // This does not even need the next turn.
        let refused = net::TcpStream::connect(addr).map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused));
        writer.write("still there\n");
        assert_eq!(reader.readline().await?, b"still there\n");
        server.close();
        drop((reader, writer));
        server.wait_closed().await;
        assert_eq!(server.connections(), 0);
        Ok(())
    })
}

#[test]
fn dropping_the_server_ends_listening_and_leaves_clients_alone() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let addr = addr_of(&server);
        let (mut reader, mut writer) = open_connection(addr).await?;
        connections(&server, 1).await;
        drop(server);
        assert_eq!(failure(TcpStream::connect(addr).await).kind(), ErrorKind::ConnectionRefused);
        writer.write("still there\n");
        assert_eq!(reader.readline().await?, b"still there\n");
        drop((reader, writer));
        // The server's own task ends with the last connection.
        while all_tasks().len() > 1 {
            yield_now().await;
        }
        Ok(())
    })
}

#[test]
fn wait_closed_waits_for_both_the_close_and_the_last_connection() -> Result<()> {
    run(async {
        let server = start_server(listen, ANY_PORT).await?;
        let mut closed = pin!(server.wait_closed());
        assert!(waits(&mut closed).await, "it is not closed, although it has no connection");
        let client = connect(&server)?;
        connections(&server, 1).await;
        server.close();
        assert!(waits(&mut closed).await, "it has one");
        drop(client);
        closed.await;
        // The same again.
        server.wait_closed().await;
        Ok(())
    })
}

#[test]
fn a_disconnect_in_the_turn_of_the_close_is_not_missed() -> Result<()> {
    run(async {
        for close_first in [true, false] {
            let server = Rc::new(start_server(listen, ANY_PORT).await?);
            let client = connect(&server)?;
            connections(&server, 1).await;
            let waiting = Rc::clone(&server);
            let waiter = create_task(async move { waiting.wait_closed().await });
            yield_now().await;
            if close_first {
                server.close();
                drop(client);
            } else {
                drop(client);
                server.close();
            }
            waiter.await?;
        }
        Ok(())
    })
}

#[test]
fn start_and_close_may_follow_each_other_in_any_way() -> Result<()> {
    run(async {
        for turns in 0..6 {
            let server = start_server(echo, ANY_PORT).await?;
            let client = TcpStream::connect(addr_of(&server)).await?;
            for _ in 0..turns {
                yield_now().await;
            }
            server.close();
            // It was connected, so it is served.
            client.write_all(b"x").await?;
            assert_eq!(client.read(&mut [0; 1]).await?, 1);
            assert_eq!(server.connections(), 1);
            drop(client);
            server.wait_closed().await;
        }
        Ok(())
    })
}

#[test]
fn serve_forever_returns_when_the_server_is_closed_and_its_clients_are_gone() -> Result<()> {
    run(async {
        let server = Rc::new(start_server(echo, ANY_PORT).await?);
        let serving = Rc::clone(&server);
        let serving = create_task(async move { serving.serve_forever().await });
        let client = connect(&server)?;
        connections(&server, 1).await;
        server.close();
        yield_now().await;
        assert!(!serving.is_finished());
        drop(client);
        serving.await??;
        let error = failure(server.serve_forever().await);
        assert!(error.to_string().contains("closed"), "{error}");
        Ok(())
    })
}

#[test]
fn only_one_awaits_serve_forever_at_a_time() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let mut first = pin!(server.serve_forever());
        assert!(waits(&mut first).await);
        let error = failure(server.serve_forever().await);
        assert!(error.to_string().contains("already"), "{error}");
        server.close();
        first.await
    })
}

#[test]
fn dropping_serve_forever_ends_the_clients_with_what_was_written_to_them() -> Result<()> {
    run(async {
        let handler = async |mut reader: StreamReader, mut writer: StreamWriter| {
            writer.write(vec![7; 4 << 20]);
            reader.read_to_end().await.map(drop)
        };
        let server = start_server(handler, ANY_PORT).await?;
        let addr = addr_of(&server);
        let (mut reader, writer) = open_connection(addr).await?;
        connections(&server, 1).await;
        let reader = create_task(async move { reader.read_to_end().await.map(|all| all.len()) });
        assert!(timeout(Duration::from_millis(10), server.serve_forever()).await.is_err());
        // Timeouts return after the cleanups of the dropped futures.
        assert_eq!(server.connections(), 0);
        assert!(server.closing().is_cancelled());
        assert_eq!(reader.await??, 4 << 20);
        assert!(TcpStream::connect(addr).await.is_err());
        drop(writer);
        Ok(())
    })
}

#[test]
fn dropping_serve_forever_waits_in_vain_for_nobody() -> Result<()> {
    run_in_virtual_time(async {
        let server = start_server(async |_, _| sleep(100 * LIMIT).await, ANY_PORT).await?;
        let _client = connect(&server)?;
        connections(&server, 1).await;
        let start = time::now();
        assert!(timeout(SECOND, server.serve_forever()).await.is_err());
        assert_eq!(server.connections(), 0);
        assert!(time::now() - start < 4 * SECOND);
        Ok(())
    })
}

#[test]
fn close_clients_sends_what_was_written_and_shows_readers_the_end() -> Result<()> {
    run(async {
        let ended = Rc::new(Cell::new(0));
        let count = Rc::clone(&ended);
        let handler = async move |mut reader: StreamReader, mut writer: StreamWriter| {
            writer.write(vec![7; 1 << 20]);
            let rest = reader.read_to_end().await?;
            assert_eq!(rest, b"");
            count.set(count.get() + 1);
            Result::Ok(())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let (mut first, _first) = open_connection(addr_of(&server)).await?;
        let (mut second, _second) = open_connection(addr_of(&server)).await?;
        connections(&server, 2).await;
        yield_now().await;
        server.close_clients();
        assert_eq!(first.read_to_end().await?.len(), 1 << 20);
        assert_eq!(second.read_to_end().await?.len(), 1 << 20);
        connections(&server, 0).await;
        assert_eq!(ended.get(), 2);

        // The server keeps listening.
        assert!(server.is_serving());
        open_connection(addr_of(&server)).await?;
        Ok(())
    })
}

#[test]
fn close_clients_reaches_handlers_that_have_dropped_their_writer() -> Result<()> {
    run(async {
        let handler = async |mut reader: StreamReader, writer: StreamWriter| {
            drop(writer);
            reader.read_to_end().await.map(drop)
        };
        let server = start_server(handler, ANY_PORT).await?;
        let client = TcpStream::connect(addr_of(&server)).await?;
        assert_eq!(client.read(&mut [0; 1]).await?, 0);
        assert_eq!(server.connections(), 1);
        // Later data is not read.
        client.write_all(&[7; 1000]).await?;
        server.close_clients();
        connections(&server, 0).await;
        Ok(())
    })
}

#[test]
fn abort_clients_works_with_full_buffers() -> Result<()> {
    run(async {
        let handler =
            async |_reader, mut writer: StreamWriter| writer.write_all(vec![7; 64 << 20]).await;
        let server = start_server(handler, ANY_PORT).await?;
        let mut client = connect(&server)?;
        connections(&server, 1).await;
        sleep(Duration::from_millis(5)).await;
        server.close_clients();
        yield_now().await;
        assert_eq!(server.connections(), 1, "it has much to send");
        server.abort_clients();
        connections(&server, 0).await;
        let mut buf = vec![0; 1 << 20];
        let end = loop {
            match client.read(&mut buf) {
                Ok(0) => panic!("it must not look like an orderly end"),
                Ok(_) => {}
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(end, ErrorKind::ConnectionReset);
        Ok(())
    })
}

#[test]
fn abort_clients_reaches_what_a_handler_has_left_to_be_sent() -> Result<()> {
    run(async {
        let handler = async |_reader, mut writer: StreamWriter| writer.write(vec![7; 64 << 20]);
        let server = start_server(handler, ANY_PORT).await?;
        let _client = connect(&server)?;
        connections(&server, 1).await;
        sleep(Duration::from_millis(5)).await;
        assert_eq!(server.connections(), 1, "the handler has ended, but its connection has not");
        server.close_clients();
        server.abort_clients();
        connections(&server, 0).await;
        Ok(())
    })
}

#[test]
fn shutdown_asks_and_waits_for_handlers_that_end() -> Result<()> {
    run(async {
        let handler = async |_reader, mut writer: StreamWriter| {
            let in_a_task = create_task(async { server_closing().cancelled().await });
            server_closing().cancelled().await;
            in_a_task.await?;
            sleep(Duration::from_millis(5)).await;
            writer.write("good-bye\n");
            Result::Ok(())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let (mut reader, _writer) = open_connection(addr_of(&server)).await?;
        connections(&server, 1).await;
        let start = time::now();
        assert!(server.shutdown(LIMIT).await);
        assert!(time::now() - start < LIMIT / 2);
        assert_eq!(reader.read_to_string().await?, "good-bye\n");
        assert!(server.shutdown(LIMIT).await, "it may be called again");
        Ok(())
    })
}

#[test]
fn outside_of_a_handler_nobody_asks() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        server.shutdown(SECOND).await;
        assert!(!server_closing().is_cancelled());
        assert!(server_closing().cancelled().now_or_never().is_none());
        Ok(())
    })
}

#[test]
fn shutdown_closes_clients_that_are_idle_after_the_grace() -> Result<()> {
    run_in_virtual_time(async {
        let server = start_server(echo, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        writer.write("hello\n");
        assert_eq!(reader.readline().await?, b"hello\n");
        let start = time::now();
        assert!(!server.shutdown(5 * SECOND).await);
        let took = time::now() - start;
        assert!((5 * SECOND..6 * SECOND).contains(&took), "{took:?}");
        assert_eq!(server.connections(), 0);
        assert_eq!(reader.read(&mut [0; 1]).await?, 0, "an orderly end");
        Ok(())
    })
}

#[test]
fn shutdown_is_bounded_when_clients_never_read() -> Result<()> {
    run_in_virtual_time(async {
        let handler =
            async |_reader, mut writer: StreamWriter| writer.write_all(vec![7; 16 << 20]).await;
        let server = start_server(handler, ANY_PORT).await?;
        let clients: Vec<_> = (0..4).map(|_| connect(&server)).collect::<Result<_>>()?;
        connections(&server, 4).await;
        let start = time::now();
        assert!(!server.shutdown(5 * SECOND).await);
        let took = time::now() - start;
        // A reset ends them after the second in which they may take the rest.
        assert!((5 * SECOND..7 * SECOND).contains(&took), "{took:?}");
        assert_eq!(server.connections(), 0);
        for mut client in clients {
            let mut all = Vec::new();
            let end = client.read_to_end(&mut all).map_err(|error| error.kind());
            assert_eq!(end, Err(ErrorKind::ConnectionReset));
        }
        Ok(())
    })
}

#[test]
fn shutdown_is_bounded_when_handlers_never_end() -> Result<()> {
    let reports = Rc::new(Cell::new(0));
    let count = Rc::clone(&reports);
    let builder = Builder::new().on_unhandled(move |_| count.set(count.get() + 1));
    builder.virtual_time(true).run(async {
        let handler = async |_reader, _writer| {
            // The cleanup takes too long, however the handler ends.
            let _guard = with_cleanup((), async |()| sleep(1000 * LIMIT).await);
            sleep(1000 * LIMIT).await;
        };
        let server = start_server(handler, ANY_PORT).await?;
        let _client = connect(&server)?;
        connections(&server, 1).await;
        let start = time::now();
        assert!(!server.shutdown(5 * SECOND).await);
        let took = time::now() - start;
        assert!(took < 9 * SECOND, "{took:?}");
        assert_eq!(server.connections(), 0);
        Result::Ok(())
    })?;
    assert_eq!(reports.get(), 1, "a cleanup that is cut off is reported");
    Ok(())
}

#[test]
fn of_two_shutdowns_both_know_that_connections_were_ended() -> Result<()> {
    run_in_virtual_time(async {
        let server = start_server(echo, ANY_PORT).await?;
        let _client = connect(&server)?;
        connections(&server, 1).await;
        let both = gather!(server.shutdown(5 * SECOND), server.shutdown(SECOND)).await;
        assert_eq!(both, (false, false));
        Ok(())
    })
}

#[test]
fn a_shutdown_that_is_given_up_has_stopped_listening() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let (mut reader, mut writer) = open_connection(addr_of(&server)).await?;
        connections(&server, 1).await;
        assert!(timeout(Duration::from_millis(5), server.shutdown(LIMIT)).await.is_err());
        assert!(!server.is_serving() && server.closing().is_cancelled());
        writer.write("still there\n");
        assert_eq!(reader.readline().await?, b"still there\n");
        Ok(())
    })
}

#[test]
fn a_handler_may_close_its_own_server() -> Result<()> {
    run(async {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let own = Rc::clone(&server);
        let handler = async move |_reader, mut writer: StreamWriter| {
            writer.write("bye");
            if let Some(server) = own.get() {
                server.close();
                server.close_clients();
            }
        };
        let started = start_server(handler, ANY_PORT).await?;
        let addr = addr_of(&started);
        server.set(started).expect("it was empty");
        let (mut reader, _writer) = open_connection(addr).await?;
        assert_eq!(reader.read_to_string().await?, "bye");
        server.get().expect("it is there").serve_forever().await.ok();
        server.get().expect("it is there").wait_closed().await;
        Ok(())
    })
}

#[test]
fn the_end_of_the_loop_ends_the_server_and_its_connections() -> Result<()> {
    let (mut client, addr) = run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let mut client = connect(&server)?;
        connections(&server, 1).await;
        client.write_all(b"x")?;
        let addr = addr_of(&server);
        // Kept beyond the end.
        let _kept = create_task(async move { server.serve_forever().await });
        yield_now().await;
        Ok((client, addr))
    })?;
    let end = client.read_to_end(&mut Vec::new());
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(net::TcpStream::connect(addr).is_err());
    Ok(())
}

#[test]
fn cancelling_the_servers_own_task_closes_it() -> Result<()> {
    run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let name = format!("server at {}", addr_of(&server));
        let task = all_tasks().into_iter().find(|task| task.name() == name);
        task.expect("it is in the list").cancel();
        server.serve_forever().await?;
        assert!(!server.is_serving());
        Ok(())
    })
}
