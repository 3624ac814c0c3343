//! The options of a program, and the errors if it cannot be started.

use std::collections::HashSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use oneloop::process::{Command, Stdio};
use oneloop::{gather, task_group};

async fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().await?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout).unwrap())
}

#[oneloop::test]
async fn a_program_gets_its_arguments_as_they_are() -> Result<()> {
    let mut command = Command::new("printf");
    command.arg("%s,").args(["a b", "*", "$HOME", "\"'"]);
    assert_eq!(output_of(&mut command).await?, "a b,*,$HOME,\"',");
    assert_eq!(command.get_program(), "printf");
    assert_eq!(command.get_args().nth(1), Some(OsStr::new("a b")));
    // A command can start any number of children.
    assert_eq!(output_of(&mut command).await?, "a b,*,$HOME,\"',");
    Ok(())
}

#[oneloop::test]
async fn a_program_gets_the_environment_that_was_chosen() -> Result<()> {
    let mut command = Command::new("/usr/bin/env");
    command.env_clear().env("A", "1").envs([("B", "2"), ("C", "3")]).env_remove("B");
    assert_eq!(output_of(&mut command).await?, "A=1\nC=3\n");
    assert_eq!(command.get_envs().count(), 2);
    // The others come from this process, give or take a few.
    let names = |output: String| {
        output
            .lines()
            .map(|line| line.split('=').next().unwrap().to_owned())
            .collect::<HashSet<_>>()
    };
    let own: HashSet<_> = env::vars().map(|(name, _)| name).collect();
    let mut command = Command::new("/usr/bin/env");
    assert!(own.is_subset(&names(output_of(command.env("A", "1")).await?)));
    let names = names(output_of(command.env_remove("PATH")).await?);
    assert!(names.contains("A") && own.contains("PATH") && !names.contains("PATH"));
    Ok(())
}

#[oneloop::test]
async fn a_program_starts_in_the_directory_that_was_chosen() -> Result<()> {
    let mut command = Command::new("pwd");
    assert_eq!(output_of(command.current_dir("/")).await?, "/\n");
    assert_eq!(command.get_current_dir(), Some(Path::new("/")));
    Ok(())
}

#[oneloop::test]
async fn a_program_gets_the_name_and_the_group_that_were_chosen() -> Result<()> {
    let mut command = Command::new("sh");
    assert_eq!(output_of(command.arg0("a name").args(["-c", "echo $0"])).await?, "a name\n");
    let script = "read pid name state parent group rest < /proc/$$/stat; echo $pid $group";
    let told = output_of(Command::shell(script).process_group(0)).await?;
    let (pid, group) = told.trim().split_once(' ').unwrap();
    assert_eq!(pid, group);
    let told = output_of(&mut Command::shell(script)).await?;
    let (pid, group) = told.trim().split_once(' ').unwrap();
    assert_ne!(pid, group);
    Ok(())
}

/// The way that the documentation of `process_group` recommends to get a session.
#[cfg(target_os = "linux")]
#[oneloop::test]
async fn the_program_setsid_makes_a_session_under_the_childs_own_id() -> Result<()> {
    let script =
        "read pid name state parent group session rest < /proc/$$/stat; echo $group $session";
    let mut command = Command::new("setsid");
    let mut child = command.args(["sh", "-c", script]).stdout(Stdio::piped()).spawn()?;
    let pid = child.id().unwrap();
    let told = child.communicate("").await?.stdout;
    assert_eq!(String::from_utf8_lossy(&told), format!("{pid} {pid}\n"));
    Ok(())
}

#[oneloop::test]
async fn a_program_runs_as_who_was_chosen() -> Result<()> {
    let own = process::Command::new("id").arg("-u").output()?.stdout;
    if own != b"0\n" {
        return Ok(()); // only the superuser may
    }
    assert_eq!(output_of(Command::new("id").arg("-u").uid(65534)).await?, "65534\n");
    assert_eq!(output_of(Command::new("id").arg("-g").gid(65534)).await?, "65534\n");
    Ok(())
}

#[oneloop::test]
async fn a_command_of_the_standard_library_serves_as_it_is() -> Result<()> {
    let mut command = process::Command::new("echo");
    command.arg("hello").stdout(process::Stdio::piped());
    let child = Command::from(command).spawn()?;
    assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    let error = Command::from(process::Command::new("echo")).stderr_to_stdout().spawn();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
    Ok(())
}

#[oneloop::test]
async fn many_run_at_once() -> Result<()> {
    let (a, b) = gather!(Command::new("true").status(), Command::new("false").status()).await;
    assert!(a?.success());
    assert_eq!(b?.code(), Some(1));
    let sum = task_group(async |group| -> Result<i32> {
        let run = async |n: i32| Command::shell(format!("exit {n}")).status().await;
        let tasks: Vec<_> = (1..=5).map(|n| group.create_task(run(n))).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap().code().unwrap();
        }
        Ok(sum)
    });
    assert_eq!(sum.await.unwrap(), 15);
    Ok(())
}

