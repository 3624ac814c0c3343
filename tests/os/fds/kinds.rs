//! Descriptors for which oneloop has no type, as programs use them through `AsyncFd`.

use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use nix::pty::openpty;
use oneloop::io::{AsyncFd, Interest};
use oneloop::{create_task, gather, yield_now};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::env;
    use std::fs;
    use std::io::Result;
    use std::process;
    use std::time::{Duration, Instant};

    use nix::sys::eventfd::{EfdFlags, EventFd};
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
    use oneloop::io::{AsyncFd, Interest};
    use oneloop::{create_task, yield_now};

    #[oneloop::test]
    async fn a_timer_descriptor_expires_again_and_again() -> Result<()> {
        const MS: Duration = Duration::from_millis(1);
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        let timer = AsyncFd::with_interest(timer, Interest::Read)?;
        #[expect(clippy::disallowed_methods, reason = "the kernel's timer knows no other clock")]
        let start = Instant::now();
        let ticks = Expiration::IntervalDelayed((2 * MS).into(), MS.into());
        timer.get_ref().set(ticks, TimerSetTimeFlags::empty())?;
        for _ in 0..3 {
            timer.read_with(|timer| Ok(timer.wait()?)).await?;
        }
        assert!(start.elapsed() >= Duration::from_millis(4));
        Ok(())
    }

    #[oneloop::test]
    async fn an_event_descriptor_counts_and_takes_no_more_than_it_can() -> Result<()> {
        let event = AsyncFd::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?)?;
        // Its largest value.
        event.write_with(|event| Ok(event.write(u64::MAX - 1)?)).await?;
        let full = event.try_write_with(|event| Ok(event.write(1)?));
        assert!(full.is_err());
        oneloop::gather!(
            async { event.write_with(|event| Ok(event.write(7)?)).await.unwrap() },
            async {
                assert_eq!(event.read_with(|event| Ok(event.read()?)).await.unwrap(), u64::MAX - 1);
                assert_eq!(event.read_with(|event| Ok(event.read()?)).await.unwrap(), 7);
            }
        )
        .await;
        Ok(())
    }

    #[oneloop::test]
    async fn a_change_in_a_directory_is_noticed() -> Result<()> {
        let folder = env::temp_dir().join(format!("oneloop-inotify-{}", process::id()));
        fs::create_dir(&folder)?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(&folder, AddWatchFlags::IN_CREATE)?;
        let inotify = AsyncFd::with_interest(inotify, Interest::Read)?;
        let watcher = create_task(async move {
            let events = inotify.read_with(|inotify| Ok(inotify.read_events()?)).await?;
            Result::Ok(events[0].name.clone())
        });
        yield_now().await;
        assert!(!watcher.is_finished());
        fs::write(folder.join("news"), "")?;
        assert_eq!(watcher.await??.unwrap(), "news");
        fs::remove_dir_all(&folder)
    }
}

#[oneloop::test]
async fn a_terminal_gives_a_line_when_it_is_complete_and_the_end_after_ctrl_d() -> Result<()> {
    let terminal = openpty(None, None)?;
    let mut keyboard = File::from(terminal.master);
    let mut terminal = AsyncFd::new(File::from(terminal.slave))?;
    keyboard.write_all(b"hel")?;
    let mut buf = [0; 64];
    let early = terminal.try_read_with(|mut terminal| terminal.read(&mut buf));
    assert_eq!(early.unwrap_err().kind(), ErrorKind::WouldBlock);
    let typing = async {
        yield_now().await;
        keyboard.write_all(b"lo\n\x04").unwrap();
    };
    let reading = async {
        let len = terminal.read(&mut buf).await.unwrap();
        assert_eq!(&buf[..len], b"hello\n");
        assert_eq!(terminal.read(&mut buf).await.unwrap(), 0);
    };
    gather!(reading, typing).await;
    // A terminal does not end for good when it reports an end.
    keyboard.write_all(b"again\n")?;
    assert_eq!(terminal.read(&mut buf).await?, 6);

    terminal.write_all(b"echo\n").await?;
    terminal.flush().await?;
    let mut shown = [0; 20];
    keyboard.read_exact(&mut shown)?;
    assert!(shown.ends_with(b"again\r\necho\r\n"), "{}", shown.escape_ascii());
    Ok(())
}

#[oneloop::test]
async fn a_datagram_socket_waits_and_racing_receivers_share_what_comes() -> Result<()> {
    let ours = AsyncFd::new(UdpSocket::bind("127.0.0.1:0")?)?;
    let theirs = UdpSocket::bind("127.0.0.1:0")?;
    let addr = ours.get_ref().local_addr()?;
    let receive = async || {
        let mut buf = [0; 16];
        ours.read_with(|socket| socket.recv(&mut buf)).await.unwrap();
        buf[0]
    };
    let send = async {
        yield_now().await;
        for number in 1..=3 {
            theirs.send_to(&[number], addr).unwrap();
        }
    };
    let (first, second, third, ()) = gather!(receive(), receive(), receive(), send).await;
    let mut got = [first, second, third];
    got.sort_unstable();
    assert_eq!(got, [1, 2, 3]);
    Ok(())
}

#[oneloop::test]
async fn a_socket_reads_and_writes_through_the_traits() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let (mut ours, mut theirs) = (AsyncFd::new(ours)?, AsyncFd::new(theirs)?);
    let data = vec![7; 1 << 20];
    let writing = async {
        ours.write_all(&data).await?;
        ours.close().await?;
        drop(ours);
        Result::Ok(())
    };
    let mut read = Vec::new();
    let (written, len) = gather!(writing, theirs.read_to_end(&mut read)).await;
    written?;
    assert_eq!(len?, data.len());
    assert!(read == data);
    Ok(())
}

#[oneloop::test]
async fn what_another_library_reads_is_waited_for() -> Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    // As the library made it: in blocking mode.
    let ours = AsyncFd::watch(ours, Interest::Read)?;
    let got = Rc::new(Cell::new(0));
    let count = Rc::clone(&got);
    let library = create_task(async move {
        while count.get() < 9 {
            ours.readable().await?;
            count.set(count.get() + ours.get_ref().read(&mut [0; 64])?);
        }
        Result::Ok(())
    });
    for so_far in [3, 6, 9] {
        yield_now().await;
        theirs.write_all(b"abc")?;
        while got.get() < so_far {
            yield_now().await;
        }
    }
    library.await?
}
