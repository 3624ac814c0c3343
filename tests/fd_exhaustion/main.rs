//! Descriptors that run out, or are closed by other code. Each test works in a separate process, so
//! that no other test shares its descriptors.

#![cfg(feature = "workers")]

mod pipes;

use std::cell::RefCell;
use std::env;
use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{self, Ipv4Addr};
#[cfg(feature = "fd-passing")]
use std::os::fd::AsFd as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::path::PathBuf;
use std::process::{self, Command};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use log::{LevelFilter, Log, Metadata, Record};
use nix::libc;
use nix::sys::signal::{Signal, raise};
use nix::unistd::close;
use oneloop::io::{StreamReader, StreamWriter};
use oneloop::net::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream,
    lookup_host,
};
use oneloop::signal::{SignalKind, shutdown, signal};
use oneloop::thread::to_thread;
use oneloop::{
    Builder, Unhandled, create_task, open_connection, open_unix_connection, sleep, start_server,
    start_unix_server, time, timeout, workers, yield_now,
};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

/// Runs `test`, the body of the test called `name`, in a process that may have 64 descriptors.
fn in_child(name: &str, test: impl FnOnce() -> Result<()>) -> Result<()> {
    said_in_child(name, test).map(drop)
}

/// Like [`in_child`], but returns the process's standard error.
fn said_in_child(name: &str, test: impl FnOnce() -> Result<()>) -> Result<String> {
    if env::var_os(IN_CHILD).is_some() {
        return test().map(|()| String::new());
    }
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -n 64 && exec "$0" "$@""#])
        .arg(env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()?;
    let [said, warned] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{said}\n{warned}");
    assert!(said.contains("1 passed"), "{said}");
    Ok(warned)
}

/// Takes all remaining descriptors.
fn hoard() -> Vec<File> {
    let mut all = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => all.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                return all;
            }
        }
    }
}

/// Counts the warnings.
struct Warnings(AtomicUsize);

static WARNINGS: Warnings = Warnings(AtomicUsize::new(0));

impl Log for Warnings {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.args().to_string().contains("accepts no connections for now") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Clients that wait in the backlog, and have sent their numbers.
fn clients(listener: &TcpListener) -> Result<Vec<net::TcpStream>> {
    let addr = listener.local_addr()?;
    let connect = |number| {
        let mut client = net::TcpStream::connect(addr)?;
        client.write_all(&[number])?;
        Ok(client)
    };
    (0..5).map(connect).collect()
}

/// Accepts all of them, and sends each its number back.
async fn serve_five(listener: TcpListener) -> Result<()> {
    for number in 0..5 {
        let (stream, _addr) = listener.accept().await?;
        let mut buf = [0; 1];
        stream.read_exact(&mut buf).await?;
        assert_eq!(buf, [number], "nobody is lost, and all keep their turn");
        stream.write_all(&buf).await?;
    }
    Ok(())
}

#[test]
fn accept_waits_for_descriptors_and_loses_nobody() -> Result<()> {
    in_child("accept_waits_for_descriptors_and_loses_nobody", || {
        log::set_logger(&WARNINGS).expect("this process has one test");
        log::set_max_level(LevelFilter::Warn);
        oneloop::run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let clients = clients(&listener)?;
            let hoard = hoard();
            let server = create_task(serve_five(listener));
            // The first attempt and the next two.
            sleep(Duration::from_millis(35)).await;
            assert!(!server.is_finished());
            drop(hoard);
            server.await??;
            for (mut client, number) in clients.into_iter().zip(0..) {
                let mut buf = [0; 1];
                client.read_exact(&mut buf)?;
                assert_eq!(buf, [number]);
            }
            assert_eq!(WARNINGS.0.load(Ordering::Relaxed), 1, "one line, not one for each attempt");
            Ok(())
        })
    })
}

#[test]
fn without_a_logger_standard_error_tells_why_nobody_is_accepted() -> Result<()> {
    let name = "without_a_logger_standard_error_tells_why_nobody_is_accepted";
    let said = said_in_child(name, || {
        Builder::new().virtual_time(true).run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let clients = clients(&listener)?;
            let hoard = hoard();
            let server = create_task(serve_five(listener));
            sleep(Duration::from_secs(1)).await;
            drop(hoard);
            server.await??;
            drop(clients);
            Ok(())
        })
    })?;
    if env::var_os(IN_CHILD).is_none() {
        let lines = said.lines().filter(|line| line.contains("accepts no connections for now"));
        assert_eq!(lines.count(), 1, "{said}");
    }
    Ok(())
}

