//! Descriptors that run out, or are closed behind the loop's back. Each test does its work in a process of its own, which no
//! other test shares descriptors with.

use std::env;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{self, Ipv4Addr};
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use log::{LevelFilter, Log, Metadata, Record};
use nix::libc;
use nix::sys::signal::{Signal, raise};
use nix::unistd::close;
use oneloop::net::{TcpListener, TcpStream};
use oneloop::signal::{SignalKind, shutdown, signal};
use oneloop::{create_task, sleep, time, timeout, yield_now};

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
const IN_CHILD: &str = "ONELOOP_TEST_IN_CHILD";

/// Runs `test`, the body of the test called `name`, in a process that may have 64 descriptors.
fn in_child(name: &str, test: impl FnOnce() -> Result<()>) -> Result<()> {
    if env::var_os(IN_CHILD).is_some() {
        return test();
    }
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -n 64 && exec "$0" "$@""#])
        .arg(env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(IN_CHILD, "1")
        .output()?;
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{}", said[0]);
    Ok(())
}

/// Takes all descriptors that are left.
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
        if record.args().to_string().contains("cannot accept") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Clients that wait in the backlog, and have said who they are.
fn clients(listener: &TcpListener) -> Result<Vec<net::TcpStream>> {
    let addr = listener.local_addr()?;
    let connect = |number| {
        let mut client = net::TcpStream::connect(addr)?;
        client.write_all(&[number])?;
        Ok(client)
    };
    (0..5).map(connect).collect()
}

/// Accepts all of them, and lets each know its number.
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
fn accept_tries_at_least_once_a_second_however_long_it_takes() -> Result<()> {
    in_child("accept_tries_at_least_once_a_second_however_long_it_takes", || {
        oneloop::Builder::new().virtual_time(true).run(async {
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
            // Something has to have the number when the stream is dropped, or the standard library may abort.
            let file = File::open("/dev/null")?;
            assert_eq!(file.as_raw_fd(), stream.as_raw_fd());
            drop(stream);
            // The stream has closed it.
            let _not_ours_any_more = file.into_raw_fd();

            // The loop is as it was.
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
