//! Pipes, within the process and to others, and named pipes.

mod ends;
mod fifos;
mod foreign;
