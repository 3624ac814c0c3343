//! The state of `Child::communicate`, which feeds and drains a child at the same time, and can be
//! interrupted and resumed.

use std::io::{self, ErrorKind};
use std::mem;

use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::io::pipe::Receiver;

#[derive(Default)]
pub(super) struct Conversation {
    /// How much of the input was written.
    written: usize,
    /// The child takes no more input, or there is none left.
    is_fed: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Conversation {
    /// Continues until all pipes have ended. Each is then closed.
    pub(super) async fn hold(
        &mut self,
        input: &[u8],
        stdin: &mut Option<ChildStdin>,
        stdout: &mut Option<ChildStdout>,
        stderr: &mut Option<ChildStderr>,
    ) -> io::Result<()> {
        let Self { written, is_fed, stdout: from_stdout, stderr: from_stderr } = self;
        if stdin.is_none() && !*is_fed && !input.is_empty() {
            let message =
                "there is no pipe to write the input to: `stdin(Stdio::piped())` makes one";
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        let feed = async {
            if let Some(pipe) = stdin {
                feed(pipe, input, written).await?;
            }
            *is_fed = true;
            *stdin = None;
            Ok(())
        };
        let (from_stdout, from_stderr) = (drain(stdout, from_stdout), drain(stderr, from_stderr));
        crate::try_gather!(feed, from_stdout, from_stderr).await?;
        Ok(())
    }

    /// Takes what the child has written.
    pub(super) fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        (mem::take(&mut self.stdout), mem::take(&mut self.stderr))
    }
}

async fn feed(pipe: &ChildStdin, input: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(rest) = input.get(*written..).filter(|rest| !rest.is_empty()) {
        match pipe.write(rest).await {
            Ok(more) => *written += more,
            Err(error) if is_gone(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the child no longer reads, which is not an error.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

async fn drain(pipe: &mut Option<Receiver>, buf: &mut Vec<u8>) -> io::Result<()> {
    if let Some(open) = pipe {
        open.read_to_end(buf).await?;
    }
    *pipe = None;
    Ok(())
}
