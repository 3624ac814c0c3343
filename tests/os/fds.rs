//! Descriptors of any kind: `AsyncFd`, and callbacks that watch them.

mod callbacks;
mod contract;
mod kinds;
