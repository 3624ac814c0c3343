//! The roles of the program. It reports with `eprintln!`, because the test harness writes a line to
//! standard output.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "that is how it tells")]
#![expect(clippy::exit, reason = "it is a process of its own, whose end is a part of its role")]

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Result, Seek as _};
use std::os::fd::AsFd as _;
use std::pin::pin;
use std::process;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt};
use nix::unistd::dup2_stdout;
use oneloop::io::{StreamReader, StreamWriter, stderr, stdin, stdout};
use oneloop::{Builder, create_task, gather, timeout, yield_now};

use crate::program::ROLE;

const MS: Duration = Duration::from_millis(1);

#[test]
fn play() {
    let Ok(role) = env::var(ROLE) else { return };
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(60));
        eprintln!("it takes too long");
        process::exit(9);
    });
    let played = match role.as_str() {
        "read" => read(),
        "read lines" => read_lines(),
        "stream lines" => stream_lines(),
        "read with many handles" => read_with_many_handles(),
        "read by two tasks" => read_by_two_tasks(),
        "give up and read again" => give_up_and_read_again(),
        "read in two loops" => read_in_two_loops(),
        "abandon a read" => abandon_a_read(),
        "read through the trait" => read_through_the_trait(),
        "read without descriptors" => read_without_descriptors(),
        "answer" => answer(),
        "print and write" => print_and_write(),
        "write much" => write_much(),
        "write lines" => write_lines(),
        "write and leave" => write_and_leave(),
        "write to nobody" => write_to_nobody(),
        "write to a full disk" => write_to_a_full_disk(),
        "write through a stream" => write_through_a_stream(),
        "write to error" => write_to_error(),
        "write by two tasks" => write_by_two_tasks(),
        "read under virtual time" => read_under_virtual_time(),
        "write under virtual time" => write_under_virtual_time(),
        "write without a loop" => write_without_a_loop(),
        _ => panic!("there is no role `{role}`"),
    };
    if let Err(error) = played {
        eprintln!("{:?}: {error}", error.kind());
    }
    // The test harness would add nothing, and might not be able to.
    process::exit(0);
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Reads everything, and reports whether threads and descriptors remain.
fn read() -> Result<()> {
    let before = (count("/proc/self/task"), count("/proc/self/fd"));
    let len = oneloop::run(async {
        let mut all = Vec::new();
        let len = stdin().read_to_end(&mut all).await?;
        assert_eq!(stdin().read(&mut [0; 8]).await?, 0);
        assert_eq!(stdin().read(&mut []).await?, 0);
        let sum: u64 = all.iter().map(|&byte| u64::from(byte)).sum();
        eprintln!("{len} bytes, sum {sum}");
        Result::Ok(len)
    })?;
    let after = (count("/proc/self/task"), count("/proc/self/fd"));
    if len > 0 {
        eprintln!("threads {:+}, descriptors {:+}", after.0 - before.0, after.1 - before.1);
    }
    Ok(())
}

fn read_lines() -> Result<()> {
    oneloop::run(async {
        let stdin = stdin();
        loop {
            let mut line = "> ".to_owned();
            match stdin.read_line(&mut line).await {
                Ok(0) => return Ok(()),
                Ok(len) => eprintln!("{len} {line:?}"),
                Err(error) => {
                    eprintln!("{:?}: {error}", error.kind());
                    let mut buf = vec![0; 1 << 21];
                    eprintln!("{} there", stdin.read(&mut buf).await?);
                }
            }
        }
    })
}

fn stream_lines() -> Result<()> {
    oneloop::run(async {
        let mut lines = StreamReader::new(stdin()).lines();
        while let Some(line) = lines.next().await {
            eprintln!("{:?}", line?);
        }
        Ok(())
    })
}

/// One handle reads a line, another a piece, and a third the rest.
fn read_with_many_handles() -> Result<()> {
    oneloop::run(async {
        let (mut line, mut piece, mut rest) = (String::new(), [0; 3], Vec::new());
        stdin().read_line(&mut line).await?;
        let len = stdin().read(&mut piece).await?;
        stdin().read_to_end(&mut rest).await?;
        let rest = String::from_utf8_lossy(&rest);
        eprintln!("{line:?} {:?} {rest:?}", String::from_utf8_lossy(&piece[..len]));
        Ok(())
    })
}