#[test]
fn accept_tries_at_least_once_a_second_however_long_it_takes() -> Result<()> {
    in_child("accept_tries_at_least_once_a_second_however_long_it_takes", || {
        Builder::new().virtual_time(true).run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let _clients = clients(&listener)?;
            let hoard = hoard();
            let server = create_task(serve_five(listener));
            sleep(Duration::from_secs(60 * 60)).await;
            assert!(!server.is_finished());
            drop(hoard);
            let freed = time::now();
            server.await??;
            assert!(time::now() - freed <= Duration::from_secs(1));
            Ok(())
        })
    })
}

#[test]
fn an_accept_that_waits_for_descriptors_can_be_given_up() -> Result<()> {
    in_child("an_accept_that_waits_for_descriptors_can_be_given_up", || {
        oneloop::run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let _clients = clients(&listener)?;
            let hoard = hoard();
            for _ in 0..10 {
                assert!(timeout(Duration::from_millis(1), listener.accept()).await.is_err());
            }
            drop(hoard);
            serve_five(listener).await
        })
    })
}

#[test]
fn connect_and_bind_without_descriptors_are_errors_with_the_address() -> Result<()> {
    in_child("connect_and_bind_without_descriptors_are_errors_with_the_address", || {
        oneloop::run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let addr = listener.local_addr()?;
            let hoard = hoard();
            for error in [TcpStream::connect(addr).await.err(), TcpListener::bind(addr).await.err()]
            {
                let error = error.map_or_else(String::new, |error| error.to_string());
                assert!(error.contains(&addr.to_string()), "{error}");
                assert!(error.contains("open files"), "{error}");
            }
            drop(hoard);
            TcpStream::connect(addr).await?;
            Ok(())
        })
    })
}

/// A path for a socket, and its directory, which has to be removed.
fn socket_path() -> Result<(PathBuf, PathBuf)> {
    let directory = env::temp_dir().join(format!("oneloop-no-fds-{}", process::id()));
    fs::create_dir(&directory)?;
    Ok((directory.join("socket"), directory))
}

#[test]
fn unix_sockets_without_descriptors_are_errors_that_say_what() -> Result<()> {
    in_child("unix_sockets_without_descriptors_are_errors_that_say_what", || {
        oneloop::run(async {
            let (path, directory) = socket_path()?;
            let other = directory.join("other");
            let listener = UnixListener::bind(&path)?;
            let hoard = hoard();
            for (error, what) in [
                (UnixListener::bind(&other).err(), "other"),
                (UnixDatagram::bind(&other).err(), "other"),
                // The check whether a process listens there needs a descriptor too.
                (UnixListener::bind(&path).err(), "socket"),
                (UnixStream::connect(&path).await.err(), "socket"),
                (UnixStream::pair().err(), "pair"),
                (UnixDatagram::pair().err(), "pair"),
                (UnixDatagram::unbound().err(), "socket"),
                (open_unix_connection(&path).await.err(), "socket"),
                (start_unix_server(async |_, _| (), &other).err(), "other"),
            ] {
                let error = error.map_or_else(String::new, |error| error.to_string());
                assert!(error.contains(what) && error.contains("open files"), "{error}");
            }
            assert!(!other.exists());
            drop(hoard);
            UnixStream::connect(&path).await?;
            listener.accept().await?;
            drop(listener);
            fs::remove_dir(directory)
        })
    })
}

#[test]
fn accepting_at_a_path_waits_for_descriptors_too() -> Result<()> {
    in_child("accepting_at_a_path_waits_for_descriptors_too", || {
        oneloop::run(async {
            let (path, directory) = socket_path()?;
            let listener = UnixListener::bind(&path)?;
            let mut client = UnixStream::connect(&path).await?.into_std()?;
            client.write_all(b"me")?;
            let hoard = hoard();
            let accepted = create_task(async move {
                let (stream, _addr) = listener.accept().await?;
                stream.read(&mut [0; 8]).await
            });
            sleep(Duration::from_millis(15)).await;
            assert!(!accepted.is_finished());
            drop(hoard);
            assert_eq!(accepted.await??, 2);
            fs::remove_dir(directory)
        })
    })
}

#[cfg(feature = "fd-passing")]
#[test]
fn descriptors_that_arrive_where_there_is_no_room_are_an_error() -> Result<()> {
    in_child("descriptors_that_arrive_where_there_is_no_room_are_an_error", || {
        oneloop::run(async {
            let (here, there) = UnixStream::pair()?;
            let file = File::open("/dev/null")?;
            here.send_fds(b"x", &[file.as_fd(), file.as_fd()]).await?;
            let mut hoard = hoard();
            // Room for one is not enough: neither is kept.
            hoard.pop();
            let error = there.recv_fds(&mut [0; 8]).await.err();
            assert!(error.is_some_and(|error| error.to_string().contains("no room")));
            assert!(File::open("/dev/null").is_ok(), "what came is closed");
            drop(hoard);
            here.send_fds(b"x", &[file.as_fd()]).await?;
            assert_eq!(there.recv_fds(&mut [0; 8]).await?.1.len(), 1);
            Ok(())
        })
    })
}

