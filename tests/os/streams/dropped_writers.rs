//! Dropped writers: the loop sends the remaining data. No task waits for it, but the end of the run
//! does.

use std::any::Any;
use std::cell::RefCell;
use std::env;
use std::fs::File;
use std::future::pending;
use std::io::{self, Result};
use std::net;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_io::AsyncRead;
use oneloop::io::{StreamWriter, copy, pipe::pipe, split_streams};
use oneloop::net::{TcpStream, UnixStream};
use oneloop::{
    Builder, Runtime, TaskSet, create_task, gather, race, select, sleep, task_group, time, timeout,
    with_cleanup,
};

use super::{Sink, settle, std_pair};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
/// More than the kernel buffers for a peer that does not read.
const MUCH: usize = 16 << 20;

/// The reports, with their times by the clock of the loop.
#[derive(Clone, Default)]
struct Reports(Rc<RefCell<Vec<(Instant, String)>>>);

impl Reports {
    /// A loop with virtual time that records its reports.
    fn builder(&self) -> Builder {
        let list = Rc::clone(&self.0);
        Builder::new().virtual_time(true).on_unhandled(move |unhandled| {
            list.borrow_mut().push((time::now(), unhandled.to_string()));
        })
    }

    fn runtime(&self) -> Result<Runtime> {
        self.builder().build()
    }

    /// The texts. Each was reported this long after `start`.
    fn at(&self, start: Instant, after: Duration) -> Vec<String> {
        let reports = self.0.take();
        for (moment, report) in &reports {
            assert_eq!(*moment - start, after, "{report}");
        }
        reports.into_iter().map(|(_, report)| report).collect()
    }
}

/// A writer with much data, to a peer that never reads.
fn stuck() -> Result<(StreamWriter, net::TcpStream)> {
    let (peer, stream) = std_pair()?;
    let (_reader, mut writer) = TcpStream::from_std(stream)?.into_streams();
    writer.write(vec![7; MUCH]);
    Ok((writer, peer))
}

/// A writer with four bytes, to a sink with room for one.
fn stuck_at(sink: &Sink) -> StreamWriter {
    sink.grow(1);
    let mut writer = StreamWriter::new(sink.clone());
    writer.write("data");
    writer
}

#[test]
fn a_timeout_does_not_wait_for_what_its_writers_have_to_send() -> Result<()> {
    Reports::default().builder().run(async {
        let (mut writer, _peer) = stuck()?;
        let start = time::now();
        let body = async move { writer.drain().await };
        assert!(timeout(SECOND, body).await.is_err());
        assert_eq!(time::now() - start, SECOND);
        // A later one in the same task does not wait either.
        assert!(timeout(200 * MS, pending::<()>()).await.is_err());
        assert_eq!(time::now() - start, 1200 * MS);
        Ok(())
    })
}

#[test]
fn a_cancelled_task_ends_before_what_its_writer_has_left_is_sent() {
    Reports::default().builder().run(async {
        let sink = Sink::default();
        let mut writer = StreamWriter::new(sink.clone());
        let task = create_task(async move {
            writer.write(vec![1; 100_000]);
            writer.drain().await
        });
        settle().await;
        let start = time::now();
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!((time::now() - start, sink.data().len()), (Duration::ZERO, 0));
        sink.grow(usize::MAX);
        settle().await;
        assert_eq!(sink.data().len(), 100_000);
    });
}

#[test]
fn the_loop_sends_what_a_task_has_left_and_ends_the_direction() {
    Reports::default().builder().run(async {
        let sink = Sink::default();
        let mut writer = stuck_at(&sink);
        writer.write("!");
        create_task(async move { drop(writer) }).await.unwrap();
        assert_eq!(sink.data(), b"d");
        sink.grow(1);
        settle().await;
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"da".to_vec(), 0));
        sink.grow(9);
        settle().await;
        assert_eq!((sink.data(), sink.0.borrow().closes), (b"data!".to_vec(), 1));
    });
}

#[test]
fn uploads_in_a_gather_do_not_wait_for_one_another() -> Result<()> {
    Reports::default().builder().run(async {
        let mut peers = Vec::new();
        let mut upload = || {
            let (mut writer, peer) = stuck()?;
            peers.push(peer);
            Result::Ok(timeout(SECOND, async move { writer.drain().await }))
        };
        let start = time::now();
        let (a, b, c, d) = gather!(upload()?, upload()?, upload()?, upload()?).await;
        assert!(a.is_err() && b.is_err() && c.is_err() && d.is_err());
        assert_eq!(time::now() - start, SECOND);
        Ok(())
    })
}

