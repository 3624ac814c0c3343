//! The input and the output of a child.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Result, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::{env, process, thread};

use futures::AsyncReadExt as _;
use futures::io::copy;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use oneloop::fs::{File as LoopFile, temp_dir};
use oneloop::io::{AsyncWrite as _, pipe};
use oneloop::process::{Command, Stdio};
use oneloop::{create_task, sleep, timeout, try_gather};

use super::{Directory, MS, PATIENCE, line};

fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped())
}

#[oneloop::test]
async fn what_is_written_to_a_child_comes_back() -> Result<()> {
    let mut child = piped(&mut Command::new("cat")).spawn()?;
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for text in ["one\n", "two\n"] {
        stdin.write_all(text.as_bytes()).await?;
        assert_eq!(line(&stdout).await?, text.trim_end());
    }
    drop(stdin);
    assert_eq!(stdout.read(&mut [0]).await?, 0);
    assert!(child.wait().await?.success());
    Ok(())
}

#[oneloop::test]
async fn the_streams_are_those_of_generic_code_too() -> Result<()> {
    let mut child = piped(&mut Command::new("cat")).spawn()?;
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut text = String::new();
    let write = async {
        copy(&b"hello"[..], &mut stdin).await?;
        poll_fn(|cx| Pin::new(&mut stdin).poll_close(cx)).await
    };
    try_gather!(write, stdout.read_to_string(&mut text)).await?;
    assert_eq!(text, "hello");
    Ok(())
}

#[oneloop::test]
async fn communicate_feeds_and_drains_at_once() -> Result<()> {
    // More than the pipes hold: code that writes everything before it reads would wait for ever.
    let input = vec![b'x'; 1 << 20];
    let mut command = Command::shell("cat; echo done >&2");
    let mut child = piped(&mut command).stderr(Stdio::piped()).spawn()?;
    let output = timeout(PATIENCE, child.communicate(&input)).await??;
    assert!(output.status.success());
    assert!(output.stdout == input);
    assert_eq!(output.stderr, b"done\n");
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    Ok(())
}

#[oneloop::test]
async fn communicate_closes_stdin_also_without_input() -> Result<()> {
    let mut child = piped(&mut Command::new("cat")).spawn()?;
    let output = timeout(PATIENCE, child.communicate("")).await??;
    assert!(output.status.success() && output.stdout.is_empty());
    // The second call finds no more.
    assert!(child.communicate("").await?.stdout.is_empty());
    assert!(child.communicate("input").await?.stdout.is_empty());
    Ok(())
}

#[oneloop::test]
async fn communicate_does_not_mind_a_child_that_does_not_read() -> Result<()> {
    let input = vec![b'x'; 1 << 20];
    for script in ["exec true", "exec <&-; echo read nothing", "head -c9; exit 3"] {
        let mut child = piped(&mut Command::shell(script)).spawn()?;
        let output = timeout(PATIENCE, child.communicate(&input)).await??;
        let code = if script.ends_with('3') { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(code));
    }
    Ok(())
}

#[oneloop::test]
async fn input_without_a_pipe_is_an_error() -> Result<()> {
    let mut child = Command::new("cat").stdin(Stdio::null()).spawn()?;
    let error = child.communicate("input").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("Stdio::piped()"), "{error}");
    assert!(child.communicate("").await?.status.success());
    Ok(())
}

#[oneloop::test]
async fn communicate_that_is_broken_off_loses_nothing() -> Result<()> {
    let input: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let directory = Directory::new()?;
    let enough = directory.path("enough");
    let script =
        "head -c 300000; until [ -e \"$ENOUGH\" ]; do sleep 0.005; done; cat; echo end >&2";
    let mut command = Command::shell(script);
    let mut child = piped(command.env("ENOUGH", &enough)).stderr(Stdio::piped()).spawn()?;
    let mut times = 0;
    let output = loop {
        match timeout(MS, child.communicate(&input)).await {
            Ok(output) => break output?,
            Err(_) => times += 1,
        }
        if times == 5 {
            fs::write(&enough, "")?;
        }
    };
    assert!(output.stdout == input);
    assert_eq!(output.stderr, b"end\n");
    Ok(())
}

#[oneloop::test]
async fn a_broken_pipe_is_told_to_who_writes() -> Result<()> {
    let mut child = Command::new("true").stdin(Stdio::piped()).spawn()?;
    child.wait().await?;
    let stdin = child.stdin.take().unwrap();
    // A child of another thread may have inherited the other end, until it executes its program.
    timeout(PATIENCE, stdin.closed()).await??;
    assert_eq!(stdin.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    Ok(())
}

#[oneloop::test]
async fn output_is_there_after_the_end() -> Result<()> {
    let mut child = Command::new("echo").arg("late").stdout(Stdio::piped()).spawn()?;
    child.wait().await?;
    let mut text = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut text).await?;
    assert_eq!(text, b"late\n");
    Ok(())
}

