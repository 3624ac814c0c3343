//! Passing descriptors.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Result, Seek as _, Write as _};
use std::net;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net as std_net;

use oneloop::net::{TcpListener, TcpStream, UnixDatagram, UnixStream};

use super::{Directory, failure, run};

#[test]
fn a_file_arrives_open_with_its_data() -> Result<()> {
    run(async {
        let directory = Directory::new()?;
        let path = directory.path("file");
        fs::write(&path, "contents")?;
        let (here, there) = UnixStream::pair()?;
        let file = File::open(&path)?;
        assert_eq!(here.send_fds(b"take it", &[file.as_fd()]).await?, 7);
        drop(file);
        fs::remove_file(&path)?;

        let mut buf = [0; 64];
        let (len, mut fds) = there.recv_fds(&mut buf).await?;
        assert_eq!((&buf[..len], fds.len()), (&b"take it"[..], 1));
        let mut text = String::new();
        File::from(fds.remove(0)).read_to_string(&mut text)?;
        assert_eq!(text, "contents");
        Ok(())
    })
}

#[test]
fn a_connection_can_be_handed_on() -> Result<()> {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let (server, _addr) = listener.accept().await?;
        let (here, there) = UnixStream::pair()?;
        here.send_fds(b"c", &[server.as_fd()]).await?;
        drop(server);
        let (_len, mut fds) = there.recv_fds(&mut [0; 8]).await?;
        let server = TcpStream::from_std(net::TcpStream::from(fds.remove(0)))?;
        server.write_all(b"still here").await?;
        let mut buf = [0; 10];
        client.read_exact(&mut buf).await?;
        assert_eq!(&buf, b"still here");
        Ok(())
    })
}

#[test]
fn as_many_arrive_as_were_sent_and_too_many_are_refused() -> Result<()> {
    run(async {
        let (here, there) = UnixStream::pair()?;
        let file = File::open("/dev/null")?;
        let many = vec![file.as_fd(); 254];
        let error = failure(here.send_fds(b"x", &many).await);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("254"), "{error}");
        here.send_fds(b"x", &many[..253]).await?;
        let (len, fds) = there.recv_fds(&mut [0; 8]).await?;
        assert_eq!((len, fds.len()), (1, 253));
        Ok(())
    })
}

#[test]
fn they_are_not_handed_on_to_programs_that_are_executed() -> Result<()> {
    run(async {
        let (here, there) = UnixStream::pair()?;
        here.send_fds(b"x", &[File::open("/dev/null")?.as_fd()]).await?;
        let (_len, fds) = there.recv_fds(&mut [0; 8]).await?;
        let flags = fs::read_to_string(format!("/proc/self/fdinfo/{}", fds[0].as_raw_fd()))?;
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("");
        let flags = u32::from_str_radix(flags.trim(), 8).expect("the kernel writes octal");
        assert_ne!(flags & 0o2_000_000, 0, "O_CLOEXEC");
        Ok(())
    })
}

#[test]
fn data_without_descriptors_and_the_end_are_had_as_by_read() -> Result<()> {
    run(async {
        let (here, there) = UnixStream::pair()?;
        assert_eq!(failure(here.send_fds(b"", &[]).await).kind(), ErrorKind::InvalidInput);
        here.write_all(b"plain").await?;
        let mut buf = [0; 8];
        let (len, fds) = there.recv_fds(&mut buf).await?;
        assert_eq!((len, fds.len()), (5, 0));
        drop(here);
        let (len, fds) = there.recv_fds(&mut buf).await?;
        assert_eq!((len, fds.len()), (0, 0));
        Ok(())
    })
}

#[test]
fn what_is_received_and_dropped_is_closed() -> Result<()> {
    run(async {
        let (here, there) = UnixStream::pair()?;
        let (sent, mut peer) = std_net::UnixStream::pair()?;
        here.send_fds(b"x", &[sent.as_fd()]).await?;
        drop(sent);
        drop(there.recv_fds(&mut [0; 8]).await?);
        assert_eq!(peer.read(&mut [0; 1])?, 0);
        Ok(())
    })
}

#[test]
fn datagrams_carry_them_too() -> Result<()> {
    run(async {
        let (here, there) = UnixDatagram::pair()?;
        let mut file = tempfile()?;
        file.write_all(b"x")?;
        here.send_fds(b"", &[file.as_fd(), file.as_fd()]).await?;
        let (len, fds) = there.recv_fds(&mut [0; 8]).await?;
        assert_eq!((len, fds.len()), (0, 2));
        let mut files = fds.into_iter().map(|fd: OwnedFd| File::from(fd));
        let mut first = files.next().expect("there are two");
        first.rewind()?;
        assert_eq!(first.read(&mut [0; 8])?, 1);
        Ok(())
    })
}

/// A file without a name.
fn tempfile() -> Result<File> {
    let directory = Directory::new()?;
    File::options().read(true).write(true).create_new(true).open(directory.path("file"))
}
