//! The examples of streams as processes, with real peers: curl, and lines as a person would type
//! them.

#![cfg(all(feature = "net", feature = "signal"))]

use std::env;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

/// Next to the directory of the test itself. `cargo test` builds the examples.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}

/// A running server, killed when dropped.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    /// In the form that the server prints.
    place: String,
}

impl Server {
    fn start(name: &str) -> io::Result<Self> {
        let mut process =
            Command::new(example(name)).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn()?;
        let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let place = line.trim_end().strip_prefix("listening at ");
        let place = place.expect("the first line says where it listens").to_owned();
        Ok(Self { process, stdout, place })
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.place.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(BufReader::new(stream))
    }

    fn press_ctrl_c(&self) -> io::Result<()> {
        let kill = Command::new("kill").arg("-INT").arg(self.process.id().to_string()).status()?;
        assert!(kill.success());
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line)
}

/// `None` if curl is not installed here.
fn curl(args: &[&str]) -> io::Result<Option<String>> {
    match Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(args)
        .output()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            #[expect(
                clippy::print_stderr,
                reason = "a test that did not run must not look as if it had"
            )]
            {
                eprintln!("SKIPPED: curl is not installed");
            }
            Ok(None)
        }
        output => {
            let Output { status, stdout, stderr } = output?;
            assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
            Ok(Some(String::from_utf8_lossy(&stdout).into_owned()))
        }
    }
}

#[test]
fn curl_gets_pages_from_the_http_server_by_one_connection() -> io::Result<()> {
    let server = Server::start("http_server")?;
    let (one, two) = (format!("{}/one", server.place), format!("{}/two?x=1", server.place));
    let written = "%{http_code} %{num_connects}\n";
    let Some(pages) = curl(&["--write-out", written, &one, &two])? else { return Ok(()) };
    assert_eq!(pages, "you asked for /one\n200 1\nyou asked for /two?x=1\n200 0\n");
    let refused = curl(&["--write-out", written, "--data", "some=data", &one])?;
    assert_eq!(refused.as_deref(), Some("405 1\n"));
    let by_head = curl(&["--http1.0", "--header", "Connection: close", &one])?;
    assert_eq!(by_head.as_deref(), Some("you asked for /one\n"));
    Ok(())
}

#[test]
fn the_http_server_serves_what_is_sent_in_pieces_and_ends_in_order() -> io::Result<()> {
    let mut server = Server::start("http_server")?;
    let mut client = server.connect()?;
    for piece in ["GET /sl", "ow HTTP/1.1\r", "\nHost: x\r\n\r", "\n"] {
        client.get_mut().write_all(piece.as_bytes())?;
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(read_line(&mut client)?, "HTTP/1.1 200 OK\r\n");
    while read_line(&mut client)? != "\r\n" {}
    assert_eq!(read_line(&mut client)?, "you asked for /slow\n");

    // Idle connections are closed at once, so the server does not wait for them.
    server.press_ctrl_c()?;
    assert_eq!(client.read(&mut [0; 1])?, 0);
    assert!(server.process.wait()?.success());
    Ok(())
}

fn get(url: &str) -> io::Result<(Option<i32>, String, String)> {
    let Output { status, stdout, stderr } = Command::new(example("http_get")).arg(url).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((status.code(), text(stdout), text(stderr)))
}

#[test]
fn http_get_gets_pages_and_says_what_is_wrong() -> io::Result<()> {
    let server = Server::start("http_server")?;
    let page = get(&format!("{}/page", server.place))?;
    assert_eq!(page, (Some(0), "you asked for /page\n".into(), "200 OK\n".into()));

    for (url, what) in [
        ("nonsense", "http://HOST"),
        ("http://127.0.0.1:port/", "http://HOST"),
        ("http:///page", "http://HOST"),
        ("http://127.0.0.1:1/", "refused"),
    ] {
        let (status, stdout, stderr) = get(url)?;
        assert_eq!((status, stdout), (Some(1), String::new()));
        assert!(stderr.contains(what), "{stderr}");
    }
    Ok(())
}

#[test]
fn http_get_understands_other_servers_and_sees_what_is_none() -> io::Result<()> {
    let answers = [
        ("HTTP/1.1 404 Not Found\r\n\r\nno such page", Some(1), "no such page", "404 Not Found"),
        ("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", Some(0), "", "200 OK"),
        ("HTTP/1.0 200 OK\r\nhalf a head", Some(1), "", "ended"),
        ("220 mail.example.org\r\n\r\n", Some(1), "", "not HTTP"),
    ];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    for (answer, expected, body, what) in answers {
        let answering = thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let (mut stream, _) = listener.accept()?;
                let mut request = BufReader::new(stream.try_clone()?).lines();
                let mut lines = Vec::new();
                while let Some(line) = request.next().transpose()?.filter(|line| !line.is_empty()) {
                    lines.push(line);
                }
                let host = url.trim_start_matches("http://").trim_end_matches('/');
                assert_eq!(lines, ["GET / HTTP/1.0", &*format!("Host: {host}")]);
                stream.write_all(answer.as_bytes())?;
                stream.shutdown(Shutdown::Write)
            });
            let got = get(&url)?;
            serving.join().expect("it does not panic").map(|()| got)
        });
        let (status, stdout, stderr) = answering?;
        assert_eq!((status, &*stdout), (expected, body), "{stderr}");
        assert!(stderr.contains(what), "{stderr}");
    }
    Ok(())
}