#[oneloop::test]
async fn a_child_that_writes_for_ever_waits_for_its_reader() -> Result<()> {
    let mut child = Command::new("yes").stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().unwrap();
    let mut buf = vec![0; 1 << 20];
    stdout.read_exact(&mut buf).await?;
    assert!(buf.chunks(2).all(|line| line == b"y\n"));
    assert!(timeout(5 * MS, child.wait()).await.is_err());
    // Without a reader, SIGPIPE ends it.
    drop(stdout);
    assert!(!timeout(PATIENCE, child.wait()).await??.success());
    Ok(())
}

#[oneloop::test]
async fn null_reads_as_the_end_and_swallows() -> Result<()> {
    let mut command = Command::shell("cat; echo lost; echo lost >&2");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    let output = child.wait_with_output().await?;
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
    Ok(())
}

#[oneloop::test]
async fn output_gives_nothing_to_read_and_status_shares_nothing_it_was_not_told_to() -> Result<()> {
    let output = Command::shell("cat; echo out; echo err >&2; exit 4").output().await?;
    assert_eq!(output.status.code(), Some(4));
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    // A pipe from the child is at its end at once.
    let mut command = Command::new("cat");
    let status = command.stdin(Stdio::piped()).stdout(Stdio::null()).status();
    assert!(timeout(PATIENCE, status).await??.success());
    Ok(())
}

#[oneloop::test]
async fn a_file_serves_as_any_stream() -> Result<()> {
    let path = env::temp_dir().join(format!("oneloop-streams-{}", process::id()));
    fs::write(&path, "text\n")?;
    let mut copy = File::options().read(true).write(true).truncate(false).open(&path)?;
    copy.seek(SeekFrom::End(0))?;
    let mut command = Command::shell("cat; echo more; echo wrong >&2");
    command.stdin(File::open(&path)?).stdout(copy.try_clone()?).stderr_to_stdout();
    // The child reads its own output. It is short, so the child ends.
    command.stdin(File::open("/dev/null")?);
    assert!(command.status().await?.success());
    let mut text = String::new();
    copy.rewind()?;
    copy.read_to_string(&mut text)?;
    fs::remove_file(&path)?;
    assert_eq!(text, "text\nmore\nwrong\n");
    Ok(())
}

#[oneloop::test]
async fn a_file_of_the_loop_goes_on_where_it_was() -> Result<()> {
    let dir = temp_dir().await?;
    let (input, output) = (dir.path().join("input"), dir.path().join("output"));
    fs::write(&input, "one two three")?;
    let input = LoopFile::open(&input).await?;
    // The reader had read it ahead.
    for _ in 0..4 {
        input.read_exact(&mut [0]).await?;
    }
    let log = LoopFile::create(&output).await?;
    log.write_all(b"first, ").await?;
    let mut command = Command::new("cat");
    assert!(command.stdin(input).stdout(log).status().await?.success());
    assert_eq!(fs::read_to_string(&output)?, "first, two three");
    let error = command.status().await.unwrap_err();
    assert!(error.to_string().contains("went to the child that was started before"), "{error}");
    Ok(())
}

#[test]
fn a_file_of_the_loop_is_chosen_without_one() -> Result<()> {
    let mut command = Command::new("cat");
    command.stdin(LoopFile::from_std(File::open("Cargo.toml")?));
    let output = oneloop::run(async { command.output().await })?;
    assert_eq!(output.stdout, fs::read("Cargo.toml")?);
    Ok(())
}

#[oneloop::test]
async fn a_file_that_is_in_use_is_told_where_the_child_starts() -> Result<()> {
    let dir = temp_dir().await?;
    let path = dir.path().join("fifo");
    mkfifo(&path, Mode::S_IRWXU)?;
    let mut file = LoopFile::options().read(true).write(true).open(&path).await?;
    let mut other = File::open(&path)?;
    // More than a pipe holds, so the writing thread has to wait.
    let data = vec![7; 100_000];
    let written = poll_fn(|cx| Pin::new(&mut file).poll_write(cx, &data)).await?;
    let mut command = Command::new("cat");
    command.stdin(file);
    other.read_exact(&mut vec![0; written])?;
    let error = command.spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    let message = error.to_string();
    assert!(message.starts_with("cannot start `cat`: cannot hand over `"), "{message}");
    assert!(message.contains("an operation on it is under way"), "{message}");
    Ok(())
}