/// A new file. Its drop removes it.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, text: &str, mode: u32) -> Result<Self> {
        // Tests run side by side in one process, and two may use the same name.
        static CREATED: AtomicU64 = AtomicU64::new(0);
        let number = CREATED.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("oneloop-{}-{number}-{name}", process::id()));
        // Another program writes the file: while a file is open for writing, it cannot be started,
        // and a child of another thread might have it open for a moment.
        let mut shell = process::Command::new("sh");
        let status =
            shell.args(["-c", r#"printf %s "$1" > "$0""#]).arg(&path).arg(text).status()?;
        assert!(status.success());
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

#[track_caller]
fn assert_error<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) {
    let error = result.err().expect("it cannot be started");
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[oneloop::test]
async fn what_cannot_be_started_is_named_with_what_is_wrong() -> Result<()> {
    let missing = Command::new("no-such-program").spawn();
    assert_error(missing, ErrorKind::NotFound, &["`no-such-program`", "in PATH"]);
    let missing = Command::new("/no/such/program").output().await;
    assert_error(missing, ErrorKind::NotFound, &["`/no/such/program`", "no such file"]);
    let missing = Command::new("true").current_dir("/no/such/dir").status().await;
    assert_error(missing, ErrorKind::NotFound, &["`true`", "working directory /no/such/dir"]);
    let no_dir = Command::new("true").current_dir("/dev/null").spawn();
    assert_error(no_dir, ErrorKind::NotADirectory, &["/dev/null: it is not a directory"]);
    let no_program = Command::new("/dev/null").spawn();
    assert_error(no_program, ErrorKind::PermissionDenied, &["`/dev/null`"]);
    assert_error(Command::new("a\0b").spawn(), ErrorKind::InvalidInput, &["nul byte"]);
    let script = Temporary::new("script", "#!/no/such/interpreter\n", 0o755)?;
    let missing = Command::new(&script.0).spawn();
    assert_error(missing, ErrorKind::NotFound, &["it is there", "interpreter"]);
    let script = Temporary::new("no-script", "echo\n", 0o644)?;
    assert_error(Command::new(&script.0).spawn(), ErrorKind::PermissionDenied, &["no-script"]);
    let long = "x".repeat(1 << 20);
    let too_long = Command::new("true").arg(&long).spawn();
    assert_error(too_long, ErrorKind::ArgumentListTooLong, &["`true`"]);
    // A command whose program could not be started can be used again.
    let mut command = Command::new("true");
    command.current_dir("/no/such/dir").stdout(Stdio::piped()).stderr_to_stdout();
    assert!(command.spawn().is_err());
    assert!(command.current_dir("/").output().await?.status.success());
    Ok(())
}

#[oneloop::test]
async fn what_is_said_to_be_missing_is_missing() -> Result<()> {
    // The program is in the child's own PATH. Its interpreter exists, but a part of that does not.
    let inner = Temporary::new("interpreter", "#!/no/such/interpreter\n", 0o755)?;
    let script = Temporary::new("script", &format!("#!{}\n", inner.0.display()), 0o755)?;
    let (dir, name) = (script.0.parent().unwrap(), script.0.file_name().unwrap());
    let error = Command::new(name).env("PATH", dir).spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!error.to_string().contains("PATH"), "{error}");
    assert!(!error.to_string().contains("no such program"), "{error}");
    let error = Command::new(&inner.0).spawn().unwrap_err();
    assert!(error.to_string().contains("`/no/such/interpreter`"), "{error}");
    // A program that only this process's PATH contains is not found.
    let error = Command::new("true").env("PATH", "/no/such/dir").spawn().unwrap_err();
    assert!(error.to_string().contains("no such program in PATH"), "{error}");
    Ok(())
}

#[oneloop::test]
async fn a_command_may_be_gone_before_its_future_is_awaited() -> Result<()> {
    let output = Command::new("echo").arg("one").output();
    let status = Command::shell("exit 3").status();
    let mut command = Command::new("echo");
    let first = command.arg("two").output();
    let second = command.arg("three").output();
    drop(command);
    assert_eq!(output.await?.stdout, b"one\n");
    assert_eq!(status.await?.code(), Some(3));
    assert_eq!(second.await?.stdout, b"two three\n");
    assert_eq!(first.await?.stdout, b"two\n");
    Ok(())
}

#[oneloop::test]
async fn a_child_has_buffered_streams_once() -> Result<()> {
    let mut cat = Command::shell("cat; echo done >&2");
    let pipes = || [Stdio::piped(), Stdio::piped(), Stdio::piped()];
    let [stdin, stdout, stderr] = pipes();
    let mut child = cat.stdin(stdin).stdout(stdout).stderr(stderr).spawn()?;
    let mut stdin = child.stdin_writer()?;
    let (mut stdout, mut stderr) = (child.stdout_reader()?, child.stderr_reader()?);
    stdin.write("one\ntwo\n");
    stdin.drain().await?;
    assert_eq!(stdout.readline().await?, b"one\n");
    stdin.write("three");
    drop(stdin);
    assert_eq!(stdout.readline().await?, b"two\n");
    assert_eq!(stdout.readline().await?, b"three");
    assert_eq!(stderr.readline().await?, b"done\n");
    assert!(child.wait().await?.success());
    assert_error(child.stdout_reader(), ErrorKind::InvalidInput, &["stdout(Stdio::piped())"]);
    assert_error(child.stderr_reader(), ErrorKind::InvalidInput, &["take it once"]);
    assert_error(child.stdin_writer(), ErrorKind::InvalidInput, &["no stdin"]);
    Ok(())
}

#[test]
fn without_a_loop_there_are_no_children() {
    let error = Command::new("true").spawn().unwrap_err();
    let message =
        "cannot start `true`: a Child needs a running event loop: use it inside `oneloop::run`";
    assert_eq!(error.to_string(), message);
}
