//! `lookup_host`, and resolvers.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oneloop::net::{
    Resolver, Resolving, SystemResolver, TcpListener, TcpStream, UdpSocket, lookup_host,
};
use oneloop::sync::Event;
use oneloop::{Builder, all_tasks, create_task, time, timeout, yield_now};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` on a new loop, which asks `resolver`, under a time limit.
fn run_with<T>(
    resolver: impl Resolver + 'static,
    test: impl Future<Output = Result<T>>,
) -> Result<T> {
    Builder::new().resolver(resolver).run(timeout(LIMIT, test))?
}

fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

fn addr(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], port))
}

/// Answers when told to, and records the questions.
#[derive(Default)]
struct Oracle {
    asked: RefCell<Vec<String>>,
    open: Event,
    /// The number of calls that were dropped without an answer.
    given_up: Cell<isize>,
}

struct InProgress(Rc<Oracle>);

impl InProgress {
    fn finish(self) {
        self.0.given_up.set(self.0.given_up.get() - 1);
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.given_up.set(self.0.given_up.get() + 1);
    }
}

fn oracle() -> (Rc<Oracle>, impl Resolver) {
    let oracle = Rc::<Oracle>::default();
    let to_ask = Rc::clone(&oracle);
    let resolver = move |host: String, port: u16| {
        to_ask.asked.borrow_mut().push(format!("{host}:{port}"));
        let progress = InProgress(Rc::clone(&to_ask));
        async move {
            progress.0.open.wait().await;
            progress.finish();
            match host.strip_prefix("bad") {
                Some(_) => Err(io::Error::new(ErrorKind::HostUnreachable, "a bad name")),
                None => Ok(vec![addr(1, port), addr(2, port)]),
            }
        }
    };
    (oracle, resolver)
}

#[test]
fn an_address_in_digits_asks_nobody() -> Result<()> {
    let never = |_: String, _: u16| async { panic!("nobody was to be asked") };
    run_with(never, async {
        for (text, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[fe80::1%3]:80", "[fe80::1%3]:80"),
        ] {
            let addrs = lookup_host(text).await?;
            assert_eq!(addrs, [expected.parse().expect("it is an address")]);
        }
        assert_eq!(lookup_host(("::1", 80)).await?.len(), 1);
        assert_eq!(lookup_host(("[::1]", 80)).await?.len(), 1);
        assert_eq!(lookup_host(addr(1, 2)).await?, [addr(1, 2)]);
        assert_eq!(lookup_host(&[addr(1, 2), addr(3, 4)][..]).await?, [addr(1, 2), addr(3, 4)]);
        assert_eq!(all_tasks().len(), 1, "main alone");
        // It is ready at once.
        let mut lookup = pin!(lookup_host("127.0.0.1:80"));
        assert!(poll_fn(|cx| Poll::Ready(lookup.as_mut().poll(cx).is_ready())).await);
        Ok(())
    })
}

#[test]
fn what_is_no_address_is_refused_without_asking() -> Result<()> {
    let never = |_: String, _: u16| async { panic!("nobody was to be asked") };
    run_with(never, async {
        for text in ["localhost", "localhost:", "localhost:http", ":80", "localhost:65536", ""] {
            let error = failure(lookup_host(text).await);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("host:port"), "{error}");
        }
        assert_eq!(failure(lookup_host(&[][..]).await).kind(), ErrorKind::InvalidInput);
        Ok(())
    })
}

#[test]
fn the_system_knows_this_host() -> Result<()> {
    oneloop::run(timeout(LIMIT, async {
        let addrs = lookup_host("localhost:80").await?;
        assert!(addrs.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
        let mut unique = addrs.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), addrs.len(), "{addrs:?}");
        assert_eq!(SystemResolver.resolve("localhost", 80).await?, addrs);
        Ok(())
    }))?
}

#[test]
fn names_that_the_system_does_not_know_are_errors_that_name_them() -> Result<()> {
    oneloop::run(timeout(LIMIT, async {
        for host in ["no host", "a\0b", &"x".repeat(1000)] {
            let error = failure(lookup_host((host, 80)).await);
            assert_eq!(error.kind(), ErrorKind::NotFound);
            assert!(error.to_string().contains(&format!("`{host}`")), "{error}");
        }
        let error = failure(TcpStream::connect(("no host", 80)).await);
        assert!(error.to_string().contains("`no host`"), "{error}");
        let error = failure(UdpSocket::bind(("no host", 80)).await);
        assert!(error.to_string().contains("`no host`"), "{error}");
        Ok(())
    }))?
}

#[test]
fn those_who_want_the_same_name_at_the_same_time_share_one_call() -> Result<()> {
    let (oracle, resolver) = oracle();
    run_with(resolver, async {
        let all = oneloop::try_gather((0..100).map(|_| lookup_host("one.test:80")));
        let open = async {
            // All members of the gather have their first turn meanwhile, a few at a time.
            for _ in 0..100 {
                yield_now().await;
            }
            oracle.open.set();
            Result::Ok(())
        };
        let (answers, ()) = oneloop::try_gather!(all, open).await?;
        assert!(answers.iter().all(|addrs| addrs == &[addr(1, 80), addr(2, 80)]));
        assert_eq!(*oracle.asked.borrow(), ["one.test:80"]);
        assert_eq!(oracle.given_up.get(), 0);
        Ok(())
    })
}

#[test]
fn other_names_and_ports_have_calls_of_their_own_and_later_ones_too() -> Result<()> {
    let (oracle, resolver) = oracle();
    run_with(resolver, async {
        oracle.open.set();
        let names = ["one.test:80", "two.test:80", "one.test:81"];
        oneloop::try_gather(names.map(lookup_host)).await?;
        lookup_host("one.test:80").await?;
        let asked = oracle.asked.borrow();
        assert_eq!(*asked, [names[0], names[1], names[2], names[0]], "nothing is kept");
        Ok(())
    })
}

#[test]
fn all_who_share_a_call_get_its_error() -> Result<()> {
    let (oracle, resolver) = oracle();
    run_with(resolver, async {
        oracle.open.set();
        for result in oneloop::gather((0..3).map(|_| lookup_host("bad.test:80"))).await {
            let error = failure(result);
            assert_eq!(error.kind(), ErrorKind::HostUnreachable);
            assert_eq!(error.to_string(), "cannot find the host `bad.test`: a bad name");
            let source = error.get_ref().and_then(|inner| inner.source());
            assert_eq!(source.map(ToString::to_string).as_deref(), Some("a bad name"));
        }
        assert_eq!(oracle.asked.borrow().len(), 1);
        Ok(())
    })
}

#[test]
fn a_call_goes_on_while_somebody_waits_and_is_dropped_when_nobody_does() -> Result<()> {
    let (oracle, resolver) = oracle();
    run_with(resolver, async {
        let first = create_task(lookup_host("one.test:80"));
        let second = create_task(lookup_host("one.test:80"));
        for _ in 0..3 {
            yield_now().await;
        }
        first.cancel();
        assert!(first.await.is_err());
        assert_eq!((oracle.asked.borrow().len(), oracle.given_up.get()), (1, 0));
        second.cancel();
        assert!(second.await.is_err());
        // A new look-up at once, while the old call has not been dropped yet, does not join the old
        // one.
        let third = create_task(lookup_host("one.test:80"));
        for _ in 0..3 {
            yield_now().await;
        }
        assert_eq!((oracle.asked.borrow().len(), oracle.given_up.get()), (2, 1));
        oracle.open.set();
        assert_eq!(third.await??.len(), 2);
        assert_eq!(oracle.given_up.get(), 1);
        assert_eq!(all_tasks().len(), 1, "no call is left");
        Ok(())
    })
}

#[test]
fn a_resolver_that_hangs_delays_nobody_else_and_not_the_end() -> Result<()> {
    let resolver = |host: String, port: u16| async move {
        if host == "hangs.test" {
            pending::<()>().await;
        }
        Ok(vec![addr(1, port)])
    };
    Builder::new().virtual_time(true).resolver(resolver).run(async {
        let hanging = create_task(lookup_host("hangs.test:80"));
        let start = time::now();
        for number in 0..100 {
            lookup_host(format!("{number}.test:80")).await?;
        }
        assert_eq!(time::now(), start);
        assert!(
            timeout(Duration::from_secs(60), TcpStream::connect("hangs.test:80")).await.is_err()
        );
        assert!(!hanging.is_finished());
        Ok(())
    })
}

#[test]
fn a_resolver_that_knows_nothing_is_an_error() -> Result<()> {
    run_with(async |_: String, _: u16| Ok(Vec::new()), async {
        let error = failure(lookup_host("empty.test:80").await);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`empty.test`: it has no address"), "{error}");
        Ok(())
    })
}

#[test]
fn a_resolver_that_panics_leaves_an_error_and_a_report() {
    let reports = Rc::new(Cell::new(0));
    let counted = Rc::clone(&reports);
    let now = |host: String, _: u16| {
        assert!(host != "now.test", "it panics before there is a future");
        async { panic!("it panics while it is awaited") }
    };
    Builder::new()
        .resolver(now)
        .on_unhandled(move |unhandled| {
            assert!(unhandled.message().contains("it panics"), "{}", unhandled.message());
            counted.set(counted.get() + 1);
        })
        .run(async {
            for host in ["now.test", "later.test"] {
                let error = failure(lookup_host((host, 80)).await);
                assert!(error.to_string().contains(host), "{error}");
                assert!(error.to_string().contains("panicked"), "{error}");
            }
        });
    assert_eq!(reports.get(), 2);
}

#[test]
fn a_resolver_that_asks_for_the_same_name_is_told_so() -> Result<()> {
    run_with(async |host: String, port: u16| lookup_host((host, port)).await, async {
        let error = failure(lookup_host("circle.test:80").await);
        assert!(error.to_string().contains("`SystemResolver`"), "{error}");
        Ok(())
    })
}

#[test]
fn a_resolver_may_ask_for_other_names() -> Result<()> {
    let resolver = async |host: String, port: u16| match &host[..] {
        "alias.test" => lookup_host(("real.test", port)).await,
        _ => Ok(vec![addr(3, port)]),
    };
    run_with(resolver, async {
        assert_eq!(lookup_host("alias.test:80").await?, [addr(3, 80)]);
        Ok(())
    })
}

#[test]
fn calls_that_are_cut_off_leave_an_error() -> Result<()> {
    let (_oracle, resolver) = oracle();
    run_with(resolver, async {
        let mut lookup = pin!(lookup_host("one.test:80"));
        assert!(poll_fn(|cx| Poll::Ready(lookup.as_mut().poll(cx).is_pending())).await);
        for task in all_tasks() {
            if task.name().contains("one.test") {
                task.cancel();
            }
        }
        let error = failure(lookup.await);
        assert!(error.to_string().contains("cancelled"), "{error}");
        Ok(())
    })
}

#[test]
fn a_lookup_that_outlives_its_loop_is_an_error() {
    let (_oracle, resolver) = oracle();
    let mut lookup = Box::pin(lookup_host("one.test:80"));
    Builder::new().resolver(resolver).run(async {
        assert!(poll_fn(|cx| Poll::Ready(lookup.as_mut().poll(cx).is_pending())).await);
    });
    let error = failure(oneloop::run(lookup));
    assert!(error.to_string().contains("one.test"), "{error}");

    let mut without = Box::pin(lookup_host("one.test:80"));
    let Poll::Ready(result) = without.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it has nothing to wait for");
    };
    assert!(failure(result).to_string().contains("`oneloop::run`"));
}

#[test]
fn sockets_use_the_resolver_of_their_loop() -> Result<()> {
    let resolver =
        async |_: String, port: u16| Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
    run_with(resolver, async {
        let socket = UdpSocket::bind("here.test:0").await?;
        let port = socket.local_addr()?.port();
        socket.send_to(b"me", ("here.test", port)).await?;
        assert_eq!(socket.recv(&mut [0; 8]).await?, 2);
        let listener = TcpListener::bind("here.test:0").await?;
        let port = listener.local_addr()?.port();
        TcpStream::connect(("here.test", port)).await?;
        Ok(())
    })
}

/// A user's type is a resolver too. It need not be `Send`.
struct Counting(Rc<Cell<u32>>);

impl Resolver for Counting {
    fn resolve(&self, _host: &str, port: u16) -> Resolving {
        let count = Rc::clone(&self.0);
        Box::pin(async move {
            count.set(count.get() + 1);
            Ok(vec![addr(1, port)])
        })
    }
}

#[test]
fn a_resolver_and_its_futures_may_be_local() -> Result<()> {
    let count = Rc::new(Cell::new(0));
    run_with(Counting(Rc::clone(&count)), async {
        lookup_host("x.test:1").await?;
        lookup_host("y.test:1").await?;
        Ok(())
    })?;
    assert_eq!(count.get(), 2);
    Ok(())
}

#[test]
fn a_wrong_port_is_said_to_be_wrong() -> Result<()> {
    run_with(SystemResolver, async {
        for (text, what) in [
            ("localhost:99999", "the port of `localhost:99999` is too large"),
            ("[::1]:65536", "the port of `[::1]:65536` is too large"),
            ("localhost:http", "the port of `localhost:http` is no number"),
            ("localhost:", "`localhost:` is no address: write `host:port`"),
            ("localhost", "`localhost` is no address: write `host:port`"),
            ("fe80::1::x", "`fe80::1::x` is no address"),
        ] {
            let error = failure(lookup_host(text).await);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().starts_with(what), "{error}");
        }
        Ok(())
    })
}