#[oneloop::test]
async fn a_descriptor_goes_to_one_child() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new("true");
    command.stdout(OwnedFd::from(theirs));
    assert!(command.status().await?.success());
    // The command still exists, but no process has the other end.
    assert_eq!((&ours).read(&mut [0])?, 0);
    let error = command.status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("what was given as stdout went to the child"), "{error}");
    assert!(command.stdout(Stdio::null()).status().await?.success());
    Ok(())
}

#[oneloop::test]
async fn errors_go_where_the_output_goes_in_their_order() -> Result<()> {
    let script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done";
    let expected = "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n";
    let output = Command::shell(script).stderr_to_stdout().output().await?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert!(output.stderr.is_empty());

    let mut child = Command::shell(script).stdout(Stdio::piped()).stderr_to_stdout().spawn()?;
    assert!(child.stderr.is_none());
    assert_eq!(child.communicate("").await?.stdout, expected.as_bytes());

    let (sender, receiver) = pipe::pipe()?;
    let mut command = Command::shell(script);
    let child = command.stdout(sender).stderr_to_stdout().spawn()?;
    let mut text = String::new();
    (&receiver).read_to_string(&mut text).await?;
    assert_eq!(text, expected);
    assert!(child.wait().await?.success());

    let quiet = Command::shell(script).stdout(Stdio::null()).stderr_to_stdout().output().await?;
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
    Ok(())
}

#[oneloop::test]
async fn a_childs_output_is_anothers_input() -> Result<()> {
    let mut first = piped(&mut Command::new("cat")).spawn()?;
    let mut second = Command::new("tr");
    second.args(["a-z", "A-Z"]).stdin(first.stdout.take().unwrap()).stdout(Stdio::piped());
    let mut second = second.spawn()?;
    let mut third = Command::new("wc");
    let mut third =
        third.arg("-c").stdin(second.stdout.take().unwrap()).stdout(Stdio::piped()).spawn()?;
    let input = vec![b'x'; 1 << 20];
    let ended = try_gather!(first.communicate(&input), second.wait(), third.communicate(""));
    let (first, second, third) = timeout(PATIENCE, ended).await??;
    assert!(first.status.success() && second.success());
    assert_eq!(third.stdout.trim_ascii(), b"1048576");
    Ok(())
}

#[oneloop::test]
async fn a_stream_that_is_handed_on_blocks_as_programs_expect() -> Result<()> {
    let mut first = Command::new("sleep").arg("60").stdout(Stdio::piped()).spawn()?;
    // `cat` fails on a non-blocking descriptor without data.
    let mut second = Command::new("cat");
    let second = second.stdin(first.stdout.take().unwrap()).spawn()?;
    assert!(timeout(20 * MS, second.wait()).await.is_err());
    first.kill()?;
    assert!(timeout(PATIENCE, second.wait()).await??.success());
    Ok(())
}

#[oneloop::test]
async fn the_first_of_a_pipeline_ends_when_the_second_does() -> Result<()> {
    let mut first = Command::new("yes").stdout(Stdio::piped()).spawn()?;
    let mut command = Command::new("head");
    let second = command.arg("-n1").stdin(first.stdout.take().unwrap()).output().await?;
    assert_eq!(second.stdout, b"y\n");
    // This holds although the second one's command still exists.
    assert!(!timeout(PATIENCE, first.wait()).await??.success());
    drop(command);
    Ok(())
}

#[oneloop::test]
async fn a_stream_of_another_loop_is_told_where_the_child_starts() -> Result<()> {
    let mut child = Command::new("echo").stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().unwrap();
    let stdio = thread::spawn(move || Stdio::from(stdout)).join().unwrap();
    let error = Command::new("cat").stdin(stdio).spawn().unwrap_err();
    assert!(error.to_string().contains("belongs to the loop of thread"), "{error}");
    Ok(())
}

#[oneloop::test]
async fn the_programs_descriptors_are_not_inherited() -> Result<()> {
    let list = "exec ls /proc/self/fd";
    let before = process::Command::new("sh").args(["-c", list]).output()?.stdout;
    let (_sender, _receiver) = pipe::pipe()?;
    let _other = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    assert_eq!(Command::shell(list).output().await?.stdout, before);
    Ok(())
}

#[oneloop::test]
async fn a_read_that_is_cancelled_takes_nothing() -> Result<()> {
    let mut command = Command::shell("read line; echo $line");
    let mut child = piped(&mut command).spawn()?;
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (stdout, child) = (Rc::new(stdout), child);
    let reading = create_task({
        let stdout = stdout.clone();
        async move { stdout.read(&mut [0; 9]).await }
    });
    sleep(MS).await;
    reading.cancel();
    assert!(reading.await.unwrap_err().is_cancelled());
    stdin.write_all(b"text\n").await?;
    assert_eq!(line(&stdout).await?, "text");
    assert!(child.wait().await?.success());
    Ok(())
}
