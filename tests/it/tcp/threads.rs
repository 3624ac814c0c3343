//! Streams on other threads and other loops: using them fails with advice, and dropping them always
//! works.

use std::cell::RefCell;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::channel::oneshot;
use oneloop::net::{TcpListener, TcpStream};
use oneloop::{Runtime, yield_now};

use super::{ANY_PORT, failure, pair_with_std, run, waits};

/// Runs `f` on a thread called `other`.
fn on_other_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().name("other".into()).spawn(f);
    thread.expect("there is room for a thread").join().expect("it does not panic")
}

fn assert_names_both_threads(error: &Error, what: &str) {
    let here = thread::current();
    let here = here.name().expect("tests run on threads with names");
    let message = error.to_string();
    let start = format!("this {what} belongs to the loop of thread `{here}`, not of `other`:");
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains("into_std"), "{message}");
}

#[test]
fn use_on_another_thread_names_both_threads() -> Result<()> {
    run(async {
        let (stream, _peer) = pair_with_std()?;
        let stream = Arc::new(stream);
        let shared = Arc::clone(&stream);
        let errors = on_other_thread(move || {
            let with_loop = oneloop::run(async {
                let mut buf = [0; 8];
                [
                    failure(shared.read(&mut buf).await),
                    failure(shared.write(b"x").await),
                    failure(shared.readable().await),
                    failure(shared.peek(&mut buf).await),
                    failure(shared.write_all(b"x").await),
                ]
            });
            let without = [failure(shared.try_read(&mut [0; 8])), failure(shared.try_write(b"x"))];
            with_loop.into_iter().chain(without).collect::<Vec<_>>()
        });
        for error in &errors {
            assert_names_both_threads(error, "TcpStream");
        }
        // On its own thread it works as before.
        stream.write_all(b"x").await?;
        Ok(())
    })
}

#[test]
fn a_listener_on_another_thread_names_both_threads() -> Result<()> {
    run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let accept = move || oneloop::run(async move { failure(listener.accept().await) });
        assert_names_both_threads(&on_other_thread(accept), "TcpListener");
        Ok(())
    })
}

#[test]
fn into_std_on_another_thread_is_an_error_and_closes_the_stream() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let error = on_other_thread(move || failure(stream.into_std()));
        assert_names_both_threads(&error, "TcpStream");
        // Its key goes home, to end the registration there.
        peer.set_nonblocking(true)?;
        while peer.read(&mut [0; 8]).is_err() {
            yield_now().await;
        }
        Ok(())
    })
}

#[test]
fn a_connection_moves_to_the_loop_of_another_thread() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        peer.write_all(b"to the first")?;
        let mut buf = [0; 12];
        stream.read_exact(&mut buf).await?;
        peer.write_all(b" to the second")?;
        let stream = stream.into_std()?;
        let heard = on_other_thread(move || {
            oneloop::run(async {
                let stream = TcpStream::from_std(stream)?;
                let mut buf = [0; 14];
                stream.read_exact(&mut buf).await?;
                stream.write_all(b"and back").await?;
                Result::Ok((buf, stream.into_std()?))
            })
        });
        let (second, stream) = heard?;
        assert_eq!((&buf, &second), (b"to the first", b" to the second"));
        let stream = TcpStream::from_std(stream)?;
        stream.write_all(b" home").await?;
        drop(stream);
        let mut back = String::new();
        peer.read_to_string(&mut back)?;
        assert_eq!(back, "and back home");
        Ok(())
    })
}

#[test]
fn into_std_gives_a_stream_in_blocking_mode() -> Result<()> {
    run(async {
        let (stream, peer) = pair_with_std()?;
        let mut stream = stream.into_std()?;
        let writer = thread::spawn(move || (&peer).write_all(b"abc").map(|()| peer));
        let mut buf = [0; 3];
        stream.read_exact(&mut buf)?;
        assert_eq!(&buf, b"abc");
        let _peer = writer.join().expect("it does not panic")?;
        Ok(())
    })
}

#[test]
fn dropped_on_another_thread_the_peer_sees_the_end() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let (halves, mut halves_peer) = pair_with_std()?;
        let (read, write) = halves.into_split();
        let listener = TcpListener::bind(ANY_PORT).await?;
        let mut in_backlog = net::TcpStream::connect(listener.local_addr()?)?;
        on_other_thread(move || drop((stream, read, write, listener)));
        for peer in [&mut peer, &mut halves_peer, &mut in_backlog] {
            peer.set_nonblocking(true)?;
            while peer.read(&mut [0; 8]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                yield_now().await;
            }
        }
        Ok(())
    })
}

#[test]
fn dropped_on_another_thread_it_wakes_its_sleeping_loop_to_be_closed() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        // The reader waits for the loop, which waits for nothing else.
        let (sender, receiver) = oneshot::channel();
        let reader = thread::spawn(move || {
            let len = peer.read(&mut [0; 8]);
            sender.send(len).ok();
        });
        let dropper = thread::spawn(move || drop(stream));
        assert_eq!(receiver.await.map_err(Error::other)??, 0);
        reader.join().expect("it does not panic");
        dropper.join().expect("it does not panic");
        Ok(())
    })
}