/// Two tasks that wait at the same time.
fn read_by_two_tasks() -> Result<()> {
    oneloop::run(async {
        let read = async || {
            let stdin = stdin();
            let (mut line, mut lines) = (String::new(), 0);
            while stdin.read_line(&mut line).await? > 0 {
                lines += 1;
                yield_now().await;
            }
            Result::Ok((line, lines))
        };
        let waiting = gather!(read(), read());
        eprintln!("waiting");
        let (first, second) = waiting.await;
        let ((first, some), (second, others)) = (first?, second?);
        let mut all: Vec<&str> = first.lines().chain(second.lines()).collect();
        all.sort_unstable();
        eprintln!("{} {all:?}", some + others);
        Ok(())
    })
}

fn give_up_and_read_again() -> Result<()> {
    oneloop::run(async {
        let mut line = String::new();
        while timeout(MS, stdin().read_line(&mut line)).await.is_err() {
            assert_eq!(line, "");
            eprintln!("again");
        }
        eprintln!("got {line:?}");
        Ok(())
    })
}

fn read_in_two_loops() -> Result<()> {
    let read = || {
        oneloop::run(async {
            let mut line = String::new();
            stdin().read_line(&mut line).await?;
            eprintln!("{line:?}");
            Result::Ok(())
        })
    };
    read()?;
    thread::spawn(read).join().expect("no panic")
}

/// Ends while a read waits.
fn abandon_a_read() -> Result<()> {
    oneloop::run(async {
        let reader = create_task(async { stdin().read(&mut [0; 8]).await });
        assert!(timeout(MS, stdin().read(&mut [0; 8])).await.is_err());
        assert!(!reader.is_finished());
        eprintln!("leaving");
        Ok(())
    })
}

fn read_through_the_trait() -> Result<()> {
    oneloop::run(async {
        let (mut text, mut stdin) = (String::new(), stdin());
        stdin.read_to_string(&mut text).await?;
        eprintln!("{text:?}");
        Ok(())
    })
}

fn read_without_descriptors() -> Result<()> {
    oneloop::run(async {
        // The reactor exists already.
        oneloop::sleep(MS).await;
        let mut hoard = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            hoard.push(file);
        }
        let (mut line, mut rest) = (String::new(), Vec::new());
        stdin().read_line(&mut line).await?;
        stdout().write_all(b"there").await?;
        drop(hoard);
        stdin().read_to_end(&mut rest).await?;
        eprintln!("{line:?} {:?}", String::from_utf8_lossy(&rest));
        Ok(())
    })
}

/// As a person would use it.
fn answer() -> Result<()> {
    assert!(stdin().is_terminal() && stdout().is_terminal());
    oneloop::run(async {
        let (stdin, stdout) = (stdin(), stdout());
        loop {
            stdout.write_all(b"name? ").await?;
            let mut name = String::new();
            if stdin.read_line(&mut name).await? == 0 {
                return stdout.write_all(b"bye\n").await;
            }
            stdout.write_all(format!("hello {}\n", name.trim()).as_bytes()).await?;
        }
    })
}

fn print_and_write() -> Result<()> {
    oneloop::run(async {
        print!("<one,");
        stdout().write_all(b"two,").await?;
        print!("three,");
        println!("four");
        let mut stdout = stdout();
        AsyncWriteExt::write_all(&mut stdout, b"five,").await?;
        stdout.flush().await?;
        println!("six>");
        Ok(())
    })
}

/// The reader counts the bytes.
const MUCH: usize = 1 << 20;