async fn answer(mut reader: StreamReader, mut writer: StreamWriter) -> Result<()> {
    let line = reader.readline().await?;
    writer.write(line);
    Ok(())
}

#[test]
fn a_server_waits_for_descriptors_reports_that_once_and_loses_nobody() -> Result<()> {
    in_child("a_server_waits_for_descriptors_reports_that_once_and_loses_nobody", || {
        let reports = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&reports);
        let hook = move |unhandled: &Unhandled| log.borrow_mut().push(unhandled.to_string());
        Builder::new().on_unhandled(hook).run(async {
            let server = start_server(answer, ANY_PORT).await?;
            let addr = server.local_addrs()[0];
            let mut served = net::TcpStream::connect(addr)?;
            while server.connections() == 0 {
                yield_now().await;
            }
            let clients: Vec<_> =
                (0..5).map(|_| net::TcpStream::connect(addr)).collect::<Result<_>>()?;
            let hoard = hoard();
            sleep(Duration::from_millis(35)).await;
            assert_eq!(server.connections(), 1);
            assert!(server.is_serving());
            // Several attempts have failed by now.
            assert_eq!(reports.borrow().len(), 1, "{:?}", reports.borrow());
            assert!(reports.borrow()[0].contains(&addr.to_string()), "{:?}", reports.borrow());
            // The connections that are served continue.
            served.write_all(b"still\n")?;
            while server.connections() == 1 {
                yield_now().await;
            }
            let mut heard = String::new();
            served.read_to_string(&mut heard)?;
            assert_eq!(heard, "still\n");
            drop(hoard);
            for mut client in clients {
                client.write_all(b"and me\n")?;
                let answered = to_thread(move || {
                    let mut heard = String::new();
                    client.read_to_string(&mut heard).map(|_| heard)
                });
                assert_eq!(answered.await?, "and me\n");
            }
            Ok(())
        })
    })
}

#[test]
fn a_server_that_waits_for_descriptors_can_be_closed() -> Result<()> {
    in_child("a_server_that_waits_for_descriptors_can_be_closed", || {
        oneloop::run(async {
            let server = start_server(answer, ANY_PORT).await?;
            let _client = net::TcpStream::connect(server.local_addrs()[0])?;
            let _hoard = hoard();
            sleep(Duration::from_millis(15)).await;
            let (start, grace) = (time::now(), Duration::from_secs(60));
            assert!(server.shutdown(grace).await);
            assert!(time::now() - start < grace / 2);
            Ok(())
        })
    })
}

#[test]
fn servers_and_connections_without_descriptors_are_errors_with_the_address() -> Result<()> {
    in_child("servers_and_connections_without_descriptors_are_errors_with_the_address", || {
        oneloop::run(async {
            let server = start_server(answer, ANY_PORT).await?;
            let addr = server.local_addrs()[0];
            let hoard = hoard();
            for error in [open_connection(addr).await.err(), start_server(answer, addr).await.err()]
            {
                let error = error.map_or_else(String::new, |error| error.to_string());
                assert!(error.contains(&addr.to_string()), "{error}");
                assert!(error.contains("open files"), "{error}");
            }
            drop(hoard);
            open_connection(addr).await?;
            Ok(())
        })
    })
}

#[test]
fn a_listener_for_signals_without_descriptors_is_an_error_and_changes_nothing() -> Result<()> {
    in_child("a_listener_for_signals_without_descriptors_is_an_error_and_changes_nothing", || {
        let hoard = hoard();
        oneloop::run(async {
            let error = signal(SignalKind::SIGWINCH).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains("open files")));
            let error = shutdown().await.err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains("open files")));
            drop(hoard);
            // Far more than there are descriptors.
            for _ in 0..100 {
                let mut listener = signal(SignalKind::SIGWINCH)?;
                raise(Signal::SIGWINCH)?;
                listener.recv().await?;
            }
            Ok(())
        })
    })
}