#[test]
fn dead_writers_do_not_hold_up_a_live_one() {
    Reports::default().builder().run(async {
        let dead = Sink::default();
        let live = Sink::default();
        let writers: Vec<_> = (0..9).map(|_| stuck_at(&dead)).collect();
        drop((writers, stuck_at(&live)));
        sleep(MS).await;
        live.grow(9);
        settle().await;
        assert_eq!((live.data(), live.0.borrow().closes), (b"data".to_vec(), 1));
        assert_eq!(dead.0.borrow().closes, 0);
    });
}

#[test]
fn each_dropped_writer_has_the_time_of_a_cleanup_from_its_drop_on() -> Result<()> {
    let reports = Reports::default();
    reports.builder().cleanup_timeout(3 * SECOND).run(async {
        let sink = Sink::default();
        let writers = (stuck_at(&sink), stuck_at(&sink));
        sleep(SECOND).await;
        let start = time::now();
        drop(writers.0);
        sleep(SECOND).await;
        drop(writers.1);
        sleep(2 * SECOND + MS).await;
        let first = reports.at(start, 3 * SECOND);
        assert_eq!(first.len(), 1, "{first:?}");
        assert!(first[0].contains("did not take the last 3 bytes within 3 s"), "{first:?}");
        assert!(first[0].contains(file!()), "{first:?}");
        sleep(SECOND).await;
        assert_eq!(reports.at(start, 4 * SECOND).len(), 1);
        assert_eq!(sink.0.borrow().closes, 0);
        Ok(())
    })
}

#[test]
fn a_report_names_the_peer_and_the_bytes_that_it_did_not_take() -> Result<()> {
    let reports = Reports::default();
    let (start, addr, peer) = reports.builder().run(async {
        let (writer, peer) = stuck()?;
        let (addr, left) = (writer.peer_addr()?, writer.write_buffer_size());
        let start = time::now();
        drop(writer);
        sleep(6 * SECOND).await;
        Result::Ok((start, format!("peer {addr} did not take the last {left} bytes within 5 s; the connection was reset"), peer))
    })?;
    let texts = reports.at(start, 5 * SECOND);
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].ends_with(&addr), "{texts:?}");
    assert!(is_reset(peer), "the peer must not take what it has for all");
    Ok(())
}

#[test]
fn the_end_of_a_run_waits_for_all_dropped_writers_together() -> Result<()> {
    let reports = Reports::default();
    let mut runtime = reports.runtime()?;
    let sink = Sink::default();
    let start = runtime.run(async {
        let _writers: Vec<_> = (0..30).map(|_| stuck_at(&sink)).collect();
        time::now()
    });
    assert_eq!(reports.at(start, 5 * SECOND).len(), 30);
    runtime.shutdown();
    assert!(reports.0.take().is_empty());
    Ok(())
}

#[test]
fn the_end_of_the_loop_waits_for_all_dropped_writers_together() {
    let reports = Reports::default();
    let sink = Sink::default();
    let live = Sink::default();
    let start = reports.builder().run(async {
        for n in 0..30 {
            let (writer, live) = (stuck_at(&sink), live.clone());
            let task = create_task(async move {
                let _writer = writer;
                pending::<()>().await;
            });
            task.detach();
            if n == 7 {
                let writer = stuck_at(&live);
                create_task(async move {
                    // While the loop closes, the others have their turn.
                    let _grow = with_cleanup((), async move |()| {
                        sleep(SECOND).await;
                        live.grow(9);
                    });
                    let _writer = writer;
                    pending::<()>().await;
                })
                .detach();
            }
        }
        settle().await;
        time::now()
    });
    assert_eq!(reports.at(start, 5 * SECOND).len(), 30);
    assert_eq!((live.data(), live.0.borrow().closes), (b"data".to_vec(), 1));
}

#[test]
fn the_end_of_the_run_and_of_the_loop_have_one_limit_for_writers() {
    let reports = Reports::default();
    let sink = Sink::default();
    let start = reports.builder().run(async {
        let writer = stuck_at(&sink);
        create_task(async move {
            let _writer = writer;
            pending::<()>().await;
        })
        .detach();
        settle().await;
        let _writer = stuck_at(&sink);
        time::now()
    });
    let times: Vec<_> = reports.0.take().into_iter().map(|(moment, _)| moment - start).collect();
    assert_eq!(times, [5 * SECOND, 6 * SECOND], "the second one is dropped when the run is over");
}

#[test]
fn a_run_does_not_wait_for_writers_that_others_drop_while_it_ends() -> Result<()> {
    let reports = Reports::default();
    let mut runtime = reports.runtime()?;
    let sink = Sink::default();
    let server = sink.clone();
    let start = runtime.run(async {
        create_task(async move {
            loop {
                sleep(SECOND).await;
                drop(stuck_at(&server));
            }
        })
        .detach();
        let _writer = stuck_at(&sink);
        time::now()
    });
    let after = runtime.run(async { time::now() }) - start;
    assert!((5 * SECOND..12 * SECOND).contains(&after), "{after:?}");
    assert!(!reports.0.take().is_empty());
    Ok(())
}

