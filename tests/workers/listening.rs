//! The ports that workers share, and the work that they send each other.

use std::io::{self, ErrorKind};
use std::net;
use std::panic::catch_unwind;
use std::thread;

use oneloop::net::{TcpListener, TcpStream};
use oneloop::thread::to_thread;
use oneloop::{gather, run, select, sleep, workers};

use crate::{ANY_PORT, MS, alone, ask, message};

#[test]
fn all_listen_at_the_one_port_that_was_free() -> io::Result<()> {
    let _alone = alone();
    let addrs = workers(3).run(async |worker| {
        let first = worker.listen(ANY_PORT).await?;
        let second = worker.listen(ANY_PORT).await?;
        let by_name = worker.listen("localhost:0").await?;
        io::Result::Ok([first.local_addr()?, second.local_addr()?, by_name.local_addr()?])
    })?;
    let addrs = addrs.into_iter().collect::<io::Result<Vec<_>>>()?;
    assert!(addrs.iter().all(|of_worker| *of_worker == addrs[0]), "{addrs:?}");
    assert_ne!(addrs[0][0].port(), 0);
    assert_ne!(addrs[0][0], addrs[0][1]);
    Ok(())
}

#[test]
fn a_worker_may_listen_again_at_a_port_that_all_share() -> io::Result<()> {
    let _alone = alone();
    let free = net::TcpListener::bind(ANY_PORT)?.local_addr()?;
    let addrs = workers(2).try_run(async |worker| {
        let (first, second) = (worker.listen(free).await?, worker.listen(free).await?);
        io::Result::Ok([first.local_addr()?, second.local_addr()?])
    })?;
    assert_eq!(addrs, [[free; 2]; 2]);
    Ok(())
}

#[test]
fn connections_come_to_all_workers() -> io::Result<()> {
    const EACH: usize = 20;
    let _alone = alone();
    let accepted = workers(2).run(async |worker| {
        let listener = worker.listen(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        if worker.index() == 0 {
            let all = worker.clone();
            thread::spawn(move || {
                let mut answers = [0; 2];
                // The kernel chooses at random.
                while answers.iter().any(|count| *count < EACH) {
                    answers[ask(addr).unwrap().parse::<usize>().unwrap()] += 1;
                }
                all.stop();
            });
        }
        let mut count = 0;
        loop {
            let (stream, _addr) = select! {
                () = worker.stopping() => return io::Result::Ok(count),
                accepted = listener.accept() => accepted?,
            };
            stream.write_all(worker.index().to_string().as_bytes()).await?;
            count += 1;
        }
    })?;
    assert!(accepted.into_iter().all(|count| count.unwrap() >= EACH));
    Ok(())
}

#[test]
fn a_port_of_another_program_is_not_shared_with_it() -> io::Result<()> {
    let _alone = alone();
    run(async {
        let theirs = TcpListener::builder().reuse_port(true).bind(ANY_PORT).await?;
        let addr = theirs.local_addr()?;
        let ours = thread::spawn(move || {
            workers(2).run(async |worker| worker.listen(addr).await.map(|_| ()))
        });
        for result in ours.join().unwrap()? {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse);
            assert!(
                error.to_string().starts_with(&format!("cannot listen at {addr}: ")),
                "{error}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_connection_may_move_to_another_worker() -> io::Result<()> {
    let _alone = alone();
    let answers = workers(2).run(async |worker| {
        if worker.index() == 1 {
            worker.stopping().await;
            return io::Result::Ok(None);
        }
        let listener = worker.listen(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let client = to_thread(move || ask(addr));
        let serve = async {
            let (stream, _addr) = listener.accept().await?;
            // Data that has been read here stays here, and the rest is read there.
            stream.write_all(b"from 0, then ").await?;
            let stream = stream.into_std()?;
            let there = async move || {
                let stream = TcpStream::from_std(stream)?;
                let name = thread::current().name().map(str::to_owned);
                stream.write_all(name.unwrap().as_bytes()).await
            };
            worker.handle(1).create_task_threadsafe(there).await??;
            io::Result::Ok(())
        };
        let (answer, served) = gather!(client, serve).await;
        served?;
        worker.stop();
        answer.map(Some)
    })?;
    let answer = answers.into_iter().next().unwrap()?;
    assert_eq!(answer.as_deref(), Some("from 0, then worker-1"));
    Ok(())
}

#[test]
fn a_handle_of_a_worker_that_has_ended_says_so() -> io::Result<()> {
    let _alone = alone();
    let refused = workers(2).run(async |worker| {
        assert_eq!(worker.handles().len(), 2);
        assert_eq!(worker.handles()[1], worker.handle(1));
        if worker.index() == 1 {
            return true;
        }
        while worker.handle(1).call_soon_threadsafe(|| ()).is_ok() {
            sleep(MS).await;
        }
        true
    })?;
    assert_eq!(refused, [true, true]);
    let no_such = catch_unwind(|| workers(1).run(async |worker| worker.handle(7))).unwrap_err();
    assert_eq!(
        message(&*no_such),
        "worker 0 panicked: there is no worker 7: there are 1, and the first is 0"
    );
    Ok(())
}
