//! What reaches the operating system, as programs use it: real sockets, files, processes, signals
//! and threads. One binary, a module per topic; what changes the state of the process has a binary
//! of its own, and so has what starts other programs.

#![cfg(all(feature = "fs", feature = "net"))]

mod connecting;
mod fds;
mod fs;
mod lookup;
mod no_bytes;
mod pipes;
mod send_file;
mod server;
mod streams;
mod tcp_socket;
mod threads;
mod udp;
mod unix;
