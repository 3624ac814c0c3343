//! `Resolver`: finds the addresses of hosts.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::runtime::{Builder, LoopLocal, check_loop, local};
use crate::thread::{Call, Pool, PoolOptions, PoolRef};

/// The future of [`Resolver::resolve`].
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>>>>;

/// Finds the addresses of hosts. A loop asks the operating system unless its
/// [`Builder`](crate::Builder::resolver) was given another resolver.
///
/// The resolver is called on the loop's thread, in a task of its own, so neither it nor its future
/// has to be `Send`. It is asked for names only, since a numeric address needs no look-up.
/// Concurrent look-ups of the same name and port get one answer. Answers are not cached: a resolver
/// that wants to remember them does so itself. When all waiting tasks have gone, the future is
/// dropped.
///
/// A function from host and port to a future is a resolver too.
///
/// # Examples
///
/// ```
/// use oneloop::net::{Resolver, Resolving, SystemResolver, lookup_host};
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// /// Knows one more name than the system.
/// struct WithMine;
///
/// impl Resolver for WithMine {
///     fn resolve(&self, host: &str, port: u16) -> Resolving {
///         if host == "database.test" {
///             let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
///             return Box::pin(async move { Ok(vec![addr]) });
///         }
///         SystemResolver.resolve(host, port)
///     }
/// }
///
/// let addrs = oneloop::Builder::new().resolver(WithMine).run(lookup_host("database.test:5432"));
/// assert_eq!(addrs?[0].to_string(), "127.0.0.1:5432");
/// # std::io::Result::Ok(())
/// ```
pub trait Resolver {
    /// Returns the addresses of `host`, best first, each with `port`. An empty list counts as an
    /// error.
    fn resolve(&self, host: &str, port: u16) -> Resolving;
}

impl<F, A> Resolver for F
where
    F: Fn(String, u16) -> A,
    A: Future<Output = io::Result<Vec<SocketAddr>>> + 'static,
{
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        Box::pin(self(host.to_owned(), port))
    }
}

/// Asks the operating system, with `getaddrinfo`, on a look-up thread.
///
/// A loop has at most 32 such threads, used for nothing else. An unresponsive name server therefore
/// does not delay file reads, as it does in asyncio, nor the other way round. When 32 look-ups
/// hang, the next one waits until the system gives one of them up. A call cannot be stopped: a call
/// that no task waits for continues, and the end of [`run`](crate::run) does not wait for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move { on_thread(move || ask_system(&host, port)).await? })
    }
}

/// Runs `call` on a look-up thread.
async fn on_thread<R: Send + 'static>(call: impl FnOnce() -> R + Send + 'static) -> io::Result<R> {
    check_loop(WHAT)?;
    let mut call = Call::new(call);
    poll_fn(|cx| call.poll(cx, WHAT, pool)).await
}

const WHAT: &str = "look-up of a host";

/// The maximum number of concurrent calls of the operating system.
const THREADS_MAX: usize = 32;

/// How long a thread waits for its next call.
const IDLE_TIME: Duration = Duration::from_secs(10);

struct LookupPool(Pool);

impl AsRef<Pool> for LookupPool {
    fn as_ref(&self) -> &Pool {
        &self.0
    }
}

impl LoopLocal for LookupPool {}

fn pool() -> Option<PoolRef> {
    let options = PoolOptions {
        name: "oneloop-lookup",
        threads: THREADS_MAX,
        idle: IDLE_TIME,
        is_awaited: false,
    };
    let pool = local(|| LookupPool(Pool::new(options)))?;
    Some(pool)
}

fn ask_system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addrs = (host, port).to_socket_addrs();
    // The system's error has no kind of its own.
    let addrs = addrs.map_err(|error| io::Error::new(ErrorKind::NotFound, error))?;
    let mut unique = Vec::new();
    for addr in addrs {
        if !unique.contains(&addr) {
            unique.push(addr);
        }
    }
    Ok(unique)
}

/// A loop's resolver.
struct Chosen(Rc<dyn Resolver>);

impl LoopLocal for Chosen {}

/// Returns the resolver of this thread's loop, or `None` if no loop runs.
pub(super) fn current() -> Option<Rc<dyn Resolver>> {
    let chosen = local(|| Chosen(Rc::new(SystemResolver)))?;
    Some(Rc::clone(&chosen.0))
}

impl Builder {
    /// Uses `resolver` to look up host names, instead of the operating system.
    ///
    /// # Examples
    ///
    /// Tests, and programs with tables of their own, need no name server:
    ///
    /// ```
    /// use std::io;
    /// use std::net::SocketAddr;
    ///
    /// let table = |host: String, port: u16| async move {
    ///     match &host[..] {
    ///         "one.test" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
    ///         _ => Err(io::Error::new(io::ErrorKind::NotFound, "it is not in the table")),
    ///     }
    /// };
    /// oneloop::Builder::new().resolver(table).run(async {
    ///     assert!(oneloop::net::lookup_host("one.test:80").await.is_ok());
    ///     let error = oneloop::net::lookup_host("two.test:80").await.unwrap_err();
    ///     assert_eq!(error.to_string(), "cannot find the host `two.test`: it is not in the table");
    /// });
    /// ```
    pub fn resolver(self, resolver: impl Resolver + 'static) -> Self {
        self.with_local(Chosen(Rc::new(resolver)))
    }
}

impl fmt::Debug for dyn Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;
    use crate::runtime::run;
    use crate::task::{create_task, yield_now};
    use crate::thread::to_thread;

    #[test]
    fn calls_that_hang_hold_up_only_those_behind_them_and_not_the_end() {
        let (release, hang) = channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        let hanging = Arc::new(AtomicUsize::new(0));
        run(async {
            for _ in 0..THREADS_MAX {
                let (hang, hanging) = (Arc::clone(&hang), Arc::clone(&hanging));
                let call = move || {
                    hanging.fetch_add(1, Ordering::Relaxed);
                    hang.lock().unwrap().recv().ok();
                };
                drop(create_task(on_thread(call)));
            }
            while hanging.load(Ordering::Relaxed) < THREADS_MAX {
                yield_now().await;
            }
            let one_more = create_task(on_thread(|| thread::current().name().map(str::to_owned)));
            assert_eq!(to_thread(|| 7).await, 7, "files and the like have other threads");
            assert!(!one_more.is_finished());
            release.send(()).unwrap();
            let name = one_more.await.unwrap().unwrap();
            assert!(name.is_some_and(|name| name.starts_with("oneloop-lookup")));
        });
        // The other calls still hang.
        drop(release);
    }
}
