//! Temporary files and directories.

mod doomed;
mod make;
mod name;
mod temp_dir;
mod temp_file;

pub use make::{MakeTempDir, MakeTempFile, temp_dir, temp_file};
pub use temp_dir::TempDir;
pub use temp_file::TempFile;

pub(super) use doomed::Doomed;
pub(super) use name::new_file;
