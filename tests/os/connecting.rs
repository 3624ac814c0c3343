//! Connecting to hosts with several addresses, some of which are dead.
//!
//! Most tests use virtual time. It jumps only when no task is runnable, and on the loopback
//! interface an answer arrives before that.

use std::cell::RefCell;
use std::fs;
use std::io::{self, ErrorKind, Result};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::rc::Rc;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::ECONNREFUSED;
use oneloop::net::{ConnectError, Connector, TcpListener, TcpSocket, TcpStream};
use oneloop::{Builder, time, timeout};

/// Longer than any test here takes, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const DELAY: Duration = Duration::from_millis(250);
const HOST: &str = "many.test:80";

fn v4() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn v6() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, 0))
}

/// An address that answers, one that refuses, and one that does not answer. No other test can use
/// them.
enum Place {
    Listens(TcpListener),
    Refuses(TcpSocket),
    Stalls { listener: TcpListener, _waiting: StdStream },
}

impl Place {
    async fn listens(addr: SocketAddr) -> Result<Self> {
        Ok(Self::Listens(TcpListener::bind(addr).await?))
    }

    fn refuses(addr: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::for_addr(addr)?;
        socket.bind(addr)?;
        Ok(Self::Refuses(socket))
    }

    /// Its backlog is full.
    async fn stalls(addr: SocketAddr) -> Result<Self> {
        let listener = TcpListener::builder().backlog(0).bind(addr).await?;
        let waiting = StdStream::connect(listener.local_addr()?)?;
        Ok(Self::Stalls { listener, _waiting: waiting })
    }

    fn addr(&self) -> SocketAddr {
        let addr = match self {
            Self::Listens(listener) | Self::Stalls { listener, .. } => listener.local_addr(),
            Self::Refuses(socket) => socket.local_addr(),
        };
        addr.expect("it is bound")
    }
}

/// The resolver's table. It is made first, and filled inside the loop.
type Table = Rc<RefCell<Vec<SocketAddr>>>;

/// Runs `test` in virtual time on a loop whose resolver looks names up in the table.
fn run<T>(test: impl AsyncFnOnce(Table) -> Result<T>) -> Result<T> {
    let table = Table::default();
    let known = Rc::clone(&table);
    let resolver = move |_host: String, _port: u16| {
        let addrs = known.borrow().clone();
        async move { Ok(addrs) }
    };
    // The limit is one of virtual time too.
    let limit = LIMIT + Duration::from_secs(3600);
    Builder::new().virtual_time(true).resolver(resolver).run(timeout(limit, test(table)))?
}

fn fill(table: &Table, places: &[Place]) {
    *table.borrow_mut() = places.iter().map(Place::addr).collect();
}

/// Connects. Returns which of the places it reached, and after how long.
async fn race(connector: &Connector, table: &Table, places: &[Place]) -> Result<(usize, Duration)> {
    fill(table, places);
    let start = time::now();
    let stream = connector.connect(HOST).await?;
    let peer = stream.peer_addr()?;
    let winner = places.iter().position(|place| place.addr() == peer);
    Ok((winner.expect("it is one of them"), time::now() - start))
}

fn failure<T>(result: Result<T>) -> io::Error {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error,
    }
}

fn attempts(error: &io::Error) -> &[(SocketAddr, io::Error)] {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectError>());
    inner.unwrap_or_else(|| panic!("not a `ConnectError`: {error}")).attempts()
}

#[test]
fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() -> Result<()> {
    run(async |table| {
        let places = [Place::stalls(v4()).await?, Place::listens(v4()).await?];
        let raced = race(&TcpStream::connector(), &table, &places).await?;
        assert_eq!(raced, (1, DELAY));
        Ok(())
    })
}

#[test]
fn each_further_one_costs_as_much_again() -> Result<()> {
    run(async |table| {
        let places = [
            Place::stalls(v4()).await?,
            Place::stalls(v4()).await?,
            Place::stalls(v4()).await?,
            Place::listens(v4()).await?,
        ];
        let raced = race(&TcpStream::connector(), &table, &places).await?;
        assert_eq!(raced, (3, 3 * DELAY));
        let hasty = TcpStream::connector().delay(Duration::from_millis(10));
        assert_eq!(race(&hasty, &table, &places).await?, (3, Duration::from_millis(30)));
        Ok(())
    })
}

