//! What `Child::communicate` has done so far: feeding and draining a child at once, in a way that
//! can be broken off and gone on with.

use std::io::{self, ErrorKind};
use std::mem;

use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::io::pipe::Receiver;

#[derive(Default)]
pub(super) struct Conversation {
    /// How much of the input was written.
    written: usize,
    /// The child takes no more, or there is no more.
    is_fed: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Conversation {
    /// Goes on until all pipes have ended, each of which is closed then.
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

    /// What the child has written.
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

/// Whether the child reads no more, which is its own affair.
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
