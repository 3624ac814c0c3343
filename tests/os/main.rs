//! What reaches the operating system, as programs use it: real sockets, files, processes, signals and threads. One binary, a
//! module per topic; what changes the state of the process has a binary of its own.

mod fds;
mod fs;
mod pipes;
mod process;
mod streams;
mod threads;
mod unix;