#[test]
fn an_address_that_refuses_costs_nothing() -> Result<()> {
    run(async |table| {
        let places = [Place::refuses(v4())?, Place::refuses(v4())?, Place::listens(v4()).await?];
        let raced = race(&TcpStream::connector(), &table, &places).await?;
        assert_eq!(raced, (2, Duration::ZERO));

        let places =
            [Place::stalls(v4()).await?, Place::refuses(v4())?, Place::listens(v4()).await?];
        let raced = race(&TcpStream::connector(), &table, &places).await?;
        assert_eq!(
            raced,
            (2, DELAY),
            "the second starts late, fails, and the third starts at once"
        );
        Ok(())
    })
}

#[test]
fn the_first_address_wins_if_it_answers() -> Result<()> {
    run(async |table| {
        let places = [Place::listens(v4()).await?, Place::listens(v4()).await?];
        let raced = race(&TcpStream::connector(), &table, &places).await?;
        assert_eq!(raced, (0, Duration::ZERO));
        let Place::Listens(other) = &places[1] else { unreachable!() };
        let nobody = timeout(Duration::from_secs(1), other.accept()).await;
        assert!(nobody.is_err(), "the second was not even tried");
        Ok(())
    })
}

#[test]
fn families_take_turns() -> Result<()> {
    run(async |table| {
        let places = [
            Place::refuses(v6())?,
            Place::refuses(v6())?,
            Place::refuses(v6())?,
            Place::refuses(v4())?,
            Place::refuses(v4())?,
        ];
        let order = async |connector: Connector, indices: [usize; 5]| {
            *table.borrow_mut() = indices.iter().map(|&index| places[index].addr()).collect();
            let error = failure(connector.connect(HOST).await);
            let place = |(addr, _): &(SocketAddr, io::Error)| {
                places.iter().position(|place| place.addr() == *addr).expect("it is one of them")
            };
            attempts(&error).iter().map(place).collect::<Vec<_>>()
        };
        let given = [0, 1, 2, 3, 4];
        let connector = TcpStream::connector;
        assert_eq!(order(connector(), given).await, [0, 3, 1, 4, 2]);
        assert_eq!(order(connector(), [3, 0, 1, 2, 4]).await, [3, 0, 4, 1, 2]);
        assert_eq!(order(connector().interleave(2), given).await, [0, 1, 3, 2, 4]);
        assert_eq!(order(connector().interleave(9), given).await, [0, 1, 2, 3, 4]);
        assert_eq!(order(connector().interleave(0), [4, 1, 0, 3, 2]).await, [4, 1, 0, 3, 2]);
        assert_eq!(order(connector().sequential(), [1, 0, 4, 3, 2]).await, [1, 0, 4, 3, 2]);
        Ok(())
    })
}

#[test]
fn a_dead_family_delays_the_other_by_one_turn() -> Result<()> {
    run(async |table| {
        let places = [
            Place::stalls(v6()).await?,
            Place::stalls(v6()).await?,
            Place::stalls(v6()).await?,
            Place::listens(v4()).await?,
        ];
        let raced = race(&TcpStream::connector(), &table, &places).await?;
        assert_eq!(raced, (3, DELAY));
        Ok(())
    })
}

#[test]
fn sequential_waits_for_a_failure() -> Result<()> {
    run(async |table| {
        let connector = TcpStream::connector().sequential();
        let places = [Place::refuses(v4())?, Place::listens(v4()).await?];
        assert_eq!(race(&connector, &table, &places).await?, (1, Duration::ZERO));
        let places = [Place::stalls(v4()).await?, Place::listens(v4()).await?];
        let raced = timeout(Duration::from_secs(60), race(&connector, &table, &places)).await;
        assert!(raced.is_err());
        Ok(())
    })
}