/// Writes a thousand lines, and reports how often this thread gave the processor up voluntarily.
fn write_lines() -> Result<()> {
    let waits = || -> Result<u32> {
        let status = fs::read_to_string("/proc/thread-self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let waits = line.and_then(|waits| waits.trim().parse::<u32>().ok());
        Ok(waits.ok_or(ErrorKind::InvalidData)?)
    };
    let before = waits()?;
    oneloop::run(async {
        for n in 0..1000 {
            stdout().write_all(format!("line {n}\n").as_bytes()).await?;
        }
        Result::Ok(())
    })?;
    eprintln!("{}", waits()? - before);
    Ok(())
}

fn write_much() -> Result<()> {
    let before = (count("/proc/self/task"), count("/proc/self/fd"));
    oneloop::run(async { stdout().write_all(&vec![b'#'; MUCH]).await })?;
    let after = (count("/proc/self/task"), count("/proc/self/fd"));
    eprintln!("threads {:+}, descriptors {:+}", after.0 - before.0, after.1 - before.1);
    Ok(())
}

/// Writes to a file through the trait, without waiting for it, and reports the length of the file
/// once the loop has ended.
fn write_and_leave() -> Result<()> {
    oneloop::run(async {
        let mut stdout = stdout();
        let mut rest = MUCH;
        while rest > 0 {
            rest -= AsyncWriteExt::write(&mut stdout, &vec![b'#'; rest]).await?;
        }
        Result::Ok(())
    })?;
    let mut file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    eprintln!("at least {MUCH}: {}", file.stream_position()? >= MUCH as u64);
    Ok(())
}

/// The reader goes away.
fn write_to_nobody() -> Result<()> {
    eprintln!("ready");
    oneloop::run(async {
        loop {
            stdout().write_all(b"is there anybody?").await?;
            yield_now().await;
        }
    })
}

/// The device that is always full becomes standard output only here, because the harness would not
/// start with it.
fn write_to_a_full_disk() -> Result<()> {
    dup2_stdout(OpenOptions::new().write(true).open("/dev/full")?)?;
    oneloop::run(async {
        let write = stdout().write_all(b"a line\n").await;
        eprintln!("{:?}", write.err().map(|error| error.kind()));
        // A thread writes this much. The write was not awaited, so the next one returns its error.
        let mut stdout = stdout();
        let much = vec![b'#'; 20_000];
        assert_eq!(AsyncWriteExt::write(&mut stdout, &much).await?, much.len());
        let flush = stdout.flush().await;
        eprintln!("{:?}", flush.err().map(|error| error.kind()));
        stdout.flush().await?;
        // The end of the loop reports the error of this one.
        assert_eq!(AsyncWriteExt::write(&mut stdout, &much).await?, much.len());
        Ok(())
    })
}

fn write_through_a_stream() -> Result<()> {
    oneloop::run(async {
        let mut writer = StreamWriter::new(stdout());
        for number in 0..1000 {
            writer.write(format!("<{number}>"));
        }
        writer.close();
        writer.wait_closed().await
    })
}

fn write_to_error() -> Result<()> {
    assert!(!io::stderr().is_terminal() && !stderr().is_terminal());
    oneloop::run(async {
        stderr().write_all(b"one,").await?;
        eprint!("two,");
        stderr().write_all(b"three\n").await
    })
}

fn write_by_two_tasks() -> Result<()> {
    oneloop::run(async {
        let write = async |text: &[u8]| {
            for _ in 0..20 {
                stdout().write_all(text).await?;
            }
            Result::Ok(())
        };
        let (first, second) = gather!(write(b"<aaa>"), write(b"<bbb>")).await;
        first.and(second)
    })
}

const HOUR: Duration = Duration::from_secs(3600);

fn read_under_virtual_time() -> Result<()> {
    Builder::new().virtual_time(true).run(async {
        let (mut stdin, mut buf) = (stdin(), [0; 2]);
        for _ in 0..2 {
            eprintln!("reading");
            eprintln!("{:?}", timeout(HOUR, stdin.read(&mut buf)).await.ok().transpose()?);
        }
        eprintln!("reading");
        let read = futures::AsyncReadExt::read(&mut stdin, &mut buf);
        eprintln!("{:?}", timeout(HOUR, read).await.ok().transpose()?);
        Ok(())
    })
}

/// The reader begins when the writer has reported.
fn write_under_virtual_time() -> Result<()> {
    Builder::new().virtual_time(true).run(async {
        let (mut stdout, much) = (stdout(), vec![b'x'; MUCH]);
        eprintln!("writing");
        eprintln!("{:?}", timeout(HOUR, stdout.write_all(&much)).await.ok().transpose()?);
        // The end of the loop waits for this one.
        AsyncWriteExt::write_all(&mut stdout, &much).await?;
        eprintln!("leaving");
        Ok(())
    })
}

fn write_without_a_loop() -> Result<()> {
    let mut stdout = stdout();
    let write = poll_once(stdout.write_all(b"x"));
    if let Err(error) = &write {
        eprintln!("{error}");
    }
    assert!(write.is_err());
    poll_once(AsyncWriteExt::write_all(&mut stdout, b"x"))
}

/// Operations that do not have to wait.
fn poll_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}