#[test]
fn other_tasks_run_while_the_end_of_the_run_waits_for_a_writer() {
    let sink = Sink::default();
    let reader = sink.clone();
    Reports::default().builder().run(async {
        create_task(async move {
            sleep(SECOND).await;
            reader.grow(9);
        })
        .detach();
        let _writer = stuck_at(&sink);
    });
    assert_eq!(sink.data(), b"data");
}

/// Whether the peer reads an error instead of an orderly end.
pub(super) fn is_reset(mut peer: net::TcpStream) -> bool {
    io::copy(&mut peer, &mut io::sink()).is_err()
}

/// What a writer leads to, the writer, and its peer.
type Stuck = (&'static str, StreamWriter, Box<dyn Any>);

/// Writers with much data, to peers of all kinds that never read.
fn stuck_of_all_kinds() -> Result<Vec<Stuck>> {
    let much = |mut writer: StreamWriter| {
        writer.write(vec![7; MUCH]);
        writer
    };
    let (tcp, tcp_peer) = stuck()?;
    let (unix, unix_peer) = UnixStream::pair()?;
    let (_reader, unix) = unix.into_streams();
    let (pipe, pipe_peer) = pipe()?;
    let (split, split_peer) = UnixStream::pair()?;
    let (_reader, split) = split_streams(split);
    Ok(vec![
        ("tcp", tcp, Box::new(tcp_peer)),
        ("unix", much(unix), Box::new(unix_peer)),
        ("pipe", much(StreamWriter::new(pipe)), Box::new(pipe_peer)),
        ("split", much(split), Box::new(split_peer)),
    ])
}

/// Has each kind of stuck writer used by `within`, which has to return after one second.
fn ends_in_time(within: impl AsyncFn(StreamWriter)) -> Result<()> {
    Reports::default().builder().run(async {
        for (kind, writer, _peer) in stuck_of_all_kinds()? {
            let start = time::now();
            within(writer).await;
            assert_eq!(time::now() - start, SECOND, "{kind}");
        }
        Ok(())
    })
}

/// Gives bytes without end.
struct Endless;

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<Result<usize>> {
        buf.fill(7);
        Poll::Ready(Ok(buf.len()))
    }
}

async fn drain(mut writer: StreamWriter) -> Result<()> {
    writer.drain().await
}

#[test]
fn a_time_limit_is_kept_whatever_the_peer_of_a_dropped_writer_is() -> Result<()> {
    ends_in_time(async |writer| assert!(timeout(SECOND, drain(writer)).await.is_err()))?;
    ends_in_time(async |writer| {
        let task = create_task(drain(writer));
        sleep(SECOND).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
    })
}

#[test]
fn a_select_does_not_wait_for_what_the_writers_of_its_losers_have_to_send() -> Result<()> {
    ends_in_time(async |writer| {
        select! {
            _ = drain(writer) => unreachable!("the peer does not read"),
            () = sleep(SECOND) => {},
        }
    })?;
    ends_in_time(async |writer| {
        let losing = Box::pin(async { drain(writer).await.is_err() });
        let winning = Box::pin(async {
            sleep(SECOND).await;
            true
        });
        let both: [Pin<Box<dyn Future<Output = bool>>>; 2] = [losing, winning];
        assert!(race(both).await);
    })
}

#[test]
fn a_gather_a_group_and_a_set_do_not_wait_for_what_their_writers_have_to_send() -> Result<()> {
    ends_in_time(async |writer| {
        let both = gather!(drain(writer), pending::<()>());
        assert!(timeout(SECOND, both).await.is_err());
    })?;
    ends_in_time(async |writer| {
        let failing = async {
            sleep(SECOND).await;
            Err::<(), _>(io::Error::other("the other member fails"))
        };
        assert!(oneloop::try_gather!(drain(writer), failing).await.is_err());
    })?;
    ends_in_time(async |writer| {
        let mut set = TaskSet::new();
        set.create_task(drain(writer));
        assert!(timeout(SECOND, set.next()).await.is_err());
        drop(set);
    })?;
    ends_in_time(async |writer| {
        let group = task_group(async |group| {
            group.create_task(drain(writer));
            Ok::<_, io::Error>(())
        });
        assert!(timeout(SECOND, group).await.is_err());
    })
}

#[test]
fn a_time_limit_around_a_copy_or_a_file_is_kept() -> Result<()> {
    ends_in_time(async |writer| {
        assert!(timeout(SECOND, copy(Endless, writer)).await.is_err());
    })?;
    let file = File::open(env::current_exe()?)?;
    ends_in_time(async |mut writer| {
        let sending = async { writer.send_file(&file, ..).await };
        assert!(timeout(SECOND, sending).await.is_err());
        drop(writer);
    })
}
