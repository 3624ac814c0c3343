//! `Stdio`: a standard stream of a child.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio as StdStdio;

use crate::io::pipe::{Receiver, Sender, pipe};

/// A standard stream for a child, to be given to [`Command::stdin`](super::Command::stdin) and its
/// relatives.
///
/// Besides its constructors, it can be made from anything that owns a descriptor: a file of the
/// standard library or of [`fs`](crate::fs), an [`OwnedFd`], or an end of a pipe. The output of one
/// child can thus go to another without passing through this program:
///
/// ```
/// use oneloop::process::{Command, Stdio};
///
/// oneloop::run(async {
///     let mut lister = Command::shell("echo one; echo two").stdout(Stdio::piped()).spawn()?;
///     let list = lister.stdout.take().expect("it is piped");
///     let count = Command::new("wc").arg("-l").stdin(list).output().await?;
///     assert_eq!(count.stdout.trim_ascii(), b"2");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
///
/// A descriptor goes to the next child that is started, and is then closed in this process, so that
/// a forgotten copy does not keep a reader waiting for the end. Use `try_clone` to give the same
/// file to several children.
pub struct Stdio(pub(super) Source);

pub(super) enum Source {
    Inherit,
    Piped,
    Null,
    Descriptor(OwnedFd),
    /// The descriptor could not be made. The error is returned when the child is started.
    Failed(io::Error),
}

impl Stdio {
    /// A new pipe, whose other end the [`Child`](super::Child) gets.
    pub fn piped() -> Self {
        Self(Source::Piped)
    }

    /// The stream of this process.
    pub fn inherit() -> Self {
        Self(Source::Inherit)
    }

    /// No input, and all output is discarded: `/dev/null`.
    #[doc(alias = "DEVNULL")]
    pub fn null() -> Self {
        Self(Source::Null)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self(Source::Descriptor(fd))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Self::from(OwnedFd::from(file))
    }
}

/// The descriptor leaves its loop, in blocking mode, as programs expect. If that is not possible,
/// starting the child returns the reason.
impl From<Receiver> for Stdio {
    fn from(receiver: Receiver) -> Self {
        receiver.into_blocking_fd().map_or_else(|error| Self(Source::Failed(error)), Self::from)
    }
}

/// Same as for a [`Receiver`].
impl From<Sender> for Stdio {
    fn from(sender: Sender) -> Self {
        sender.into_blocking_fd().map_or_else(|error| Self(Source::Failed(error)), Self::from)
    }
}

/// The name of standard input in messages.
pub(super) const INPUT: &str = "stdin";

/// The choice for one stream of a command.
#[derive(Default)]
pub(super) enum Choice {
    /// No choice was made.
    #[default]
    Open,
    Made(Stdio),
    /// For standard error: the same as standard output.
    AsOutput,
    /// What a command of the standard library came with; only that command knows it.
    InStd,
    /// A child has it.
    Spent,
}

/// The stream to use if no choice was made.
#[derive(Clone, Copy)]
pub(super) enum Open {
    Inherit,
    Piped,
    Null,
}

/// The stream that standard error shares with standard output.
pub(super) enum Same {
    /// A new pipe, for both.
    Pipe,
    Stdio(StdStdio),
}

impl Choice {
    /// Takes the stream for the next child, in the standard library's form. Returns `None` if the
    /// standard library's command has it already. `open` applies if no choice was made.
    pub(super) fn take(&mut self, name: &str, open: Open) -> io::Result<Option<StdStdio>> {
        let stdio = match self {
            Self::Open => open.stdio(name)?,
            Self::Made(Stdio(Source::Inherit)) => StdStdio::inherit(),
            Self::Made(Stdio(Source::Piped)) => StdStdio::piped(),
            Self::Made(Stdio(Source::Null)) => null(name)?,
            Self::AsOutput | Self::InStd => return Ok(None),
            Self::Made(Stdio(Source::Descriptor(_) | Source::Failed(_))) | Self::Spent => {
                return mem::replace(self, Self::Spent).into_only_one(name).map(Some);
            }
        };
        Ok(Some(stdio))
    }

    /// Takes a stream that exists only once.
    fn into_only_one(self, name: &str) -> io::Result<StdStdio> {
        if let Self::Made(Stdio(source)) = self {
            if let Source::Failed(error) = source {
                return Err(error);
            } else if let Source::Descriptor(fd) = source {
                return Ok(fd.into());
            }
        }
        let message = format!(
            "what was given as {name} went to the child that was started before: give it anew (`try_clone`)"
        );
        Err(io::Error::new(ErrorKind::InvalidInput, message))
    }

    /// Called on the choice for standard output, when standard error is to be the same.
    pub(super) fn same(&self, open: Open) -> io::Result<Same> {
        let same = match (self, open) {
            (Self::Open, Open::Piped) | (Self::Made(Stdio(Source::Piped)), _) => Same::Pipe,
            (Self::Open, Open::Inherit) | (Self::Made(Stdio(Source::Inherit)), _) => {
                Same::Stdio(io::stdout().as_fd().try_clone_to_owned()?.into())
            }
            (Self::Made(Stdio(Source::Descriptor(fd))), _) => Same::Stdio(fd.try_clone()?.into()),
            (Self::InStd, _) => {
                let message = "standard error can be made the same as standard output only if that was chosen here, \
                    and not in the command of `std` that this is made of";
                return Err(io::Error::new(ErrorKind::InvalidInput, message));
            }
            (Self::Made(Stdio(Source::Null)) | Self::Open, _) => Same::Stdio(null("stderr")?),
            // The error is reported when standard output itself is taken.
            (Self::Made(Stdio(Source::Failed(_))) | Self::AsOutput | Self::Spent, _) => {
                Same::Stdio(StdStdio::inherit())
            }
        };
        Ok(same)
    }
}

impl Open {
    fn stdio(self, name: &str) -> io::Result<StdStdio> {
        Ok(match self {
            Self::Inherit => StdStdio::inherit(),
            Self::Piped => StdStdio::piped(),
            Self::Null => null(name)?,
        })
    }
}

const NULL: &str = "/dev/null";

/// The stream for "no input" or "no output". It is opened here, because the standard library's
/// error would not tell its failure from the program's.
fn null(name: &str) -> io::Result<StdStdio> {
    let is_input = name == INPUT;
    match OpenOptions::new().read(is_input).write(!is_input).open(NULL) {
        Ok(file) => Ok(file.into()),
        // A minimal container has no `/dev`. A pipe without a writer has nothing to read,
        // either.
        Err(_) if is_input => {
            let (_, nothing) = pipe()?;
            Ok(nothing.into_blocking_fd()?.into())
        }
        Err(error) => {
            let message = format!("{name} was to be {NULL}, which cannot be opened: {error}");
            Err(io::Error::new(error.kind(), message))
        }
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source) = self;
        match source {
            Source::Inherit => f.write_str("Stdio::inherit"),
            Source::Piped => f.write_str("Stdio::piped"),
            Source::Null => f.write_str("Stdio::null"),
            Source::Descriptor(fd) => f.debug_tuple("Stdio").field(fd).finish(),
            Source::Failed(error) => f.debug_tuple("Stdio").field(error).finish(),
        }
    }
}