#[test]
fn the_losers_are_closed() -> Result<()> {
    run(async |table| {
        let places = [Place::listens(v4()).await?, Place::listens(v4()).await?];
        // All at once: the kernel connects both, and one is taken.
        let at_once = TcpStream::connector().delay(Duration::ZERO);
        fill(&table, &places);
        let stream = at_once.connect(HOST).await?;
        let winner = stream.peer_addr()?;
        for place in &places {
            let Place::Listens(listener) = place else { unreachable!() };
            if place.addr() == winner {
                continue;
            }
            if let Ok(accepted) = timeout(Duration::from_secs(1), listener.accept()).await {
                let (loser, _addr) = accepted?;
                assert_eq!(loser.read(&mut [0; 1]).await?, 0);
            }
        }
        stream.write_all(b"x").await?;
        Ok(())
    })
}

/// The number of sockets of this host that are connecting to `port`.
#[cfg(target_os = "linux")]
fn connecting_to(port: u16) -> Result<usize> {
    const SYN_SENT: &str = "02";
    let is_one = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        let remote = words.next().is_some_and(|addr| addr.ends_with(&format!(":{port:04X}")));
        remote && words.next() == Some(SYN_SENT)
    };
    Ok(fs::read_to_string("/proc/net/tcp")?.lines().filter(is_one).count())
}

#[cfg(target_os = "linux")]
#[test]
fn one_that_is_given_up_closes_all_its_sockets() -> Result<()> {
    run(async |table| {
        let places = [Place::stalls(v4()).await?, Place::stalls(v4()).await?];
        fill(&table, &places);
        let ports = places.each_ref().map(|place| place.addr().port());
        let connecting =
            || ports.map(|port| connecting_to(port).expect("the kernel has such a file"));
        let mut connect = Box::pin(TcpStream::connect(HOST));
        assert!(timeout(Duration::from_secs(1), &mut connect).await.is_err());
        assert_eq!(connecting(), [1, 1]);
        drop(connect);
        assert_eq!(connecting(), [0, 0]);
        Ok(())
    })
}

#[test]
fn if_none_answers_the_error_has_all_attempts() -> Result<()> {
    run(async |table| {
        let places = [Place::refuses(v4())?, Place::refuses(v6())?];
        fill(&table, &places);
        let error = failure(TcpStream::connect(HOST).await);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let found: Vec<_> = attempts(&error).iter().map(|(addr, _)| *addr).collect();
        assert_eq!(found, [places[0].addr(), places[1].addr()]);
        let refused = io::Error::from_raw_os_error(ECONNREFUSED);
        assert_eq!(
            error.to_string(),
            format!("cannot connect to {}: {refused}; to {}: {refused}", found[0], found[1])
        );
        let source = error.get_ref().and_then(|inner| inner.source());
        assert_eq!(source.map(ToString::to_string), Some(refused.to_string()));
        Ok(())
    })
}

#[test]
fn the_kind_is_that_of_the_attempt_that_came_farthest() -> Result<()> {
    run(async |table| {
        let place = Place::refuses(v4())?;
        // Errors of `configure` count as errors of the address, so the test can produce any kind.
        let cases = [
            ([ErrorKind::NetworkUnreachable, ErrorKind::TimedOut], ErrorKind::TimedOut),
            ([ErrorKind::TimedOut, ErrorKind::ConnectionRefused], ErrorKind::ConnectionRefused),
            ([ErrorKind::AddrNotAvailable, ErrorKind::HostUnreachable], ErrorKind::HostUnreachable),
            (
                [ErrorKind::AddrNotAvailable, ErrorKind::PermissionDenied],
                ErrorKind::PermissionDenied,
            ),
            (
                [ErrorKind::PermissionDenied, ErrorKind::NetworkUnreachable],
                ErrorKind::NetworkUnreachable,
            ),
            ([ErrorKind::PermissionDenied, ErrorKind::NetworkDown], ErrorKind::NetworkDown),
            ([ErrorKind::AddrNotAvailable; 2], ErrorKind::AddrNotAvailable),
        ];
        for (kinds, expected) in cases {
            *table.borrow_mut() = vec![place.addr(), place.addr()];
            let left = Mutex::new(kinds.into_iter());
            let connector = TcpStream::connector().configure(move |_| {
                let kind = left.lock().expect("nobody panics").next();
                kind.map_or(Ok(()), |kind| Err(kind.into()))
            });
            let error = failure(connector.connect(HOST).await);
            assert_eq!(error.kind(), expected, "{error}");
        }
        Ok(())
    })
}

