//! Clients that have connected and were not accepted yet when their server closes.

use std::cell::Cell;
use std::env;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net;
use std::process;
use std::rc::Rc;

use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::TcpStream;
use oneloop::{
    Server, all_tasks, gather, open_unix_connection, start_server, start_unix_server, time,
    timeout, yield_now,
};

use super::{
    ANY_PORT, LIMIT, SECOND, addr_of, connect, connections, echo, listen, run, run_in_virtual_time,
};

/// Ends a server in the turn in which clients have connected. Checks that no more can, and that all
/// are served.
async fn serves_who_is_connected_at(end: impl AsyncFn(Server)) -> Result<()> {
    let server = start_server(echo, ANY_PORT).await?;
    let addr = addr_of(&server);
    let mut clients = (0..5).map(|_| connect(&server)).collect::<Result<Vec<_>>>()?;
    for client in &mut clients {
        client.write_all(b"question")?;
    }
    assert_eq!(server.connections(), 0, "no turn has passed");
    let ended = async {
        end(server).await;
        let late = net::TcpStream::connect(addr).map_err(|error| error.kind());
        assert_eq!(late.err(), Some(ErrorKind::ConnectionRefused));
    };
    let served = async {
        for client in clients {
            client.set_nonblocking(true)?;
            let client = TcpStream::from_std(client)?;
            let mut answer = [0; 8];
            client.read_exact(&mut answer).await?;
            assert_eq!(&answer, b"question");
        }
        Result::Ok(())
    };
    gather!(ended, served).await.1
}

#[test]
fn who_has_connected_before_the_close_is_served() -> Result<()> {
    run(async {
        serves_who_is_connected_at(async |server| {
            server.close();
            assert_eq!(server.connections(), 5);
            server.wait_closed().await;
            assert_eq!(server.connections(), 0);
        })
        .await?;
        serves_who_is_connected_at(async |server| drop(server)).await?;
        serves_who_is_connected_at(async |server| assert!(server.shutdown(LIMIT).await)).await
    })
}

#[test]
fn who_has_connected_at_a_path_before_the_close_is_served() -> Result<()> {
    run(async {
        let path = env::temp_dir().join(format!("oneloop-closing-{}", process::id()));
        let server = start_unix_server(echo, &path)?;
        let (mut reader, mut writer) = open_unix_connection(&path).await?;
        writer.write("hello\n");
        server.close();
        assert!(!path.exists());
        assert_eq!(reader.readline().await?, b"hello\n");
        drop((reader, writer));
        server.wait_closed().await;
        Ok(())
    })
}

#[test]
fn no_more_than_allowed_are_served_at_once_after_the_close_either() -> Result<()> {
    run(async {
        let most = Rc::new(Cell::new(0));
        let (running, highest) = (Rc::new(Cell::new(0)), Rc::clone(&most));
        let handler = async move |mut reader: StreamReader, mut writer: StreamWriter| {
            running.set(running.get() + 1);
            highest.set(highest.get().max(running.get()));
            let name = reader.readline().await.map(<[u8]>::to_vec);
            yield_now().await;
            running.set(running.get() - 1);
            name.map(|name| writer.write(name))
        };
        let server = Server::builder().max_connections(2).start(handler, ANY_PORT).await?;
        let mut clients = (0..7).map(|_| connect(&server)).collect::<Result<Vec<_>>>()?;
        for client in &mut clients {
            client.write_all(b"me\n")?;
        }
        server.close();
        assert_eq!(server.connections(), 7);
        server.wait_closed().await;
        for mut client in clients {
            let mut answer = String::new();
            client.read_to_string(&mut answer)?;
            assert_eq!(answer, "me\n");
        }
        assert_eq!(most.get(), 2);
        Ok(())
    })
}

#[test]
fn who_has_no_handler_when_connections_are_closed_is_closed_too() -> Result<()> {
    run_in_virtual_time(async {
        let start = async || {
            let server = Server::builder().max_connections(1).start(listen, ANY_PORT).await?;
            let served = connect(&server)?;
            connections(&server, 1).await;
            Result::Ok((connect(&server)?, served, server))
        };
        let sees_the_end =
            |mut client: net::TcpStream| matches!(client.read(&mut [0; 1]), Ok(0) | Err(_));
        let (client, _served, server) = start().await?;
        let before = time::now();
        assert!(!server.shutdown(SECOND).await);
        assert_eq!(time::now() - before, SECOND, "the one that is served ends when it is closed");
        assert!(sees_the_end(client));

        for abort in [false, true] {
            let (client, _served, server) = start().await?;
            server.close();
            assert_eq!(server.connections(), 2);
            if abort {
                server.abort_clients();
            } else {
                server.close_clients();
            }
            server.wait_closed().await;
            assert!(sees_the_end(client));
        }

        let (client, _served, server) = start().await?;
        assert!(timeout(SECOND, server.serve_forever()).await.is_err());
        assert_eq!(server.connections(), 0);
        assert!(sees_the_end(client));
        Ok(())
    })
}

#[test]
fn who_waits_for_a_handler_when_the_loop_ends_is_closed() -> Result<()> {
    let mut client = run(async {
        let server = start_server(echo, ANY_PORT).await?;
        let client = connect(&server)?;
        server.close();
        Ok(client)
    })?;
    assert!(matches!(client.read(&mut [0; 1]), Ok(0) | Err(_)));
    Ok(())
}

#[test]
fn who_waits_for_a_handler_when_the_servers_own_task_ends_is_closed() -> Result<()> {
    run(async {
        let server = Server::builder().max_connections(1).start(listen, ANY_PORT).await?;
        let _served = connect(&server)?;
        connections(&server, 1).await;
        let mut client = connect(&server)?;
        server.close();
        assert_eq!(server.connections(), 2);
        let task = all_tasks().into_iter().find(|task| task.name().starts_with("server at"));
        task.expect("it is in the list").cancel();
        server.wait_closed().await;
        client.set_read_timeout(Some(LIMIT))?;
        let end = client.read(&mut [0; 1]).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)), "{end:?}");
        Ok(())
    })
}

#[test]
fn more_clients_than_one_turn_takes_are_served_at_once_after_the_close() -> Result<()> {
    run(async {
        let started = Rc::new(Cell::new(0));
        let count = Rc::clone(&started);
        let handler = async move |mut reader: StreamReader, _writer| {
            count.set(count.get() + 1);
            reader.readline().await.map(|_| ())
        };
        let server = start_server(handler, ANY_PORT).await?;
        let clients = (0..70).map(|_| connect(&server)).collect::<Result<Vec<_>>>()?;
        server.close();
        assert_eq!(server.connections(), 70);
        // No connection ends meanwhile, so nothing else wakes the server's task.
        let all = async {
            while started.get() < 70 {
                yield_now().await;
            }
        };
        assert!(timeout(LIMIT, all).await.is_ok(), "{} of 70 were served", started.get());
        drop(clients);
        server.wait_closed().await;
        Ok(())
    })
}