#[test]
fn what_one_says_in_the_chat_all_hear() -> io::Result<()> {
    let mut server = Server::start("line_chat")?;
    let join = |name: &str| {
        let mut client = server.connect()?;
        assert_eq!(read_line(&mut client)?, "* your name, please\n");
        client.get_mut().write_all(format!("{name}\n").as_bytes())?;
        assert_eq!(read_line(&mut client)?, format!("* {name} is here\n"));
        io::Result::Ok(client)
    };
    let mut ada = join("ada")?;
    let mut alan = join("alan")?;
    assert_eq!(read_line(&mut ada)?, "* alan is here\n");
    // In two pieces, with bytes that a terminal would obey.
    ada.get_mut().write_all(b"hel")?;
    thread::sleep(Duration::from_millis(1));
    ada.get_mut().write_all(b"lo\x1b[2J\n")?;
    for client in [&mut ada, &mut alan] {
        assert_eq!(read_line(client)?, "ada: hello[2J\n");
    }
    drop(alan);
    assert_eq!(read_line(&mut ada)?, "* alan has left\n");
    // A client that leaves without a name was never announced.
    let mut nobody = server.connect()?;
    assert_eq!(read_line(&mut nobody)?, "* your name, please\n");
    nobody.get_mut().write_all(b" \n")?;
    assert_eq!(read_line(&mut nobody)?, "");

    let mut endless = join("endless")?;
    assert_eq!(read_line(&mut ada)?, "* endless is here\n");
    endless.get_mut().write_all(&[b'x'; 5000])?;
    assert_eq!(read_line(&mut ada)?, "* endless has left\n");
    let mut said = String::new();
    server.stdout.read_line(&mut said)?;
    assert_eq!(said, "* ada is here\n");
    Ok(())
}

#[test]
fn many_lines_at_once_reach_everybody_in_the_chat() -> io::Result<()> {
    const LINES: usize = 1000;
    let server = Server::start("line_chat")?;
    let join = |name: &str| {
        let mut client = server.connect()?;
        assert_eq!(read_line(&mut client)?, "* your name, please\n");
        client.get_mut().write_all(format!("{name}\n").as_bytes())?;
        assert_eq!(read_line(&mut client)?, format!("* {name} is here\n"));
        io::Result::Ok(client)
    };
    let mut ada = join("ada")?;
    let mut alan = join("alan")?;
    assert_eq!(read_line(&mut ada)?, "* alan is here\n");
    let pasted: Vec<_> = (0..LINES).map(|n| format!("{n}\n")).collect();
    ada.get_mut().write_all(pasted.concat().as_bytes())?;
    for client in [&mut ada, &mut alan] {
        for n in 0..LINES {
            assert_eq!(read_line(client)?, format!("ada: {n}\n"));
        }
    }
    Ok(())
}

#[test]
fn servers_that_cannot_listen_say_so_in_one_line() -> io::Result<()> {
    let occupier = TcpListener::bind("127.0.0.1:0")?;
    for name in ["http_server", "line_chat"] {
        for (addr, what) in
            [("nonsense", "no address"), (&*occupier.local_addr()?.to_string(), "listen")]
        {
            let output = Command::new(example(name)).arg(addr).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.starts_with(&format!("{name}: ")) && said.lines().count() == 1, "{said}");
            assert!(said.contains(addr) && said.contains(what), "{said}");
        }
    }
    Ok(())
}
