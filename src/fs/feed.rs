//! Contents that are written to a new file, chunk by chunk.
//!
//! The contents stay with the future, because they may be borrowed. The thread gets one copied
//! chunk at a time.

use std::fs::File as StdFile;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use super::steps::{Step, Steps, Work};

/// How many bytes one step writes.
const CHUNK: usize = 1024 * 1024;

/// Where contents are written. All of its methods block.
pub(super) trait Target: Send + 'static {
    /// Describes the operation and its file, for error messages.
    fn operation(&self) -> (&'static str, &Path);

    fn open(&mut self) -> io::Result<StdFile>;

    fn write(&mut self, file: &StdFile, data: &[u8]) -> io::Result<()>;

    /// Called when everything has been written.
    fn finish(self, file: StdFile) -> io::Result<()>;
}

/// Contents, and the work that writes them.
pub(super) struct Feed<C, T: Target> {
    contents: C,
    /// How many bytes of them have been copied to the work.
    fed: usize,
    steps: Steps<Writing<T>>,
}

impl<C: AsRef<[u8]>, T: Target> Feed<C, T> {
    #[track_caller]
    pub(super) fn new(contents: C, target: T) -> Self {
        let total = contents.as_ref().len() as u64;
        let writing = Writing { target, file: None, chunk: Vec::new(), done: 0, total };
        Self { contents, fed: 0, steps: Steps::new(writing) }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        watch: &mut Option<impl FnMut(u64, u64)>,
    ) -> Poll<io::Result<()>> {
        let contents = self.contents.as_ref();
        let prepare = |writing: &mut Writing<T>| {
            let rest = contents.get(self.fed..).unwrap_or_default();
            writing.chunk.clear();
            writing.chunk.extend_from_slice(&rest[..rest.len().min(CHUNK)]);
            self.fed += writing.chunk.len();
        };
        self.steps.poll(cx, prepare, watch)
    }
}

struct Writing<T> {
    target: T,
    /// `None` until the first step.
    file: Option<StdFile>,
    /// The bytes that the next step writes.
    chunk: Vec<u8>,
    done: u64,
    total: u64,
}

impl<T: Target> Work for Writing<T> {
    type Output = ();

    fn step(mut self) -> io::Result<Step<Self>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.target.open()?,
        };
        self.target.write(&file, &self.chunk)?;
        self.done += self.chunk.len() as u64;
        if self.done < self.total && !self.chunk.is_empty() {
            self.file = Some(file);
            return Ok(Step::Next(self));
        }
        self.target.finish(file)?;
        Ok(Step::Over((), self.total))
    }

    fn operation(&self) -> (&'static str, &Path) {
        self.target.operation()
    }

    fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}
