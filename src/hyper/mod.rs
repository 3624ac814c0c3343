//! Hyper on this loop: its executor and its timer. Needs the feature `hyper`.
//!
//! With the feature, oneloop's streams have hyper's own [`Read`](rt::Read) and
//! [`Write`](rt::Write), so a connection needs no wrapper. [`Executor`] runs hyper's tasks in the
//! loop, and they need not be `Send`. [`Timer`] gives hyper its time limits, by the clock of the
//! loop: under [virtual time](crate::Builder::virtual_time) they take no time.
//!
//! # Examples
//!
//! A server for HTTP/1.1 and one client. The service shares an `Rc`:
//!
//! ```
//! use std::cell::Cell;
//! use std::convert::Infallible;
//! use std::rc::Rc;
//!
//! use hyper::body::Incoming;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, server};
//! use oneloop::hyper::Timer;
//! use oneloop::net::{TcpListener, TcpStream};
//!
//! oneloop::run(async {
//!     let served = Rc::new(Cell::new(0));
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     let count = Rc::clone(&served);
//!     let server = oneloop::create_task(async move {
//!         let (stream, _) = listener.accept().await?;
//!         let hello = service_fn(async |_request: Request<Incoming>| {
//!             count.set(count.get() + 1);
//!             Ok::<_, Infallible>(Response::new("hello".to_owned()))
//!         });
//!         let mut http = server::conn::http1::Builder::new();
//!         http.timer(Timer);
//!         http.serve_connection(stream, hello).await.map_err(std::io::Error::other)
//!     });
//!
//!     let (mut reader, mut writer) = TcpStream::connect(addr).await?.into_streams();
//!     writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
//!     let answer = String::from_utf8(reader.read_to_end().await?).unwrap();
//!     assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"));
//!     server.await.unwrap()?;
//!     assert_eq!(served.get(), 1);
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

use std::pin::Pin;
use std::time::{Duration, Instant};

use ::hyper::rt;

use crate::task::create_task;
use crate::time::{self, Sleep};

/// Runs hyper's tasks in the loop of the thread that calls it. The tasks need not be `Send`.
///
/// A panic of such a task is [reported](crate::Builder::on_unhandled). When the loop ends, tasks
/// that are left are cancelled.
///
/// # Panics
///
/// `execute` panics where no loop runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor;

impl<F> rt::Executor<F> for Executor
where
    F: Future<Output: 'static> + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(create_task(future));
    }
}

/// Hyper's clock and timers, from the loop of the thread that calls it.
///
/// # Panics
///
/// Its sleeps panic when polled where no loop runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(time::sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(time::sleep_until(deadline))
    }

    fn now(&self) -> Instant {
        time::now()
    }
}

impl rt::Sleep for Sleep {}