#[test]
fn dropped_after_its_loop_has_ended_the_peer_sees_the_end() -> Result<()> {
    let (stream, mut peer) = run(async { pair_with_std() })?;
    drop(stream);
    assert_eq!(peer.read(&mut [0; 8])?, 0);

    let (stream, mut peer) = run(async { pair_with_std() })?;
    on_other_thread(move || drop(stream));
    assert_eq!(peer.read(&mut [0; 8])?, 0);

    let ((read, write), mut peer) =
        run(async { pair_with_std() }).map(|(s, p)| (s.into_split(), p))?;
    drop(write);
    assert_eq!(peer.read(&mut [0; 8])?, 0);
    drop(read);
    Ok(())
}

#[test]
fn use_in_a_later_loop_says_that_the_loop_has_ended() -> Result<()> {
    let (stream, mut peer) = run(async { pair_with_std() })?;
    peer.write_all(b"abc")?;
    run(async {
        // The new loop has a stream in the same slot.
        let (other, _others_peer) = pair_with_std()?;
        let mut buf = [0; 8];
        let errors = [
            failure(stream.read(&mut buf).await),
            failure(stream.write(b"x").await),
            failure(stream.try_read(&mut buf)),
            failure(stream.readable().await),
        ];
        for error in errors {
            assert!(error.to_string().contains("has ended"), "{error}");
        }
        assert_eq!(failure(other.try_read(&mut buf)).kind(), ErrorKind::WouldBlock);
        // Dropping it does not touch the other.
        drop(stream);
        other.write_all(b"x").await?;
        Ok(())
    })
}

#[test]
fn a_stream_lives_from_one_run_of_a_runtime_to_the_next() -> Result<()> {
    let mut runtime = Runtime::new()?;
    let (stream, mut peer) = runtime.run(async { pair_with_std() })?;
    let waiting = runtime.create_task(async move { stream.read(&mut [0; 8]).await });
    runtime.run(yield_now());
    peer.write_all(b"abc")?;
    assert_eq!(runtime.run(waiting)??, 3);
    Ok(())
}

#[test]
fn two_runtimes_of_one_thread_tell_their_streams_apart() -> Result<()> {
    let (mut first, mut second) = (Runtime::new()?, Runtime::new()?);
    let (stream, mut peer) = first.run(async { pair_with_std() })?;
    let error = second.run(async { failure(stream.read(&mut [0; 8]).await) });
    assert!(error.to_string().contains("a `Runtime` of this thread"), "{error}");
    peer.write_all(b"abc")?;
    assert_eq!(first.run(async { stream.read(&mut [0; 8]).await })?, 3);
    Ok(())
}

#[test]
fn dropped_between_two_runs_it_is_closed_at_once() -> Result<()> {
    let mut runtime = Runtime::new()?;
    let (stream, mut peer) = runtime.run(async { pair_with_std() })?;
    drop(stream);
    peer.set_read_timeout(Some(Duration::from_secs(60)))?;
    assert_eq!(peer.read(&mut [0; 8])?, 0, "the peer reads the end");
    Ok(())
}

thread_local! {
    static KEPT: RefCell<Option<TcpStream>> = const { RefCell::new(None) };
}

#[test]
fn kept_in_a_thread_local_it_is_closed_when_the_thread_ends() -> Result<()> {
    let mut peer = on_other_thread(|| {
        run(async {
            let (stream, peer) = pair_with_std()?;
            KEPT.set(Some(stream));
            Ok(peer)
        })
    })?;
    assert_eq!(peer.read(&mut [0; 8])?, 0);
    Ok(())
}

#[test]
fn a_waiting_read_may_be_dropped_on_another_thread() -> Result<()> {
    run(async {
        let (stream, mut peer) = pair_with_std()?;
        let stream = Arc::new(stream);
        let shared = Arc::clone(&stream);
        let mut read = Box::pin(async move { shared.read(&mut [0; 8]).await });
        assert!(waits(&mut read).await);
        on_other_thread(move || drop(read));
        let mut buf = [0; 8];
        let mut read = Box::pin(stream.read(&mut buf));
        assert!(waits(&mut read).await);
        peer.write_all(b"abc")?;
        assert_eq!(read.await?, 3);
        Ok(())
    })
}

#[test]
fn a_waiting_read_polled_on_another_thread_is_an_error_there() -> Result<()> {
    run(async {
        let (stream, _peer) = pair_with_std()?;
        let mut read = Box::pin(async move { stream.read(&mut [0; 8]).await });
        assert!(waits(&mut read).await);
        let error = on_other_thread(move || {
            match read.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => failure(result),
                Poll::Pending => panic!("nobody would wake it"),
            }
        });
        assert_names_both_threads(&error, "TcpStream");
        Ok(())
    })
}

#[test]
fn without_a_loop_a_stream_cannot_be_made_and_says_so() -> Result<()> {
    let listener = net::TcpListener::bind(ANY_PORT)?;
    let stream = net::TcpStream::connect(listener.local_addr()?)?;
    let error = failure(TcpStream::from_std(stream));
    assert!(error.to_string().contains("a TcpStream needs a running event loop"), "{error}");
    Ok(())
}

#[test]
fn many_streams_dropped_on_another_thread_are_all_closed() -> Result<()> {
    run(async {
        let (sender, receiver) = channel::<TcpStream>();
        let dropper = thread::spawn(move || receiver.into_iter().for_each(drop));
        for _ in 0..100 {
            let (stream, peer) = pair_with_std()?;
            sender.send(stream).map_err(Error::other)?;
            let peer = TcpStream::from_std(peer)?;
            assert_eq!(peer.read(&mut [0; 8]).await?, 0);
        }
        drop(sender);
        dropper.join().expect("it does not panic");
        Ok(())
    })
}