#[test]
fn every_socket_that_cannot_be_made_says_so() -> Result<()> {
    in_child("every_socket_that_cannot_be_made_says_so", || {
        oneloop::run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let addr = listener.local_addr()?;
            // Names need descriptors too, because the operating system reads files.
            let known = lookup_host("localhost:80").await?;
            let hoard = hoard();
            let several = [addr, addr];
            let errors = [
                TcpSocket::new_v4().err(),
                TcpSocket::new_v6().err(),
                TcpSocket::for_addr(addr).err(),
                TcpStream::connector().connect(&several[..]).await.err(),
                UdpSocket::bind(addr).await.err(),
                UdpSocket::builder().bind(addr).await.err(),
                UdpSocket::builder().connect(addr).await.err(),
            ];
            for error in errors {
                let error = error.map_or_else(String::new, |error| error.to_string());
                assert!(error.contains("open files"), "{error}");
            }
            let named = lookup_host("localhost:80").await;
            assert!(named.is_ok() || named.is_err_and(|e| e.to_string().contains("`localhost`")));

            drop(hoard);
            assert_eq!(lookup_host("localhost:80").await?, known);
            TcpSocket::new_v4()?.connect(addr).await?;
            UdpSocket::bind(ANY_PORT).await?;
            Ok(())
        })
    })
}

#[test]
fn workers_without_descriptors_are_an_error() -> Result<()> {
    in_child("workers_without_descriptors_are_an_error", || {
        let hoard = hoard();
        let error = workers(2).run(async |_worker| ()).unwrap_err().to_string();
        assert!(error.starts_with("cannot listen for SIGINT: "), "{error}");
        assert!(error.contains("open files"), "{error}");
        drop(hoard);
        assert_eq!(workers(2).run(async |worker| worker.index())?, [0, 1]);
        Ok(())
    })
}

#[test]
fn a_worker_that_could_not_listen_finds_the_port_of_the_others_later() -> Result<()> {
    in_child("a_worker_that_could_not_listen_finds_the_port_of_the_others_later", || {
        let has_failed = AtomicUsize::new(0);
        let ports = workers(2).try_run(async |worker| {
            if worker.index() == 0 {
                let hoard = hoard();
                assert!(worker.listen(ANY_PORT).await.is_err());
                drop(hoard);
                has_failed.store(1, Ordering::Release);
            }
            while has_failed.load(Ordering::Acquire) == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            Ok(worker.listen(ANY_PORT).await?.local_addr()?.port())
        });
        let ports: Result<Vec<u16>> = ports;
        let ports = ports?;
        assert_eq!(ports[0], ports[1]);
        Ok(())
    })
}

#[test]
fn a_loop_without_descriptors_still_sleeps_and_gets_its_reactor_later() -> Result<()> {
    in_child("a_loop_without_descriptors_still_sleeps_and_gets_its_reactor_later", || {
        let hoard = hoard();
        oneloop::run(async {
            let start = time::now();
            sleep(Duration::from_millis(2)).await;
            assert!(time::now() - start >= Duration::from_millis(2));
            let error = TcpListener::bind(ANY_PORT).await.err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains("open files")));
            let (sender, receiver) = oneshot::channel();
            let thread = thread::spawn(move || sender.send(()).ok());
            receiver.await.map_err(Error::other)?;
            thread.join().expect("it does not panic");

            drop(hoard);
            let listener = TcpListener::bind(ANY_PORT).await?;
            let _clients = clients(&listener)?;
            serve_five(listener).await
        })
    })
}

#[test]
fn a_descriptor_closed_behind_the_loops_back_harms_only_its_own_stream() -> Result<()> {
    in_child("a_descriptor_closed_behind_the_loops_back_harms_only_its_own_stream", || {
        oneloop::run(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            let mut peer = net::TcpStream::connect(listener.local_addr()?)?;
            let (stream, _addr) = listener.accept().await?;
            let stream = Rc::new(stream);
            let reading = Rc::clone(&stream);
            let reader = create_task(async move { reading.read(&mut [0; 8]).await });
            yield_now().await;
            close(stream.as_raw_fd())?;
            assert_eq!(peer.read(&mut [0; 8])?, 0);
            assert_eq!(
                stream.write(b"x").await.map_err(|error| error.raw_os_error()),
                Err(Some(libc::EBADF))
            );
            reader.cancel();
            assert!(reader.await.is_err());
            // Another file has to have the number when the stream is dropped, or the standard
            // library may abort.
            let file = File::open("/dev/null")?;
            assert_eq!(file.as_raw_fd(), stream.as_raw_fd());
            drop(stream);
            // The stream has closed it.
            let _not_ours_any_more = file.into_raw_fd();

            // The loop is unaffected.
            let _clients = clients(&listener)?;
            let (stream, _addr) = listener.accept().await?;
            let mut buf = [0; 8];
            assert_eq!(stream.read(&mut buf).await?, 1);
            let again = stream.try_read(&mut buf).map_err(|error| error.kind());
            assert_eq!(again, Err(ErrorKind::WouldBlock));
            Ok(())
        })
    })
}
