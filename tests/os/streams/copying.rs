//! `copy` and `copy_bidirectional`: all of the data, the end, and errors of either side.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::rc::Rc;

use futures::io::{Cursor, sink};
use oneloop::io::{copy, copy_bidirectional, duplex};
use oneloop::net::TcpStream;
use oneloop::thread::to_thread;
use oneloop::{create_task, gather};

use super::{Act, Script, Sink, run, settle, std_pair, waits};

#[test]
fn copy_goes_to_the_end_and_flushes() -> Result<()> {
    run(async {
        let sink = Sink::with_room(usize::MAX);
        let from = Script::pieces(["one ", "two ", "three"]);
        assert_eq!(copy(from, sink.clone()).await?, 13);
        assert_eq!(sink.data(), b"one two three");
        let taken = sink.0.borrow();
        assert_eq!((taken.flushes, taken.closes), (1, 0));
        Ok(())
    })
}

#[test]
fn copy_flushes_while_nothing_comes_in() -> Result<()> {
    run(async {
        let sink = Sink::with_room(usize::MAX);
        let acts = [Act::Give(b"one".to_vec()), Act::Wait, Act::Give(b"two".to_vec())];
        {
            let mut copying = pin!(copy(Script::of(acts), sink.clone()));
            assert!(waits(&mut copying).await);
            assert_eq!((sink.data(), sink.0.borrow().flushes), (b"one".to_vec(), 1));
            assert_eq!(copying.await?, 6);
        }
        assert_eq!(sink.0.borrow().flushes, 2);
        Ok(())
    })
}

#[test]
fn copy_waits_for_a_slow_writer() -> Result<()> {
    run(async {
        let sink = Sink::with_room(100);
        let data: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let copying = {
            let (data, sink) = (data.clone(), sink.clone());
            create_task(async move { copy(&data[..], sink).await })
        };
        for _ in 0..10 {
            settle().await;
            assert!(!copying.is_finished());
            sink.grow(30_000);
        }
        assert_eq!(copying.await.unwrap()?, 300_000);
        assert!(sink.data() == data);
        Ok(())
    })
}

#[test]
fn copy_gives_the_errors_of_both_sides() -> Result<()> {
    run(async {
        let acts = [Act::Give(b"one".to_vec()), Act::Fail(ErrorKind::ConnectionReset.into())];
        let sink = Sink::with_room(usize::MAX);
        let error = copy(Script::of(acts), sink.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(sink.data(), b"one", "what came before is written");
        sink.fail(ErrorKind::BrokenPipe);
        let error = copy(&b"two"[..], sink).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        let mut none = [0; 0];
        let full = Cursor::new(&mut none[..]);
        assert_eq!(copy(&b"x"[..], full).await.unwrap_err().kind(), ErrorKind::WriteZero);
        let acts = [Act::Fail(Error::from(ErrorKind::Interrupted)), Act::Give(b"x".to_vec())];
        assert_eq!(copy(Script::of(acts), Sink::with_room(9)).await?, 1);
        Ok(())
    })
}

#[test]
fn a_copy_that_never_waits_lets_others_run() -> Result<()> {
    run(async {
        let turns = Rc::new(Cell::new(0));
        let count = Rc::clone(&turns);
        create_task(async move {
            loop {
                count.set(count.get() + 1);
                oneloop::yield_now().await;
            }
        })
        .detach();
        let data = vec![0; 64 << 20];
        copy(&data[..], sink()).await?;
        assert!(turns.get() >= 5, "{} turns", turns.get());
        Ok(())
    })
}

#[test]
fn a_proxy_passes_on_both_directions_and_their_ends() -> Result<()> {
    run(async {
        let ((mut client, near), (mut server, far)) = (std_pair()?, std_pair()?);
        let (near, far) = (TcpStream::from_std(near)?, TcpStream::from_std(far)?);
        let proxy = create_task(async move { copy_bidirectional(near, far).await });
        let serving = to_thread(move || {
            let mut question = String::new();
            server.read_to_string(&mut question)?;
            server.write_all(format!("the answer to {question}").as_bytes())?;
            Result::Ok(())
        });
        let asking = to_thread(move || {
            client.write_all(b"a question")?;
            client.shutdown(Shutdown::Write)?;
            let mut answer = String::new();
            client.read_to_string(&mut answer)?;
            Result::Ok(answer)
        });
        let (answer, done) = gather!(asking, serving).await;
        done?;
        assert_eq!(answer?, "the answer to a question");
        assert_eq!(proxy.await.unwrap()?, (10, 24));
        Ok(())
    })
}

#[test]
fn much_data_goes_through_a_proxy() -> Result<()> {
    const LEN: usize = 8 << 20;
    run(async {
        let ((mut client, near), (mut server, far)) = (std_pair()?, std_pair()?);
        let (near, far) = (TcpStream::from_std(near)?, TcpStream::from_std(far)?);
        let proxy = create_task(async move { copy_bidirectional(&near, &far).await });
        let receiving = to_thread(move || {
            let mut data = Vec::new();
            server.read_to_end(&mut data)?;
            server.write_all(&data[..100])?;
            Result::Ok(data.len())
        });
        let sending = to_thread(move || {
            client.write_all(&vec![7; LEN])?;
            client.shutdown(Shutdown::Write)?;
            client.read_to_end(&mut Vec::new())
        });
        let (sent, received) = gather!(sending, receiving).await;
        assert_eq!((sent?, received?), (100, LEN));
        assert_eq!(proxy.await.unwrap()?, (LEN as u64, 100));
        Ok(())
    })
}

#[test]
fn an_error_of_one_side_ends_a_proxy() -> Result<()> {
    run(async {
        let (client, near) = duplex(64);
        let (far, server) = duplex(64);
        let proxy = create_task(async move { copy_bidirectional(near, far).await });
        client.write_all(b"hello").await?;
        settle().await;
        drop(server);
        client.write_all(b"hello?").await?;
        assert_eq!(proxy.await.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(client.read(&mut [0]).await?, 0, "the proxy has closed both connections");
        Ok(())
    })
}
