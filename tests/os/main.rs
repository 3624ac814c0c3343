//! Everything that reaches the operating system, as programs use it: real sockets, files,
//! processes, signals and threads. This is one binary, with a module per topic. Tests that change
//! the state of the process have separate binaries, and so have tests that start other programs.

#![cfg(all(feature = "fs", feature = "net"))]

mod accepting;
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