#[test]
fn a_host_that_is_down_counts_as_one_that_cannot_be_reached() -> Result<()> {
    run(async |table| {
        let place = Place::refuses(v4())?;
        // The kernel's error has no kind.
        for errors in [[Errno::EACCES, Errno::EHOSTDOWN], [Errno::EHOSTDOWN, Errno::ENETUNREACH]] {
            *table.borrow_mut() = vec![place.addr(), place.addr()];
            let left = Mutex::new(errors.into_iter());
            let connector = TcpStream::connector().configure(move |_| {
                let errno = left.lock().expect("nobody panics").next();
                errno.map_or(Ok(()), |errno| Err(errno.into()))
            });
            let error = failure(connector.connect(HOST).await);
            let inner = error.get_ref().and_then(|error| error.source());
            let cause = inner.and_then(|cause| cause.downcast_ref::<io::Error>());
            let code = cause.and_then(io::Error::raw_os_error);
            assert_eq!(code, Some(Errno::EHOSTDOWN as i32), "{error}");
        }
        Ok(())
    })
}

#[test]
fn an_unreachable_network_does_not_hide_a_refusal() -> Result<()> {
    run(async |table| {
        let place = Place::refuses(v4())?;
        // Reserved for documentation: it has no route, or does not answer.
        let nowhere = SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80));
        *table.borrow_mut() = vec![nowhere, place.addr()];
        let connect = TcpStream::connector().delay(Duration::ZERO);
        let Ok(result) = timeout(Duration::from_secs(60), connect.connect(HOST)).await else {
            return Ok(());
        };
        let error = failure(result);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("[2001:db8::1]:80"), "{error}");
        Ok(())
    })
}

#[test]
fn it_connects_from_where_it_is_told() -> Result<()> {
    run(async |table| {
        let places = [Place::listens(v6()).await?, Place::listens(v4()).await?];
        fill(&table, &places);
        // Each family has its own. With one for IPv4 only, the IPv6 address is skipped.
        let from = SocketAddr::from(([127, 0, 0, 7], 0));
        let stream = TcpStream::connector().local_addr(from).connect(HOST).await?;
        assert_eq!(stream.local_addr()?.ip(), from.ip());
        assert_eq!(stream.peer_addr()?, places[1].addr());
        let both = TcpStream::connector().local_addr(from).local_addr(v6());
        assert_eq!(both.connect(HOST).await?.peer_addr()?, places[0].addr());

        *table.borrow_mut() = vec![places[0].addr()];
        let error = failure(TcpStream::connector().local_addr(from).connect(HOST).await);
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("127.0.0.7"), "{error}");
        assert!(error.to_string().contains("[::1]"), "{error}");

        // An error that is not ours.
        *table.borrow_mut() = vec![places[1].addr()];
        let nobodys = SocketAddr::from(([192, 0, 2, 1], 0));
        let error = failure(TcpStream::connector().local_addr(nobodys).connect(HOST).await);
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
        Ok(())
    })
}

#[test]
fn a_name_without_addresses_is_an_error_that_names_it() -> Result<()> {
    run(async |_table| {
        let error = failure(TcpStream::connect(HOST).await);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("many.test"), "{error}");
        Ok(())
    })
}

#[test]
fn a_connector_can_be_used_again_and_by_several_at_once() -> Result<()> {
    run(async |table| {
        let places = [Place::refuses(v4())?, Place::listens(v4()).await?];
        fill(&table, &places);
        let connector = TcpStream::connector();
        let connects = (0..20).map(|_| connector.connect(HOST));
        let streams = oneloop::try_gather(connects).await?;
        assert!(streams.iter().all(|stream| stream.peer_addr().ok() == Some(places[1].addr())));
        Ok(())
    })
}

#[test]
fn without_a_loop_it_is_an_error() {
    let addrs = [SocketAddr::from(([127, 0, 0, 1], 9)), SocketAddr::from(([127, 0, 0, 1], 10))];
    for addrs in [&addrs[..1], &addrs[..]] {
        let mut connect = Box::pin(TcpStream::connect(addrs));
        let Poll::Ready(result) = connect.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("it has nothing to wait for");
        };
        let error = failure(result);
        assert!(error.to_string().contains("`oneloop::run`"), "{error}");
    }
}
